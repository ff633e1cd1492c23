"""PostgreSQL through asyncpg: one statement reads what a batch needs, and one statement writes all of it.

A batch is written by a single data-modifying statement, so by one round trip and one implicit transaction. It locks the
owners' root rows in id order, compares their versions and epochs with what the batch had read, and every part of it is
conditional on that verdict: when another process was first, nothing is written and the fresh root rows come back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import asyncpg
import msgspec
from msgspec import Struct
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect
from sqlalchemy.engine import Dialect

from gamekeeper.kernel.records import Record, Shape, shape
from gamekeeper.kernel.store import schema
from gamekeeper.kernel.store.base import (
    CONTENT_OWNER,
    Applied,
    ConstraintBroken,
    LeaseRow,
    LoadRequest,
    LoadResult,
    OutcomeUnknown,
    RootRow,
    TryAgain,
    Unreachable,
    WriteSet,
)

T = TypeVar("T")
DIALECT: Dialect = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call]

_CLOCK = "(extract(epoch from clock_timestamp()) * 1000)::bigint"
_ROOT_JSON = (
    "json_build_array(o.id, o.kind, o.version, o.epoch, o.lease_holder, o.lease_expires_at, "
    f"coalesce(o.lease_expires_at > {_CLOCK}, false), encode(o.head_hash, 'hex'), o.journal_seq, encode(o.data_key, 'hex'))"
)
_SQL_TYPES = {"text": "text", "integer": "bigint", "float": "double precision", "boolean": "boolean", "json": "text", "bytes": "bytea"}
_DECODE = msgspec.json.Decoder().decode
_ENCODE = msgspec.json.Encoder().encode
_RETRY = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
)
_GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg says of a connection that died between two of its own steps
    ConnectionError,
    TimeoutError,
    OSError,
)


class PostgresStore:
    """A world on a PostgreSQL server."""

    dialect = "postgresql"

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 8,
        overlap: int = 2,
        statement_timeout_seconds: float = 5.0,
        lock_timeout_seconds: float = 2.0,
        allow_unsafe: bool = False,
    ) -> None:
        self.overlap = overlap
        self._url = url
        self._pool_size = pool_size
        self._statement_timeout_seconds = statement_timeout_seconds
        self._lock_timeout_seconds = lock_timeout_seconds
        self._allow_unsafe = allow_unsafe
        self._pool: Any = None
        self._compiled: dict[int, schema.Compiled] = {}
        self._texts: dict[Any, str] = {}

    async def open(self, *, create: bool) -> None:
        """Connect, refuse a server that may lose commits, check or make the schema."""
        milliseconds = {
            "statement_timeout": self._statement_timeout_seconds,
            "lock_timeout": self._lock_timeout_seconds,
            "idle_in_transaction_session_timeout": 10.0,
        }
        settings = {name: str(int(seconds * 1000)) for name, seconds in milliseconds.items()}
        try:
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=self._pool_size,
                # Only this module uses the sessions, and it leaves nothing behind in them: no round trip to reset.
                reset=_leave,
                statement_cache_size=1000,
                max_cached_statement_lifetime=0,
                command_timeout=self._statement_timeout_seconds + 5,
                server_settings={**settings, "application_name": "gamekeeper", "jit": "off", "client_connection_check_interval": "2000"},
            )
        except (*_GONE, asyncpg.PostgresError) as error:
            raise Unreachable(str(error)) from error
        async with self._connection() as connection:
            await self._check_settings(connection)
            await self._check_schema(connection, create)

    async def _check_settings(self, connection: Any) -> None:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            value = await connection.fetchval(f"SHOW {name}")
            if value == "off" and not self._allow_unsafe:
                raise Unreachable(
                    f"the server runs with {name} = off and may lose or tear commits; set allow_unsafe_postgres for tests only"
                )

    async def _check_schema(self, connection: Any, create: bool) -> None:
        rows = await connection.fetch(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
        )
        have: dict[str, set[str]] = {}
        for row in rows:
            have.setdefault(row[0], set()).add(row[1])
        statements = schema.create_statements(DIALECT, set(have))
        if statements and not create:
            raise Unreachable("the database lacks tables that this program declares; open it with create=True")
        if statements:
            async with connection.transaction():
                # Two processes that start at once must not make the same table.
                await connection.execute("SELECT pg_advisory_xact_lock(7236914)")
                rows = await connection.fetch("SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()")
                for statement in schema.create_statements(DIALECT, {row[0] for row in rows}):
                    await connection.execute(statement)
                await connection.execute(
                    "INSERT INTO owners VALUES ($1, 'content', 0, 0, NULL, NULL, '', 0, NULL) ON CONFLICT DO NOTHING", CONTENT_OWNER
                )
            return
        for table in schema.all_tables():
            schema.require_columns(table, have[table.name])

    async def close(self) -> None:
        """Let go of every connection; a dead server does not hold the shutdown."""
        if self._pool is None:
            return
        try:
            await asyncio.wait_for(self._pool.close(), 5)
        except (TimeoutError, *_GONE):
            self._pool.terminate()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        """A connection; failing to get one means that nothing was done."""
        try:
            connection = await self._pool.acquire(timeout=self._statement_timeout_seconds)
        except (*_GONE, asyncpg.PostgresError) as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        try:
            yield connection
        except (OutcomeUnknown, Unreachable):
            # Whatever state it is in, nobody may meet it again in the pool.
            _terminate(connection)
            raise
        finally:
            await _give_back(self._pool, connection)

    async def load(self, request: LoadRequest) -> LoadResult:
        """Read what a batch needs, from one moment, in one round trip."""
        async with self._connection() as connection:
            return await self._load(connection, request)

    async def _load(self, connection: Any, request: LoadRequest) -> LoadResult:
        shape_key = ("load", tuple(request.tables), tuple(request.keyed), bool(request.answers), bool(request.claims))
        text = self._texts.get(shape_key)
        if text is None:
            text = self._texts[shape_key] = _load_text(request)
        try:
            row = await connection.fetchrow(text, *_load_arguments(request))
        except (*_RETRY, *_GONE) as error:
            # A read that broke has changed nothing.
            raise (TryAgain if isinstance(error, _RETRY) else Unreachable)(str(error)) from error
        return _load_result(request, row)

    async def apply(self, writes: WriteSet) -> Applied:
        """Check the guards and write everything, or nothing, in one round trip."""
        async with self._connection() as connection:
            return await self._apply(connection, writes)

    async def _apply(self, connection: Any, writes: WriteSet) -> Applied:
        parts = _parts(writes)
        shape_key = ("apply", tuple((part.verb, part.record) for part in parts))
        text = self._texts.get(shape_key)
        if text is None:
            text = self._texts[shape_key] = _apply_text(parts)
        arguments: list[Any] = [
            [guard.owner for guard in writes.guards],
            [guard.version for guard in writes.guards],
            [guard.epoch for guard in writes.guards],
            [guard.hold for guard in writes.guards],
        ]
        for part in parts:
            arguments += part.arguments
        row = await _translated(connection.fetchrow(text, *arguments))
        roots = [] if row[1] is None else [_root(one) for one in _DECODE(row[1])]
        return Applied(row[0], roots, row[2] or 0)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        """The slow, certain way: lock first."""
        async with self._connection() as connection:
            transaction = connection.transaction()
            try:
                await transaction.start()
            except (*_GONE, asyncpg.PostgresError) as error:
                raise Unreachable(str(error)) from error
            try:
                yield PostgresTransaction(self, connection)
            except BaseException:
                await _roll_back(transaction)
                raise
            await _translated(transaction.commit())

    async def fetch(self, statement: Any, parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:
        """Run a SQLAlchemy Core statement, compiled once."""
        known = self._compiled.get(id(statement))
        if known is None:
            known = self._compiled[id(statement)] = schema.compiled(statement, DIALECT)
        values = {**known.values, **parameters} if known.values else parameters
        async with self._connection() as connection:
            try:
                rows: Sequence[Sequence[Any]] = await connection.fetch(known.text, *(values[name] for name in known.names))
            except (*_RETRY, *_GONE) as error:
                raise (TryAgain if isinstance(error, _RETRY) else Unreachable)(str(error)) from error
            return rows

    async def acquire_leases(self, owners: Sequence[str], holder: str, seconds: float) -> list[LeaseRow]:
        """Take the leases that are free, expired or the holder's own."""
        return await self._lease_rows(
            "WITH locked AS MATERIALIZED (SELECT id, lease_holder, lease_expires_at FROM owners WHERE id = ANY($1::text[]) "
            "ORDER BY id FOR UPDATE) "
            f"UPDATE owners o SET epoch = o.epoch + 1, lease_holder = $2, lease_expires_at = {_CLOCK} + $3 FROM locked l WHERE o.id = l.id "
            f"AND (l.lease_holder IS NULL OR l.lease_holder = $2 OR l.lease_expires_at <= {_CLOCK}) "
            f"RETURNING o.id, o.epoch, o.version, o.lease_expires_at, {_CLOCK}",
            list(owners),
            holder,
            int(seconds * 1000),
        )

    async def renew_leases(self, held: Sequence[tuple[str, int]], holder: str, seconds: float) -> list[LeaseRow]:
        """Prolong the leases that still stand."""
        return await self._lease_rows(
            "WITH locked AS MATERIALIZED (SELECT id FROM owners WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE) "
            f"UPDATE owners o SET lease_expires_at = {_CLOCK} + $4 FROM unnest($1::text[], $2::bigint[]) h(id, epoch), locked l "
            f"WHERE o.id = h.id AND o.id = l.id AND o.epoch = h.epoch AND o.lease_holder = $3 AND o.lease_expires_at > {_CLOCK} "
            f"RETURNING o.id, o.epoch, o.version, o.lease_expires_at, {_CLOCK}",
            [owner for owner, _ in held],
            [epoch for _, epoch in held],
            holder,
            int(seconds * 1000),
        )

    async def release_leases(self, held: Sequence[tuple[str, int]], holder: str, successor: str | None, seconds: float) -> None:
        """Give leases back, or hand them over with a new epoch."""
        await self._lease_rows(
            "WITH locked AS MATERIALIZED (SELECT id FROM owners WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE) "
            "UPDATE owners o SET lease_holder = $4::text, epoch = o.epoch + CASE WHEN $4::text IS NULL THEN 0 ELSE 1 END, "
            f"lease_expires_at = CASE WHEN $4::text IS NULL THEN NULL ELSE {_CLOCK} + $5 END "
            "FROM unnest($1::text[], $2::bigint[]) h(id, epoch), locked l "
            "WHERE o.id = h.id AND o.id = l.id AND o.epoch = h.epoch AND o.lease_holder = $3 "
            f"RETURNING o.id, o.epoch, o.version, 0::bigint, {_CLOCK}",
            [owner for owner, _ in held],
            [epoch for _, epoch in held],
            holder,
            successor,
            int(seconds * 1000),
        )

    async def _lease_rows(self, text: str, *arguments: Any) -> list[LeaseRow]:
        async with self._connection() as connection:
            rows = await _translated(connection.fetch(text, *arguments))
        return [LeaseRow(*row) for row in rows]

    async def describe(self) -> dict[str, str]:
        """Names, versions and settings, for people."""
        async with self._connection() as connection:
            names = ("server_version", "fsync", "full_page_writes", "synchronous_commit")
            values = {name: await connection.fetchval(f"SHOW {name}") for name in names}
            return {"database": "PostgreSQL", "name": await connection.fetchval("SELECT current_database()"), **values}


