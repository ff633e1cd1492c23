"""A small game for the tests of modules: a pack of items, characters to hold them, and what must be true after every test."""

from collections.abc import Sequence

from gamekeeper.keep import Keep
from gamekeeper.modules import characters, content, items

COINS = content.ItemDefinition(id="coins", name="Coins", kind="currency", stackable=True)
ARROW = content.ItemDefinition(id="arrow", name="Arrow", stackable=True, max_stack=100, equip_slot="arrows")
LOGS = content.ItemDefinition(id="logs", name="Logs")
HELM = content.ItemDefinition(id="helm", name="Helm", equip_slot="helmet")
CROWN = content.ItemDefinition(id="crown", name="Crown", unique=True, equip_slot="helmet")
KEY = content.ItemDefinition(id="cell_key", name="Cell key", tradeable=False)
ALL = (COINS, ARROW, LOGS, HELM, CROWN, KEY)


def pack(*definitions: content.Defined, id: str = "scene", version: str = "1") -> content.Pack:
    """A pack as `read_pack` would give it."""
    return content.pack_of(*definitions, id=id, version=version, title="Scene")


async def stock(keep: Keep) -> None:
    """Load the pack."""
    await keep.do(content.load_pack(pack=pack(*ALL)))


async def people(keep: Keep, *names: str) -> list[str]:
    """Make characters."""
    return [(await keep.do(characters.create(name=name))).character_id for name in names]


async def fill(keep: Keep, holder: str, slots: int = 28) -> None:
    """Fill inventory slots with logs."""
    await keep.do(items.grant(holder=holder, item="logs", quantity=slots, source="test"))


async def lying(keep: Keep, holder: str, container: str = "inventory") -> dict[int, tuple[str, int]]:
    """What lies in which slot."""
    return {row.slot: (row.item, row.quantity) for row in await keep.ask(items.inventory(holder=holder)) if row.container == container}


async def unique_id(keep: Keep, holder: str) -> str:
    """The id of the only unique item that a holder has."""
    (uid,) = [row.item_uid for row in await keep.ask(items.inventory(holder=holder)) if row.item_uid]
    return uid


async def adds_up(keep: Keep) -> None:
    """Nothing was duplicated or lost: over the world, and for each holder."""
    assert [row for row in await keep.ask(items.conservation()) if row.difference] == []
    assert await keep.ask(items.balances_differ()) == []


async def totals(keep: Keep, holders: Sequence[str], item: str) -> list[int]:
    """How many of an item each holder has."""
    return [await keep.ask(items.held(holder=holder, item=item)) for holder in holders]
