"""What may be asked of a bank."""

from typing import Any

from msgspec import Struct

from gamekeeper.kernel.queries import Loaded, Reader, query
from gamekeeper.modules import characters, content, items

from .records import BankPlaceholder, BankTab, Tab
from .rules import tab_of


class BankStack(Struct, frozen=True):
    """What lies in a slot; `unknown` when no loaded pack defines the item."""

    slot: int
    item: str
    name: str | None
    quantity: int
    item_uid: str | None
    metadata: dict[str, Any]
    noteable: bool
    unknown: bool


class KeptPlace(Struct, frozen=True):
    """A slot that waits for an item."""

    slot: int
    item: str


class ShownTab(Struct, frozen=True):
    """A tab with what lies in it, in the order of its slots."""

    tab: int
    icon_item_id: str | None
    stacks: list[BankStack]
    placeholders: list[KeptPlace]


class Bank(Struct, frozen=True):
    """A bank: its tabs, and how many slots are free over all of them."""

    tabs: list[ShownTab]
    free_slots: int
    placeholder_count: int


@query(access="player")
async def show(read: Reader, *, character: characters.CharacterId, tab: Tab | None = None) -> Bank:
    """Show what lies in a bank, in all tabs or in one.

    Raises: CHARACTER_NOT_FOUND.
    """
    _, loaded = await characters.load_alive(read, character, items.Holding, BankTab, BankPlaceholder)
    return bank_of(read, loaded, tab)


def bank_of(read: Reader, loaded: Loaded, tab: int | None = None) -> Bank:
    """Give the bank that a character's rows make: its holdings, tabs and placeholders."""
    definitions = read.definitions(content.ItemDefinition)
    icons: dict[int, str | None] = {0: None}
    icons.update({one.tab_index: one.icon_item_id for one in loaded.rows(BankTab)})
    stacks: dict[int, list[BankStack]] = {}
    used: set[tuple[int, int]] = set()
    for held in loaded.rows(items.Holding):
        if held.container in items.BANK_TABS:
            where = tab_of(held.container)
            used.add((where, held.slot))
            stacks.setdefault(where, []).append(_stack(held, definitions.get(held.item_id)))
    kept = [one for one in loaded.rows(BankPlaceholder) if (one.tab_index, one.slot) not in used]
    shown = [
        ShownTab(
            index, icons.get(index), stacks.get(index, []), [KeptPlace(one.slot, one.item_id) for one in kept if one.tab_index == index]
        )
        for index in sorted(icons.keys() | stacks.keys())
        if tab in (None, index)
    ]
    return Bank(shown, max(items.BANK_SLOTS - len(used) - len(kept), 0), len(kept))


def _stack(row: items.Holding, definition: content.ItemDefinition | None) -> BankStack:
    name = None if definition is None else definition.name
    noteable = definition is not None and definition.noteable and not row.metadata and row.item_uid is None
    return BankStack(row.slot, row.item_id, name, row.quantity, row.item_uid, row.metadata, noteable, definition is None)
