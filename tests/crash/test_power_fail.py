"""The power goes at hundreds of moments: with synchronous = FULL what was acknowledged is on the disk, and the file is whole."""

import asyncio
import random
from collections import Counter
from pathlib import Path

import apsw
import pytest

import gamekeeper
from gamekeeper import GameError
from gamekeeper.config import settings_from
from gamekeeper.keep import Keep, import_modules
from gamekeeper.kernel.clock import SystemClock
from gamekeeper.kernel.store import sqlite
from gamekeeper.kernel.store.sqlite import SqliteStore
from tests.crash import bank as banks
from tests.crash.power import NAME, Event, RecordingVfs, Said, Wreck, wrecks
from tests.crash.raw import raw

COMMANDS = 150
TASKS = 4
CONTROL_POINTS = 60
VERIFY_EVERY = 20
"""Reading every chain takes longer than reading the tables; one wreck in so many is verified whole."""


async def record(path: Path) -> tuple[list[Event], int, banks.Bank]:
    """Trade on a recording file system; gives what it saw, and from which event on the bank stood."""
    import_modules()
    vfs = RecordingVfs()
    try:
        store = SqliteStore(str(path), vfs=NAME)
        keep = Keep(settings_from({"url": f"sqlite:///{path}"}), store, SystemClock())
        await keep.start(create=True)
        try:
            bank = await banks.found_bank(keep, 6)
            # The log goes over into the file often, so that many of the cuts fall into that.
            await store._write(lambda: store._must().execute("PRAGMA wal_autocheckpoint = 30").fetchall())
            first = len(vfs.events)
            await asyncio.gather(*(_trade(keep, bank, vfs, task) for task in range(TASKS)))
        finally:
            await keep.close()
        return vfs.events, first, bank
    finally:
        vfs.close()


async def _trade(keep: Keep, bank: banks.Bank, vfs: RecordingVfs, task: int) -> None:
    for number in range(COMMANDS // TASKS):
        key = f"{task}.{number}"
        try:
            await keep.do(banks.deal(bank, random.Random(key)), key=key, reason=key)
        except GameError:
            continue
        vfs.events.append(Said(key))


async def faults_of(wreck: Wreck, bank: banks.Bank, folder: Path, *, whole: bool) -> list[str]:
    """Bring a wreck up again and say what is wrong with it."""
    for name, data in wreck.files.items():
        (folder / Path(name).name).write_bytes(data)
    url = f"sqlite:///{folder}/world.db"
    try:
        async with raw(url) as database:
            if await database.one("PRAGMA integrity_check") != "ok":
                return ["corrupt"]
            wrong = ["sums" for _ in banks.faults_of(await database.rows(banks.SUMS), bank.supply)]
            times = await banks.done_per_reason(database)
        wrong += ["lost" for _ in wreck.said - set(times)]
        wrong += ["twice" for count in times.values() if count > 1]
        if whole:
            async with gamekeeper.open(url) as keep, raw(url) as database:
                wrong += [f"at rest: {fault}" for fault in await banks.faults_at_rest(keep, database, bank)]
        return wrong
    except apsw.Error as error:
        return [f"corrupt: {type(error).__name__}"]
    finally:
        for file in folder.iterdir():
            file.unlink()


async def all_faults(tmp_path: Path, points: int) -> tuple[Counter[str], int, int]:
    """Record, pull the plug at many points, and count what is wrong."""
    (tmp_path / "alive").mkdir()
    (tmp_path / "wreck").mkdir()
    events, first, bank = await record(tmp_path / "alive" / "world.db")
    found: Counter[str] = Counter()
    for number, wreck in enumerate(wrecks(events, first, points, random.Random(3))):
        found.update(set(await faults_of(wreck, bank, tmp_path / "wreck", whole=number % VERIFY_EVERY == 0)))
    return found, len(events), sum(isinstance(event, Said) for event in events)


@pytest.mark.timeout(300)
async def test_no_power_cut_loses_what_was_acknowledged(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    points = pytestconfig.getoption("crash_points")

    found, events, said = await all_faults(tmp_path, points)

    print(f"{points} power cuts in {events} events with {said} acknowledged commands: {dict(found)}")
    assert found == Counter()
    assert said > COMMANDS // 4


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("synchronous", "fault"), [("NORMAL", "lost"), ("OFF", "corrupt")])
async def test_with_fewer_syncs_the_loss_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synchronous: str, fault: str) -> None:
    pragmas = tuple(one.replace("synchronous = FULL", f"synchronous = {synchronous}") for one in sqlite._WRITER_PRAGMAS)
    assert pragmas != sqlite._WRITER_PRAGMAS
    monkeypatch.setattr(sqlite, "_WRITER_PRAGMAS", pragmas)

    found, _, _ = await all_faults(tmp_path, CONTROL_POINTS)

    print(f"synchronous = {synchronous}: {dict(found)}")
    assert sum(count for name, count in found.items() if name.startswith(fault)) > CONTROL_POINTS // 10
