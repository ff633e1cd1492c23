"""Opening, judging and closing days, within the commands of this and other modules."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from gamekeeper.kernel.records import MAX_INTEGER
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, days, metrics, predicates, progress, seasons, xp

from . import rules
from .calendars import SUNDAY, Calendar, Calendars, grace_ms, period_of
from .definitions import QuestTemplate
from .records import DailyLog, DayState, QuestLog

PARKED: Final = MAX_INTEGER
"""When the next day of a deleted character is due; once it is back, its days go on where they ended."""
MENDED: Final[Mapping[str, Any]] = MappingProxyType({"broken_streak": 0, "broken_at": None, "broken_day": None, "broken_days": 0})
"""What `DayState` says when there is no streak to mend."""
TOUCHES: Final = (DayState, QuestLog, DailyLog, *metrics.TOUCHES, *progress.TOUCHES)
"""What a command touches that opens, judges or closes days, besides `Character`."""


Quest = tuple[QuestLog, QuestTemplate]


class Closing:
    """What the close of every day asks for, found once for all that a command closes."""

    def __init__(self, ctx: Context, found: Calendars) -> None:
        self.calendars = found.of
        self.grace = grace = grace_ms(ctx.settings)
        self.due = cache(lambda last_closed, zone: rules.due(last_closed, zone, ctx.now, grace))
        """the days that are over of who lives in a zone, since the last one that was closed"""
        self.templates = defined(ctx, found)
        self.core_total = sum(one.is_core for one in coming(ctx, found))
        """how many core quests a day has that nobody has touched"""


class QuestDone(Struct, frozen=True):
    """A quest that was completed, be it in part, and what it paid."""

    template: str
    day: str
    share: int
    award: progress.Awarded


class ClosedDay(Struct, frozen=True):
    """What a day came to."""

    character: str
    day: str
    core_completed: int
    core_total: int
    streak: int
    debuff: bool
    completed: list[QuestDone]


def state_of(ctx: Context, character: str, calendar: Calendar) -> DayState:
    """Give where a character is in the calendar, by the zone that it lives in now; its first day is the one that it is."""
    row = ctx.get(DayState, character)
    if row is None:
        # Midnight may have passed since the command was prepared; the rows of the day before were looked up.
        before = days.after(calendar.today, -1)
        row = DayState(character, calendar.zone, before, rules.closes_at(before, calendar.zone, grace_ms(ctx.settings)))
        ctx.put(row)
        return row
    return _where_it_lives(ctx, row, calendar)


def _where_it_lives(ctx: Context, row: DayState, calendar: Calendar) -> DayState:
    """Give where a character is in the calendar once it is that of its zone, and once it is back from being deleted."""
    if row.timezone == calendar.zone and row.next_close_at != PARKED:
        return row
    return ctx.change(row, timezone=calendar.zone, next_close_at=rules.closes_at(row.last_closed, calendar.zone, grace_ms(ctx.settings)))


def open_day(ctx: Context, character: str, day: str, found: Calendars) -> DailyLog:
    """Give a day's log; a day that nobody has touched gets its quests, and its week those of a week."""
    row = ctx.get(DailyLog, character, day)
    if row is not None:
        return row
    core = 0
    for template in coming(ctx, found):
        core += template.is_core
        if log_of(ctx, character, day, template) is None:
            ctx.put(new_log(character, day, template))
    row = DailyLog(character, day, core_total=core)
    ctx.put(row)
    return row


def log_of(ctx: Context, character: str, day: str, template: QuestTemplate) -> QuestLog | None:
    """Give a character's quest of a day, or of its week."""
    return ctx.get(QuestLog, character, period_of(template, day), template.id)


def new_log(character: str, day: str, template: QuestTemplate) -> QuestLog:
    """Give a quest of a day, or of its week, that begins."""
    return QuestLog(character, period_of(template, day), template.id)


def coming(ctx: Context, found: Calendars) -> Iterator[QuestTemplate]:
    """Give the quests that come by themselves now; one that was defined since the command was prepared comes with the next day."""
    season = seasons.current(ctx)
    return (one for one in defined(ctx, found) if rules.comes(one, None if season is None else season.id))


def defined(ctx: Context, found: Calendars) -> list[QuestTemplate]:
    """Give the quests whose rows were looked up, as far as they are still defined."""
    definitions = ctx.definitions(QuestTemplate)
    return [definitions[id] for id in found.templates if id in definitions]


def judge_day(ctx: Context, character: str, day: str, found: Calendars) -> list[QuestDone]:
    """Complete the quests of a day whose condition is met, and note how far the others are."""
    facts = metrics.Facts(ctx, character, day)
    return _judge_daily(ctx, character, day, _quests(ctx, character, day, defined(ctx, found)), facts, final=False)


