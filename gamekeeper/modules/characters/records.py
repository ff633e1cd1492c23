"""What is stored of characters: who they are, where they are, how they are."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.records import JSON, Coordinate, EpochMs, Integer, Key, OwnedBy, Record
from gamekeeper.modules import users

from .errors import CharacterNotFound

CharacterId = Annotated[Id, OwnedBy("character", missing=CharacterNotFound)]
NewCharacterId = Annotated[Id, OwnedBy("character", creates=True)]

Rank = Literal["normal", "iron", "bronze", "silver", "gold", "diamond"]
GivenName = Annotated[str, Meta(min_length=1, max_length=120, description="2 to 40 characters once normalized, spaces inside allowed")]
Word = Annotated[str, Meta(max_length=64, pattern=r"^[a-z][a-z0-9_]*(?!\n)$", description="a lower-case word: health, strength ...")]
RoomId = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:\-/]+(?!\n)$", description="a room, zone or area")]
SettingName = Annotated[str, Meta(max_length=64, pattern=r"^[a-z][a-z0-9_.\-]*(?!\n)$", description="auto_retaliate, ui.scale ...")]
Hundredths = Annotated[int, Meta(ge=0, le=10**12, description="hundredths of a point")]
JsonValue = Annotated[Any, JSON, Meta(description="any JSON value within the gate's limits")]


class Character(Record, table="characters", indexes=(("user_id",), ("world_id", "name_key"))):
    """Somebody in a world. `user_id` is empty for a character that belongs to nobody; `name_key` is unique per world by claim."""

    character_id: Key[CharacterId]
    user_id: Id | None
    world_id: Id
    name: Annotated[str, Meta(max_length=40)]
    name_key: Annotated[str, Meta(max_length=160)]
    created_at: EpochMs
    updated_at: EpochMs
    rank: Rank = "normal"
    is_guest_created: bool = False
    last_login_at: EpochMs | None = None
    tombstoned_at: EpochMs | None = None


class CharacterSlot(Record, table="character_slots"):
    """One of a user's character slots in a world, taken. It is the user's, so that the limit is checked under the user's lock."""

    user_id: Key[users.UserId]
    character_id: Key[Id]
    world_id: Id


class CharacterLocation(Record, table="character_locations", durability="checkpoint"):
    """Where a character is: a room, a point in it, and a rotation as a quaternion."""

    character_id: Key[CharacterId]
    world_id: Id
    room_id: RoomId
    updated_at: EpochMs
    x: Coordinate = 0.0
    y: Coordinate = 0.0
    z: Coordinate = 0.0
    qx: Coordinate = 0.0
    qy: Coordinate = 0.0
    qz: Coordinate = 0.0
    qw: Coordinate = 1.0


class CharacterVital(Record, table="character_vitals", durability="checkpoint", checks=("current BETWEEN 0 AND maximum",)):
    """How much a character has of health, mana and the like, in hundredths."""

    character_id: Key[CharacterId]
    vital: Key[Word]
    current: Hundredths
    maximum: Hundredths


class CharacterAttribute(Record, table="character_attributes"):
    """What a character is able to: its own value, and what is added to it."""

    character_id: Key[CharacterId]
    attribute: Key[Word]
    base: Integer
    bonus: Integer = 0


class CharacterSetting(Record, table="character_settings"):
    """How a player wants a character to act and be shown."""

    character_id: Key[CharacterId]
    name: Key[SettingName]
    value: JsonValue
