"""Abuse of trades, rewards and idempotency keys that needs no crash: numbers 18, 31, 32, 38 and 90 to 94 of the list of known dupes."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

import gamekeeper
from gamekeeper.errors import InvalidArgument, KeyReused
from gamekeeper.keep import Keep
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import characters, items, trades
from tests.crash import bank as banks
from tests.crash.faults import faulty
from tests.crash.raw import raw
from tests.modules import scene


async def two_with_arrows(keep: Keep, count: int = 50) -> tuple[str, str]:
    """Ada and Bob; only Ada has arrows."""
    await scene.stock(keep)
    ada, bob = await scene.people(keep, "Ada", "Bob")
    await keep.do(items.grant(holder=ada, item="arrow", quantity=count, source="starter"))
    return ada, bob


async def sound(keep: Keep) -> None:
    """Everything adds up, and everything is as it was written."""
    await scene.adds_up(keep)
    assert (await verify(keep)).problems == []


async def test_abuse_18_who_disconnects_while_confirming_has_confirmed_or_not_and_the_key_tells(keep: Keep) -> None:
    ada, bob = await two_with_arrows(keep)
    made = await keep.do(trades.request(initiator=ada, receiver=bob))
    await keep.do(trades.respond(character=bob, trade=made.trade_id, accept=True))
    state = await keep.do(trades.offer(character=ada, trade=made.trade_id, items=[trades.OfferedItem(slot=0, quantity=50)]))
    await keep.do(trades.accept(character=ada, trade=made.trade_id, revision=state.revision))
    state = await keep.do(trades.accept(character=bob, trade=made.trade_id, revision=state.revision))
    await keep.do(trades.accept(character=ada, trade=made.trade_id, revision=state.revision))

    last = trades.accept(character=bob, trade=made.trade_id, revision=state.revision)
    click = asyncio.create_task(keep.do(last, key="click"))
    await asyncio.sleep(0)
    click.cancel()
    await asyncio.gather(click, return_exceptions=True)

    assert (await keep.do(last, key="click")).status == "completed"
    assert await scene.totals(keep, [ada, bob], "arrow") == [0, 50]
    await sound(keep)


async def test_abuse_31_a_stack_is_banked_and_sold_at_the_same_moment(keep: Keep) -> None:
    ada, bob = await two_with_arrows(keep)

    for _ in range(10):
        answers: Any = await asyncio.gather(
            keep.do(items.move(holder=ada, from_container="inventory", from_slot=0, to_container="bank:0")),
            keep.do(items.use_up(holder=ada, item="arrow", quantity=50, sink="shop")),
            keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=50)),
            return_exceptions=True,
        )
        assert sum(not isinstance(answer, Exception) for answer in answers) == 1
        for one in (ada, bob):
            for row in await keep.ask(items.inventory(holder=one)):
                call = items.use_up.call(
                    {"holder": one, "item": "arrow", "quantity": row.quantity, "sink": "reset", "container": row.container}
                )
                await keep.do(call)
        await keep.do(items.grant(holder=ada, item="arrow", quantity=50, source="reset"))
        assert await keep.ask(items.held(holder=ada, item="arrow")) == 50
    await sound(keep)


async def test_abuse_32_two_members_empty_the_same_chest_on_two_servers(database_url: str) -> None:
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True)) for _ in range(2)
        ]
        await scene.stock(servers[0])
        await servers[1].load_content()
        chest, ada, bob = await scene.people(servers[0], "Guild Chest", "Ada", "Bob")
        for _ in range(10):
            await servers[0].do(items.grant(holder=chest, item="arrow", quantity=100, source="starter"))
            for server in servers:
                await server.ask(items.inventory(holder=chest))
            answers: list[Any] = await asyncio.gather(
                *(
                    server.do(items.give(giver=chest, receiver=member, item="arrow", quantity=100))
                    for server, member in zip(servers * 2, (ada, bob, bob, ada), strict=True)
                ),
                return_exceptions=True,
            )
            assert sum(isinstance(answer, items.Placed) for answer in answers) == 1
        assert sum(await scene.totals(servers[0], [chest, ada, bob], "arrow")) == 1_000
        await sound(servers[0])


async def test_abuse_38_a_reward_that_does_not_fit_is_not_half_paid(keep: Keep) -> None:
    ada, _ = await two_with_arrows(keep)
    await scene.fill(keep, ada, 27)

    reward = (
        items.grant(holder=ada, item="coins", quantity=500, source="quest", container="pouch"),
        items.grant(holder=ada, item="crown", quantity=1, source="quest"),
    )
    for _ in range(3):
        with pytest.raises(items.InventoryFull):
            await keep.do(*reward, key="quest:dragon")
    assert await keep.ask(items.held(holder=ada, item="coins")) == 0

    await keep.do(items.use_up(holder=ada, item="logs", quantity=1, sink="fire"))
    for _ in range(3):  # once there is room it is paid, and the key pays it once
        await keep.do(*reward, key="quest:dragon")
    assert await scene.totals(keep, [ada], "coins") == [500]
    assert await scene.totals(keep, [ada], "crown") == [1]
    await sound(keep)


async def test_abuse_90_nobody_gets_at_the_answer_of_anothers_key(keep: Keep) -> None:
    ada, bob = await two_with_arrows(keep)

    for actor in ("player:ada", "player:bob", "player:ada"):
        await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=10), key="1", actor=actor)

    assert await scene.totals(keep, [ada, bob], "arrow") == [30, 20]
    for key in ("", "k" * 256, "nul\0", "half\ud800"):
        with pytest.raises(InvalidArgument):
            await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=10), key=key)
    # An actor and a key that look alike when they are put together are not.
    await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=10), key="b:c", actor="a")
    await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=10), key="c", actor="a:b")
    assert await scene.totals(keep, [ada, bob], "arrow") == [10, 40]
    await sound(keep)


async def test_abuse_90_a_double_click_is_one_click(keep: Keep) -> None:
    """The first one takes all there is, so that the second would be refused if it were done for itself."""
    ada, bob = await two_with_arrows(keep)

    answers: list[Any] = await asyncio.gather(
        *(keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=50), key="click") for _ in range(20)),
        *(keep.do(characters.create(name="Cyd"), key="create") for _ in range(5)),
    )

    assert answers[:20] == [items.Placed([0])] * 20
    assert len({one.character_id for one in answers[20:]}) == 1
    assert await scene.totals(keep, [ada, bob], "arrow") == [0, 50]
    async with raw(keep.settings.url) as database:
        assert await banks.done_per_key(database) == {"click": 1, "create": 1}
    await sound(keep)


async def test_abuse_90_a_double_click_on_two_servers_is_one_click(database_url: str) -> None:
    """Also of commands that lock nothing in common, or change nothing: then the key alone stands between the two."""
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True)) for _ in range(2)
        ]
        ada, bob = await two_with_arrows(servers[0])
        await servers[1].load_content()
        for number in range(15):
            clicks = (
                items.give(giver=ada, receiver=bob, item="arrow", quantity=2),
                characters.create(name=f"Cyd {number}"),
                items.move(holder=ada, from_container="inventory", from_slot=0, to_container="inventory", to_slot=0),
            )
            for which, call in enumerate(clicks):
                answers: list[Any] = await asyncio.gather(*(one.do(call, key=f"{number}.{which}") for one in servers * 2))  # type: ignore[call-overload]
                assert all(answer == answers[0] for answer in answers)
        assert await scene.totals(servers[0], [ada, bob], "arrow") == [20, 30]
        await sound(servers[0])


async def test_abuse_91_a_key_with_another_request_is_refused(keep: Keep) -> None:
    ada, bob = await two_with_arrows(keep)
    await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=10), key="click")

    for other in (
        items.give(giver=ada, receiver=bob, item="arrow", quantity=11),
        items.give(giver=bob, receiver=ada, item="arrow", quantity=10),
        items.use_up(holder=ada, item="arrow", quantity=10, sink="fire"),
    ):
        with pytest.raises(KeyReused):
            await keep.do(other, key="click")
    with pytest.raises(KeyReused):  # one more call in the same request is another request
        await keep.do(*(items.give(giver=ada, receiver=bob, item="arrow", quantity=10) for _ in range(2)), key="click")

    assert await scene.totals(keep, [ada, bob], "arrow") == [40, 10]
    await sound(keep)


async def test_abuse_92_a_key_of_value_is_never_forgotten(database_url: str) -> None:
    """A restart, an empty cache and a hundred thousand seconds later it is still known."""
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True) as keep:
        ada, bob = await two_with_arrows(keep)
        await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=10), key="click")
    async with raw(database_url) as database:
        await database.rows("UPDATE idempotency SET at = 0")
    async with gamekeeper.open(database_url, allow_unsafe_postgres=True, cache_rows=1) as keep:
        for _ in range(3):
            await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=10), key="click")
        assert await scene.totals(keep, [ada, bob], "arrow") == [40, 10]
        await sound(keep)


async def test_nobody_is_refused_by_content_that_another_server_has_replaced(database_url: str) -> None:
    """Of one batch that was decided by the old definitions, what was refused is decided again by the new ones."""
    async with AsyncExitStack() as stack:
        here, there = [
            await stack.enter_async_context(gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True)) for _ in range(2)
        ]
        ada, bob = await two_with_arrows(here)  # `there` has not heard of arrows
        answers: Any = await asyncio.gather(
            there.do(characters.rename(character=bob, name="Bert")),
            there.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=20)),
            there.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=40)),
            return_exceptions=True,
        )

        assert [type(answer) for answer in answers] == [characters.Renamed, items.Placed, items.InsufficientQuantity]
        assert await scene.totals(here, [ada, bob], "arrow") == [30, 20]
        await sound(here)


async def test_abuse_94_batches_in_doubt_need_no_second_connection_each(database_url: str) -> None:
    """As many batches as connections: if one of them waited for a further connection while it holds its own, all would wait for ever."""
    async with faulty(database_url, pool_size=2, overlap=2, max_batch=1) as (keep, store):
        await scene.stock(keep)
        people = await scene.people(keep, "Ada", "Bob", "Cyd", "Dan")
        for one in people:
            await keep.do(items.grant(holder=one, item="arrow", quantity=50, source="starter"))
        for _ in range(5):
            store.fail(1, "lost_after", times=2)
            async with asyncio.timeout(2):
                await asyncio.gather(
                    keep.do(items.give(giver=people[0], receiver=people[1], item="arrow", quantity=5)),
                    keep.do(items.give(giver=people[2], receiver=people[3], item="arrow", quantity=5)),
                )
        store.fail(0, "unreachable", times=0)
        assert keep.stats.unknown_committed == 10
        assert await scene.totals(keep, people, "arrow") == [25, 75, 25, 75]
        await sound(keep)
