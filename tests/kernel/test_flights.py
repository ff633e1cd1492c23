"""Batches over batches: the next one runs while the one before is written, and nothing that it foretold is ever told as true."""

import asyncio

import pytest

from gamekeeper.errors import VersionConflict
from gamekeeper.kernel.store.base import OutcomeUnknown, WriteSet
from tests.kernel import bank
from tests.kernel.instruments import Gate, WatchedKeep, accounts, fund, one, open_bank, verified


async def until_ahead(keep: WatchedKeep) -> None:
    """Let what waits run in memory."""
    for _ in range(20):
        await asyncio.sleep(0)
    assert keep.engine.airspace.building() == 1


def paid(keep: WatchedKeep, giver: str, receiver: str, amount: int) -> "asyncio.Task[int]":
    """Begin to pay."""
    return asyncio.create_task(keep.do(bank.pay(giver=giver, receiver=receiver, amount=amount)))


async def test_the_next_batch_runs_while_the_one_before_is_written(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    gate = Gate()
    keep.forget()
    keep.watched.before["apply"] = gate
    first = paid(keep, ada, bob, 10)
    await gate.reached.wait()
    second, third = paid(keep, ada, bob, 20), paid(keep, bob, ada, 5)
    await until_ahead(keep)

    assert keep.watched.calls == {"apply": 1}
    gate.open()

    assert tuple(await asyncio.gather(first, second, third)) == (90, 70, 125)
    assert keep.watched.calls == {"apply": 2}
    assert keep.stats.built_ahead == 1
    assert (await fund(keep, ada), await fund(keep, bob), await keep.version(ada)) == (75, 125, 3)
    await verified(keep)


async def test_when_the_batch_below_falls_the_next_runs_again_over_what_is_true(database_url: str) -> None:
    async with open_bank(database_url) as keep, open_bank(database_url) as other:
        ada, bob = await accounts(keep, "ada", "bob")
        gate = Gate()
        keep.watched.before["apply"] = gate
        first = paid(keep, ada, bob, 3)
        await gate.reached.wait()
        second = paid(keep, ada, bob, 3)
        await until_ahead(keep)
        await other.do(bank.pay(giver=ada, receiver=bob, amount=95))
        gate.open()

        # What the second had come to in memory, 94, is nobody's answer.
        assert await first == 2
        with pytest.raises(bank.TooPoor):
            await second
        assert await fund(keep, ada) == 2
        assert keep.stats.built_ahead == 0
        await verified(keep)


async def test_a_refusal_over_what_never_happened_is_not_told(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    gate = Gate()
    keep.watched.before["apply"] = gate
    doomed = asyncio.create_task(
        keep.do(bank.pay(giver=ada, receiver=bob, amount=60), bank.miswrite(account=bob, fault="negative")),
    )
    await gate.reached.wait()
    second = paid(keep, ada, bob, 60)
    await until_ahead(keep)
    gate.open()

    with pytest.raises(Exception, match="refused a row"):
        await doomed
    assert await second == 40
    await verified(keep)


async def test_a_batch_below_of_unknown_outcome_counts_once(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    gate, failures = Gate(), [OutcomeUnknown("the answer was lost")]

    async def lose_one(_: WriteSet) -> None:
        if failures:
            raise failures.pop()

    keep.watched.before["apply"] = gate
    keep.watched.after["apply"] = lose_one
    first = paid(keep, ada, bob, 10)
    await gate.reached.wait()
    second = paid(keep, ada, bob, 20)
    await until_ahead(keep)
    gate.open()

    assert tuple(await asyncio.gather(first, second)) == (90, 70)
    assert keep.stats.unknown_committed == 1
    assert await fund(keep, bob) == 130
    await verified(keep)


async def test_a_name_given_back_below_can_be_taken_again(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "king")
    gate = Gate()
    keep.watched.before["apply"] = gate
    first = asyncio.create_task(keep.do(bank.rename(account=ada, nick="duke")))
    await gate.reached.wait()
    second = asyncio.create_task(keep.do(bank.rename(account=ada, nick="king")))
    await until_ahead(keep)
    gate.open()

    assert tuple(await asyncio.gather(first, second)) == ("king", "duke")
    assert await one(keep, "SELECT owner_id FROM claims WHERE key = 'king'") == ada
    await verified(keep)


async def test_an_expected_version_may_be_one_that_is_being_written(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    version = await keep.version(ada)
    assert version is not None
    gate = Gate()
    keep.watched.before["apply"] = gate
    first = paid(keep, ada, bob, 10)
    await gate.reached.wait()
    old = asyncio.create_task(keep.do(bank.pay(giver=ada, receiver=bob, amount=1), expect_version=version))
    await until_ahead(keep)
    new = asyncio.create_task(keep.do(bank.pay(giver=ada, receiver=bob, amount=1), expect_version=version + 1))
    gate.open()

    assert await first == 90
    with pytest.raises(VersionConflict):
        await old
    assert await new == 89


async def test_a_retry_waits_for_the_first_try_and_is_not_built_on_it(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    gate = Gate()
    keep.watched.before["apply"] = gate
    call = bank.pay(giver=ada, receiver=bob, amount=10)
    first = asyncio.create_task(keep.do(call, key="once"))
    await gate.reached.wait()
    again = asyncio.create_task(keep.tell(call, key="once"))
    await asyncio.sleep(0.01)
    assert keep.engine.airspace.building() == 0
    gate.open()

    assert await first == 90
    told = await again
    assert (told.results, told.replayed) == ([90], True)
    assert await fund(keep, ada) == 90


async def test_a_lease_is_granted_under_a_stream_of_commands_on_its_owner(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    stop = asyncio.Event()

    async def stream() -> None:
        while not stop.is_set():
            await keep.do(bank.pay(giver=ada, receiver=bob, amount=1))
            await keep.do(bank.pay(giver=bob, receiver=ada, amount=1))

    streams = [asyncio.create_task(stream()) for _ in range(12)]
    await asyncio.sleep(0.05)
    for _ in range(5):
        await asyncio.wait_for(keep.acquire(ada), 10)
        await asyncio.wait_for(keep.release(ada), 10)
    stop.set()
    await asyncio.gather(*streams)

    assert keep.stats.built_ahead > 0
    assert await fund(keep, ada) + await fund(keep, bob) == 200
    await verified(keep)


@pytest.mark.parametrize("memo", ["\x1f", "\x1e", "\x1f\x1e", "a\x1fb\x1ec", "\ue000\ue001\x1f", "", "\\N", "NULL"])
async def test_no_text_is_taken_for_what_separates_texts(keep: WatchedKeep, memo: str) -> None:
    (ada,) = await accounts(keep, "ada")

    await asyncio.gather(
        *(keep.do(bank.pay_in(account=ada, amount=1, memo=text)) for text in ("before", memo, "", "after")), return_exceptions=False
    )

    assert await one(keep, "SELECT count(*) FROM bank_receipts WHERE account_id = ? AND memo = ?", ada, memo) == (2 if memo == "" else 1)
    await verified(keep)
