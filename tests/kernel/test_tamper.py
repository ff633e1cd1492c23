"""What a database administrator could do to the rows behind our back, and that `verify` names the first bad one.

Everything here happens with plain SQL and with the append-only triggers gone. The world is put back after each attack, and
each test first sees it verify clean.
"""

import hashlib
import random
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from gamekeeper.kernel.journal import DOMAIN, GENESIS, Sealer, canonical
from gamekeeper.kernel.store import schema
from gamekeeper.kernel.verify import Problem, verify
from tests.crash.raw import Raw, raw
from tests.kernel import bank
from tests.kernel.instruments import SECRET_KEY, WatchedKeep, open_bank
from tests.servers import TemporaryPostgres

TABLES = ("owners", "journal", "claims", "bank_purses", "bank_profiles", "bank_receipts", "bank_coupons", "bank_places")
APPEND_ONLY = ("journal", "bank_receipts")
LAST = 9
"""How many entries ada's chain has."""

pytestmark = pytest.mark.asyncio(loop_scope="module")

Attack = Callable[[Raw], Awaitable[Any]]
Place = tuple[str, Any]
"""An owner, and a seq or a table with a key."""


async def build(keep: WatchedKeep) -> None:
    """A world with something of everything in it."""
    for name in ("ada", "bob", "cy"):
        await keep.do(bank.open_account(nick=f"{name} é", mail=f"{name}@example.org", pin="1234", account=name))
    await keep.do(bank.pay(giver="ada", receiver="bob", amount=1), key="k", reason="for a horse")
    await keep.do(bank.pay(giver="ada", receiver="cy", amount=10))
    await keep.do(bank.set_meta(account="ada", meta={"n": 1, "list": [True, 1.5], "text": "é"}))
    await keep.do(bank.pay_in(account="ada", amount=5, memo="wages"))
    await keep.do(bank.pay_in(account="ada", amount=6, memo="more wages"))
    await keep.do(bank.issue(account="ada", code="A", worth=5))
    await keep.do(bank.pay(giver="bob", receiver="ada", amount=7))
    await keep.do(bank.walk(account="ada", x=3.5))
    await keep.do(bank.pay(giver="bob", receiver="cy", amount=2))


