"""Seed 001, the essence MUD: the defects of its design, none of which may return. Each is a named test that fails if it is put in.

| defect | what went wrong | where its test is |
|---|---|---|
| 1 | a memory cache without a limit in time or size, right only in the process that wrote | `tests/modules/test_essences.py` |
| 2 | bonding: a refusal that commits, no lock, nothing unique, an old attribute saved over a bonus | `tests/modules/test_essences.py` |
| 3 | what was cached was the caller's own object, which the caller went on changing | `tests/modules/test_essences.py` |
| 4 | a save wrote all columns, so that the last writer won | `tests/modules/test_essences.py` |
| 5 | expansion below zero; batches without stacking, room or transaction, one row after the other | \
`tests/modules/test_essences.py`, and here |
| 6 | schema and migration differed in what a deletion takes along | `tests/modules/test_essences.py` |

What the seed asks for beside them, many changes in one command and reading only what is asked for, is tried here and in
`tests/modules/test_sheets.py`.
"""

import re
from pathlib import Path

import pytest

from gamekeeper.config import settings_from
from gamekeeper.errors import StoreUnavailable
from gamekeeper.keep import import_modules, make_store
from gamekeeper.kernel.clock import SystemClock
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import items
from tests.crash.faults import FAULTS, faulty
from tests.crash.test_fail_nth import SETTINGS
from tests.kernel.instruments import Watched, WatchedKeep
from tests.modules import scene

BASKET = [items.Line("arrow", 150), items.Line("logs", 4), items.Line("arrow", 30), items.Line("crown", 1), items.Line("coins", 7, "pouch")]
HELD = {"arrow": 180, "logs": 4, "crown": 1, "coins": 7}


def test_each_defect_of_the_table_has_its_test() -> None:
    rows = re.findall(r"^\| (\d) \|.*\| (.+) \|$", str(__doc__), re.MULTILINE)
    assert [int(number) for number, _ in rows] == [*range(1, 7)]
    for number, where in rows:
        files = [Path(path) for path in re.findall(r"`(tests/\S+\.py)`", where)] + ([Path(__file__)] if "here" in where else [])
        assert files
        assert all(f"def test_seed_001_defect_{number}_" in file.read_text(encoding="utf-8") for file in files), number


async def test_seed_001_defect_5_a_batch_of_many_items_is_one_write_however_many_they_are(database_url: str) -> None:
    settings = settings_from({"url": database_url, "allow_unsafe_postgres": True})
    import_modules(settings.modules)
    keep = WatchedKeep(settings, Watched(make_store(settings)), SystemClock())
    keep.watched = keep.store  # type: ignore[assignment]
    await keep.start(create=True)
    try:
        await scene.stock(keep)
        ada, bob = await scene.people(keep, "Ada", "Bob")
        calls = []
        for who, lines in ((ada, BASKET[:1]), (bob, BASKET + [items.Line("helm", 1)] * 15)):
            keep.forget()
            await keep.do(items.grant_many(holder=who, items=lines, source="test"))
            calls.append(dict(keep.watched.calls))
        assert calls[0] == calls[1]
        assert calls[0]["apply"] == 1
        assert await scene.totals(keep, [bob], "helm") == [15]
        await scene.adds_up(keep)
    finally:
        await keep.close()


async def test_seed_001_defect_5_a_batch_is_there_whole_or_not_at_all_whatever_fails(database_url: str) -> None:
    async with faulty(database_url, **{**SETTINGS, "deadline_seconds": 0.2}) as (keep, store):
        await scene.stock(keep)
        seen = set()
        for fault in FAULTS[:-1]:
            for nth in (1, 2):
                (ada,) = await scene.people(keep, f"Ada {fault.replace('_', '')} {nth}")
                keep.runner.cache.drop(ada)
                call = items.grant_many(holder=ada, items=BASKET, source="test")
                store.fail(nth, fault, times=20)
                try:
                    await keep.do(call, key=ada)
                except StoreUnavailable:
                    seen.add(fault)
                store.fail(0, fault, times=0)
                held = {item: count for item in HELD if (count := await keep.ask(items.held(holder=ada, item=item)))}
                assert held in ({}, HELD)
                await keep.do(call, key=ada)
                assert {item: await keep.ask(items.held(holder=ada, item=item)) for item in HELD} == HELD
        assert seen == set(FAULTS[:-1])
        # What does not fit refuses the whole of it.
        (ada,) = await scene.people(keep, "Full Ada")
        with pytest.raises(items.InventoryFull):
            await keep.do(items.grant_many(holder=ada, items=[*BASKET, items.Line("logs", 23)], source="test"))
        assert await keep.ask(items.inventory(holder=ada)) == []
        await scene.adds_up(keep)
        assert (await verify(keep)).problems == []
