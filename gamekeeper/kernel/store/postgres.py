"""PostgreSQL through asyncpg: one statement reads what a batch needs, and one statement writes all of it.

A batch is written by a single data-modifying statement, so by one round trip and one implicit transaction. It locks the
owners' root rows in id order, compares their versions and epochs with what the batch had read, and every part of it is
conditional on that verdict: when another process was first, nothing is written and the fresh root rows come back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect
from sqlalchemy.engine import Dialect

from gamekeeper.kernel.rates import Bucket, Taken
from gamekeeper.kernel.store import schema
from gamekeeper.kernel.store.base import (
    CONTENT_OWNER,
    Applied,
    ConstraintBroken,
    LeaseRow,
    LoadRequest,
    LoadResult,
    OutcomeUnknown,
    TryAgain,
    Unreachable,
    WriteSet,
)
from gamekeeper.kernel.store.postgres_pool import GONE, Connections
from gamekeeper.kernel.store.postgres_statements import (
    BUCKETS_FULL_AT,
    CLOCK,
    FORGET_ANSWERS,
    FORGET_FULL_BUCKETS,
    FORGET_KEYS,
    TAKE_TOKENS,
    apply_arguments,
    apply_text,
    decode,
    load_arguments,
    load_key,
    load_result,
    load_text,
    parts_of,
    root_of,
)

T = TypeVar("T")
PATIENCE_SECONDS = 24 * 3600.0
"""How long a statement that reads whole tables may take: verification, the economy."""
DIALECT: Dialect = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call]

_RETRY = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
)


def _words(statement_timeout_seconds: float, lock_timeout_seconds: float) -> dict[str, Any]:
    """How connections are made. Only this package uses the sessions, and it leaves nothing behind in them that had to be reset."""
    limits = {
        "statement_timeout": statement_timeout_seconds,
        "lock_timeout": lock_timeout_seconds,
        "idle_in_transaction_session_timeout": 10.0,
    }
    settings = {name: str(int(seconds * 1000)) for name, seconds in limits.items()}
    return {
        "statement_cache_size": 1000,
        "max_cached_statement_lifetime": 0,
        "command_timeout": statement_timeout_seconds + 5,
        "server_settings": {**settings, "application_name": "gamekeeper", "jit": "off", "client_connection_check_interval": "2000"},
    }


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
        self._allow_unsafe = allow_unsafe
        self.connections = Connections(
            url, pool_size, connect_seconds=statement_timeout_seconds, words=_words(statement_timeout_seconds, lock_timeout_seconds)
        )
        self._texts: dict[Any, str] = {}

    async def open(self, *, create: bool) -> None:
        """Connect, refuse a server that may lose commits, check or make the schema."""
        async with self.connections.one() as connection:
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
        schema.require_columns(have)

    async def close(self) -> None:
        """Let go of every connection; a dead server does not hold the shutdown."""
        await self.connections.close()

    async def load(self, request: LoadRequest) -> LoadResult:
        """Read what a batch needs, from one moment, in one round trip."""
        async with self.connections.one() as connection:
            return await self._load(connection, request)

    async def _load(self, connection: Any, request: LoadRequest) -> LoadResult:
        shape_key = load_key(request)
        text = self._texts.get(shape_key)
        if text is None:
            text = self._texts[shape_key] = load_text(request)
        try:
            row = await connection.fetchrow(text, *load_arguments(request))
        except (*_RETRY, *GONE) as error:
            # A read that broke has changed nothing.
            raise (TryAgain if isinstance(error, _RETRY) else Unreachable)(str(error)) from error
        return load_result(request, row)

    def prepare(self, writes: WriteSet) -> None:
        """Find the statement and encode its parameters."""
        parts = parts_of(writes)
        shape_key = ("apply", tuple((part.verb, part.record) for part, _ in parts))
        text = self._texts.get(shape_key)
        if text is None:
            text = self._texts[shape_key] = apply_text([part for part, _ in parts])
        writes.ready = (text, apply_arguments(parts))

    async def apply(self, writes: WriteSet) -> Applied:
        """Check the guards and write everything, or nothing, in one round trip."""
        async with self.connections.one() as connection:
            return await self._apply(connection, writes)

    async def _apply(self, connection: Any, writes: WriteSet) -> Applied:
        if writes.ready is None:
            self.prepare(writes)
        text, arguments = writes.ready
        row = await _translated(connection.fetchrow(text, *arguments))
        roots = [] if row[1] is None else [root_of(one) for one in decode(row[1])]
        return Applied(row[0], roots, row[2] or 0)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        """The slow, certain way: lock first."""
        async with self.connections.one() as connection:
            transaction = connection.transaction()
            try:
                await transaction.start()
            except (*GONE, asyncpg.PostgresError) as error:
                raise Unreachable(str(error)) from error
            try:
                yield PostgresTransaction(self, connection)
            except BaseException:
                await _roll_back(transaction)
                raise
            await _translated(transaction.commit())

    async def fetch(self, statement: Any, parameters: dict[str, Any], *, patient: bool = False) -> Sequence[Sequence[Any]]:
        """Run a SQLAlchemy Core statement, compiled once."""
        async with self.connections.one() as connection:
            return await self._fetch(connection, statement, parameters, patient=patient)

    async def _fetch(
        self, connection: Any, statement: Any, parameters: dict[str, Any], *, patient: bool = False, seconds: float | None = None
    ) -> Sequence[Sequence[Any]]:
        known = schema.compiled(statement, DIALECT)
        values = {**known.values, **parameters} if known.values else parameters
        arguments = [values[name] for name in known.names]
        try:
            rows: Sequence[Sequence[Any]] = await (
                _patiently(connection, known.text, arguments) if patient else connection.fetch(known.text, *arguments, timeout=seconds)
            )
        except (*_RETRY, *GONE) as error:
            raise (TryAgain if isinstance(error, _RETRY) else Unreachable)(str(error)) from error
        return rows

    async def acquire_leases(self, owners: Sequence[str], holder: str, seconds: float) -> list[LeaseRow]:
        """Take the leases that are free, expired or the holder's own."""
        return await self._lease_rows(
            "WITH locked AS MATERIALIZED (SELECT id, lease_holder, lease_expires_at FROM owners WHERE id = ANY($1::text[]) "
            "ORDER BY id FOR UPDATE) "
            f"UPDATE owners o SET epoch = o.epoch + 1, lease_holder = $2, lease_expires_at = {CLOCK} + $3 FROM locked l WHERE o.id = l.id "
            f"AND (l.lease_holder IS NULL OR l.lease_holder = $2 OR l.lease_expires_at <= {CLOCK}) "
            f"RETURNING o.id, o.epoch, o.version, o.lease_expires_at, {CLOCK}",
            list(owners),
            holder,
            int(seconds * 1000),
        )

    async def renew_leases(self, held: Sequence[tuple[str, int]], holder: str, seconds: float) -> list[LeaseRow]:
        """Prolong the leases that still stand."""
        return await self._lease_rows(
            "WITH locked AS MATERIALIZED (SELECT id FROM owners WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE) "
            f"UPDATE owners o SET lease_expires_at = {CLOCK} + $4 FROM unnest($1::text[], $2::bigint[]) h(id, epoch), locked l "
            f"WHERE o.id = h.id AND o.id = l.id AND o.epoch = h.epoch AND o.lease_holder = $3 AND o.lease_expires_at > {CLOCK} "
            f"RETURNING o.id, o.epoch, o.version, o.lease_expires_at, {CLOCK}",
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
            f"lease_expires_at = CASE WHEN $4::text IS NULL THEN NULL ELSE {CLOCK} + $5 END "
            "FROM unnest($1::text[], $2::bigint[]) h(id, epoch), locked l "
            "WHERE o.id = h.id AND o.id = l.id AND o.epoch = h.epoch AND o.lease_holder = $3 "
            f"RETURNING o.id, o.epoch, o.version, 0::bigint, {CLOCK}",
            [owner for owner, _ in held],
            [epoch for _, epoch in held],
            holder,
            successor,
            int(seconds * 1000),
        )

    async def _lease_rows(self, text: str, *arguments: Any) -> list[LeaseRow]:
        async with self.connections.one() as connection:
            rows = await _translated(connection.fetch(text, *arguments))
        return [LeaseRow(*row) for row in rows]

    async def take_tokens(self, buckets: Sequence[Bucket], now_us: int) -> Taken:
        """Take a token from each bucket, or from none."""
        columns = [one.key for one in buckets], [one.token_us for one in buckets], [one.full_us for one in buckets]
        async with self.connections.one() as connection:
            rows = await _translated(connection.fetch(TAKE_TOKENS, *columns, now_us))
        return Taken(all(row[2] for row in rows), {row[0]: row[1] for row in rows if row[1] is not None})

    async def buckets_full_at(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        """Tell when these buckets are full again."""
        async with self.connections.one() as connection:
            return dict(map(tuple, await _translated(connection.fetch(BUCKETS_FULL_AT, list(keys)))))

    async def forget_full_buckets(self, now_us: int, most: int) -> int:
        """Delete rows of buckets that are full again."""
        async with self.connections.one() as connection:
            return len(await _translated(connection.fetch(FORGET_FULL_BUCKETS, now_us, most)))

    async def forget_answers(self, keys: Sequence[tuple[str, str]], before: int, *, whole: bool = False) -> int:
        """Drop old answers."""
        columns = [actor for actor, _ in keys], [key for _, key in keys]
        async with self.connections.one() as connection:
            return len(await _translated(connection.fetch(FORGET_KEYS if whole else FORGET_ANSWERS, *columns, before)))

    async def describe(self) -> dict[str, str]:
        """Names, versions and settings, for people."""
        async with self.connections.one() as connection:
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

    async def fetch(self, statement: Any, parameters: dict[str, Any], *, patient: bool = False) -> Sequence[Sequence[Any]]:
        """Run a statement within the transaction."""
        if patient:
            await self._connection.execute("SET LOCAL statement_timeout = 0")
        return await self._store._fetch(self._connection, statement, parameters, seconds=PATIENCE_SECONDS if patient else None)


async def _patiently(connection: Any, text: str, arguments: list[Any]) -> Any:
    """Run a statement that may take its time."""
    async with connection.transaction(readonly=True):
        await connection.execute("SET LOCAL statement_timeout = 0")
        return await connection.fetch(text, *arguments, timeout=PATIENCE_SECONDS)


async def _roll_back(transaction: Any) -> None:
    # A broken connection rolls back by itself.
    try:
        await transaction.rollback()
    except (*GONE, asyncpg.PostgresError):
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
    except GONE as error:
        raise OutcomeUnknown(str(error) or type(error).__name__) from error
