"""SQLite through apsw: one writer thread, a pool of readers, WAL, synchronous FULL."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import apsw
from sqlalchemy.dialects import sqlite as sqlite_dialect

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
from gamekeeper.kernel.store.sqlite_statements import (
    FEW,
    ROOT,
    acquire,
    buckets_full_at,
    forget_answers,
    forget_full_buckets,
    is_one_statement,
    load,
    release,
    renew,
    take_tokens,
    verdict,
    write_all,
)

T = TypeVar("T")
DIALECT = sqlite_dialect.dialect(paramstyle="named")


_WRITER_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA recursive_triggers = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA journal_size_limit = 67108864",
)


class SqliteStore:
    """A world in one file."""

    dialect = "sqlite"
    # The next batch runs in Python while the one before is in fsync.
    overlap = 2

    def __init__(self, path: str, *, readers: int = 4, busy_seconds: float = 5.0, vfs: str | None = None) -> None:
        self._path = path
        self._vfs = vfs
        self._busy_ms = int(busy_seconds * 1000)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="gamekeeper-writer")
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="gamekeeper-reader")
        self._connection: apsw.Connection | None = None
        self._hasty: apsw.Connection | None = None
        self._local = threading.local()
        self._opened: list[apsw.Connection] = []
        self._closed = False
        self._turn = asyncio.Lock()

    async def open(self, *, create: bool) -> None:
        """Open the file, check or make the schema."""
        await self._write(self._open, create)

    def _open(self, create: bool) -> None:
        if create and self._vfs is None:
            # It will hold hashes of passwords: nobody else on the machine need read it. SQLite gives its log the same rights.
            try:
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            except OSError as error:
                raise Unreachable(str(error)) from error
        flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
        connection = self._connect(flags)
        for pragma in _WRITER_PRAGMAS:
            connection.execute(pragma).fetchall()
        self._connection = connection
        existing = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}
        statements = schema.create_statements(DIALECT, existing)
        if statements and not create:
            connection.close()
            raise Unreachable("the database lacks tables that this program declares; open it with create=True")
        if statements:
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements:
                connection.execute(statement)
            connection.execute(
                f"INSERT OR IGNORE INTO owners ({ROOT}) VALUES (?, 'content', 0, 0, NULL, NULL, x'', 0, NULL)", (CONTENT_OWNER,)
            )
            connection.execute("COMMIT")
        self._check_columns(connection)

    def _connect(self, flags: int) -> apsw.Connection:
        connection = apsw.Connection(self._path, flags=flags, vfs=self._vfs, statementcachesize=500)
        connection.set_busy_timeout(self._busy_ms)
        # One plan for all values: else SQLite looks at them when it plans, and prepares a statement anew whenever they change.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        return connection

    def _check_columns(self, connection: apsw.Connection) -> None:
        names = [*(table.name for table in schema.all_tables()), *schema.VIEWS]
        schema.require_columns({name: {row[1] for row in connection.execute(f'PRAGMA table_info("{name}")')} for name in names})

    async def close(self) -> None:
        """Checkpoint the log and close every connection."""
        if self._closed:
            return
        await self._write(self._close)
        self._closed = True
        self._readers.shutdown(wait=True)
        self._writer.shutdown(wait=True)

    def _close(self) -> None:
        for connection in self._opened:
            connection.close()
        if self._connection is not None:
            self._connection.close()

    async def _write(self, function: Callable[..., T], *arguments: Any) -> T:
        if self._closed:
            raise Unreachable("the database is closed")
        return await asyncio.get_running_loop().run_in_executor(self._writer, _translated, function, *arguments)

    async def _read(self, function: Callable[..., T], *arguments: Any) -> T:
        if self._closed:
            raise Unreachable("the database is closed")
        return await asyncio.get_running_loop().run_in_executor(self._readers, _translated_read, function, *arguments)

    def _reader(self) -> apsw.Connection:
        if self._closed:
            raise Unreachable("the database is closed")
        connection: apsw.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect(apsw.SQLITE_OPEN_READONLY)
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            self._local.connection = connection
            self._opened.append(connection)
        return connection

    async def load(self, request: LoadRequest) -> LoadResult:
        """Read what a batch needs, from one moment."""
        if len(request.owners) <= FEW and sum(map(len, request.keyed.values())) <= FEW:
            # A reader waits for no writer, and the rows of a few owners cost less than the way to another thread and back.
            return _translated_read(self._load_snapshot, request)
        return await self._read(self._load_snapshot, request)

    def _load_snapshot(self, request: LoadRequest) -> LoadResult:
        connection = self._reader()
        if is_one_statement(request):
            # It sees one moment by itself.
            return load(connection, request)
        connection.execute("BEGIN")
        try:
            return load(connection, request)
        finally:
            connection.execute("COMMIT")

    def prepare(self, writes: WriteSet) -> None:
        """Nothing: rows are bound as they are."""

    async def apply(self, writes: WriteSet) -> Applied:
        """Check the guards and write everything, or nothing."""
        if writes.empty():
            return await self._read(self._check_only, writes)
        async with self._turn:
            return await self._write(self._apply, writes)

    def _check_only(self, writes: WriteSet) -> Applied:
        return verdict(self._reader(), writes)

    def _apply(self, writes: WriteSet) -> Applied:
        connection = self._must()
        connection.execute("BEGIN IMMEDIATE")
        try:
            applied = verdict(connection, writes)
            if applied.ok:
                write_all(connection, writes)
                connection.execute("COMMIT")
                return applied
        except BaseException:
            _roll_back(connection)
            raise
        _roll_back(connection)
        return applied

    def _must(self) -> apsw.Connection:
        if self._connection is None or self._closed:
            raise Unreachable("the database is closed")
        return self._connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqliteTransaction]:
        """One writer at a time: the write lock is taken first and kept to the end."""
        async with self._turn:
            connection = self._must()
            await self._write(connection.execute, "BEGIN IMMEDIATE")
            try:
                yield SqliteTransaction(self, connection)
            except BaseException:
                await asyncio.shield(self._write(_roll_back, connection))
                raise
            await asyncio.shield(self._write(self._commit, connection))

    def _commit(self, connection: apsw.Connection) -> None:
        try:
            connection.execute("COMMIT")
        except apsw.Error:
            _roll_back(connection)
            raise

    async def fetch(self, statement: Any, parameters: dict[str, Any], *, patient: bool = False) -> Sequence[Sequence[Any]]:  # noqa: ARG002 - SQLite ends no statement
        """Run a SQLAlchemy Core statement on a reader."""
        known = schema.compiled(statement, DIALECT)
        return await self._read(self._fetch, known.text, {**known.values, **parameters} if known.values else parameters)

    def _fetch(self, text: str, parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:
        return self._reader().execute(text, parameters).fetchall()

    async def acquire_leases(self, owners: Sequence[str], holder: str, seconds: float) -> list[LeaseRow]:
        """Take the leases that are free, expired or the holder's own."""
        return await self._in_write(acquire, owners, holder, int(seconds * 1000))

    async def renew_leases(self, held: Sequence[tuple[str, int]], holder: str, seconds: float) -> list[LeaseRow]:
        """Prolong the leases that still stand."""
        return await self._in_write(renew, held, holder, int(seconds * 1000))

    async def release_leases(self, held: Sequence[tuple[str, int]], holder: str, successor: str | None, seconds: float) -> None:
        """Give leases back, or hand them over."""
        await self._in_write(release, held, holder, successor, int(seconds * 1000))

    async def _in_write(self, function: Callable[..., T], *arguments: Any) -> T:
        async with self._turn:
            return await self._write(lambda: _in_transaction(self._must(), function, *arguments))

    async def take_tokens(self, buckets: Sequence[Bucket], now_us: int) -> Taken:
        """Take a token from each bucket, or from none.

        Players' commits wait behind this one, so it does not wait for the disk: a power failure may give the last tokens back.
        """
        async with self._turn:
            return await self._write(lambda: _in_transaction(self._must_hasty(), take_tokens, buckets, now_us))

    def _must_hasty(self) -> apsw.Connection:
        """Give the writer's other connection, whose commits last once the next one of the first connection does."""
        self._must()
        if self._hasty is None:
            connection = self._connect(apsw.SQLITE_OPEN_READWRITE)
            for pragma in (*_WRITER_PRAGMAS, "PRAGMA synchronous = NORMAL"):
                connection.execute(pragma).fetchall()
            self._opened.append(connection)
            self._hasty = connection
        return self._hasty

    async def buckets_full_at(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        """Tell when these buckets are full again."""
        return _translated_read(lambda: buckets_full_at(self._reader(), keys))

    async def forget_full_buckets(self, now_us: int, most: int) -> int:
        """Delete rows of buckets that are full again."""
        return await self._in_write(forget_full_buckets, now_us, most)

    async def forget_answers(self, keys: Sequence[tuple[str, str]], before: int, *, whole: bool = False) -> int:
        """Drop old answers."""
        return await self._in_write(forget_answers, keys, before, whole)

    async def describe(self) -> dict[str, str]:
        """Names, versions and settings, for people."""
        return {
            "database": "SQLite",
            "version": apsw.sqlite_lib_version(),
            "path": self._path,
            "journal_mode": "wal",
            "synchronous": "full",
        }


class SqliteTransaction:
    """An open write transaction."""

    def __init__(self, store: SqliteStore, connection: apsw.Connection) -> None:
        self._store = store
        self._connection = connection

    async def lock(self, owners: Sequence[str]) -> None:
        """Nothing to do: the file has one write lock, and it is held."""

    async def load(self, request: LoadRequest) -> LoadResult:
        """Read within the transaction."""
        return await self._store._write(load, self._connection, request)

    async def apply(self, writes: WriteSet) -> Applied:
        """Write within the transaction."""

        def work() -> Applied:
            applied = verdict(self._connection, writes)
            if applied.ok:
                write_all(self._connection, writes)
            return applied

        return await self._store._write(work)

    async def fetch(self, statement: Any, parameters: dict[str, Any], *, patient: bool = False) -> Sequence[Sequence[Any]]:  # noqa: ARG002 - SQLite ends no statement
        """Run a statement within the transaction."""
        known = schema.compiled(statement, DIALECT)
        return await self._store._write(lambda: self._connection.execute(known.text, {**known.values, **parameters}).fetchall())


def _in_transaction(connection: apsw.Connection, function: Callable[..., T], *arguments: Any) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = function(connection, *arguments)
        connection.execute("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise
    return result


def _translated(function: Callable[..., T], *arguments: Any) -> T:
    """Run, and say in the store's own words what apsw says."""
    try:
        return function(*arguments)
    except apsw.ConstraintError as error:
        raise ConstraintBroken(_constraint(str(error))) from error
    except (OverflowError, UnicodeEncodeError) as error:
        # An integer beyond 64 bits, text that is no Unicode: apsw does not even bind them.
        raise ConstraintBroken(str(error)) from error
    except (apsw.BusyError, apsw.LockedError) as error:
        raise TryAgain(str(error)) from error
    except apsw.IOError as error:
        raise OutcomeUnknown(str(error)) from error
    except (apsw.FullError, apsw.ReadOnlyError, apsw.CantOpenError, apsw.CorruptError, apsw.NotADBError, apsw.PermissionsError) as error:
        raise Unreachable(str(error)) from error


def _translated_read(function: Callable[..., T], *arguments: Any) -> T:
    try:
        return _translated(function, *arguments)
    except OutcomeUnknown as error:
        # A read that broke has changed nothing.
        raise Unreachable(str(error)) from error


def _constraint(message: str) -> str:
    # "UNIQUE constraint failed: claims.kind, claims.key" becomes "pk_claims" or "uq_...", as PostgreSQL names them.
    kind, _, rest = message.partition(" constraint failed: ")
    if kind != "UNIQUE":
        return rest or message
    columns = [part.split(".")[-1] for part in rest.split(", ")]
    name = rest.split(".")[0]
    keys = [column.name for column in schema.METADATA.tables[name].primary_key.columns] if name in schema.METADATA.tables else []
    return f"pk_{name}" if columns == keys else f"uq_{name}_{'_'.join(columns)}"


def _roll_back(connection: apsw.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")
