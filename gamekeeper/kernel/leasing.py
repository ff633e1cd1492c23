"""Leases and checkpoints of one process: acquire, renew, hand over, release; flush what only memory holds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any
from weakref import WeakValueDictionary

from gamekeeper.errors import OwnerLeased, OwnerNotFound, StoreUnavailable
from gamekeeper.kernel.commands import Command, Prepared
from gamekeeper.kernel.engine import Engine
from gamekeeper.kernel.leases import Lease
from gamekeeper.kernel.records import KEYED, AnyOwnerId, Record
from gamekeeper.kernel.store.base import (
    ConstraintBroken,
    Guard,
    LeaseRow,
    LoadRequest,
    OutcomeUnknown,
    RootRow,
    TryAgain,
    Unreachable,
    WriteSet,
)
from gamekeeper.kernel.submissions import Submission
from gamekeeper.kernel.workingset import Context, OwnerState, Where

LOG = logging.getLogger("gamekeeper.leasing")
FLUSH_OWNERS = 1_000
"""Owners written by one flush at the most."""
MARGIN = 0.2
"""The part of a lease by which this process stops earlier than the database would: for pauses and slow clocks."""


MOST_IMAGES = 1_000
"""Rows of one entry of the journal, and so many of an owner's are remembered as they were before: then the journal gets them."""


def image(ctx: Context, *, owner: AnyOwnerId) -> None:
    """Journal what the checkpoints of a lease changed in all, and save it."""
    state = ctx._drafts[owner].state
    # Where the lease was lost meanwhile, there are none any more.
    for record, key in [where for where in ctx.found if where in state.images]:
        before, after = state.images[record, key], ctx.get(record, *key)
        if before != after or (record, key) in state.dirty:
            ctx.log.changes[record, key] = [before, after]


@cache
def _image_command(records: frozenset[type[Record]]) -> Command[Any, None]:
    return Command(image, touches=tuple(records), keys=None, prepare=None, durability="commit", access="operator", module="leases")


