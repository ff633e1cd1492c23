"""What may be done with daily quests."""

from typing import Annotated, Protocol

from msgspec import Meta, Struct

from gamekeeper.config import Settings
from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, content, days, metrics, predicates, xp

from . import closing
from .calendars import Calendar, Calendars, find_days, today_of
from .closing import QuestDone
from .definitions import QuestTemplate
from .errors import DayClosed, DayNotBegun, NoBrokenStreak, NoGraceTokens, QuestOver, QuestTemplateNotFound
from .records import DailyLog, DayState, QuestLog

MAX_READINGS = 256
MAX_EVENTS = 1_000_000
OWN_SOURCE = "player"
"""What measured what players enter themselves."""

Readings = Annotated[dict[metrics.MetricId, bool | int | float], Meta(max_length=MAX_READINGS)]


class Reported(Struct, frozen=True):
    """What a report changed, and the quests that were completed by it."""

    day: str
    changed: list[metrics.Measured]
    workouts_counted: int
    workouts_known: int
    completed: list[QuestDone]


class Counted(Struct, frozen=True):
    """How often an event has ever happened by now, and the quests that were completed by it."""

    event: str
    count: int
    day: str
    completed: list[QuestDone]


class _Reporting(Protocol):
    """The arguments of a report that its preparation needs."""

    character: str
    day: str | None
    source: str
    values: Readings | None
    workouts: list[metrics.Workout] | None


class _Naming(Protocol):
    """The arguments of a command about a day that its preparation needs."""

    character: str
    day: str | None


class _Entering(_Naming, Protocol):
    """The arguments of `enter` that its preparation needs."""

    values: Readings


async def _reporting(read: Reader, arguments: _Reporting) -> Prepared:
    return await _prepared(read, arguments.character, arguments.day, arguments.source, arguments.values or {}, arguments.workouts or [])


async def _entering(read: Reader, arguments: _Entering) -> Prepared:
    return await _prepared(read, arguments.character, arguments.day, OWN_SOURCE, arguments.values, [])


async def _prepared(
    read: Reader, character: str, day: str | None, source: str, values: Readings, workouts: list[metrics.Workout]
) -> Prepared:
    named = [] if day is None else [days.checked(day, "/day")]
    named += [days.checked(one.day, f"/workouts/{place}/day") for place, one in enumerate(workouts)]
    found, keys = await find_days(read, character, named)
    definitions = read.definitions(metrics.MetricDefinition)
    for some in found.of[character].looked_up:
        readings = [metrics.Reading(some, metric, value) for metric, value in values.items()]
        keys += metrics.report_keys(definitions, character, source, readings, workouts)
    return Prepared(found=found, keys=tuple(dict.fromkeys(keys)))


async def _naming(read: Reader, arguments: _Naming) -> Prepared:
    named = [] if arguments.day is None else [days.checked(arguments.day, "/day")]
    found, keys = await find_days(read, arguments.character, named)
    return Prepared(found=found, keys=tuple(keys))


@command(touches=[characters.Character, *closing.TOUCHES], prepare=_naming, access="player")
def begin(ctx: Context, *, character: characters.CharacterId, day: days.Day | None = None) -> DailyLog:
    """Open today's quests for a character; from its first day on each of its days is evaluated.

    day: a day that is not closed, instead of today.

    Raises: CHARACTER_NOT_FOUND, DAY_CLOSED, DAY_NOT_BEGUN, INVALID_ARGUMENT.
    """
    characters.alive(ctx, character)
    return closing.open_day(ctx, character, _open(ctx, character, day), ctx.found)


@command(touches=[characters.Character, *closing.TOUCHES], prepare=_reporting, access="server")
def report(
    ctx: Context,
    *,
    character: characters.CharacterId,
    source: metrics.SourceName,
    verification: metrics.Verification = "SELF_REPORTED",
    values: Readings | None = None,
    workouts: metrics.Workouts | None = None,
    day: days.Day | None = None,
) -> Reported:
    """Take what a source has measured of a day, and complete the quests whose condition is met by it, in one go.

    Each value is the day's total so far: to say the same again changes nothing. A workout counts once, by the id that its source gave it.

    day: a day that is not closed, instead of today.

    Raises: CHARACTER_NOT_FOUND, DAY_CLOSED, DAY_NOT_BEGUN, DAY_NOT_OPEN, UNKNOWN_METRIC, METRIC_IS_MARK, METRIC_OUT_OF_RANGE,
    TOO_MANY_SOURCES, XP_OVERFLOW, INVALID_ARGUMENT.
    """
    return _report(ctx, character, day, source, verification, values or {}, workouts or [])


