"""The nth call of the store fails while a day is reported or closed, a boss is beaten or a dungeon cleared: paid once, or not at all."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec import Struct

from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import SystemClock
from gamekeeper.kernel.commands import Call
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import bosses, content, dailies, dungeons, evening, metrics, titles, xp
from tests.crash.faults import FAULTS, Fault, FaultyStore, faulty, tried
from tests.modules import scene

MOST_CALLS = 40
WEEK = 7 * 86_400_000
MORNING = 4 * 86_400_000 + 8 * 3_600_000
"""Monday, 5 January 1970, eight in the morning"""

CORE = ("m1", "m2", "m3", "m4")
TRIUMPH = titles.TitleDefinition(
    id="triumph", name="Triumph", description="-", system_message="-", condition={"type": "event", "event": "never", "count": 1}
)
GAME = (
    *(metrics.MetricDefinition(id=one, name=one) for one in CORE),
    *(
        dailies.QuestTemplate(
            id=f"q{one}",
            name=one,
            category="MOVEMENT",
            requirements={"metric": one, "op": "gte", "value": 10},
            base_xp=40,
            is_core=True,
            partial_reward=dailies.PartialReward(),
        )
        for one in CORE
    ),
    TRIUMPH,
    bosses.BossDefinition(
        id="giant",
        name="Giant",
        intro_monologue="Ha.",
        defeat_message="Oh.",
        difficulty="NORMAL",
        xp_reward=500,
        title_reward_id="triumph",
        phases=(bosses.Phase(name="All", requirements={"perfectDays": 1}, duration_days=1, xp_reward=100),),
    ),
    dungeons.DungeonDefinition(
        id="cave",
        name="Cave",
        difficulty="E_RANK",
        required_level=1,
        challenges=(dungeons.Challenge(id="run", name="Run", condition={"metric": "m1", "op": "gte", "value": 10}),),
        base_xp=100,
        duration_minutes=90,
    ),
)


class WeekClock(SystemClock):
    """A clock that stands still at a Monday's morning until it is moved; deadlines run as they do."""

    at = 3_000 * WEEK + MORNING

    def now_ms(self) -> int:
        """UTC epoch milliseconds."""
        return self.at


class Case(Struct, frozen=True):
    """A command, whom it is about, and what it pays."""

    call: Call[Any]
    character: str
    pays: list[tuple[str, int]]


Prepare = Callable[[Keep, WeekClock, str], Awaitable[Case]]


async def report(keep: Keep, clock: WeekClock, tag: str) -> Case:
    """Do two quests at once, on a day that nobody has touched."""
    (ada,) = await scene.people(keep, f"Ada {tag}")
    call = dailies.report(character=ada, source="watch", values={"m1": 10, "m2": 10})
    return Case(call, ada, [("QUEST_COMPLETION", 40)] * 2)


async def victory(keep: Keep, clock: WeekClock, tag: str) -> Case:
    """Close a day with a quest done in part, by which it is perfect and a boss is beaten."""
    case = await report(keep, clock, tag)
    await keep.do(bosses.begin(character=case.character, boss="giant"))
    await keep.do(case.call)
    await keep.do(dailies.report(character=case.character, source="watch", values={"m3": 10, "m4": 5}))
    clock.at += 86_400_000
    pays = [*case.pays, ("QUEST_COMPLETION", 40), ("QUEST_COMPLETION", 20), ("BOSS_DEFEAT", 100), ("BOSS_DEFEAT", 500)]
    return Case(evening.close_days(characters=[case.character]), case.character, pays)


async def clear(keep: Keep, clock: WeekClock, tag: str) -> Case:
    """Clear a dungeon."""
    case = await report(keep, clock, tag)
    await keep.do(dungeons.enter(character=case.character, dungeon="cave"))
    await keep.do(case.call)
    return Case(dungeons.check(character=case.character), case.character, [*case.pays, ("DUNGEON_CLEAR", 100)])


async def how_it_stands(keep: Keep, character: str) -> list[Any]:
    """All that the commands change, without ids."""
    events = (await keep.ask(xp.ledger(character=character))).items
    total = (await keep.ask(xp.progress(character=character))).total_xp
    assert total == sum(one.final_xp for one in events)
    read = keep.reader
    return [
        sorted((one.event_source, one.base_xp) for one in events),
        [(row.template_id, row.status, row.progress, row.xp_awarded > 0) for row in await read.all(dailies.QuestLog, character)],
        [(row.core_completed, row.all_completed, row.evaluated, row.streak) for row in await read.all(dailies.DailyLog, character)],
        [(name, one.total, one.days) for row in await read.all(metrics.Tallies, character) for name, one in sorted(row.of.items())],
        sorted((row.event, row.total) for row in await read.all(metrics.EventCount, character)),
        [(row.status, row.phase_progress) for row in await read.all(bosses.BossAttempt, character)],
        [(row.status, row.xp_awarded) for row in await read.all(dungeons.DungeonAttempt, character)],
        [row.title_id for row in await read.all(titles.UserTitle, character)],
    ]


async def once(keep: Keep, store: FaultyStore, case: Case, key: str, nth: int, fault: Fault) -> bool:
    """Do the command with a fault in it, then with the same key again, then anew; gives whether the fault fired."""
    before = await how_it_stands(keep, case.character)
    keep.runner.cache.drop(case.character)  # so that reading may fail too
    first, fired = await tried(keep, store, case.call, key=key, owners=[case.character], nth=nth, fault=fault)
    between = await how_it_stands(keep, case.character)
    again = await keep.do(case.call, key=key)
    after = await how_it_stands(keep, case.character)
    assert between in (before, after)
    assert after[0] == sorted(case.pays)
    if first is not None:
        assert between == after
        assert first == again
    if case.call.command is not dungeons.check:
        await keep.do(case.call)
        assert await how_it_stands(keep, case.character) == after, "what was done is not done again"
    return fired


@pytest.mark.timeout(300)
@pytest.mark.parametrize("prepare", [report, victory, clear], ids=lambda prepare: prepare.__name__)
async def test_a_fault_at_any_call_of_a_day_pays_once_or_not_at_all(database_url: str, prepare: Prepare) -> None:
    clock, points, people = WeekClock(), 0, []
    async with faulty(database_url, clock=clock, deadline_seconds=0.4, checkpoint_seconds=3600.0) as (keep, store):
        await keep.do(content.load_pack(pack=scene.pack(*GAME)), actor="operator:test")
        sample = await prepare(keep, clock, "sample")
        await keep.do(sample.call)
        expected = await how_it_stands(keep, sample.character)
        for fault in FAULTS:
            for nth in range(1, MOST_CALLS):
                clock.at += WEEK - clock.at % WEEK + MORNING
                tag = f"{fault.replace('_', '')} {nth}"
                case = await prepare(keep, clock, tag)
                people.append(case.character)
                fired = await once(keep, store, case, tag, nth, fault)
                assert await how_it_stands(keep, case.character) == expected, tag
                points += fired
                if not fired:
                    break
        assert [one for one in people if (await keep.ask(xp.audit(character=one))).fault is not None] == []
        assert (await verify(keep)).problems == []
    assert points > 2 * len(FAULTS)
