"""Two game servers on one database: leases keep them apart, a holder that slept too long writes nothing; without leases both trade."""

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

import gamekeeper
from gamekeeper.errors import OwnerLeased
from gamekeeper.keep import Keep
from gamekeeper.modules import characters, items
from tests.crash import bank as banks
from tests.crash.raw import raw
from tests.crash.server import hammer
from tests.forks import Forked
from tests.modules import scene

LEASE_SECONDS = 1.5
NEVER_BY_ITSELF = 3600.0
"""Checkpoints are flushed only when told to, so that a test knows what memory alone holds."""
ENCODE = msgspec.json.Encoder().encode
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


class Refused(Exception):
    """The other server answered with an error; the text is its code."""


class Other:
    """The other server, as a process of its own."""

    def __init__(self, process: Forked, answers: asyncio.StreamReader, orders: asyncio.StreamWriter) -> None:
        self.process = process
        self._answers = answers
        self._orders = orders

    async def tell(self, verb: str, *arguments: Any) -> Any:
        """Have something done there."""
        self._orders.write(ENCODE([verb, arguments]) + b"\n")
        return await self.hear()

    async def hear(self) -> Any:
        """Its next answer."""
        line = await asyncio.wait_for(self._answers.readline(), 60)
        assert line, "the other server ended"
        kind, answer = msgspec.json.decode(line)
        if kind == "error":
            raise Refused(answer)
        return answer

    def no_more_orders(self) -> None:
        """Let it end by itself."""
        self._orders.write_eof()

    def kill(self) -> None:
        """End it at once, for good."""
        self.process.kill()
        self.process.wait()
        self._orders.close()

    def pause(self) -> None:
        """As a long collection of garbage or a moved virtual machine does."""
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """And it goes on as if nothing had been."""
        self.process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def other_server(url: str, **settings: Any) -> AsyncIterator[Other]:
    """Another server process for the length of a block."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = Forked("tests.crash.server", url, ENCODE(settings).decode(), stdin=theirs.fileno(), stdout=theirs.fileno())
    other = Other(process, *await asyncio.open_connection(sock=ours, limit=1 << 20))
    try:
        await other.hear()
        yield other
        if process.returncode is None:
            other.wake()
            other.no_more_orders()
            assert await asyncio.to_thread(process.wait, 20) == 0
    finally:
        other.kill()


@asynccontextmanager
async def two_servers(url: str) -> AsyncIterator[tuple[Keep, Other, str, str]]:
    """This server, the other one, and two characters with arrows."""
    settings: dict[str, Any] = {"lease_seconds": LEASE_SECONDS, "checkpoint_seconds": NEVER_BY_ITSELF}
    async with gamekeeper.open(url, create=True, allow_unsafe_postgres=True, **settings) as keep:
        await scene.stock(keep)
        ada, bob = await scene.people(keep, "Ada", "Bob")
        for one in (ada, bob):
            await keep.do(items.grant(holder=one, item="arrow", quantity=50, source="starter"))
        async with other_server(url, **settings) as other:
            yield keep, other, ada, bob
        await scene.adds_up(keep)


async def x_in_database(url: str, character: str) -> float:
    async with raw(url) as database:
        return float(await database.one("SELECT x FROM character_locations WHERE character_id = ?", character))


async def soon(check: Callable[[], Awaitable[bool]], seconds: float = 3.0) -> bool:
    """Whether something becomes true in time."""
    ends_at = time.monotonic() + seconds
    while not await check():
        if time.monotonic() > ends_at:
            return False
        await asyncio.sleep(0.05)
    return True


def give(giver: str, receiver: str, quantity: int) -> tuple[str, dict[str, Any]]:
    return "items.give", {"giver": giver, "receiver": receiver, "item": "arrow", "quantity": quantity}


async def test_only_the_holder_acts_for_a_leased_owner(database_url: str) -> None:
    async with two_servers(database_url) as (keep, other, ada, bob):
        await other.tell("acquire", ada)

        for call in (
            items.give(giver=ada, receiver=bob, item="arrow", quantity=1),
            items.equip(character=ada, slot=0),
            items.use_up(holder=ada, item="arrow", quantity=1, sink="fire"),
        ):
            with pytest.raises(OwnerLeased):
                await keep.do(call)
        with pytest.raises(OwnerLeased):
            await keep.acquire(ada)
        assert await keep.ask(items.held(holder=ada, item="arrow")) == 50

        await other.tell("do", *give(ada, bob, 1))
        assert await keep.ask(items.held(holder=bob, item="arrow")) == 51
        await keep.do(items.use_up(holder=ada, item="arrow", quantity=2, sink="fire"), actor="operator:test", reason="confiscated")
        await other.tell("release", ada)
        await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=1))
        assert await keep.ask(items.held(holder=ada, item="arrow")) == 46


async def test_a_gift_to_a_leased_owner_arrives_and_the_holder_sees_it(database_url: str) -> None:
    async with two_servers(database_url) as (keep, other, ada, bob):
        await other.tell("acquire", ada)
        await other.tell("do", *give(ada, bob, 10))  # its rows are in the holder's memory now

        await keep.do(items.give(giver=bob, receiver=ada, item="arrow", quantity=60))

        async def seen() -> bool:
            held = await other.tell("ask", "items.inventory", {"holder": ada})
            return bool(sum(row["quantity"] for row in held) == 100)

        assert await soon(seen)
        # And it can act on all of it at once, whatever it had cached.
        await other.tell("do", *give(ada, bob, 100))
        with pytest.raises(Refused, match="ITEM_NOT_FOUND"):
            await other.tell("do", *give(ada, bob, 1))
        assert await scene.totals(keep, [ada, bob], "arrow") == [0, 100]


async def test_a_gift_does_not_make_the_holder_forget_what_only_it_knows(database_url: str) -> None:
    async with two_servers(database_url) as (keep, other, ada, bob):
        await other.tell("acquire", ada)
        await other.tell("do", *give(ada, bob, 1))
        await other.tell("do", "characters.move_to", {"character": ada, "x": 1.0})  # the first one loads, and is committed
        await other.tell("do", "characters.move_to", {"character": ada, "x": 7.0})

        await keep.do(items.give(giver=bob, receiver=ada, item="arrow", quantity=1))
        await other.tell("do", *give(ada, bob, 1))  # finds its rows behind and reads them again
        await other.tell("acquire", ada)  # and a second acquire of what it holds costs nothing either

        await other.tell("release", ada)
        assert await x_in_database(database_url, ada) == 7.0


async def test_abuse_15_a_holder_that_slept_while_another_took_over_writes_nothing(database_url: str) -> None:
    async with two_servers(database_url) as (keep, other, ada, bob):
        (epoch,) = await other.tell("acquire", ada)
        for x in (1.0, 2.0):
            await other.tell("do", "characters.move_to", {"character": ada, "x": x})
        other.pause()
        await asyncio.sleep(LEASE_SECONDS + 0.3)
        (lease,) = await keep.acquire(ada)
        assert lease.epoch > epoch
        await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=50))
        for x in (9.0, 10.0):
            await keep.do(characters.move_to(character=ada, x=x))

        other.wake()
        for name, arguments in (
            give(ada, bob, 50),
            ("items.use_up", {"holder": ada, "item": "arrow", "quantity": 50, "sink": "fire"}),
            ("characters.move_to", {"character": ada, "x": 3.0}),
        ):
            with pytest.raises(Refused, match="STALE_LEASE"):
                await other.tell("do", name, arguments)
        await other.tell("flush")  # there is nothing left that it may write
        await keep.flush()

        assert await x_in_database(database_url, ada) == 10.0
        assert await scene.totals(keep, [ada, bob], "arrow") == [0, 100]
        with pytest.raises(Refused, match="OWNER_LEASED"):
            await other.tell("acquire", ada)
        await keep.release(ada)
        await other.tell("acquire", ada)
        await other.tell("do", "characters.move_to", {"character": ada, "x": 11.0})
        await other.tell("release", ada)
        assert await x_in_database(database_url, ada) == 11.0


async def test_abuse_15_a_holder_that_slept_past_its_lease_writes_nothing_even_if_nobody_took_over(database_url: str) -> None:
    async with two_servers(database_url) as (keep, other, ada, bob):
        await other.tell("acquire", ada)
        for x in (1.0, 2.0):
            await other.tell("do", "characters.move_to", {"character": ada, "x": x})
        before = await x_in_database(database_url, ada)
        other.pause()
        await asyncio.sleep(LEASE_SECONDS + 0.3)

        other.wake()
        with pytest.raises(Refused, match="STALE_LEASE"):
            await other.tell("do", *give(ada, bob, 50))
        with pytest.raises(Refused, match="STALE_LEASE"):
            await other.tell("do", "characters.move_to", {"character": ada, "x": 3.0})
        await other.tell("flush")

        assert before != 2.0
        assert await x_in_database(database_url, ada) == before
        assert await scene.totals(keep, [ada, bob], "arrow") == [50, 50]
        # Once it has taken notice it may go on, from what the database knows.
        await other.tell("acquire", ada)
        await other.tell("do", *give(ada, bob, 50))
        await other.tell("release", ada)
        assert await x_in_database(database_url, ada) == before


@pytest.mark.timeout(120)
async def test_a_thief_that_died_before_it_changed_anything_else_is_noticed_too(database_url: str) -> None:
    """Checkpoints do not raise the version: the epoch alone must tell the first holder that its rows are old."""
    settings: dict[str, Any] = {"lease_seconds": LEASE_SECONDS, "checkpoint_seconds": NEVER_BY_ITSELF}
    async with two_servers(database_url) as (keep, _, ada, _):
        await keep.acquire(ada)
        for x in (1.0, 2.0):
            await keep.do(characters.move_to(character=ada, x=x))
        await keep.leasing.stop()  # as if this process slept: nothing is renewed
        await asyncio.sleep(LEASE_SECONDS + 0.3)
        async with other_server(database_url, **settings) as thief:
            await thief.tell("acquire", ada)
            for x in (5.0, 6.0):
                await thief.tell("do", "characters.move_to", {"character": ada, "x": x})
            await thief.tell("flush")
            thief.kill()
            await asyncio.sleep(LEASE_SECONDS + 0.3)

            await keep.acquire(ada)
            await keep.flush()
            seen = await keep.ask(characters.show(character=ada))
            await keep.release(ada)

            assert seen.location is not None
            assert (seen.location.x, await x_in_database(database_url, ada)) == (6.0, 6.0)


@pytest.mark.timeout(180)
async def test_two_processes_trade_among_the_same_owners(database_url: str, pytestconfig: pytest.Config) -> None:
    seconds = pytestconfig.getoption("hammer_seconds")
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True) as keep, raw(database_url) as database:
        deadlocks = None if database.sqlite else await database.one(DEADLOCKS)  # other tests had the database before
        bank = await banks.found_bank(keep)
        async with other_server(database_url) as other:
            faults: list[str] = []

            async def audit() -> None:
                ends_at = time.monotonic() + seconds
                while time.monotonic() < ends_at:
                    faults.extend(banks.faults_of(await database.rows(banks.SUMS), bank.supply))
                    await asyncio.sleep(0.02)

            here, there, _ = await asyncio.gather(
                hammer(keep, bank, seconds, 1), other.tell("hammer", bank.people, bank.world, seconds, 2), audit()
            )
        print(f"here {here}\nthere {there}")
        assert faults == []
        assert await banks.faults_at_rest(keep, database, bank) == []
        if not database.sqlite:
            assert await database.one(DEADLOCKS) == deadlocks
    for one in (here, there):
        assert one["said"]["done"] > 10 * seconds
        assert not set(one["said"]) & {"STORE_UNAVAILABLE", "BUSY", "CONSTRAINT_VIOLATED", "VERSION_CONFLICT", "OWNER_LEASED"}
    assert here["reloads"] + there["reloads"] > 0
