"""Bringing all documents of a world into the latest form, some at a time."""

from typing import Annotated, Any, Final, Protocol

from msgspec import Meta, Struct
from msgspec.structs import replace

from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.queries import Cursor, Reader, write_cursor
from gamekeeper.kernel.records import KEYED, Record, shape
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import worlds

from . import queries, rules
from .commands import latest_form
from .errors import StateNotUpgraded
from .records import AppDocument, EntityState, PlayerState, WorldState

RECORDS: Final[dict[str, type[Record]]] = {
    "player_state": PlayerState,
    "entity_state": EntityState,
    "world_state": WorldState,
    "app_document": AppDocument,
}
Many = Annotated[int, Meta(ge=1, le=1_000, description="how many documents at most")]


class NotUpgraded(Struct, frozen=True):
    """A document that stayed as it is, and why."""

    key: list[str]
    schema_version: int
    problem: str


class Upgraded(Struct, frozen=True):
    """How many documents were upgraded, or would be, those that could not be, and where to go on."""

    upgraded: int
    failed: list[NotUpgraded]
    next_cursor: str | None


class _Upgrading(Protocol):
    """The arguments that the preparation needs."""

    world: str
    kind: rules.Kind
    limit: int
    cursor: str | None


class _Found(Struct, frozen=True):
    """The keys of documents in old forms, and where to go on."""

    keys: tuple[tuple[Any, ...], ...]
    next_cursor: str | None


async def _old(read: Reader, arguments: _Upgrading) -> Prepared:
    record = RECORDS[arguments.kind]
    rows = await queries.old_documents(read, record, arguments.kind, arguments.world, arguments.cursor, arguments.limit + 1)
    keys = tuple([shape(record).key_of(row) for row in rows[: arguments.limit]])
    after = write_cursor(keys[-1][1:]) if len(rows) > arguments.limit else None
    return Prepared(found=_Found(keys, after), keys=tuple([(record, key) for key in keys if record in KEYED]))


@command(touches=list(RECORDS.values()), prepare=_old, access="operator", module="states")
def upgrade(
    ctx: Context, *, world: worlds.WorldId, kind: rules.Kind, limit: Many = 200, cursor: Cursor | None = None, dry_run: bool = False
) -> Upgraded:
    """Bring documents of a kind that are in old forms into the latest one, so many at the most; twice changes nothing more.

    One whose upgrade fails stays as it is, and is told. With `dry_run` nothing changes.

    Raises: WORLD_NOT_FOUND.
    """
    found: _Found = ctx.found
    upgraded, failed = 0, list[NotUpgraded]()
    for key in found.keys:
        row: Any = ctx.get(RECORDS[kind], *key)
        if row is None or row.schema_version >= rules.latest(kind):
            continue
        try:
            made = latest_form(kind, str(key[-1]), row)
        except StateNotUpgraded as error:
            failed.append(NotUpgraded(list(key[1:]), row.schema_version, error.problem))
            continue
        if not dry_run:
            ctx.put(replace(made, version=row.version + 1))
        upgraded += 1
    return Upgraded(upgraded, failed, found.next_cursor)
