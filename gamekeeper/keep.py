"""The keep: an open world. It ties the kernel, the modules and a database together."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypedDict, TypeVar, Unpack, cast, overload
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from gamekeeper.config import Settings
from gamekeeper.errors import GameError, InvalidArgument, StoreUnavailable
from gamekeeper.kernel.batch import Runner
from gamekeeper.kernel.cache import OwnerCache
from gamekeeper.kernel.clock import Clock, SystemClock
from gamekeeper.kernel.commands import Call, Command, Prepared
from gamekeeper.kernel.engine import Engine, Limits, Stats
from gamekeeper.kernel.ids import new_id
from gamekeeper.kernel.journal import Sealer
from gamekeeper.kernel.keyring import KeyRing
from gamekeeper.kernel.leases import Lease, LeaseTable
from gamekeeper.kernel.leasing import Leasing
from gamekeeper.kernel.queries import Ask, Query
from gamekeeper.kernel.reading import StoreReader
from gamekeeper.kernel.recall import Recall, SharedRows
from gamekeeper.kernel.store.base import Store, TryAgain, Unreachable
from gamekeeper.kernel.store.schema import SchemaMismatch
from gamekeeper.kernel.submissions import Submission, request_hash

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")

BUILT_IN = (
    "content",
    "predicates",
    "narrative",
    "npcs",
    "days",
    "users",
    "sessions",
    "accounts",
    "worlds",
    "plays",
    "states",
    "characters",
    "presence",
    "chat",
    "xp",
    "skills",
    "items",
    "prayer",
    "banks",
    "stores",
    "trades",
    "moderation",
    "guests",
    "combat",
    "essences",
    "quests",
    "metrics",
    "titles",
    "seasons",
    "progress",
    "dailies",
    "dungeons",
    "bosses",
    "evening",
    "sheets",
    "people",
)
"""The modules of every keep, in the order in which they build on each other."""

MAX_KEY = 255
MAX_REASON = 1_000
MAX_CALLS = 100
PREPARE_TRIES = 3
"""How often a command is prepared that lost a race, if it says that it wants to be."""
CAREFUL_SECONDS = 10.0
"""How long the next ones of its name are prepared as if they had lost it too: each that is refused only by its write costs its batch."""


class How(TypedDict, total=False):
    """The words of `keep.do`."""

    key: str | None
    actor: str
    reason: str | None
    expect_version: int | Mapping[str, int] | None


class Told(Struct, frozen=True):
    """The answers of the calls, and whether they were kept from an earlier request with the same key."""

    results: list[Any]
    replayed: bool


class Keep:
    """An open world: `do` changes it, `ask` reads it, `lease` takes the right to act for an owner."""

    def __init__(self, settings: Settings, store: Store, clock: Clock) -> None:
        self.settings = settings
        self.store = store
        self.clock = clock
        self.holder = f"keep-{new_id()}"
        sealer, shown = Sealer(settings.secret_key), settings.without_secrets()
        runner = Runner(OwnerCache(settings.cache_rows), sealer, LeaseTable(self.holder), _key_ring(settings), shown)
        limits = Limits(max_queue=settings.max_queue, max_batch=settings.max_batch, deadline_seconds=settings.deadline_seconds)
        self.runner = runner
        self.engine = Engine(store, runner, clock, limits, on_content=self.load_content)
        self.leasing = Leasing(self.engine, lease_seconds=settings.lease_seconds, checkpoint_seconds=settings.checkpoint_seconds)
        self._shared = _shared_rows(settings, clock)
        self.recall = Recall(runner, self._shared)
        self.reader = StoreReader(store, runner, clock, shown, recall=self.recall, save=self.leasing.flush)
        self._shelf: Any = None
        self._careful: dict[str, float] = {}
        """until when the steps of commands are told that one of them had to be prepared again"""

    @property
    def stats(self) -> Stats:
        """What the engine has done so far."""
        return self.engine.stats

    async def start(self, *, create: bool = False) -> None:
        """Open the database, read the content, begin to renew leases and to flush checkpoints.

        Raises: STORE_UNAVAILABLE.
        """
        try:
            await self.store.open(create=create)
        except (Unreachable, TryAgain, SchemaMismatch) as error:
            await self.store.close()
            raise StoreUnavailable(problem=str(error)) from error
        await self.load_content()
        self.leasing.start()

    async def load_content(self) -> None:
        """Read the definitions; called again by itself when their owner's version has moved."""
        from gamekeeper.modules import content  # noqa: PLC0415 - modules are imported when a keep opens

        root = await self.reader.root("content")
        self._shelf = self._shelf or content.Shelf()
        self.runner.definitions = await self._shelf.fill(self.reader)
        self.runner.content_version = root.version if root is not None else 0

    @overload
    async def do(self, one: Call[A], /, **how: Unpack[How]) -> A: ...
    @overload
    async def do(self, one: Call[A], two: Call[B], /, **how: Unpack[How]) -> tuple[A, B]: ...
    @overload
    async def do(self, one: Call[A], two: Call[B], three: Call[C], /, **how: Unpack[How]) -> tuple[A, B, C]: ...
    @overload
    async def do(self, *calls: Call[Any], **how: Unpack[How]) -> Any: ...
    async def do(
        self,
        *calls: Call[Any],
        key: str | None = None,
        actor: str = "embedded",
        reason: str | None = None,
        expect_version: int | Mapping[str, int] | None = None,
    ) -> Any:
        """Do a command, or several all-or-nothing; answered after the commit.

        key: makes it idempotent per actor: the same key and arguments answer as the first time.
        actor: who does it, for the journal; `operator:...` may act on an owner leased elsewhere.
        expect_version: refuse unless the first owner (or each one named) is at this version.

        Raises: what the commands raise; VERSION_CONFLICT, IDEMPOTENCY_KEY_REUSED, OWNER_LEASED, STALE_LEASE, SAVE_FAILING, BUSY,
        STORE_UNAVAILABLE.
        """
        told = await self.tell(*calls, key=key, actor=actor, reason=reason, expect_version=expect_version)
        return told.results[0] if len(calls) == 1 else tuple(told.results)

    async def tell(
        self,
        *calls: Call[Any],
        key: str | None = None,
        actor: str = "embedded",
        reason: str | None = None,
        expect_version: int | Mapping[str, int] | None = None,
        standing: Call[Any] | None = None,
    ) -> Told:
        """Do what `do` does, and tell also whether the answer is a kept one.

        standing: done first in the same transaction, so that nothing is written once it refuses. It is no part of the request: its
        answer is not told, and a retry with the same key may come with another one.

        Raises: as `do`; what `standing` raises.
        """
        _check_words(calls, key, actor, reason)
        again = tuple({error for call in calls for error in call.command.prepares_again})
        for _ in range(PREPARE_TRIES - 1 if again else 0):
            try:
                return await self._tell(calls, key, actor, reason, expect_version, standing)
            except again:
                losers = [call.command.name for call in calls if call.command.prepares_again]
                self._careful.update(dict.fromkeys(losers, self.clock.monotonic() + CAREFUL_SECONDS))
        return await self._tell(calls, key, actor, reason, expect_version, standing)

    async def _tell(
        self,
        calls: Sequence[Call[Any]],
        key: str | None,
        actor: str,
        reason: str | None,
        expect_version: int | Mapping[str, int] | None,
        standing: Call[Any] | None,
    ) -> Told:
        """Prepare and submit once."""
        first = () if standing is None else (standing,)
        digest = b"" if key is None else request_hash(calls, self.runner.sealer)
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()

        def submission_of(prepared: Sequence[Prepared], expect: Mapping[str, int]) -> Submission:
            return Submission(
                (*first, *calls),
                key=key,
                actor=actor,
                reason=reason,
                expect=expect,
                prepared=prepared,
                future=future,
                request_hash=digest,
                untold=len(first),
            )

        try:
            prepared = await self._prepare((*first, *calls), actor)
        except GameError:
            # What the step looks for may be gone because the first try of this very request has changed it.
            if await self.engine.replay(submission_of([_NOTHING] * (len(first) + len(calls)), {})):
                return Told(await future, replayed=True)
            raise
        submission = submission_of(prepared, _expected(calls, expect_version))
        self.engine.submit(submission)
        return Told(await future, replayed=submission.replayed)

    async def _prepare(self, calls: Sequence[Call[Any]], actor: str) -> list[Prepared]:
        now = self.clock.monotonic()
        reader = self.reader.acting(actor, again=any(self._careful.get(call.command.name, now) > now for call in calls))
        found: list[Prepared] = []
        for call in calls:
            step = call.command.prepare
            found.append(_NOTHING if step is None else await step(reader, call.arguments))
        return found

    async def ask(self, question: Ask[A], *, actor: str = "embedded") -> A:
        """Ask a query.

        actor: who asks, for queries that show different people different things.

        Raises: what the query raises; STORE_UNAVAILABLE.
        """
        return await question.run(self.reader.acting(actor))

    async def version(self, owner: str) -> int | None:
        """The owner's version in the database: its ETag. None when there is no such owner."""
        root = await self.reader.root(owner)
        return None if root is None else root.version

    async def acquire(self, *owners: str) -> list[Lease]:
        """Take the leases of these owners, all or none.

        Raises: OWNER_LEASED, OWNER_NOT_FOUND, STORE_UNAVAILABLE.
        """
        return await self.leasing.acquire(owners)

    async def release(self, *owners: str) -> None:
        """Save and give back these leases."""
        await self.leasing.release(owners)

    async def hand_over(self, owner: str, successor: str) -> None:
        """Save, and give the lease to another keep's `holder` with a new epoch; it then acquires without waiting."""
        await self.leasing.release([owner], successor)

    @asynccontextmanager
    async def lease(self, *owners: str) -> AsyncIterator[list[Lease]]:
        """Hold leases for the length of a block."""
        leases = await self.acquire(*owners)
        try:
            yield leases
        finally:
            await self.release(*owners)

    async def flush(self) -> None:
        """Write everything that only memory holds.

        Raises: STORE_UNAVAILABLE.
        """
        await self.leasing.flush()

    async def close(self) -> None:
        """Stop intake, answer what waits, flush, release the leases, close the database."""
        try:
            await self.engine.drain()
            await self.leasing.release(list(self.runner.leases.held))
        finally:
            await self.leasing.stop()
            if self._shared is not None:
                await self._shared.close()
            await self.store.close()


