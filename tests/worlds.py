"""Databases that have their tables already: made once for a run, then copied, or emptied after each test.

To make the tables of every module takes longer than most tests do, and on PostgreSQL so does a database of one's own.
"""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg

import gamekeeper
from tests.servers import TemporaryPostgres

T = TypeVar("T")

PATIENCE_SECONDS = 30

# What the last test left open ends first: it might write once more. A new database is asked for where the tables are other ones now.
EMPTY = """
DO $$
DECLARE one oid;
BEGIN
    PERFORM pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
    PERFORM set_config('session_replication_role', 'replica', true);  -- triggers sleep: a ledger can be emptied
    FOR one IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0 LOOP
        EXECUTE format('DELETE FROM %s', one::regclass);
    END LOOP;
END $$
"""
# Every change of a table, its columns, constraints, indexes, triggers or rights writes a row of one of these, with a younger number.
TABLES = " UNION ALL ".join(
    f"SELECT count(*), max(xmin::text::bigint) FROM {name}"
    for name in ("pg_class", "pg_attribute", "pg_attrdef", "pg_constraint", "pg_trigger", "pg_proc", "pg_namespace")
)


def make_tables(url: str) -> None:
    """Make the tables of every record that is declared; fixtures run beside a test's event loop, so in a thread."""

    async def make() -> None:
        async with gamekeeper.open(url, create=True, allow_unsafe_postgres=True):
            pass

    thread = threading.Thread(target=asyncio.run, args=(make(),))
    thread.start()
    thread.join()


class SharedDatabase:
    """A database on PostgreSQL that tests have one after another, each as if it were new."""

    def __init__(self, server: TemporaryPostgres, template: str) -> None:
        self._server = server
        self._template = template
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.replaced = 0
        self._open()

    def _open(self) -> None:
        self.url = self._server.create_database(template=self._template)
        # In the C locale of a copied database a name is its own; the superuser's socket needs no password.
        self._connection = self._wait(_connected(self._server.socket_url(urlsplit(self.url).path[1:])))
        self._tables = self._wait(self._connection.fetch(TABLES))
        self._rows = self._wait(_rows(self._connection))

    def empty(self) -> None:
        """Put everything back as it was; replace the database if a test has changed more than rows."""
        if self._wait(self._connection.fetch(TABLES)) != self._tables:
            self.close()
            self.replaced += 1
            self._open()
            return
        self._wait(self._connection.execute(EMPTY))
        for table, rows in self._rows.items():
            self._wait(self._connection.execute(f'INSERT INTO "{table}" SELECT * FROM json_populate_recordset(NULL::"{table}", $1)', rows))

    def fetch(self, statement: str) -> list[Any]:
        """Ask it something, as the superuser, from whatever thread."""
        found: list[Any] = self._wait(self._connection.fetch(statement))
        return found

    def close(self) -> None:
        """Drop the database."""
        with contextlib.suppress(asyncpg.PostgresError, OSError):
            self._wait(self._connection.close())
        self._server.drop_database(self.url)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_SECONDS)


async def _connected(url: str) -> Any:
    return await asyncpg.connect(url)


async def _rows(connection: Any) -> dict[str, str]:
    """The rows that a new world has, by table, as JSON."""
    names = [row[0] for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    found = {name: await connection.fetchval(f'SELECT json_agg(one) FROM "{name}" one') for name in names}
    return {name: rows for name, rows in found.items() if rows is not None}
