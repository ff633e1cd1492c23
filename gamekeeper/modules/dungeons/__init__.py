"""Dungeons: places that are entered for a while, with challenges that the server checks, a deadline and a time in which they are shut."""

from .commands import MOST_CHARACTERS, Checked, check, enter, give_up, time_out
from .errors import (
    AlreadyInDungeon,
    DungeonClosed,
    DungeonCoolingDown,
    DungeonNotFound,
    EntryRefused,
    LevelTooLow,
    NotInDungeon,
)
from .queries import ChallengeView, Overdue, Visit, history, list_dungeons, overdue, show, visit
from .records import AttemptStatus, Challenge, Difficulty, DungeonAttempt, DungeonDefinition, DungeonState

__all__ = [
    "MOST_CHARACTERS",
    "AlreadyInDungeon",
    "AttemptStatus",
    "Challenge",
    "ChallengeView",
    "Checked",
    "Difficulty",
    "DungeonAttempt",
    "DungeonClosed",
    "DungeonCoolingDown",
    "DungeonDefinition",
    "DungeonNotFound",
    "DungeonState",
    "EntryRefused",
    "LevelTooLow",
    "NotInDungeon",
    "Overdue",
    "Visit",
    "check",
    "enter",
    "give_up",
    "history",
    "list_dungeons",
    "overdue",
    "show",
    "time_out",
    "visit",
]
