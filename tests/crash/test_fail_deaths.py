"""The nth call of the store fails while somebody dies, takes back what was lost, or a gravestone falls: all of it or nothing."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec import Struct

from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import SystemClock
from gamekeeper.kernel.commands import Call
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import characters, combat, items, trades, worlds
from tests.crash.faults import FAULTS, Fault, FaultyStore, faulty, tried
from tests.modules import scene

MOST_CALLS = 40


class LateClock(SystemClock):
    """The machine's clock, put forward; deadlines run as they do."""

    late_ms = 0

    def now_ms(self) -> int:
        """UTC epoch milliseconds."""
        return super().now_ms() + self.late_ms


class Case(Struct, frozen=True):
    """A command, and those whom it changes."""

    call: Call[Any]
    character: str
    world: str
    trade: str
    owners: list[str]


Prepare = Callable[[Keep, LateClock, str], Awaitable[Case]]


async def mourned(keep: Keep, clock: LateClock, tag: str) -> Case:
    """Somebody with a gravestone, things to lose anew, and a trade, in a world of her own."""
    ada, bob = await scene.people(keep, f"Ada {tag}", f"Bob {tag}")
    world = (await keep.do(worlds.create_world(name="Here"))).world_id
    await keep.do(characters.move_to(character=ada, world_id=world))
    await keep.do(items.grant(holder=ada, item="arrow", quantity=7, source="loot", metadata={"tip": "iron"}))
    grave = (await keep.do(combat.die(character=ada))).gravestone_id
    assert grave is not None
    clock.late_ms += 5_000
    await keep.do(items.grant(holder=ada, item="crown", quantity=1, source="loot"))
    trade = (await keep.do(trades.request(initiator=ada, receiver=bob))).trade_id
    return Case(combat.recover(character=ada), ada, world, trade, [ada, bob, world, grave, trade])


async def die(keep: Keep, clock: LateClock, tag: str) -> Case:
    """Die while a gravestone stands: it falls, a new one holds the rest, and the trade ends."""
    case = await mourned(keep, clock, tag)
    return Case(combat.die(character=case.character, keeps=0), case.character, case.world, case.trade, case.owners)


async def expire(keep: Keep, clock: LateClock, tag: str) -> Case:
    """Let gravestones fall."""
    case = await mourned(keep, clock, tag)
    clock.late_ms += 900_000
    return Case(combat.expire_gravestones(), case.character, case.world, case.trade, case.owners)


async def how_it_stands(keep: Keep, case: Case) -> list[Any]:
    """All that the commands change, without ids."""
    standing = await keep.ask(combat.open_death(character=case.character))
    inside = [] if standing is None else standing.inside
    held = [await keep.ask(items.inventory(holder=one)) for one in (case.character, case.world)]
    return [
        [(row.container, row.slot, row.item, row.quantity, row.item_uid is None, row.metadata) for row in rows] for rows in (*held, inside)
    ] + [
        [one.status for one in (await keep.ask(combat.deaths(character=case.character))).items],
        (await keep.ask(trades.show(trade=case.trade))).status,
    ]


async def once(keep: Keep, store: FaultyStore, case: Case, key: str, nth: int, fault: Fault) -> bool:
    """Do the command with a fault in it, and then with the same key again; gives whether the fault fired."""
    before = await how_it_stands(keep, case)
    for owner in case.owners:
        keep.runner.cache.drop(owner)  # so that reading may fail too
    first, fired = await tried(keep, store, case.call, key=key, owners=case.owners, nth=nth, fault=fault)
    between = await how_it_stands(keep, case)
    again = await keep.do(case.call, key=key)
    after = await how_it_stands(keep, case)
    assert between in (before, after)
    assert before != after
    if first is not None:
        assert between == after
        assert first == again
    return fired


@pytest.mark.timeout(300)
@pytest.mark.parametrize("prepare", [die, mourned, expire], ids=["die", "recover", "expire"])
async def test_a_fault_at_any_call_of_a_death_leaves_all_or_nothing(database_url: str, prepare: Prepare) -> None:
    clock, points = LateClock(), 0
    async with faulty(database_url, clock=clock, deadline_seconds=0.4, checkpoint_seconds=3600.0) as (keep, store):
        await scene.stock(keep)
        sample = await prepare(keep, clock, "sample")
        await keep.do(sample.call)
        expected = await how_it_stands(keep, sample)
        for fault in FAULTS:
            for nth in range(1, MOST_CALLS):
                tag = f"{fault.replace('_', '')} {nth}"
                case = await prepare(keep, clock, tag)
                fired = await once(keep, store, case, tag, nth, fault)
                assert await how_it_stands(keep, case) == expected, tag
                points += fired
                if not fired:
                    break
        await scene.adds_up(keep)
        assert (await verify(keep)).problems == []
    assert points > 2 * len(FAULTS)
