"""Banks: one slot for each kind of thing, in tabs, with notes and placeholders, and nothing ever lost between two of them."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gamekeeper
from gamekeeper import GameError
from gamekeeper.errors import InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import Call
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import banks, characters, content, items, trades
from tests.crash.raw import raw
from tests.modules.scene import ALL, ARROW, LOGS, adds_up, fill, lying, pack, people, unique_id

PLANK = content.ItemDefinition(id="plank", name="Plank", noteable=True, value=5)


async def stock(keep: Keep, *without: content.ItemDefinition, version: str = "1") -> None:
    """Load the scene's pack with something that can be noted."""
    left = [one for one in (*ALL, PLANK) if one not in without]
    await keep.do(content.load_pack(pack=pack(*left, version=version)))


async def grant(keep: Keep, holder: str, item: str, quantity: int, container: Any = "inventory", **metadata: Any) -> None:
    """New things."""
    await keep.do(items.grant(holder=holder, item=item, quantity=quantity, source="test", container=container, metadata=metadata))


async def bank(keep: Keep, who: str) -> dict[tuple[int, int], tuple[str, int]]:
    """What lies in which tab and slot; a placeholder counts 0."""
    shown = await keep.ask(banks.show(character=who))
    stacks = {(tab.tab, one.slot): (one.item, one.quantity) for tab in shown.tabs for one in tab.stacks}
    kept = {(tab.tab, one.slot): (one.item, 0) for tab in shown.tabs for one in tab.placeholders}
    assert not stacks.keys() & kept.keys()
    assert shown.free_slots == max(480 - len(stacks) - len(kept), 0)
    return stacks | kept


async def test_seed_000_defect_11_withdrawing_100_with_three_free_slots_keeps_97(keep: Keep) -> None:
    """Defect 11: the original set the row to 0 after it had moved what fits, and the rest was gone."""
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    for count in (28, 28, 28, 16):
        await fill(keep, ada, count)
        await keep.do(banks.deposit_inventory(character=ada))
    assert await bank(keep, ada) == {(0, 0): ("logs", 100)}
    await grant(keep, ada, "helm", 25)

    out = await keep.do(banks.withdraw(character=ada, slot=0, quantity=100, placeholder=True))

    assert (out.quantity, out.left) == (3, 97)
    assert await bank(keep, ada) == {(0, 0): ("logs", 97)}
    with pytest.raises(items.InventoryFull):
        await keep.do(banks.withdraw(character=ada, item="logs"))
    assert await keep.ask(items.held(holder=ada, item="logs")) == 100
    await adds_up(keep)


