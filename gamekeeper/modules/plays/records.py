"""What is stored of play: who plays now, when they were last active, and each play session that has ended.

All of it is the character's own, so that however many log in at once, no two of them wait for one row.
"""

from typing import Annotated, Literal

from msgspec import Meta

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.records import Amount, EpochMs, Key, OwnedBy, Record

PlayedId = Annotated[Id, OwnedBy("character")]
ServerId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:\-]*(?!\n)$",
        description="the name that a game server gives itself, the same after a restart",
    ),
]
EndReason = Literal["logout", "timeout", "kick", "ban", "replaced", "shutdown", "crash", "deleted"]
"""Why a play session ended. `timeout`: nobody said anything for too long; `crash`: its server came up again without it."""


class Presence(
    Record,
    table="presence",
    indexes=(("since", "character_id"), ("world_id", "since"), ("server_id", "since")),
    checks=(
        "(play_session_id IS NULL) = (since IS NULL)",
        "(play_session_id IS NULL) = (world_id IS NULL)",
        "(play_session_id IS NULL) = (server_id IS NULL)",
    ),
):
    """A character's open play session, if it has one, and how long it has played in all those that ended, in seconds."""

    character_id: Key[PlayedId]
    play_session_id: Id | None = None
    world_id: Id | None = None
    server_id: ServerId | None = None
    since: EpochMs | None = None
    last_seen_at: EpochMs | None = None
    """when the latest session that is over ended"""
    playtime: Amount = 0
    play_sessions: Amount = 0


class Activity(Record, table="play_activity", durability="checkpoint", beside=Presence):
    """When something was last heard of a character that plays; others have no row, so that whoever counts reads few.

    Servers that hold the lease of a character say so without a transaction.
    """

    character_id: Key[PlayedId]
    last_active_at: EpochMs


class PlaySession(
    Record,
    table="play_sessions",
    loads="key",
    indexes=(("character_id", "started_at", "play_session_id"), ("ended_at",)),
    checks=("ended_at >= started_at",),
):
    """A play session that is over: it is written once, at its end. `playtime` is in seconds."""

    character_id: Key[PlayedId]
    play_session_id: Key[Id]
    world_id: Id
    server_id: ServerId
    started_at: EpochMs
    ended_at: EpochMs
    reason: EndReason
    playtime: Amount
