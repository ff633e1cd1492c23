"""The nth call of the store fails, for n = 1, 2, 3 ... until nothing is left to fail: all or nothing, and the key tells which."""

import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from gamekeeper.errors import StoreUnavailable
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import Call
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import banks, content, essences, items, stores, trades, worlds
from tests.crash.faults import FAULTS, Fault, FaultyStore, faulty, tried
from tests.modules import scene

MOST_CALLS = 40
"""More than any command needs; a loop that came so far would never end."""


class Case:
    """One command, ready to be done on fresh owners."""

    def __init__(self, call: Call[Any], owners: Sequence[str]) -> None:
        self.call = call
        self.owners = owners


Prepare = Callable[[Keep, str], Awaitable[Case]]


async def grant(keep: Keep, tag: str) -> Case:
    (ada,) = await scene.people(keep, f"Ada {tag}")
    return Case(items.grant(holder=ada, item="arrow", quantity=7, source="loot"), [ada])


async def swap(keep: Keep, tag: str) -> Case:
    ada, bob = await scene.people(keep, f"Ada {tag}", f"Bob {tag}")
    await keep.do(items.grant(holder=ada, item="arrow", quantity=7, source="loot"))
    await keep.do(items.grant(holder=bob, item="crown", quantity=1, source="loot"))
    call = items.swap(first=ada, second=bob, first_gives="arrow", first_quantity=5, second_gives="crown", second_quantity=1)
    return Case(call, [ada, bob])


async def equip(keep: Keep, tag: str) -> Case:
    (ada,) = await scene.people(keep, f"Ada {tag}")
    await keep.do(items.grant(holder=ada, item="crown", quantity=1, source="loot"))
    return Case(items.equip(character=ada, slot=0), [ada])


async def complete_trade(keep: Keep, tag: str) -> Case:
    ada, bob = await scene.people(keep, f"Ada {tag}", f"Bob {tag}")
    await keep.do(items.grant(holder=ada, item="arrow", quantity=7, source="loot"))
    await keep.do(items.grant(holder=bob, item="crown", quantity=1, source="loot"))
    made = await keep.do(trades.request(initiator=ada, receiver=bob))
    id = made.trade_id
    await keep.do(trades.respond(character=bob, trade=id, accept=True))
    await keep.do(trades.offer(character=ada, trade=id, items=[trades.OfferedItem(slot=0, quantity=4)]))
    state = await keep.do(trades.offer(character=bob, trade=id, items=[trades.OfferedItem(slot=0, quantity=1)]))
    await keep.do(trades.accept(character=ada, trade=id, revision=state.revision))
    state = await keep.do(trades.accept(character=bob, trade=id, revision=state.revision))
    await keep.do(trades.accept(character=ada, trade=id, revision=state.revision))
    return Case(trades.accept(character=bob, trade=id, revision=state.revision), [ada, bob])


async def bond(keep: Keep, tag: str) -> Case:
    (ada,) = await scene.people(keep, f"Ada {tag}")
    await keep.do(items.grant(holder=ada, item="crown", quantity=1, source="loot"))
    return Case(essences.bond(character=ada, essence="ember", attribute="power"), [ada])


async def awaken(keep: Keep, tag: str) -> Case:
    (ada,) = await scene.people(keep, f"Ada {tag}")
    await keep.do(items.grant_many(holder=ada, items=[items.Line("crown", 1), items.Line("logs", 2)], source="loot"))
    await keep.do(essences.bond(character=ada, essence="ember", attribute="power"))
    return Case(essences.awaken(character=ada, essence_slot=1, stone="log"), [ada])


async def shop(keep: Keep, tag: str) -> Case:
    (ada,) = await scene.people(keep, f"Ada {tag}")
    if await keep.version("market") is None:
        await keep.do(worlds.create_world(world="market", name="Market"))
    await keep.do(items.grant_many(holder=ada, items=[items.Line("coins", 9), items.Line("coins", 2, "pouch")], source="loot"))
    return Case(stores.buy(character=ada, world="market", store="stall", item="arrow", quantity=3, expected_price=6), [ada])


async def deposit(keep: Keep, tag: str) -> Case:
    (ada,) = await scene.people(keep, f"Ada {tag}")
    await keep.do(items.grant(holder=ada, item="logs", quantity=9, source="loot"))
    await keep.do(banks.deposit(character=ada, item="logs", quantity=4))
    return Case(banks.deposit_inventory(character=ada), [ada])


async def withdraw(keep: Keep, tag: str) -> Case:
    case = await deposit(keep, tag)
    await keep.do(case.call)
    return Case(banks.withdraw(character=case.owners[0], slot=0, quantity=9, placeholder=True), case.owners)


COMMANDS: tuple[Prepare, ...] = (grant, swap, equip, complete_trade, bond, awaken, shop, deposit, withdraw)

STALL = stores.StoreDefinition(id="stall", name="Stall", items=(stores.StockedItem(item="arrow", price=2, stock=1_000_000),))

