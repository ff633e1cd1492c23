"""Queries: typed rows, pages, and owners leased here read as memory has them."""

import asyncio
from typing import Any

import pytest

from gamekeeper.errors import InvalidArgument, StoreUnavailable
from gamekeeper.kernel.queries import Ask
from gamekeeper.kernel.store.base import Unreachable
from tests.kernel import bank
from tests.kernel.instruments import WatchedKeep, accounts, one, open_bank


async def test_rows_come_back_as_what_was_asked_for(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    await keep.do(bank.pay(giver=ada, receiver=bob, amount=30))

    assert await keep.ask(bank.wealth()) == sorted([bank.Wealth(ada, 70), bank.Wealth(bob, 130)], key=lambda one: one.account_id)
    assert await keep.ask(bank.wealth(coin="silver")) == []
    assert await keep.ask(bank.whose(nick="bob")) == bob
    assert await keep.ask(bank.whose(nick="nobody")) is None
    assert await keep.ask(bank.gold(account=ada)) == 70
    assert await keep.ask(bank.gold(account="nobody")) == -1
    assert await keep.ask(bank.profile(account=ada)) == bank.Profile(ada, "ada@example.org", "ada")
    assert await keep.ask(bank.whole(account=ada)) == bank.Whole(2, [bank.Purse(ada, "gold", 70)], None)
    assert await keep.ask(bank.whole(account="nobody")) is None


async def test_an_owner_is_read_whole_with_one_call_and_its_rows_in_the_order_of_their_keys(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    await keep.do(bank.empty(account=ada), bank.pay_in(account=ada, amount=1), bank.walk(account=ada, x=2.0))
    keep.forget()

    whole = await keep.ask(bank.whole(account=ada))

    assert keep.watched.calls == {"load": 1}
    assert whole is not None
    assert [purse.coin for purse in whole.purses] == ["dust of gold", "gold"]
    assert whole.place == bank.Place(ada, 2.0)


async def test_pages_hold_every_row_once_while_rows_are_added(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    written = [await keep.do(bank.pay_in(account=ada, amount=i + 1, memo=f"nr {i}")) for i in range(7)]
    await keep.do(bank.pay_in(account=bob, amount=1))

    seen: list[bank.Receipt] = []
    cursor = None
    while True:
        page = await keep.ask(bank.receipts(account=ada, cursor=cursor, limit=3))
        seen += page.items
        if len(seen) == 6:
            written.append(await keep.do(bank.pay_in(account=ada, amount=8, memo="nr 7")))
        if page.next_cursor is None:
            break
        cursor = page.next_cursor

    assert [receipt.receipt_id for receipt in seen] == written
    assert [receipt.amount for receipt in seen] == list(range(1, 9))
    assert (await keep.ask(bank.receipts(account=ada, limit=8))).next_cursor is None


async def test_arguments_of_queries_are_checked(keep: WatchedKeep) -> None:
    for wrong in ({"limit": 0}, {"limit": 201}, {"limit": "3"}, {"cursor": 5}, {"after": "x"}, {"account": "a b"}):
        with pytest.raises(InvalidArgument):
            bank.receipts(**{"account": "a", **wrong})  # type: ignore[arg-type]
    for cursor in ("nonsense", "WzFd", "W10", "é", "="):
        with pytest.raises(InvalidArgument) as refused:
            await keep.ask(bank.receipts(account="a", cursor=cursor))
        assert refused.value.path == "/cursor"


async def test_an_owner_leased_here_is_read_as_memory_has_it(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    await keep.acquire(ada)
    await keep.do(bank.walk(account=ada, x=0.0))
    await keep.do(bank.walk(account=ada, x=7.0))

    assert await one(keep, "SELECT x FROM bank_places") == 0.0
    assert await keep.ask(bank.place(account=ada)) == 7.0
    assert await keep.ask(bank.places(account=ada)) == [7.0]
    whole = await keep.ask(bank.whole(account=ada))
    assert whole is not None
    assert whole.place == bank.Place(ada, 7.0)


async def test_memory_shows_through_when_the_rows_have_to_be_read_again(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    await keep.acquire(ada)
    await keep.do(bank.walk(account=ada, x=0.0))
    await keep.do(bank.walk(account=ada, x=7.0))
    async with open_bank(keep.settings.url) as there:
        await there.do(bank.set_meta(account=ada, meta={"seen": True}), actor="operator:eve")
    await keep.leasing.renew()

    assert await keep.ask(bank.place(account=ada)) == 7.0
    assert await keep.ask(bank.places(account=ada)) == [7.0]
    whole = await keep.ask(bank.whole(account=ada))
    assert whole is not None
    assert whole.place == bank.Place(ada, 7.0)


async def test_a_row_removed_in_memory_is_not_read_from_the_database(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    await keep.acquire(ada)
    await keep.do(bank.walk(account=ada, x=0.0))
    await keep.do(bank.vanish(account=ada))
    keep.runner.cache.peek(ada).tables.clear()  # type: ignore[union-attr]

    assert await keep.ask(bank.place(account=ada)) is None
    assert await keep.ask(bank.places(account=ada)) == []


async def test_a_query_never_sees_what_is_not_committed(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")

    async def trade() -> None:
        for _ in range(20):
            await keep.do(bank.pay(giver=ada, receiver=bob, amount=1))
            await keep.do(bank.pay(giver=bob, receiver=ada, amount=1))

    async def look() -> set[int]:
        return {sum(one.amount for one in await keep.ask(bank.wealth())) for _ in range(20)}

    (seen, *_) = await asyncio.gather(look(), *(trade() for _ in range(3)))

    assert seen == {200}


async def test_a_database_that_is_away_is_a_store_unavailable(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")

    async def fail(_: object) -> None:
        raise Unreachable("no route")

    keep.watched.before["load"] = fail
    questions: list[Ask[Any]] = [bank.gold(account=ada), bank.whole(account=ada), bank.places(account=ada)]
    for question in questions:
        with pytest.raises(StoreUnavailable, match="no route"):
            await keep.ask(question)
    with pytest.raises(StoreUnavailable):
        await keep.version(ada)


async def test_many_owners_are_read_in_one_round_trip_and_those_leased_here_from_memory(keep: WatchedKeep) -> None:
    ada, bob, eve = await accounts(keep, "ada", "bob", "eve")
    await keep.do(bank.empty(account=ada), bank.pay_in(account=ada, amount=1))
    keep.forget()

    found = await keep.reader.each(bank.Purse, [ada, bob, "nobody", ada])

    assert keep.watched.calls == {"load": 1}
    assert {owner: [(one.coin, one.amount) for one in rows] for owner, rows in found.items()} == {
        ada: [("dust of gold", 1), ("gold", 1)],
        bob: [("gold", 100)],
        "nobody": [],
    }
    assert await keep.reader.each(bank.Purse, []) == {}
    async with keep.lease(eve):
        await keep.do(bank.walk(account=eve, x=3.0))
        assert await keep.reader.each(bank.Place, [ada, eve]) == {ada: [], eve: [bank.Place(eve, 3.0)]}


async def test_many_rows_are_read_by_key_in_one_round_trip(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    assert await keep.reader.some(bank.Coupon, [(ada, "none")]) == []
    assert await keep.reader.some(bank.Coupon, []) == []
    with pytest.raises(TypeError, match="read by owner"):
        await keep.reader.some(bank.Purse, [(ada, "gold")])
