"""Daily quests: reports that complete them, and days that are closed once each, in order, wherever the player lives."""

import asyncio
import random
from contextlib import suppress
from datetime import date
from typing import Any

import pytest
from sqlalchemy import text

from gamekeeper import jobs
from gamekeeper.errors import InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.modules import characters, content, dailies, evening, metrics, titles, users, xp
from tests.modules.days_model import BASE_XP, CORE, Player, shown
from tests.modules.scene import pack

HOUR = 3600.0
START = 1_800_000_000_000
"""Friday, 15 January 2027, 08:00 in UTC"""


def metric(id: str) -> metrics.MetricDefinition:
    return metrics.MetricDefinition(id=id, name=id)


def quest(id: str, requirements: Any, **fields: Any) -> dailies.QuestTemplate:
    return dailies.QuestTemplate(**{"id": id, "name": id, "category": "MOVEMENT", "requirements": requirements, "base_xp": 100, **fields})


STEPS = quest("walk", {"metric": "steps", "op": ">=", "value": 10_000}, is_core=True, partial_reward=dailies.PartialReward())
SLEEP = quest("sleep", {"metric": "sleep", "op": "gte", "value": 7.5}, is_core=True, category="RECOVERY")
READ = quest("read", {"type": "numeric", "metric": "pages", "operator": "gte", "value": 20}, category="DISCIPLINE")
WEEK = quest("walks", {"type": "window", "metric": "quest:walk", "count": 2, "days": 7}, type="WEEKLY", base_xp=75)
ERRAND = quest("errand", {"type": "event", "event": "errand_run", "count": 1}, type="DUNGEON")
GAME = (metric("steps"), metric("sleep"), metric("pages"), STEPS, SLEEP, READ, WEEK, ERRAND)


SYLLABLES = [consonant + vowel for vowel in "aeou" for consonant in "bdfgkmnprstvz"]


async def living_in(keep: Keep, *zones: str) -> list[str]:
    """A character for each zone."""
    made = []
    for number, zone in enumerate(zones):
        user = await keep.do(users.create_guest())
        await keep.do(users.set_timezone(user=user.user_id, timezone=zone))
        name = f"Dweller {SYLLABLES[number // len(SYLLABLES)]}{SYLLABLES[number % len(SYLLABLES)]}"
        made.append((await keep.do(characters.create(name=name, user=user.user_id))).character_id)
    return made


async def close(keep: Keep, *ids: str) -> evening.DaysClosed:
    return await keep.do(evening.close_days(characters=list(ids)), actor="operator:job:days")


async def say(keep: Keep, character: str, day: str | None = None, /, **values: float) -> dailies.Reported:
    return await keep.do(dailies.report(character=character, source="watch", values=values, day=day))


async def test_a_report_completes_the_quests_of_the_day_once_and_pays(timed: Keep) -> None:
    await timed.do(content.load_pack(pack=pack(*GAME)))
    (ada,) = await living_in(timed, "Europe/London")
    assert [one.missing for one in (await timed.ask(dailies.today(character=ada))).quests if one.template == "walk"] == [
        ["10,000 steps: not known"]
    ]

    first = await say(timed, ada, steps=4_000)
    second = await say(timed, ada, steps=12_000, sleep=7.5)
    third = await say(timed, ada, steps=11_000, sleep=7.5)

    assert [first.completed, third.completed] == [[], []]
    assert [(one.template, one.award.final_xp) for one in second.completed] == [("sleep", 100), ("walk", 100)]
    shown = await timed.ask(dailies.today(character=ada))
    assert {one.template: (one.status, one.progress, one.xp_awarded) for one in shown.quests} == {
        "read": ("ACTIVE", 0, 0),
        "sleep": ("COMPLETED", 10_000, 100),
        "walk": ("COMPLETED", 10_000, 100),
        "walks": ("ACTIVE", 0, 0),
    }
    assert (shown.log.core_completed, shown.log.core_total) == (2, 2)
    assert (await timed.ask(xp.progress(character=ada))).total_xp == 200


async def test_abuse_51_a_completion_reported_a_hundred_times_at_once_pays_once(timed: Keep) -> None:
    await timed.do(content.load_pack(pack=pack(*GAME)))
    (ada,) = await living_in(timed, "UTC")

    told = await asyncio.gather(*(say(timed, ada, steps=10_000) for _ in range(100)))

    assert sum(len(one.completed) for one in told) == 1
    assert (await timed.ask(xp.progress(character=ada))).total_xp == 100