class Leasing:
    """What this process holds, kept alive by a task and saved by another."""

    def __init__(self, engine: Engine, *, lease_seconds: float, checkpoint_seconds: float) -> None:
        self._engine = engine
        self._store = engine.store
        self._runner = engine.runner
        self._table = engine.runner.leases
        self._clock = engine.clock
        self.lease_seconds = lease_seconds
        self.checkpoint_seconds = checkpoint_seconds
        self._table.on_lost.append(self._forget_unsaved)
        self.on_lost = self._table.on_lost
        """called with the owner's id when a lease was lost and its unsaved checkpoints with it"""
        self.on_foreign_change = self._table.on_foreign_change
        """called with the owner's id when somebody else's command changed an owner leased here"""
        self._tasks: list[asyncio.Task[None]] = []
        self._journaling: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """held while images of an owner are being journaled"""

    def start(self) -> None:
        """Begin to renew and to flush."""
        self._tasks = [
            asyncio.create_task(self._repeat(self.lease_seconds / 3, self.renew)),
            asyncio.create_task(self._repeat(self.checkpoint_seconds / 4, self._flush_due)),
        ]

    async def stop(self) -> None:
        """End the tasks; flush and release come before."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _repeat(self, seconds: float, work: Callable[[], Any]) -> None:
        failures = 0
        while True:
            await asyncio.sleep(seconds * min(8, 2**failures))
            try:
                await work()
                failures = 0
            except Exception as error:  # noqa: BLE001 - the chain never stops: the next turn tries again, a little later
                failures = min(failures + 1, 3)
                LOG.warning("%s failed and is tried again: %r", work.__name__, error)

    async def acquire(self, owners: Sequence[str]) -> list[Lease]:
        """Take the leases of all these owners, or of none.

        Raises: OWNER_LEASED, OWNER_NOT_FOUND, STORE_UNAVAILABLE.
        """
        wanted = set(owners)
        # A batch that is under way would end with the epoch from before, and take the new lease for lost.
        await self._engine.hold(wanted)
        try:
            return await self._acquire(owners)
        except (Unreachable, TryAgain, OutcomeUnknown) as error:
            raise StoreUnavailable(problem=str(error)) from error
        finally:
            self._engine.let_go(wanted)

    async def _acquire(self, owners: Sequence[str]) -> list[Lease]:
        began = self._clock.monotonic()
        before = set(self._table.held)
        granted = {row.owner: row for row in await self._store.acquire_leases(owners, self._table.holder, self.lease_seconds)}
        missing = [owner for owner in owners if owner not in granted]
        if missing:
            # What was held before stays held, now with a new epoch, and its unsaved checkpoints with it.
            fresh = [(row.owner, row.epoch) for row in granted.values() if row.owner not in before]
            for owner in before.intersection(granted):
                self._grant(granted[owner], began)
            await self._store.release_leases(fresh, self._table.holder, None, 0)
            await self._refuse(missing[0])
        return [self._grant(granted[owner], began) for owner in owners]

    def _grant(self, row: LeaseRow, began: float) -> Lease:
        lease = Lease(row.owner, row.epoch, began + self.lease_seconds * (1 - MARGIN))
        before = self._table.held.get(row.owner)
        self._table.grant(lease)
        state = self._runner.cache.peek(row.owner)
        if state is not None:
            if before is not None and before.epoch + 1 == row.epoch == state.epoch + 1:
                state.epoch = row.epoch
            else:
                # Another holder's checkpoints have left no trace in the version.
                self._runner.cache.drop(row.owner)
        return lease

    async def _refuse(self, owner: str) -> None:
        roots = (await self._store.load(LoadRequest(owners=[owner]))).roots
        if owner not in roots:
            raise OwnerNotFound(id=owner)
        raise OwnerLeased(owner=owner, holder=roots[owner].holder or "")

    async def renew(self) -> None:
        """Prolong every lease held; learn of the lost ones, and of owners that others have changed."""
        held = [(lease.owner, lease.epoch) for lease in self._table.held.values()]
        if not held:
            return
        began = self._clock.monotonic()
        rows = {row.owner: row for row in await self._store.renew_leases(held, self._table.holder, self.lease_seconds)}
        behind: list[str] = []
        for owner, epoch in held:
            row = rows.get(owner)
            lease = self._table.held.get(owner)
            if lease is None or lease.epoch != epoch:
                continue
            if row is None:
                self._table.lose(owner)
                continue
            self._table.grant(Lease(owner, epoch, began + self.lease_seconds * (1 - MARGIN)))
            state = self._runner.cache.peek(owner)
            if state is not None and state.version < row.version:
                behind.append(owner)
        await self._catch_up(behind)

    async def _catch_up(self, owners: Sequence[str]) -> None:
        """Read the root rows that others have changed; one of a batch that runs here is only behind for a moment."""
        free = self._engine.hold_free(owners)
        try:
            roots = (await self._store.load(LoadRequest(owners=sorted(free)))).roots if free else {}
            for root in roots.values():
                self._runner.note_root(root)
        finally:
            self._engine.let_go(free)

    def _forget_unsaved(self, owner: str) -> None:
        # A batch under way may still have the state; by its images it is known for one that must not come back.
        self._runner.cache.drop(owner)

    async def release(self, owners: Sequence[str], successor: str | None = None) -> None:
        """Save, journal the image of the lease's checkpoints, and give the leases back or hand them to a successor."""
        mine = [owner for owner in owners if owner in self._table.held]
        # From here on nothing is answered from memory for them.
        self._table.closing.update(mine)
        try:
            saved = await asyncio.gather(*(self._journal_image(owner) for owner in mine), return_exceptions=True)
        finally:
            self._table.closing.difference_update(mine)
        # An owner whose checkpoint cannot be saved keeps its lease; it must not keep the others from being saved.
        failed = {owner: error for owner, error in zip(mine, saved, strict=True) if isinstance(error, BaseException)}
        held = [(owner, self._table.held[owner].epoch) for owner in mine if owner in self._table.held and owner not in failed]
        for owner in owners:
            if owner not in failed or owner not in self._table.held:
                self._table.drop(owner)
                self._runner.cache.drop(owner)
        try:
            if held:
                await self._store.release_leases(held, self._table.holder, successor, self.lease_seconds)
        except (Unreachable, TryAgain, OutcomeUnknown) as error:
            raise StoreUnavailable(problem=str(error)) from error
        if failed:
            raise next(iter(failed.values()))

    async def _journal_image(self, owner: str) -> None:
        state = self._runner.cache.peek(owner)
        if state is None or not state.images:
            return
        if None in state.dirty.values():
            # A row that was made and removed under the lease is in no image, and yet a flush may have written it.
            await self.flush([owner])
        await self._journal(owner, "lease released")

    async def _journal(self, owner: str, reason: str, most: int | None = None) -> None:
        """Journal the images of an owner, all or so many of the oldest; one after another, so that none is told twice."""
        async with self._journaling.setdefault(owner, asyncio.Lock()):
            state = self._runner.cache.peek(owner)
            images = [] if state is None else list(state.images)[:most]
            for first in range(0, len(images), MOST_IMAGES):
                await self._journal_some(owner, tuple(images[first : first + MOST_IMAGES]), reason)

    async def _journal_some(self, owner: str, images: tuple[Where, ...], reason: str) -> None:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        call = _image_command(frozenset(record for record, _ in images)).call({"owner": owner})
        prepared = Prepared(found=images, keys=tuple(where for where in images if where[0] in KEYED))
        submission = Submission([call], key=None, actor="gamekeeper", reason=reason, expect={}, prepared=[prepared], future=future)
        self._engine.submit(submission, internal=True)
        await future

    async def flush(self, only: Sequence[str] | None = None) -> None:
        """Write everything that only memory holds, of all owners leased here or of some.

        Raises: STORE_UNAVAILABLE when something could not be saved.
        """
        owners = {owner for owner in (self._table.held if only is None else only) if self._dirty(owner)}
        await self._engine.hold(owners)
        try:
            failed = await self._flush(sorted(owners))
        finally:
            self._engine.let_go(owners)
        if failed:
            raise StoreUnavailable(problem=f"{len(failed)} owners could not be saved")

    async def _flush_due(self) -> None:
        """Write what has waited for half the window; the other half is for trying again."""
        latest = self._clock.monotonic() - self.checkpoint_seconds / 2
        due = [owner for owner in self._table.held if (state := self._dirty(owner)) is not None and state.dirty_since <= latest]
        owners = self._engine.hold_free(due)
        try:
            failed = await self._flush(sorted(owners))
        finally:
            self._engine.let_go(owners)
        if failed:
            raise StoreUnavailable(problem=f"{len(failed)} owners could not be saved")
        for owner in list(self._table.held):
            await self._journal_oldest(owner)

    async def _journal_oldest(self, owner: str) -> None:
        """Journal some images of a lease that lasts: nobody remembers for ever how all rows of a world were before it."""
        state = self._runner.cache.peek(owner)
        if state is not None and len(state.images) > 2 * MOST_IMAGES:
            await self._journal(owner, "lease goes on", MOST_IMAGES)

    def _dirty(self, owner: str) -> OwnerState | None:
        state = self._runner.cache.peek(owner)
        return state if state is not None and state.dirty else None

    async def _flush(self, owners: list[str]) -> list[str]:
        """Write these owners' checkpoints; gives those that could not be written, which are frozen for value until they are."""
        failed: list[str] = []
        for start in range(0, len(owners), FLUSH_OWNERS):
            failed += await self._flush_some(owners[start : start + FLUSH_OWNERS])
        return failed

    async def _flush_some(self, owners: list[str]) -> list[str]:
        states = [state for owner in owners if (state := self._dirty(owner)) is not None and owner in self._table.held]
        if not states:
            return []
        try:
            applied = await self._store.apply(self._checkpoint_writes(states))
        except ConstraintBroken as error:
            if len(states) > 1:
                middle = len(states) // 2
                names = [state.id for state in states]
                return await self._flush_some(names[:middle]) + await self._flush_some(names[middle:])
            LOG.error("the checkpoint of %s breaks %s", states[0].id, error.constraint)
            return self._degrade(states)
        except (Unreachable, TryAgain, OutcomeUnknown) as error:
            LOG.warning("a flush of %d owners failed: %s", len(states), error)
            return self._degrade(states)
        if not applied.ok:
            self._lose_all(states, applied.roots)
            return await self._flush_some([state.id for state in states if state.id in self._table.held])
        for state in states:
            state.dirty = {}
            state.degraded = False
        return []

    def _degrade(self, states: Iterable[OwnerState]) -> list[str]:
        for state in states:
            state.degraded = True
        return [state.id for state in states]

    def _lose_all(self, states: Iterable[OwnerState], roots: list[RootRow]) -> None:
        now = {root.id: root for root in roots}
        for state in states:
            root = now.get(state.id)
            if root is None or not root.leased or root.epoch != self._table.held[state.id].epoch:
                self._table.lose(state.id)

    def _checkpoint_writes(self, states: Iterable[OwnerState]) -> WriteSet:
        writes = WriteSet(guards=[], deletes={}, upserts={})
        upserts: dict[type[Record], list[Record]] = {}
        for state in states:
            # The version may have been raised by somebody else's gift; only the lease matters here.
            writes.guards.append(Guard(state.id, -1, self._table.held[state.id].epoch, True))
            for (record, key), row in state.dirty.items():
                if row is None:
                    writes.deletes.setdefault(record, []).append(key)
                else:
                    upserts.setdefault(record, []).append(row)
        writes.upserts = upserts
        return writes
