"""Opening a database: what is made, what is checked, and what is refused."""

import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import gamekeeper
from gamekeeper.errors import InvalidArgument, StoreUnavailable
from tests.crash.raw import file_of, raw
from tests.kernel import bank
from tests.kernel.instruments import accounts, fund, open_bank, start_bank
from tests.servers import TemporaryPostgres

MODULES = ("tests.kernel.bank",)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of its own for each test, for some change the tables."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/world.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), file_of(url))
        yield url
        return
    server: TemporaryPostgres = request.getfixturevalue("postgres")
    url = server.create_database(template=request.getfixturevalue("postgres_template"))
    yield url
    server.drop_database(url)


async def refused(url: str, *, create: bool = False, **words: Any) -> str:
    """What opening is refused with."""
    with pytest.raises(StoreUnavailable) as refusal:
        await gamekeeper.open(url, create=create, modules=MODULES, **words).__aenter__()
    return str(refusal.value)


async def test_a_database_is_made_only_when_asked_for(tmp_path: Path, postgres: TemporaryPostgres) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    assert "STORE_UNAVAILABLE" in await refused(url)
    assert list(tmp_path.iterdir()) == []

    empty = postgres.create_database()
    assert "lacks tables" in await refused(empty, allow_unsafe_postgres=True)
    postgres.drop_database(empty)
    assert "STORE_UNAVAILABLE" in await refused(empty, create=True, allow_unsafe_postgres=True)


async def test_opening_again_keeps_what_is_there(database_url: str) -> None:
    async with open_bank(database_url) as keep:
        (ada,) = await accounts(keep, "ada")
    async with gamekeeper.open(database_url, modules=MODULES, allow_unsafe_postgres=True) as again:
        assert await again.ask(bank.gold(account=ada)) == 100
    async with gamekeeper.open(database_url, create=True, modules=MODULES, allow_unsafe_postgres=True) as again:
        assert await fund(again, ada) == 100


async def test_a_table_that_lacks_a_column_is_refused_by_name(database_url: str) -> None:
    async with raw(database_url) as sql:
        await sql.rows("ALTER TABLE bank_lamps RENAME COLUMN lit TO shining")

    for create in (False, True):
        message = await refused(database_url, create=create, allow_unsafe_postgres=True)
        assert "bank_lamps lacks the columns lit" in message


async def test_a_missing_table_is_made_when_asked_for(database_url: str) -> None:
    async with raw(database_url) as sql:
        await sql.rows("DROP TABLE bank_lamps")

    assert "lacks tables" in await refused(database_url, allow_unsafe_postgres=True)
    async with open_bank(database_url) as keep:
        (ada,) = await accounts(keep, "ada")
        await keep.do(bank.light(account=ada, oil=1.0))


async def test_a_server_that_may_lose_commits_is_refused(postgres: TemporaryPostgres) -> None:
    url = postgres.create_database()
    name = url.rsplit("/", 1)[1]

    # The server of the tests runs without fsync.
    assert "fsync = off" in await refused(url, create=True)
    async with open_bank(url):
        pass
    postgres.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    assert "= off and may lose or tear commits" in await refused(url)
    postgres.drop_database(url)


async def test_sqlite_is_opened_so_that_commits_last(tmp_path: Path) -> None:
    keep = await start_bank(f"sqlite:///{tmp_path}/world.db")
    try:
        connection = keep.store._connection  # type: ignore[attr-defined]
        settings = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "foreign_keys")}
        assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
        strict = connection.execute("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND NOT strict")
        assert [row[0] for row in strict if not row[0].startswith("sqlite_")] == []
    finally:
        await keep.close()


@pytest.mark.parametrize("url", ["mysql://localhost/world", "sqlite:///", "world.db", ""])
async def test_a_url_that_names_no_store_is_an_invalid_argument(url: str) -> None:
    with pytest.raises(InvalidArgument):
        await gamekeeper.open(url, create=True).__aenter__()


async def test_a_new_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    path = tmp_path / "private.db"
    async with gamekeeper.open(f"sqlite:///{path}", create=True):
        modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()}

    assert set(modes.values()) == {0o600}
    assert "private.db-wal" in modes


async def test_a_game_s_module_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument) as refused:
        async with gamekeeper.open(f"sqlite:///{tmp_path}/world.db", create=True, modules=["no_such_game"]):
            pass

    assert (refused.value.path, refused.value.problem) == ("/modules", "there is no module 'no_such_game' to import")
