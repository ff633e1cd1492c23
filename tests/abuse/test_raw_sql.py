"""What the tables themselves refuse, whoever asks and in whatever way: the last line behind every command."""

import apsw
import asyncpg
import pytest

from gamekeeper.keep import Keep
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import items
from tests.crash.raw import Raw, raw
from tests.modules import scene

Refused = (apsw.ConstraintError, asyncpg.IntegrityConstraintViolationError)
OfWrongType = (*Refused, asyncpg.DataError, apsw.Error)


async def a_little_world(keep: Keep) -> tuple[str, str, str]:
    """Two characters; the first holds arrows and a crown, whose id is the third."""
    await scene.stock(keep)
    ada, bob = await scene.people(keep, "Ada", "Bob")
    await keep.do(items.grant(holder=ada, item="arrow", quantity=5, source="loot"))
    await keep.do(items.grant(holder=ada, item="crown", quantity=1, source="loot"))
    return ada, bob, await scene.unique_id(keep, ada)


async def all_rows(database: Raw) -> list[object]:
    """Everything that must not have changed."""
    tables = ("holdings", "item_movements", "journal", "owners", "idempotency")
    return [sorted(map(repr, await database.rows(f"SELECT * FROM {table}"))) for table in tables]


@pytest.mark.parametrize("quantity", ["-1", "0", "9007199254740992", "-9223372036854775808"])
async def test_no_quantity_below_one_or_beyond_an_exact_double(keep: Keep, database_url: str, quantity: str) -> None:
    ada, _, _ = await a_little_world(keep)
    async with raw(database_url) as database:
        before = await all_rows(database)

        with pytest.raises(Refused):
            await database.rows(f"UPDATE holdings SET quantity = {quantity} WHERE holder_id = ? AND item_id = 'arrow'", ada)
        with pytest.raises(Refused):
            await database.rows(f"UPDATE item_movements SET quantity = {quantity}")
        with pytest.raises(Refused):
            await database.rows(
                "INSERT INTO holdings (holder_id, container, slot, item_id, quantity, metadata) "
                f"VALUES (?, 'inventory', 9, 'arrow', {quantity}, '{{}}')",
                ada,
            )

        assert await all_rows(database) == before


@pytest.mark.parametrize("quantity", ["1.5", "'five'", "1e300", "NULL", "'NaN'", "9223372036854775808"])
async def test_no_quantity_that_is_not_a_whole_number(keep: Keep, database_url: str, quantity: str) -> None:
    ada, _, _ = await a_little_world(keep)
    async with raw(database_url) as database:
        # PostgreSQL rounds a numeric on its way into a BIGINT column; what it stores is whole all the same.
        if quantity == "1.5" and not database.sqlite:
            await database.rows(f"UPDATE holdings SET quantity = {quantity} WHERE holder_id = ? AND item_id = 'arrow'", ada)
            assert await database.one("SELECT quantity FROM holdings WHERE holder_id = ? AND item_id = 'arrow'", ada) == 2
            return
        before = await all_rows(database)

        with pytest.raises(OfWrongType):
            await database.rows(f"UPDATE holdings SET quantity = {quantity} WHERE holder_id = ? AND item_id = 'arrow'", ada)

        assert await all_rows(database) == before


async def test_the_largest_quantity_cannot_be_passed_by_adding(keep: Keep, database_url: str) -> None:
    ada, _, _ = await a_little_world(keep)
    async with raw(database_url) as database:
        await database.rows("UPDATE holdings SET quantity = 9007199254740991 WHERE holder_id = ? AND item_id = 'arrow'", ada)

        with pytest.raises(OfWrongType):
            await database.rows("UPDATE holdings SET quantity = quantity + 1 WHERE item_id = 'arrow'")
        with pytest.raises(OfWrongType):
            await database.rows("UPDATE holdings SET quantity = quantity * 9007199254740991 WHERE item_id = 'arrow'")