@command(touches=[characters.Character, *closing.TOUCHES], prepare=_entering, access="player")
def enter(ctx: Context, *, character: characters.CharacterId, values: Readings, day: days.Day | None = None) -> Reported:
    """Take what a player says of a day, and complete the quests whose condition is met by it, in one go.

    day: a day that is not closed, instead of today.

    Raises: CHARACTER_NOT_FOUND, DAY_CLOSED, DAY_NOT_BEGUN, UNKNOWN_METRIC, METRIC_IS_MARK, METRIC_OUT_OF_RANGE, TOO_MANY_SOURCES,
    XP_OVERFLOW, INVALID_ARGUMENT.
    """
    return _report(ctx, character, day, OWN_SOURCE, "SELF_REPORTED", values, [])


@command(touches=[characters.Character, *closing.TOUCHES], prepare=_naming, access="server")
def count(
    ctx: Context,
    *,
    character: characters.CharacterId,
    event: predicates.EventName,
    times: Annotated[int, Meta(ge=1, le=MAX_EVENTS, description="how often, at least 1")] = 1,
    day: days.Day | None = None,
) -> Counted:
    """Count an event that the game tells of, and complete the quests whose condition is met by it, in one go.

    Titles ask how often it has ever happened, quests how often on their day or in their week. For a character whose days have not begun it
    is only counted.

    day: a day that is not closed, instead of today.

    Raises: CHARACTER_NOT_FOUND, DAY_CLOSED, DAY_NOT_BEGUN, XP_OVERFLOW, INVALID_ARGUMENT.
    """
    characters.alive(ctx, character)
    if ctx.get(DayState, character) is None:
        today = ctx.found.of[character].today
        if day is not None and day > today:
            raise DayNotBegun(day=day, today=today)
        return Counted(event, metrics.count_event(ctx, character, event, day or today, times), day or today, [])
    named = _open(ctx, character, day)
    closing.open_day(ctx, character, named, ctx.found)
    made = metrics.count_event(ctx, character, event, named, times)
    return Counted(event, made, named, closing.judge_day(ctx, character, named, ctx.found))


@command(touches=[characters.Character, *closing.TOUCHES], prepare=_naming, access="server")
def assign(ctx: Context, *, character: characters.CharacterId, template: content.DefinitionId, day: days.Day | None = None) -> QuestLog:
    """Hand out a quest that does not come by itself, such as one of a dungeon or a boss, for a day; twice changes nothing.

    Raises: CHARACTER_NOT_FOUND, QUEST_TEMPLATE_NOT_FOUND, DAY_CLOSED, DAY_NOT_BEGUN, INVALID_ARGUMENT.
    """
    characters.alive(ctx, character)
    one, named = _template(ctx, template), _open(ctx, character, day)
    closing.open_day(ctx, character, named, ctx.found)
    row = closing.log_of(ctx, character, named, one)
    if row is None:
        row = closing.new_log(character, named, one)
        ctx.put(row)
    return row


@command(touches=[characters.Character, *closing.TOUCHES], prepare=_naming, access="player")
def give_up(ctx: Context, *, character: characters.CharacterId, template: content.DefinitionId, day: days.Day | None = None) -> QuestLog:
    """Give a quest of a day up: it pays nothing, and is missed as one that was not done.

    Raises: CHARACTER_NOT_FOUND, QUEST_TEMPLATE_NOT_FOUND, QUEST_OVER, DAY_CLOSED, DAY_NOT_BEGUN, INVALID_ARGUMENT.
    """
    characters.alive(ctx, character)
    one, named = _template(ctx, template), _open(ctx, character, day)
    closing.open_day(ctx, character, named, ctx.found)
    row = closing.log_of(ctx, character, named, one)
    if row is None:
        raise QuestTemplateNotFound(template=template)
    if row.status != "ACTIVE":
        raise QuestOver(template=template, day=row.day_date, status=row.status)
    return ctx.change(row, status="FAILED")


