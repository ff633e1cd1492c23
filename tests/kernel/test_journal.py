"""The journal: what stands in it of every command, what never does, and that nothing in it is ever changed."""

import asyncio
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import apsw
import asyncpg
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamekeeper.kernel.journal import Sealer, canonical, canonical_entry
from gamekeeper.kernel.store import schema
from gamekeeper.kernel.verify import verify
from tests.crash.raw import file_of, raw
from tests.kernel import bank
from tests.kernel.instruments import SECRET_KEY, WatchedKeep, accounts, one, open_bank, rows, verified

COLUMNS = "seq, command, actor, reason, origin_id, owners, arguments, result, idempotency_key, changes"


async def entries(keep: WatchedKeep, owner: str) -> list[dict[str, Any]]:
    """An owner's entries, oldest first, their JSON read."""
    names = COLUMNS.split(", ")
    found = [
        dict(zip(names, row, strict=True))
        for row in await rows(keep, f"SELECT {COLUMNS} FROM journal WHERE owner_id = ? ORDER BY seq", owner)
    ]
    for entry in found:
        for name in ("owners", "arguments", "result", "changes"):
            entry[name] = None if entry[name] is None else json.loads(entry[name])
    return found


async def test_a_command_stands_in_the_chain_of_each_owner_that_it_changed(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")

    await keep.do(bank.pay(giver=ada, receiver=bob, amount=30), key="k", actor="player:ada", reason="for the horse")

    (_, mine), (_, theirs) = await entries(keep, ada), await entries(keep, bob)
    assert mine == {
        "seq": 2,
        "command": "bank.pay",
        "actor": "player:ada",
        "reason": "for the horse",
        "origin_id": ada,
        "owners": [ada, bob],
        "arguments": {"giver": ada, "receiver": bob, "amount": 30},
        "result": 70,
        "idempotency_key": "k",
        "changes": [["bank_purses", [ada, "gold"], {"amount": 100}, {"account_id": ada, "coin": "gold", "amount": 70}]],
    }
    # What is said once stands on the acting owner's row; the other one points to it.
    assert theirs == {
        **mine,
        "owners": None,
        "arguments": None,
        "result": None,
        "idempotency_key": None,
        "changes": [["bank_purses", [bob, "gold"], {"amount": 100}, {"account_id": bob, "coin": "gold", "amount": 130}]],
    }
    times = await rows(keep, "SELECT DISTINCT at, command_id FROM journal WHERE command = 'bank.pay'")
    assert len(times) == 1
    assert abs(times[0][0] - keep.clock.now_ms()) < 60_000


async def test_new_rows_have_no_before_and_removed_ones_no_after(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    await keep.do(bank.issue(account=ada, code="A", worth=5))
    await keep.do(bank.tear(account=ada, code="A"))

    _, issued, torn = await entries(keep, ada)

    coupon = {"account_id": ada, "code": "A", "worth": 5, "used": False}
    assert issued["changes"] == [["bank_coupons", [ada, "A"], None, coupon]]
    assert torn["changes"] == [["bank_coupons", [ada, "A"], coupon, None]]


async def test_a_row_changed_twice_by_one_command_is_one_change_and_twice_by_two_is_two(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    await asyncio.gather(*(keep.do(bank.pay(giver=ada, receiver=bob, amount=1)) for _ in range(2)))
    await keep.do(bank.pay(giver=ada, receiver=ada, amount=1))

    _, first, second = await entries(keep, ada)

    assert [entry["changes"][0][3]["amount"] for entry in (first, second)] == [99, 98]
    assert [entry["seq"] for entry in (first, second)] == [2, 3]
    # Paying oneself changed nothing, so there is nothing to tell.
    await verified(keep)


async def test_json_that_python_thinks_equal_is_journaled_as_changed(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    values: list[Any] = [1, True, 1.0, 0, False, 0.0]

    for value in values:
        await keep.do(bank.set_meta(account=ada, meta={"n": value}))

    written = [entry["changes"][0][3]["meta"]["n"] for entry in (await entries(keep, ada))[1:]]
    assert list(map(repr, written)) == list(map(repr, values))
    found = await keep.ask(bank.profile(account=ada))
    assert found is not None
    assert repr(found.meta) == "{'n': 0.0}"
    await verified(keep)


async def test_a_refused_command_leaves_no_entry(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")

    with pytest.raises(bank.TooPoor):
        await keep.do(bank.spend_then_look(account=ada, amount=1))

    assert len(await entries(keep, ada)) == 1


async def test_sequences_have_no_gaps_however_commands_race(keep: WatchedKeep) -> None:
    people = await accounts(keep, "ada", "bob", "cy")

    await asyncio.gather(
        *(keep.do(bank.pay(giver=people[i % 3], receiver=people[(i + 1) % 3], amount=1 + 50 * (i % 2))) for i in range(40)),
        return_exceptions=True,
    )

    for person in people:
        found = [entry["seq"] for entry in await entries(keep, person)]
        assert found == list(range(1, len(found) + 1))
        assert await one(keep, "SELECT journal_seq FROM owners WHERE id = ?", person) == len(found)
    await verified(keep)


# Secrets and people


async def contents(keep: WatchedKeep) -> bytes:
    """Every byte of a SQLite database and its log, or every row of a PostgreSQL one as text."""
    url = keep.settings.url
    if url.startswith("sqlite"):
        return b"".join(Path(file_of(url) + suffix).read_bytes() for suffix in ("", "-wal"))
    async with raw(url) as sql:
        names = [row[0] for row in await sql.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        tables = [await sql.rows(f'SELECT t::text FROM "{name}" t') for name in names]
    return "\n".join(row[0] for table in tables for row in table).encode()


@pytest.mark.parametrize("secret_key", [None, SECRET_KEY])
async def test_a_secret_stands_nowhere_in_the_database(database_url: str, secret_key: str | None) -> None:
    async with open_bank(database_url, secret_key=secret_key) as keep:
        (ada,) = await accounts(keep, "ada")
        token = (await keep.do(bank.log_in(account=ada, password="Correct-Horse-7"), key="k")).token
        await keep.do(bank.pay_in(account=ada, amount=1, memo="to be found"))

        everything = await contents(keep)

        assert b"to be found" in everything
        assert b"Correct-Horse-7" not in everything
        assert token == "cORRECT-hORSE-7"
        assert token.encode() not in everything
        _, entry, _ = await entries(keep, ada)
        assert entry["arguments"] == {"account": ada, "password": "[secret]"}
        assert entry["result"] == {"account_id": ada, "token": "[secret]"}


async def test_a_secret_column_stands_in_the_journal_as_a_digest(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    await keep.do(bank.set_pin(account=ada, pin="swordfish"))

    _, entry = await entries(keep, ada)

    assert "swordfish" not in str(entry)
    assert entry["arguments"] == {"account": ada, "pin": "[secret]"}
    assert list(entry["changes"][0][3]["pin"]) == ["sha256"]
    await verified(keep)


@pytest.mark.parametrize("secret_key", [None, SECRET_KEY])
async def test_personal_data_stands_sealed_and_can_be_erased_for_good(database_url: str, secret_key: str | None) -> None:
    async with open_bank(database_url, secret_key=secret_key) as keep:
        ada, bob = await accounts(keep, "ada", "bob")
        await keep.do(bank.set_mail(account=ada, mail="ada.lovelace@analytical.example"))
        sealed = (await entries(keep, ada))[1]
        stored = await one(keep, "SELECT data_key FROM owners WHERE id = ?", ada)

        assert "analytical" not in str(await rows(keep, "SELECT * FROM journal"))
        unseal = keep.runner.sealer.unseal
        assert unseal(bytes(stored), sealed["arguments"]["mail"]) == "ada.lovelace@analytical.example"
        assert unseal(bytes(stored), sealed["changes"][0][3]["mail"]) == "ada.lovelace@analytical.example"
        assert unseal(bytes(stored), sealed["changes"][0][2]["mail"]) == "ada@example.org"

        await keep.do(bank.erase(account=ada), actor="operator:eve", reason="asked to be forgotten")

        assert await one(keep, "SELECT data_key FROM owners WHERE id = ?", ada) is None
        assert unseal(None, sealed["arguments"]["mail"]) is None
        assert "analytical" not in str([await rows(keep, f"SELECT * FROM {name}") for name in ("journal", "bank_profiles", "idempotency")])
        # Others keep theirs, the chains hold, and what comes later is not sealed with a key that nobody has.
        assert await one(keep, "SELECT data_key FROM owners WHERE id = ?", bob) is not None
        await keep.do(bank.set_mail(account=ada, mail="new@example.org"))
        assert (await entries(keep, ada))[-1]["arguments"]["mail"] == {"sealed": None}
        await verified(keep)


async def test_destroying_a_persons_key_alone_is_journaled_and_known_to_every_process(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    async with open_bank(keep.settings.url) as there:
        await there.do(bank.set_mail(account=ada, mail="ada@example.org"))

        await keep.do(bank.erase_key(account=ada), actor="operator:eve")
        await there.do(bank.set_mail(account=ada, mail="again@example.org"))

    *_, erased, later = await entries(keep, ada)
    assert (erased["command"], erased["actor"], erased["changes"]) == ("bank.erase_key", "operator:eve", [])
    assert later["arguments"]["mail"] == {"sealed": None}
    await verified(keep)


# Append-only


@pytest.mark.parametrize("table", ["journal", "bank_receipts"])
async def test_a_written_row_is_never_changed_removed_or_replaced(keep: WatchedKeep, table: str) -> None:
    (ada,) = await accounts(keep, "ada")
    await keep.do(bank.pay_in(account=ada, amount=5, memo="once"))
    before = await rows(keep, f"SELECT * FROM {table} ORDER BY 1, 2")
    keys = [column.name for column in schema.METADATA.tables[table].primary_key.columns]
    columns = [column.name for column in schema.METADATA.tables[table].columns]
    other = columns[-1]
    same = f"SELECT {', '.join(columns)} FROM {table}"
    attacks = [
        f"UPDATE {table} SET {other} = {other}",
        f"UPDATE {table} SET {keys[0]} = 'other'",
        f"DELETE FROM {table}",
        f"INSERT INTO {table} {same} WHERE true ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {other} = excluded.{other}",
    ]
    if keep.store.dialect == "sqlite":
        attacks += [
            f"INSERT OR REPLACE INTO {table} {same}",
            f"REPLACE INTO {table} {same}",
            f"UPDATE OR REPLACE {table} SET {other} = {other}",
        ]
    else:
        attacks += [f"TRUNCATE {table}", f"TRUNCATE {table} CASCADE"]

    for attack in attacks:
        with pytest.raises((apsw.Error, asyncpg.PostgresError), match="append-only"):
            await rows(keep, attack)

    assert await rows(keep, f"SELECT * FROM {table} ORDER BY 1, 2") == before
    await verified(keep)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE bank_purses SET amount = -1",
        "UPDATE bank_purses SET amount = 9007199254740992",
        "UPDATE bank_purses SET amount = NULL",
        "UPDATE bank_purses SET amount = 'much'",
        "UPDATE bank_purses SET coin = NULL",
        "UPDATE bank_purses SET account_id = NULL",
        "UPDATE owners SET version = -1",
        "UPDATE owners SET lease_holder = 'thief'",
        "INSERT INTO bank_purses SELECT * FROM bank_purses",
        "INSERT INTO bank_coupons VALUES ('a', 'b', 0, false)",
        "INSERT INTO bank_coupons VALUES ('a', 'b', 1, NULL)",
        "INSERT INTO bank_receipts VALUES ('a', 'b', 1, 'memo', -1)",
    ],
)
async def test_plain_sql_cannot_store_what_no_command_could(keep: WatchedKeep, statement: str) -> None:
    await accounts(keep, "ada")

    with pytest.raises((apsw.ConstraintError, asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)):
        await rows(keep, statement)

    assert await rows(keep, "SELECT coin, amount FROM bank_purses") == [("gold", 100)]


async def test_plain_sql_cannot_store_a_fraction_or_what_is_no_number(keep: WatchedKeep) -> None:
    await accounts(keep, "ada")
    sqlite = keep.store.dialect == "sqlite"
    amounts = ["1.5", "9e18", "'1.5'"] if sqlite else ["'NaN'", "'Infinity'", "'1.5'", "9e18::bigint"]
    places = ["9e999", "-9e999", "NULL"] if sqlite else ["'NaN'", "'Infinity'", "'-Infinity'", "NULL"]

    for statement in [
        *(f"UPDATE bank_purses SET amount = {amount}" for amount in amounts),
        *(f"INSERT INTO bank_places VALUES ('a', {place})" for place in places),
    ]:
        with pytest.raises((apsw.ConstraintError, asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)):
            await rows(keep, statement)

    # A fraction that PostgreSQL rounds, as it does for everybody, is a whole number all the same.
    assert await one(keep, "SELECT amount FROM bank_purses") == 100


async def test_verification_counts_what_it_has_seen(keep: WatchedKeep) -> None:
    await accounts(keep, "ada", "bob")

    report = await verify(keep)

    assert (report.ok, report.owners, report.entries, report.rows) == (True, 3, 2, 4)


# The encoding

VALUES = st.lists(
    st.none()
    | st.integers()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.text("n\0\x01i5t-18", max_size=20)
    | st.binary(max_size=12)
    | st.integers(-3, 3).map(str),
    max_size=20,
)


@given(VALUES, VALUES)
def test_two_rows_have_the_same_bytes_only_when_they_are_the_same(one: list[Any], other: list[Any]) -> None:
    alike = list(map(type, one)) == list(map(type, other)) and one == other

    assert (canonical(one) == canonical(other)) == alike


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)


@given(st.tuples(*[TEXT | st.none()] * 5), st.tuples(*[TEXT] * 6), st.integers(0, 2**53), st.integers(0, 2**53))
def test_an_entry_has_the_bytes_of_its_values(maybe: tuple[Any, ...], texts: tuple[str, ...], seq: int, at: int) -> None:
    owner, command_id, command, actor, origin, changes = texts
    reason, owners, arguments, result, key = maybe
    entry = (owner, seq, command_id, at, command, actor, reason, origin, owners, arguments, result, key, changes)

    assert canonical_entry(*entry) == canonical(entry)


@given(st.binary(max_size=300))
def test_the_digest_is_hmac_sha_256(data: bytes) -> None:
    key = hmac.digest(SECRET_KEY.encode(), b"gamekeeper/chain", "sha256")

    assert Sealer(SECRET_KEY).digest(data) == hmac.digest(key, data, "sha256")
    assert Sealer(None).digest(data) == hashlib.sha256(data).digest()


@given(VALUES, st.data())
def test_moving_the_border_between_two_texts_changes_the_bytes(values: list[Any], data: st.DataObject) -> None:
    text = data.draw(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
    first, second = data.draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=2, unique=True))

    splits = [canonical([*values, text[:at], text[at:]]) for at in (first, second)]

    assert splits[0] != splits[1]


def test_types_of_one_look_differ() -> None:
    looks: list[list[Any]] = [[1], ["1"], [b"1"], [None], [""], [b""], [], [None, None], ["\0"], [0], ["n"], ["1", ""], ["", "1"]]

    assert len({canonical(look) for look in looks}) == len(looks)
    assert len({canonical([msgspec.json.encode(look).decode()]) for look in ([1], ["1"], [None])}) == 3
