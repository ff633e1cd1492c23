"""History: what may be asked of the journal.

Every row of an answer carries its command's arguments and result, which the journal keeps on the row of the origin owner only.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from sqlalchemy import BigInteger, Text, bindparam, or_, select

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.journal import Changed, read_changes
from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.records import MAX_INTEGER, AnyOwnerId
from gamekeeper.kernel.store.schema import journal

LAST = "z"
"""Sorts behind every command's id, which is hexadecimal, in every collation."""
MAX_OWNERS = 1_000
"""Entries of one command that are read at the most: one for each owner that it changed."""

CommandName = Annotated[str, Meta(min_length=3, max_length=128, description="module.verb")]


class HistoryEntry(Struct, frozen=True):
    """What one command did to one owner, and the command itself."""

    owner_id: str
    seq: int
    command_id: str
    at: int
    command: str
    actor: str
    reason: str | None
    origin_id: str
    owners: list[str]
    """all owners that the command changed"""
    arguments: dict[str, Any]
    """without secrets; what is personal is sealed"""
    result: Any
    idempotency_key: str | None
    changes: list[Changed]
    hash: str


class _Row(Struct, frozen=True):
    """An entry as the database answers it."""

    owner_id: str
    seq: int
    command_id: str
    at: int
    command: str
    actor: str
    reason: str | None
    origin_id: str
    owners: str | None
    arguments: str | None
    result: str | None
    idempotency_key: str | None
    changes: str
    hash: Any


_J = journal.alias("entry")
_ORIGIN = journal.alias("origin")
_ENTRIES = select(
    *(_J.c[name] for name in ("owner_id", "seq", "command_id", "at", "command", "actor", "reason", "origin_id")),
    *(_ORIGIN.c[name] for name in ("owners", "arguments", "result", "idempotency_key")),
    _J.c.changes,
    _J.c.hash,
).join_from(_J, _ORIGIN, (_ORIGIN.c.command_id == _J.c.command_id) & (_ORIGIN.c.owner_id == _J.c.origin_id), isouter=True)

OWNER = bindparam("owner", type_=Text)
COMMAND = bindparam("command", type_=Text)
LIMIT = bindparam("limit", type_=BigInteger)

TIMELINE = (
    _ENTRIES.where(
        _J.c.owner_id == OWNER,
        _J.c.seq < bindparam("before", type_=BigInteger),
        # An empty text stands for "all".
        or_(bindparam("all", type_=Text) == COMMAND, _J.c.command == COMMAND),
    )
    .order_by(_J.c.seq.desc())
    .limit(LIMIT)
)
OF_COMMAND = _ENTRIES.where(_J.c.command_id == bindparam("id", type_=Text)).order_by(_J.c.owner_id).limit(LIMIT)
# One row for each command: that of its origin. Ids of commands sort by time.
NEWEST = (
    _ENTRIES.where(_J.c.owner_id == _J.c.origin_id, _J.c.command_id < bindparam("before", type_=Text))
    .order_by(_J.c.command_id.desc())
    .limit(LIMIT)
)


@query(access="server", module="journal")
async def timeline(
    read: Reader, *, owner: AnyOwnerId, limit: PageLimit = 50, cursor: Cursor | None = None, command: CommandName | None = None
) -> Page[HistoryEntry]:
    """List what happened to an owner, the newest first; all of it, or what one command did."""
    (before,) = read_cursor(cursor, int) or (MAX_INTEGER,)
    rows = await read.rows(_Row, TIMELINE, owner=owner, before=before, command=command or "", all="", limit=limit + 1)
    return Page([_entry(row) for row in rows[:limit]], write_cursor([rows[limit - 1].seq]) if len(rows) > limit else None)


@query(access="operator", module="journal")
async def command(read: Reader, *, command_id: Id) -> list[HistoryEntry]:
    """List what one command did, the entry of the owner where it began first; empty when there is no such command."""
    entries = [_entry(row) for row in await read.rows(_Row, OF_COMMAND, id=command_id, limit=MAX_OWNERS)]
    return sorted(entries, key=lambda entry: entry.owner_id != entry.origin_id)


@query(access="operator", module="journal")
async def newest(read: Reader, *, limit: PageLimit = 50, cursor: Cursor | None = None) -> Page[HistoryEntry]:
    """List the newest commands, each by the entry of the owner where it began."""
    (before,) = read_cursor(cursor, str) or (LAST,)
    rows = await read.rows(_Row, NEWEST, before=before, limit=limit + 1)
    return Page([_entry(row) for row in rows[:limit]], write_cursor([rows[limit - 1].command_id]) if len(rows) > limit else None)


def _entry(row: _Row) -> HistoryEntry:
    return HistoryEntry(
        owner_id=row.owner_id,
        seq=row.seq,
        command_id=row.command_id,
        at=row.at,
        command=row.command,
        actor=row.actor,
        reason=row.reason,
        origin_id=row.origin_id,
        owners=[row.owner_id] if row.owners is None else msgspec.json.decode(row.owners, type=list[str]),
        arguments={} if row.arguments is None else msgspec.json.decode(row.arguments, type=dict[str, Any]),
        result=None if row.result is None else msgspec.json.decode(row.result),
        idempotency_key=row.idempotency_key,
        changes=read_changes(row.changes),
        hash=bytes(row.hash).hex(),
    )
