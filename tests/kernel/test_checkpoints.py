"""The checkpoint class: acknowledged from memory while the lease is held, and saved within the window, at release and at the end."""

import asyncio
import json
import random

import pytest

from gamekeeper.errors import ConstraintViolated, SaveFailing, StoreUnavailable
from gamekeeper.kernel.store.base import TryAgain, Unreachable, WriteSet
from tests.kernel import bank
from tests.kernel.instruments import Gate, WatchedKeep, accounts, fund, one, open_bank, rows, start_bank, verified

PLACE = "SELECT x FROM bank_places WHERE account_id = ?"
ENTRIES = "SELECT command, changes FROM journal WHERE owner_id = ? AND command <> 'bank.open_account' ORDER BY seq"


async def lease(keep: WatchedKeep, account: str, x: float = 0.0) -> None:
    """Take the lease and stand somewhere, so that the rows are in memory."""
    await keep.acquire(account)
    await keep.do(bank.walk(account=account, x=x))
    await keep.flush()


async def test_a_checkpoint_under_a_lease_is_answered_from_memory_and_written_by_the_flush(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    await lease(keep, ada)
    keep.forget()

    await keep.do(bank.walk(account=ada, x=7.5))

    assert keep.watched.calls == {}
    assert keep.stats.checkpoints >= 1
    assert await one(keep, PLACE, ada) == 0.0
    assert await keep.ask(bank.place(account=ada)) == 7.5
    await keep.flush()
    assert keep.watched.calls == {"apply": 1}
    assert await one(keep, PLACE, ada) == 7.5


async def test_a_hundred_moves_are_one_row_written_once_and_no_journal(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    await lease(keep, ada)
    await lease(keep, bob)
    before = await one(keep, "SELECT count(*) FROM journal")
    keep.forget()

    for i in range(100):
        assert await keep.do(bank.step(account=ada, by=1.0)) == i + 1
    await keep.do(bank.walk(account=bob, x=3.0))
    await keep.flush()
    await keep.flush()

    assert keep.watched.calls == {"apply": 1}
    assert keep.watched.writes[0].upserts == {bank.Place: [bank.Place(ada, 100.0), bank.Place(bob, 3.0)]}
    assert keep.watched.writes[0].journal == []
    assert await one(keep, "SELECT count(*) FROM journal") == before
    await verified(keep)


async def test_what_waits_is_flushed_within_the_window(database_url: str) -> None:
    async with open_bank(database_url, checkpoint_seconds=0.2) as keep:
        (ada,) = await accounts(keep, "ada")
        await lease(keep, ada)
        keep.forget()
        stop = asyncio.get_running_loop().time() + 0.5

        while asyncio.get_running_loop().time() < stop:
            await keep.do(bank.step(account=ada, by=1.0))
            await asyncio.sleep(0.005)

        assert 1 <= keep.watched.calls["apply"] <= 8
        assert await one(keep, PLACE, ada) > 0.0


async def test_without_a_lease_the_same_command_commits(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")

    await keep.do(bank.walk(account=ada, x=7.5))

    assert await one(keep, PLACE, ada) == 7.5
    assert [command for command, _ in await rows(keep, ENTRIES, ada)] == ["bank.walk"]
    await verified(keep)


async def test_with_a_key_the_same_command_commits(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    await lease(keep, ada)

    assert await keep.do(bank.step(account=ada, by=1.0), key="k") == 1.0
    assert await keep.do(bank.step(account=ada, by=1.0), key="k") == 1.0

    assert await one(keep, PLACE, ada) == 1.0


async def test_the_release_saves_and_journals_one_image(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    async with keep.lease(ada):
        # The first one finds nothing in memory yet, and commits.
        await keep.do(bank.walk(account=ada, x=1.0))
        for _ in range(10):
            await keep.do(bank.step(account=ada, by=1.0))
        await keep.flush()
        for _ in range(10):
            await keep.do(bank.step(account=ada, by=1.0))

    assert await one(keep, PLACE, ada) == 21.0
    entries = await rows(keep, ENTRIES, ada)
    assert [command for command, _ in entries] == ["bank.walk", "leases.image"]
    assert json.loads(entries[1][1]) == [["bank_places", [ada], {"x": 1.0}, {"account_id": ada, "x": 21.0}]]
    await verified(keep)


async def test_a_lease_in_which_nothing_moved_leaves_no_trace(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    version = await keep.version(ada)

    async with keep.lease(ada):
        await keep.do(bank.change_nothing(account=ada))

    assert await rows(keep, ENTRIES, ada) == []
    assert await keep.version(ada) == version


async def test_a_row_made_flushed_and_removed_under_one_lease_is_gone(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    async with keep.lease(ada):
        await keep.do(bank.walk(account=ada, x=1.0))
        await keep.do(bank.walk(account=ada, x=2.0))
        await keep.flush()
        await keep.do(bank.vanish(account=ada))
        assert await keep.ask(bank.place(account=ada)) is None

    assert await rows(keep, PLACE, ada) == []
    assert await keep.ask(bank.place(account=ada)) is None


async def test_a_row_that_was_not_there_before_the_lease_nor_after_it_is_gone(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    async with keep.lease(ada):
        await keep.do(bank.vanish(account=ada))
        await keep.do(bank.walk(account=ada, x=2.0))
        await keep.flush()
        assert await one(keep, PLACE, ada) == 2.0
        await keep.do(bank.vanish(account=ada))

    assert await rows(keep, PLACE, ada) == []
    assert await rows(keep, ENTRIES, ada) == []


async def test_the_image_survives_that_everything_was_read_again(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    async with keep.lease(ada):
        await keep.do(bank.walk(account=ada, x=1.0))
        await keep.do(bank.walk(account=ada, x=2.0))
        await keep.flush()
        with pytest.raises(ConstraintViolated):
            await keep.do(bank.miswrite(account=ada, fault="negative"))

    assert [command for command, _ in await rows(keep, ENTRIES, ada)] == ["bank.walk", "leases.image"]
    await verified(keep)


async def test_a_row_removed_under_the_lease_is_gone_after_a_flush(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    await lease(keep, ada)

    await keep.do(bank.vanish(account=ada))
    assert await rows(keep, PLACE, ada) != []
    await keep.flush()

    assert await rows(keep, PLACE, ada) == []
    await keep.do(bank.walk(account=ada, x=4.0))
    await keep.release(ada)
    assert await one(keep, PLACE, ada) == 4.0


async def test_closing_saves_everything(database_url: str) -> None:
    async with open_bank(database_url) as keep:
        people = await accounts(keep, *(f"nick{i}" for i in range(10)))
        for i, person in enumerate(people):
            await lease(keep, person)
            await keep.do(bank.walk(account=person, x=float(i)))

    async with open_bank(database_url) as keep:
        assert [await keep.ask(bank.place(account=person)) for person in people] == [float(i) for i in range(10)]
        assert await one(keep, "SELECT count(*) FROM owners WHERE lease_holder IS NOT NULL") == 0
        await verified(keep)


async def test_one_owner_that_cannot_be_saved_does_not_keep_the_others_from_it(database_url: str) -> None:
    keep = await stumbled(database_url)

    with pytest.raises(ConstraintViolated):
        await keep.close()

    async with open_bank(database_url) as keep:
        places = [await one(keep, "SELECT x FROM bank_places WHERE account_id = ?", whose) for whose in ("ada", "bob", "cy")]
        assert places == [5.0, 0.0, 5.0]


async def stumbled(database_url: str) -> WatchedKeep:
    """A keep that holds three leases, and one account in it whose place cannot be saved."""
    keep = await start_bank(database_url)
    for name in ("ada", "bob", "cy"):
        await keep.do(bank.open_account(nick=name, account=name))
        await lease(keep, name)
    for name in ("ada", "bob", "cy"):
        await keep.do(bank.walk(account=name, x=5.0))
    await keep.do(bank.stumble(account="bob"))
    return keep


async def test_a_checkpoint_command_writes_nothing_but_checkpoint_rows(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    ways: list[bank.Trespass] = ["write", "add", "append", "create", "claim", "release", "erase"]

    # The mistake shows at once, with a lease and without.
    for by in ways:
        with pytest.raises(TypeError, match="checkpoint"):
            await keep.do(bank.trespass(account=ada, by=by))
    await lease(keep, ada, 1.0)
    for by in ways:
        with pytest.raises(TypeError, match="checkpoint"):
            await keep.do(bank.trespass(account=ada, by=by))

    assert await keep.ask(bank.place(account=ada)) == 1.0
    assert await one(keep, "SELECT count(*) FROM claims WHERE key = 'trespasser'") == 0
    await verified(keep)


async def test_memory_and_commits_follow_each_other_in_order(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    await lease(keep, ada)

    await asyncio.gather(
        keep.do(bank.walk(account=ada, x=1.0)),
        keep.do(bank.teleport(account=ada, x=2.0)),
        keep.do(bank.walk(account=ada, x=3.0)),
    )
    assert await keep.ask(bank.place(account=ada)) == 3.0
    await asyncio.gather(keep.do(bank.walk(account=ada, x=4.0)), keep.do(bank.teleport(account=ada, x=5.0)))
    assert await keep.ask(bank.place(account=ada)) == 5.0
    await keep.do(bank.step(account=ada, by=0.5))

    await keep.release(ada)
    assert await one(keep, PLACE, ada) == 5.5
    await verified(keep)


async def test_a_command_of_value_sees_what_memory_alone_holds_and_leaves_it_unsaved(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    await lease(keep, ada)
    await keep.do(bank.walk(account=ada, x=9.0))

    await keep.do(bank.pay(giver=ada, receiver=bob, amount=1))

    assert await one(keep, PLACE, ada) == 0.0
    assert await keep.ask(bank.place(account=ada)) == 9.0
    await keep.flush()
    assert await one(keep, PLACE, ada) == 9.0


async def test_a_command_that_fails_leaves_memory_as_it_was(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    await lease(keep, ada, 2.0)

    with pytest.raises(TypeError):
        await keep.do(bank.walk(account=ada, x=3.0), bank.trespass(account=ada, by="write"))

    assert await keep.ask(bank.place(account=ada)) == 2.0
    await keep.release(ada)
    assert await one(keep, PLACE, ada) == 2.0


async def test_a_move_during_a_flush_is_not_lost(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    await lease(keep, ada)
    gate = Gate()
    await keep.do(bank.walk(account=ada, x=1.0))
    keep.watched.before["apply"] = gate
    flushing = asyncio.create_task(keep.flush())
    await gate.reached.wait()

    moving = asyncio.create_task(keep.do(bank.walk(account=ada, x=2.0)))
    await asyncio.sleep(0.01)
    gate.open()
    await asyncio.gather(flushing, moving)

    assert await keep.ask(bank.place(account=ada)) == 2.0
    await keep.flush()
    assert await one(keep, PLACE, ada) == 2.0


async def test_moves_during_a_release_are_saved_or_refused_but_never_forgotten(keep: WatchedKeep) -> None:
    people = await accounts(keep, *(f"nick{i}" for i in range(5)))
    for person in people:
        await lease(keep, person)
    dice = random.Random(3)
    acknowledged = dict.fromkeys(people, 0.0)
    done = asyncio.Event()

    async def wander(person: str) -> None:
        while not done.is_set():
            acknowledged[person] = await keep.do(bank.step(account=person, by=1.0))
            await asyncio.sleep(dice.choice([0, 0, 0, 0.001]))

    wandering = [asyncio.create_task(wander(person)) for person in people]
    await asyncio.sleep(0.05)
    await keep.release(*people)
    done.set()
    await asyncio.gather(*wandering)

    assert min(acknowledged.values()) > 0
    assert {person: await one(keep, PLACE, person) for person in people} == acknowledged


async def test_a_move_after_the_image_of_a_release_is_saved_too(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    for person in (ada, bob):
        await lease(keep, person)
        await keep.do(bank.walk(account=person, x=1.0))
    gate, saved = Gate(), asyncio.Event()

    async def stop_bob(writes: WriteSet) -> None:
        if any(guard.owner == bob for guard in writes.guards):
            await gate(writes)

    async def see_ada(_: WriteSet) -> None:
        saved.set()

    keep.watched.before["apply"] = stop_bob
    keep.watched.after["apply"] = see_ada
    busy = asyncio.create_task(keep.do(bank.set_meta(account=bob, meta={})))
    await gate.reached.wait()
    releasing = asyncio.create_task(keep.release(ada, bob))
    await saved.wait()
    await asyncio.sleep(0.01)

    # Ada is saved, and waits for bob to be.
    assert await one(keep, PLACE, ada) == 1.0
    await keep.do(bank.walk(account=ada, x=2.0))
    gate.open()
    await asyncio.gather(busy, releasing)

    assert await one(keep, PLACE, ada) == 2.0


async def test_a_commit_that_waits_while_the_lease_is_released_is_not_overwritten_by_the_image(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    await lease(keep, ada)
    gate = Gate()
    await keep.do(bank.walk(account=ada, x=1.0))
    keep.watched.before["apply"] = gate
    teleporting = asyncio.create_task(keep.do(bank.teleport(account=ada, x=50.0)))
    await gate.reached.wait()
    again = asyncio.create_task(keep.do(bank.teleport(account=ada, x=60.0)))

    releasing = asyncio.create_task(keep.release(ada))
    await asyncio.sleep(0.01)
    gate.open()
    await asyncio.gather(teleporting, again, releasing)

    assert await one(keep, PLACE, ada) == 60.0
    await verified(keep)


# A flush that fails


async def test_a_flush_that_fails_freezes_value_until_one_succeeds(keep: WatchedKeep) -> None:
    ada, bob, cy = await accounts(keep, "ada", "bob", "cy")
    await lease(keep, ada)
    await keep.do(bank.walk(account=ada, x=3.0))

    async def fail(_: object) -> None:
        raise Unreachable("the disk is full")

    keep.watched.before["apply"] = fail
    with pytest.raises(StoreUnavailable):
        await keep.flush()
    keep.watched.before.clear()

    with pytest.raises(SaveFailing) as refused:
        await keep.do(bank.pay(giver=ada, receiver=bob, amount=1))
    assert refused.value.owner == ada
    with pytest.raises(SaveFailing):
        await keep.do(bank.pay(giver=bob, receiver=ada, amount=1))
    # What is not of value goes on, and so do the others.
    await keep.do(bank.step(account=ada, by=1.0))
    await keep.do(bank.set_meta(account=ada, meta={"a": 1}))
    await keep.do(bank.pay(giver=bob, receiver=cy, amount=1))

    await keep.flush()
    await keep.do(bank.pay(giver=ada, receiver=bob, amount=1))
    assert await one(keep, PLACE, ada) == 4.0
    assert await fund(keep, ada) == 99
    await verified(keep)


async def test_the_window_tries_again_after_a_fault_by_itself(database_url: str) -> None:
    async with open_bank(database_url, checkpoint_seconds=0.1) as keep:
        ada, bob = await accounts(keep, "ada", "bob")
        await lease(keep, ada)
        faults = 2

        async def fail(_: object) -> None:
            nonlocal faults
            faults -= 1
            if faults >= 0:
                raise TryAgain("locked")

        keep.watched.before["apply"] = fail
        await keep.do(bank.walk(account=ada, x=3.0))
        for _ in range(100):
            await asyncio.sleep(0.02)
            if await one(keep, PLACE, ada) == 3.0:
                break

        assert await one(keep, PLACE, ada) == 3.0
        await keep.do(bank.pay(giver=ada, receiver=bob, amount=1))


async def test_a_row_that_the_database_refuses_freezes_its_owner_alone(keep: WatchedKeep) -> None:
    ada, bob, cy = await accounts(keep, "ada", "bob", "cy")
    for person in (ada, bob, cy):
        await lease(keep, person)
    for person in (ada, bob, cy):
        await keep.do(bank.walk(account=person, x=1.0))
    await keep.do(bank.stumble(account=bob))

    with pytest.raises(StoreUnavailable):
        await keep.flush()

    assert [await one(keep, PLACE, person) for person in (ada, bob, cy)] == [1.0, 0.0, 1.0]
    await keep.do(bank.pay(giver=ada, receiver=cy, amount=1))
    with pytest.raises(SaveFailing):
        await keep.do(bank.pay(giver=bob, receiver=cy, amount=1))

    # A commit that writes the same row puts it right as well as a flush would.
    await keep.do(bank.teleport(account=bob, x=2.0))
    await keep.do(bank.pay(giver=bob, receiver=cy, amount=1))
    await keep.release(ada, bob, cy)
    assert [await one(keep, PLACE, person) for person in (ada, bob, cy)] == [1.0, 2.0, 1.0]
    await verified(keep)