async def test_a_day_is_closed_after_midnight_and_grace_with_partial_rewards_and_expiry(timed: Keep, clock: ManualClock) -> None:
    await timed.do(content.load_pack(pack=pack(*GAME)))
    (ada,) = await living_in(timed, "UTC")
    await say(timed, ada, steps=7_599, pages=19)
    clock.move(16 * HOUR + 14 * 60)
    assert (await close(timed, ada)).days == 0, "within the grace the day is open"
    assert (await timed.ask(dailies.due())).items == []
    late = await say(timed, ada, "2027-01-15", sleep=8)
    assert [one.template for one in late.completed] == ["sleep"]
    clock.move(60)

    assert [one.character_id for one in (await timed.ask(dailies.due())).items] == [ada]
    closed = await close(timed, ada)
    again = await close(timed, ada)

    assert (closed.days, closed.quests_completed, again.days) == (1, 1, 0)
    (log,) = (await timed.ask(dailies.history(character=ada))).items
    assert (log.day_date, log.core_completed, log.core_total, log.all_completed, log.evaluated) == ("2027-01-15", 2, 2, True, True)
    before = await timed.ask(dailies.today(character=ada, day="2027-01-15"))
    assert {one.template: (one.status, one.progress, one.xp_awarded) for one in before.quests} == {
        "read": ("EXPIRED", 9_500, 0),
        "sleep": ("COMPLETED", 10_000, 100),
        "walk": ("COMPLETED", 7_599, 75),
        "walks": ("ACTIVE", 5_000, 0),
    }
    with pytest.raises(dailies.DayClosed):
        await say(timed, ada, "2027-01-15", pages=30)
    with pytest.raises(dailies.DayNotBegun):
        await say(timed, ada, "2027-01-17", pages=30)
    with pytest.raises(InvalidArgument):
        await say(timed, ada, "2027-02-30", pages=30)


async def test_a_quest_of_the_week_is_judged_by_its_days_and_ends_with_its_sunday(timed: Keep, clock: ManualClock) -> None:
    await timed.do(content.load_pack(pack=pack(*GAME)))
    (ada,) = await living_in(timed, "UTC")
    for _ in range(4):
        # Friday, Saturday, Sunday, Monday: two walks of this week are enough, and Monday's counts for the next one.
        await say(timed, ada, steps=10_000)
        clock.move(24 * HOUR)
        await close(timed, ada)

    first = await timed.ask(dailies.today(character=ada, day="2027-01-15"))
    second = await timed.ask(dailies.today(character=ada, day="2027-01-18"))

    assert [(one.status, one.xp_awarded) for one in first.quests if one.type == "WEEKLY"] == [("COMPLETED", 82)], "it was a Saturday"
    assert [(one.status, one.progress) for one in second.quests if one.type == "WEEKLY"] == [("ACTIVE", 5_000)]
    clock.move(7 * 24 * HOUR)
    await close(timed, ada)
    second = await timed.ask(dailies.today(character=ada, day="2027-01-18"))
    assert [one.status for one in second.quests if one.type == "WEEKLY"] == ["EXPIRED"]


async def test_quests_are_handed_out_and_given_up(timed: Keep, clock: ManualClock) -> None:
    await timed.do(content.load_pack(pack=pack(*GAME)))
    (ada,) = await living_in(timed, "UTC")

    handed = await timed.do(dailies.assign(character=ada, template="errand"))
    assert await timed.do(dailies.assign(character=ada, template="errand")) == handed
    told = await timed.do(dailies.count(character=ada, event="errand_run"))
    assert [one.template for one in told.completed] == ["errand"]
    assert (await timed.do(dailies.give_up(character=ada, template="walk"))).status == "FAILED"

    assert (await say(timed, ada, steps=10_000)).completed == [], "what was given up pays nothing"
    with pytest.raises(dailies.QuestOver):
        await timed.do(dailies.give_up(character=ada, template="walk"))
    for verb in (dailies.assign, dailies.give_up):
        with pytest.raises(dailies.QuestTemplateNotFound):
            await timed.do(verb(character=ada, template="nothing"))