async def test_a_unique_item_lies_in_one_place(keep: Keep, database_url: str) -> None:
    ada, bob, crown = await a_little_world(keep)
    async with raw(database_url) as database:
        before = await all_rows(database)
        place = (
            "INSERT INTO holdings (holder_id, container, slot, item_id, quantity, item_uid, metadata) VALUES (?, ?, 7, 'crown', 1, ?, '{}')"
        )

        with pytest.raises(Refused):
            await database.rows(place, bob, "inventory", crown)
        with pytest.raises(Refused):
            await database.rows(place, ada, "bank:0", crown)
        with pytest.raises(Refused):
            await database.rows("UPDATE holdings SET item_uid = ?, quantity = 1 WHERE item_id = 'arrow'", crown)
        with pytest.raises(Refused):  # nor two of it in one
            await database.rows("UPDATE holdings SET quantity = 2 WHERE item_uid = ?", crown)

        assert await all_rows(database) == before


async def test_one_slot_holds_one_stack(keep: Keep, database_url: str) -> None:
    ada, _, _ = await a_little_world(keep)
    async with raw(database_url) as database:
        with pytest.raises(Refused):
            await database.rows(
                "INSERT INTO holdings (holder_id, container, slot, item_id, quantity, metadata) "
                "VALUES (?, 'inventory', 0, 'logs', 1, '{}')",
                ada,
            )
        with pytest.raises(Refused):
            await database.rows("UPDATE holdings SET slot = 0 WHERE holder_id = ?", ada)
        with pytest.raises(Refused):
            await database.rows("UPDATE holdings SET container = 'pocket' WHERE holder_id = ?", ada)


@pytest.mark.parametrize("table", ["journal", "item_movements"])
async def test_what_is_written_in_a_ledger_stays(keep: Keep, database_url: str, table: str) -> None:
    await a_little_world(keep)
    async with raw(database_url) as database:
        before = await all_rows(database)
        first = (await database.rows(f"SELECT * FROM {table} LIMIT 1"))[0]
        marks = ", ".join("?" * len(first))
        column = "reason" if table == "journal" else "quantity"
        attacks = [
            f"UPDATE {table} SET {column} = {column}",
            f"UPDATE {table} SET {'hash' if table == 'journal' else 'to_id'} = {'hash' if table == 'journal' else 'from_id'}",
            f"DELETE FROM {table}",
        ]
        if database.sqlite:
            attacks += [f"UPDATE OR REPLACE {table} SET {column} = {column}", f"UPDATE OR IGNORE {table} SET {column} = {column}"]
        else:
            attacks += [f"TRUNCATE {table}", f"TRUNCATE {table} CASCADE"]

        for attack in attacks:
            with pytest.raises(Refused):
                await database.rows(attack)
        for verb in ("INSERT OR REPLACE", "REPLACE") if database.sqlite else ():
            with pytest.raises(Refused):
                await database.rows(f"{verb} INTO {table} VALUES ({marks})", *first)
        conflict = "ON CONFLICT DO NOTHING" if not database.sqlite else ""
        if conflict:
            await database.rows(f"INSERT INTO {table} VALUES ({marks}) {conflict}", *first)  # does nothing, as it says
        with pytest.raises(Refused):
            await database.rows(f"INSERT INTO {table} VALUES ({marks})", *first)
        for pragma in ("PRAGMA recursive_triggers = OFF",) if database.sqlite else ():
            await database.rows(pragma)
            with pytest.raises(Refused):
                await database.rows(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", *first)

        assert await all_rows(database) == before
    assert (await verify(keep)).ok


async def test_what_gets_past_the_tables_is_found_by_verify(keep: Keep, database_url: str) -> None:
    ada, bob, _ = await a_little_world(keep)
    async with raw(database_url) as database:
        # A row that breaks no rule of the table, and yet nobody did it.
        await database.rows("UPDATE holdings SET quantity = quantity + 1 WHERE holder_id = ? AND item_id = 'arrow'", ada)
        await database.rows(
            "INSERT INTO holdings (holder_id, container, slot, item_id, quantity, metadata) "
            "VALUES (?, 'inventory', 0, 'coins', 1000, '{}')",
            bob,
        )

    found = {(problem.owner, problem.table) for problem in (await verify(keep)).problems}

    assert {(ada, "holdings"), (bob, "holdings")} <= found
    differing = {row.item: row.difference for row in await keep.ask(items.conservation()) if row.difference}
    assert differing == {"arrow": -1, "coins": -1000}
