"""The hand-written peers of W10: the rows that gamekeeper writes for a trade, on the raw driver in one transaction."""

from typing import Any
from uuid import uuid4

import apsw
import asyncpg

from . import world
from .goals import BY_HAND, Store
from .measure import drive, drive_in_line
from .ours import Candidate
from .result import BenchmarkFailed, Result
from .stages import open_sqlite, script
from .trade_by_hand import ACTOR, Holding, Key, Owner, opening_holdings, opening_owners, rows_of

TOTAL = "SELECT coalesce(sum(quantity), 0) FROM holdings"
UNCHAINED = """SELECT count(*) FROM owners o WHERE o.version > 0 AND NOT EXISTS
  (SELECT 1 FROM journal j WHERE j.owner_id = o.id AND j.seq = o.journal_seq AND j.hash = o.head_hash)"""

OVERWRITE = """ON CONFLICT (owner_id, container, slot) DO UPDATE
  SET item_id = excluded.item_id, quantity = excluded.quantity, item_uid = excluded.item_uid, metadata = excluded.metadata"""


def judge(total: int, unchained: int) -> None:
    """Raise if units were lost or made, or a head does not point at the last journal entry."""
    if total != world.HOT * world.STACKS * world.QUANTITY or unchained:
        raise BenchmarkFailed(f"wrong work by hand: {total} units, {unchained} broken heads")


class TradeOnAsyncpg:
    """W10 on PostgreSQL: one connection kept open, prepared statements by the driver's cache."""

    name = BY_HAND

    async def setup(self, url: str) -> None:
        """Open the connection; create and fill the tables if they are not there."""
        self.connection: Any = await asyncpg.connect(url)
        if await self.connection.fetchval("SELECT to_regclass('owners')") is None:
            await self.connection.execute(script("by_hand_postgresql.sql"))
            insert = "INSERT INTO owners (id, kind, version, epoch, head_hash, journal_seq) VALUES ($1, $2, $3, $4, $5, $6)"
            await self.connection.executemany(insert, opening_owners())
            await self.connection.executemany("INSERT INTO holdings VALUES ($1, $2, $3, $4, $5, $6, $7)", opening_holdings())
            # Only the filled tables: analysed while empty, the others would be planned as sequential scans and slow down as they grow.
            await self.connection.execute("VACUUM ANALYZE owners, holdings")

    async def run(self, tasks: int, seconds: float) -> Result:
        """Measure; one connection carries one trade at a time."""
        if tasks != 1:
            raise BenchmarkFailed("by hand there is one caller")
        return await drive("W10", self.name, tasks, seconds, self.trade)

    async def close(self) -> None:
        """Check the sums and heads."""
        judge(await self.connection.fetchval(TOTAL), await self.connection.fetchval(UNCHAINED))
        await self.connection.close()

    async def trade(self) -> None:
        """One trade, one transaction."""
        trade, key = world.any_trade(), str(uuid4())
        who = [world.character_id(trade.left + 1), world.character_id(trade.right + 1)]
        connection = self.connection
        async with connection.transaction():
            locked = await connection.fetch(
                "SELECT id, version, head_hash, journal_seq FROM owners WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE", who
            )
            seen = await connection.fetchrow("SELECT request_hash, response FROM idempotency WHERE actor = $1 AND key = $2", ACTOR, key)
            if seen:
                return
            held = await connection.fetch(
                "SELECT owner_id, container, slot, item_id, quantity, item_uid, metadata FROM holdings WHERE owner_id = ANY($1::text[])",
                who,
            )
            owners: dict[str, Owner] = {row[0]: tuple(row) for row in locked}
            holdings: dict[Key, Holding] = {(row[0], row[1], row[2]): tuple(row) for row in held}
            rows = rows_of(trade, key, owners, holdings)
            await connection.executemany(
                f"INSERT INTO holdings VALUES ($1, $2, $3, $4, $5, $6, $7) {OVERWRITE}",
                rows.holdings,
            )
            await connection.executemany("INSERT INTO item_movements VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)", rows.movements)
            await connection.executemany(
                "INSERT INTO journal VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)", rows.journal
            )
            await connection.execute("INSERT INTO idempotency VALUES ($1, $2, $3, $4, $5)", *rows.idempotency)
            await connection.executemany("UPDATE owners SET version = $1, head_hash = $2, journal_seq = $3 WHERE id = $4", rows.owners)


class TradeOnApsw:
    """W10 on SQLite: in the caller's thread, with nothing between the caller and the driver."""

    name = BY_HAND

    async def setup(self, url: str) -> None:
        """Open the file; create and fill the tables if they are not there."""
        self.connection = open_sqlite(url)
        if self.connection.table_exists(None, "owners"):
            return
        with self.connection:
            self.connection.execute(script("by_hand_sqlite.sql"))
            insert = "INSERT INTO owners (id, kind, version, epoch, head_hash, journal_seq) VALUES (?, ?, ?, ?, ?, ?)"
            self.connection.executemany(insert, opening_owners())
            self.connection.executemany("INSERT INTO holdings VALUES (?, ?, ?, ?, ?, ?, ?)", opening_holdings())

    async def run(self, tasks: int, seconds: float) -> Result:
        """Measure in one loop."""
        return drive_in_line("W10", self.name, tasks, seconds, self.trade)

    async def close(self) -> None:
        """Check the sums and heads."""
        total, unchained = (self._rows(sql)[0][0] for sql in (TOTAL, UNCHAINED))
        judge(total, unchained)
        self.connection.close()

    def trade(self) -> None:
        """One trade, one transaction; the write lock is taken before anything is read."""
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._write(connection, world.any_trade(), str(uuid4()))
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def _write(self, connection: apsw.Connection, trade: world.Trade, key: str) -> None:
        who = (world.character_id(trade.left + 1), world.character_id(trade.right + 1))
        locked = self._rows("SELECT id, version, head_hash, journal_seq FROM owners WHERE id IN (?, ?)", who)
        if self._rows("SELECT request_hash, response FROM idempotency WHERE actor = ? AND key = ?", (ACTOR, key)):
            return
        held = self._rows(
            "SELECT owner_id, container, slot, item_id, quantity, item_uid, metadata FROM holdings WHERE owner_id IN (?, ?)", who
        )
        owners: dict[str, Owner] = {row[0]: row for row in locked}
        holdings: dict[Key, Holding] = {(row[0], row[1], row[2]): row for row in held}
        rows = rows_of(trade, key, owners, holdings)
        connection.executemany(
            f"INSERT INTO holdings VALUES (?, ?, ?, ?, ?, ?, ?) {OVERWRITE}",
            rows.holdings,
        )
        connection.executemany("INSERT INTO item_movements VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows.movements)
        connection.executemany("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows.journal)
        connection.execute("INSERT INTO idempotency VALUES (?, ?, ?, ?, ?)", rows.idempotency)
        connection.executemany("UPDATE owners SET version = ?, head_hash = ?, journal_seq = ? WHERE id = ?", rows.owners)

    def _rows(self, sql: str, values: tuple[str, ...] = ()) -> list[Any]:
        return self.connection.execute(sql, values).fetchall()


BY_HAND_PEERS: dict[tuple[str, Store], type[Candidate]] = {("W10", "postgresql"): TradeOnAsyncpg, ("W10", "sqlite"): TradeOnApsw}
