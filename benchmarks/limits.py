"""What the machine can do at best: pgbench for PostgreSQL, raw apsw in one thread for SQLite."""

import random
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from . import world
from .contestants import SLACK_SECONDS, PythonContestant, nothing_to_check, run_process
from .goals import LIMIT, Store
from .measure import Refusal, drive_in_line
from .ours import Candidate
from .result import BenchmarkFailed, Result
from .stages import SQL, Stage, open_sqlite, variables

CLIENTS, LOAD_CLIENTS = 16, 8
"""What pgbench opens at most: the numbers that gave it its best figures on two cores, 4 to 16 tried."""


@dataclass(slots=True)
class Pgbench:
    """A script of `sql/` run by pgbench: a client in C that computes nothing."""

    workload: str
    program: str
    url: str
    name: str = LIMIT
    serial: bool = False
    check: Callable[[], None] = field(default=nothing_to_check)

    def run(self, tasks: int, seconds: float) -> Result:
        """Measure once; pgbench takes whole seconds only."""
        clients = min(tasks, LOAD_CLIENTS if self.workload == "W1" else CLIENTS)
        whole_seconds = max(1, round(seconds))
        with tempfile.TemporaryDirectory() as folder:
            command = [self.program, "-n", "-M", "prepared", "-c", str(clients), "-j", str(min(clients, 2)), "-T", str(whole_seconds)]
            # Writing down every latency would cost the short statements something.
            command += ["-l", f"--log-prefix={folder}/log", f"--sampling-rate={1.0 if self.workload == 'W3' else 0.1}"]
            command += [f"-D{name}={value}" for name, value in variables().items()]
            output = run_process([*command, "-f", str(SQL / f"pgbench_{self.workload}.sql"), self.url], whole_seconds + SLACK_SECONDS)
            return _read_pgbench(self.workload, tasks, whole_seconds, output, Path(folder))


def _read_pgbench(workload: str, tasks: int, seconds: float, output: str, folder: Path) -> Result:
    done = re.search(r"transactions actually processed: (\d+)", output)
    rate = re.search(r"^tps = ([\d.]+)", output, re.MULTILINE)
    failed = re.search(r"failed transactions: (\d+)", output)
    if not done or not rate or (failed and int(failed[1])):
        raise BenchmarkFailed(f"pgbench: {output.strip()[-400:]}")
    latencies = sorted(int(line.split()[2]) / 1e3 for file in folder.iterdir() for line in file.read_text().splitlines()) or [0.0]
    p50, p99 = (latencies[int(len(latencies) * share)] for share in (0.5, 0.99))
    return Result(workload, LIMIT, tasks, int(done[1]), seconds, float(rate[1]), p50, p99)


class SqliteLimit(ABC):
    """One connection, one thread, no engine: statements on the raw driver."""

    name = LIMIT
    workload: str

    async def setup(self, url: str) -> None:
        """Open the file that the harness filled."""
        self.connection = open_sqlite(url)
        self.ids = [row[0] for row in self.connection.execute("SELECT id FROM characters ORDER BY rowid")]

    async def run(self, tasks: int, seconds: float) -> Result:
        """Measure in one loop; more tasks could not make one connection faster."""
        return drive_in_line(self.workload, self.name, tasks, seconds, self.once)

    async def close(self) -> None:
        """Let go; the harness checks the market."""
        self.connection.close()

    @abstractmethod
    def once(self) -> None:
        """Do the operation of the workload."""


class LoadOne(SqliteLimit):
    """W1: five selects by key."""

    workload = "W1"
    _SELECTS = (
        "SELECT * FROM characters WHERE id = ?",
        "SELECT * FROM character_skills WHERE character_id = ?",
        "SELECT * FROM character_inventory WHERE character_id = ?",
        "SELECT * FROM character_essences WHERE character_id = ?",
        "SELECT * FROM character_abilities WHERE character_id = ?",
    )

    def once(self) -> None:
        """Load one character into tuples."""
        who = (random.choice(self.ids),)
        for select in self._SELECTS:
            self.connection.execute(select, who).fetchall()


