"""Abuse of saves, crashes and servers: numbers 1 to 16 of the list of known dupes (15 stands in crash/test_two_servers.py)."""

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

import gamekeeper
from gamekeeper import GameError
from gamekeeper.errors import OwnerLeased, SaveFailing, StaleLease, StoreUnavailable
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import characters, items, worlds
from tests.crash import bank as banks
from tests.crash.faults import faulty
from tests.crash.raw import raw
from tests.crash.statements import swap
from tests.crash.test_two_servers import other_server
from tests.modules import scene

ROOT = Path(__file__).parents[2]


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


def opened(url: str, **settings: Any) -> Any:
    """Another server on the same database."""
    return gamekeeper.open(url, allow_unsafe_postgres=True, **settings)


async def x_of(url: str, character: str) -> float:
    """Where a character is, as the database knows it."""
    async with raw(url) as database:
        return float(await database.one("SELECT x FROM character_locations WHERE character_id = ?", character))


async def test_abuse_01_the_receiver_logs_out_and_the_server_crashes_before_the_giver_is_saved(database_url: str) -> None:
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True) as keep:
        ada, bob = await two_with_arrows(keep)
        async with other_server(database_url, lease_seconds=1.0) as server:
            await server.tell("acquire", ada, bob)
            await server.tell("do", "characters.move_to", {"character": ada, "x": 1.0})
            await server.tell("do", "items.give", {"giver": ada, "receiver": bob, "item": "arrow", "quantity": 50})
            await server.tell("release", bob)
            server.kill()

        await asyncio.sleep(1.2)
        await keep.acquire(ada, bob)

        assert await scene.totals(keep, [ada, bob], "arrow") == [0, 50]
        with pytest.raises(items.ItemNotFound):
            await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=1))
        await sound(keep)


async def test_abuse_02_a_kill_between_debit_and_credit(tmp_path: Path) -> None:
    path, most = tmp_path / "world.db", 60
    async with gamekeeper.open(f"sqlite:///{path}", create=True) as keep:
        await scene.stock(keep)

        async def one_pair(number: int) -> list[str]:
            pair = await scene.people(keep, f"Ada {number}", f"Bob {number}")
            await keep.do(items.grant(holder=pair[0], item="arrow", quantity=5, source="starter"))
            await keep.do(items.grant(holder=pair[1], item="coins", quantity=9, source="starter"))
            return pair

        pairs = await asyncio.gather(*map(one_pair, range(most)))

    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tests.crash.statements", str(path), *("+".join(pair) for pair in pairs)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )

    said = ended.stdout.splitlines()
    assert said[-1].endswith("done")
    assert len(said) > 8  # BEGIN, the guards, holdings, movements, owners, journal, keys, COMMIT
    async with gamekeeper.open(f"sqlite:///{path}") as keep:
        for pair, line in zip(pairs, said, strict=False):
            held = await scene.totals(keep, pair, "arrow"), await scene.totals(keep, pair, "coins")
            assert held == (([0, 5], [9, 0]) if line.endswith("done") else ([5, 0], [0, 9])), line
            await keep.do(swap(*pair), key=pair[0])
            assert await scene.totals(keep, pair, "arrow") == [0, 5]
        await sound(keep)


async def test_abuse_03_a_kill_after_the_commit_and_before_the_answer(database_url: str) -> None:
    async with faulty(database_url, deadline_seconds=0.2) as (keep, store):
        ada, bob = await two_with_arrows(keep)
        store.fail(1, "lost_after", times=1_000)
        with pytest.raises(StoreUnavailable):
            await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=50), key="click")
        store.fail(0, "unreachable", times=0)

    async with opened(database_url) as keep:
        # The client asks again; it would be refused, had it not been done under this very key.
        assert await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=50), key="click") == items.Placed([0])
        assert await scene.totals(keep, [ada, bob], "arrow") == [0, 50]
        await sound(keep)


