"""The databases of a run: one per contestant and kind of data, built when first asked for."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import apsw
import asyncpg

from . import world
from .goals import Store
from .result import BenchmarkFailed
from .servers import find_pgbench, start_postgresql

SQL = Path(__file__).parent / "sql"
SQLITE_PRAGMAS = (
    "PRAGMA journal_mode = wal",
    "PRAGMA synchronous = full",
    "PRAGMA cache_size = -65536",
    "PRAGMA mmap_size = 268435456",
)


class Stage(Protocol):
    """One store and its databases."""

    store: Store
    pgbench: str | None
    """Its path, where there is a PostgreSQL and a pgbench."""

    def world(self, who: str) -> str:
        """URL of a contestant's own database of whole characters, in the peers' natural schema."""

    def hot(self, who: str) -> str:
        """URL of a contestant's own database of 20 hot characters, in the peers' natural schema."""

    def empty(self, who: str) -> str:
        """URL of a contestant's own database for a schema of its own; the same one whenever asked."""

    def check_hot(self, url: str) -> None:
        """Raise unless every unit is still there, none is negative, and every stack equals its audit replay."""

    def close(self) -> None:
        """Remove everything."""


UNBALANCED = f"""
SELECT count(*) FROM character_inventory i
  LEFT JOIN (SELECT from_inventory_id AS id, sum(quantity) AS units FROM trade_audit GROUP BY 1) given ON given.id = i.id
  LEFT JOIN (SELECT to_inventory_id AS id, sum(quantity) AS units FROM trade_audit GROUP BY 1) got ON got.id = i.id
  WHERE i.quantity < 0 OR i.quantity <> {world.QUANTITY} - coalesce(given.units, 0) + coalesce(got.units, 0)
"""
TOTAL = "SELECT sum(quantity) FROM character_inventory"
AUDITED = "SELECT count(*) FROM trade_audit"


def script(name: str) -> str:
    """A file of `sql/` with the sizes of the world filled in."""
    text = (SQL / name).read_text()
    # `::` casts and `:=` stay: only these four names are ours.
    for variable, value in variables().items():
        text = text.replace(f" :{variable}", f" {value}").replace(f"(:{variable}", f"({value}")
    return text


def variables() -> dict[str, int]:
    """The sizes that SQL files and pgbench scripts know by name."""
    return {"characters": world.characters(), "dirty": world.DIRTY, "hot": world.HOT, "stacks": world.STACKS, "quantity": world.QUANTITY}


def judge(total: int, unbalanced: int, audited: int) -> None:
    """Raise if the figures of a market do not add up."""
    expected = world.HOT * world.STACKS * world.QUANTITY
    if total != expected or unbalanced or not audited:
        raise BenchmarkFailed(f"wrong work: {total} units of {expected}, {unbalanced} stacks off their audit, {audited} audit rows")


class PostgresqlStage:
    """Databases on a temporary PostgreSQL; contestants' worlds are clones of one template."""

    store: Store = "postgresql"

    def __init__(self) -> None:
        self._server = start_postgresql()
        self.pgbench = find_pgbench(self._server)
        self._urls: dict[str, str] = {}

    def world(self, who: str) -> str:
        """URL of a contestant's own database of whole characters."""
        return self._clone("world", who, "peer_postgresql_world.sql")

    def hot(self, who: str) -> str:
        """URL of a contestant's own database of 20 hot characters."""
        return self._clone("hot", who, "peer_postgresql_hot.sql")

    def empty(self, who: str) -> str:
        """URL of a contestant's own empty database."""
        if who not in self._urls:
            self._urls[who] = self._server.create_database()
        return self._urls[who]

    def check_hot(self, url: str) -> None:
        """Raise unless the market adds up."""
        judge(*asyncio.run(_fetch_values(url, TOTAL, UNBALANCED, AUDITED)))

    def close(self) -> None:
        """Stop the server."""
        self._server.stop()

    def _clone(self, kind: str, who: str, filling: str) -> str:
        name = f"{kind}_{who}"
        if name not in self._urls:
            scripts = ("peer_postgresql.sql", filling, "peer_postgresql_finish.sql", "limit_postgresql.sql")
            if kind not in self._urls:
                self._urls[kind] = self._server.create_database()
                asyncio.run(_execute(self._urls[kind], *map(script, scripts), "VACUUM ANALYZE"))
            self._urls[name] = self._server.create_database(template=urlsplit(self._urls[kind]).path.lstrip("/"))
            # What the copy left to be written must not be written during somebody's round.
            self._server.execute("CHECKPOINT")
        return self._urls[name]


class SqliteStage:
    """Database files in a temporary folder; contestants' worlds are copies of one file."""

    store: Store = "sqlite"

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="gamekeeper-benchmark-sqlite-"))
        self.pgbench: str | None = None

    def world(self, who: str) -> str:
        """URL of a contestant's own file of whole characters."""
        return self._copy("world", who)

    def hot(self, who: str) -> str:
        """URL of a contestant's own file of 20 hot characters."""
        return self._copy("hot", who)

    def empty(self, who: str) -> str:
        """URL of a contestant's own file, which does not exist yet."""
        return f"sqlite:///{self._folder / who}.db"

    def check_hot(self, url: str) -> None:
        """Raise unless the market adds up."""
        connection = apsw.Connection(sqlite_path(url))
        values = [int(next(connection.execute(sql))[0] or 0) for sql in (TOTAL, UNBALANCED, AUDITED)]
        connection.close()
        judge(*values)

    def close(self) -> None:
        """Remove the files."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _copy(self, kind: str, who: str) -> str:
        template, own = self._folder / f"{kind}.db", self._folder / f"{kind}_{who}.db"
        if not template.exists():
            _build_sqlite(template, kind)
        if not own.exists():
            shutil.copyfile(template, own)
        return f"sqlite:///{own}"


def sqlite_path(url: str) -> str:
    """The file that a SQLite URL names.

    >>> sqlite_path("sqlite:////tmp/world.db")
    '/tmp/world.db'
    """
    return url.removeprefix("sqlite:///")


def open_sqlite(url: str) -> apsw.Connection:
    """Open a file the way every SQLite contestant does: WAL, synchronous=FULL, the same cache."""
    connection = apsw.Connection(sqlite_path(url))
    connection.set_busy_timeout(10_000)
    for pragma in SQLITE_PRAGMAS:
        connection.execute(pragma)
    return connection


def _build_sqlite(path: Path, kind: str) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode = wal")
    connection.create_scalar_function("character_id", _character_id, 1, deterministic=True)
    connection.execute("BEGIN")
    for name in ("peer_sqlite.sql", f"peer_sqlite_{kind}.sql", "peer_sqlite_finish.sql"):
        connection.execute(script(name))
    connection.execute("COMMIT")
    # The copy takes the file alone, so nothing may be left in the log.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _character_id(*numbers: Any) -> str:
    return world.character_id(int(numbers[0]))


async def _execute(url: str, *statements: str) -> None:
    connection: Any = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _fetch_values(url: str, *statements: str) -> list[int]:
    connection: Any = await asyncpg.connect(url)
    try:
        return [int(await connection.fetchval(statement) or 0) for statement in statements]
    finally:
        await connection.close()
