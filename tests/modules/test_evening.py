"""The close of days beside all else that happens: reports that come between, content that changes, other keeps, clocks that differ."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import gamekeeper
from gamekeeper import jobs
from gamekeeper.errors import InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import characters, content, dailies, evening, metrics, progress, seasons, titles, users, xp
from tests.modules.scene import pack
from tests.modules.test_dailies import GAME, HOUR, close, living_in, metric, quest, say

DAY = 24 * HOUR
FRIDAY, SATURDAY = "2027-01-15", "2027-01-16"


def between(monkeypatch: pytest.MonkeyPatch, call: Any, happens: Callable[[], Awaitable[Any]]) -> None:
    """Let something happen once, after a command has been prepared and before it is done."""
    prepare, things = call.prepare, [happens]

    async def prepared(read: Any, arguments: Any) -> Any:
        found = await prepare(read, arguments)
        if things:
            await things.pop()()
        return found

    monkeypatch.setattr(call, "prepare", prepared)


async def statuses(keep: Keep, character: str, day: str) -> dict[str, str]:
    """The status of each quest of a day that is stored."""
    rows = await keep.reader.all(dailies.QuestLog, character)
    return {row.template_id: row.status for row in rows if row.day_date == day}


async def test_a_report_that_comes_while_its_day_is_being_closed_counts_as_a_whole(
    timed: Keep, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await timed.do(content.load_pack(pack=pack(*GAME)))
    (ada,) = await living_in(timed, "UTC")
    await say(timed, ada, steps=1)
    clock.move(DAY)
    await close(timed, ada)
    clock.move(DAY)
    between(monkeypatch, evening.close_days, lambda: say(timed, ada, SATURDAY, steps=5_000, sleep=8))

    closed = [(await close(timed, ada)).days for _ in range(2)]

    assert sum(closed) == 1
    assert await statuses(timed, ada, SATURDAY) == {"walk": "COMPLETED", "sleep": "COMPLETED", "read": "EXPIRED"}
    (tallies,) = await timed.reader.all(metrics.Tallies, ada)
    tally = tallies.of["steps"]
    assert (tally.total, tally.last_day) == (5_001_000, SATURDAY)
    (log, _) = (await timed.ask(dailies.history(character=ada))).items
    assert (log.core_completed, log.all_completed, log.evaluated) == (2, True, True)


async def test_a_day_that_ends_while_the_one_before_is_being_closed_waits_for_the_next_time(
    timed: Keep, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await timed.do(content.load_pack(pack=pack(*GAME)))
    (ada,) = await living_in(timed, "UTC")
    await say(timed, ada, steps=1)
    clock.move(DAY)
    await say(timed, ada, steps=5_000, sleep=8)

    async def a_day_passes() -> None:
        clock.move(DAY)

    between(monkeypatch, evening.close_days, a_day_passes)
    closed = [(await close(timed, ada)).days for _ in range(2)]

    assert closed == [1, 1]
    assert await statuses(timed, ada, SATURDAY) == {"walk": "COMPLETED", "sleep": "COMPLETED", "read": "EXPIRED"}


async def test_a_character_that_begins_at_midnight_begins_with_a_day_that_is_open(
    timed: Keep, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await timed.do(content.load_pack(pack=pack(*GAME)))
    (ada,) = await living_in(timed, "UTC")
    clock.move(16 * HOUR - 1)

    async def midnight() -> None:
        clock.move(2)

    between(monkeypatch, dailies.report, midnight)
    assert [one.template for one in (await say(timed, ada, sleep=8)).completed] == ["sleep"]
    clock.move(DAY)
    await close(timed, ada)
    clock.move(DAY)
    await close(timed, ada)

    logs = (await timed.ask(dailies.history(character=ada))).items
    assert [(log.day_date, log.evaluated, log.core_completed) for log in logs] == [(SATURDAY, True, 0), (FRIDAY, True, 1)]


async def test_quests_whose_definition_is_gone_expire_with_their_day_and_are_not_missed(timed: Keep, clock: ManualClock) -> None:
    await timed.do(content.load_pack(pack=pack(*GAME)))
    (ada, bob) = await living_in(timed, "UTC", "UTC")
    await say(timed, ada, sleep=8)
    await say(timed, bob, sleep=1)
    await timed.do(content.load_pack(pack=pack(*(one for one in GAME if one.id not in ("walk", "walks", "read")))))
    clock.move(DAY)

    await close(timed, ada, bob)

    assert await statuses(timed, ada, FRIDAY) == {"walk": "EXPIRED", "sleep": "COMPLETED", "read": "EXPIRED"}
    logs = [(await timed.ask(dailies.history(character=one))).items[0] for one in (ada, bob)]
    assert [(log.core_completed, log.core_total, log.all_completed, log.debuff_triggered) for log in logs] == [
        (1, 1, True, False),
        (0, 1, False, False),
    ], "one of two that can be done was missed, which is no debuff"
    assert await statuses(timed, ada, "2027-01-11") == {"walks": "ACTIVE"}, "a pack that is put right again within the week has it still"
    clock.move(2 * DAY)
    await close(timed, ada, bob)
    assert await statuses(timed, ada, "2027-01-11") == {"walks": "EXPIRED"}


async def test_the_days_share_of_core_quests_is_known_to_quests_and_titles(timed: Keep, clock: ManualClock) -> None:
    bonus = quest("bonus", {"metric": "quest_completion_rate", "op": "gte", "value": 1}, base_xp=7)
    week = quest("half_days", {"metric": "quest_completion_rate", "op": "gte", "value": 0.5}, type="WEEKLY", base_xp=9)
    condition: Any = {"metric": "quest_completion_rate", "op": "lt", "value": 0.1}
    lazy = titles.TitleDefinition(id="lazy", name="Lazy", description="-", system_message="-", condition=condition)
    await timed.do(content.load_pack(pack=pack(*GAME, bonus, week, lazy)))
    (ada,) = await living_in(timed, "UTC")

    assert [one.template for one in (await say(timed, ada, sleep=8)).completed] == ["sleep"]
    shown = {one.template: one.missing for one in (await timed.ask(dailies.today(character=ada))).quests}
    assert shown["bonus"] == ["0.5 of 1 quest completion rate"]
    assert [one.template for one in (await say(timed, ada, steps=10_000)).completed] == ["walk", "bonus"]
    clock.move(DAY)
    await close(timed, ada)
    assert (await statuses(timed, ada, "2027-01-11"))["half_days"] == "COMPLETED"
    assert await timed.reader.all(titles.UserTitle, ada) == []
    await say(timed, ada, steps=1)
    clock.move(DAY)
    closed = await close(timed, ada)
    assert (closed.titles_earned, [row.title_id for row in await timed.reader.all(titles.UserTitle, ada)]) == (1, ["lazy"])


async def test_each_missed_day_takes_a_token_be_it_of_an_outage_or_of_a_month_away(timed: Keep, clock: ManualClock) -> None:
    await timed.do(content.load_pack(pack=pack(*GAME)))
    (ada,) = await living_in(timed, "UTC")
    for _ in range(14):
        await say(timed, ada, steps=10_000, sleep=8)
        clock.move(DAY)
        await close(timed, ada)
    clock.move(2 * DAY)  # nobody closes days, nor is there anybody to report to
    assert (await close(timed, ada)).days == 2

    mended = await timed.do(dailies.use_grace(character=ada))

    assert (mended.current_streak, mended.grace_tokens) == (14, 0)
    logs = (await timed.ask(dailies.history(character=ada, limit=4))).items
    assert [log.grace_used for log in logs] == [True, True, False, False]
    for _ in range(7):
        await say(timed, ada, steps=10_000, sleep=8)
        clock.move(DAY)
        await close(timed, ada)
    # A month as a deleted character stops no clock: its days are made up for, and there are too many of them.
    await timed.do(characters.delete(character=ada))
    clock.move(DAY)
    await close(timed, ada)
    clock.move(20 * DAY)
    await timed.do(characters.restore(character=ada), actor="operator:test")
    await say(timed, ada, steps=10_000, sleep=8)
    assert (await close(timed, ada)).days == 21
    with pytest.raises(dailies.NoGraceTokens):
        await timed.do(dailies.use_grace(character=ada))


async def test_abuse_53_two_keeps_whose_clocks_differ_close_each_day_once(database_url: str) -> None:
    right, ahead = ManualClock(), ManualClock()
    ahead.move(1_200)
    words: dict[str, Any] = {"create": True, "allow_unsafe_postgres": True, "lease_seconds": 3600.0}
    async with gamekeeper.open(database_url, clock=right, **words) as one, gamekeeper.open(database_url, clock=ahead, **words) as other:
        await one.do(content.load_pack(pack=pack(*GAME)))
        ids = await living_in(one, "UTC", "Asia/Kolkata", "America/New_York", "Pacific/Apia")
        # A game server plays one of them, and has it in its memory.
        await one.acquire(ids[0])
        paid = 0
        for step in range(2 * 24 * 2):
            right.move(HOUR / 2)
            ahead.move(HOUR / 2)
            for number, id in enumerate(ids):
                if (step + number) % 5 == 0:
                    keep = other if number and step % 2 else one
                    paid += sum(done.award.final_xp for done in (await say(keep, id, steps=10_000, sleep=8)).completed)
            due = [row.character_id for keep in (one, other) for row in (await keep.ask(dailies.due())).items]
            if due:
                await asyncio.gather(*(close(keep, *dict.fromkeys(due)) for keep in (one, other) for _ in range(2)))
        total = 0
        for id in ids:
            logs = sorted((await one.ask(dailies.history(character=id))).items, key=lambda log: log.day_date)
            assert [log.day_date for log in logs] == [f"2027-01-{15 + n}" for n in range(len(logs))]
            assert [log.evaluated for log in logs[:-1]] == [True] * (len(logs) - 1)
            assert (await one.ask(xp.audit(character=id))).fault is None
            total += (await one.ask(xp.progress(character=id))).total_xp
        quests = [row for id in ids for row in await one.reader.all(dailies.QuestLog, id)]
        assert total == sum(row.xp_awarded for row in quests) > 0
        assert (await verify(one)).problems == []


async def test_a_character_whose_day_cannot_be_closed_keeps_nobody_else_waiting(
    timed: Keep, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await timed.do(content.load_pack(pack=pack(*GAME)))
    ids = await living_in(timed, *["UTC"] * 7)
    for id in ids:
        await say(timed, id, steps=10_000)
    clock.move(DAY)
    real = dailies.close_day

    def faulty(ctx: Any, character: str, *more: Any) -> dailies.ClosedDay:
        if character == ids[3]:
            raise ZeroDivisionError
        return real(ctx, character, *more)

    monkeypatch.setattr(dailies, "close_day", faulty)
    run = await jobs.run_now(timed, "close_days", asked_by="operator:test")
    assert run is not None
    assert (run.status, run.counted, run.facts["failed"], run.facts["last_failed"]) == ("succeeded", 6, 1, ids[3])
    assert run.facts["last_error"].startswith("ZeroDivisionError in ")
    monkeypatch.undo()
    clock.move(300)
    again = await jobs.run_now(timed, "close_days", asked_by="operator:test")
    assert again is not None
    assert (again.counted, again.facts.get("failed")) == (1, None)


async def test_one_report_may_bring_workouts_of_all_days_that_are_open(timed: Keep, clock: ManualClock) -> None:
    minutes = metrics.MetricDefinition(id="exercise", name="Minutes of exercise", merge="sum", workouts="minutes")
    train = quest("train", {"metric": "exercise", "op": "gte", "value": 30})
    await timed.do(content.load_pack(pack=pack(*GAME, minutes, train)))
    (ada,) = await living_in(timed, "UTC")
    await say(timed, ada, steps=1)
    clock.move(3 * DAY)  # nobody has closed days for a while
    trained = {FRIDAY: (20, 10), SATURDAY: (30,), "2027-01-17": (29,), "2027-01-18": (45,)}
    workouts = [metrics.Workout(f"w{n}{day}", day, one) for day, some in trained.items() for n, one in enumerate(some)]
    call = dailies.report(character=ada, source="watch", values={"steps": 10_000}, workouts=workouts)

    first, second = [await timed.do(call) for _ in range(2)]

    assert (first.workouts_counted, second.workouts_counted, second.workouts_known, second.completed) == (5, 0, 5, [])
    assert [(one.template, one.day) for one in first.completed] == [
        *(("train", day) for day in (FRIDAY, SATURDAY)),
        *(("walk", "2027-01-18"), ("train", "2027-01-18")),
    ]
    assert (await close(timed, ada)).days == 3
    assert (await statuses(timed, ada, "2027-01-17"))["train"] == "EXPIRED"
    assert (await timed.ask(xp.audit(character=ada))).fault is None


async def test_abuse_53_a_move_while_a_day_is_being_closed_closes_it_once(
    timed: Keep, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await timed.do(content.load_pack(pack=pack(*GAME)))
    (ada,) = await living_in(timed, "Pacific/Kiritimati")
    user = (await timed.ask(characters.show(character=ada))).character.user_id or ""
    await say(timed, ada, steps=10_000)
    clock.move(2 * HOUR + 900)
    between(monkeypatch, evening.close_days, lambda: timed.do(users.set_timezone(user=user, timezone="Etc/GMT+12")))

    closed = [(await close(timed, ada)).days for _ in range(2)]
    told = await say(timed, ada, steps=10_000)
    clock.move(49 * HOUR)
    closed.append((await close(timed, ada)).days)
    clock.move(1 * HOUR)
    closed.append((await close(timed, ada)).days)

    assert closed == [1, 0, 0, 1], "the day after the one that ended in the east ends in the west"
    assert told.day == SATURDAY
    logs = (await timed.ask(dailies.history(character=ada))).items
    assert [(log.day_date, log.core_completed) for log in logs] == [(SATURDAY, 1), (FRIDAY, 1)]


async def test_abuse_54_an_award_by_hand_cannot_take_the_place_of_a_quests_own(timed: Keep, clock: ManualClock) -> None:
    await timed.do(content.load_pack(pack=pack(*GAME)))
    (ada,) = await living_in(timed, "UTC")
    call = progress.award_xp(character=ada, source="QUEST_COMPLETION", source_id=f"quest:{FRIDAY}:walk", base_xp=1)
    with pytest.raises(InvalidArgument):
        await timed.do(call)

    assert [one.template for one in (await say(timed, ada, steps=10_000)).completed] == ["walk"]


async def test_what_is_kept_to_all_day_is_done_when_the_day_is_over(timed: Keep, clock: ManualClock) -> None:
    """Who has had breakfast has not eaten little; a condition that may yet be broken is judged by the whole day."""
    lean = quest("lean", {"metric": "calories", "op": "lte", "value": 2_200}, is_core=True)
    sober = quest("sober", {"type": "not", "of": {"type": "boolean", "metric": "alcohol", "value": True}}, is_core=True)
    drinks = metrics.MetricDefinition(id="alcohol", name="Alcohol", type="boolean")
    await timed.do(content.load_pack(pack=pack(metric("calories"), drinks, lean, sober)))
    (ada, bob) = await living_in(timed, "UTC", "UTC")

    for id, dinner in ((ada, 2_000), (bob, 3_000)):
        for calories in (300, dinner):
            assert (await say(timed, id, calories=calories, alcohol=False)).completed == []
    await say(timed, bob, alcohol=True)
    shown = (await timed.ask(dailies.today(character=ada))).quests
    assert [(one.status, one.progress) for one in shown] == [("ACTIVE", 10_000)] * 2
    clock.move(DAY)
    closed = await close(timed, ada, bob)

    assert closed.quests_completed == 2
    assert await statuses(timed, ada, FRIDAY) == {"lean": "COMPLETED", "sober": "COMPLETED"}
    assert await statuses(timed, bob, FRIDAY) == {"lean": "EXPIRED", "sober": "EXPIRED"}


async def test_quests_of_a_season_are_shown_and_come_in_their_season_only(timed: Keep, clock: ManualClock) -> None:
    begins, ends = (clock.now_ms() + int(days * DAY) * 1000 for days in (1, 2))
    season = seasons.SeasonDefinition(
        id="frost", number=1, name="Frost", theme="Frost", description="Cold.", starts_at=begins, ends_at=ends
    )
    skate = quest("skate", {"metric": "steps", "op": "gte", "value": 5}, season_id="frost")
    await timed.do(content.load_pack(pack=pack(*GAME, season, skate)))
    (ada,) = await living_in(timed, "UTC")

    async def comes() -> bool:
        before = {one.template for one in (await timed.ask(dailies.today(character=ada))).quests}
        await say(timed, ada, steps=1)
        after = {one.template for one in (await timed.ask(dailies.today(character=ada))).quests}
        clock.move(DAY)
        await close(timed, ada)
        assert before == after
        return "skate" in after

    assert [await comes() for _ in range(3)] == [False, True, False]


async def test_a_title_for_what_is_not_to_be_waits_for_the_end_of_the_day(timed: Keep, clock: ManualClock) -> None:
    def title(id: str, **fields: Any) -> titles.TitleDefinition:
        return titles.TitleDefinition(id=id, name=id, description="-", system_message="-", **fields)

    dry = title("dry", condition={"metric": "drinks", "op": "lte", "value": 1})
    lively = title("lively", condition={"metric": "steps", "op": "gte", "value": 1}, lost_if={"metric": "steps", "op": "lt", "value": 500})
    await timed.do(content.load_pack(pack=pack(*GAME, metric("drinks"), dry, lively)))
    (ada,) = await living_in(timed, "UTC")

    async def owned() -> set[str]:
        return {one.title_id for one in await timed.reader.all(titles.UserTitle, ada) if one.revoked_at is None}

    await say(timed, ada, drinks=0, steps=100, sleep=8)  # the sleep pays, and with it titles are checked
    assert await owned() == set(), "it is morning: there may be drinks yet"
    await say(timed, ada, drinks=1, steps=600, pages=30)
    assert await owned() == {"lively"}
    clock.move(DAY)
    await close(timed, ada)
    assert await owned() == {"lively", "dry"}

    await say(timed, ada, drinks=5, steps=100, sleep=8)
    assert await owned() == {"lively", "dry"}, "there may be more steps yet"
    clock.move(DAY)
    await close(timed, ada)
    assert await owned() == {"dry"}
