"""The worlds of the benchmark of days: many characters in the middle of a game, some of which have touched today.

Two characters live through three days in the real game; all others are copies of their rows, by one statement per table.
"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Final

import asyncpg

import gamekeeper
from gamekeeper.keep import Keep
from gamekeeper.kernel import standings
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.records import RECORDS, Shape, shape
from gamekeeper.modules import characters, content, dailies, evening, metrics, titles, users

from .goals import Store
from .ours import SETTINGS
from .result import BenchmarkFailed
from .stages import SQL, open_sqlite

BEGINS: Final = 1_800_000_000_000
"""Friday, 15 January 2027, 08:00 in UTC"""
ZONE: Final = "Europe/Berlin"
DAY: Final = 86_400.0
TODAY: Final = "2027-01-18"
CORE: Final = ("steps", "sleep", "workout", "protein")
DONE: Final = CORE[:2]
"""What of the core was done today, by those who have touched it."""
TOUCHED: Final = (2, 7)
"""of ten characters, in one world and in another: most who have an account are not there on a day"""


def evening_of_today() -> ManualClock:
    """Give a clock that stands where today is over and its grace too."""
    return ManualClock(BEGINS + int(4 * DAY * 1000))


async def fill(store: Store, url: str, size: int, touched: int) -> None:
    """Make our world in an empty database; so many of ten characters have touched today."""
    clock = ManualClock(BEGINS)
    async with gamekeeper.open(url, create=True, clock=clock, **SETTINGS) as keep:
        await keep.do(content.load_pack(pack=_game()))
        busy, idle = [await _begin(keep, name) for name in ("Ada", "Bob")]
        for today in range(3):
            for metric in CORE:
                await _report(keep, busy, metric)
                await _report(keep, idle, metric)
            clock.move(DAY)
            await keep.do(evening.close_days(characters=[busy, idle]), actor="operator:benchmark")
            if today == 2:
                for metric in DONE:
                    await _report(keep, busy, metric)
        statements = [*_copies(await _rows_of(keep, busy, idle), store, size, touched)]
    if store == "postgresql":
        await _run_postgresql(url, *statements)
    else:
        await asyncio.to_thread(_run_sqlite, url, statements)
    async with gamekeeper.open(url, **SETTINGS) as keep:
        await standings.rebuild(keep.store)
    if store == "postgresql":
        await _run_postgresql(url, "VACUUM ANALYZE", "CHECKPOINT")


def _game() -> content.Pack:
    measured = [metrics.MetricDefinition(id=id, name=id) for id in CORE]
    asked = [
        dailies.QuestTemplate(
            id=f"q_{id}",
            name=id,
            category="MOVEMENT",
            requirements={"metric": id, "op": "gte", "value": 1},
            base_xp=25,
            is_core=True,
        )
        for id in CORE
    ]
    title = titles.TitleDefinition(
        id="steady",
        name="Steady",
        description="Thirty days in a row.",
        system_message="You do not tire.",
        condition={"type": "STREAK_DAYS", "days": 30},
    )
    return content.pack_of(*measured, *asked, title, id="bench", version="1", title="Bench")


async def _begin(keep: Keep, name: str) -> str:
    user = (await keep.do(users.create_guest())).user_id
    await keep.do(users.set_timezone(user=user, timezone=ZONE))
    character: str = (await keep.do(characters.create(name=name, user=user))).character_id
    return character


async def _report(keep: Keep, character: str, metric: str) -> None:
    await keep.do(dailies.report(character=character, source="watch", values={metric: 1}))


# Copies

_WORDS: Mapping[Store, Mapping[str, str]] = {
    "postgresql": {"number": "lpad(n::text, 10, '0')", "numbers": "generate_series(1::bigint, {size}) AS numbers(n)"},
    "sqlite": {
        "number": "printf('%010d', n)",
        "numbers": "(WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {size}) SELECT n FROM counted)",
    },
}
_OTHERWISE: Mapping[tuple[str, str], str] = {
    ("characters", "user_id"): "'u' || {number}",
    ("characters", "name"): "'Name ' || n",
    ("characters", "name_key"): "'name ' || n",
    ("users", "username"): "'user' || n",
    ("users", "username_key"): "'user' || n",
}
"""What differs from one copy to the next besides the owner's id."""
_ROOT: Final = ("id", "kind", "version", "epoch", "head_hash", "journal_seq", "data_key")


async def _rows_of(keep: Keep, *templates: str) -> dict[str, str]:
    """Give which owners are copied: the characters and their users, each with what its copies' ids begin with."""
    found: dict[str, str] = {}
    for one in templates:
        row = await keep.reader.get(characters.Character, one)
        if row is None or row.user_id is None:
            raise BenchmarkFailed("the characters of which the others are copies are not there")
        found |= {one: "c", row.user_id: "u"}
    return found


def _copies(owners: Mapping[str, str], store: Store, size: int, touched: int) -> Iterator[str]:
    """Give the statements that copy the rows of owners: of ten copies so many are of the first of each kind, the others of the second."""
    seen: dict[str, int] = {}
    for owner, letter in owners.items():
        place = seen[letter] = seen.get(letter, 0) + 1
        where = f"n % 10 < {touched}" if place == 1 else f"n % 10 >= {touched}"
        tables = [("owners", _ROOT), *((made.spec.table, made.names) for made in _kept())]
        for table, names in tables:
            yield _copy(table, names, owner, letter, where, store, size)


def _kept() -> Iterator[Shape]:
    for record in RECORDS.values():
        made = shape(record)
        if made.owner_kind in ("character", "user", ""):
            yield made


def _copy(table: str, names: tuple[str, ...], owner: str, letter: str, where: str, store: Store, size: int) -> str:
    words = _WORDS[store]
    columns = ", ".join(f'"{name}"' for name in names)
    values = [f"'{letter}' || {words['number']}"]
    values += [_OTHERWISE.get((table, name), f'"{table}"."{name}"').format(**words) for name in names[1:]]
    numbers = words["numbers"].format(size=size)
    return (
        f'INSERT INTO "{table}" ({columns}) SELECT {", ".join(values)} FROM "{table}", {numbers} '
        f'WHERE "{table}"."{names[0]}" = \'{owner}\' AND {where}'
    )


# The peer's world

PEER: Final = "days_peer.sql"


async def fill_peer(store: Store, url: str, size: int, touched: int) -> None:
    """Make the same characters in the schema that a program by hand would have."""
    words = _WORDS[store]
    text = (SQL / PEER).read_text().replace(":numbers", words["numbers"].format(size=size))
    text = text.replace(":number", words["number"]).replace(":touched", str(touched))
    statements = [one for one in text.split(";") if one.strip()]
    if store == "postgresql":
        await _run_postgresql(url, *statements)
        await _run_postgresql(url, "VACUUM ANALYZE", "CHECKPOINT")
    else:
        await asyncio.to_thread(_run_sqlite, url, statements)


async def _run_postgresql(url: str, *statements: str) -> None:
    connection: Any = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement, timeout=600)
    finally:
        await connection.close()


def _run_sqlite(url: str, statements: list[str]) -> None:
    connection = open_sqlite(url)
    connection.execute("BEGIN IMMEDIATE")
    for statement in statements:
        connection.execute(statement)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