class _OfCharacter(Protocol):
    """The argument of `use_grace` that its preparation needs."""

    character: str


async def _mending(read: Reader, arguments: _OfCharacter) -> Prepared:
    state = await read.get(DayState, arguments.character)
    missed = () if state is None else _missed(state, read.settings)
    return Prepared(found=missed, keys=tuple((DailyLog, (arguments.character, day)) for day in missed))


def _missed(state: DayState, settings: Settings) -> tuple[str, ...]:
    """Give the days by which a streak is broken, as far as there can be tokens for them."""
    if state.broken_day is None:
        return ()
    return tuple(days.after(state.broken_day, n) for n in range(min(state.broken_days, settings.grace_tokens_most)))


@command(touches=[characters.Character, DayState, DailyLog, xp.CharacterProgress], prepare=_mending, access="player")
def use_grace(ctx: Context, *, character: characters.CharacterId) -> xp.CharacterProgress:
    """Mend the streak that broke last with a grace token: it goes on as if the day that broke it had not been.

    Where more days were missed, such as those of an outage that are closed at once, each of them takes a token.

    Raises: CHARACTER_NOT_FOUND, NO_BROKEN_STREAK, NO_GRACE_TOKENS.
    """
    characters.alive(ctx, character)
    state, row = ctx.get(DayState, character), ctx.get(xp.CharacterProgress, character)
    if state is None or row is None or state.broken_at is None or _missed(state, ctx.settings) != ctx.found:
        raise NoBrokenStreak(character=character)
    if ctx.now >= state.broken_at + ctx.settings.grace_hours * 3_600_000:
        raise NoBrokenStreak(character=character)
    if row.grace_tokens < state.broken_days:
        raise NoGraceTokens(character=character)
    ctx.change(state, **closing.MENDED)
    for log in [ctx.get(DailyLog, character, day) for day in ctx.found]:
        if log is not None:
            ctx.change(log, grace_used=True)
    mended = state.broken_streak + row.current_streak
    left = row.grace_tokens - state.broken_days
    return ctx.change(row, current_streak=mended, longest_streak=max(row.longest_streak, mended), grace_tokens=left)


def _report(
    ctx: Context,
    character: str,
    day: str | None,
    source: str,
    verification: metrics.Verification,
    values: Readings,
    workouts: list[metrics.Workout],
) -> Reported:
    characters.alive(ctx, character)
    found: Calendars = ctx.found
    named = _open(ctx, character, day)
    state = closing.state_of(ctx, character, found.of[character])
    told = metrics.report(
        *(ctx, character),
        source=source,
        verification=verification,
        readings=[metrics.Reading(named, metric, value) for metric, value in values.items()],
        workouts=workouts,
        earliest=days.after(state.last_closed),
        latest=today_of(state.last_closed, state.timezone, ctx.now),
    )
    done: list[QuestDone] = []
    for some in sorted({named, *(one.day for one in told.changed)}):
        closing.open_day(ctx, character, some, found)
        done += closing.judge_day(ctx, character, some, found)
    return Reported(named, told.changed, told.workouts_counted, told.workouts_known, done)


def _open(ctx: Context, character: str, day: str | None) -> str:
    """Give the day that is named, or today; one that is closed or has not begun is refused.

    Raises: DAY_CLOSED, DAY_NOT_BEGUN.
    """
    calendar: Calendar = ctx.found.of[character]
    state = closing.state_of(ctx, character, calendar)
    today = today_of(state.last_closed, state.timezone, ctx.now)
    if day is not None and day > today:
        raise DayNotBegun(day=day, today=today)
    # When midnight has passed since the command was prepared, the day before is still open, for its grace.
    named = day or (today if today in calendar.looked_up else calendar.today)
    if named <= state.last_closed:
        raise DayClosed(day=named, last_closed=state.last_closed)
    return named


def _template(ctx: Context, template: str) -> QuestTemplate:
    found: Calendars = ctx.found
    one = ctx.definitions(QuestTemplate).get(template)
    if one is None or template not in found.templates:
        raise QuestTemplateNotFound(template=template)
    return one
