"""The servers that the other tests stand on."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import asyncpg
import pytest
from redis.asyncio import Redis

from tests.crash.raw import raw
from tests.servers import TemporaryPostgres, TemporaryRedis


@pytest.fixture
def own_postgres() -> Iterator[TemporaryPostgres]:
    """A server that a test may kill."""
    with TemporaryPostgres(fsync=False) as server:
        yield server


async def ask(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_postgres_answers_over_tcp_and_over_its_socket(postgres: TemporaryPostgres) -> None:
    for url in (postgres.url(), postgres.socket_url()):
        assert str(await ask(url, "SELECT version()")).startswith("PostgreSQL")


async def test_postgres_trades_safety_for_speed_only_where_asked(postgres: TemporaryPostgres) -> None:
    assert await ask(postgres.url(), "SHOW fsync") == "off"
    assert await ask(postgres.url(), "SHOW full_page_writes") == "off"
    with TemporaryPostgres(fsync=True, settings={"work_mem": "8MB"}) as careful:
        assert await ask(careful.url(), "SHOW fsync") == "on"
        assert await ask(careful.url(), "SHOW full_page_writes") == "on"
        assert await ask(careful.url(), "SHOW work_mem") == "8MB"


async def test_what_was_committed_survives_a_hard_kill(own_postgres: TemporaryPostgres) -> None:
    url = own_postgres.create_database()
    idle = await asyncpg.connect(url)
    await ask(url, "CREATE TABLE coins AS SELECT 7 AS amount")

    own_postgres.kill_hard()
    with pytest.raises((OSError, asyncpg.PostgresError)):
        await ask(url, "SELECT amount FROM coins")
    own_postgres.restart()

    assert await ask(url, "SELECT amount FROM coins") == 7
    idle.terminate()


async def test_databases_are_apart_and_dropped_under_their_users(postgres: TemporaryPostgres) -> None:
    one, other = postgres.create_database(), postgres.create_database()
    await ask(one, "CREATE TABLE coins AS SELECT 7 AS amount")
    idle = await asyncpg.connect(one)

    assert await ask(other, "SELECT to_regclass('coins')") is None
    postgres.drop_database(one)
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await ask(one, "SELECT 1")

    postgres.drop_database(other)
    idle.terminate()


async def test_a_database_can_be_a_copy(postgres: TemporaryPostgres) -> None:
    original = postgres.create_database()
    await ask(original, "CREATE TABLE coins AS SELECT 7 AS amount")
    copy = postgres.create_database(template=urlsplit(original).path.lstrip("/"))

    assert await ask(copy, "SELECT amount FROM coins") == 7
    postgres.drop_database(copy)
    postgres.drop_database(original)


def test_postgres_does_not_run_as_root(postgres: TemporaryPostgres) -> None:
    assert (postgres.folder / "data").stat().st_uid != 0


def test_a_stopped_server_leaves_nothing(own_postgres: TemporaryPostgres) -> None:
    own_postgres.kill_hard()
    own_postgres.stop()
    own_postgres.stop()

    assert not own_postgres.folder.exists()


async def test_redis_answers_and_forgets(redis_server: TemporaryRedis) -> None:
    async with Redis.from_url(redis_server.url()) as redis:
        assert await redis.ping()
        await redis.set("greeting", "hello")
    redis_server.restart()
    async with Redis.from_url(redis_server.url()) as redis:
        assert await redis.get("greeting") is None


async def test_each_engine_gets_a_database_with_nothing_in_it(database_url: str) -> None:
    async with raw(database_url) as sql:
        assert await sql.rows("SELECT id, version FROM owners") == [("content", 0)]
        assert await sql.one("SELECT count(*) FROM journal") == 0
