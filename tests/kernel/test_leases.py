"""Leases: one process at a time acts for an owner, and one that has lost the right can overwrite nothing."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gamekeeper.errors import NameTaken, OwnerLeased, OwnerNotFound, StaleLease
from tests.kernel import bank
from tests.kernel.instruments import Gate, WatchedKeep, accounts, fund, one, open_bank, rows, verified

PLACE = "SELECT x FROM bank_places WHERE account_id = ?"
SHORT = 1.0
"""Seconds of a lease that is meant to end."""


@pytest.fixture
async def there(keep: WatchedKeep) -> AsyncIterator[WatchedKeep]:
    """A second process on the database of `keep`."""
    async with open_bank(keep.settings.url) as there:
        yield there


async def stand(keep: WatchedKeep, account: str, x: float) -> None:
    """Take the lease and stand somewhere in memory alone."""
    await keep.acquire(account)
    await keep.do(bank.walk(account=account, x=0.0))
    await keep.do(bank.walk(account=account, x=x))


def lose_touch(keep: WatchedKeep) -> None:
    """Stop renewing and flushing, as a process that hangs would."""
    for task in keep.leasing._tasks:
        task.cancel()


async def test_a_lease_is_taken_renewed_and_given_back(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")

    (lease,) = await keep.acquire(ada)
    first = await rows(keep, "SELECT epoch, lease_holder, lease_expires_at FROM owners WHERE id = ?", ada)
    await asyncio.sleep(0.01)
    await keep.leasing.renew()
    second = await rows(keep, "SELECT epoch, lease_holder, lease_expires_at FROM owners WHERE id = ?", ada)
    await keep.release(ada)
    third = await rows(keep, "SELECT epoch, lease_holder, lease_expires_at FROM owners WHERE id = ?", ada)

    assert (lease.owner, lease.epoch) == (ada, 1)
    assert first[0][:2] == second[0][:2] == (1, keep.holder)
    assert second[0][2] > first[0][2]
    assert third == [(1, None, None)]


async def test_leases_are_taken_all_or_none_in_the_order_asked_for(keep: WatchedKeep, there: WatchedKeep) -> None:
    people = await accounts(keep, "ada", "bob", "cy", "dan")
    ada, bob, cy, dan = people

    assert [lease.owner for lease in await keep.acquire(dan, bob)] == [dan, bob]
    with pytest.raises(OwnerLeased) as refused:
        await there.acquire(ada, bob, cy)
    assert (refused.value.owner, refused.value.holder) == (bob, keep.holder)
    with pytest.raises(OwnerNotFound):
        await there.acquire(ada, "nobody")

    assert await rows(keep, "SELECT id FROM owners WHERE lease_holder = ?", there.holder) == []
    assert there.runner.leases.held == {}


async def test_a_lease_held_before_survives_that_a_further_one_is_refused(keep: WatchedKeep, there: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    await stand(keep, ada, 7.0)
    await there.acquire(bob)

    with pytest.raises(OwnerLeased):
        await keep.acquire(ada, bob)

    assert await keep.ask(bank.place(account=ada)) == 7.0
    await keep.do(bank.step(account=ada, by=1.0))
    await keep.release(ada)
    assert await one(keep, PLACE, ada) == 8.0


async def test_taking_ones_own_lease_again_keeps_what_memory_holds(keep: WatchedKeep, there: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    await stand(keep, ada, 7.0)

    (again,) = await keep.acquire(ada)
    assert again.epoch == 2
    assert await keep.do(bank.step(account=ada, by=1.0)) == 8.0
    # The same when somebody else has changed the owner meanwhile.
    await there.do(bank.pay(giver=bob, receiver=ada, amount=5))
    await keep.acquire(ada)
    assert await keep.do(bank.step(account=ada, by=1.0)) == 9.0
    assert await keep.do(bank.change_nothing(account=ada)) == 105

    await keep.release(ada)
    assert await one(keep, PLACE, ada) == 9.0


async def test_a_lease_taken_while_the_owner_is_busy_is_not_taken_for_lost(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    done = asyncio.Event()

    async def trade() -> int:
        count = 0
        while not done.is_set():
            await keep.do(bank.pay(giver=ada, receiver=bob, amount=1), bank.pay(giver=bob, receiver=ada, amount=1))
            count += 1
        return count

    trading = [asyncio.create_task(trade()) for _ in range(3)]
    for _ in range(10):
        await keep.acquire(ada, bob)
        await keep.do(bank.walk(account=ada, x=1.0))
        await keep.acquire(ada)
        await keep.release(ada, bob)
    done.set()

    assert sum(await asyncio.gather(*trading)) > 0
    await verified(keep)


async def test_a_lease_taken_between_a_commit_and_its_answer_holds(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    gate = Gate()
    keep.watched.after["apply"] = gate
    paying = asyncio.create_task(keep.do(bank.pay(giver=ada, receiver=bob, amount=1)))
    await gate.reached.wait()

    acquiring = asyncio.create_task(keep.acquire(ada))
    await asyncio.sleep(0.05)
    gate.open()
    await asyncio.gather(paying, acquiring)

    # What the batch put into the cache must not make the new lease look lost.
    assert await keep.do(bank.pay(giver=ada, receiver=bob, amount=1)) == 98
    assert await keep.do(bank.step(account=ada, by=1.0)) == 1.0


async def test_the_acting_commands_of_another_process_are_refused(keep: WatchedKeep, there: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    await keep.acquire(ada)

    with pytest.raises(OwnerLeased) as refused:
        await there.do(bank.pay(giver=ada, receiver=bob, amount=1))
    assert (refused.value.owner, refused.value.holder) == (ada, keep.holder)
    with pytest.raises(OwnerLeased):
        await there.do(bank.walk(account=ada, x=1.0))

    await keep.do(bank.pay(giver=ada, receiver=bob, amount=1))
    await keep.release(ada)
    assert await there.do(bank.pay(giver=ada, receiver=bob, amount=1)) == 98


async def test_gifts_and_operators_reach_a_leased_owner_and_its_holder_is_told(keep: WatchedKeep, there: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    await stand(keep, ada, 7.0)
    told: list[str] = []
    keep.leasing.on_foreign_change.append(told.append)

    await there.do(bank.pay(giver=bob, receiver=ada, amount=5))
    assert await keep.do(bank.change_nothing(account=ada)) == 105
    assert told == [ada]

    await there.do(bank.pay(giver=ada, receiver=bob, amount=50), actor="operator:eve")
    await keep.leasing.renew()
    await keep.leasing.renew()
    assert told == [ada, ada]

    # What memory alone holds was not touched by any of it.
    assert await keep.ask(bank.place(account=ada)) == 7.0
    assert await keep.ask(bank.places(account=ada)) == [7.0]
    assert await keep.do(bank.step(account=ada, by=1.0)) == 8.0
    await keep.release(ada)
    assert (await one(keep, PLACE, ada), await fund(keep, ada)) == (8.0, 55)
    await verified(keep)


async def test_ones_own_commands_are_nobody_elses(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    await keep.acquire(ada)
    told: list[str] = []
    keep.leasing.on_foreign_change.append(told.append)

    for _ in range(5):
        await asyncio.gather(keep.do(bank.pay(giver=ada, receiver=bob, amount=1)), keep.leasing.renew())
    await keep.leasing.renew()

    assert told == []


async def test_the_image_of_a_lease_is_saved_although_a_gift_came_last(keep: WatchedKeep, there: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    await stand(keep, ada, 7.0)
    await there.do(bank.pay(giver=bob, receiver=ada, amount=5))
    # The holder learns of it without reading the rows again.
    await keep.leasing.renew()

    await keep.release(ada)

    assert await one(keep, PLACE, ada) == 7.0
    assert await one(keep, "SELECT count(*) FROM journal WHERE command = 'leases.image'") == 1
    await verified(keep)


async def test_a_frozen_owner_stays_frozen_when_others_change_it(keep: WatchedKeep, there: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    await stand(keep, ada, 7.0)
    await keep.do(bank.stumble(account=ada))
    with pytest.raises(Exception, match="STORE_UNAVAILABLE"):
        await keep.flush()

    await there.do(bank.pay(giver=bob, receiver=ada, amount=5))
    with pytest.raises(Exception, match="SAVE_FAILING"):
        await keep.do(bank.pay(giver=ada, receiver=bob, amount=1))

    await keep.do(bank.walk(account=ada, x=1.0))
    await keep.flush()
    assert await keep.do(bank.pay(giver=ada, receiver=bob, amount=1)) == 104


async def test_a_lease_is_handed_over_without_waiting(keep: WatchedKeep, there: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    await stand(keep, ada, 7.0)

    await keep.hand_over(ada, there.holder)
    with pytest.raises(OwnerLeased):
        await keep.do(bank.pay(giver=ada, receiver=bob, amount=1))
    (lease,) = await there.acquire(ada)

    assert lease.epoch == 3
    assert await there.do(bank.step(account=ada, by=1.0)) == 8.0
    await there.release(ada)
    assert await one(keep, PLACE, ada) == 8.0


async def test_a_position_saved_by_another_holder_is_read_again(keep: WatchedKeep, there: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    # Flushes leave no trace in the version: only the lease tells that memory is behind.
    for turn in range(4):
        holder = (keep, there)[turn % 2]
        await holder.acquire(ada)
        assert await holder.do(bank.step(account=ada, by=1.0)) == turn * 2 + 1
        assert await holder.do(bank.step(account=ada, by=1.0)) == turn * 2 + 2
        await holder.release(ada)
    await there.acquire(ada)
    await keep.do(bank.pay(giver=ada, receiver=ada, amount=1), actor="operator:eve")
    await there.do(bank.walk(account=ada, x=50.0))
    await there.flush()
    assert await keep.do(bank.step(account=ada, by=1.0), actor="operator:eve") == 51.0


async def test_a_lease_that_ran_out_is_taken_by_another_and_the_old_holder_writes_nothing(database_url: str) -> None:
    async with open_bank(database_url, lease_seconds=SHORT) as old, open_bank(database_url) as new:
        ada, bob = await accounts(old, "ada", "bob")
        await stand(old, ada, 66.0)
        lost: list[str] = []
        old.leasing.on_lost.append(lost.append)
        lose_touch(old)

        with pytest.raises(OwnerLeased):
            await new.acquire(ada)
        await asyncio.sleep(SHORT + 0.1)
        (lease,) = await new.acquire(ada)
        assert lease.epoch == 2
        await new.do(bank.walk(account=ada, x=5.0))

        # Whatever the old one tries, in whatever order, nothing of it is written.
        await old.flush()
        with pytest.raises(StaleLease):
            await old.do(bank.pay(giver=ada, receiver=bob, amount=1))
        with pytest.raises(StaleLease):
            await old.do(bank.walk(account=ada, x=67.0))
        await old.leasing.renew()
        await old.release(ada)

        assert lost == [ada]
        assert await one(old, PLACE, ada) == 5.0
        assert await fund(old, ada) == 100
        await new.do(bank.step(account=ada, by=1.0))
        await new.release(ada)
        # Having taken notice, it may act again like anybody.
        assert await old.do(bank.step(account=ada, by=1.0)) == 7.0
        await verified(new)


async def test_a_lost_lease_is_noticed_by_a_command_too(database_url: str) -> None:
    async with open_bank(database_url, lease_seconds=SHORT) as old, open_bank(database_url) as new:
        ada, bob = await accounts(old, "ada", "bob")
        await stand(old, ada, 66.0)
        lost: list[str] = []
        old.leasing.on_lost.append(lost.append)
        lose_touch(old)
        await asyncio.sleep(SHORT + 0.1)
        await new.acquire(ada)

        with pytest.raises(StaleLease) as refused:
            await old.do(bank.pay(giver=ada, receiver=bob, amount=1))

        assert refused.value.owner == ada
        assert lost == [ada]
        await old.flush()
        await old.release(ada)
        assert await one(old, PLACE, ada) == 0.0


async def test_a_lease_that_ran_out_and_that_nobody_took_is_stale_all_the_same(database_url: str) -> None:
    async with open_bank(database_url, lease_seconds=SHORT) as keep:
        ada, bob = await accounts(keep, "ada", "bob")
        await stand(keep, ada, 66.0)
        lose_touch(keep)
        await asyncio.sleep(SHORT + 0.1)

        with pytest.raises(StaleLease):
            await keep.do(bank.pay(giver=ada, receiver=bob, amount=1))

        assert await one(keep, PLACE, ada) == 0.0
        await keep.acquire(ada)
        assert await keep.do(bank.step(account=ada, by=1.0)) == 1.0


async def test_others_and_operators_reach_an_owner_whose_lease_was_lost_here(database_url: str) -> None:
    async with open_bank(database_url, lease_seconds=SHORT) as keep, open_bank(database_url) as other:
        ada, bob = await accounts(keep, "ada", "bob")
        await stand(keep, ada, 66.0)
        lose_touch(keep)
        await asyncio.sleep(SHORT + 0.1)
        with pytest.raises(StaleLease):
            await keep.do(bank.pay(giver=ada, receiver=bob, amount=1))

        # Whoever does not act for it is as good here as in any other process, from what the database knows.
        assert await keep.do(bank.pay(giver=bob, receiver=ada, amount=5)) == 95
        assert await keep.do(bank.step(account=ada, by=1.0), actor="operator:eve") == 1.0
        await other.acquire(ada)
        await other.do(bank.walk(account=ada, x=5.0))
        await other.flush()
        gift, refused, reset = await asyncio.gather(
            keep.do(bank.pay(giver=bob, receiver=ada, amount=5)),
            keep.do(bank.pay(giver=ada, receiver=bob, amount=1)),
            keep.do(bank.step(account=ada, by=1.0), actor="operator:eve"),
            return_exceptions=True,
        )

        # Only the program that acted for it must take notice.
        assert (gift, type(refused), reset) == (90, StaleLease, 6.0)
        assert await fund(keep, ada) == 110
        with pytest.raises(StaleLease):
            await keep.do(bank.walk(account=ada, x=67.0))
        await keep.release(ada)
        with pytest.raises(OwnerLeased):
            await keep.do(bank.pay(giver=ada, receiver=bob, amount=1))
        await verified(other)


async def test_a_gift_is_what_notices_that_another_took_the_lease(database_url: str) -> None:
    async with open_bank(database_url, lease_seconds=SHORT) as keep, open_bank(database_url) as other:
        ada, bob = await accounts(keep, "ada", "bob")
        await stand(keep, ada, 66.0)
        lost: list[str] = []
        keep.leasing.on_lost.append(lost.append)
        lose_touch(keep)
        await asyncio.sleep(SHORT + 0.1)
        await other.acquire(ada)

        # The gift is not to blame, and the claim makes the batch run twice.
        gift, taken, act = await asyncio.gather(
            keep.do(bank.pay(giver=bob, receiver=ada, amount=5)),
            keep.do(bank.rename(account=bob, nick="ada")),
            keep.do(bank.pay(giver=ada, receiver=bob, amount=1)),
            return_exceptions=True,
        )

        assert (gift, type(taken), type(act)) == (95, NameTaken, StaleLease)
        assert lost == [ada]
        await verified(other)


@pytest.mark.parametrize("release", [False, True])
async def test_what_memory_held_does_not_come_back_with_a_batch_that_was_under_way(keep: WatchedKeep, release: bool) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    await stand(keep, ada, 66.0)
    gate = Gate()
    keep.watched.after["apply"] = gate
    paying = asyncio.create_task(keep.do(bank.pay(giver=ada, receiver=bob, amount=1)))
    await gate.reached.wait()
    # The lease is found lost while a batch that ran under it is being written.
    keep.runner.leases.lose(ada)
    if release:
        keep.runner.leases.drop(ada)

    stepping = asyncio.create_task(keep.do(bank.step(account=ada, by=1.0), actor="operator:eve"))
    await asyncio.sleep(0.05)
    gate.open()

    assert await paying == 99
    assert await stepping == 1.0
    assert await keep.do(bank.step(account=ada, by=1.0), actor="operator:eve") == 2.0
    assert await one(keep, PLACE, ada) == 2.0
    await verified(keep)


async def test_a_lease_lost_while_a_batch_is_being_judged_is_answered_so(database_url: str) -> None:
    async with open_bank(database_url, lease_seconds=SHORT) as keep:
        ada, bob = await accounts(keep, "ada", "bob")
        await stand(keep, ada, 66.0)
        await keep.do(bank.pay(giver=ada, receiver=bob, amount=1))
        lose_touch(keep)
        gate = Gate()
        keep.watched.before["load"] = gate
        both = asyncio.gather(
            keep.do(bank.pay(giver=ada, receiver=bob, amount=1)), keep.do(bank.rename(account=bob, nick="ada")), return_exceptions=True
        )
        await gate.reached.wait()  # the names are being looked up
        await asyncio.sleep(SHORT + 0.1)
        await keep.leasing.renew()
        gate.open()

        assert [type(answer) for answer in await both] == [StaleLease, NameTaken]
        assert (await one(keep, PLACE, ada), await fund(keep, ada)) == (0.0, 99)
        await verified(keep)


async def test_what_ran_under_a_lease_is_not_written_without_it(database_url: str) -> None:
    async with open_bank(database_url, lease_seconds=SHORT) as keep:
        (ada,) = await accounts(keep, "ada")
        await stand(keep, ada, 66.0)
        await keep.do(bank.rename(account=ada, nick="queen"))
        lose_touch(keep)
        gate = Gate()
        keep.watched.before["load"] = gate
        renaming = asyncio.create_task(keep.do(bank.rename(account=ada, nick="empress")))
        await gate.reached.wait()  # it has run, and the name is being looked up
        await asyncio.sleep(SHORT + 0.1)
        await keep.leasing.renew()
        gate.open()

        with pytest.raises(StaleLease):
            await renaming
        assert await one(keep, "SELECT nick FROM bank_profiles WHERE account_id = ?", ada) == "queen"
        await verified(keep)


async def test_a_lease_is_kept_alive_by_itself(database_url: str) -> None:
    async with open_bank(database_url, lease_seconds=SHORT) as keep, open_bank(database_url) as other:
        (ada,) = await accounts(keep, "ada")
        await stand(keep, ada, 66.0)

        await asyncio.sleep(2 * SHORT)

        with pytest.raises(OwnerLeased):
            await other.acquire(ada)
        assert await keep.do(bank.step(account=ada, by=1.0)) == 67.0


async def test_a_listener_that_fails_does_not_end_the_renewal(database_url: str) -> None:
    async with open_bank(database_url, lease_seconds=SHORT) as keep, open_bank(database_url) as other:
        ada, bob = await accounts(keep, "ada", "bob")
        await stand(keep, ada, 66.0)

        def fail(_: str) -> None:
            raise ZeroDivisionError("a fault of the game")

        keep.leasing.on_foreign_change.append(fail)
        await other.do(bank.pay(giver=bob, receiver=ada, amount=1))
        assert await keep.do(bank.change_nothing(account=ada)) == 101
        await other.do(bank.pay(giver=bob, receiver=ada, amount=1))
        await asyncio.sleep(2 * SHORT)

        with pytest.raises(OwnerLeased):
            await other.acquire(ada)
