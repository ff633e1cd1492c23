"""Bosses: fights whose phases are judged by the days of a character, and never by what a client says."""

import asyncio
from typing import Any, get_args

import pytest

import gamekeeper
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.modules import bosses, content, dailies, evening, metrics, titles, xp
from tests.modules.scene import pack, people
from tests.modules.test_dailies import metric, quest

DAY = 86_400.0
CORE = ("m1", "m2", "m3", "m4")
QUESTS = [quest(f"q{one}", {"metric": one, "op": "gte", "value": 1}, is_core=True, base_xp=0) for one in CORE]
SLAYER = titles.TitleDefinition(
    id="slayer", name="Slayer", description="-", system_message="-", condition={"type": "event", "event": "never", "count": 1}
)


BOTH = [{"type": "perfect_days", "value": 1}, {"type": "dungeon_clears", "value": 1}]


def boss(id: str = "giant", **fields: Any) -> bosses.BossDefinition:
    phases = (
        bosses.Phase(name="One", requirements={"dailyCompletionRate": 0.75}, duration_days=2, xp_reward=100),
        bosses.Phase(
            name="Two", requirements=[{"type": "perfect_days", "value": 1}, {"type": "dungeon_clears", "value": 1}], duration_days=1
        ),
    )
    words = {"id": id, "name": id, "intro_monologue": "Ha.", "defeat_message": "Oh.", "difficulty": "NORMAL", "xp_reward": 500}
    return bosses.BossDefinition(**{**words, "phases": phases, "title_reward_id": "slayer", **fields})


async def hero(keep: Keep, *definitions: content.Defined) -> str:
    await keep.do(content.load_pack(pack=pack(*map(metric, CORE), *QUESTS, SLAYER, *definitions)))
    return (await people(keep, "Ada"))[0]


async def live(keep: Keep, clock: ManualClock, character: str, *days: int) -> list[evening.DaysClosed]:
    """Live through days on which so many core quests are done."""
    closed = []
    for done in days:
        await keep.do(dailies.report(character=character, source="watch", values=dict.fromkeys(CORE[:done], 1)))
        clock.move(DAY)
        closed.append(await keep.do(evening.close_days(characters=[character]), actor="operator:job"))
    return closed


async def fight(keep: Keep, character: str) -> tuple[str, int, int, int]:
    """The status, phase, day and failures of the last fight."""
    found = await keep.ask(bosses.fights(character=character))
    row = found.before[0] if found.now is None else found.now.attempt
    return row.status, row.current_phase, row.phase_progress.days, row.phase_progress.failures


async def test_a_failed_phase_begins_again_and_victory_pays_experience_and_title(timed: Keep, clock: ManualClock) -> None:
    ada = await hero(timed, boss())
    await timed.do(bosses.begin(character=ada, boss="giant"))
    await live(timed, clock, ada, 2, 3)
    assert await fight(timed, ada) == ("IN_PROGRESS", 1, 0, 1), "5 of 8 are less than 75 %"
    now = (await timed.ask(bosses.fights(character=ada))).now
    assert now is not None
    assert (now.phase, now.day, now.days) == ("One", 0, 2)
    await live(timed, clock, ada, 3, 3)
    assert await fight(timed, ada) == ("IN_PROGRESS", 2, 0, 1)
    assert (await timed.ask(xp.progress(character=ada))).total_xp == 100
    await live(timed, clock, ada, 4)
    assert await fight(timed, ada) == ("IN_PROGRESS", 2, 0, 2), "no dungeon was cleared"
    await timed.do(dailies.count(character=ada, event=metrics.DUNGEON_CLEARED))

    (last,) = await live(timed, clock, ada, 4)

    assert (last.phases_judged, await fight(timed, ada)) == (1, ("VICTORY", 2, 1, 2))
    events = (await timed.ask(xp.ledger(character=ada))).items
    assert sorted((one.event_source, one.source_id.rsplit(":", 1)[-1], one.base_xp) for one in events if one.base_xp) == [
        ("BOSS_DEFEAT", "1", 100),
        ("BOSS_DEFEAT", "victory", 500),
    ]
    assert [one.title for one in await timed.ask(titles.of(character=ada)) if one.earned_at is not None] == ["slayer"]


async def test_abuse_57_days_closed_by_ten_at_once_win_once(timed: Keep, clock: ManualClock) -> None:
    ada = await hero(timed, boss(phases=(bosses.Phase(name="All", requirements={"perfectDays": 1}, duration_days=1),)))
    await timed.do(bosses.begin(character=ada, boss="giant"))
    await timed.do(dailies.report(character=ada, source="watch", values=dict.fromkeys(CORE, 1)))
    clock.move(DAY)

    closed = await asyncio.gather(*(timed.do(evening.close_days(characters=[ada]), actor="operator:job") for _ in range(10)))

    assert sum(one.phases_judged for one in closed) == 1
    assert [one.base_xp for one in (await timed.ask(xp.ledger(character=ada))).items if one.base_xp] == [500]


