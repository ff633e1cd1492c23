"""What may be asked of documents. Each is given in the latest form; what memory alone holds is written before a list is read."""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct
from sqlalchemy import BigInteger, Float, Text, bindparam, or_, select, tuple_

from gamekeeper.kernel.queries import Cursor, Page, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.records import MAX_FLOAT, Coordinate, Record
from gamekeeper.kernel.store.schema import table
from gamekeeper.modules import worlds

from . import rules
from .commands import D, latest_form
from .records import (
    OF_THE_WORLD,
    AppDocument,
    AppId,
    AppKey,
    AppPlayer,
    EntityId,
    EntityState,
    EntityType,
    PlayerId,
    PlayerState,
    WorldState,
)

MOST_LISTED: Final = 1_000
Limit = Annotated[int, Meta(ge=1, le=MOST_LISTED, description=f"how many at most, 1 to {MOST_LISTED}")]
EVERY: Final = ""
"""Stands for all types of entities."""

players, entities, documents = table(PlayerState), table(EntityState), table(AppDocument)
_WORLD, _AFTER, _LIMIT = (bindparam("world", type_=Text), bindparam("after", type_=Text), bindparam("limit", type_=BigInteger))
_TYPE, _ALL = bindparam("type", type_=Text), bindparam("all", type_=Text)

PLAYERS = select(players).where(players.c.world_id == _WORLD, players.c.player_id > _AFTER).order_by(players.c.player_id).limit(_LIMIT)
ENTITIES = (
    select(entities)
    .where(entities.c.world_id == _WORLD, entities.c.entity_id > _AFTER, or_(_TYPE == _ALL, entities.c.type == _TYPE))
    .order_by(entities.c.entity_id)
    .limit(_LIMIT)
)
NEAR = (
    select(entities)
    .where(
        entities.c.world_id == _WORLD,
        entities.c.x.between(bindparam("west", type_=Float), bindparam("east", type_=Float)),
        entities.c.z.between(bindparam("north", type_=Float), bindparam("south", type_=Float)),
        entities.c.entity_id > _AFTER,
        or_(_TYPE == _ALL, entities.c.type == _TYPE),
    )
    .order_by(entities.c.entity_id)
    .limit(_LIMIT)
)
KEYS = (
    select(documents.c.key, documents.c.version)
    .where(
        documents.c.world_id == _WORLD,
        documents.c.app_id == bindparam("app", type_=Text),
        documents.c.player_id == bindparam("player", type_=Text),
        documents.c.key > _AFTER,
    )
    .order_by(documents.c.key)
    .limit(_LIMIT)
)


_LATEST = bindparam("latest", type_=BigInteger)
_APP, _PLAYER = bindparam("app", type_=Text), bindparam("player", type_=Text)
OLD: Final[dict[type[Record], Any]] = {
    PlayerState: select(players)
    .where(players.c.world_id == _WORLD, players.c.schema_version < _LATEST, players.c.player_id > _AFTER)
    .order_by(players.c.player_id)
    .limit(_LIMIT),
    EntityState: select(entities)
    .where(entities.c.world_id == _WORLD, entities.c.schema_version < _LATEST, entities.c.entity_id > _AFTER)
    .order_by(entities.c.entity_id)
    .limit(_LIMIT),
    AppDocument: select(documents)
    .where(
        documents.c.world_id == _WORLD,
        documents.c.schema_version < _LATEST,
        tuple_(documents.c.app_id, documents.c.player_id, documents.c.key) > tuple_(_APP, _PLAYER, _AFTER),
    )
    .order_by(documents.c.app_id, documents.c.player_id, documents.c.key)
    .limit(_LIMIT),
}


class Area(Struct, frozen=True, forbid_unknown_fields=True):
    """A rectangle on the ground: from `west` to `east` along x, from `north` to `south` along z, its borders within it."""

    west: Coordinate = -MAX_FLOAT
    east: Coordinate = MAX_FLOAT
    north: Coordinate = -MAX_FLOAT
    south: Coordinate = MAX_FLOAT


class KeyOfApp(Struct, frozen=True):
    """A key under which an app keeps something, and at what version that is."""

    key: str
    version: int


@query(access="server")
async def load_player(read: Reader, *, world: worlds.WorldId, player: PlayerId) -> PlayerState | None:
    """Give what a game keeps of a player in a world; null when nothing was ever saved, which is not the same as an empty document.

    Raises: STATE_NOT_UPGRADED.
    """
    return _latest("player_state", player, await read.get(PlayerState, world, player))