class PostgresTransaction:
    """An open transaction that locks before it reads."""

    def __init__(self, store: PostgresStore, connection: Any) -> None:
        self._store = store
        self._connection = connection

    async def lock(self, owners: Sequence[str]) -> None:
        """Lock root rows in id order."""
        await _translated(
            self._connection.execute("SELECT 1 FROM owners WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE", sorted(owners))
        )

    async def load(self, request: LoadRequest) -> LoadResult:
        """Read within the transaction."""
        return await self._store._load(self._connection, request)

    async def apply(self, writes: WriteSet) -> Applied:
        """Write within the transaction."""
        return await self._store._apply(self._connection, writes)


async def _leave(_: Any) -> None:
    """Skip the pool's reset."""


async def _give_back(pool: Any, connection: Any) -> None:
    try:
        await pool.release(connection)
    except _GONE:
        _terminate(connection)


def _terminate(connection: Any) -> None:
    # One that broke has left the pool by itself already, and says so.
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


async def _roll_back(transaction: Any) -> None:
    # A broken connection rolls back by itself.
    try:
        await transaction.rollback()
    except (*_GONE, asyncpg.PostgresError):
        return


async def _translated(awaitable: Any) -> Any:
    """Await a write, and say in the store's own words what asyncpg says."""
    try:
        return await awaitable
    except asyncpg.IntegrityConstraintViolationError as error:
        raise ConstraintBroken(error.constraint_name or error.message or "constraint") from error
    except asyncpg.DataError as error:
        raise ConstraintBroken(str(error)) from error
    except (asyncpg.AdminShutdownError, asyncpg.CrashShutdownError, asyncpg.CannotConnectNowError) as error:
        raise OutcomeUnknown(str(error)) from error
    except _RETRY as error:
        raise TryAgain(str(error)) from error
    except (asyncpg.InsufficientResourcesError, asyncpg.ReadOnlySQLTransactionError) as error:
        raise Unreachable(str(error)) from error
    except _GONE as error:
        raise OutcomeUnknown(str(error) or type(error).__name__) from error


