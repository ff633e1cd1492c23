"""What is stored of a world's free state: documents of players, entities, the world itself and the apps in it.

`version` counts the saves of a document, `schema_version` says in which form its JSON is.
"""

from typing import Annotated, Any

from msgspec import Meta

from gamekeeper.kernel.records import JSON, Amount, Coordinate, EpochMs, JsonObject, Key, Record
from gamekeeper.modules import worlds

_PLAIN = r"^[^\x00-\x1f\x7f]*$(?!\n)"
PlayerId = Annotated[str, Meta(min_length=1, max_length=128, pattern=_PLAIN, description="whatever the game calls a player")]
EntityId = Annotated[str, Meta(min_length=1, max_length=128, pattern=_PLAIN, description="whatever the game calls an entity")]
EntityType = Annotated[str, Meta(max_length=64, pattern=_PLAIN, description="what sort of entity it is")]
EntityName = Annotated[str, Meta(max_length=128, pattern=_PLAIN)]
AppId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.\-]{0,63}$(?!\n)", description="an app: my-rpg-app")]
AppPlayer = Annotated[str, Meta(max_length=128, pattern=_PLAIN, description="a player; empty for what belongs to the world")]
AppKey = Annotated[str, Meta(min_length=1, max_length=256, pattern=_PLAIN, description="under what an app keeps something")]
AnyJson = Annotated[Any, JSON, Meta(description="any JSON value but null, within the gate's limits")]
OF_THE_WORLD = ""
"""Whose the documents of an app are that belong to no player."""


class PlayerState(Record, table="player_states", loads="key", durability="checkpoint"):
    """What a game keeps of a player in a world, in whatever form it likes."""

    world_id: Key[worlds.WorldId]
    player_id: Key[PlayerId]
    position: JsonObject
    rotation: JsonObject
    state: JsonObject
    metadata: JsonObject
    schema_version: Amount
    version: Amount
    saved_at: EpochMs


class EntityState(
    Record,
    table="entity_states",
    loads="key",
    durability="checkpoint",
    indexes=(("world_id", "type", "entity_id"), ("world_id", "x", "z")),
):
    """What a game keeps of an entity of a world. `x`, `y` and `z` are where it is, null for one that is nowhere."""

    world_id: Key[worlds.WorldId]
    entity_id: Key[EntityId]
    type: EntityType
    name: EntityName
    player_id: PlayerId | None
    x: Coordinate | None
    y: Coordinate | None
    z: Coordinate | None
    rotation: JsonObject
    components: JsonObject
    metadata: JsonObject
    schema_version: Amount
    version: Amount
    saved_at: EpochMs


class WorldState(Record, table="world_states", durability="checkpoint"):
    """What a game keeps of a world as a whole."""

    world_id: Key[worlds.WorldId]
    state: JsonObject
    metadata: JsonObject
    schema_version: Amount
    version: Amount
    saved_at: EpochMs


class AppDocument(Record, table="app_storage", loads="key", durability="checkpoint"):
    """What an app keeps under a key, of a player or, with an empty `player_id`, of the world."""

    world_id: Key[worlds.WorldId]
    app_id: Key[AppId]
    player_id: Key[AppPlayer]
    key: Key[AppKey]
    value: AnyJson
    schema_version: Amount
    version: Amount
    saved_at: EpochMs