@query(access="server")
async def list_players(read: Reader, *, world: worlds.WorldId, limit: Limit = 100, cursor: Cursor | None = None) -> Page[PlayerState]:
    """List the documents of all players of a world, in the order of their ids.

    Raises: STATE_NOT_UPGRADED.
    """
    await read.saved(world)
    (after,) = read_cursor(cursor, str) or ("",)
    rows = await read.rows(PlayerState, PLAYERS, world=world, after=after, limit=limit + 1)
    found = [latest_form("player_state", row.player_id, row) for row in rows[:limit]]
    return Page(found, write_cursor([rows[limit - 1].player_id]) if len(rows) > limit else None)


@query(access="server")
async def load_entity(read: Reader, *, world: worlds.WorldId, entity: EntityId) -> EntityState | None:
    """Give what a game keeps of an entity; null when there is none.

    Raises: STATE_NOT_UPGRADED.
    """
    return _latest("entity_state", entity, await read.get(EntityState, world, entity))


@query(access="server")
async def load_entities(
    read: Reader,
    *,
    world: worlds.WorldId,
    type: EntityType = EVERY,
    area: Area | None = None,
    limit: Limit = 100,
    cursor: Cursor | None = None,
) -> Page[EntityState]:
    """List the entities of a world page by page, in the order of their ids: all, those of a type, those in an area.

    Raises: STATE_NOT_UPGRADED.
    """
    await read.saved(world)
    (after,) = read_cursor(cursor, str) or ("",)
    asked = {"world": world, "type": type, "all": EVERY, "after": after, "limit": limit + 1}
    if area is None:
        rows = await read.rows(EntityState, ENTITIES, **asked)
    else:
        rows = await read.rows(EntityState, NEAR, west=area.west, east=area.east, north=area.north, south=area.south, **asked)
    found = [latest_form("entity_state", row.entity_id, row) for row in rows[:limit]]
    return Page(found, write_cursor([rows[limit - 1].entity_id]) if len(rows) > limit else None)


@query(access="server")
async def load_world(read: Reader, *, world: worlds.WorldId) -> WorldState | None:
    """Give what a game keeps of a world as a whole; null when nothing was ever saved.

    Raises: STATE_NOT_UPGRADED.
    """
    return _latest("world_state", world, await read.get(WorldState, world))


@query(access="server")
async def load_app(
    read: Reader,
    *,
    world: worlds.WorldId,
    app: AppId,
    key: AppKey,
    player: AppPlayer = OF_THE_WORLD,
) -> AppDocument | None:
    """Give what an app keeps under a key, of a player or, when none is named, of the world; null when there is nothing.

    Raises: STATE_NOT_UPGRADED.
    """
    return _latest("app_document", key, await read.get(AppDocument, world, app, player, key))


@query(access="server")
async def list_app_keys(
    read: Reader,
    *,
    world: worlds.WorldId,
    app: AppId,
    player: AppPlayer = OF_THE_WORLD,
    limit: Limit = 100,
    cursor: Cursor | None = None,
) -> Page[KeyOfApp]:
    """List the keys under which an app keeps something, of a player or of the world, in their order."""
    await read.saved(world)
    (after,) = read_cursor(cursor, str) or ("",)
    rows = await read.rows(KeyOfApp, KEYS, world=world, app=app, player=player, after=after, limit=limit + 1)
    return Page(rows[:limit], write_cursor([rows[limit - 1].key]) if len(rows) > limit else None)


async def old_documents(read: Reader, record: type[Record], kind: str, world: str, cursor: str | None, limit: int) -> list[Any]:
    """Find documents of a world that are not in the latest form, in the order of their keys."""
    await read.saved(world)
    latest = rules.latest(kind)
    if record is WorldState:
        row = await read.get(WorldState, world)
        return [row] if row is not None and row.schema_version < latest and cursor is None else []
    asked = {"world": world, "latest": latest, "limit": limit}
    if record is AppDocument:
        app, player, after = read_cursor(cursor, str, str, str) or ("", "", "")
        return await read.rows(AppDocument, OLD[record], app=app, player=player, after=after, **asked)
    (after,) = read_cursor(cursor, str) or ("",)
    return await read.rows(record, OLD[record], after=after, **asked)


def _latest(kind: str, id: str, row: D | None) -> D | None:
    return None if row is None else latest_form(kind, id, row)
