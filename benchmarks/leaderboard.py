"""W8: a leaderboard of up to a million, against a Redis sorted set and a plain index scan.

One caller, idle otherwise. Every operation of everybody on every board is done in turn, in an order by chance, so that what else the
machine does meets all of them alike.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import asyncpg
from redis.asyncio import Redis
from rich.console import Console
from rich.table import Table

import gamekeeper
from gamekeeper.keep import Keep
from gamekeeper.modules import skills
from tests.servers import TemporaryRedis

from .goals import Store
from .leaderboard_world import MOST_XP, SKILL, character, fill, fill_redis
from .ours import SETTINGS
from .result import BenchmarkFailed
from .stages import Stage, open_sqlite

SIZES = (10_000, 100_000, 1_000_000)
P99_MS = 5.0
MOST_GROWTH = 1.3
"""of the p50 from the smallest board to the largest"""
WARM_UP = 20
"""Turns that are not measured: connections, prepared statements and caches fill."""
PAGE, EACH_SIDE = 25, 5
OURS, REDIS, LIMIT = "gamekeeper", "Redis", "index scan"
SUBMIT, RANK, FIRST_PAGE, PAGE_FROM, AROUND = "submit", "rank", "first page", "page from a rank", "around me"

Operation = Callable[[], Awaitable[int]]
"""gives how many places it told"""
_TOLD = {SUBMIT: 1, RANK: 1, FIRST_PAGE: PAGE, PAGE_FROM: PAGE, AROUND: 2 * EACH_SIDE + 1}


@dataclass(frozen=True, slots=True)
class Timed:
    """How long an operation of a contestant took on a board."""

    store: str
    operation: str
    contestant: str
    size: int
    turns: int
    p50_ms: float
    p99_ms: float

    @property
    def met(self) -> bool | None:
        """Whether the goal was reached; None for whom it does not hold."""
        return self.p99_ms < P99_MS if self.contestant == OURS else None


def _ours(keep: Keep, size: int) -> dict[str, Operation]:
    def anybody() -> str:
        return character(random.randint(1, size))

    async def submit() -> int:
        return int((await keep.do(skills.gain(character=anybody(), skill=SKILL, xp=random.randint(1, 1_000)))).gained > 0)

    async def rank() -> int:
        return int(await keep.ask(skills.hiscore(skill=SKILL, character=anybody())) is not None)

    async def first_page() -> int:
        return len((await keep.ask(skills.hiscores(skill=SKILL, limit=PAGE))).items)

    async def page_from() -> int:
        return len((await keep.ask(skills.hiscores_from(skill=SKILL, rank=random.randint(1, size - PAGE), limit=PAGE))).items)

    async def around() -> int:
        rows: list[skills.HiscoreRow] = await keep.ask(skills.hiscores_around(skill=SKILL, character=anybody(), each_side=EACH_SIDE))
        return len(rows)

    return {SUBMIT: submit, RANK: rank, FIRST_PAGE: first_page, PAGE_FROM: page_from, AROUND: around}


def _of_redis(redis: Redis, size: int) -> dict[str, Operation]:
    board = f"board:{size}"

    def anybody() -> str:
        return character(random.randint(1, size))

    async def between(first: int, last: int) -> int:
        return len(await redis.zrevrange(board, first, last, withscores=True))

    async def submit() -> int:
        return int(bool(await redis.zincrby(board, random.randint(1, 1_000), anybody())))

    async def place(who: str) -> int:
        found = await redis.zrevrank(board, who)
        if not isinstance(found, int):
            raise BenchmarkFailed(f"{who} stands nowhere")
        return found

    async def rank() -> int:
        return int(await place(anybody()) >= 0)

    async def page_from() -> int:
        first = random.randint(0, size - PAGE)
        return await between(first, first + PAGE - 1)

    async def around() -> int:
        here = await place(anybody())
        return await between(max(0, here - EACH_SIDE), here + EACH_SIDE)

    return {SUBMIT: submit, RANK: rank, FIRST_PAGE: lambda: between(0, PAGE - 1), PAGE_FROM: page_from, AROUND: around}


# The limit knows where it begins, and tells neither ranks nor names.

_SCAN = (
    f"SELECT character_id, xp FROM character_skills WHERE skill = '{SKILL}' AND (xp, character_id) < ($1, 'z') "
    f"ORDER BY xp DESC, character_id DESC LIMIT {PAGE}"
)


def _scan(fetch: Callable[[int], Awaitable[int]]) -> dict[str, Operation]:
    # From a score that surely has a page below it.
    return {FIRST_PAGE: lambda: fetch(2**53), PAGE_FROM: lambda: fetch(random.randint(MOST_XP // 10, MOST_XP))}


async def _limit(store: Store, url: str, stack: AsyncExitStack) -> dict[str, Operation]:
    if store == "postgresql":
        connection: Any = await asyncpg.connect(url)
        stack.push_async_callback(connection.close)
        prepared = await connection.prepare(_SCAN)

        async def fetch(score: int) -> int:
            return len(await prepared.fetch(score))

        return _scan(fetch)
    opened = open_sqlite(url)
    stack.callback(opened.close)

    async def fetch_here(score: int) -> int:
        return len(opened.execute(_SCAN, (score,)).fetchall())

    return _scan(fetch_here)


async def _measure(stage: Stage, sizes: Sequence[int], turns: int, say: Callable[[str], None]) -> list[Timed]:
    operations: dict[tuple[str, str, int], Operation] = {}
    async with AsyncExitStack() as stack:
        redis = Redis.from_url(stack.enter_context(TemporaryRedis()).url())
        stack.push_async_callback(redis.aclose)
        for size in sizes:
            url, began = stage.empty(f"board_{size}"), time.monotonic()
            await fill(stage.store, url, size)
            await fill_redis(redis, f"board:{size}", size)
            say(f"  W8 {stage.store}: a board of {size:,} filled in {time.monotonic() - began:.0f} s")
            keep = await stack.enter_async_context(gamekeeper.open(url, **SETTINGS))
            contestants = {OURS: _ours(keep, size), REDIS: _of_redis(redis, size), LIMIT: await _limit(stage.store, url, stack)}
            operations |= {(what, who, size): one for who, all_ in contestants.items() for what, one in all_.items()}
        taken = await _in_turn(operations, turns)
    return list(_summed_up(stage.store, taken))


async def _in_turn(operations: dict[tuple[str, str, int], Operation], turns: int) -> dict[tuple[str, str, int], list[float]]:
    taken: dict[tuple[str, str, int], list[float]] = {key: [] for key in operations}
    for turn in range(WARM_UP + turns):
        for key in random.sample(list(operations), len(operations)):
            began = time.perf_counter()
            told = await operations[key]()
            if turn >= WARM_UP:
                taken[key].append((time.perf_counter() - began) * 1e3)
            # At the ends of a board there is nobody on one side.
            if told != _TOLD[key[0]] and not (key[0] == AROUND and told > EACH_SIDE):
                raise BenchmarkFailed(f"{key} told {told} places")
    return taken


def _summed_up(store: str, taken: dict[tuple[str, str, int], list[float]]) -> Iterator[Timed]:
    for (operation, contestant, size), times in sorted(taken.items(), key=lambda item: (list(_TOLD).index(item[0][0]), item[0][1:])):
        times.sort()
        yield Timed(
            store, operation, contestant, size, len(times), times[len(times) // 2], times[min(len(times) - 1, len(times) * 99 // 100)]
        )


def measure(stage: Stage, largest: int, turns: int, say: Callable[[str], None]) -> list[Timed]:
    """Measure everything on one store, on the boards up to a size."""
    sizes = [size for size in SIZES if size < largest] + [largest]
    return asyncio.run(_measure(stage, sizes, turns, say))


def show(timed: Sequence[Timed], console: Console) -> None:
    """Print what was found."""
    sizes = sorted({one.size for one in timed})
    table = Table(title=f"W8 on {timed[0].store}: a leaderboard, {timed[0].turns} turns; p50 / p99 in ms; goal p99 < {P99_MS:.0f} ms")
    table.add_column("operation")
    table.add_column("who")
    for heading in (*(f"{size:,}" for size in sizes), "p50 largest/smallest", "p99 met", f"flat (<= {MOST_GROWTH}x)"):
        table.add_column(heading, justify="right", no_wrap=True)
    by_row: dict[tuple[str, str], list[Timed]] = {}
    for one in timed:
        by_row.setdefault((one.operation, one.contestant), []).append(one)
    for (operation, contestant), row in by_row.items():
        growth = row[-1].p50_ms / row[0].p50_ms
        goals = (_yes(all(one.met for one in row)), _yes(growth <= MOST_GROWTH)) if contestant == OURS else ("-", "-")
        table.add_row(operation, contestant, *(f"{one.p50_ms:.2f} / {one.p99_ms:.2f}" for one in row), f"{growth:.2f}x", *goals)
    console.print(table)


def _yes(met: bool) -> str:
    return "[green]yes[/]" if met else "[red]no[/]"
