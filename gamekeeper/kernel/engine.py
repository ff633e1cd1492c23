"""The engine: waiting commands become batches, batches become one write each, and every caller gets its one answer.

A batch goes the quick way first: run over cached rows, then one write that checks under the owners' locks that those
rows were current. When that check fails twice, or the outcome of a write is unknown, it goes the certain way: lock, look
into the journal, read, run, write.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import bindparam, select

from gamekeeper.errors import AlreadyExists, Busy, ConstraintViolated, GameError, KeyReused, NameTaken, StoreUnavailable
from gamekeeper.kernel.batch import Runner
from gamekeeper.kernel.clock import Clock
from gamekeeper.kernel.flights import Airspace, Flight
from gamekeeper.kernel.loading import Seen
from gamekeeper.kernel.store import schema
from gamekeeper.kernel.store.base import (
    CONTENT_OWNER,
    Applied,
    ConstraintBroken,
    LoadRequest,
    OutcomeUnknown,
    RootRow,
    Store,
    Transaction,
    TryAgain,
    Unreachable,
)
from gamekeeper.kernel.submissions import Plan, Submission, decode_answer
from gamekeeper.kernel.workingset import OwnerState

COMMITTED = select(schema.journal.c.hash).where(
    schema.journal.c.command_id == bindparam("command_id"), schema.journal.c.owner_id == bindparam("owner_id")
)

LOG = logging.getLogger("gamekeeper.engine")
NOTHING_AHEAD: Mapping[str, OwnerState] = {}
QUICK_TRIES = 2
"""How often a batch is tried without locking first."""
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


class Stats(Struct):
    """What the engine has done so far."""

    commands: int = 0
    refused: int = 0
    batches: int = 0
    reloads: int = 0
    retries: int = 0
    replays: int = 0
    checkpoints: int = 0
    built_ahead: int = 0
    """batches that ran over one whose write was under way"""
    unknown_outcomes: int = 0
    unknown_committed: int = 0


class _Stale(Exception):
    """Cached rows were behind; they have been dropped."""


class _Fallen(Exception):
    """The batch below was not written as it had run, so this one has run over what is not true."""


class _Ambiguous(Exception):
    """A write whose outcome is unknown; carries the plan that may have been committed."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("outcome unknown")
        self.plan = plan


