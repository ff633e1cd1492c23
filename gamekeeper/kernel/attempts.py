"""Attempts: one try at a batch. What is missing is loaded, the commands run in memory, and what they leave is written at once.

What an attempt finds out to be otherwise than it thought it raises as `Stale` or `Ambiguous`; retrying.py goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from gamekeeper.kernel.answers import Answers, there_already
from gamekeeper.kernel.batch import Runner
from gamekeeper.kernel.clock import Clock
from gamekeeper.kernel.flights import Flight
from gamekeeper.kernel.loading import Seen
from gamekeeper.kernel.store.base import CONTENT_OWNER, Applied, ConstraintBroken, LoadRequest, OutcomeUnknown, RootRow, Store
from gamekeeper.kernel.submissions import Plan, Submission
from gamekeeper.kernel.workingset import OwnerState

NOTHING_AHEAD: Mapping[str, OwnerState] = {}
QUICK_TRIES = 2
"""How often a batch is tried without locking first."""

Load = Callable[[LoadRequest], Awaitable[Any]]
Apply = Callable[[Any], Awaitable[Applied]]


class Stale(Exception):
    """Cached rows were behind; they have been dropped."""


class Ambiguous(Exception):
    """A write whose outcome is unknown; carries the plan that may have been committed."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("outcome unknown")
        self.plan = plan