async def test_quests_count_the_events_of_their_day_or_week_and_titles_those_of_a_life(timed: Keep, clock: ManualClock) -> None:
    once = quest("duel", {"type": "event", "event": "duel_won", "count": 1})
    often = quest("duels", {"type": "event", "event": "duel_won", "count": 3}, type="WEEKLY")
    veteran = titles.TitleDefinition(
        id="veteran",
        name="Veteran",
        description="-",
        system_message="-",
        condition={"type": "EVENT_COUNT", "event": "duel_won", "count": 5},
    )
    await timed.do(content.load_pack(pack=pack(once, often, veteran)))
    (ada,) = await living_in(timed, "UTC")
    before = await timed.do(dailies.count(character=ada, event="duel_won", day="2027-01-14"))
    assert (before.count, before.completed) == (1, []), "her days have not begun, so that there is nothing to complete"
    with pytest.raises(dailies.DayNotBegun):
        await timed.do(dailies.count(character=ada, event="duel_won", day="2027-01-16"))
    await timed.do(dailies.begin(character=ada))

    completed = []
    for _ in range(5):
        # Friday to Tuesday: what was won on one day completes no quest of another.
        assert [one.missing for one in (await timed.ask(dailies.today(character=ada))).quests if one.template == "duel"] == [
            ["0 of 1 times duel won"]
        ]
        told = await timed.do(dailies.count(character=ada, event="duel_won"))
        completed.append([(one.template, one.day) for one in told.completed])
        clock.move(24 * HOUR)
        await close(timed, ada)

    assert completed == [[("duel", day)] for day in ("2027-01-15", "2027-01-16", "2027-01-17", "2027-01-18", "2027-01-19")]
    weeks = {row.day_date: row.status for row in await timed.reader.all(dailies.QuestLog, ada) if row.template_id == "duels"}
    assert weeks == {"2027-01-11": "COMPLETED", "2027-01-18": "ACTIVE"}
    assert [one.title_id for one in await timed.reader.all(titles.UserTitle, ada)] == ["veteran"]
    with pytest.raises(dailies.DayClosed):
        await timed.do(dailies.count(character=ada, event="duel_won", day="2027-01-19"))


async def test_a_grace_token_mends_a_streak_within_a_day_of_its_break(timed: Keep, clock: ManualClock) -> None:
    await timed.do(content.load_pack(pack=pack(*GAME)))
    (ada,) = await living_in(timed, "UTC")
    for _ in range(7):
        await say(timed, ada, steps=10_000, sleep=8)
        clock.move(24 * HOUR)
        await close(timed, ada)
    with pytest.raises(dailies.NoBrokenStreak):
        await timed.do(dailies.use_grace(character=ada))
    clock.move(24 * HOUR)
    await close(timed, ada)
    broken = await timed.ask(xp.progress(character=ada))
    assert (broken.current_streak, broken.longest_streak, broken.grace_tokens) == (0, 7, 1)
    assert broken.debuff_active_until == clock.now_ms() + 24 * HOUR * 1000

    mended = await timed.do(dailies.use_grace(character=ada))

    assert (mended.current_streak, mended.longest_streak, mended.grace_tokens) == (7, 7, 0)
    assert [log.grace_used for log in (await timed.ask(dailies.history(character=ada))).items] == [True] + [False] * 7
    with pytest.raises(dailies.NoBrokenStreak):
        await timed.do(dailies.use_grace(character=ada))
    clock.move(24 * HOUR)
    await close(timed, ada)
    with pytest.raises(dailies.NoGraceTokens):
        await timed.do(dailies.use_grace(character=ada))
    clock.move(25 * HOUR)
    with pytest.raises(dailies.NoBrokenStreak):
        await timed.do(dailies.use_grace(character=ada))


async def test_abuse_53_a_move_of_zone_gives_no_second_day(timed: Keep, clock: ManualClock) -> None:
    await timed.do(content.load_pack(pack=pack(*GAME)))
    user = await timed.do(users.create_guest())
    ada = (await timed.do(characters.create(name="Nomad", user=user.user_id))).character_id
    paid = 0
    for hours in (0, 3, 3, 3, 3, 3, 3, 3, 3):
        clock.move(hours * HOUR)
        for zone in ("Pacific/Kiritimati", "Etc/GMT+12", "Asia/Kolkata", "Pacific/Apia"):
            await timed.do(users.set_timezone(user=user.user_id, timezone=zone))
            paid += len((await say(timed, ada, steps=10_000)).completed)
            await close(timed, ada)

    # From 15 January 22:00 in Kiritimati one day has passed, by any clock: there are no more dates than the most eastern zone has seen.
    logs = (await timed.ask(dailies.history(character=ada))).items
    assert len({log.day_date for log in logs}) == len(logs)
    assert [log.day_date for log in logs][-1:] == ["2027-01-15"]
    assert paid == len(logs) + (logs[0].evaluated is False) or paid <= 3
    assert (await timed.ask(xp.progress(character=ada))).total_xp == sum(
        row.final_xp for row in (await timed.ask(xp.ledger(character=ada))).items
    )


ZONES = (
    *("America/New_York", "America/Sao_Paulo", "Pacific/Auckland", "Asia/Kolkata", "Europe/London", "Africa/Cairo"),
    *("America/Havana", "Australia/Lord_Howe", "Pacific/Kiritimati", "Asia/Kathmandu", "Etc/GMT+12", "America/St_Johns"),
)


