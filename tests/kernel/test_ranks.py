"""Ranks: counts that are kept with the rows, and tell what counting the rows would."""

import asyncio
import random
from pathlib import Path
from typing import Any

import apsw
import pytest
from sqlalchemy import func, select

from gamekeeper.kernel import ranks, records, standings
from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.records import Key, Ranked, Record, shape
from gamekeeper.kernel.store import schema
from gamekeeper.kernel.verify import verify
from tests.crash.raw import raw
from tests.kernel import bank
from tests.kernel.instruments import WatchedKeep, accounts, open_bank

HEIGHTS = (0, 1, 127, 128, 129, 16_383, 16_384, 70_000, 1_999_999, 2_000_000)


async def _standing(keep: WatchedKeep, scores: dict[str, int], game: str = "chess") -> None:
    """Compare what the counts tell with the scores themselves."""
    sorted_scores = sorted(scores.values(), reverse=True)
    assert await standings.size(keep.reader, bank.Trophy, game) == len(scores)
    for score in {*scores.values(), *HEIGHTS}:
        expected = 1 + sum(one > score for one in sorted_scores)
        assert await standings.rank(keep.reader, bank.Trophy, score, game) == expected, score
    for place, score in enumerate(sorted_scores, 1):
        expected_at = standings.Standing(score, sorted_scores.index(score) + 1, sorted_scores.count(score))
        assert await standings.at(keep.reader, bank.Trophy, place, game) == expected_at, place
    assert await standings.at(keep.reader, bank.Trophy, len(scores) + 1, game) is None


async def test_ranks_follow_every_change_of_the_rows(keep: WatchedKeep) -> None:
    dice = random.Random(7)
    names = await accounts(keep, *(f"player{i}" for i in range(12)))
    scores: dict[str, int] = {}
    for _ in range(6):
        changed = {name: dice.choice((None, *HEIGHTS, dice.randrange(300))) for name in dice.sample(names, 8)}
        await asyncio.gather(*(keep.do(bank.score(account=name, points=points)) for name, points in changed.items()))
        scores |= {name: points for name, points in changed.items() if points is not None}
        scores = {name: points for name, points in scores.items() if changed.get(name, points) is not None}
        await _standing(keep, scores)
    assert (await verify(keep)).ok


async def test_boards_do_not_mix_and_a_command_that_fails_counts_nothing(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    await keep.do(bank.score(account=ada, points=10), bank.score(account=ada, game="go", points=99))
    with pytest.raises(bank.TooPoor):
        await keep.do(bank.score(account=bob, points=50, fail=True))
    with pytest.raises(bank.TooPoor):
        await keep.do(bank.score(account=bob, points=50), bank.score(account=ada, points=60, fail=True))
    await keep.do(bank.score(account=bob, points=5), bank.score(account=bob, points=7))

    await _standing(keep, {ada: 10, bob: 7})
    await _standing(keep, {ada: 99}, "go")


async def test_counts_that_fall_to_nothing_are_swept_up(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    for points in range(0, 30_000, 1_000):
        await keep.do(bank.score(account=ada, points=points))
    left = await keep.store.fetch(select(func.count()).select_from(schema.ranks), {})
    # One count on each level, and those that the last command has left.
    assert left[0][0] <= 2 * ranks.levels(bank.Trophy)


async def test_two_keeps_count_together(database_url: str) -> None:
    async with open_bank(database_url) as one, open_bank(database_url) as other:
        names = await accounts(one, *(f"player{i}" for i in range(8)))
        for round_ in range(5):
            await asyncio.gather(
                *(
                    keep.do(bank.score(account=name, points=(round_ * 37 + place) % 200))
                    for place, name in enumerate(names)
                    for keep in (one, other)
                )
            )
        await _standing(one, {name: (4 * 37 + place) % 200 for place, name in enumerate(names)})
        assert (await verify(other)).ok


async def test_verify_names_a_wrong_count_and_rebuild_mends_it(keep: WatchedKeep, database_url: str) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    await keep.do(bank.score(account=ada, points=10))
    await keep.do(bank.score(account=bob, points=300))
    async with raw(database_url) as sql:
        await sql.rows("UPDATE ranks SET count = count + 1 WHERE level = 0 AND bucket = 10")
        await sql.rows("DELETE FROM ranks WHERE level = 1 AND bucket = 2")

    problems = (await verify(keep)).problems
    assert [(one.check, one.key) for one in problems] == [
        ("ranks", ["bank_trophies:chess", 0, 10]),
        ("ranks", ["bank_trophies:chess", 1, 2]),
    ]

    await standings.rebuild(keep.store)
    assert (await verify(keep)).ok
    await keep.do(bank.score(account=bob, points=9))
    await _standing(keep, {ada: 10, bob: 9})


async def test_sqlite_prepares_a_statement_once_for_all_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    def authorized(*_: Any) -> int:
        # Asked whenever a statement is prepared, about everything that stands in it.
        nonlocal asked
        asked += 1
        return apsw.SQLITE_OK

    monkeypatch.setattr(apsw, "connection_hooks", [lambda connection: connection.set_authorizer(authorized)])
    async with open_bank(f"sqlite:///{tmp_path / 'bank.db'}") as keep:
        (ada,) = await accounts(keep, "ada")
        await keep.do(bank.score(account=ada, points=100))
        before = asked
        await standings.at(keep.reader, bank.Trophy, 1, "chess")
        once = asked - before
        for place in range(2, 40):
            assert await standings.at(keep.reader, bank.Trophy, place, "chess") is None
        # Four threads read, each over a connection of its own.
        assert 0 < once <= asked - before <= 4 * once


@pytest.mark.parametrize("ranked", [Ranked("name"), Ranked("points", within=("weight",)), Ranked("maybe")])
def test_a_declaration_that_cannot_be_ranked_is_refused(ranked: Ranked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "RECORDS", {})

    class Odd(Record, table="odd", ranked=ranked):
        account_id: Key[Id]
        name: str
        points: int
        weight: float
        maybe: int | None = None

    with pytest.raises(TypeError, match="odd: "):
        shape(Odd)
