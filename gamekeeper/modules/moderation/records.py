"""What is stored of moderation: bans and staff's notes. Both are a user's own, and neither names a row of the one who wrote it."""

from typing import Annotated, Literal

from msgspec import Meta

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.records import EpochMs, Key, Personal, Record, Secret
from gamekeeper.modules import users

MAX_REASON = 500
MAX_NOTE = 2_000

Reason = Annotated[str, Meta(min_length=1, max_length=MAX_REASON, description="why, for the user and for other staff to read")]
NoteText = Annotated[str, Meta(min_length=1, max_length=MAX_NOTE, description="for staff's eyes only")]
StaffName = Secret[Annotated[str, Meta(max_length=255)]]
"""Somebody's name as it was: it outlives their account. Neither the journal nor the export of whom they dealt with tells it."""
Preset = Literal["hour", "day", "week", "month", "permanent"]
BanState = Literal["in_force", "past"]
"""Whether a ban holds, or has expired or been lifted."""


class UserBan(Record, table="user_bans", indexes=(("ban_id",),)):
    """A ban, in force until it expires or is lifted; without `expires_at` for ever. All of a user's stay, as their history."""

    user_id: Key[users.UserId]
    ban_id: Key[Id]
    banned_by: StaffName
    banned_by_id: Id | None
    reason: Personal[Reason]
    created_at: EpochMs
    expires_at: EpochMs | None = None
    lifted_at: EpochMs | None = None
    lifted_by: StaffName | None = None
    lifted_by_id: Id | None = None
    lift_reason: Personal[Reason] | None = None


class StaffNote(Record, table="staff_notes", indexes=(("note_id",),)):
    """What staff tell each other about a user; nobody changes it afterwards.

    As a secret it stands in no journal and in no export: it may quote those who complained, and is not the user's to see.
    """

    user_id: Key[users.UserId]
    note_id: Key[Id]
    author: StaffName
    author_id: Id | None
    text: Secret[NoteText]
    created_at: EpochMs