class Reaper:
    """It comes for the runs of jobs: before so many of their commands, as a process does that is told to end, or just after."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, dice: random.Random) -> None:
        self._dice = dice
        self._real = jobs.Run.do
        self._left = 0
        self._after = False
        self.victims = 0
        monkeypatch.setattr(jobs.Run, "do", lambda run, *calls, **words: self._do(run, *calls, **words))

    async def _do(self, run: jobs.Run, *calls: Any, **words: Any) -> Any:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise jobs.RunStopped
        made = await self._real(run, *calls, **words)
        if self._left == 0:
            raise asyncio.CancelledError
        return made

    async def close(self, keep: Keep) -> None:
        """Let the job close days; now and then it dies half way, and another one goes on with what it has left."""
        self._left, self._after = self._dice.choice([0, 0, 0, 1, 2]), self._dice.random() < 0.5
        ended = None
        with suppress(asyncio.CancelledError):
            ended = await asyncio.ensure_future(jobs.run_now(keep, "close_days", asked_by="operator:test"))
        if ended is None or ended.status != "succeeded":
            self.victims += 1
            self._left = 0
            ended = await jobs.run_now(keep, "close_days", asked_by="operator:test")
        assert ended is not None
        assert (ended.status, ended.facts.get("failed")) == ("succeeded", None)


@pytest.mark.timeout(3_600)
async def test_the_days_of_twelve_zones_are_those_of_the_model(
    timed: Keep, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    """DST, moves of zone, an outage of two days and jobs that die half way; against a model that looks at every quarter hour."""
    dice, span, size = random.Random(7), pytestconfig.getoption("--days-simulated"), pytestconfig.getoption("--days-users")
    monkeypatch.setattr(jobs.days, "AT_ONCE", max(2, min(jobs.days.AT_ONCE, size // 4)))
    reaper = Reaper(monkeypatch, dice)
    quests = [quest(f"q{one}", {"metric": one, "op": "gte", "value": 1}, is_core=True, base_xp=BASE_XP) for one in CORE]
    await timed.do(content.load_pack(pack=pack(*map(metric, CORE), *quests)))
    clock.move(55 * 24 * HOUR)  # to the eleventh of March, before clocks change
    zones = [ZONES[number % len(ZONES)] for number in range(size)]
    ids = await living_in(timed, *zones)
    people = {id: (await timed.ask(characters.show(character=id))).character.user_id for id in ids}
    model: dict[str, Player] = {}
    for step in range(span * 4):
        clock.move(6 * HOUR)
        now = clock.now_ms()
        saying = []
        for number, id in enumerate(ids):
            if dice.random() < 0.02:
                zones[number] = dice.choice(ZONES)
                await timed.do(users.set_timezone(user=people[id] or "", timezone=zones[number]))
            zone = zones[number]
            if id in model:
                model[id].zone = zone
            if dice.random() < 0.6:
                some = set(dice.sample(CORE, dice.choice([0, 1, 3, 4, 4])))
                model.setdefault(id, Player(zone, date.fromordinal(shown_before(now, zone)))).report(now, some)
                saying.append(say(timed, id, None, **dict.fromkeys(sorted(some), 1.0)))
        await asyncio.gather(*saying)
        if not span * 2 <= step < span * 2 + 8:
            await reaper.close(timed)
            for player in model.values():
                player.close(now)
    for id, player in model.items():
        await compare(timed, id, player)
    assert reaper.victims > span // 8
    quests_done = await timed.reader.scalar(DONE)
    print(
        f"{size} users x {span} days: {sum(len(one.days) for one in model.values())} days closed, {quests_done} quests done, "
        f"{reaper.victims} runs killed, all as in the model"
    )


DONE = text("SELECT COUNT(*) FROM quest_logs WHERE status = 'COMPLETED'")


def shown_before(now: int, zone: str) -> int:
    """The day before the one that it is in a zone, as an ordinal."""
    return shown(now, zone).toordinal() - 1


async def compare(keep: Keep, id: str, player: Player) -> None:
    """One character and its model."""
    logs: list[dailies.DailyLog] = []
    cursor: str | None = None
    while not logs or cursor is not None:
        page = await keep.ask(dailies.history(character=id, limit=100, cursor=cursor))
        logs, cursor = logs + page.items, page.next_cursor
        if not page.items:
            break
    closed = sorted((log.day_date, log.core_completed, log.all_completed, log.debuff_triggered) for log in logs if log.evaluated)
    assert closed == player.days
    row = await keep.ask(xp.progress(character=id))
    assert (row.current_streak, row.longest_streak, row.perfect_streak, row.grace_tokens, row.debuff_active_until or 0) == (
        *(player.streak, player.longest, player.perfect, player.tokens, player.debuff_until),
    )
    assert row.total_xp == player.xp
    assert (await keep.ask(xp.audit(character=id))).fault is None
