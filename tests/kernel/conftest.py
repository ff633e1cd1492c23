"""The fixtures of the kernel's tests: the bank, open on each engine in turn, on a copy of a database that was made once."""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.crash.raw import file_of
from tests.kernel.instruments import WatchedKeep, open_bank
from tests.servers import TemporaryPostgres

EMPTY = """
DO $$
DECLARE name text;
BEGIN
    PERFORM set_config('session_replication_role', 'replica', true);  -- triggers sleep: a ledger can be emptied
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'owners' LOOP
        EXECUTE format('DELETE FROM %I', name);
    END LOOP;
    DELETE FROM owners WHERE id <> 'content';
END $$
"""


def _make_tables(url: str) -> None:
    """Make the tables of the built-in modules and of the bank; fixtures run beside a test's event loop, so in a thread."""

    async def make() -> None:
        async with open_bank(url):
            pass

    thread = threading.Thread(target=asyncio.run, args=(make(),))
    thread.start()
    thread.join()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables and nothing in them."""
    path = tmp_path_factory.mktemp("template") / "world.db"
    _make_tables(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: TemporaryPostgres) -> str:
    """The name of a database with all tables and nothing in them."""
    url = postgres.create_database()
    _make_tables(url)
    return url.rsplit("/", 1)[1]


@pytest.fixture(scope="session")
def postgres_world(postgres: TemporaryPostgres, postgres_template: str) -> str:
    """A database that the tests use one after another; making and dropping one for each takes longer than most of them."""
    return postgres.create_database(template=postgres_template)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with the bank's tables and nothing in them, on each engine in turn."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/world.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), file_of(url))
        yield url
        return
    url = request.getfixturevalue("postgres_world")
    yield url
    server: TemporaryPostgres = request.getfixturevalue("postgres")
    server.execute(EMPTY, database=url.rsplit("/", 1)[1])


@pytest.fixture
async def keep(database_url: str) -> AsyncIterator[WatchedKeep]:
    """An open keep with the bank in it, its store watched, on each engine in turn."""
    async with open_bank(database_url) as keep:
        yield keep
