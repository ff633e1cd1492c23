"""Plays: that a character is being played, on which server and since when, as whoever lets one go ends it."""

from .leaving import TOUCHES, begin, is_open, last_active, leave
from .records import Activity, EndReason, PlaySession, Presence, ServerId
from .rules import activity_is_due, end_of, is_over, seconds_between, timeout_ms

__all__ = [
    "TOUCHES",
    "Activity",
    "EndReason",
    "PlaySession",
    "Presence",
    "ServerId",
    "activity_is_due",
    "begin",
    "end_of",
    "is_open",
    "is_over",
    "last_active",
    "leave",
    "seconds_between",
    "timeout_ms",
]
