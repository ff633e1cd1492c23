"""When a job is to run: periods by cron in a time zone, which of them are made up for, and how long to wait after a failure.

Cron is read as Debian's reads it. A period at a fixed time that the clocks jump over runs right after the jump, and one whose
local time comes twice runs the first time; a job that runs every so many minutes or hours keeps to real time.
"""

from datetime import datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from msgspec import Struct

from .records import JobState

CatchUp = Literal["latest", "each", "skip"]
"""What becomes of periods that nobody was there for: the newest runs, each of them runs in order, or none does."""

LATE_SECONDS: Final = 300
"""How late a job that makes up for nothing may still begin."""
FIRST_WAIT_SECONDS: Final = 30
LONGEST_WAIT_SECONDS: Final = 3_600
_LOOK_BACK: Final = tuple(timedelta(hours=hours) for hours in (1, 24, 32 * 24, 400 * 24, 12 * 366 * 24))
"""How far back the newest period is looked for, nearest first."""


class Schedule(Struct, frozen=True):
    """A cron expression with its time zone, and what becomes of missed periods."""

    cron: str
    timezone: str = "UTC"
    catch_up: CatchUp = "latest"


class Due(Struct, frozen=True):
    """What is to be run: a period, scheduled or asked for. `instead_of`: an older one that failed and is given up for it."""

    period: int
    instead_of: int | None = None
    by_hand: bool = False
    missed: bool = False
    """it is not to be run after all: nobody was there in time"""


def check(schedule: Schedule) -> None:
    """Refuse what no calendar knows.

    Raises: TypeError.
    """
    try:
        ZoneInfo(schedule.timezone)
        after(schedule, 0)
    except (CronSimError, ZoneInfoNotFoundError, ValueError) as error:
        raise TypeError(f"no schedule: {schedule.cron!r} in {schedule.timezone!r}: {error}") from None


def after(schedule: Schedule, at: int) -> int | None:
    """Give the first period after a moment; None when there is none in the next 50 years.

    >>> tokyo = Schedule("0 4 * * *", "Asia/Tokyo")
    >>> after(tokyo, 0), after(tokyo, after(tokyo, 0))
    (68400000, 154800000)
    >>> after(Schedule("0 0 29 2 *"), 0)
    68169600000
    """
    for moment in CronSim(schedule.cron, _local(schedule, at)):
        period = int(moment.timestamp()) * 1000
        # Where local time comes twice, or not at all, the next one by the calendar may be no later than this one.
        if period > at:
            return period
    return None


def newest(schedule: Schedule, since: int, now: int) -> int | None:
    """Give the last period after one moment and not after another.

    >>> newest(Schedule("*/10 * * * *"), 0, 3_599_999), newest(Schedule("0 0 1 1 *"), 0, 3_600_000)
    (3000000, None)
    """
    for back in _LOOK_BACK:
        start = max(since, now - int(back.total_seconds() * 1000))
        found, period = None, after(schedule, start)
        while period is not None and period <= now:
            found, period = period, after(schedule, period)
        if found is not None or start == since:
            return found
    return None


def is_period(schedule: Schedule, at: int) -> bool:
    """Say whether the schedule has a period at this very moment."""
    return after(schedule, at - 1) == at


def _local(schedule: Schedule, at: int) -> datetime:
    zone = ZoneInfo(schedule.timezone)
    return datetime.fromtimestamp(at // 1000, zone)


def asked_period(at: int) -> int:
    """Give the period of a run that somebody asks for at a moment: never one of a schedule, which has whole seconds.

    >>> asked_period(5_000), asked_period(5_001)
    (5001, 5001)
    """
    return at if at % 1000 else at + 1


def due(schedule: Schedule, state: JobState, now: int) -> Due | None:
    """Say what is to be run now, if anything is."""
    if state.period is not None:
        return _unfinished(schedule, state, state.period, now)
    if state.wanted_at is not None:
        return Due(asked_period(state.wanted_at), by_hand=True)
    return _scheduled(schedule, state, now)


def _unfinished(schedule: Schedule, state: JobState, period: int, now: int) -> Due | None:
    """A run that died or was stopped is taken up at once. One that failed waits, and makes room where the newest period is enough."""
    if state.retry_at is None or state.wanted_at is not None:
        return Due(period)
    if now < state.retry_at:
        return None
    later = None if schedule.catch_up == "each" else newest(schedule, state.decided_until, now)
    return Due(period) if later is None else Due(later, instead_of=period)


def _scheduled(schedule: Schedule, state: JobState, now: int) -> Due | None:
    if state.retry_at is not None and now < state.retry_at:
        return None
    period = after(schedule, state.decided_until)
    if period is None or period > now:
        return None
    if schedule.catch_up == "each":
        return Due(period)
    period = newest(schedule, state.decided_until, now) or period
    return Due(period, missed=schedule.catch_up == "skip" and now - period > LATE_SECONDS * 1000)


def next_at(schedule: Schedule, state: JobState, now: int, *, quiet: bool = False) -> int | None:
    """Give when a job runs next, as far as its schedule says; what is due already is due now, if it does not wait quietly."""
    if state.period is not None or state.wanted_at is not None:
        return max(now, state.retry_at or 0) if state.wanted_at is None else now
    period = after(schedule, state.decided_until)
    if period is None or period > now:
        return period
    found = due(schedule, state, now)
    return after(schedule, now) if quiet or (found is not None and found.missed) else now


def wait_seconds(failures: int) -> int:
    """Give how long to wait after so many failures in a row.

    >>> [wait_seconds(failures) for failures in (1, 2, 5, 20)]
    [30, 60, 480, 3600]
    """
    return min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS << min(failures - 1, 10))
