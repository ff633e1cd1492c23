"""The engine: waiting commands become batches, as many at once as the store bears, and every caller gets its one answer.

Here is the queue: what is taken in, which commands go together, and whom they have to wait for. What becomes of a batch
stands in retrying.py, and what one try at it takes in attempts.py.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from gamekeeper.errors import Busy, StoreUnavailable
from gamekeeper.kernel.answers import Answers, Stats, shown
from gamekeeper.kernel.attempts import Attempts
from gamekeeper.kernel.batch import Runner
from gamekeeper.kernel.clock import Clock
from gamekeeper.kernel.flights import Airspace, Flight
from gamekeeper.kernel.retrying import Retrying
from gamekeeper.kernel.store.base import LoadRequest, Store, TryAgain, Unreachable
from gamekeeper.kernel.submissions import Submission

LEAST_HALF = 8
"""Fewer callers than this are not divided into two batches: a write has its fixed cost."""


class Limits(Struct, frozen=True):
    """The engine's bounds."""

    max_queue: int = 10_000
    max_batch: int = 256
    max_batch_seconds: float = 0.02
    """how long a batch may run in memory, by the average of the ones before"""
    deadline_seconds: float = 20.0
    """how long a command is tried again after faults of the database"""


class Engine:
    """The queue and the batches that run. All of it lives on one event loop."""

    def __init__(self, store: Store, runner: Runner, clock: Clock, limits: Limits, *, on_content: Callable[[], Awaitable[None]]) -> None:
        self.store = store
        self.runner = runner
        self.clock = clock
        self.limits = limits
        self._answers = Answers(runner.sealer)
        self.stats = self._answers.stats
        self.attempts = Attempts(store, runner, clock, self._answers, self._schedule)
        self._retrying = Retrying(
            store, runner, clock, self._answers, self.attempts, deadline_seconds=limits.deadline_seconds, on_content=on_content
        )
        self.on_commit = self._retrying.on_commit
        self._pending: deque[Submission] = deque()
        self._waiting: dict[str, int] = {}
        self.airspace = Airspace()
        runner.cache.busy = self.airspace.busy
        self._running: set[asyncio.Task[None]] = set()
        self._pump_scheduled = False
        self._closing = False

    # Intake

    def submit(self, submission: Submission, *, internal: bool = False) -> None:
        """Queue a submission; its future gets the answer. The keep's own ones are taken while closing.

        Raises: BUSY, STORE_UNAVAILABLE when closing.
        """
        if self._closing and not internal:
            raise StoreUnavailable(problem="the keep is closing")
        if len(self._pending) >= self.limits.max_queue and not internal:
            raise Busy(retry_after_seconds=round(0.1 + len(self._pending) * self.attempts.cost_seconds, 3))
        if self._at_once(submission):
            return
        self._pending.append(submission)
        for owner in submission.owners:
            self._waiting[owner] = self._waiting.get(owner, 0) + 1
        self._schedule()

    def _at_once(self, submission: Submission) -> bool:
        """Answer a checkpoint command from memory, when nothing of its owners is under way."""
        owners = submission.owners
        if not self.airspace.busy.keys().isdisjoint(owners) or any(owner in self._waiting for owner in owners):
            return False
        return self._from_memory(submission)

    def _from_memory(self, submission: Submission) -> bool:
        if not self.runner.checkpointable(submission, self.clock.monotonic()):
            return False
        outcome = self.runner.run_checkpoint(submission, self.clock.now_ms(), self.clock.monotonic())
        self.stats.checkpoints += 1
        self._answers.tell(outcome)
        return True

    def _schedule(self) -> None:
        # Tasks that wake in the same turn of the loop are collected into one batch; an idle engine waits for nothing else.
        if not self._pump_scheduled:
            self._pump_scheduled = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_scheduled = False
        while self._pending:
            batch = self._collect({*self.airspace.busy, *self.airspace.wanted}) if self.airspace.writing() < self.store.overlap else []
            if not batch and not self.airspace.building():
                # Whoever can go at once is not made to wait in one batch with those that cannot.
                batch = self._collect(self.airspace.blocked())
            if not batch:
                return
            task = asyncio.get_running_loop().create_task(self._run(self.airspace.take_off(batch)))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def _collect(self, blocked: set[str]) -> list[Submission]:
        """The next batch: in order, and never past an earlier command of the same owner."""
        count = self._batch_size()
        batch: list[Submission] = []
        held: list[Submission] = []
        # Within a batch versions stand still, so a command that expects one comes before all others of its owner.
        named: set[str] = set()
        flying = self.airspace.busy.keys()
        while self._pending and len(batch) < count and len(held) < 4 * self.limits.max_batch:
            submission = self._pending.popleft()
            if blocked.isdisjoint(submission.turns) and named.isdisjoint(submission.expect):
                if named.isdisjoint(submission.owners) and flying.isdisjoint(submission.owners) and self._from_memory(submission):
                    self._leave_queue(submission)
                else:
                    batch.append(submission)
                    named.update(submission.owners)
                    blocked.update(submission.turns - submission.owners)
            else:
                held.append(submission)
                blocked.update(submission.turns)
        self._pending.extendleft(reversed(held))
        for submission in batch:
            self._leave_queue(submission)
        return batch

    def _batch_size(self) -> int:
        most = min(self.limits.max_batch, int(self.limits.max_batch_seconds / self.attempts.cost_seconds))
        # Callers that all wait for one batch leave nobody for the next: half of them run while the others are written.
        half = (len(self._pending) + self.airspace.callers() + 1) // 2
        return max(1, min(most, max(half, LEAST_HALF)))

    def _leave_queue(self, submission: Submission) -> None:
        for owner in submission.owners:
            left = self._waiting[owner] - 1
            if left:
                self._waiting[owner] = left
            else:
                del self._waiting[owner]

    # One batch

    async def _run(self, flight: Flight) -> None:
        try:
            await self._retrying.until_answered(list(flight.submissions), flight)
        except BaseException as error:
            # Nobody may wait for ever, whatever went wrong here.
            for submission in flight.submissions:
                self._answers.give(submission, shown(error), [])
            if not isinstance(error, Exception):
                raise
        finally:
            self.airspace.land(flight)
            self._schedule()

    async def replay(self, submission: Submission) -> bool:
        """Answer a retry from what was kept, without running it; False when nothing was.

        Raises: STORE_UNAVAILABLE.
        """
        batch = [submission]
        if submission.answer_key is not None:
            try:
                found = await self.store.load(LoadRequest(answers=[submission.answer_key]))
            except (Unreachable, TryAgain) as error:
                raise shown(error) from error
            self._answers.replay(batch, found.answers)
        return not batch

    # For flushes, leases and shutdown

    async def hold(self, owners: set[str]) -> None:
        """Wait until no batch runs on these owners, and keep batches off them; `let_go` ends it."""
        await self.airspace.hold(owners)

    def hold_free(self, owners: Sequence[str]) -> set[str]:
        """Keep batches off those owners that none runs on; gives them."""
        return self.airspace.hold_free(owners)

    def let_go(self, owners: set[str]) -> None:
        """End a hold."""
        self.airspace.let_go(owners)
        self._schedule()

    async def drain(self) -> None:
        """Stop intake and wait until everything queued has been answered."""
        self._closing = True
        while self._pending or self._running:
            self._schedule()
            if self._running:
                await asyncio.wait(set(self._running))
            else:
                await asyncio.sleep(0)

    @property
    def queued(self) -> int:
        """How many submissions wait."""
        return len(self._pending)


__all__ = ["Engine", "Limits", "Stats"]
