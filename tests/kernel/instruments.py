"""What the tests of the kernel hold on to: an open bank, a store that counts, waits and fails, and eyes on the database."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from gamekeeper.config import settings_from
from gamekeeper.keep import Keep, import_modules, make_store
from gamekeeper.kernel.clock import Clock, SystemClock
from gamekeeper.kernel.store.base import Applied, LoadRequest, LoadResult, WriteSet
from gamekeeper.kernel.verify import verify
from tests.crash.raw import raw
from tests.kernel import bank

SECRET_KEY = "the key of the tests, kept apart from the database"


class Watched:
    """A store that counts its calls and, when told to, waits or fails before one of them."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.calls: Counter[str] = Counter()
        self.writes: list[WriteSet] = []
        self.running = 0
        self.most_running = 0
        self.before: dict[str, Callable[[Any], Awaitable[None]]] = {}
        self.after: dict[str, Callable[[Any], Awaitable[None]]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def _watch(self, name: str, argument: Any) -> Any:
        self.calls[name] += 1
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if name in self.before:
                await self.before[name](argument)
            answer = await getattr(self._store, name)(argument)
            if name in self.after:
                await self.after[name](argument)
            return answer
        finally:
            self.running -= 1

    async def load(self, request: LoadRequest) -> LoadResult:
        """Count, then load."""
        result: LoadResult = await self._watch("load", request)
        return result

    async def apply(self, writes: WriteSet) -> Applied:
        """Count and keep, then apply."""
        self.writes.append(writes)
        applied: Applied = await self._watch("apply", writes)
        return applied

    def forget(self) -> None:
        """Begin to count again."""
        self.calls.clear()
        self.writes.clear()
        self.most_running = 0


class Gate:
    """Holds whoever comes until it is opened."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._open = asyncio.Event()

    async def __call__(self, _: Any) -> None:
        self.reached.set()
        await self._open.wait()

    def open(self) -> None:
        """Let everyone through, now and later."""
        self._open.set()


class WatchedKeep(Keep):
    """A keep whose store is watched."""

    watched: Watched

    def forget(self) -> None:
        """Begin to count again, and forget that this machine was busy a moment ago, which makes batches smaller."""
        self.watched.forget()
        self.engine.attempts.cost_seconds = 0.0001


async def start_bank(url: str, *, clock: Clock | None = None, **words: Any) -> WatchedKeep:
    """Open a keep on a database, with the bank in it and its store watched; whoever opens it closes it."""
    settings = settings_from({"url": url, "modules": (bank.__name__,), "allow_unsafe_postgres": True, **words})
    import_modules(settings.modules)
    watched = Watched(make_store(settings))
    keep = WatchedKeep(settings, watched, clock or SystemClock())
    keep.watched = watched
    await keep.start(create=True)
    return keep


@asynccontextmanager
async def open_bank(url: str, *, clock: Clock | None = None, **words: Any) -> AsyncIterator[WatchedKeep]:
    """The same for the length of a block; several may be open on one database."""
    keep = await start_bank(url, clock=clock, **words)
    try:
        yield keep
    finally:
        await keep.close()


async def accounts(keep: Keep, *nicks: str) -> list[str]:
    """Open accounts."""
    return [(await keep.do(bank.open_account(nick=nick, mail=f"{nick}@example.org"))).account_id for nick in nicks]


async def fund(keep: Keep, account: str) -> int:
    """How much gold an account holds, as the database says."""
    return int(await one(keep, "SELECT amount FROM bank_purses WHERE account_id = ? AND coin = 'gold'", account))


async def rows(keep: Keep, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Ask the database behind the keep's back; ? stands for a parameter."""
    async with raw(keep.settings.url) as sql:
        return [tuple(row) for row in await sql.rows(statement, *parameters)]


async def one(keep: Keep, statement: str, *parameters: Any) -> Any:
    """The first column of the first row."""
    found = await rows(keep, statement, *parameters)
    return found[0][0] if found else None


async def verified(keep: Keep) -> None:
    """Everything stands as it was written."""
    assert (await verify(keep)).problems == []
