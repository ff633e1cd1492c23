"""Guests: who plays at once without an account, keeps everything by making one in time, and is forgotten otherwise."""

from .commands import Arrived, Purged, create, purge, upgrade
from .errors import NotAGuest
from .leaving import TOUCHED, Leaving, LetGo, is_whole, let_go, look_up, prepared
from .queries import ExpiredGuest, list_expired
from .rules import MAX_CHARACTERS, MAX_MESSAGES, PURGE_LIMIT

__all__ = [
    "MAX_CHARACTERS",
    "MAX_MESSAGES",
    "PURGE_LIMIT",
    "TOUCHED",
    "Arrived",
    "ExpiredGuest",
    "Leaving",
    "LetGo",
    "NotAGuest",
    "Purged",
    "create",
    "is_whole",
    "let_go",
    "list_expired",
    "look_up",
    "prepared",
    "purge",
    "upgrade",
]