SAVE = (
    "UPDATE characters SET x = ?, y = ?, z = ?, room_id = ?, health = ?, mana = ?, stamina = ?, coins = ?, level = ?, total_xp = ?,"
    " prayer_points = ?, active_prayers = ?, quest_points = ?, version = ?, updated_at = ? WHERE id = ?"
)
Saved = tuple[int | float | str, ...]


def saved_fields(who: str) -> Saved:
    """Fresh values for one character: SQLite writes nothing for a row that does not change."""
    value = random.randrange(1000)
    place = (float(value), 2.5, float(value % 77), f"room_{value % 500}")
    health = (value % 100, 50, value % 60, value * 3, value % 99, value * 100, 5, '["thick_skin"]', value % 300, value)
    return (*place, *health, random.randrange(2**40), who)


class SaveOne(SqliteLimit):
    """W2: one UPDATE, one commit."""

    workload = "W2"

    def once(self) -> None:
        """Save one character."""
        self.connection.execute(SAVE, saved_fields(random.choice(self.ids)))


class SaveAll(SqliteLimit):
    """W3: one executemany in one transaction."""

    workload = "W3"

    def once(self) -> None:
        """Save the dirty characters."""
        rows = [saved_fields(who) for who in self.ids[: world.DIRTY]]
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.executemany(SAVE, rows)
        self.connection.execute("COMMIT")


class Transfer(SqliteLimit):
    """W4: a plain one-way transfer of one unit, one transaction each."""

    workload = "W4"

    def once(self) -> None:
        """Check, update two rows, write one audit row."""
        trade = world.any_trade()
        giver, taker = (who * world.STACKS + trade.gives + 1 for who in (trade.left, trade.right))
        execute = self.connection.execute
        execute("BEGIN IMMEDIATE")
        held = {
            row[0]: row
            for row in execute("SELECT id, item_id, quantity FROM character_inventory WHERE id IN (?, ?) ORDER BY id", (giver, taker))
        }
        if held[giver][2] < 1:
            execute("ROLLBACK")
            raise Refusal("not enough")
        execute("UPDATE character_inventory SET quantity = quantity - 1 WHERE id = ?", (giver,))
        execute("UPDATE character_inventory SET quantity = quantity + 1 WHERE id = ?", (taker,))
        insert = "INSERT INTO trade_audit (from_inventory_id, to_inventory_id, item_id, quantity) VALUES (?, ?, ?, 1)"
        execute(insert, (giver, taker, held[giver][1]))
        execute("COMMIT")


class InsertEvent(SqliteLimit):
    """W5: one raw insert into the ledger, one commit."""

    workload = "W5"

    def once(self) -> None:
        """Insert an event that nothing was reckoned for."""
        values = (random.choice(self.ids), f"{random.getrandbits(96):x}", "0" * 64)
        self.connection.execute(
            "INSERT INTO xp_events (character_id, event_source, source_id, base_xp, final_xp, total_xp_before, total_xp_after,"
            " level_before, level_after, event_hash) VALUES (?, 'QUEST_COMPLETION', ?, 100, 126, 0, 126, 1, 1, ?)",
            values,
        )


class OneCommit(SqliteLimit):
    """W10: the least that a durable change costs."""

    workload = "W10"

    def once(self) -> None:
        """Change one row and commit."""
        self.connection.execute("UPDATE characters SET version = version + 1 WHERE id = ?", (self.ids[0],))


SQLITE_LIMITS: dict[tuple[str, Store], type[Candidate]] = {
    (limit.workload, "sqlite"): limit for limit in (LoadOne, SaveOne, SaveAll, Transfer, InsertEvent, OneCommit)
}


def limit_of(workload: str, stage: Stage) -> Pgbench | PythonContestant | None:
    """The limit of a workload, or None if pgbench is missing."""
    url = stage.hot("limit") if workload in ("W4", "W10") else stage.world("limit")
    check = partial(stage.check_hot, url) if workload == "W4" else nothing_to_check
    if stage.store == "sqlite":
        return PythonContestant(LIMIT, workload, stage.store, "limit", url, serial=True, check=check)
    return Pgbench(workload, stage.pgbench, url, check=check) if stage.pgbench else None