def due_days(ctx: Context, character: str, closing: Closing) -> list[str]:
    """Give the days of a character that are over and not closed, as far as their rows were looked up; a deleted one has none."""
    row, state = ctx.get(characters.Character, character), ctx.get(DayState, character)
    if state is None or row is None:
        return []
    if row.tombstoned_at is not None:
        ctx.change(state, next_close_at=PARKED)
        return []
    calendar = closing.calendars[character]
    state = _where_it_lives(ctx, state, calendar)
    known: list[str] = []
    for day in closing.due(state.last_closed, calendar.zone):
        if not _is_known(ctx, character, day, calendar):
            break
        known.append(day)
    return known


def _is_known(ctx: Context, character: str, day: str, calendar: Calendar) -> bool:
    """Say whether all rows of a day are known; one that was due or touched only after the command was prepared is closed the next time."""
    return day in calendar.over and (day in calendar.looked_up or ctx.get(DailyLog, character, day) is None)


def close_day(ctx: Context, character: str, day: str, closing: Closing, facts: metrics.KnownFacts) -> ClosedDay:
    """Close a character's day, one of its `due_days` and the next after its last: judge its quests, and add it to streaks and tallies.

    `facts` are those of the day.
    """
    calendar, quests = closing.calendars[character], []
    if day in calendar.looked_up:
        quests = _quests(ctx, character, day, closing.templates)
    done = _judge_daily(ctx, character, day, quests, facts, final=True)
    log = ctx.get(DailyLog, character, day) or DailyLog(character, day, core_total=closing.core_total)
    if calendar.strays:
        log = _without_strays(ctx, log, quests, calendar)
    perfect = 0 < log.core_total == log.core_completed
    before = ctx.get(xp.CharacterProgress, character) or xp.CharacterProgress(character)
    after, debuff = _with_day(ctx, before, log)
    if after != before:
        ctx.put(after)
    state = state_of(ctx, character, calendar)
    closes = rules.closes_at(day, calendar.zone, closing.grace)
    ctx.change(state, last_closed=day, next_close_at=closes, **_broken(ctx, state, before, after, log))
    ctx.change(log, all_completed=perfect, debuff_triggered=debuff, evaluated=True, streak=after.current_streak)
    if day in calendar.looked_up:
        given = rules.share(log.core_completed, log.core_total)
        metrics.close_day(ctx, character, day, {**_marks(quests, done), predicates.PERFECT_DAYS: perfect}, facts.given(given))
        done += _judge_week(ctx, character, day, quests, facts)
    return ClosedDay(character, day, log.core_completed, log.core_total, after.current_streak, debuff, done)


# One quest


def _judge(ctx: Context, row: QuestLog, template: QuestTemplate, facts: predicates.Facts, day: str, *, final: bool) -> QuestDone | None:
    verdict = predicates.judge(template.requirements, facts)
    is_over = final or template.type == "WEEKLY"  # those are judged by days that are over
    if verdict.met and (is_over or rules.is_settled(template.requirements, ctx.definitions(metrics.MetricDefinition))):
        return _complete(ctx, row, template, day, predicates.FULL, template.base_xp)
    partial = rules.partial_xp(template, verdict.progress) if final else None
    if partial is not None:
        return _complete(ctx, row, template, day, verdict.progress, partial)
    if final:
        ctx.change(row, status="EXPIRED", progress=verdict.progress)
    elif row.progress != verdict.progress:
        ctx.change(row, progress=verdict.progress)
    return None


def _complete(ctx: Context, row: QuestLog, template: QuestTemplate, day: str, share: int, base: int) -> QuestDone:
    metrics.count_event(ctx, row.character_id, metrics.QUEST_COMPLETED, day)
    # The row comes before the award: what an award leads to may look at it.
    row = ctx.change(row, status="COMPLETED", progress=share, completed_at=ctx.now)
    source_id = f"quest:{row.day_date}:{template.id}"
    award = progress.award(ctx, row.character_id, "QUEST_COMPLETION", source_id, base, day=day)
    ctx.change(row, xp_awarded=award.final_xp)
    log = ctx.get(DailyLog, row.character_id, row.day_date) if template.is_core else None
    if log is not None:
        ctx.change(log, core_completed=min(log.core_completed + 1, log.core_total))
    return QuestDone(template.id, row.day_date, share, award)


def _quests(ctx: Context, character: str, day: str, templates: Iterable[QuestTemplate]) -> list[Quest]:
    """Give the quests of a day and its week."""
    rows = ((log_of(ctx, character, day, template), template) for template in templates)
    return [(row, template) for row, template in rows if row is not None]