async def test_one_fight_at_a_time_behind_a_gate_given_up_for_nothing(timed: Keep, clock: ManualClock) -> None:
    ada = await hero(timed, boss(), boss("king", required_level=5))
    with pytest.raises(bosses.LevelBelowBoss):
        await timed.do(bosses.begin(character=ada, boss="king"))
    with pytest.raises(bosses.BossNotFound):
        await timed.do(bosses.begin(character=ada, boss="nobody"))
    with pytest.raises(bosses.NoBossFight):
        await timed.do(bosses.abandon(character=ada))
    tries = await asyncio.gather(*(timed.do(bosses.begin(character=ada, boss="giant")) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(one, bosses.BossFightOn) for one in tries) == 4
    await live(timed, clock, ada, 4, 4)

    assert (await timed.do(bosses.abandon(character=ada))).status == "ABANDONED"

    assert (await timed.ask(xp.progress(character=ada))).total_xp == 110, "what a phase has paid, on a Saturday, stays"
    assert (await timed.do(bosses.begin(character=ada, boss="giant"))).current_phase == 1


async def test_a_fight_with_lives_is_lost_with_the_last_one(timed: Keep, clock: ManualClock) -> None:
    ada = await hero(timed, boss(lives=2))
    await timed.do(bosses.begin(character=ada, boss="giant"))
    await live(timed, clock, ada, 0, 0, 0)
    assert await fight(timed, ada) == ("IN_PROGRESS", 1, 1, 1)
    await live(timed, clock, ada, 0)
    assert (await fight(timed, ada))[0] == "DEFEAT"


def test_enum_boss_difficulty_and_attempt_status_are_those_of_the_seed() -> None:
    assert get_args(bosses.Difficulty) == ("NORMAL", "HARD", "NIGHTMARE")
    assert get_args(bosses.AttemptStatus) == ("IN_PROGRESS", "VICTORY", "DEFEAT", "ABANDONED")


async def test_a_fight_goes_on_in_another_process(timed: Keep, clock: ManualClock, database_url: str) -> None:
    ada = await hero(timed, boss())
    await timed.do(bosses.begin(character=ada, boss="giant"))
    await live(timed, clock, ada, 4)

    async with gamekeeper.open(database_url, clock=clock, allow_unsafe_postgres=True) as other:
        assert await fight(other, ada) == ("IN_PROGRESS", 1, 1, 0)
        await live(other, clock, ada, 4)
        assert await fight(other, ada) == ("IN_PROGRESS", 2, 0, 0)


async def test_a_fight_goes_on_through_days_that_are_closed_at_once_and_content_that_changes(timed: Keep, clock: ManualClock) -> None:
    one, two, three = (bosses.Phase(name=name, requirements={"perfectDays": 1}, duration_days=2, xp_reward=10) for name in "ABC")
    ada = await hero(timed, boss(phases=(one, two, three)))
    await timed.do(bosses.begin(character=ada, boss="giant"))
    # Nobody closes days for a while: four days, of which the first and the third are perfect, are two phases.
    for done in (4, 0, 4, 0):
        await timed.do(dailies.report(character=ada, source="watch", values=dict.fromkeys(CORE[:done], 1) or {CORE[0]: 0}))
        clock.move(DAY)
    closed = await timed.do(evening.close_days(characters=[ada]), actor="operator:job")
    assert (closed.days, closed.phases_judged, await fight(timed, ada)) == (4, 2, ("IN_PROGRESS", 3, 0, 0))

    await timed.do(content.load_pack(pack=pack(*map(metric, CORE), *QUESTS, SLAYER)))
    await live(timed, clock, ada, 4)
    now = (await timed.ask(bosses.fights(character=ada))).now
    assert now is not None
    assert (now.boss, now.phase, now.day) == ("giant", None, 0), "days without a boss are no days of the fight"
    await timed.do(content.load_pack(pack=pack(*map(metric, CORE), *QUESTS, SLAYER, boss(phases=(one, two)))))
    (last,) = await live(timed, clock, ada, 0)

    assert (last.phases_judged, (await fight(timed, ada))[0]) == (1, "VICTORY"), "all phases that there are have been won"
    paid = [(row.source_id.rsplit(":", 1)[-1], row.base_xp) for row in (await timed.ask(xp.ledger(character=ada))).items if row.base_xp]
    assert sorted(paid) == [("1", 10), ("2", 10), ("victory", 500)]


async def test_fights_that_no_day_was_fought_of_leave_nothing_behind(timed: Keep, clock: ManualClock) -> None:
    ada = await hero(timed, boss())
    for _ in range(5):
        await timed.do(bosses.begin(character=ada, boss="giant"))
        assert (await timed.do(bosses.abandon(character=ada))).status == "ABANDONED"
    assert await timed.reader.all(bosses.BossAttempt, ada) == []
