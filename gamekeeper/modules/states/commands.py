"""What may be done with documents.

Under the world's lease a save is answered from memory and written with the next flush; otherwise it commits, and with an idempotency key
it always does. A document that is saved in part keeps the rest.
"""

from typing import Annotated, Any, Final, Protocol, TypeVar

from msgspec import Meta, Struct
from msgspec.structs import asdict, replace

from gamekeeper.errors import InvalidArgument
from gamekeeper.kernel.commands import Keys, command
from gamekeeper.kernel.records import Amount, Coordinate, JsonObject
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import worlds

from . import rules
from .errors import StateChanged, StateNotFound
from .records import (
    OF_THE_WORLD,
    AnyJson,
    AppDocument,
    AppId,
    AppKey,
    AppPlayer,
    EntityId,
    EntityName,
    EntityState,
    EntityType,
    PlayerId,
    PlayerState,
    WorldState,
)

MOST_ENTITIES: Final = 5_000
"""of one call"""
Expected = Annotated[int, Meta(ge=0, description="refuse unless the document is at this version; 0 means that it is not there")]
_WHERE: Final = ("x", "y", "z")


class Saved(Struct, frozen=True):
    """A document after a save."""

    id: str
    version: int
    schema_version: int


class Position(Struct, frozen=True, forbid_unknown_fields=True):
    """Where something is."""

    x: Coordinate
    y: Coordinate
    z: Coordinate


class Entity(Struct, frozen=True, forbid_unknown_fields=True):
    """What is saved of an entity; what is left out stays as it is."""

    id: EntityId
    type: EntityType | None = None
    name: EntityName | None = None
    player: PlayerId | None = None
    position: Position | None = None
    rotation: JsonObject | None = None
    components: JsonObject | None = None
    metadata: JsonObject | None = None
    expect: Expected | None = None


Entities = Annotated[list[Entity], Meta(min_length=1, max_length=MOST_ENTITIES)]
EntityIds = Annotated[list[EntityId], Meta(min_length=1, max_length=MOST_ENTITIES)]


class _OfPlayer(Protocol):
    """The arguments that say whose document it is."""

    world: str
    player: str


class _OfApp(Protocol):
    """The arguments that say which document of an app it is."""

    world: str
    app: str
    player: str
    key: str


def _player(arguments: _OfPlayer) -> Keys:
    return ((PlayerState, (arguments.world, arguments.player)),)


def _entities(arguments: Any) -> Keys:
    return tuple((EntityState, (arguments.world, one.id)) for one in arguments.entities)


def _named(arguments: Any) -> Keys:
    return tuple((EntityState, (arguments.world, id)) for id in arguments.entities)


def _entity(arguments: Any) -> Keys:
    return ((EntityState, (arguments.world, arguments.entity)),)


def _app(arguments: _OfApp) -> Keys:
    return ((AppDocument, (arguments.world, arguments.app, arguments.player, arguments.key)),)


# Players


@command(touches=[PlayerState], keys=_player, durability="checkpoint", access="server")
def save_player(
    ctx: Context,
    *,
    world: worlds.WorldId,
    player: PlayerId,
    position: JsonObject | None = None,
    rotation: JsonObject | None = None,
    state: JsonObject | None = None,
    metadata: JsonObject | None = None,
    expect: Expected | None = None,
) -> Saved:
    """Save what a game keeps of a player in a world; what is left out stays as it is.

    Raises: WORLD_NOT_FOUND, STATE_CHANGED, STATE_TOO_NEW, STATE_NOT_UPGRADED.
    """
    row = _current("player_state", player, ctx.get(PlayerState, world, player), expect)
    fresh = PlayerState(world, player, {}, {}, {}, {}, 0, 0, 0) if row is None else row
    told = {"position": position, "rotation": rotation, "state": state, "metadata": metadata}
    return _put(ctx, "player_state", player, replace(fresh, **_given(told)))