async def test_what_is_alike_lies_in_one_slot_and_comes_back_to_it(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    await grant(keep, ada, "arrow", 150)
    await grant(keep, ada, "helm", 2)
    await grant(keep, ada, "arrow", 5, charges=1)
    go: dict[str, Any] = {"character": ada}

    await keep.do(banks.deposit(**go, item="arrow", quantity=110))  # from two stacks, those with charges among them
    await keep.do(banks.deposit(**go, slot=2))
    made = await keep.do(banks.create_tab(**go, from_slot=0))
    await keep.do(banks.deposit(**go, item="arrow", tab=0))
    await keep.do(banks.deposit(**go, item="helm"))

    assert made.tab == 1
    assert await bank(keep, ada) == {(1, 0): ("arrow", 150), (0, 0): ("arrow", 5), (0, 1): ("helm", 2)}
    tabs = {tab.tab: tab for tab in (await keep.ask(banks.show(character=ada))).tabs}
    assert (tabs[1].icon_item_id, tabs[0].stacks[0].metadata) == ("arrow", {"charges": 1})
    assert [tab.tab for tab in (await keep.ask(banks.show(character=ada, tab=1))).tabs] == [1]

    one_left = await keep.do(banks.withdraw(**go, tab=1, slot=0, but_one=True))
    assert (one_left.quantity, one_left.left) == (149, 1)
    with pytest.raises(items.InsufficientQuantity):
        await keep.do(banks.withdraw(**go, tab=1, slot=0, but_one=True))
    with pytest.raises(items.StackOverflow):  # no other command makes a pile of what is not stackable
        await keep.do(items.move(holder=ada, from_container="bank:0", from_slot=1, to_container="inventory", to_slot=20))
    for bad, code in (
        (banks.deposit(**go), "INVALID_ARGUMENT"),
        (banks.withdraw(**go, slot=1, item="logs"), "INVALID_ARGUMENT"),
        (banks.deposit(**go, item="logs"), "ITEM_NOT_FOUND"),
        (banks.deposit(**go, slot=27), "SLOT_EMPTY"),
        (banks.deposit(**go, item="arrow", quantity=150), "INSUFFICIENT_QUANTITY"),
        (banks.deposit(**go, item="arrow", tab=4), "TAB_NOT_FOUND"),
        (banks.withdraw(**go, item="logs"), "ITEM_NOT_IN_BANK"),
        (banks.withdraw(**go, slot=9), "SLOT_EMPTY"),
        (banks.set_tab_icon(**go, tab=3, item="helm"), "TAB_NOT_FOUND"),
        (banks.set_tab_icon(**go, tab=1, item="moonbeam"), "UNKNOWN_ITEM"),
        (banks.create_tab(**go, from_slot=0, tab=1), "TAB_EXISTS"),
        (banks.deposit_equipment(**go), "INVENTORY_EMPTY"),
    ):
        with pytest.raises(GameError) as refused:
            await keep.do(bad)
        assert refused.value.code == code
    await adds_up(keep)


async def test_a_note_stands_for_its_item_and_forgets_nothing(keep: Keep) -> None:
    await stock(keep)
    ada, bob = await people(keep, "Ada", "Bob")
    for _ in range(2):
        await grant(keep, ada, "plank", 20)
        await keep.do(banks.deposit_inventory(character=ada))
    await grant(keep, ada, "plank", 1, carved="A")
    await fill(keep, ada, 26)

    out = await keep.do(banks.withdraw(character=ada, item="plank", quantity=35, as_note=True))

    assert out.quantity == 35
    assert (await lying(keep, ada))[27] == ("plank_noted", 35), "one stack in the one free slot"
    noted = (await keep.ask(items.inventory(holder=ada)))[-1]
    assert (noted.name, noted.unknown) == ("Plank (noted)", False)
    await keep.do(items.give(giver=ada, receiver=bob, item="plank_noted", quantity=30))
    with pytest.raises(items.ContainerInvalid):
        await keep.do(items.move(holder=bob, from_container="inventory", from_slot=0, to_container="bank:0"))
    with pytest.raises(items.NotEquippable):
        await keep.do(items.equip(character=bob, slot=0))
    await keep.do(banks.deposit(character=bob, slot=0))
    assert await bank(keep, bob) == {(0, 0): ("plank", 30)}
    await keep.do(banks.deposit(character=ada, item="plank"))  # the carved one
    with pytest.raises(banks.ItemNotNoteable):
        await keep.do(banks.withdraw(character=ada, slot=1, as_note=True))
    await keep.do(banks.deposit(character=ada, item="logs"))
    with pytest.raises(banks.ItemNotNoteable):
        await keep.do(banks.withdraw(character=ada, item="logs", as_note=True))
    # Metadata that a note was given is what comes back.
    await grant(keep, ada, "plank_noted", 1, carved="A")
    await keep.do(banks.deposit_inventory(character=ada))
    assert await bank(keep, ada) == {(0, 0): ("plank", 10), (0, 1): ("plank", 2), (0, 2): ("logs", 26)}
    await adds_up(keep)

    # What can no longer be noted still comes back; what is no longer defined is kept as it is.
    await keep.do(banks.withdraw(character=bob, item="plank", as_note=True, quantity=10))
    plain = content.ItemDefinition(id="plank", name="Plank")
    await keep.do(content.load_pack(pack=pack(*ALL, plain, version="2")))
    await keep.do(banks.deposit(character=bob, slot=0, quantity=4))
    await stock(keep, PLANK, version="3")
    await keep.do(banks.deposit(character=bob, slot=0))
    assert await bank(keep, bob) == {(0, 0): ("plank", 24), (0, 1): ("plank_noted", 6)}
    with pytest.raises(InvalidArgument):
        await keep.do(content.load_pack(pack=pack(content.ItemDefinition(id="ash_noted", name="Ash"), id="other")))
    await adds_up(keep)


async def test_seed_000_defect_10_a_placeholder_is_its_own_row_and_is_filled_first(keep: Keep, database_url: str) -> None:
    """Defect 10: placeholders were rows with quantity 0, which a migration deleted and a constraint then refused."""
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    await grant(keep, ada, "logs", 2)
    await grant(keep, ada, "helm", 1)
    await grant(keep, ada, "arrow", 9)
    await keep.do(banks.deposit_inventory(character=ada))
    await keep.do(banks.withdraw(character=ada, slot=0, placeholder=True))
    await keep.do(banks.withdraw(character=ada, slot=1))
    await keep.do(characters.set_setting(character=ada, name="always_set_placeholder", value=True))
    await keep.do(banks.withdraw(character=ada, slot=2, quantity=8))
    await keep.do(banks.withdraw(character=ada, slot=2))
    assert await bank(keep, ada) == {(0, 0): ("logs", 0), (0, 2): ("arrow", 0)}
    async with raw(database_url) as database:
        assert await database.one("SELECT count(*) FROM holdings WHERE quantity < 1") == 0
        with pytest.raises(Exception, match=r"(?i)check|constraint"):
            await database.rows("INSERT INTO holdings VALUES (?, 'bank:0', 7, 'logs', 0, NULL, '{}')", ada)

    with pytest.raises(banks.AlreadyPlaceholder):
        await keep.do(banks.withdraw(character=ada, slot=0))
    with pytest.raises(banks.NotAPlaceholder):
        await keep.do(banks.release_placeholder(character=ada, slot=1))
    await keep.do(banks.move(character=ada, from_tab=0, from_slot=2, to_tab=0, to_slot=6))
    await keep.do(banks.deposit_inventory(character=ada))
    assert await bank(keep, ada) == {(0, 0): ("logs", 2), (0, 1): ("helm", 1), (0, 6): ("arrow", 9)}

    await keep.do(banks.withdraw(character=ada, slot=0))
    await keep.do(banks.withdraw(character=ada, slot=1))
    await keep.do(banks.release_placeholder(character=ada, slot=0))
    released = await keep.do(banks.release_placeholders(character=ada))
    assert (released.placeholders, await bank(keep, ada)) == (1, {(0, 6): ("arrow", 9)})
    await adds_up(keep)


async def test_seed_000_defect_15_things_change_places_and_two_never_lie_in_one_slot(keep: Keep, database_url: str) -> None:
    """Defect 15: a migration kept one of the items that lay in one slot, and deleted the others."""
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    await grant(keep, ada, "crown", 3, "bank:0")
    await grant(keep, ada, "logs", 1, "bank:0")
    await grant(keep, ada, "helm", 1, "bank:0")
    crowns = [one.item_uid for one in (await keep.ask(banks.show(character=ada))).tabs[0].stacks[:3]]

    async def order(tab: int = 0) -> list[str | None]:
        shown = (await keep.ask(banks.show(character=ada, tab=tab))).tabs[0]
        found = {one.slot: one.item_uid or one.item for one in shown.stacks} | {one.slot: f"({one.item})" for one in shown.placeholders}
        return [found.get(slot) for slot in range(max(found) + 1)]

    async def move(*spots: int, how: Any = "insert") -> None:
        from_tab, from_slot, to_tab, to_slot = spots
        await keep.do(banks.move(character=ada, from_tab=from_tab, from_slot=from_slot, to_tab=to_tab, to_slot=to_slot, how=how))

    await move(0, 4, 0, 1)
    assert await order() == [crowns[0], "helm", crowns[1], crowns[2], "logs"]
    await move(0, 0, 0, 3)
    assert await order() == ["helm", crowns[1], crowns[2], crowns[0], "logs"]
    await move(0, 1, 0, 3, how="swap")
    assert await order() == ["helm", crowns[0], crowns[2], crowns[1], "logs"]
    made = await keep.do(banks.create_tab(character=ada, from_slot=4, tab=5))
    await move(0, 2, 5, 0)
    await keep.do(banks.withdraw(character=ada, tab=5, slot=1, placeholder=True))
    await move(0, 0, 5, 0)
    assert (made.tab, await order(5), await order()) == (5, ["helm", crowns[2], "(logs)"], [None, crowns[0], None, crowns[1]])
    await keep.do(banks.close_gaps(character=ada))
    assert await order() == crowns[:2]
    with pytest.raises(banks.TabNotFound):
        await move(0, 0, 2, 0)

    await keep.do(banks.set_tab_icon(character=ada, tab=5, item="crown"))
    await keep.do(banks.delete_tab(character=ada, tab=5))
    with pytest.raises(banks.TabNotFound):
        await keep.do(banks.delete_tab(character=ada, tab=5))
    assert await order() == [*crowns[:2], "helm", crowns[2], "(logs)"]
    await grant(keep, ada, "logs", 5, "bank:0")
    for _ in range(3):
        await keep.do(banks.move(character=ada, from_tab=0, from_slot=6, to_tab=0, to_slot=5))
        await keep.do(banks.close_gaps(character=ada))
    assert Counter((await bank(keep, ada)).values()) == Counter({("crown", 1): 3, ("helm", 1): 1, ("logs", 1): 1, ("logs", 4): 1})
    async with raw(database_url) as database:
        with pytest.raises(Exception, match=r"(?i)unique"):
            await database.rows("INSERT INTO holdings VALUES (?, 'bank:0', 0, 'logs', 1, NULL, '{}')", ada)
    for tab in range(1, 10):
        await grant(keep, ada, "helm", 1)
        await keep.do(items.move(holder=ada, from_container="inventory", from_slot=1, to_container="bank:0", to_slot=100))
        assert (await keep.do(banks.create_tab(character=ada, from_slot=100))).tab == tab
    with pytest.raises(banks.MaxTabsReached):
        await keep.do(banks.create_tab(character=ada, from_slot=0))
    await adds_up(keep)
    assert (await verify(keep)).problems == []


async def test_480_slots_over_all_tabs_and_what_does_not_fit_stays(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    await grant(keep, ada, "logs", 200, "bank:0")
    await grant(keep, ada, "crown", 278, "bank:3")
    await grant(keep, ada, "crown", 2)
    await grant(keep, ada, "arrow", 9)
    await grant(keep, ada, "logs", 4)
    await keep.do(banks.withdraw(character=ada, tab=3, slot=7, placeholder=True))

    out = await keep.do(banks.deposit_inventory(character=ada))

    assert (out.quantity, out.left) == (15, 1), "a crown to the placeholder, a crown and arrows into the last slots, logs onto logs"
    shown = await keep.ask(banks.show(character=ada))
    assert (shown.free_slots, shown.placeholder_count, [len(tab.stacks) for tab in shown.tabs]) == (0, 0, [202, 278])
    with pytest.raises(banks.BankFull):
        await keep.do(banks.deposit(character=ada, item="crown"))
    with pytest.raises(banks.BankFull):
        await keep.do(banks.deposit_inventory(character=ada))
    await keep.do(banks.move(character=ada, from_tab=3, from_slot=0, to_tab=0, to_slot=3, how="insert"))
    assert len((await keep.ask(banks.show(character=ada, tab=0))).tabs[0].stacks) == 203
    await keep.do(banks.delete_tab(character=ada, tab=3))
    assert [len(tab.stacks) for tab in (await keep.ask(banks.show(character=ada))).tabs] == [480]
    await adds_up(keep)


async def test_seed_000_defect_04_coins_of_the_bank_never_come_back_from_an_older_balance(keep: Keep) -> None:
    """Defect 4: a shop wrote the database, and the balance that memory held was saved over it."""
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    most = 2**31 - 1
    await grant(keep, ada, "coins", 100, "pouch")
    await grant(keep, ada, "coins", 50)
    go: dict[str, Any] = {"character": ada}

    async def coins() -> list[int]:
        held = Counter[str]()
        for row in await keep.ask(items.inventory(holder=ada)):
            held[row.container] += row.quantity if row.item == "coins" else 0
        return [held["pouch"], held["inventory"], held["bank:0"]]

    with pytest.raises(banks.NoCoinsInBank):
        await keep.do(banks.withdraw_coins(**go))
    async with keep.lease(ada):
        await keep.do(banks.deposit_coins(**go, quantity=70))
        await keep.do(banks.deposit_coins(**go, source="inventory"))
        await keep.do(items.use_up(holder=ada, item="coins", quantity=20, sink="shop", container="pouch"))
        await keep.do(banks.withdraw_coins(**go, quantity=15))
        await keep.do(banks.withdraw_coins(**go, quantity=5, into="inventory"))
    keep.runner.cache.drop(ada)
    assert await coins() == [25, 5, 100]

    for bad, code, facts in (
        (banks.deposit_coins(**go, quantity=26), "INSUFFICIENT_POUCH_COINS", {"held": 25, "needed": 26}),
        (banks.deposit_coins(**go, quantity=6, source="inventory"), "INSUFFICIENT_QUANTITY", {"held": 5, "needed": 6}),
        (banks.withdraw_coins(**go, quantity=101), "INSUFFICIENT_BANK_COINS", {"held": 100, "needed": 101}),
        (banks.withdraw_coins(**go, currency="logs"), "CONTAINER_INVALID", {"container": "pouch"}),
        (banks.withdraw_coins(**go, currency="moonbeam"), "UNKNOWN_ITEM", {"item": "moonbeam"}),
    ):
        with pytest.raises(GameError) as refused:
            await keep.do(bad)
        assert refused.value.code == code
        assert facts.items() <= refused.value.facts.items()
    await grant(keep, ada, "coins", most - 50, "pouch")
    with pytest.raises(banks.CoinOverflow):
        await keep.do(banks.withdraw_coins(**go, quantity=26))
    with pytest.raises(banks.CoinOverflow):
        await keep.do(banks.deposit_coins(**go, quantity=most - 50))
    assert await coins() == [most - 25, 5, 100]
    await adds_up(keep)


async def test_seed_000_defect_13_metadata_survives_every_path_through_a_bank(keep: Keep) -> None:
    """Defect 13: every save wrote metadata = null."""
    await stock(keep)
    ada, bob = await people(keep, "Ada", "Bob")
    await grant(keep, ada, "helm", 1, rune="fire")
    await grant(keep, ada, "crown", 1, gem={"cut": "rose"})
    uid = await unique_id(keep, ada)

    await keep.do(items.equip(character=ada, slot=1))
    await keep.do(banks.deposit_equipment(character=ada))
    await keep.do(banks.deposit(character=ada, slot=0))
    await keep.do(banks.create_tab(character=ada, from_slot=0))
    await keep.do(banks.move(character=ada, from_tab=0, from_slot=1, to_tab=1, to_slot=0, how="insert"))
    await keep.do(banks.move(character=ada, from_tab=1, from_slot=0, to_tab=1, to_slot=1))
    await keep.do(banks.delete_tab(character=ada, tab=1))
    await keep.do(banks.withdraw(character=ada, item="helm", placeholder=True))
    await keep.do(banks.withdraw(character=ada, item="crown"))
    id = (await keep.do(trades.request(initiator=ada, receiver=bob))).trade_id
    await keep.do(trades.respond(character=bob, trade=id, accept=True))
    state = await keep.do(trades.offer(character=ada, trade=id, items=[trades.OfferedItem(slot=one, quantity=1) for one in (0, 1)]))
    for who in (ada, bob, ada, bob):
        state = await keep.do(trades.accept(character=who, trade=id, revision=state.revision))

    found = {row.item: (row.metadata, row.item_uid) for row in await keep.ask(items.inventory(holder=bob))}
    assert found == {"helm": ({"rune": "fire"}, None), "crown": ({"gem": {"cut": "rose"}}, uid)}
    await adds_up(keep)


async def test_seed_000_defect_14_what_nobody_defines_any_more_is_kept_and_moved_but_not_traded(keep: Keep) -> None:
    """Defect 14: an item whose definition was missing was skipped when loading, and deleted by the next save."""
    await stock(keep)
    ada, bob = await people(keep, "Ada", "Bob")
    await grant(keep, ada, "arrow", 60)
    await keep.do(banks.deposit(character=ada, slot=0))
    await grant(keep, ada, "arrow", 70)
    await grant(keep, ada, "logs", 2)
    await stock(keep, ARROW, LOGS, version="2")

    await keep.do(banks.deposit_inventory(character=ada))
    assert await bank(keep, ada) == {(0, 0): ("arrow", 60), (0, 1): ("arrow", 70), (0, 2): ("logs", 1), (0, 3): ("logs", 1)}
    assert all(one.unknown for one in (await keep.ask(banks.show(character=ada))).tabs[0].stacks)
    await keep.do(banks.move(character=ada, from_tab=0, from_slot=2, to_tab=0, to_slot=0, how="insert"))
    await keep.do(banks.withdraw(character=ada, item="arrow", quantity=65, placeholder=True))
    with pytest.raises(items.UntradeableItem):
        await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=1))
    with pytest.raises(banks.ItemNotNoteable):
        await keep.do(banks.withdraw(character=ada, item="arrow", as_note=True))
    assert await lying(keep, ada) == {0: ("arrow", 60), 1: ("arrow", 5)}

    await stock(keep, version="3")
    await keep.do(banks.deposit_inventory(character=ada))
    assert Counter((await bank(keep, ada)).values()) == Counter({("arrow", 130): 1, ("arrow", 0): 1, ("logs", 1): 2})
    await adds_up(keep)


