"""Telling: a command that goes before a request and is no part of it, and a request that is prepared again when somebody was faster."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gamekeeper.errors import GameError, OwnerNotFound, VersionConflict
from gamekeeper.keep import PREPARE_TRIES, Keep
from gamekeeper.kernel.commands import Command, Prepared
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import Quantity
from gamekeeper.kernel.workingset import Context
from tests.kernel import bank
from tests.kernel.instruments import Gate, WatchedKeep, accounts, fund, one, open_bank, rows, verified

# What goes before


async def test_what_goes_before_is_done_first_in_the_same_transaction_and_not_told(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    keep.forget()
    standing = bank.pay(giver=bob, receiver=ada, amount=30)

    told = await keep.tell(
        bank.pay(giver=ada, receiver=bob, amount=130), bank.change_nothing(account=bob), standing=standing, expect_version=1, key="k"
    )

    # Without the standing one, Ada would have had too little. An expected version is that of the request's owner, as ever.
    assert (told.results, told.replayed) == ([0, 200], False)
    assert keep.watched.calls["apply"] == 1
    assert await rows(keep, "SELECT actor, response FROM idempotency") == [("embedded", "[0,200]")]
    assert [call for (call,) in await rows(keep, "SELECT command FROM journal WHERE owner_id = ? AND seq > 1", ada)] == ["bank.pay"] * 2
    with pytest.raises(VersionConflict):
        await keep.tell(bank.change_nothing(account=ada), standing=bank.change_nothing(account=bob), expect_version=1)
    await verified(keep)


async def test_once_what_goes_before_refuses_nothing_is_written(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")

    # Each is undone with the other, whichever it is that refuses; a neighbour in the batch has no part in it.
    refused, spent, neighbour = await asyncio.gather(
        keep.tell(bank.pay_in(account=bob, amount=50), standing=bank.pay(giver=ada, receiver=bob, amount=101), key="k"),
        keep.tell(bank.pay(giver=bob, receiver=ada, amount=500), standing=bank.pay(giver=ada, receiver=bob, amount=60)),
        keep.tell(bank.pay(giver=ada, receiver=bob, amount=1), standing=bank.change_nothing(account=ada)),
        return_exceptions=True,
    )
    assert isinstance(refused, bank.TooPoor)
    assert isinstance(spent, bank.TooPoor)
    assert (refused.needed, spent.needed) == (101, 500)
    assert not isinstance(neighbour, BaseException)
    assert neighbour.results == [99]
    with pytest.raises(OwnerNotFound):
        await keep.tell(bank.pay_in(account=bob, amount=50), standing=bank.pay_nick(giver=ada, nick="nobody", amount=1))

    assert (await fund(keep, ada), await fund(keep, bob)) == (99, 101)
    assert await one(keep, "SELECT count(*) FROM bank_receipts") == 0
    assert await one(keep, "SELECT count(*) FROM idempotency") == 0
    await verified(keep)


async def test_what_goes_before_is_judged_by_what_is_true_when_the_write_goes_in(database_url: str) -> None:
    async with open_bank(database_url) as keep, open_bank(database_url) as other:
        ada, bob, cy = await accounts(keep, "ada", "bob", "cy")
        gate = Gate()
        keep.watched.before["apply"] = gate
        # Of Ada, the standing one only reads.
        telling = asyncio.create_task(keep.tell(bank.pay_in(account=bob, amount=50), standing=bank.insist(account=ada, amount=100)))
        await gate.reached.wait()
        await other.do(bank.pay(giver=ada, receiver=cy, amount=1))
        gate.open()

        with pytest.raises(bank.TooPoor):
            await telling

        assert await fund(keep, bob) == 100
        await verified(keep)


async def test_a_retry_may_come_with_another_one_before_it(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    call = bank.pay(giver=bob, receiver=ada, amount=10)
    first = await keep.tell(call, key="k", standing=bank.pay(giver=ada, receiver=bob, amount=5))

    again = [
        await keep.tell(call, key="k", standing=standing)
        for standing in (
            bank.pay(giver=ada, receiver=bob, amount=6),
            bank.pay_nick(giver=ada, nick="bob", amount=7),
            bank.change_nothing(account=bob),
            None,
        )
    ]

    # The kept answer is the request's alone, and nothing of what goes before a retry is done.
    assert (first.results, first.replayed) == ([95], False)
    assert [(told.results, told.replayed) for told in again] == [([95], True)] * 4
    assert (await fund(keep, ada), await fund(keep, bob)) == (105, 95)
    await verified(keep)


# Prepared again

Faster = Callable[[], Awaitable[Any]]


class NickMoved(GameError):
    """The nick is somebody else's by now."""

    code = "NICK_MOVED"


