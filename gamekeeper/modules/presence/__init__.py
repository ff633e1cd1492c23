"""Presence: who plays where, since when, and how long somebody has played."""

from .commands import MOST_CHARACTERS, Ended, EndedMany, Forgotten, Heard, Started, active, end, end_all, forget_ended, start, time_out
from .queries import Counted, Online, Playing, PlayingHere, counts, history, online, playing_of, show
from .rules import span

__all__ = [
    "MOST_CHARACTERS",
    "Counted",
    "Ended",
    "EndedMany",
    "Forgotten",
    "Heard",
    "Online",
    "Playing",
    "PlayingHere",
    "Started",
    "active",
    "counts",
    "end",
    "end_all",
    "forget_ended",
    "history",
    "online",
    "playing_of",
    "show",
    "span",
    "start",
    "time_out",
]