EMBER = essences.EssenceDefinition(
    id="ember",
    name="Ember",
    item="crown",
    bonuses=essences.Bonuses(power=5, speed=2, spirit=3, recovery=1),
    ability=essences.Ability(name="Spark"),
    pool=tuple(essences.Ability(name=name, tags=(name.lower(),)) for name in ("Coat", "Coal", "Smoke", "Ash")),
)
LOG = essences.AwakeningStone(id="log", item="logs", tags=("coal",))


SETTINGS: dict[str, Any] = {"deadline_seconds": 0.4, "checkpoint_seconds": 3600.0}
"""Flushes so rare that only the command calls the store."""


async def lying(keep: Keep, owners: Sequence[str]) -> list[Any]:
    """Everything that these owners hold and have become, from the database."""
    return [[*await _held(keep, one), *await _powers(keep, one)] for one in owners]


async def _held(keep: Keep, owner: str) -> list[Any]:
    rows = await keep.ask(items.inventory(holder=owner))
    return sorted((row.container, row.slot, row.item, row.quantity, row.item_uid or "") for row in rows)


async def _powers(keep: Keep, owner: str) -> list[Any]:
    """Essences, abilities and attributes, in as many words as an item has."""
    sheet = await keep.ask(essences.show(character=owner, parts=["abilities", "attributes"]))
    found: list[Any] = [("attribute", one.attribute, one.base, one.bonus, "") for one in sheet.attributes or []]
    for one in sheet.essences or []:
        found.append(("essence", one.slot, one.essence, one.attribute, ""))
        found += [("ability", one.slot, each.slot, each.name, "") for each in one.abilities or []]
    return found


async def outcome(prepare: Prepare, keep: Keep, tag: str) -> list[Any]:
    """What the command leaves when nothing fails, without the ids of unique items."""
    case = await prepare(keep, tag)
    await keep.do(case.call)
    return _without_ids(await lying(keep, case.owners))


def _without_ids(held: list[Any]) -> list[Any]:
    return [[(*row[:4], bool(row[4])) for row in rows] for rows in held]


async def once(keep: Keep, store: FaultyStore, prepare: Prepare, tag: str, nth: int, fault: Fault, *, warm: bool, times: int) -> Any:
    """Do the command with a fault in it; gives whether the fault fired, and how things lay before and after."""
    case = await prepare(keep, tag)
    before = await lying(keep, case.owners)
    if not warm:
        for owner in case.owners:
            keep.runner.cache.drop(owner)
    first, fired = await tried(keep, store, case.call, key=tag, owners=case.owners, nth=nth, fault=fault, times=times)
    between = await lying(keep, case.owners)
    again = await keep.do(case.call, key=tag)
    after = await lying(keep, case.owners)
    assert between in (before, after)  # all or nothing
    if first is not None:
        assert between == after
        assert first == again  # the key answers as the first time
    return fired, _without_ids(after)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("prepare", COMMANDS, ids=lambda prepare: prepare.__name__)
async def test_a_fault_at_any_call_leaves_all_or_nothing(database_url: str, prepare: Prepare) -> None:
    points = 0
    async with faulty(database_url, **SETTINGS) as (keep, store):
        await scene.stock(keep)
        await keep.do(content.load_pack(pack=scene.pack(EMBER, LOG, STALL, id="essences")))
        expected = await outcome(prepare, keep, "sample")
        # Rows in the cache and one fault; or nothing in the cache and three faults in a row, so that the slow way is faulty too.
        for (warm, times), fault in itertools.product(((True, 1), (False, 3)), FAULTS):
            nth, fired = 0, True
            while fired:
                nth += 1
                assert nth < MOST_CALLS
                tag = f"{fault.replace('_', '')} {times} {nth}"
                fired, after = await once(keep, store, prepare, tag, nth, fault, warm=warm, times=times)
                assert after == expected, tag
                points += fired
        await scene.adds_up(keep)
        assert (await verify(keep)).problems == []
        if keep.store.dialect == "postgresql":
            pool = store.real.connections  # type: ignore[attr-defined]
            assert pool.idle == pool.size
        else:
            assert not store.real._connection.in_transaction  # type: ignore[attr-defined]
    print(f"{prepare.__name__}: {points} faults fired")
    assert points > 2 * len(FAULTS)


async def test_a_store_that_never_comes_back_is_said_to_be_unavailable_and_the_key_still_tells(database_url: str) -> None:
    async with faulty(database_url, **SETTINGS) as (keep, store):
        await scene.stock(keep)
        for fault in ("unreachable", "lost_before", "lost_after"):
            case = await swap(keep, fault.replace("_", ""))
            before = await lying(keep, case.owners)
            store.fail(1, fault, times=1_000_000)
            with pytest.raises(StoreUnavailable):
                await keep.do(case.call, key=fault)
            store.fail(0, "unreachable", times=0)

            between = await lying(keep, case.owners)
            answer = await keep.do(case.call, key=fault)
            after = await lying(keep, case.owners)

            assert after != before
            assert between == (after if fault == "lost_after" else before)
            assert answer.first_slots == [1]
            assert answer.second_slots == [0]
        await scene.adds_up(keep)
        assert (await verify(keep)).problems == []