async def test_seed_000_defect_05_deposits_and_withdrawals_at_once_neither_lose_nor_make_anything(keep: Keep) -> None:
    """Defect 5: duplicates by what went on while something else was being saved."""
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    await grant(keep, ada, "plank", 20)
    calls: Iterable[Call[Any]] = itertools.chain.from_iterable(
        (
            banks.deposit(character=ada, item="plank", quantity=7),
            banks.withdraw(character=ada, item="plank", quantity=5),
            banks.withdraw(character=ada, item="plank", quantity=4, as_note=True, placeholder=True),
            banks.deposit(character=ada, item="plank_noted"),
            banks.deposit_inventory(character=ada),
            banks.release_placeholders(character=ada),
        )
        for _ in range(20)
    )

    outcomes = await asyncio.gather(*(keep.do(call) for call in calls), return_exceptions=True)

    assert all(isinstance(one, GameError) or not isinstance(one, BaseException) for one in outcomes)
    assert sum(not isinstance(one, BaseException) for one in outcomes) > 40
    held = [await keep.ask(items.held(holder=ada, item=item)) for item in ("plank", "plank_noted")]
    assert sum(held) == 20
    await adds_up(keep)
    assert (await verify(keep)).problems == []


# Random visits

TAB, NTH = st.integers(0, 2), st.integers(0, 30)
SLOT = st.integers(0, 6)
COUNT = st.one_of(st.none(), st.integers(1, 40))
FLAG = st.booleans()
HOW = st.sampled_from(["swap", "insert"])
CARRIED, BANKED = st.sampled_from(["inventory", "pouch"]), st.sampled_from(["slot", "item"])