async def test_abuse_04_a_fault_between_the_commit_and_the_cache(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, bob = await two_with_arrows(keep)

    def fault(_: Any) -> None:
        raise RuntimeError("between commit and cache")

    with monkeypatch.context() as patch:
        patch.setattr(keep.runner, "finish", fault)
        with pytest.raises(RuntimeError):
            await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=50), key="click")

    with pytest.raises(items.ItemNotFound):
        await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=1))
    await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=50), key="click")
    assert await scene.totals(keep, [ada, bob], "arrow") == [0, 50]
    await sound(keep)


async def test_abuse_05_one_whose_saves_fail_does_not_trade_on(database_url: str) -> None:
    async with faulty(database_url, checkpoint_seconds=3600.0) as (keep, store):
        ada, bob = await two_with_arrows(keep)
        await keep.acquire(ada)
        for x in (1.0, 2.0):
            await keep.do(characters.move_to(character=ada, x=x))
        store.fail(1, "unreachable", times=1_000)
        with pytest.raises(StoreUnavailable):
            await keep.flush()
        store.fail(0, "unreachable", times=0)

        with pytest.raises(SaveFailing):
            await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=50))
        await keep.do(characters.move_to(character=ada, x=3.0))  # walking on is no harm
        await keep.flush()
        await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=50))

        assert await x_of(database_url, ada) == 3.0
        await sound(keep)


async def test_abuse_06_an_old_save_that_arrives_late_does_not_undo_a_newer_one(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {"checkpoint_seconds": 3600.0, "lease_seconds": 0.6}
    async with AsyncExitStack() as stack:
        old = await stack.enter_async_context(gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True, **settings))
        new = await stack.enter_async_context(opened(database_url, **settings))
        ada, _ = await two_with_arrows(old)
        await old.acquire(ada)
        for x in (1.0, 2.0):
            await old.do(characters.move_to(character=ada, x=x))
        await old.leasing.stop()
        apply, late = old.store.apply, asyncio.Event()

        async def slow(writes: Any) -> Any:
            await late.wait()
            return await apply(writes)

        monkeypatch.setattr(old.store, "apply", slow)
        save = asyncio.create_task(old.flush())
        await asyncio.sleep(0.8)
        await new.acquire(ada)
        for x in (5.0, 6.0):
            await new.do(characters.move_to(character=ada, x=x))
        await new.flush()
        late.set()
        await save

        assert await x_of(database_url, ada) == 6.0


async def test_abuse_07_the_last_save_of_a_logout_is_the_last_position(database_url: str) -> None:
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True, checkpoint_seconds=0.02) as keep:
        ada, _ = await two_with_arrows(keep)
        answered = 0.0

        async def walk(start: int, over: asyncio.Event) -> None:
            nonlocal answered
            step = 0
            while not over.is_set():
                step += 1
                x = float(start * 1_000_000 + step)
                await keep.do(characters.move_to(character=ada, x=x))
                answered = x
                await asyncio.sleep(0)

        for session in range(20):
            await keep.acquire(ada)
            over = asyncio.Event()
            walking = asyncio.create_task(walk(session, over))
            await asyncio.sleep(0.01)
            await keep.release(ada)
            over.set()
            await walking
            assert await x_of(database_url, ada) == answered
        await sound(keep)


async def test_abuse_08_a_planned_shutdown_saves_both_sides_of_everything(database_url: str) -> None:
    done: list[str] = []
    refused: list[str] = []
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True) as keep:
        bank = await banks.found_bank(keep, 8)
        await keep.acquire(*bank.people)

        async def trade(task: int) -> None:
            for number in range(1_000):
                key = f"{task}.{number}"
                giver, receiver = bank.people[task % 8], bank.people[(task + 1 + number) % 8]
                try:
                    await keep.do(items.give(giver=giver, receiver=receiver, item="coins", quantity=1), reason=key)
                    done.append(key)
                except StoreUnavailable:
                    refused.append(key)
                    return
                except GameError:
                    continue

        tasks = [asyncio.create_task(trade(task)) for task in range(32)]
        await asyncio.sleep(0.3)
    await asyncio.gather(*tasks)

    assert refused  # the shutdown came in the middle
    async with opened(database_url) as keep, raw(database_url) as database:
        assert await banks.faults_at_rest(keep, database, bank) == []
        times = await banks.done_per_reason(database)
        assert set(done) == set(times)  # nothing acknowledged is missing, and nothing else was done
        assert await database.one("SELECT COUNT(*) FROM owners WHERE lease_holder IS NOT NULL") == 0


