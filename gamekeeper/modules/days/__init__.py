"""Days: the dates of a time zone, when each of them begins and ends, and how they follow one another."""

from .rules import (
    FIRST_YEAR,
    LAST_YEAR,
    Day,
    after,
    checked,
    end_of,
    exists,
    is_weekend,
    is_zone,
    local_day,
    of_ordinal,
    ordinal,
    start_of,
    week_of,
    weekday,
)

__all__ = [
    "FIRST_YEAR",
    "LAST_YEAR",
    "Day",
    "after",
    "checked",
    "end_of",
    "exists",
    "is_weekend",
    "is_zone",
    "local_day",
    "of_ordinal",
    "ordinal",
    "start_of",
    "week_of",
    "weekday",
]