def step(verb: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """A command with random arguments."""
    return st.tuples(st.just(verb), st.fixed_dictionaries(arguments))


IN = step("deposit", nth=NTH, quantity=COUNT, tab=TAB)
OUT = step("withdraw", nth=NTH, by=BANKED, quantity=COUNT, but_one=FLAG, as_note=FLAG, placeholder=FLAG)
MOVE = step("move", nth=NTH, to_tab=TAB, to_slot=SLOT, how=HOW)
STEP = st.one_of(
    *(IN, IN, OUT, OUT, MOVE, MOVE),
    step("deposit_inventory", tab=TAB),
    step("create_tab", nth=NTH),
    step("delete_tab", tab=st.integers(1, 2)),
    step("close_gaps", tab=TAB),
    step("release_placeholders"),
    step("deposit_coins", source=CARRIED, quantity=COUNT),
    step("withdraw_coins", into=CARRIED, quantity=COUNT),
)
OWNED = {"plank": 12, "arrow": 130, "helm": 2, "crown": 2, "coins": 50, "logs": 6}


async def one_step(keep: Keep, ada: str, verb: str, arguments: dict[str, Any]) -> str:
    """Do it with the nth thing that is there for it, and look whether everything still is; give what came of it."""
    nth, by = arguments.pop("nth", None), arguments.pop("by", None)
    if verb == "deposit":
        there = await lying(keep, ada)
        arguments["slot"] = sorted(there)[nth % len(there)] if there else 0
    elif nth is not None:
        banked = await bank(keep, ada)
        tab, slot = sorted(banked)[nth % len(banked)] if banked else (0, 0)
        names = {"withdraw": ("tab", "slot")}.get(verb, ("from_tab", "from_slot"))
        arguments |= {"item": banked.get((tab, slot), ("logs", 0))[0]} if by == "item" else dict(zip(names, (tab, slot), strict=True))
    try:
        await keep.do(getattr(banks, verb)(character=ada, **arguments))
    except GameError as error:
        verb = error.code
    rows = await keep.ask(items.inventory(holder=ada))
    held: Counter[str] = Counter()
    for row in rows:
        held[row.item.removesuffix("_noted")] += row.quantity
    assert held == OWNED
    assert not [row for row in rows if row.container.startswith("bank:") and row.item == "plank_noted"]
    return verb


def test_whatever_is_done_at_a_bank_the_sums_stay(tmp_path: Path) -> None:
    done: Counter[str] = Counter()

    async def visit(keep: Keep, name: str, steps: list[tuple[str, dict[str, Any]]]) -> None:
        (ada,) = await people(keep, name)
        await keep.do(items.grant_many(holder=ada, items=[items.Line(item, count) for item, count in OWNED.items()], source="test"))
        await keep.do(banks.deposit_inventory(character=ada))
        for slot in (1, 3):
            await keep.do(banks.create_tab(character=ada, from_slot=slot))
        for verb, arguments in steps:
            done[await one_step(keep, ada, verb, dict(arguments))] += 1
        await bank(keep, ada)

    async def all_of_it() -> None:
        async with gamekeeper.open(f"sqlite:///{tmp_path}/random.db", create=True) as keep:
            await stock(keep)
            loop, names = asyncio.get_running_loop(), itertools.count()

            @settings(max_examples=12, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
            @given(st.lists(STEP, min_size=15, max_size=20))
            def examples(steps: list[tuple[str, dict[str, Any]]]) -> None:
                asyncio.run_coroutine_threadsafe(visit(keep, f"Ada {next(names)}", steps), loop).result()

            await asyncio.to_thread(examples)
            await adds_up(keep)
            assert (await verify(keep)).problems == []

    asyncio.run(all_of_it())
    assert {"deposit", "withdraw", "move", "create_tab", "delete_tab", "close_gaps", "deposit_inventory"} <= done.keys(), done