def _hex(value: str | None) -> bytes | None:
    return None if value is None else bytes.fromhex(value)


def _root(row: Sequence[Any]) -> RootRow:
    return RootRow(row[0], row[1], row[2], row[3], row[4], row[5], row[6], bytes.fromhex(row[7]), row[8], _hex(row[9]))


def _names(names: Iterable[str], prefix: str = "") -> str:
    return ", ".join(f'{prefix}"{name}"' for name in names)


def _types(made: Shape, names: Iterable[str]) -> list[str]:
    kinds = {field.name: _SQL_TYPES[field.kind] for field in made.fields}
    return [kinds[name] for name in names]


def _load_text(request: LoadRequest) -> str:
    count = 1
    parts = [f"(SELECT json_agg({_ROOT_JSON}) FROM owners o WHERE o.id = ANY($1::text[]))"]
    for record in request.tables:
        count += 1
        made = shape(record)
        parts.append(
            f"(SELECT json_agg(json_build_array({_names(made.names, 't.')}) ORDER BY {_names(made.key_names, 't.')}) "
            f'FROM "{made.spec.table}" t WHERE t."{made.owner_field}" = ANY(${count}::text[]))'
        )
    for record in request.keyed:
        made = shape(record)
        arrays = []
        for kind in _types(made, made.key_names):
            count += 1
            arrays.append(f"${count}::{kind}[]")
        match = " AND ".join(f't."{name}" = k.k{i}' for i, name in enumerate(made.key_names))
        parts.append(
            f'(SELECT json_agg(json_build_array({_names(made.names, "t.")})) FROM "{made.spec.table}" t '
            f"JOIN unnest({', '.join(arrays)}) k({', '.join(f'k{i}' for i in range(len(arrays)))}) ON {match})"
        )
    if request.answers:
        parts.append(
            "(SELECT json_agg(json_build_array(i.actor, i.key, encode(i.request_hash, 'hex'), i.response)) FROM idempotency i "
            f"JOIN unnest(${count + 1}::text[], ${count + 2}::text[]) k(actor, key) ON i.actor = k.actor AND i.key = k.key)"
        )
        count += 2
    if request.claims:
        parts.append(
            "(SELECT json_agg(json_build_array(c.kind, c.key, c.owner_id)) FROM claims c "
            f"JOIN unnest(${count + 1}::text[], ${count + 2}::text[]) k(kind, key) ON c.kind = k.kind AND c.key = k.key)"
        )
    return "SELECT " + ", ".join(parts)