_NOTHING = Prepared()


def _key_ring(settings: Settings) -> KeyRing:
    return KeyRing(settings.person_keys or ((settings.secret_key,) if settings.secret_key else ()))


def _shared_rows(settings: Settings, clock: Clock) -> SharedRows | None:
    # Without a secret nobody could tell this keep's rows from a stranger's.
    if not settings.redis_url or not settings.secret_key:
        return None
    from gamekeeper.kernel.store.redis_rows import RedisRows  # noqa: PLC0415 - few need it, and it takes long to import

    return RedisRows(settings.redis_url, clock, settings.secret_key)


def _check_words(calls: Sequence[Call[Any]], key: str | None, actor: str, reason: str | None) -> None:
    if not 1 <= len(calls) <= MAX_CALLS:
        raise InvalidArgument(path="", problem=f"between 1 and {MAX_CALLS} calls")
    for call in calls:
        if not isinstance(call, Call):
            raise InvalidArgument(path="", problem=f"{call!r} is not a command's call")
    for path, text, most in (("/key", key, MAX_KEY), ("/actor", actor, MAX_KEY), ("/reason", reason, MAX_REASON)):
        if text is None:
            continue
        if not isinstance(text, str) or not 1 <= len(text) <= most or not (text.isalnum() or _storable(text)):
            raise InvalidArgument(path=path, problem=f"between 1 and {most} characters of text")


