"""`days`: the close of many characters' day, against the same outcome by hand on the raw driver, one transaction for each of them.

Ours goes the way of the job: pages of those that are due, one command for each page. Both take the same number in turn, in an order by
chance, so that what else the machine does meets both alike.
"""

import asyncio
import gc
import random
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import apsw
import asyncpg
from rich.console import Console
from rich.table import Table

import gamekeeper
from gamekeeper.keep import Keep
from gamekeeper.kernel.memory import look_seldom_for_cycles
from gamekeeper.modules import dailies, evening

from .days_world import DAY, TODAY, TOUCHED, evening_of_today, fill, fill_peer
from .goals import Store
from .ours import SETTINGS
from .result import BenchmarkFailed
from .stages import Stage, open_sqlite
from .worker import new_event_loop

SIZE: Final = 20_000
GOAL: Final = 5_000.0
"""users a second"""
PAGES: Final = 10
"""of ours in one turn"""
AHEAD: Final = 2
"""pages that are being closed at once, as the job does it"""
CONNECTIONS: Final = 10
"""of the peer to PostgreSQL"""
OURS, BY_HAND = "gamekeeper", "by hand"


@dataclass(frozen=True, slots=True)
class Closed:
    """How many days a second each of the two closed, turn by turn."""

    store: str
    characters: int
    touched: int
    """of ten characters"""
    ours_per_second: list[float]
    ours_cpu_us: list[float]
    by_hand_per_second: list[float]

    @property
    def ratio(self) -> float:
        """Ours over theirs, within each turn."""
        return median(mine / his for mine, his in zip(self.ours_per_second, self.by_hand_per_second, strict=True))

    @property
    def met(self) -> bool:
        """Whether the goal was reached."""
        return median(self.ours_per_second) >= GOAL


class _Ours:
    """The job's way."""

    def __init__(self, keep: Keep) -> None:
        self.keep = keep

    async def close(self, count: int) -> int:
        """Close the days of so many characters, or of all that are left."""
        page = await self.keep.ask(dailies.due(limit=evening.MOST_CHARACTERS))
        done, running = 0, set[asyncio.Task[evening.DaysClosed]]()
        while page.items and done < count:
            due = [one.character_id for one in page.items]
            call = evening.close_days(characters=due)
            running.add(asyncio.create_task(self.keep.do(call, actor="operator:job:close_days")))
            done += len(due)
            if len(running) == AHEAD:
                _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            if page.next_cursor is None:
                break
            page = await self.keep.ask(dailies.due(limit=evening.MOST_CHARACTERS, cursor=page.next_cursor))
        await asyncio.gather(*running)
        return done


# By hand

CORE_TOTAL, NEEDED, MISSED = 4, 3, 2
DUE = "SELECT id FROM users WHERE next_close_at <= $1 ORDER BY next_close_at, id LIMIT $2"
USER = "SELECT last_closed, next_close_at, current_streak, longest_streak, perfect_streak, debuff_until FROM users WHERE id = $1"
LOGS = "SELECT template, status FROM quest_logs WHERE user_id = $1 AND day = $2"
EXPIRE = "UPDATE quest_logs SET status = 'EXPIRED' WHERE user_id = $1 AND day = $2 AND template = $3"
LOG = "INSERT INTO daily_logs VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (user_id, day) DO UPDATE SET core_completed = $3, streak = $7"
STREAK = (
    "UPDATE users SET last_closed = $2, next_close_at = $3, current_streak = $4, longest_streak = $5, perfect_streak = $6,"
    " debuff_until = $7 WHERE id = $1"
)


def _evaluated(user: Sequence[Any], logs: Sequence[Sequence[Any]], now: int) -> tuple[list[str], tuple[Any, ...], tuple[Any, ...]]:
    """Give what a day comes to: the quests that were not done, the rest of the day's row and of the user's."""
    _, closes, current, longest, perfect, debuff_until = user
    done = sum(status == "COMPLETED" for _, status in logs)
    current = current + 1 if done >= NEEDED else 0
    debuff = CORE_TOTAL - done >= MISSED and (debuff_until is None or debuff_until <= now)
    day = (done, CORE_TOTAL, int(done == CORE_TOTAL), int(debuff), current)
    until = now + int(DAY * 1000) if debuff else debuff_until
    streaks = (closes + int(DAY * 1000), current, max(longest, current), perfect + 1 if done == CORE_TOTAL else 0, until)
    return [template for template, status in logs if status == "ACTIVE"], day, streaks


class _BySqlite:
    def __init__(self, connection: apsw.Connection, now: int) -> None:
        self.connection = connection
        self.now = now

    async def close(self, count: int) -> int:
        """Close the days of so many users, each in a transaction."""
        due = [row[0] for row in self._execute(DUE, self.now, count)]
        for id in due:
            self._one(id)
        return len(due)

    def _execute(self, text: str, *values: Any) -> list[Any]:
        # To SQLite $1 is a name, and ?1 a number.
        return self.connection.execute(text.replace("$", "?"), values).fetchall()

    def _one(self, id: str) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        user = self._execute(USER, id)[0]
        missed, day, streaks = _evaluated(user, self._execute(LOGS, id, TODAY), self.now)
        for template in missed:
            self._execute(EXPIRE, id, TODAY, template)
        self._execute(LOG, id, TODAY, *day)
        self._execute(STREAK, id, TODAY, *streaks)
        self.connection.execute("COMMIT")