def _load_arguments(request: LoadRequest) -> list[Any]:
    arguments: list[Any] = [request.owners, *request.tables.values()]
    for record, keys in request.keyed.items():
        arguments += [list(column) for column in zip(*keys, strict=True)] if keys else [[] for _ in shape(record).key_names]
    for pairs in (request.answers, request.claims):
        if pairs:
            arguments += [[pair[0] for pair in pairs], [pair[1] for pair in pairs]]
    return arguments


def _load_result(request: LoadRequest, row: Sequence[Any]) -> LoadResult:
    values = iter(row)
    result = LoadResult()
    for one in _decoded(next(values)):
        root = _root(one)
        result.roots[root.id] = root
    for record in request.tables:
        result.tables[record] = list(map(shape(record).from_row, _decoded(next(values))))
    for record in request.keyed:
        result.keyed[record] = list(map(shape(record).from_row, _decoded(next(values))))
    if request.answers:
        result.answers = {(a, k): (bytes.fromhex(digest), response) for a, k, digest, response in _decoded(next(values))}
    if request.claims:
        result.claims = {(kind, key): owner for kind, key, owner in _decoded(next(values))}
    return result


def _decoded(text: str | None) -> list[Any]:
    return [] if text is None else _DECODE(text)


_BIG: dict[str, list[tuple[str, str]]] = {
    "journal": [(name, "bytea" if name == "hash" else "bigint" if name in ("seq", "at") else "text") for name in schema.JOURNAL_COLUMNS],
    "answers": [("actor", "text"), ("key", "text"), ("request_hash", "bytea"), ("response", "text"), ("at", "bigint")],
}
"""Kernel tables that take many rows per batch, with the types of their columns."""
_SMALL: dict[str, list[tuple[str, str]]] = {
    "new_roots": [("id", "text"), ("kind", "text"), ("version", "bigint"), ("head", "bytea"), ("seq", "bigint"), ("data_key", "bytea")],
    "roots": [("id", "text"), ("version", "bigint"), ("head", "bytea"), ("seq", "bigint")],
    "data_keys": [("id", "text"), ("data_key", "bytea")],
    "releases": [("kind", "text"), ("key", "text")],
    "claims": [("kind", "text"), ("key", "text"), ("owner_id", "text"), ("at", "bigint")],
}