def _pay_nick(ctx: Context, *, giver: bank.AccountId, nick: str, amount: Quantity) -> int:
    """Give gold to whoever has a nick."""
    profile = ctx.get(bank.Profile, ctx.found)
    if profile is None or profile.nick != nick:
        raise NickMoved
    left = bank._take(ctx, giver, amount)
    bank._give(ctx, ctx.found, amount)
    return left


class Racing:
    """A command that is prepared by looking for a nick, and what others do between each look and the batch."""

    def __init__(self, *faster: Faster, again: tuple[type[GameError], ...] = (NickMoved,)) -> None:
        self.looks: list[str] = []
        self.again: list[bool] = []
        self._faster = list(faster)
        # Not declared: only these tests know of it.
        self.pay: Command[Any, int] = Command(
            _pay_nick,
            touches=(bank.Purse, bank.Profile),
            keys=None,
            prepare=self._look,
            durability="commit",
            access="server",
            module="racing",
            prepares_again=again,
        )

    async def _look(self, read: Reader, arguments: Any) -> Prepared:
        found: str = await read.scalar(bank.BY_NICK, nick=arguments.nick)
        self.looks.append(found)
        self.again.append(read.again)
        if self._faster:
            await self._faster.pop(0)()
        return Prepared(found=found, owners=(found,))


def moves(keep: Keep, giver: str, receiver: str) -> Faster:
    """The nick "boss" going from one account to another."""
    return lambda: keep.do(bank.rename(account=giver, nick=f"no-{giver}"), bank.rename(account=receiver, nick="boss"))


async def test_a_command_that_lost_a_race_is_prepared_and_done_again(keep: WatchedKeep) -> None:
    ada, boss, cy = await accounts(keep, "ada", "boss", "cy")
    racing = Racing(moves(keep, boss, cy), moves(keep, cy, boss))
    call = racing.pay(giver=ada, nick="boss", amount=10)

    told = await keep.tell(
        bank.pay_in(account=ada, amount=1), call, key="k", standing=bank.pay(giver=cy, receiver=ada, amount=2), reason="debts"
    )

    # Two others were faster; what goes with it and before it is done once.
    assert racing.looks == [boss, cy, boss]
    assert len(racing.looks) == PREPARE_TRIES
    assert racing.again == [False, True, True], "a step is told that it is not the first one"
    assert (told.results[1], told.replayed) == (93, False)
    assert [await fund(keep, one) for one in (ada, boss, cy)] == [93, 110, 98]
    assert await rows(keep, "SELECT reason FROM journal WHERE command = 'racing._pay_nick' AND origin_id = owner_id") == [("debts",)]
    # A retry is answered at once, although it would lose.
    await keep.do(bank.rename(account=boss, nick="nobody"), bank.rename(account=cy, nick="boss"))
    racing._faster.append(moves(keep, cy, boss))
    again = await keep.tell(bank.pay_in(account=ada, amount=1), call, key="k")
    assert (again.results, again.replayed) == (told.results, True)
    later = Racing()
    await keep.do(later.pay(giver=ada, nick="boss", amount=1))
    assert later.again == [True], "for a while the next ones of its name are told so too"
    await verified(keep)


@pytest.mark.parametrize(("again", "looks"), [((NickMoved,), PREPARE_TRIES), ((bank.TooPoor,), 1), ((), 1)])
async def test_one_that_always_loses_is_refused_in_the_end(keep: WatchedKeep, again: tuple[type[GameError], ...], looks: int) -> None:
    ada, boss, cy = await accounts(keep, "ada", "boss", "cy")
    racing = Racing(*[moves(keep, boss, cy), moves(keep, cy, boss)] * PREPARE_TRIES, again=again)

    with pytest.raises(NickMoved):
        await keep.do(bank.pay_in(account=ada, amount=1), racing.pay(giver=ada, nick="boss", amount=10), key="k")

    assert len(racing.looks) == looks
    assert [await fund(keep, one) for one in (ada, boss, cy)] == [100, 100, 100]
    assert await one(keep, "SELECT count(*) FROM idempotency") == 0
    await verified(keep)


async def test_what_is_no_lost_race_is_refused_at_once(keep: WatchedKeep) -> None:
    ada, boss, cy = await accounts(keep, "ada", "boss", "cy")
    racing = Racing(moves(keep, boss, cy))

    with pytest.raises(bank.TooPoor):
        await keep.do(racing.pay(giver=ada, nick="boss", amount=101))

    # Once for the race, and not again for the poverty.
    assert racing.looks == [boss, cy]
    assert await fund(keep, ada) == 100
