"""The boards of weeks: the one that goes on, and those that are over, as the ledgers have them."""

import asyncio

import pytest

from gamekeeper import jobs
from gamekeeper.errors import InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.modules import characters, progress, xp
from tests.modules.scene import people

DAY = 86_400.0
WEEK = "2027-01-11"
"""The week in which the tests' clock begins, on a Friday."""


async def pay(keep: Keep, character: str, id: str, amount: int) -> int:
    call = progress.award_xp(character=character, source="QUEST_COMPLETION", source_id=id, base_xp=amount)
    return (await keep.do(call)).final_xp


async def test_the_board_of_the_week_begins_anew_on_monday_and_shares_ranks(timed: Keep, clock: ManualClock) -> None:
    ada, bob, cy, dee = await people(timed, "Ada", "Bob", "Cy", "Dee")
    for who, amount in ((ada, 50), (bob, 70), (cy, 50), (dee, 10)):
        await pay(timed, who, "friday", amount)
    await timed.do(characters.set_setting(character=bob, name="leaderboards.anonymous", value=True))

    first = await timed.ask(xp.weekly(limit=2))
    second = await timed.ask(xp.weekly(limit=2, cursor=first.next_cursor))

    rows = first.items + second.items
    assert [(row.rank, row.xp) for row in rows] == [(1, 70), (2, 50), (2, 50), (4, 10)]
    assert (rows[0].character_id, (rows[0].name or "")[:7]) == (None, "Hunter-")
    assert {rows[1].name, rows[2].name} == {"Ada", "Cy"}
    assert second.next_cursor is None
    clock.move(3 * DAY)
    assert (await timed.ask(xp.weekly())).items == []
    await pay(timed, dee, "monday", 5)
    assert [(row.name, row.xp) for row in (await timed.ask(xp.weekly())).items] == [("Dee", 5)]


async def test_a_week_that_is_over_is_kept_once_as_the_ledgers_have_it(timed: Keep, clock: ManualClock) -> None:
    ada, bob = await people(timed, "Ada", "Bob")
    await pay(timed, ada, "friday", 50)
    await pay(timed, bob, "friday", 70)
    await timed.do(xp.correct(character=bob, amount=-30, reason="a mistake"))
    with pytest.raises(InvalidArgument):
        await timed.do(xp.keep_week(week=WEEK))
    with pytest.raises(xp.WeekNotKept):
        await timed.ask(xp.past_week(week=WEEK))
    clock.move(3 * DAY)
    await pay(timed, bob, "monday", 1_000)

    kept = await asyncio.gather(*(timed.do(xp.keep_week()) for _ in range(5)))

    assert sum(one.news for one in kept) == 1
    past = await timed.ask(xp.past_week(week=WEEK))
    assert (past.characters, [(row.rank, row.name, row.xp) for row in past.top]) == (2, [(1, "Ada", 50), (2, "Bob", 40)])
    run = await jobs.run_now(timed, "keep_weekly_board", asked_by="operator:test")
    assert run is not None
    assert (run.counted, run.facts["week"]) == (0, WEEK)