class Part(Struct, frozen=True):
    """A part of a write: what it does, to which record's table, and its parameters.

    Many wide rows go as one JSON text, which msgspec writes far quicker than asyncpg writes arrays; few narrow ones as arrays.
    """

    verb: str
    record: type[Record] | None
    columns: list[tuple[str, str]]
    as_json: bool
    arguments: list[Any]

    def source(self, first: int) -> str:
        """The FROM item `u` over its parameters, which are numbered from `first`."""
        if self.as_json:
            columns = ", ".join(f'"{name}" {"text" if kind == "bytea" else kind}' for name, kind in self.columns)
            return f"json_to_recordset(${first}::json) u({columns})"
        arrays = ", ".join(f"${first + i}::{kind}[]" for i, (_, kind) in enumerate(self.columns))
        return f"unnest({arrays}) u({_names(name for name, _ in self.columns)})"

    def values(self) -> str:
        """Its columns, as they are stored."""
        if not self.as_json:
            return _names((name for name, _ in self.columns), "u.")
        return ", ".join(f"decode(u.\"{name}\", 'base64')" if kind == "bytea" else f'u."{name}"' for name, kind in self.columns)


def _parts(writes: WriteSet) -> list[Part]:
    """The non-empty parts of a write set, in the order in which they are written."""
    parts: list[Part] = []
    for record, keys in writes.deletes.items():
        parts.append(_arrays("delete", record, _columns(shape(record), shape(record).key_names), keys))
    for verb, table in (("upsert", writes.upserts), ("append", writes.appends)):
        for record, rows in table.items():
            made = shape(record)
            parts.append(_json(verb, record, _columns(made, made.names), list(map(made.wire_of, rows))))
    parts += [_json(verb, None, _BIG[verb], rows) for verb, rows in (("journal", writes.journal), ("answers", writes.answers)) if rows]
    small: list[tuple[str, Sequence[Sequence[Any]]]] = [
        ("new_roots", writes.new_roots),
        ("roots", writes.roots),
        ("data_keys", writes.data_keys),
        ("releases", writes.releases),
        ("claims", writes.claims),
    ]
    parts += [_arrays(verb, None, _SMALL[verb], rows) for verb, rows in small if rows]
    return parts


def _columns(made: Shape, names: Iterable[str]) -> list[tuple[str, str]]:
    kinds = {field.name: _SQL_TYPES[field.kind] for field in made.fields}
    return [(name, kinds[name]) for name in names]


def _arrays(verb: str, record: type[Record] | None, columns: list[tuple[str, str]], rows: Sequence[Sequence[Any]]) -> Part:
    return Part(verb, record, columns, False, [list(column) for column in zip(*rows, strict=True)])


def _json(verb: str, record: type[Record] | None, columns: list[tuple[str, str]], rows: Sequence[Any]) -> Part:
    return Part(verb, record, columns, True, [_ENCODE(rows).decode()])