def _storable(text: str) -> bool:
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _expected(calls: Sequence[Call[Any]], expect: int | Mapping[str, int] | None) -> dict[str, int]:
    if expect is None:
        return {}
    if isinstance(expect, int):
        if not calls[0].owners:
            raise InvalidArgument(path="/expect_version", problem=f"{calls[0].command.name} names no owner")
        return {calls[0].owners[0]: expect}
    return dict(expect)


def make_store(settings: Settings) -> Store:
    """The store that a URL names.

    Raises: INVALID_ARGUMENT.
    """
    parts = urlsplit(settings.url)
    if parts.scheme == "sqlite":
        from gamekeeper.kernel.store.sqlite import SqliteStore  # noqa: PLC0415 - only the driver that is used is loaded

        # As SQLAlchemy reads it: three slashes for a relative path, four for an absolute one.
        path = unquote(parts.path.removeprefix("/"))
        if not path:
            raise InvalidArgument(path="/url", problem="sqlite:///PATH names a file")
        return cast("Store", SqliteStore(path, busy_seconds=settings.busy_timeout_seconds))
    if parts.scheme in ("postgresql", "postgres"):
        from gamekeeper.kernel.store.postgres import PostgresStore  # noqa: PLC0415 - see above

        return cast(
            "Store",
            PostgresStore(
                settings.url,
                pool_size=settings.pool_size,
                overlap=settings.overlap or 2,
                statement_timeout_seconds=settings.statement_timeout_seconds,
                lock_timeout_seconds=settings.lock_timeout_seconds,
                allow_unsafe=settings.allow_unsafe_postgres,
            ),
        )
    raise InvalidArgument(path="/url", problem=f"no store for {parts.scheme or 'this'} URL; sqlite:///PATH or postgresql://...")


def import_modules(names: Sequence[str] = ()) -> None:
    """Import the kernel's queries and checks, the built-in modules, the jobs, and a game's own modules, so that all of theirs is known.

    Raises: INVALID_ARGUMENT for a game's module that is not there.
    """
    for name in ("history", "standings"):
        importlib.import_module(f"gamekeeper.kernel.{name}")
    for name in BUILT_IN:
        importlib.import_module(f"gamekeeper.modules.{name}")
    importlib.import_module("gamekeeper.jobs")
    for name in names:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise
            raise InvalidArgument(path="/modules", problem=f"there is no module {name!r} to import") from None


@asynccontextmanager
async def open_keep(settings: Settings, *, create: bool = False, clock: Clock | None = None) -> AsyncIterator[Keep]:
    """Open a keep for the length of a block.

    Raises: STORE_UNAVAILABLE, INVALID_ARGUMENT.
    """
    import_modules(settings.modules)
    keep = Keep(settings, make_store(settings), clock or SystemClock())
    await keep.start(create=create)
    try:
        yield keep
    finally:
        await keep.close()


__all__ = ["Command", "Keep", "Query", "open_keep"]
