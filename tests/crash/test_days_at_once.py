"""Several processes close the same days at once, and some of them are killed: each day is closed once and pays once."""

import asyncio
import os

import pytest

import gamekeeper
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import content, dailies, xp
from tests.crash.test_fail_days import GAME
from tests.forks import Forked
from tests.modules.scene import pack, people
from tests.modules.test_dailies import SYLLABLES

DAY = 86_400.0
PEOPLE, PROCESSES, KILLED = 28, 3, 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_processes_that_close_the_same_days_and_are_killed_close_each_once(database_url: str) -> None:
    clock = ManualClock()
    async with gamekeeper.open(database_url, create=True, clock=clock, allow_unsafe_postgres=True) as keep:
        await keep.do(content.load_pack(pack=pack(*GAME)))
        ids = await people(keep, *(f"Closer {one}" for one in SYLLABLES[:PEOPLE]))
        done: tuple[dict[str, bool | int | float], ...] = ({"m1": 10, "m2": 10, "m3": 5}, {"m1": 10, "m2": 5, "m3": 5, "m4": 5})
        for values in done:
            # One quest, or two, are done; the close pays the others in part.
            await asyncio.gather(*(keep.do(dailies.report(character=id, source="watch", values=values)) for id in ids))
            clock.move(DAY)
        await asyncio.to_thread(_close, database_url, clock.now_ms())

        assert (await keep.ask(dailies.due())).items == []
        for id in ids:
            logs = (await keep.ask(dailies.history(character=id))).items
            assert [(log.day_date[-2:], log.core_completed, log.streak) for log in logs] == [("16", 4, 2), ("15", 3, 1)]
            events = (await keep.ask(xp.ledger(character=id))).items
            assert sorted(one.base_xp for one in events) == [20] * 4 + [40] * 3
            total = (await keep.ask(xp.progress(character=id))).total_xp
            assert (
                total == sum(one.final_xp for one in events) == sum(row.xp_awarded for row in await keep.reader.all(dailies.QuestLog, id))
            )
            assert (await keep.ask(xp.audit(character=id))).fault is None
        assert (await verify(keep)).problems == []


def _close(url: str, now: int) -> None:
    """Let processes close what is due; those that are killed have closed a part of it."""
    running, told = [], []
    for _ in range(PROCESSES):
        ours, theirs = os.pipe()
        running.append(Forked("tests.crash.closer", url, str(now), stdin=os.open(os.devnull, os.O_RDONLY), stdout=theirs))
        os.close(theirs)
        told.append(os.fdopen(ours, "rb"))
    for process, answers in zip(running[:KILLED], told, strict=False):
        assert answers.readline() == b"!\n"
        process.kill()
    assert running[-1].wait(60) == 0
    for process, answers in zip(running, told, strict=True):
        process.wait(60)
        answers.close()