class Engine:
    """The queue and the batches that run. All of it lives on one event loop."""

    def __init__(self, store: Store, runner: Runner, clock: Clock, limits: Limits) -> None:
        self.store = store
        self.runner = runner
        self.clock = clock
        self.limits = limits
        self.stats = Stats()
        self.content_version = 0
        self.on_content: Callable[[], Awaitable[None]] | None = None
        self.on_commit: list[Callable[[Mapping[str, int]], None]] = []
        self._pending: deque[Submission] = deque()
        self._waiting: dict[str, int] = {}
        self.airspace = Airspace()
        runner.cache.busy = self.airspace.busy
        self._running: set[asyncio.Task[None]] = set()
        self._pump_scheduled = False
        self._closing = False
        self._cost_seconds = 0.0001

    # Intake

    def submit(self, submission: Submission, *, internal: bool = False) -> None:
        """Queue a submission; its future gets the answer. The keep's own ones are taken while closing.

        Raises: BUSY, STORE_UNAVAILABLE when closing.
        """
        if self._closing and not internal:
            raise StoreUnavailable(problem="the keep is closing")
        if len(self._pending) >= self.limits.max_queue and not internal:
            raise Busy(retry_after_seconds=round(0.1 + len(self._pending) * self._cost_seconds, 3))
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
        self._answer(submission, outcome.error, outcome.results[submission.untold :])
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
        most = min(self.limits.max_batch, int(self.limits.max_batch_seconds / self._cost_seconds))
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
            await self._until_answered(list(flight.submissions), flight)
        except BaseException as error:
            # Nobody may wait for ever, whatever went wrong here.
            for submission in flight.submissions:
                self._answer(submission, _shown(error), [])
            if not isinstance(error, Exception):
                raise
        finally:
            self.airspace.land(flight)
            self._schedule()

    async def _until_answered(self, batch: list[Submission], flight: Flight, known_doubts: Sequence[Plan] = ()) -> None:
        deadline = self.clock.monotonic() + self.limits.deadline_seconds
        doubts = list(known_doubts)
        tries = 0
        while batch:
            try:
                plan = await self._try(batch, tries, doubts, flight)
            except _Fallen:
                continue
            except (_Stale, TryAgain, Unreachable, _Ambiguous) as error:
                flight.settle(False)
                tries += 1
                self._note(error, doubts)
                if self.clock.monotonic() >= deadline:
                    self._fail(batch, error, doubts)
                    return
                if not isinstance(error, _Stale):
                    await asyncio.sleep(random.uniform(0.2, 1.0) * min(0.5, 0.01 * 2 ** min(tries, 6)))  # noqa: S311 - jitter
                continue
            except Exception as error:  # noqa: BLE001 - a row or an answer that cannot be encoded: the others have no part in it
                flight.settle(False)
                await flight.ground()
                await self._isolate(batch, error, doubts, flight)
                return
            if plan in doubts:
                self.stats.unknown_committed += 1
            # Who was refused by definitions that were no longer in force is judged again by the new ones.
            followed = await self._follow_content(plan)
            again = [one.submission for one in plan.outcomes if one.error is not None] if followed else []
            flight.settle(plan is flight.plan and not followed)
            self._finish(plan, again)
            batch, tries, doubts = again, 0, []

    async def _run_alone(self, submission: Submission, doubts: list[Plan], flight: Flight) -> None:
        try:
            await self._until_answered([submission], flight, doubts)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to this caller alone
            self._answer(submission, _shown(error), [])

    def _note(self, error: Exception, doubts: list[Plan]) -> None:
        if isinstance(error, _Stale):
            self.stats.reloads += 1
            return
        self.stats.retries += 1
        if isinstance(error, _Ambiguous):
            self.stats.unknown_outcomes += 1
            doubts.append(error.plan)

    def _fail(self, batch: Sequence[Submission], error: Exception, doubts: Sequence[Plan]) -> None:
        # A write that may have been committed is no refusal: the caller must ask again, with the same key.
        facts = {"outcome": "unknown"} if doubts else {}
        for submission in batch:
            self._answer(submission, StoreUnavailable(problem=str(error) or type(error).__name__, **facts), [])

    async def _try(self, batch: list[Submission], tries: int, doubts: list[Plan], flight: Flight) -> Plan:
        if flight.below:
            return await self._build(batch, flight)
        if tries < QUICK_TRIES and not doubts:
            return await self._attempt(batch, self.store.load, self.store.apply, tries, flight)
        plan: Plan | None = None
        try:
            async with self.store.transaction() as transaction:
                await transaction.lock(sorted({owner for submission in batch for owner in submission.owners}))
                for doubt in doubts:
                    # Its writer held these locks or will find the versions changed: what the journal says now is final.
                    if await self._committed(doubt, transaction.fetch):
                        return doubt
                self._forget(batch)
                plan = await self._attempt(batch, transaction.load, transaction.apply, tries, flight)
        except OutcomeUnknown:
            if plan is None:
                raise Unreachable("the connection broke") from None
            raise _Ambiguous(plan) from None
        return plan

    async def _build(self, batch: list[Submission], flight: Flight) -> Plan:
        """Run over what the flights below leave if they stand, while they are being written; write it when they do."""
        ahead = flight.ahead()
        plan = await self._run_ahead(batch, ahead) if ahead else None
        if not await flight.ground() or plan is None:
            raise _Fallen
        self.stats.built_ahead += 1
        return await self._write(plan, self.store.apply, 0, flight)

    async def _run_ahead(self, batch: list[Submission], ahead: Mapping[str, OwnerState]) -> Plan | None:
        """Run a batch over states to come; None when it needs what only the database can tell, after the flights below."""
        if not await self._load_missing(batch, self.store.load, ahead):
            return None
        if not batch:
            return Plan([], {})
        plan = self._run_timed(batch, ahead)
        claims = any(one.error is None and context.log.claims for one in plan.outcomes for context in one.contexts)
        if claims or any(one.error is not None and one.submission.key is not None for one in plan.outcomes):
            return None
        self._prepare(plan, len(batch))
        return plan

    async def _attempt(
        self,
        batch: list[Submission],
        load: Callable[[LoadRequest], Awaitable[Any]],
        apply: Callable[[Any], Awaitable[Applied]],
        tries: int,
        flight: Flight,
    ) -> Plan:
        if tries:
            # A write that was turned down may have met its own key, set by another process or by the try before.
            keys = [one.answer_key for one in batch if one.answer_key is not None]
            self._replay(batch, (await load(LoadRequest(answers=keys))).answers if keys else {})
        await self._load_missing(batch, load)
        if not batch:
            return Plan([], {})
        plan = self._run_timed(batch, {})
        plan = await self._settle_claims(batch, plan, load)
        plan = await self._settle_replays(batch, plan, load)
        self._prepare(plan, len(batch))
        return await self._write(plan, apply, tries, flight)

    def _run_timed(self, batch: list[Submission], ahead: Mapping[str, OwnerState]) -> Plan:
        started = time.perf_counter()
        plan = self.runner.run(batch, self.clock.now_ms(), {}, ahead)
        plan.seconds = time.perf_counter() - started
        return plan

    def _prepare(self, plan: Plan, count: int) -> None:
        started = time.perf_counter()
        self.runner.writer.prepare_writes(plan, self.clock.now_ms())
        self.store.prepare(plan.writes)
        # Waiting for the database is no reason for smaller batches.
        spent = (plan.seconds + time.perf_counter() - started) / max(1, count)
        self._cost_seconds = 0.9 * self._cost_seconds + 0.1 * spent

    async def _write(self, plan: Plan, apply: Callable[[Any], Awaitable[Applied]], tries: int, flight: Flight) -> Plan:
        if not flight.stands.done() and CONTENT_OWNER not in plan.drafts:
            # From here on the next batch may run over what this one leaves.
            flight.plan = plan
            self._schedule()
        try:
            applied = await apply(plan.writes)
        except OutcomeUnknown:
            raise _Ambiguous(plan) from None
        except ConstraintBroken as error:
            if tries >= QUICK_TRIES or (error.constraint != "pk_idempotency" and not plan.writes.claims):
                raise
            # A key or a name may have been taken between our look and our write; the next look says which, and spares the others.
            raise _Stale from None
        if not applied.ok:
            self._refresh(plan, applied.roots)
            raise _Stale
        # What the write saw is older than what it wrote, when it wrote content itself.
        plan.content_moved = applied.content_version != self.content_version or CONTENT_OWNER in plan.drafts
        return plan

    async def _follow_content(self, plan: Plan) -> bool:
        """Read the definitions again before the callers are answered, so that they find their new content in force; say whether it was."""
        if not plan.content_moved or self.on_content is None:
            return False
        before = self.content_version
        try:
            await self.on_content()
        except (StoreUnavailable, Unreachable, TryAgain, OutcomeUnknown) as error:
            # The batch is written, whatever becomes of this; the next one sees the same version and tries again.
            LOG.warning("the new content could not be read yet: %s", error)
        return self.content_version != before

    async def _load_missing(
        self, batch: list[Submission], load: Callable[[LoadRequest], Awaitable[Any]], ahead: Mapping[str, OwnerState] = NOTHING_AHEAD
    ) -> bool:
        """Read what the batch needs and the cache does not hold; False when that is of owners in flight, which cannot be read yet."""
        seen = Seen()
        # A root that has moved on since it was cached leaves tables to load again; an owner moves on but so often.
        for _ in range(4):
            request = self.runner.missing(batch, seen, ahead)
            if request is None:
                return True
            if not ahead.keys().isdisjoint(request.owners):
                return False
            result = await load(request)
            seen.fresh.update(result.roots)
            seen.absent.update(owner for owner in request.owners if owner not in result.roots)
            self.runner.take_in(request, result)
            self._replay(batch, result.answers)
        if batch and self.runner.missing(batch, seen, ahead) is not None:
            raise _Stale
        return True

    def _replay(self, batch: list[Submission], answers: Mapping[tuple[str, str], tuple[bytes, str | None]]) -> None:
        """Answer what was answered before, and take it out of the batch."""
        for submission in [one for one in batch if one.answer_key in answers]:
            digest, text = answers[submission.answer_key or ("", "")]
            batch.remove(submission)
            self.stats.replays += 1
            submission.replayed = True
            if digest != submission.request_hash:
                self._answer(submission, KeyReused(key=submission.key), [])
                continue
            kept = self.runner.sealer.reveal(text) if text is not None else None
            if kept is None:
                self._answer(submission, KeyReused(key=submission.key, problem="done before; its answer was not kept"), [])
            else:
                self._answer(submission, None, decode_answer(submission, kept))

    async def replay(self, submission: Submission) -> bool:
        """Answer a retry from what was kept, without running it; False when nothing was.

        Raises: STORE_UNAVAILABLE.
        """
        batch = [submission]
        if submission.answer_key is not None:
            try:
                found = await self.store.load(LoadRequest(answers=[submission.answer_key]))
            except (Unreachable, TryAgain) as error:
                raise _shown(error) from error
            self._replay(batch, found.answers)
        return not batch

    async def _settle_claims(self, batch: list[Submission], plan: Plan, load: Callable[[LoadRequest], Awaitable[Any]]) -> Plan:
        """Refuse the commands whose names are taken, and run the others again without them."""
        wanted = sorted(
            {claim[:2] for one in plan.outcomes for context in one.contexts if one.error is None for claim in context.log.claims}
        )
        if not wanted:
            return plan
        taken = (await load(LoadRequest(claims=wanted))).claims
        refused: dict[int, BaseException] = {}
        while more := {at: error for at, error in self.runner.writer.refuse_claims(plan, taken).items() if at not in refused}:
            refused.update(more)
            plan = self.runner.run(batch, self.clock.now_ms(), refused)
        return plan

    async def _settle_replays(self, batch: list[Submission], plan: Plan, load: Callable[[LoadRequest], Awaitable[Any]]) -> Plan:
        """A command that is refused now may be the retry of one that was done: its key decides."""
        keys = [one.submission.answer_key for one in plan.outcomes if one.error is not None and one.submission.answer_key is not None]
        if not keys:
            return plan
        answers = (await load(LoadRequest(answers=keys))).answers
        if not answers:
            return plan
        self._replay(batch, answers)
        plan = self.runner.run(batch, self.clock.now_ms(), {})
        return await self._settle_claims(batch, plan, load)

    def _refresh(self, plan: Plan, roots: list[RootRow]) -> None:
        """Drop what the store said is behind."""
        known = {guard.owner: guard for guard in plan.writes.guards}
        for root in roots:
            guard = known.pop(root.id)
            if guard.hold and not (root.leased and root.epoch == guard.epoch):
                self.runner.leases.lose(root.id)
            if root.version != guard.version or root.epoch != guard.epoch or guard.hold:
                self.runner.note_root(root)
        for owner in known:
            self.runner.cache.drop(owner)

    def _forget(self, batch: Sequence[Submission]) -> None:
        for submission in batch:
            for owner in submission.owners:
                state = self.runner.cache.peek(owner)
                if state is not None:
                    # The tables go, what only memory holds stays.
                    state.tables, state.keyed = {}, {}
                    if not state.dirty and not state.images:
                        self.runner.cache.drop(owner)

    async def _committed(self, plan: Plan, fetch: Callable[[Any, dict[str, Any]], Awaitable[Sequence[Sequence[Any]]]]) -> bool:
        """Whether a plan of unknown outcome stands in the journal. One of its entries tells for all."""
        origins = {entry.command_id: entry.owner_id for entry in plan.writes.journal if entry.owner_id == entry.origin_id}
        for command_id, digest in plan.journal_hashes.items():
            rows = await fetch(COMMITTED, {"command_id": command_id, "owner_id": origins[command_id]})
            return bool(rows) and bytes(rows[0][0]) == digest
        return False

    async def _isolate(self, batch: list[Submission], error: Exception, doubts: list[Plan], flight: Flight) -> None:
        """A row or an answer cannot be written: run the commands one by one, so that only the guilty one fails."""
        self._forget(batch)
        if len(batch) > 1:
            for submission in list(batch):
                if not any(doubt.settled for doubt in doubts):
                    await self._run_alone(submission, doubts, flight)
            return
        for doubt in doubts:
            if await self._committed(doubt, self.store.fetch):
                self.stats.unknown_committed += 1
                self._finish(doubt)
                return
        key = batch[0].answer_key if batch else None
        if key is not None:
            # Another process may have done the same command a moment ago: then its key is what was in the way.
            self._replay(batch, (await self.store.load(LoadRequest(answers=[key]))).answers)
        for submission in batch:
            self._answer(submission, _refusal(submission, error) if isinstance(error, ConstraintBroken) else _shown(error), [])

    def _finish(self, plan: Plan, again: Sequence[Submission] = ()) -> None:
        plan.settled = True
        self.runner.finish(plan)
        self.stats.batches += 1
        changed = {owner: draft.state.version for owner, draft in plan.drafts.items() if draft.changed}
        for outcome in plan.outcomes:
            if outcome.submission not in again:
                self._answer(outcome.submission, outcome.error, outcome.results[outcome.submission.untold :])
        for listener in self.on_commit:
            listener(changed)

    def _answer(self, submission: Submission, error: BaseException | None, results: list[Any]) -> None:
        """Give the one answer; a caller that has given up is not waited for."""
        if submission.future.done():
            return
        self.stats.commands += 1
        if error is None:
            submission.future.set_result(results)
        else:
            self.stats.refused += 1
            submission.future.set_exception(error)

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


def _shown(error: BaseException) -> BaseException:
    """What a caller sees of a fault that nothing else has caught."""
    if isinstance(error, Unreachable | TryAgain | OutcomeUnknown):
        return StoreUnavailable(problem=str(error) or type(error).__name__)
    return error if isinstance(error, Exception) else StoreUnavailable(problem="shut down")


def _refusal(submission: Submission, error: ConstraintBroken) -> GameError:
    if error.constraint == "pk_owners":
        return AlreadyExists(id=next((id for call in submission.calls for id in call.new_owners()), ""))
    if error.constraint == "pk_claims":
        return NameTaken(name="")
    return ConstraintViolated(constraint=error.constraint)


__all__ = ["Engine", "Limits", "Stats", "Transaction"]
