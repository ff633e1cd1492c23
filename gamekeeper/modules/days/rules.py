"""The arithmetic of local days.

A day begins at the first instant at which a clock of its zone shows its date or a later one, and lasts until the next one begins. So the
days of a zone follow each other without gap or overlap, whatever its clocks do: set forward over midnight, the day begins late; set back
over midnight, the day that has begun goes on; and a date that a zone skipped lasts no time at all.
"""

from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import Annotated, Final
from zoneinfo import ZoneInfo, available_timezones

from msgspec import Meta

from gamekeeper.errors import InvalidArgument

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 9990
Day = Annotated[
    str,
    Meta(
        min_length=10,
        max_length=10,
        pattern=r"^(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(?!\n)$",
        description="a date, YYYY-MM-DD",
    ),
]
"""A local date; `checked` refuses those that no calendar has."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_ORDINAL: Final = date(FIRST_YEAR, 1, 1).toordinal()
_NO_PLACES: Final = frozenset({"localtime", "Factory"})
"""Names that mean another zone on each machine, or none."""


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - _NO_PLACES


def is_zone(name: str) -> bool:
    """Say whether the IANA database knows a time zone of this name.

    >>> [is_zone(name) for name in ("Europe/London", "UTC", "Mars/Olympus", "../../etc/passwd", "localtime", "")]
    [True, True, False, False, False, False]
    """
    return name in _zones()


def checked(day: str, path: str = "/day") -> str:
    """Give a day that is in the calendar.

    Raises: INVALID_ARGUMENT.

    >>> checked("2024-02-29")
    '2024-02-29'
    """
    _date(day, path)
    return day


def local_day(ms: int, zone: str) -> str:
    """Give the day that it is in a zone at an instant.

    Raises: INVALID_ARGUMENT.

    >>> noon = 1_700_000_000_000  # 2023-11-14 22:13:20 UTC
    >>> local_day(noon, "UTC"), local_day(noon, "Asia/Kolkata"), local_day(noon, "Pacific/Kiritimati"), local_day(noon, "Etc/GMT+12")
    ('2023-11-14', '2023-11-15', '2023-11-15', '2023-11-14')
    """
    shown = _wall_date(ms, _zone(zone))
    # Clocks that were set back over midnight show the day before again; the day that has begun goes on.
    return _text(shown + 1 if ms >= _begins(shown + 1, zone) else shown)


def start_of(day: str, zone: str) -> int:
    """Give the first instant of a day, in UTC epoch milliseconds.

    Raises: INVALID_ARGUMENT.

    On that day São Paulo's clocks went from midnight to one o'clock; at the other one Cairo's went back from midnight to eleven:

    >>> start_of("2017-10-15", "America/Sao_Paulo") == start_of("2017-10-14", "America/Sao_Paulo") + 24 * 3_600_000
    True
    >>> (end_of("2023-10-26", "Africa/Cairo") - start_of("2023-10-26", "Africa/Cairo")) // 3_600_000
    25
    """
    return _begins(_date(day).toordinal(), zone)


def end_of(day: str, zone: str) -> int:
    """Give the instant at which a day is over, which is when the next one begins.

    Raises: INVALID_ARGUMENT.

    >>> end_of("1970-01-01", "UTC")
    86400000
    """
    return _begins(_date(day).toordinal() + 1, zone)


def exists(day: str, zone: str) -> bool:
    """Say whether a zone had a day; Samoa went over the date line and has no 30 December 2011.

    Raises: INVALID_ARGUMENT.

    >>> [exists(day, "Pacific/Apia") for day in ("2011-12-29", "2011-12-30", "2011-12-31")]
    [True, False, True]
    """
    return start_of(day, zone) < end_of(day, zone)


@lru_cache(maxsize=4_096)
def after(day: str, n: int = 1) -> str:
    """Give the date so many days later, or earlier.

    Raises: INVALID_ARGUMENT.

    >>> after("2024-02-28"), after("2024-03-01", -1), after("2023-12-31", 366)
    ('2024-02-29', '2024-02-29', '2024-12-31')
    """
    return of_ordinal(ordinal(day) + n)


@lru_cache(maxsize=4_096)
def weekday(day: str) -> int:
    """Give the day of the week, from 0 for Monday to 6 for Sunday.

    Raises: INVALID_ARGUMENT.

    >>> weekday("2024-01-01"), weekday("2024-01-07")
    (0, 6)
    """
    return _date(day).weekday()


def is_weekend(day: str) -> bool:
    """Say whether a day is a Saturday or a Sunday.

    >>> [is_weekend(day) for day in ("2024-01-05", "2024-01-06", "2024-01-07", "2024-01-08")]
    [False, True, True, False]
    """
    return weekday(day) >= 5


def week_of(day: str) -> str:
    """Give the Monday of a day's week.

    Raises: INVALID_ARGUMENT.

    >>> week_of("2024-01-01"), week_of("2024-01-07"), week_of("2024-03-02")
    ('2024-01-01', '2024-01-01', '2024-02-26')
    """
    return after(day, -weekday(day))


@lru_cache(maxsize=4_096)
def ordinal(day: str) -> int:
    """Give how many days after 1 January 1970 a day is.

    Raises: INVALID_ARGUMENT.

    >>> ordinal("1970-01-01"), ordinal("2000-03-01")
    (0, 11017)
    """
    return _date(day).toordinal() - _FIRST_ORDINAL


def of_ordinal(number: int) -> str:
    """Give the day that is so many days after 1 January 1970.

    Raises: INVALID_ARGUMENT.

    >>> of_ordinal(11017)
    '2000-03-01'
    """
    return _text(number + _FIRST_ORDINAL)


def _zone(name: str) -> ZoneInfo:
    if not is_zone(name):
        raise InvalidArgument(path="/timezone", problem="not a name of the IANA time zone database")
    return ZoneInfo(name)


@lru_cache(maxsize=4_096)
def _date(day: str, path: str = "/day") -> date:
    try:
        made = date.fromisoformat(day) if len(day) == 10 else None
    except ValueError:
        made = None
    # Weeks and basic forms are dates of the same standard too, and not ours.
    if made is None or made.isoformat() != day or not FIRST_YEAR <= made.year <= LAST_YEAR:
        raise InvalidArgument(path=path, problem="not a date like 2026-01-31")
    return made


def _text(number: int) -> str:
    made = date.fromordinal(number) if 1 <= number <= date.max.toordinal() else date.max
    if not FIRST_YEAR <= made.year <= LAST_YEAR:
        raise InvalidArgument(path="/day", problem=f"not within the years {FIRST_YEAR} to {LAST_YEAR}")
    return made.isoformat()


def _wall_date(ms: int, zone: ZoneInfo) -> int:
    """Give the date that clocks show, as a number."""
    try:
        return (EPOCH + timedelta(milliseconds=ms)).astimezone(zone).toordinal()
    except OverflowError:
        raise InvalidArgument(path="/at", problem=f"not within the years {FIRST_YEAR} to {LAST_YEAR}") from None


@lru_cache(maxsize=16_384)
def _begins(number: int, zone: str) -> int:
    """Give the first instant at which clocks show this date or a later one."""
    tz = _zone(zone)
    midnight = datetime.combine(date.fromordinal(number), datetime.min.time())
    late, early = (_instant(midnight.replace(tzinfo=tz, fold=fold)) for fold in (0, 1))
    if early >= late:
        return late  # midnight comes once, or twice, and this is the first time
    # Clocks were set forward over it. It is still the day before at the earlier of the two readings, and this one at the later.
    while late - early > 1_000:
        middle = (early + late) // 2_000 * 1_000
        early, late = (early, middle) if _wall_date(middle, tz) >= number else (middle, late)
    return late


def _instant(moment: datetime) -> int:
    return (moment.astimezone(UTC) - EPOCH) // timedelta(milliseconds=1)