class _ByPostgresql:
    def __init__(self, pool: Any, now: int) -> None:
        self.pool = pool
        self.now = now

    async def close(self, count: int) -> int:
        """Close the days of so many users, each in a transaction, over ten connections."""
        due = [row[0] for row in await self.pool.fetch(DUE, self.now, count)]
        left = iter(due)
        await asyncio.gather(*(self._some(left) for _ in range(CONNECTIONS)))
        return len(due)

    async def _some(self, left: Any) -> None:
        async with self.pool.acquire() as connection:
            for id in left:
                async with connection.transaction():
                    user = await connection.fetchrow(f"{USER} FOR UPDATE", id)
                    missed, day, streaks = _evaluated(user, await connection.fetch(LOGS, id, TODAY), self.now)
                    for template in missed:
                        await connection.execute(EXPIRE, id, TODAY, template)
                    await connection.execute(LOG, id, TODAY, *day)
                    await connection.execute(STREAK, id, TODAY, *streaks)


_Peer = _BySqlite | _ByPostgresql


async def _by_hand(store: Store, url: str, now: int, stack: AsyncExitStack) -> _Peer:
    if store == "sqlite":
        connection = open_sqlite(url)
        stack.callback(connection.close)
        return _BySqlite(connection, now)
    return _ByPostgresql(await stack.enter_async_context(asyncpg.create_pool(url, min_size=CONNECTIONS, max_size=CONNECTIONS)), now)


# Both in turn

OUTCOME: Final = (
    "SELECT count(*), sum(core_completed), sum(streak), sum(CASE WHEN {debuff} THEN 1 ELSE 0 END) FROM daily_logs WHERE {day} = '{today}'"
    " AND {owner} LIKE 'c0%'"
)
EXPIRED: Final = "SELECT count(*) FROM quest_logs WHERE status = 'EXPIRED' AND {owner} LIKE 'c0%'"
_COLUMNS: Final = {
    OURS: {"debuff": "debuff_triggered", "day": "day_date", "owner": "character_id"},
    BY_HAND: {"debuff": "debuff = 1", "day": "day", "owner": "user_id"},
}


async def _outcome(store: Store, url: str, who: str) -> list[int]:
    texts = [text.format(today=TODAY, **_COLUMNS[who]) for text in (OUTCOME, EXPIRED)]
    if store == "sqlite":
        opened = open_sqlite(url)
        try:
            return [int(value) for text in texts for row in opened.execute(text) for value in row]
        finally:
            opened.close()
    connection: Any = await asyncpg.connect(url)
    try:
        return [int(value) for text in texts for value in await connection.fetchrow(text)]
    finally:
        await connection.close()


async def _measure(stage: Stage, size: int, touched: int, say: Callable[[str], None]) -> Closed:
    store, ours, theirs = stage.store, stage.empty(f"days_{touched}"), stage.empty(f"days_{touched}_by_hand")
    began = time.monotonic()
    await fill(store, ours, size, touched)
    await fill_peer(store, theirs, size, touched)
    say(f"  days {store}: {size:,} characters, {touched} of ten there, filled in {time.monotonic() - began:.0f} s")
    closed, clock = Closed(store, size, touched, [], [], []), evening_of_today()
    async with AsyncExitStack() as stack:
        keep = await stack.enter_async_context(gamekeeper.open(ours, clock=clock, **SETTINGS))
        peer = await _by_hand(store, theirs, clock.now_ms(), stack)
        sides: list[_Ours | _Peer] = [_Ours(keep), peer]
        for _ in range(2 + size // (evening.MOST_CHARACTERS * PAGES)):
            for side in random.sample(sides, len(sides)):
                began, cpu = time.perf_counter(), time.process_time()
                done = await side.close(evening.MOST_CHARACTERS * PAGES)
                taken, cpu = time.perf_counter() - began, time.process_time() - cpu
                if done < evening.MOST_CHARACTERS:
                    sides.remove(side)
                else:
                    _note(closed, side, done, taken, cpu)
    outcomes = [await _outcome(store, ours, OURS), await _outcome(store, theirs, BY_HAND)]
    there = sum(number % 10 < touched for number in range(1, size + 1))
    wanted = [size, 2 * there, 0, size, 2 * there]
    if outcomes != [wanted, wanted]:
        raise BenchmarkFailed(f"the days came to {outcomes}, and not to {wanted}")
    say(f"  days {store}: {median(closed.ours_per_second):,.0f}/s, by hand {median(closed.by_hand_per_second):,.0f}/s")
    return closed


def _note(closed: Closed, side: object, done: int, taken: float, cpu: float) -> None:
    if isinstance(side, _Ours):
        closed.ours_per_second.append(done / taken)
        closed.ours_cpu_us.append(cpu / done * 1e6)
    else:
        closed.by_hand_per_second.append(done / taken)


def measure(stage: Stage, size: int, say: Callable[[str], None]) -> list[Closed]:
    """Close a day of so many characters on one store, both ways, in each of the worlds."""
    # Both as in processes of gamekeeper's own.
    before = gc.get_threshold()
    look_seldom_for_cycles()
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            return [runner.run(_measure(stage, size, touched, say)) for touched in TOUCHED]
    finally:
        gc.set_threshold(*before)


def show(closed: Sequence[Closed], console: Console) -> None:
    """Print what was found."""
    table = Table(title="days: the close of a day; who has touched it has done 2 of 4 core quests")
    for heading in ("store", "characters", "there", "ours /s", "own CPU us each", "by hand /s", "ratio", "goal /s", "met"):
        table.add_column(heading, no_wrap=True, justify="left" if heading == "store" else "right")
    for one in closed:
        table.add_row(
            one.store,
            f"{one.characters:,}",
            f"{one.touched} of 10",
            f"{median(one.ours_per_second):,.0f}",
            f"{median(one.ours_cpu_us):,.0f}",
            f"{median(one.by_hand_per_second):,.0f}",
            f"{one.ratio:.1f}x",
            f"{GOAL:,.0f}",
            "[green]yes[/]" if one.met else "[red]no[/]",
        )
    console.print(table)