def _apply_text(parts: list[Part]) -> str:
    count = 5
    texts: list[str] = []
    answered = ""
    for i, part in enumerate(parts):
        source = part.source(count)
        count += len(part.arguments)
        if part.verb == "answers":
            answered = f" AND NOT EXISTS (SELECT 1 FROM {source} JOIN idempotency i ON i.actor = u.actor AND i.key = u.key)"
        texts.append(f"w{i} AS ({_write_text(part, source, parts[:i])})")
    lock = " ORDER BY o.id FOR UPDATE" if parts else ""
    locked = f"SELECT o.* FROM owners o WHERE o.id = ANY($1::text[]){lock}"
    matching = (
        "SELECT count(*) FROM locked o JOIN unnest($1::text[], $2::bigint[], $3::bigint[], $4::boolean[]) g(id, version, epoch, hold) "
        "ON g.id = o.id AND (g.version = -1 OR g.version = o.version) AND g.epoch = o.epoch "
        f"AND (NOT g.hold OR o.lease_expires_at > {_CLOCK})"
    )
    verdict = f"SELECT ({matching}) = cardinality($1::text[]){answered} AS ok"
    texts = [f"locked AS MATERIALIZED ({locked})", f"verdict AS MATERIALIZED ({verdict})", *texts]
    return (
        f"WITH {', '.join(texts)} SELECT v.ok, CASE WHEN v.ok THEN NULL ELSE (SELECT json_agg({_ROOT_JSON}) FROM locked o) END, "
        f"(SELECT version FROM owners WHERE id = '{CONTENT_OWNER}') FROM verdict v"
    )


def _write_text(part: Part, source: str, earlier: list[Part]) -> str:
    ok = "(SELECT ok FROM verdict)"
    if part.record is not None:
        return _record_text(part, shape(part.record), source, ok, earlier)
    if part.verb == "roots":
        return f"UPDATE owners o SET version = u.version, head_hash = u.head, journal_seq = u.seq FROM {source} WHERE o.id = u.id AND {ok}"
    if part.verb == "data_keys":
        return f"UPDATE owners o SET data_key = u.data_key FROM {source} WHERE o.id = u.id AND {ok}"
    if part.verb == "releases":
        return f"DELETE FROM claims c USING {source} WHERE c.kind = u.kind AND c.key = u.key AND {ok} RETURNING 1"
    if part.verb == "new_roots":
        return (
            "INSERT INTO owners (id, kind, version, epoch, head_hash, journal_seq, data_key) "
            f"SELECT u.id, u.kind, u.version, 0, u.head, u.seq, u.data_key FROM {source} WHERE {ok}"
        )
    after = _after(earlier, "releases", None) if part.verb == "claims" else ""
    table = "idempotency" if part.verb == "answers" else part.verb
    return f"INSERT INTO {table} ({_names(name for name, _ in part.columns)}) SELECT {part.values()} FROM {source} WHERE {ok}{after}"


def _after(earlier: list[Part], verb: str, record: type[Record] | None) -> str:
    """Make a part wait for earlier ones: parts of one statement run in no order of their own."""
    indexes = [i for i, part in enumerate(earlier) if part.verb == verb and part.record is record]
    return "".join(f" AND (SELECT count(*) FROM w{i}) >= 0" for i in indexes)


def _record_text(part: Part, made: Shape, source: str, ok: str, earlier: list[Part]) -> str:
    name = made.spec.table
    if part.verb == "delete":
        match = " AND ".join(f't."{key}" = u."{key}"' for key in made.key_names)
        return f'DELETE FROM "{name}" t USING {source} WHERE {match} AND {ok} RETURNING 1'
    # A row that is deleted and written again must be gone first.
    after = _after(earlier, "delete", made.record)
    insert = f'INSERT INTO "{name}" ({_names(made.names)}) SELECT {part.values()} FROM {source} WHERE {ok}{after}'
    if part.verb == "append":
        return insert
    rest = [one for one in made.names if one not in made.key_names]
    changes = ", ".join(f'"{one}" = excluded."{one}"' for one in rest)
    return f"{insert} ON CONFLICT ({_names(made.key_names)}) DO {f'UPDATE SET {changes}' if rest else 'NOTHING'}"
