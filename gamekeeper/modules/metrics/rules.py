"""The arithmetic of metrics: thousandths, what several sources come to, and the tally of closed days."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Final

from gamekeeper.kernel.records import MAX_INTEGER
from gamekeeper.modules import days

if TYPE_CHECKING:
    from .records import EventCount, Tally

THOUSAND: Final = 1000
RECENT_DAYS: Final = 366
EVENT_DAYS: Final = 14
"""For how many days it is kept on which of them an event happened: a quest of a week is judged by then."""
WORKOUTS: Final = "/workouts"
"""Behind a source's name: what its workouts come to, apart from what it reports of the whole day."""
STRENGTH: Final = {"SELF_REPORTED": 0, "IMPORTED": 1, "VERIFIED": 2}


def thousandths(value: int | float) -> int | None:
    """Give a number in thousandths; None when it has more than three decimals, or is none.

    >>> thousandths(7.5), thousandths(0.1), thousandths(1e6), thousandths(1.2345), thousandths(float("inf"))
    (7500, 100, 1000000000, None, None)
    """
    if not isfinite(value):
        return None
    scaled = Decimal(str(value)) * THOUSAND
    return int(scaled) if scaled == scaled.to_integral_value() else None


def number(value: int) -> int | float:
    """Give thousandths as a number.

    >>> number(7500), number(10_000_000)
    (7.5, 10000)
    """
    return value // THOUSAND if value % THOUSAND == 0 else value / THOUSAND


def reported(merge: str, before: int | None, value: int) -> int:
    """Give what a source says after a further report: a day's total only grows, and what is said last replaces what was said.

    >>> reported("max", 5000, 4000), reported("sum", 5000, 6000), reported("last", 5000, 4000), reported("max", None, 0)
    (5000, 6000, 4000, 0)
    """
    return value if before is None or merge == "last" else max(before, value)


def merged(merge: str, sources: Mapping[str, int], last: str) -> int:
    """Give a day's value.

    >>> two = {"watch": 8000, "phone": 5000}
    >>> merged("max", two, "phone"), merged("sum", two, "phone"), merged("last", two, "phone")
    (8000, 13000, 5000)
    """
    if merge == "last":
        return sources[last]
    return min(sum(sources.values()), MAX_INTEGER) if merge == "sum" else max(sources.values())


def origin(source: str) -> str:
    """Give the source that something comes from.

    >>> origin("apple_health/workouts")
    'apple_health'
    """
    return source.removesuffix(WORKOUTS)


# Tallies


def with_day(tally: Tally, day: str, value: int, met: bool) -> Tally:
    """Give a tally with one more closed day; a day that is not later than its last one has been counted already.

    >>> from .records import Tally
    >>> walked = with_day(with_day(Tally(), "2026-01-30", 9_000_000, True), "2026-02-01", 0, False)
    >>> walked.total, walked.days, walked.last_day, walked.recent, walked.known
    (9000000, 1, '2026-02-01', '4', '5')
    >>> with_day(walked, "2026-02-01", 5_000, True) is walked
    True
    """
    gap = _days_since(tally.last_day, day)
    if gap <= 0:
        return tally
    recent, known = (_bits(tally.recent) << gap | met) & _MASK, (_bits(tally.known) << gap | 1) & _MASK
    return type(tally)(min(tally.total + value, MAX_INTEGER), tally.days + met, day, f"{recent:x}" if recent else "", f"{known:x}")


def met_days(tally: Tally, day: str, window: int) -> int:
    """Give on how many of the days up to one it was met.

    >>> from .records import Tally
    >>> tally = Tally(days=3, last_day="2026-02-03", recent="7", known="7")
    >>> [met_days(tally, day, 2) for day in ("2026-02-02", "2026-02-03", "2026-02-04", "2026-02-05")]
    [2, 2, 1, 0]
    """
    return _within(tally, tally.recent, day, window)


def known_days(tally: Tally, day: str, window: int) -> int:
    """Give on how many of the days up to one it is known."""
    return _within(tally, tally.known, day, window)


def run(tally: Tally, day: str) -> int:
    """Give on how many days in a row, up to this one, it was met; 366 at the most.

    >>> from .records import Tally
    >>> tally = Tally(days=3, last_day="2026-02-03", recent="b", known="f")
    >>> [run(tally, day) for day in ("2026-02-01", "2026-02-02", "2026-02-03", "2026-02-04")]
    [0, 1, 2, 0]
    """
    bits = _at(tally, tally.recent, day)
    return (bits ^ (bits + 1)).bit_length() - 1


def happened(row: EventCount, day: str, times: int) -> dict[str, int]:
    """Give on which of the last days an event has happened how often, with some more on one of them.

    >>> from .records import EventCount
    >>> happened(EventCount("ada", "duel", 3, {"2026-02-01": 1, "2026-02-14": 2}), "2026-02-15", 1)
    {'2026-02-14': 2, '2026-02-15': 1}
    """
    found = {**row.recent, day: row.recent.get(day, 0) + times}
    oldest = days.after(max(found), 1 - EVENT_DAYS)
    return {one: count for one, count in found.items() if one >= oldest}


def _within(tally: Tally, text: str, day: str, window: int) -> int:
    return (_at(tally, text, day) & ((1 << min(window, RECENT_DAYS)) - 1)).bit_count()


def _at(tally: Tally, text: str, day: str) -> int:
    """Give the bits as seen from a day."""
    if tally.last_day is None or not text:
        return 0
    gap = days.ordinal(day) - days.ordinal(tally.last_day)
    return _bits(text) << gap if 0 <= gap < RECENT_DAYS else _bits(text) >> -gap if gap < 0 else 0


_MASK: Final = (1 << RECENT_DAYS) - 1


def _bits(text: str) -> int:
    return int(text or "0", 16)


@lru_cache(maxsize=4_096)
def _days_since(last: str | None, day: str) -> int:
    """Give how many days after the last one a day is, as far as anybody counts."""
    return RECENT_DAYS if last is None else min(days.ordinal(day) - days.ordinal(last), RECENT_DAYS)