@command(touches=[PlayerState], keys=_player, durability="checkpoint", access="server")
def patch_player(ctx: Context, *, world: worlds.WorldId, player: PlayerId, merge: JsonObject, expect: Expected | None = None) -> Saved:
    """Change a player's `state` by a merge patch (RFC 7396): null removes a field, and what the patch does not name stays.

    Raises: WORLD_NOT_FOUND, STATE_NOT_FOUND, STATE_CHANGED, STATE_TOO_NEW, STATE_NOT_UPGRADED, INVALID_JSON.
    """
    row = _there(_current("player_state", player, ctx.get(PlayerState, world, player), expect), player)
    return _put(ctx, "player_state", player, replace(row, state=rules.patched(row.state, merge)))


@command(touches=[PlayerState], keys=_player, durability="checkpoint", access="server")
def delete_player(ctx: Context, *, world: worlds.WorldId, player: PlayerId, expect: Expected | None = None) -> bool:
    """Forget a player's document; says whether there was one.

    Raises: WORLD_NOT_FOUND, STATE_CHANGED.
    """
    return _drop(ctx, player, ctx.get(PlayerState, world, player), expect)


# Entities


@command(touches=[EntityState], keys=_entities, durability="checkpoint", access="server")
def save_entities(ctx: Context, *, world: worlds.WorldId, entities: Entities) -> list[Saved]:
    """Save entities of a world, all or none; what is left out of one stays as it is.

    Raises: WORLD_NOT_FOUND, STATE_CHANGED, STATE_TOO_NEW, STATE_NOT_UPGRADED.
    """
    return [_save_entity(ctx, world, one) for one in entities]


def _save_entity(ctx: Context, world: str, one: Entity) -> Saved:
    row = _current("entity_state", one.id, ctx.get(EntityState, world, one.id), one.expect)
    if row is None:
        row = EntityState(world, one.id, "", "", None, None, None, None, {}, {}, {}, 0, 0, 0)
    told: dict[str, Any] = {"type": one.type, "name": one.name, "player_id": one.player}
    told |= {"rotation": one.rotation, "components": one.components, "metadata": one.metadata}
    where = {} if one.position is None else asdict(one.position)
    return _put(ctx, "entity_state", one.id, replace(row, **_given(told), **where))


@command(touches=[EntityState], keys=_entity, durability="checkpoint", access="server")
def patch_entity(ctx: Context, *, world: worlds.WorldId, entity: EntityId, merge: JsonObject, expect: Expected | None = None) -> Saved:
    """Change an entity's `components` by a merge patch (RFC 7396).

    Raises: WORLD_NOT_FOUND, STATE_NOT_FOUND, STATE_CHANGED, STATE_TOO_NEW, STATE_NOT_UPGRADED, INVALID_JSON.
    """
    row = _there(_current("entity_state", entity, ctx.get(EntityState, world, entity), expect), entity)
    return _put(ctx, "entity_state", entity, replace(row, components=rules.patched(row.components, merge)))


@command(touches=[EntityState], keys=_named, durability="checkpoint", access="server")
def delete_entities(ctx: Context, *, world: worlds.WorldId, entities: EntityIds) -> int:
    """Forget entities; says how many there were.

    Raises: WORLD_NOT_FOUND.
    """
    return sum(_drop(ctx, id, ctx.get(EntityState, world, id), None) for id in dict.fromkeys(entities))


# The world


@command(touches=[WorldState], durability="checkpoint", access="server")
def save_world(
    ctx: Context,
    *,
    world: worlds.WorldId,
    state: JsonObject | None = None,
    metadata: JsonObject | None = None,
    expect: Expected | None = None,
) -> Saved:
    """Save what a game keeps of a world as a whole; what is left out stays as it is.

    Raises: WORLD_NOT_FOUND, STATE_CHANGED, STATE_TOO_NEW, STATE_NOT_UPGRADED.
    """
    row = _current("world_state", world, ctx.get(WorldState, world), expect) or WorldState(world, {}, {}, 0, 0, 0)
    return _put(ctx, "world_state", world, replace(row, **_given({"state": state, "metadata": metadata})))


