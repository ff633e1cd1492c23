"""Checkpoints of rows that are read by key: what moves in a world that holds more than memory does."""

import asyncio
import json

import pytest

from gamekeeper.kernel import batch, leasing
from tests.kernel import bank
from tests.kernel.bank import Pin
from tests.kernel.instruments import WatchedKeep, accounts, one, open_bank, rows, verified

PINS = "SELECT name, x FROM bank_pins WHERE account_id = ? ORDER BY name"
IMAGES = "SELECT changes FROM journal WHERE owner_id = ? AND command = 'leases.image' ORDER BY seq"


async def test_what_is_known_of_a_key_is_answered_from_memory_and_saved_by_the_flush(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    await keep.acquire(ada)
    assert await keep.do(bank.pin(account=ada, names=["a", "b"], x=1.0)) == []
    keep.forget()

    assert await keep.do(bank.pin(account=ada, names=["a"], x=2.0)) == [1.0]
    assert await keep.do(bank.pin(account=ada, names=["b", "a"], x=3.0)) == [1.0, 2.0]
    assert keep.watched.calls == {}, "both are in memory"
    assert await rows(keep, PINS, ada) == [("a", 1.0), ("b", 1.0)]

    assert [await keep.reader.get(Pin, ada, name) for name in ("a", "c")] == [Pin(ada, "a", 3.0), None]
    assert await keep.reader.some(Pin, [(ada, "a"), (ada, "c")]) == [Pin(ada, "a", 3.0)]
    assert await keep.do(bank.pin(account=ada, names=["a", "c"], x=4.0)) == [3.0], "c is not known, so that this commits"
    await keep.flush()
    assert await rows(keep, PINS, ada) == [("a", 4.0), ("b", 3.0), ("c", 4.0)]
    await keep.release(ada)
    await verified(keep)


async def test_rows_that_are_read_again_do_not_hide_what_only_memory_holds(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    await keep.acquire(ada)
    await keep.do(bank.pin(account=ada, names=["a", "b"], x=1.0))
    await keep.do(bank.pin(account=ada, names=["a"], x=2.0))
    await keep.do(bank.unpin(account=ada, names=["b"]))
    state = keep.runner.cache.peek(ada)
    assert state is not None
    state.keyed.clear()

    assert await keep.do(bank.pin(account=ada, names=["a", "b"], x=5.0)) == [2.0]
    await keep.release(ada)
    assert await rows(keep, PINS, ada) == [("a", 5.0), ("b", 5.0)]
    await verified(keep)


async def test_a_pin_made_flushed_and_removed_under_one_lease_is_gone(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    async with keep.lease(ada):
        assert await keep.do(bank.unpin(account=ada, names=["a"])) == 0
        await keep.do(bank.pin(account=ada, names=["a"], x=1.0))
        await keep.flush()
        assert await rows(keep, PINS, ada) == [("a", 1.0)]
        assert await keep.do(bank.unpin(account=ada, names=["a"])) == 1
        assert await keep.reader.some(Pin, [(ada, "a")]) == []

    assert await rows(keep, PINS, ada) == []
    assert await rows(keep, IMAGES, ada) == []
    await verified(keep)


async def test_a_lease_that_lasts_journals_images_in_parts_and_forgets_none(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leasing, "MOST_IMAGES", 4)
    monkeypatch.setattr(batch, "MOST_LEASED", 6)
    names = [f"pin {number:02}" for number in range(20)]
    async with open_bank(database_url, checkpoint_seconds=0.05) as keep:
        (ada,) = await accounts(keep, "ada")
        await keep.acquire(ada)
        for turn in range(3):
            for name in names:
                await keep.do(bank.pin(account=ada, names=[name], x=float(turn)))
                await keep.do(bank.pin(account=ada, names=[name], x=float(turn) + 0.5))
            await keep.flush()
            await keep.leasing._flush_due()
        state = keep.runner.cache.peek(ada)
        assert state is not None
        assert len(state.images) <= 2 * leasing.MOST_IMAGES + 4
        await keep.do(bank.pin(account=ada, names=names[:7], x=9.0))
    async with open_bank(database_url) as keep:
        assert await rows(keep, PINS, ada) == [(name, 9.0 if place < 7 else 2.5) for place, name in enumerate(names)]
        told = [len(json.loads(changes)) for (changes,) in await rows(keep, IMAGES, ada)]
        # How many there are follows from when the flushes came.
        assert told
        assert max(told) <= 4
        await verified(keep)


async def test_who_has_lost_the_lease_loses_no_more_than_the_window(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    await keep.acquire(ada)
    await keep.do(bank.pin(account=ada, names=["a"], x=1.0))
    await keep.do(bank.pin(account=ada, names=["a"], x=2.0))
    keep.runner.leases.lose(ada)

    assert await keep.reader.get(Pin, ada, "a") == Pin(ada, "a", 1.0)
    assert await one(keep, "SELECT x FROM bank_pins WHERE account_id = ?", ada) == 1.0


async def test_a_release_in_the_middle_of_journaling_journals_each_change_once(keep: WatchedKeep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leasing, "MOST_IMAGES", 2)
    (ada,) = await accounts(keep, "ada")
    await keep.acquire(ada)
    names = [f"pin {number}" for number in range(5)]
    for x in (1.0, 2.0):
        await keep.do(bank.pin(account=ada, names=names, x=x))

    journaling = asyncio.create_task(keep.leasing._journal_oldest(ada))
    await asyncio.sleep(0)
    await keep.release(ada)
    await journaling

    told = [json.loads(changes) for (changes,) in await rows(keep, IMAGES, ada)]
    assert sorted(key[1] for entry in told for _, key, _, _ in entry) == names
    assert await rows(keep, PINS, ada) == [(name, 2.0) for name in names]
    await verified(keep)
