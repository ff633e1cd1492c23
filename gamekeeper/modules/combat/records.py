"""What is stored of combat: how often a character has killed what, every death, and the one gravestone that stands for it."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.records import JSON, Amount, Coordinate, EpochMs, Key, Quantity, Record
from gamekeeper.modules import characters, content

GRAVESTONE: Literal["gravestone"] = "gravestone"
"""The kind of owner, and its only container."""

ZoneType = Literal["safe_area", "wilderness", "pvp_zone"]
DeathStatus = Literal["open", "recovered", "looted", "expired", "replaced", "nothing_lost"]
"""`open` while a gravestone stands. Then: its owner has taken the last of it, somebody else has, its time was over, its owner has lost
something else by a later death. `nothing_lost` never had one."""
KilledBy = Annotated[
    str, Meta(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]*(?!\n)$", description="a character's or an NPC's id, or a word")
]
Lost = Annotated[list[dict[str, Any]], JSON]
"""What went into the gravestone, item by item; its metadata stays with the things themselves."""


class NpcKill(Record, table="npc_kills"):
    """How often a character has killed an NPC of one kind."""

    character_id: Key[characters.CharacterId]
    npc_id: Key[content.DefinitionId]
    kill_count: Quantity


class PlayerDeath(
    Record,
    table="player_deaths",
    loads="key",
    unique=(("gravestone_id",),),
    indexes=(("status", "expires_at"), ("world_id", "status", "death_id"), ("death_id",)),
    checks=(
        "(status = 'open') = (ended_at IS NULL)",
        "(status = 'nothing_lost') = (gravestone_id IS NULL)",
        "status <> 'recovered' OR recovered_at IS NOT NULL",
    ),
):
    """A death, kept for good: where, by whom, what was lost and what became of it."""

    character_id: Key[characters.CharacterId]
    death_id: Key[Id]
    world_id: Id
    room_id: characters.RoomId
    x: Coordinate
    y: Coordinate
    z: Coordinate
    zone_type: ZoneType
    killed_by: KilledBy
    items: Lost
    item_count: Amount
    gravestone_id: Id | None
    status: DeathStatus
    at: EpochMs
    protected_until: EpochMs
    expires_at: EpochMs
    recovered_at: EpochMs | None = None
    """when the owner has last taken something out of it"""
    ended_at: EpochMs | None = None


class DeathLock(Record, table="death_locks", checks=("(death_id IS NULL) = (gravestone_id IS NULL)",)):
    """The one death of a character that is open, if there is one, and when it last died."""

    character_id: Key[characters.CharacterId]
    death_id: Id | None
    gravestone_id: Id | None
    died_at: EpochMs