async def test_abuse_13_dropped_on_one_server_and_picked_up_on_another(database_url: str) -> None:
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True))
        there = await stack.enter_async_context(opened(database_url))
        ada, bob = await two_with_arrows(here)
        await here.do(items.grant(holder=ada, item="crown", quantity=1, source="starter"))
        world = (await here.do(worlds.create_world(name="Field"), actor="operator:test")).world_id
        await there.ask(items.inventory(holder=ada))
        await there.do(items.move(holder=ada, from_container="inventory", from_slot=0, to_container="inventory", to_slot=5))

        dropped = await here.do(items.drop(character=ada, world=world, slot=1))
        # Three log in as her on two servers, and all of them want it.
        wanted = [keep.do(items.pick_up(character=one, world=world, slot=dropped.slot)) for keep in (here, there) for one in (ada, bob)]
        wanted += [keep.do(items.drop(character=ada, world=world, slot=1)) for keep in (here, there)]
        answers = await asyncio.gather(*wanted, return_exceptions=True)

        picked = [answer for answer in answers[:4] if isinstance(answer, items.Placed)]
        assert len(picked) in (1, 2)  # twice only if it was dropped again in between
        assert all(isinstance(answer, items.SlotEmpty | items.LootProtected | items.Placed | items.Dropped) for answer in answers)
        async with raw(database_url) as database:
            assert await database.one("SELECT COUNT(*) FROM holdings WHERE item_id = 'crown'") == 1
        await sound(here)


async def test_abuse_14_the_next_server_loads_only_after_the_first_has_saved(database_url: str) -> None:
    settings: dict[str, Any] = {"checkpoint_seconds": 3600.0}
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True, **settings))
        there = await stack.enter_async_context(opened(database_url, **settings))
        ada, bob = await two_with_arrows(here)
        await here.acquire(ada)
        for x in (1.0, 2.0):
            await here.do(characters.move_to(character=ada, x=x))
        with pytest.raises(OwnerLeased):
            await there.acquire(ada)
        with pytest.raises(OwnerLeased):
            await there.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=50))

        await here.hand_over(ada, there.holder)
        await there.acquire(ada)
        seen = await there.ask(characters.show(character=ada))
        await there.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=50))

        assert seen.location is not None
        assert seen.location.x == 2.0
        with pytest.raises(OwnerLeased):
            await here.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=50))
        await sound(there)


async def test_abuse_16_a_clock_that_stands_or_jumps_lengthens_no_lease(database_url: str) -> None:
    clock = ManualClock()
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(
            gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True, clock=clock, lease_seconds=0.5)
        )
        there = await stack.enter_async_context(opened(database_url))
        ada, bob = await two_with_arrows(here)
        await here.acquire(ada)
        await here.leasing.stop()
        await asyncio.sleep(0.6)  # by its own clock no time has passed

        with pytest.raises(StaleLease):
            await here.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=50))
        await there.acquire(ada)
        await there.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=20))

        await here.release(ada)  # it has taken notice
        for seconds in (31_536_000, -63_072_000, 3_600, -0.001):
            clock.move(seconds)
            await here.do(items.give(giver=bob, receiver=ada, item="arrow", quantity=1))
        assert await scene.totals(here, [ada, bob], "arrow") == [34, 16]
        async with raw(database_url) as database:
            order = [row[0] for row in await database.rows("SELECT seq FROM journal WHERE owner_id = ? ORDER BY seq", bob)]
        assert order == list(range(1, len(order) + 1))
        await sound(there)
