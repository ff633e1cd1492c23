"""The boards of the benchmark of leaderboards: a skill of many characters, filled by one statement per table."""

import asyncio
from collections.abc import Mapping
from typing import Any

import apsw
import asyncpg
from redis.asyncio import Redis

import gamekeeper
from gamekeeper.kernel import standings
from gamekeeper.modules import content, skills, xp

from .goals import Store
from .ours import SETTINGS
from .stages import open_sqlite

SKILL = "fishing"
MOST_XP = 13_000_000
"""Nobody is beyond the last level, nor near the curve's cap."""
_SPREAD = 2_654_435_761
"""A prime, larger than a board and MOST_XP: it throws the numbers of characters all over the range of scores."""
_REDIS_AT_ONCE = 10_000


def character(number: int) -> str:
    """Give the id of a character, counted from 1.

    >>> character(7)
    'c0000000007'
    """
    return f"c{number:010}"


def points(number: int) -> int:
    """Give the experience that a character begins with; the databases reckon the same.

    >>> points(1), points(2)
    (2435761, 4871522)
    """
    return number * _SPREAD % MOST_XP


_POINTS = f"n * {_SPREAD} % {MOST_XP}"
_FILL: Mapping[str, str] = {
    "owners (id, kind, version, epoch, head_hash, journal_seq)": "{id}, 'character', 1, 0, {zeros}, 0",
    "characters (character_id, user_id, world_id, name, name_key, created_at, updated_at, rank, is_guest_created)": (
        "{id}, NULL, 'bench', 'Name ' || n, 'name ' || n, 0, 0, 'normal', {no}"
    ),
    "character_skills (character_id, skill, level, xp)": f"{{id}}, '{SKILL}', 1, {_POINTS}",
}
_WORDS: Mapping[Store, Mapping[str, str]] = {
    "postgresql": {
        "id": "'c' || lpad(n::text, 10, '0')",
        "zeros": r"'\x" + "00" * 32 + "'",
        "no": "false",
        "numbers": "generate_series(1::bigint, {size}) AS numbers(n)",
    },
    "sqlite": {
        "id": "printf('c%010d', n)",
        "zeros": "x'" + "00" * 32 + "'",
        "no": "0",
        "numbers": "(WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {size}) SELECT n FROM counted)",
    },
}


def _statements(store: Store, size: int) -> list[str]:
    words = _WORDS[store]
    numbers = words["numbers"].format(size=size)
    return [f"INSERT INTO {into} SELECT {what.format(**words)} FROM {numbers}" for into, what in _FILL.items()]


async def fill(store: Store, url: str, size: int) -> None:
    """Make a board of a size in an empty database."""
    pack = content.pack_of(
        xp.CurveDefinition(id="runescape", name="RuneScape", formula="runescape"),
        skills.SkillDefinition(id=SKILL, name="Fishing"),
        id="bench",
        version="1",
        title="Bench",
    )
    async with gamekeeper.open(url, create=True, **SETTINGS) as keep:
        await keep.do(content.load_pack(pack=pack))
    await (_fill_postgresql(url, size) if store == "postgresql" else asyncio.to_thread(_fill_sqlite, url, size))
    async with gamekeeper.open(url, **SETTINGS) as keep:
        await standings.rebuild(keep.store)
    if store == "postgresql":
        await _execute(url, "VACUUM ANALYZE", "CHECKPOINT")


async def _fill_postgresql(url: str, size: int) -> None:
    await _execute(url, *_statements("postgresql", size))


async def _execute(url: str, *statements: str) -> None:
    connection: Any = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement, timeout=600)
    finally:
        await connection.close()


def _fill_sqlite(url: str, size: int) -> None:
    connection: apsw.Connection = open_sqlite(url)
    connection.execute("BEGIN IMMEDIATE")
    for statement in _statements("sqlite", size):
        connection.execute(statement)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


async def fill_redis(redis: Redis, board: str, size: int) -> None:
    """Make the same board as a sorted set."""
    for first in range(1, size + 1, _REDIS_AT_ONCE):
        numbers = range(first, min(size + 1, first + _REDIS_AT_ONCE))
        await redis.zadd(board, {character(number): points(number) for number in numbers})