class World:
    """The database under attack, a connection to it, a keep to verify it with, and what stood in it before."""

    def __init__(self, keep: WatchedKeep, sql: Raw) -> None:
        self.keep = keep
        self.sql = sql
        self._tables: dict[str, list[tuple[Any, ...]]] = {}

    async def disarm(self) -> None:
        """Drop the triggers, and remember every row."""
        if self.sql.sqlite:
            for (name,) in await self.sql.rows("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
                await self.sql.rows(f'DROP TRIGGER "{name}"')
        else:
            for name in APPEND_ONLY:
                await self.sql.rows(f"ALTER TABLE {name} DISABLE TRIGGER USER")
        for name in TABLES:
            self._tables[name] = [tuple(row) for row in await self.sql.rows(f"SELECT * FROM {name}")]

    async def restore(self) -> None:
        """Put every row back."""
        for name, table in self._tables.items():
            now = [tuple(row) for row in await self.sql.rows(f"SELECT * FROM {name}")]
            if sorted(now, key=repr) == sorted(table, key=repr):
                continue
            await self.sql.rows(f"DELETE FROM {name}")
            for row in table:
                await self.sql.rows(f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", *row)

    async def problems(self) -> list[Problem]:
        """What verification finds."""
        return (await verify(self.keep)).problems

    async def after(self, attack: Attack) -> list[Problem]:
        """What verification finds after an attack; the world is put back."""
        try:
            await attack(self.sql)
            return await self.problems()
        finally:
            await self.restore()


@asynccontextmanager
async def made(url: str, secret_key: str | None) -> AsyncIterator[World]:
    """Build a world and disarm it."""
    async with open_bank(url, secret_key=secret_key) as keep, raw(url) as sql:
        await build(keep)
        world = World(keep, sql)
        await world.disarm()
        yield world


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """Makes databases on each engine in turn, for all the cases."""
    if request.param == "sqlite":

        def file() -> str:
            path = tmp_path_factory.mktemp("tamper") / "world.db"
            shutil.copy(request.getfixturevalue("sqlite_template"), path)
            return f"sqlite:///{path}"

        yield file
        return
    server: TemporaryPostgres = request.getfixturevalue("postgres")
    urls: list[str] = []

    def database() -> str:
        urls.append(server.create_database(template=request.getfixturevalue("postgres_template")))
        return urls[-1]

    yield database
    for url in urls:
        server.drop_database(url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: Callable[[], str]) -> AsyncIterator[World]:
    """A world whose chains are keyed by a secret."""
    async with made(database_url(), SECRET_KEY) as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_world(database_url: Callable[[], str]) -> AsyncIterator[World]:
    """A world without a secret key: anyone can compute its hashes."""
    async with made(database_url(), None) as world:
        yield world


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def control(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """The untouched worlds verify clean, before each test that attacks them."""
    for name in {"world", "open_world"}.intersection(request.fixturenames):
        assert await request.getfixturevalue(name).problems() == []
    yield


def where(problem: Problem) -> Place:
    """The place that a problem names."""
    return (str(problem.owner), problem.seq if problem.seq is not None else (problem.table, tuple(problem.key or ())))


def runs(*statements: str) -> Attack:
    """An attack of plain statements."""

    async def attack(sql: Raw) -> None:
        for statement in statements:
            await sql.rows(statement)

    return attack


# The journal

EDITS: dict[str, str] = {
    "owner_id": "'zed'",
    "seq": "seq + 100",
    "command_id": "command_id || ' '",
    "at": "at + 1",
    "command": "'bank.rob'",
    "actor": "'player:eve'",
    "reason": "coalesce(reason || '.', '')",
    "origin_id": "'cy'",
    "owners": "coalesce(replace(owners, 'bob', 'cy'), '')",
    "arguments": "coalesce(replace(arguments, '1', '2'), '')",
    "result": "coalesce(result || '0', '')",
    "idempotency_key": "coalesce(idempotency_key || 'k', '')",
    "changes": "replace(changes, ':100}', ':101}')",
}


assert [*EDITS, "hash"] == list(schema.JOURNAL_COLUMNS), "every column is attacked"


@pytest.mark.parametrize("owner", ["ada", "bob"])
async def test_an_edited_column_of_an_entry_is_named(world: World, owner: str) -> None:
    # The acting owner's row, with every column filled, and the other one's, with NULL in most: NULL is not empty.
    for column, value in EDITS.items():
        found = await world.after(runs(f"UPDATE journal SET {column} = {value} WHERE owner_id = '{owner}' AND seq = 2"))

        assert where(found[0]) == (owner, 2), column
        assert {problem.owner for problem in found} <= {owner, "zed"}


async def test_an_edited_hash_is_named(world: World) -> None:
    async def attack(sql: Raw) -> None:
        digest = bytearray(await sql.one("SELECT hash FROM journal WHERE owner_id = 'ada' AND seq = 3"))
        digest[0] ^= 1
        await sql.rows("UPDATE journal SET hash = ? WHERE owner_id = 'ada' AND seq = 3", bytes(digest))

    assert list(map(where, await world.after(attack))) == [("ada", 3)]


async def chain(sql: Raw, owner: str) -> list[list[Any]]:
    """An owner's entries."""
    found = await sql.rows(f"SELECT {', '.join(schema.JOURNAL_COLUMNS)} FROM journal WHERE owner_id = ? ORDER BY seq", owner)
    return [list(row) for row in found]


def plain_link(previous: bytes, row: list[Any]) -> bytes:
    """The hash that someone without the key computes."""
    return hashlib.sha256(DOMAIN + (previous or GENESIS) + canonical(row[:-1])).digest()


async def edit_and_rehash(sql: Raw, seq: int) -> None:
    """Change an entry of ada's and give it a hash that fits."""
    entries = await chain(sql, "ada")
    entry = entries[seq - 1]
    entry[5] = "player:eve"
    previous = bytes(entries[seq - 2][-1]) if seq > 1 else b""
    await sql.rows("UPDATE journal SET actor = ?, hash = ? WHERE owner_id = 'ada' AND seq = ?", entry[5], plain_link(previous, entry), seq)


async def rebuild(sql: Raw, actor: str) -> None:
    """Change ada's third entry, and compute all hashes behind it and the head anew."""
    last = b""
    for entry in await chain(sql, "ada"):
        if entry[1] == 3:
            entry[5] = actor
        last = plain_link(last, entry)
        await sql.rows("UPDATE journal SET actor = ?, hash = ? WHERE owner_id = 'ada' AND seq = ?", entry[5], last, entry[1])
    await sql.rows("UPDATE owners SET head_hash = ? WHERE id = 'ada'", Sealer(None).head("ada", LAST, last))


@pytest.mark.parametrize("seq", [1, 3, LAST])
async def test_an_edited_entry_with_a_fresh_hash_is_named(world: World, open_world: World, seq: int) -> None:
    assert list(map(where, await world.after(lambda sql: edit_and_rehash(sql, seq)))) == [("ada", seq)]
    # Without a key the hash fits, and the next entry or the head does not.
    assert list(map(where, await open_world.after(lambda sql: edit_and_rehash(sql, seq)))) == [("ada", min(seq + 1, LAST))]


async def test_a_chain_rebuilt_without_the_key_is_named_from_its_beginning(world: World) -> None:
    assert list(map(where, await world.after(lambda sql: rebuild(sql, "player:eve")))) == [("ada", 1)]


async def test_without_a_secret_key_a_rebuilt_chain_passes_and_that_is_why_there_is_one(open_world: World) -> None:
    assert await open_world.after(lambda sql: rebuild(sql, "player:eve")) == []


async def test_without_a_secret_key_a_rebuilt_chain_must_still_agree_with_the_rows(open_world: World) -> None:
    async def attack(sql: Raw) -> None:
        await sql.rows("UPDATE journal SET changes = replace(changes, ':89}', ':98}') WHERE owner_id = 'ada' AND seq = 3")
        await sql.rows("UPDATE journal SET changes = replace(changes, '\"amount\":107}', '\"amount\":907}') WHERE owner_id = 'ada'")
        await rebuild(sql, "embedded")

    assert list(map(where, await open_world.after(attack))) == [("ada", ("bank_purses", ("ada", "gold")))]


async def test_changes_that_are_no_json_are_named_although_their_hash_fits(open_world: World) -> None:
    for nonsense in ("nonsense", "[]]", "[1]", '[["bank_purses", [{}], null, null]]'):

        async def attack(sql: Raw, nonsense: str = nonsense) -> None:
            await sql.rows("UPDATE journal SET changes = ? WHERE owner_id = 'ada' AND seq = 3", nonsense)
            await rebuild(sql, "embedded")

        assert where((await open_world.after(attack))[0]) == ("ada", 3), nonsense


async def test_a_removed_entry_is_named(world: World) -> None:
    for seq in (1, 3, LAST):
        found = await world.after(runs(f"DELETE FROM journal WHERE owner_id = 'ada' AND seq = {seq}"))

        assert list(map(where, found)) == [("ada", seq)]


async def test_two_entries_that_changed_places_are_named(world: World) -> None:
    swap = [f"UPDATE journal SET seq = {to} WHERE owner_id = 'ada' AND seq = {at}" for at, to in ((3, 99), (4, 3), (99, 4))]

    assert list(map(where, await world.after(runs(*swap)))) == [("ada", 3)]


def copy(owner: str, seq: int, to_owner: str, to_seq: int) -> str:
    """A statement that writes an entry a second time."""
    rest = ", ".join(schema.JOURNAL_COLUMNS[2:])
    return f"INSERT INTO journal SELECT '{to_owner}', {to_seq}, {rest} FROM journal WHERE owner_id = '{owner}' AND seq = {seq}"


async def test_an_entry_that_stands_there_again_is_named(world: World) -> None:
    assert list(map(where, await world.after(runs(copy("ada", LAST, "ada", LAST + 1))))) == [("ada", LAST + 1)]
    raised = f"UPDATE owners SET journal_seq = {LAST + 1} WHERE id = 'ada'"
    assert list(map(where, await world.after(runs(copy("ada", LAST, "ada", LAST + 1), raised)))) == [("ada", LAST + 1)]
    made_room = [f"UPDATE journal SET seq = {seq + 1} WHERE owner_id = 'ada' AND seq = {seq}" for seq in range(LAST, 3, -1)]
    assert list(map(where, await world.after(runs(*made_room, copy("ada", 3, "ada", 4), raised)))) == [("ada", 4)]


async def test_an_entry_with_the_same_number_twice_is_named(world: World) -> None:
    if world.sql.sqlite:
        # The primary key of a SQLite table cannot be dropped, so the whole table is made again without it.
        columns = ", ".join(f"{column.name} {'INTEGER' if column.name in ('seq', 'at') else 'ANY'}" for column in schema.journal.columns)
        attack = runs(
            "ALTER TABLE journal RENAME TO kept",
            f"CREATE TABLE journal ({columns}) STRICT",
            "INSERT INTO journal SELECT * FROM kept",
            copy("ada", 3, "ada", 3),
        )
        undo = ["DROP TABLE journal", "ALTER TABLE kept RENAME TO journal"]
    else:
        attack = runs("ALTER TABLE journal DROP CONSTRAINT pk_journal", copy("ada", 3, "ada", 3))
        undo = [
            "DELETE FROM journal a USING journal b WHERE a.ctid > b.ctid AND a.owner_id = b.owner_id AND a.seq = b.seq",
            "ALTER TABLE journal ADD CONSTRAINT pk_journal PRIMARY KEY (owner_id, seq)",
        ]
    try:
        await attack(world.sql)
        found = await world.problems()
    finally:
        for statement in undo:
            await world.sql.rows(statement)

    assert list(map(where, found)) == [("ada", 3)]


async def test_a_number_that_became_text_is_named_where_the_engine_allows_it(world: World) -> None:
    if not world.sql.sqlite:
        kinds = await world.sql.rows(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'journal' AND data_type = 'bigint'"
        )
        assert sorted(row[0] for row in kinds) == ["at", "seq"]
        return
    columns = ", ".join(f"{column.name} ANY" for column in schema.journal.columns)
    try:
        for statement in (
            "ALTER TABLE journal RENAME TO kept",
            f"CREATE TABLE journal ({columns}) STRICT",
            "INSERT INTO journal SELECT * FROM kept",
            "UPDATE journal SET at = CAST(at AS TEXT) WHERE owner_id = 'ada' AND seq = 3",
        ):
            await world.sql.rows(statement)
        found = await world.problems()
    finally:
        await world.sql.rows("DROP TABLE journal")
        await world.sql.rows("ALTER TABLE kept RENAME TO journal")

    assert list(map(where, found)) == [("ada", 3)]


async def test_an_entry_moved_to_another_owner_is_missed_here_and_named_there(world: World) -> None:
    found = await world.after(runs("UPDATE journal SET owner_id = 'cy', seq = 99 WHERE owner_id = 'ada' AND seq = 3"))
    assert ("ada", 3) in list(map(where, found))
    assert {problem.owner for problem in found} == {"ada", "cy"}

    fitting = await world.after(runs("UPDATE journal SET owner_id = 'cy', seq = 4 WHERE owner_id = 'ada' AND seq = 3"))
    assert list(map(where, fitting)) == [("ada", 3), ("cy", 4)]


async def test_a_chain_without_its_tail_is_named(world: World, open_world: World) -> None:
    cut = f"DELETE FROM journal WHERE owner_id = 'ada' AND seq > {LAST - 2}"
    counted = f"UPDATE owners SET journal_seq = {LAST - 2} WHERE id = 'ada'"

    assert list(map(where, await world.after(runs(cut)))) == [("ada", LAST - 1)]
    assert list(map(where, await world.after(runs(cut, counted)))) == [("ada", LAST - 2)]

    async def with_a_head(sql: Raw) -> None:
        await runs(cut, counted)(sql)
        last = bytes((await chain(sql, "ada"))[-1][-1])
        await sql.rows("UPDATE owners SET head_hash = ? WHERE id = 'ada'", Sealer(None).head("ada", LAST - 2, last))

    assert list(map(where, await world.after(with_a_head))) == [("ada", LAST - 2)]
    # Without a key the head can be made to fit, and then the rows tell.
    assert list(map(where, await open_world.after(with_a_head))) == [("ada", ("bank_purses", ("ada", "gold")))]


async def test_a_whole_chain_gone_is_named(world: World) -> None:
    assert list(map(where, await world.after(runs("DELETE FROM journal WHERE owner_id = 'ada'")))) == [("ada", 1)]
    counted = "UPDATE owners SET journal_seq = 0 WHERE id = 'ada'"
    found = await world.after(runs("DELETE FROM journal WHERE owner_id = 'ada'", counted))
    assert found
    assert {problem.owner for problem in found} == {"ada"}


# The root row


async def test_an_edited_root_row_is_named(world: World) -> None:
    async def turn(sql: Raw, at: int) -> None:
        head = bytearray(await sql.one("SELECT head_hash FROM owners WHERE id = 'ada'"))
        head[at] ^= 1
        await sql.rows("UPDATE owners SET head_hash = ? WHERE id = 'ada'", bytes(head))

    for at in (0, 31, 32, 63):
        assert list(map(where, await world.after(lambda sql, at=at: turn(sql, at)))) == [("ada", LAST)]  # type: ignore[misc]
    for count, named in ((LAST - 1, LAST), (LAST + 1, LAST + 1)):
        found = await world.after(runs(f"UPDATE owners SET journal_seq = {count} WHERE id = 'ada'"))
        assert [(problem.owner, problem.table) for problem in found] == [("ada", "owners")]
        assert abs(int(found[0].seq or 0) - named) <= 1
    swapped = "UPDATE owners SET head_hash = (SELECT head_hash FROM owners WHERE id = 'bob') WHERE id = 'ada'"
    assert list(map(where, await world.after(runs(swapped)))) == [("ada", LAST)]


async def test_a_removed_root_row_leaves_its_entries_and_rows_to_be_named(world: World) -> None:
    found = list(map(where, await world.after(runs("DELETE FROM owners WHERE id = 'ada'"))))

    assert found[0] == ("ada", 1)
    assert ("ada", ("bank_purses", ("ada", "gold"))) in found
    assert ("ada", ("claims", ("bank.nick", "ada é"))) in found


async def test_another_persons_key_is_named_by_the_row_that_it_does_not_open(world: World) -> None:
    swapped = "UPDATE owners SET data_key = (SELECT data_key FROM owners WHERE id = 'bob') WHERE id = 'ada'"

    assert list(map(where, await world.after(runs(swapped)))) == [("ada", ("bank_profiles", ("ada",)))]


# Rows

GOLD: Place = ("ada", ("bank_purses", ("ada", "gold")))
PROFILE: Place = ("ada", ("bank_profiles", ("ada",)))
COUPON: Place = ("ada", ("bank_coupons", ("ada", "A")))


FORGERIES: list[tuple[str, Place]] = [
    ("UPDATE bank_purses SET amount = amount + 1 WHERE account_id = 'ada'", GOLD),
    ("DELETE FROM bank_purses WHERE account_id = 'ada'", GOLD),
    ("INSERT INTO bank_purses VALUES ('ada', 'silver', 1)", ("ada", ("bank_purses", ("ada", "silver")))),
    ("INSERT INTO bank_purses VALUES ('zed', 'gold', 1)", ("zed", ("bank_purses", ("zed", "gold")))),
    ("INSERT INTO bank_purses VALUES ('bz', 'gold', 1)", ("bz", ("bank_purses", ("bz", "gold")))),
    ("INSERT INTO bank_places VALUES ('zed', 1)", ("zed", ("bank_places", ("zed",)))),
    ("UPDATE bank_profiles SET nick = 'eve' WHERE account_id = 'ada'", PROFILE),
    # Composed and decomposed look alike.
    ("UPDATE bank_profiles SET nick = 'ada e\u0301' WHERE account_id = 'ada'", PROFILE),
    ("UPDATE bank_profiles SET nick = nick || ' ' WHERE account_id = 'ada'", PROFILE),
    ("UPDATE bank_profiles SET mail = 'eve@example.org' WHERE account_id = 'ada'", PROFILE),
    ("UPDATE bank_profiles SET mail = NULL WHERE account_id = 'ada'", PROFILE),
    ("UPDATE bank_profiles SET pin = '4321' WHERE account_id = 'ada'", PROFILE),
    ("UPDATE bank_profiles SET pin = NULL WHERE account_id = 'ada'", PROFILE),
    ("UPDATE bank_profiles SET meta = replace(meta, '\"n\":1', '\"n\":2') WHERE account_id = 'ada'", PROFILE),
    ("UPDATE bank_profiles SET meta = replace(meta, '\"n\":1', '\"n\":\"1\"') WHERE account_id = 'ada'", PROFILE),
    ("UPDATE bank_profiles SET meta = replace(meta, '\"n\":1', '\"n\":true') WHERE account_id = 'ada'", PROFILE),
    ("UPDATE bank_profiles SET meta = replace(meta, '\"n\":1', '\"n\":1.0') WHERE account_id = 'ada'", PROFILE),
    ("UPDATE bank_profiles SET meta = replace(meta, 'true', '1') WHERE account_id = 'ada'", PROFILE),
    ("UPDATE bank_profiles SET meta = '{}' WHERE account_id = 'ada'", PROFILE),
    ("UPDATE bank_coupons SET used = true", COUPON),
    ("UPDATE bank_coupons SET worth = 6", COUPON),
    ("UPDATE bank_coupons SET account_id = 'bob'", COUPON),
    ("DELETE FROM bank_coupons", COUPON),
]


async def test_a_row_that_no_command_wrote_so_is_named(world: World) -> None:
    for statement, place in FORGERIES:
        found = await world.after(runs(statement))

        assert where(found[0]) == place, statement
        assert len(found) <= 2


async def test_a_row_of_a_ledger_is_named_whichever_column_was_edited(world: World) -> None:
    receipts = [row[0] for row in await world.sql.rows("SELECT receipt_id FROM bank_receipts ORDER BY receipt_id")]
    second = f"WHERE receipt_id = '{receipts[1]}'"
    named: Place = ("ada", ("bank_receipts", ("ada", receipts[1])))

    for change in ("amount = amount + 1", "memo = 'nothing'", "memo = memo || ' '", "at = at - 1", "account_id = 'bob'"):
        assert where((await world.after(runs(f"UPDATE bank_receipts SET {change} {second}")))[0]) == named, change
    assert list(map(where, await world.after(runs(f"DELETE FROM bank_receipts {second}")))) == [named]
    forged = "INSERT INTO bank_receipts VALUES ('ada', 'forged', 1000, 'wages', 0)"
    assert list(map(where, await world.after(runs(forged)))) == [("ada", ("bank_receipts", ("ada", "forged")))]
    first = f"(SELECT amount FROM bank_receipts WHERE receipt_id = '{receipts[0]}')"
    assert list(map(where, await world.after(runs(f"UPDATE bank_receipts SET amount = {first} {second}")))) == [named]


async def test_random_edits_at_random_places_are_all_found(world: World) -> None:
    dice = random.Random(11)
    places = [tuple(row) for row in await world.sql.rows("SELECT owner_id, seq FROM journal ORDER BY owner_id, seq")]

    for _ in range(10):
        owner, seq = dice.choice(places)
        column = dice.choice([name for name in EDITS if name not in ("changes", "owners", "arguments", "origin_id")])
        found = await world.after(runs(f"UPDATE journal SET {column} = {EDITS[column]} WHERE owner_id = '{owner}' AND seq = {seq}"))
        assert where(found[0]) == (owner, seq), column


# What this cannot tell


async def test_a_whole_owner_put_back_to_an_earlier_moment_needs_a_witness_outside(world: World) -> None:
    async def put_back(sql: Raw) -> None:
        before = await sql.rows("SELECT head_hash, journal_seq, version FROM owners WHERE id = 'cy'")
        purse = await sql.one("SELECT amount FROM bank_purses WHERE account_id = 'cy'")
        await world.keep.do(bank.set_meta(account="cy", meta={"later": True}))
        await sql.rows("DELETE FROM journal WHERE owner_id = 'cy' AND seq > ?", before[0][1])
        await sql.rows("UPDATE owners SET head_hash = ?, journal_seq = ?, version = ? WHERE id = 'cy'", *before[0])
        await sql.rows("UPDATE bank_profiles SET meta = '{}' WHERE account_id = 'cy'")
        await sql.rows("UPDATE bank_purses SET amount = ? WHERE account_id = 'cy'", purse)

    assert await world.after(put_back) == []
