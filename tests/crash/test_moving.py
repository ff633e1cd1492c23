"""Players who move in a world that only memory has up to date: what a `kill -9` may cost, and what a SIGTERM never does."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gamekeeper
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import states, worlds
from tests.forks import Forked

PLAYERS, WORLD = 100, "plain"


@contextmanager
def moving(url: str) -> Iterator[tuple[Forked, Any]]:
    """A process in whose world players move, and what it says."""
    ours, theirs = os.pipe()
    process = Forked("tests.crash.mover", url, WORLD, str(PLAYERS), stdin=os.open(os.devnull, os.O_RDONLY), stdout=theirs)
    os.close(theirs)
    with os.fdopen(ours, "rb") as lines:
        try:
            yield process, lines
        finally:
            process.kill()
            process.wait(60)


def until_saved(lines: Any, times: int) -> list[bytes]:
    """Wait for so many flushes, and give what was said by then."""
    told: list[bytes] = []
    while sum(line.startswith(b"saved") for line in told) < times:
        told.append(next(lines))
    return told


def last(told: list[bytes], word: bytes) -> int:
    """The last step of which something was said; of a line that a kill cut off nothing was."""
    return max(int(line.split()[1]) for line in told if line.startswith(word) and line.endswith(b"\n"))


async def steps(url: str) -> list[int]:
    """How far each player is, by documents that are whole."""
    async with gamekeeper.open(url, allow_unsafe_postgres=True) as keep:
        page = await keep.ask(states.list_players(world=WORLD, limit=1_000))
        for row in page.items:
            step = row.state["step"]
            assert (row.position, row.state) == ({"x": step}, {"step": step, "twice": 2 * step, "bag": [step] * 20})
        assert len(page.items) == PLAYERS
        return [row.state["step"] for row in page.items]


async def test_a_kill_under_moving_players_costs_the_last_steps_and_a_sigterm_none(database_url: str) -> None:
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True) as keep:
        await keep.do(worlds.create_world(world=WORLD, name="The plain"))
    for flushes in (2, 3):
        with moving(database_url) as (process, lines):
            told = until_saved(lines, flushes)
            process.kill()
            process.wait(60)
            told += lines
        found = await steps(database_url)
        assert min(found) >= last(told, b"saved"), "what was flushed is there"
        assert max(found) <= last(told, b"at") + 1, "and nothing that nobody has done"
    with moving(database_url) as (process, lines):
        told = until_saved(lines, 1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        told += lines
    assert set(await steps(database_url)) == {last(told, b"at")}, "all of them are where they were"
    async with gamekeeper.open(database_url, allow_unsafe_postgres=True) as keep:
        assert (await verify(keep)).problems == []
