"""A store whose nth call fails: before it does anything, after it has done everything, or with the caller gone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeVar

from gamekeeper.config import settings_from
from gamekeeper.errors import StoreUnavailable
from gamekeeper.keep import Keep, import_modules, make_store
from gamekeeper.kernel.clock import Clock, SystemClock
from gamekeeper.kernel.commands import Call
from gamekeeper.kernel.store.base import (
    Applied,
    LoadRequest,
    LoadResult,
    OutcomeUnknown,
    Store,
    Transaction,
    TryAgain,
    Unreachable,
    WriteSet,
)

T = TypeVar("T")
Fault = Literal["unreachable", "try_again", "lost_before", "lost_after", "caller_gone"]
FAULTS: tuple[Fault, ...] = ("unreachable", "try_again", "lost_before", "lost_after", "caller_gone")


class FaultyStore:
    """A store between the engine and the real one. Calls are counted from 1; `fail` says which one fails, and how."""

    def __init__(self, store: Store) -> None:
        self.real = store
        self.calls = 0
        self.fail_at = 0
        self.fail_until = 0
        self.fault: Fault = "unreachable"
        self.on_caller_gone: Callable[[], None] = lambda: None

    def fail(self, nth: int, fault: Fault, *, times: int = 1) -> None:
        """Begin to count anew, and let the nth call fail."""
        self.calls, self.fail_at, self.fail_until, self.fault = 0, nth, nth + times, fault

    @property
    def fired(self) -> bool:
        """Whether the call that was to fail has come."""
        return self.calls >= self.fail_at

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    async def _call(self, function: Callable[..., Awaitable[T]], argument: Any, *, writes: bool) -> T:
        self.calls += 1
        if not self.fail_at <= self.calls < self.fail_until:
            return await function(argument)
        if self.fault == "caller_gone":
            self.on_caller_gone()
            return await function(argument)
        if self.fault == "lost_after" and writes:
            await function(argument)
        if self.fault in ("lost_before", "lost_after"):
            # A read has no outcome that could be unknown: it was answered or it was not.
            raise OutcomeUnknown("test") if writes else Unreachable("test")
        raise (TryAgain if self.fault == "try_again" else Unreachable)("test")

    async def load(self, request: LoadRequest) -> LoadResult:
        """Read, or fail."""
        return await self._call(self.real.load, request, writes=False)

    async def apply(self, writes: WriteSet) -> Applied:
        """Write, or fail."""
        return await self._call(self.real.apply, writes, writes=True)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["FaultyTransaction"]:
        """A transaction whose parts may fail, its commit too."""
        async with self.real.transaction() as transaction:
            yield FaultyTransaction(self, transaction)
            await self._call(_nothing, None, writes=self.fault != "lost_after")
        if self.fault == "lost_after":
            await self._call(_nothing, None, writes=True)


class FaultyTransaction:
    """A transaction of a faulty store."""

    def __init__(self, store: FaultyStore, transaction: Transaction) -> None:
        self._store = store
        self._transaction = transaction

    async def lock(self, owners: Any) -> None:
        """Lock, or fail."""
        await self._store._call(self._transaction.lock, owners, writes=False)

    async def load(self, request: LoadRequest) -> LoadResult:
        """Read, or fail."""
        return await self._store._call(self._transaction.load, request, writes=False)

    async def apply(self, writes: WriteSet) -> Applied:
        """Write, or fail; what is not committed is gone with the connection, so that nothing is in doubt here."""
        return await self._store._call(self._transaction.apply, writes, writes=False)

    async def fetch(self, statement: Any, parameters: dict[str, Any], *, patient: bool = False) -> Any:
        """Read; what a doubt is settled by is not what is tested here."""
        return await self._transaction.fetch(statement, parameters, patient=patient)


async def _nothing(_: Any) -> None:
    return None


@asynccontextmanager
async def faulty(url: str, *, clock: Clock | None = None, **settings: Any) -> AsyncIterator[tuple[Keep, FaultyStore]]:
    """An open keep over a store that can be told to fail."""
    import_modules()
    made = settings_from({"url": url, "allow_unsafe_postgres": True, **settings})
    store = FaultyStore(make_store(made))
    keep = Keep(made, store, clock or SystemClock())
    await keep.start(create=True)
    try:
        yield keep, store
    finally:
        await keep.close()


async def tried(
    keep: Keep, store: FaultyStore, call: Call[Any], *, key: str, owners: Sequence[str], nth: int, fault: Fault, times: int = 1
) -> tuple[Any, bool]:
    """Do a command with a fault in it; gives its answer, if it had one, and whether the fault fired. Both are over then."""
    store.fail(nth, fault, times=times)
    task = asyncio.ensure_future(keep.do(call, key=key))
    store.on_caller_gone = lambda: (task.cancel(), None)[1]
    answer = None
    try:
        answer = await task
    except StoreUnavailable:
        pass  # as the fault would have it; what was done is for the caller to see
    except asyncio.CancelledError:
        # The command goes its own way; only its caller is gone.
        await keep.engine.hold(set(owners))
        keep.engine.let_go(set(owners))
    fired = store.fired
    store.fail(0, fault, times=0)
    return answer, fired