class Attempts:
    """What one try takes."""

    def __init__(self, store: Store, runner: Runner, clock: Clock, answers: Answers, may_build: Callable[[], None]) -> None:
        self._store = store
        self._runner = runner
        self._clock = clock
        self._answers = answers
        self._may_build = may_build
        self.cost_seconds = 0.0001
        """what a command takes in memory, by the average of those before"""

    async def run_ahead(self, batch: list[Submission], ahead: Mapping[str, OwnerState]) -> Plan | None:
        """Run a batch over states to come; None when it needs what only the database can tell, after the flights below."""
        if not await self._load_missing(batch, self._store.load, ahead):
            return None
        if not batch:
            return Plan([], {})
        if any(map(self._runner.outlived, ahead.values())):
            return None
        plan = self._run_timed(batch, ahead)
        claims = any(one.error is None and context.log.claims for one in plan.outcomes for context in one.contexts)
        if claims or any(one.error is not None and one.submission.key is not None for one in plan.outcomes):
            return None
        self._prepare(plan, len(batch))
        return plan

    async def make(self, batch: list[Submission], load: Load, apply: Apply, tries: int, flight: Flight) -> Plan:
        """Load, run, settle and write a batch, with so many tries before this one; who was answered before leaves it.

        Raises: Stale, Ambiguous.
        """
        if tries:
            # A write that was turned down may have met its own key, set by another process or by the try before.
            keys = [one.answer_key for one in batch if one.answer_key is not None]
            self._answers.replay(batch, (await load(LoadRequest(answers=keys))).answers if keys else {})
        await self._load_missing(batch, load)
        if not batch:
            return Plan([], {})
        plan = self._run_timed(batch, {})
        plan = await self._settle_claims(batch, plan, load)
        plan = await self._settle_replays(batch, plan, load)
        self._prepare(plan, len(batch))
        return await self.write(plan, apply, tries, flight)

    def _run_timed(self, batch: list[Submission], ahead: Mapping[str, OwnerState]) -> Plan:
        started = time.perf_counter()
        plan = self._runner.run(batch, self._clock.now_ms(), {}, ahead)
        plan.seconds = time.perf_counter() - started
        return plan

    def _prepare(self, plan: Plan, count: int) -> None:
        started = time.perf_counter()
        self._runner.writer.prepare_writes(plan, self._clock.now_ms())
        self._store.prepare(plan.writes)
        # Waiting for the database is no reason for smaller batches.
        spent = (plan.seconds + time.perf_counter() - started) / max(1, count)
        self.cost_seconds = 0.9 * self.cost_seconds + 0.1 * spent

    async def write(self, plan: Plan, apply: Apply, tries: int, flight: Flight) -> Plan:
        """Write what a batch leaves; meanwhile others may build on it.

        Raises: Stale, Ambiguous.
        """
        if not flight.stands.done() and CONTENT_OWNER not in plan.drafts:
            # From here on the next batch may run over what this one leaves.
            flight.plan = plan
            self._may_build()
        try:
            applied = await apply(plan.writes)
        except OutcomeUnknown:
            raise Ambiguous(plan) from None
        except ConstraintBroken as error:
            if tries >= QUICK_TRIES or (error.constraint != "pk_idempotency" and not plan.writes.claims):
                raise there_already(plan.writes, error) from None
            # A key or a name may have been taken between our look and our write; the next look says which, and spares the others.
            raise Stale from None
        if not applied.ok:
            self._refresh(plan, applied.roots)
            raise Stale
        # What the write saw is older than what it wrote, when it wrote content itself.
        plan.content_moved = applied.content_version != self._runner.content_version or CONTENT_OWNER in plan.drafts
        return plan

    async def _load_missing(self, batch: list[Submission], load: Load, ahead: Mapping[str, OwnerState] = NOTHING_AHEAD) -> bool:
        """Read what the batch needs and the cache does not hold; False when that is of owners in flight, which cannot be read yet."""
        seen = Seen()
        # A root that has moved on since it was cached leaves tables to load again; an owner moves on but so often.
        for _ in range(4):
            request = self._runner.missing(batch, seen, ahead)
            if request is None:
                return True
            if not ahead.keys().isdisjoint(request.owners):
                return False
            result = await load(request)
            seen.fresh.update(result.roots)
            seen.absent.update(owner for owner in request.owners if owner not in result.roots)
            self._runner.take_in(request, result)
            self._answers.replay(batch, result.answers)
        if batch and self._runner.missing(batch, seen, ahead) is not None:
            raise Stale
        return True

    async def _settle_claims(self, batch: list[Submission], plan: Plan, load: Load) -> Plan:
        """Refuse the commands whose names are taken, and run the others again without them."""
        wanted = sorted(
            {claim[:2] for one in plan.outcomes for context in one.contexts if one.error is None for claim in context.log.claims}
        )
        if not wanted:
            return plan
        taken = (await load(LoadRequest(claims=wanted))).claims
        refused: dict[int, BaseException] = {}
        while more := {at: error for at, error in self._runner.writer.refuse_claims(plan, taken).items() if at not in refused}:
            refused.update(more)
            plan = self._run_again(batch, plan, refused)
        return plan

    async def _settle_replays(self, batch: list[Submission], plan: Plan, load: Load) -> Plan:
        """A command that is refused now may be the retry of one that was done: its key decides."""
        keys = [one.submission.answer_key for one in plan.outcomes if one.error is not None and one.submission.answer_key is not None]
        if not keys:
            return plan
        answers = (await load(LoadRequest(answers=keys))).answers
        if not answers:
            return plan
        self._answers.replay(batch, answers)
        return await self._settle_claims(batch, self._run_again(batch, plan, {}), load)

    def _run_again(self, batch: list[Submission], plan: Plan, refused: Mapping[int, BaseException]) -> Plan:
        """Run over the same rows once more. Those of an owner whose lease was lost meanwhile are gone, and must be read first."""
        cached = self._runner.cache.peek
        if any(cached(owner) is not draft.state for owner, draft in plan.drafts.items() if not draft.created):
            raise Stale
        return self._runner.run(batch, self._clock.now_ms(), refused)

    def _refresh(self, plan: Plan, roots: list[RootRow]) -> None:
        """Drop what the store said is behind."""
        known = {guard.owner: guard for guard in plan.writes.guards}
        for root in roots:
            guard = known.pop(root.id)
            if guard.hold and not (root.leased and root.epoch == guard.epoch):
                self._runner.leases.lose(root.id)
            if root.version != guard.version or root.epoch != guard.epoch or guard.hold:
                self._runner.note_root(root)
        for owner in known:
            self._runner.cache.drop(owner)

    def forget(self, batch: Sequence[Submission]) -> None:
        """Let everything be read again that a batch needs."""
        for submission in batch:
            for owner in submission.owners:
                state = self._runner.cache.peek(owner)
                if state is not None:
                    # The tables go, what only memory holds stays.
                    state.tables, state.keyed = {}, {}
                    if not state.dirty and not state.images:
                        self._runner.cache.drop(owner)