def _judge_daily(
    ctx: Context, character: str, day: str, quests: Iterable[Quest], facts: metrics.KnownFacts, *, final: bool
) -> list[QuestDone]:
    """Judge the quests that are not of the week: first the core ones, for the others may ask what share of these was done."""
    daily = [one for one in quests if one[1].type != "WEEKLY" and one[0].status == "ACTIVE"]
    if not daily:
        return []
    done = _judge_all(ctx, character, day, [one for one in daily if one[1].is_core], facts, final=final)
    return done + _judge_all(ctx, character, day, [one for one in daily if not one[1].is_core], facts, final=final)


def _judge_all(
    ctx: Context, character: str, day: str, active: Sequence[Quest], known: metrics.KnownFacts, *, final: bool, of_week: bool = False
) -> list[QuestDone]:
    """Judge quests that can still be done, those of a day or of its week."""
    if not active:
        return []
    log = ctx.get(DailyLog, character, day)
    facts = known.given({} if log is None else rules.share(log.core_completed, log.core_total))
    if of_week:
        facts.of_week()
    else:
        facts.of_day()
    judged = (_judge(ctx, row, template, facts, day, final=final) for row, template in active)
    return [made for made in judged if made is not None]


# The day as a whole


def _with_day(ctx: Context, row: xp.CharacterProgress, log: DailyLog) -> tuple[xp.CharacterProgress, bool]:
    """Add a day to the streaks, and say whether it brings a debuff."""
    settings = ctx.settings
    after = rules.after_day(
        rules.Streaks(row.current_streak, row.longest_streak, row.perfect_streak, row.grace_tokens),
        *(log.core_completed, log.core_total),
        needed=settings.streak_core_quests,
        token_days=settings.grace_token_days,
        most_tokens=settings.grace_tokens_most,
    )
    until = row.debuff_active_until
    debuff = rules.brings_debuff(log.core_completed, log.core_total, settings.debuff_missed_quests, until, ctx.now)
    changed = replace(
        row,
        current_streak=after.current,
        longest_streak=after.longest,
        perfect_streak=after.perfect,
        grace_tokens=after.tokens,
        debuff_active_until=ctx.now + settings.debuff_hours * 3_600_000 if debuff else until,
    )
    return changed, debuff


def _broken(ctx: Context, state: DayState, before: xp.CharacterProgress, after: xp.CharacterProgress, log: DailyLog) -> Mapping[str, Any]:
    """Tell which streak a day has broken, or that one more day was missed since."""
    if before.current_streak > after.current_streak:
        return {"broken_streak": before.current_streak, "broken_at": ctx.now, "broken_day": log.day_date, "broken_days": 1}
    if log.core_total and not after.current_streak and state.broken_at is not None:
        return {"broken_days": state.broken_days + 1}
    return {}


def _marks(quests: Iterable[Quest], done: Iterable[QuestDone]) -> dict[str, bool]:
    """Tell which quests of a day were done, for the tallies."""
    now = {one.template for one in done}
    daily = [row for row, template in quests if template.type != "WEEKLY"]
    return {predicates.OF_QUESTS + row.template_id: row.status == "COMPLETED" or row.template_id in now for row in daily}


def _without_strays(ctx: Context, log: DailyLog, quests: Iterable[Quest], calendar: Calendar) -> DailyLog:
    """Let quests expire whose definition is gone; those of them that were core are not missed, for nobody could do them any more."""
    gone, ending = 0, rules.ends_with(log.day_date)
    for key in calendar.strays:
        row = ctx.get(QuestLog, *key)
        if row is not None and row.status == "ACTIVE":
            gone += row.day_date == log.day_date
            if row.day_date in ending:
                ctx.change(row, status="EXPIRED")
    missed = sum(template.is_core and row.status != "COMPLETED" for row, template in _now(ctx, quests))
    return replace(log, core_total=max(log.core_total - gone, min(log.core_total, log.core_completed + missed)))


def _now(ctx: Context, quests: Iterable[Quest]) -> Iterator[Quest]:
    """Give quests as they are by now."""
    for row, template in quests:
        yield ctx.get(QuestLog, row.character_id, row.day_date, row.template_id) or row, template


def _judge_week(ctx: Context, character: str, day: str, quests: Iterable[Quest], facts: metrics.KnownFacts) -> list[QuestDone]:
    """Judge the quests of the week with the day that was closed."""
    weekly = [one for one in quests if one[1].type == "WEEKLY" and one[0].status == "ACTIVE"]
    return _judge_all(ctx, character, day, weekly, facts, final=days.weekday(day) == SUNDAY, of_week=True)
