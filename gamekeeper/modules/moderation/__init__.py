"""Moderation: bans, what staff note about users, and what users did."""

from .commands import BanGiven, Lifted, Noted, add_note, ban, forget_all, unban
from .errors import NotBanned, TooManyNotes
from .queries import (
    ActiveBan,
    Activity,
    BanInForce,
    BanView,
    ListedBan,
    ListedNote,
    NoteView,
    active_bans,
    activity,
    ban_in_force,
    bans_of,
    list_bans,
    list_notes,
    newest_notes,
)
from .records import BanState, NoteText, Preset, Reason, StaffNote, UserBan
from .rules import ACTIVITY_DAYS, EVENT_OF, EVENTS, MAX_NOTES, EventType

__all__ = [
    "ACTIVITY_DAYS",
    "EVENTS",
    "EVENT_OF",
    "MAX_NOTES",
    "ActiveBan",
    "Activity",
    "BanGiven",
    "BanInForce",
    "BanState",
    "BanView",
    "EventType",
    "Lifted",
    "ListedBan",
    "ListedNote",
    "NotBanned",
    "NoteText",
    "NoteView",
    "Noted",
    "Preset",
    "Reason",
    "StaffNote",
    "TooManyNotes",
    "UserBan",
    "active_bans",
    "activity",
    "add_note",
    "ban",
    "ban_in_force",
    "bans_of",
    "forget_all",
    "list_bans",
    "list_notes",
    "newest_notes",
    "unban",
]