@command(touches=[WorldState], durability="checkpoint", access="server")
def patch_world(ctx: Context, *, world: worlds.WorldId, merge: JsonObject, expect: Expected | None = None) -> Saved:
    """Change a world's `state` by a merge patch (RFC 7396).

    Raises: WORLD_NOT_FOUND, STATE_NOT_FOUND, STATE_CHANGED, STATE_TOO_NEW, STATE_NOT_UPGRADED, INVALID_JSON.
    """
    row = _there(_current("world_state", world, ctx.get(WorldState, world), expect), world)
    return _put(ctx, "world_state", world, replace(row, state=rules.patched(row.state, merge)))


# Apps


@command(touches=[AppDocument], keys=_app, durability="checkpoint", access="server")
def save_app(
    ctx: Context,
    *,
    world: worlds.WorldId,
    app: AppId,
    key: AppKey,
    value: AnyJson,
    player: AppPlayer = OF_THE_WORLD,
    expect: Expected | None = None,
) -> Saved:
    """Save what an app keeps under a key, of a player or, when none is named, of the world.

    Raises: WORLD_NOT_FOUND, STATE_CHANGED, STATE_TOO_NEW, STATE_NOT_UPGRADED, INVALID_ARGUMENT.
    """
    if value is None:
        raise InvalidArgument(path="/value", problem="null is no value; delete the document instead")
    row = _current("app_document", key, ctx.get(AppDocument, world, app, player, key), expect)
    fresh = AppDocument(world, app, player, key, value, 0, 0, 0) if row is None else replace(row, value=value)
    return _put(ctx, "app_document", key, fresh)


@command(touches=[AppDocument], keys=_app, durability="checkpoint", access="server")
def delete_app(
    ctx: Context,
    *,
    world: worlds.WorldId,
    app: AppId,
    key: AppKey,
    player: AppPlayer = OF_THE_WORLD,
    expect: Expected | None = None,
) -> bool:
    """Forget what an app keeps under a key; says whether there was something.

    Raises: WORLD_NOT_FOUND, STATE_CHANGED.
    """
    return _drop(ctx, key, ctx.get(AppDocument, world, app, player, key), expect)


# One document

D = TypeVar("D", PlayerState, EntityState, WorldState, AppDocument)
JSON_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "player_state": ("position", "rotation", "state", "metadata"),
    "entity_state": ("rotation", "components", "metadata"),
    "world_state": ("state", "metadata"),
    "app_document": ("value",),
}


def latest_form(kind: str, id: str, row: D) -> D:
    """Give a document in the latest form; a newer one as it stands.

    Raises: STATE_NOT_UPGRADED.
    """
    if row.schema_version >= rules.latest(kind):
        return row
    body = {name: getattr(row, name) for name in JSON_FIELDS[kind]}
    return replace(row, **rules.upgraded(kind, id, body, row.schema_version), schema_version=rules.latest(kind))


def _current(kind: str, id: str, row: D | None, expect: Amount | None) -> D | None:
    """Give a document that is to be changed, in the latest form, if it is at the version that the caller expects."""
    _require_version(id, row, expect)
    if row is None:
        return None
    rules.require_known(kind, id, row.schema_version)
    return latest_form(kind, id, row)


def _require_version(id: str, row: D | None, expect: Amount | None) -> None:
    current = 0 if row is None else row.version
    if expect is not None and expect != current:
        raise StateChanged(id=id, expected=expect, current=current)


def _there(row: D | None, id: str) -> D:
    if row is None:
        raise StateNotFound(id=id)
    return row


def _given(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None}


def _put(ctx: Context, kind: str, id: str, row: D) -> Saved:
    made = replace(row, schema_version=rules.latest(kind), version=row.version + 1, saved_at=ctx.now)
    ctx.put(made)
    return Saved(id, made.version, made.schema_version)


def _drop(ctx: Context, id: str, row: D | None, expect: Amount | None) -> bool:
    _require_version(id, row, expect)
    if row is None:
        return False
    ctx.delete(row)
    return True
