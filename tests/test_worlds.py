"""What tests leave behind in the database that they share is gone for the next one, whatever it was."""

import os
import signal
from collections.abc import Iterator

import asyncpg
import pytest

import gamekeeper
from tests.crash.raw import raw
from tests.forks import Forked
from tests.modules import scene
from tests.servers import TemporaryPostgres
from tests.worlds import SharedDatabase


@pytest.fixture
def shared(postgres: TemporaryPostgres, postgres_template: str) -> Iterator[SharedDatabase]:
    one = SharedDatabase(postgres, postgres_template)
    yield one
    one.close()


async def contents(url: str) -> dict[str, str | None]:
    """Every row of every table."""
    async with raw(url) as sql:
        names = [row[0] for row in await sql.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        return {name: await sql.one(f'SELECT json_agg(one)::text FROM "{name}" one') for name in names}


async def test_rows_go_and_those_of_a_new_world_come_back(shared: SharedDatabase) -> None:
    url, new = shared.url, await contents(shared.url)
    async with gamekeeper.open(url, allow_unsafe_postgres=True) as keep:
        await scene.stock(keep)
        await scene.people(keep, "Ada", "Bob")
    left = await contents(url)
    assert {name for name in new if left[name] != new[name]} >= {"owners", "journal", "characters", "claims"}

    shared.empty()

    assert (shared.url, await contents(url)) == (url, new)


async def test_what_still_writes_is_ended_first(shared: SharedDatabase) -> None:
    connection = await asyncpg.connect(shared.url)
    await connection.execute("BEGIN")
    await connection.execute("LOCK TABLE owners IN ACCESS EXCLUSIVE MODE")

    shared.empty()

    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.execute("COMMIT")


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE claims",
        "CREATE TABLE mine (id int)",
        "ALTER TABLE journal DISABLE TRIGGER USER",
        "ALTER TABLE owners DROP CONSTRAINT ck_owners_counters",
        "ALTER TABLE owners ALTER COLUMN version DROP NOT NULL",
        "DROP INDEX ix_claims_owner_id",
        "CREATE OR REPLACE FUNCTION gamekeeper_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
    ],
)
async def test_changed_tables_cost_a_new_database(shared: SharedDatabase, change: str) -> None:
    url, new = shared.url, await contents(shared.url)
    async with raw(url) as sql:
        await sql.rows(change)

    shared.empty()

    assert shared.url != url
    assert await contents(shared.url) == new


def test_a_forked_process_runs_as_one_of_its_own_and_tells_how_it_ended() -> None:
    (its_in, order), (out, its_out) = os.pipe(), os.pipe()
    processes = [Forked("tests.crash.statements", stdin=its_in, stdout=its_out) for _ in range(2)]
    waiting = Forked("tests.crash.server", "sqlite:///missing/none.db", "{}", stdin=its_in, stdout=its_out)
    for one in (its_in, its_out, order, out):
        os.close(one)

    assert len({one.pid for one in (*processes, waiting)}) == 3
    assert [one.wait(30) for one in processes] == [1, 1]  # it wants the name of a file
    assert waiting.wait(30) == 1
    waiting.send_signal(signal.SIGKILL)  # too late is no fault
