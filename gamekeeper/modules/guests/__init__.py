"""Guests: who plays at once without an account, keeps everything by making one in time, and is forgotten otherwise."""

from .commands import Arrived, Purged, create, purge, upgrade
from .errors import NotAGuest
from .queries import ExpiredGuest, list_expired
from .rules import MAX_CHARACTERS, PURGE_LIMIT

__all__ = [
    "MAX_CHARACTERS",
    "PURGE_LIMIT",
    "Arrived",
    "ExpiredGuest",
    "NotAGuest",
    "Purged",
    "create",
    "list_expired",
    "purge",
    "upgrade",
]
