"""Moderation: bans, what staff note about users, and what users did."""

from .commands import BanGiven, Lifted, Noted, add_note, ban, forget, unban
from .errors import NotBanned, TooManyNotes
from .queries import ActiveBan, Activity, BanInForce, BanView, NoteView, active_bans, activity, ban_in_force, bans_of, list_notes
from .records import NoteText, Preset, Reason, StaffNote, UserBan
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
    "BanView",
    "EventType",
    "Lifted",
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
    "forget",
    "list_notes",
    "unban",
]
