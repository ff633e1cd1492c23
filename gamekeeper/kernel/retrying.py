"""Retrying: a batch is tried until each of its callers has an answer, and none of its commands is done twice.

It goes the quick way first: run over cached rows, then one write that checks under the owners' locks that those rows
were current. When that check fails twice, or the outcome of a write is unknown, it goes the certain way: lock, look
into the journal, read, run, write.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select

from gamekeeper.errors import StoreUnavailable
from gamekeeper.kernel.answers import Answers, refusal, shown
from gamekeeper.kernel.attempts import QUICK_TRIES, Ambiguous, Attempts, Stale
from gamekeeper.kernel.batch import Runner
from gamekeeper.kernel.clock import Clock
from gamekeeper.kernel.flights import Flight
from gamekeeper.kernel.store import schema
from gamekeeper.kernel.store.base import ConstraintBroken, LoadRequest, OutcomeUnknown, Store, TryAgain, Unreachable
from gamekeeper.kernel.submissions import Plan, Submission

COMMITTED = select(schema.journal.c.hash).where(
    schema.journal.c.command_id == bindparam("command_id"), schema.journal.c.owner_id == bindparam("owner_id")
)

LOG = logging.getLogger("gamekeeper.engine")


class _Fallen(Exception):
    """The batch below was not written as it had run, so this one has run over what is not true."""


class Retrying:
    """What comes between the tries, and after the last one."""

    def __init__(
        self,
        store: Store,
        runner: Runner,
        clock: Clock,
        answers: Answers,
        attempts: Attempts,
        *,
        deadline_seconds: float,
        on_content: Callable[[], Awaitable[None]],
    ) -> None:
        self._store = store
        self._runner = runner
        self._clock = clock
        self._answers = answers
        self._attempts = attempts
        self._deadline_seconds = deadline_seconds
        self._on_content = on_content
        self.on_commit: list[Callable[[Mapping[str, int]], None]] = []
        """called with the new versions of the owners that a batch has changed"""

    async def until_answered(self, batch: list[Submission], flight: Flight, known_doubts: Sequence[Plan] = ()) -> None:
        """Try a batch; the doubts are plans of earlier tries that may have been committed."""
        deadline = self._clock.monotonic() + self._deadline_seconds
        doubts = list(known_doubts)
        tries = 0
        while batch:
            try:
                plan = await self._try(batch, tries, doubts, flight)
            except _Fallen:
                continue
            except (Stale, TryAgain, Unreachable, Ambiguous) as error:
                flight.settle(False)
                tries += 1
                self._note(error, doubts)
                if self._clock.monotonic() >= deadline:
                    self._fail(batch, error, doubts)
                    return
                if not isinstance(error, Stale):
                    await asyncio.sleep(random.uniform(0.2, 1.0) * min(0.5, 0.01 * 2 ** min(tries, 6)))  # noqa: S311 - jitter
                continue
            except Exception as error:  # noqa: BLE001 - a row or an answer that cannot be encoded: the others have no part in it
                flight.settle(False)
                await flight.ground()
                await self._isolate(batch, error, doubts, flight)
                return
            if plan in doubts:
                self._answers.stats.unknown_committed += 1
            # Who was refused by definitions that were no longer in force is judged again by the new ones.
            followed = await self._follow_content(plan)
            again = [one.submission for one in plan.outcomes if one.error is not None] if followed else []
            flight.settle(plan is flight.plan and not followed)
            self._finish(plan, again)
            batch, tries, doubts = again, 0, []

    async def _run_alone(self, submission: Submission, doubts: list[Plan], flight: Flight) -> None:
        try:
            await self.until_answered([submission], flight, doubts)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to this caller alone
            self._answers.give(submission, shown(error), [])

    def _note(self, error: Exception, doubts: list[Plan]) -> None:
        if isinstance(error, Stale):
            self._answers.stats.reloads += 1
            return
        self._answers.stats.retries += 1
        if isinstance(error, Ambiguous):
            self._answers.stats.unknown_outcomes += 1
            doubts.append(error.plan)

    def _fail(self, batch: Sequence[Submission], error: Exception, doubts: Sequence[Plan]) -> None:
        # A write that may have been committed is no refusal: the caller must ask again, with the same key.
        facts = {"outcome": "unknown"} if doubts else {}
        for submission in batch:
            self._answers.give(submission, StoreUnavailable(problem=str(error) or type(error).__name__, **facts), [])

    async def _try(self, batch: list[Submission], tries: int, doubts: list[Plan], flight: Flight) -> Plan:
        if flight.below:
            return await self._build(batch, flight)
        if tries < QUICK_TRIES and not doubts:
            return await self._attempts.make(batch, self._store.load, self._store.apply, tries, flight)
        plan: Plan | None = None
        try:
            async with self._store.transaction() as transaction:
                await transaction.lock(sorted({owner for submission in batch for owner in submission.owners}))
                for doubt in doubts:
                    # Its writer held these locks or will find the versions changed: what the journal says now is final.
                    if await self._committed(doubt, transaction.fetch):
                        return doubt
                self._attempts.forget(batch)
                plan = await self._attempts.make(batch, transaction.load, transaction.apply, tries, flight)
        except OutcomeUnknown:
            if plan is None:
                raise Unreachable("the connection broke") from None
            raise Ambiguous(plan) from None
        return plan

    async def _build(self, batch: list[Submission], flight: Flight) -> Plan:
        """Run over what the flights below leave if they stand, while they are being written; write it when they do."""
        ahead = flight.ahead()
        plan = await self._attempts.run_ahead(batch, ahead) if ahead else None
        if not await flight.ground() or plan is None:
            raise _Fallen
        self._answers.stats.built_ahead += 1
        return await self._attempts.write(plan, self._store.apply, 0, flight)

    async def _follow_content(self, plan: Plan) -> bool:
        """Read the definitions again before the callers are answered, so that they find their new content in force; say whether it was."""
        if not plan.content_moved:
            return False
        before = self._runner.content_version
        try:
            await self._on_content()
        except (StoreUnavailable, Unreachable, TryAgain, OutcomeUnknown) as error:
            # The batch is written, whatever becomes of this; the next one sees the same version and tries again.
            LOG.warning("the new content could not be read yet: %s", error)
        return self._runner.content_version != before

    async def _committed(self, plan: Plan, fetch: Callable[[Any, dict[str, Any]], Awaitable[Sequence[Sequence[Any]]]]) -> bool:
        """Whether a plan of unknown outcome stands in the journal. One of its entries tells for all."""
        origins = {entry.command_id: entry.owner_id for entry in plan.writes.journal if entry.owner_id == entry.origin_id}
        for command_id, digest in plan.journal_hashes.items():
            rows = await fetch(COMMITTED, {"command_id": command_id, "owner_id": origins[command_id]})
            return bool(rows) and bytes(rows[0][0]) == digest
        return False

    async def _isolate(self, batch: list[Submission], error: Exception, doubts: list[Plan], flight: Flight) -> None:
        """A row or an answer cannot be written: run the commands one by one, so that only the guilty one fails."""
        self._attempts.forget(batch)
        if len(batch) > 1:
            for submission in list(batch):
                if not any(doubt.settled for doubt in doubts):
                    await self._run_alone(submission, doubts, flight)
            return
        for doubt in doubts:
            if await self._committed(doubt, self._store.fetch):
                self._answers.stats.unknown_committed += 1
                self._finish(doubt)
                return
        key = batch[0].answer_key if batch else None
        if key is not None:
            # Another process may have done the same command a moment ago: then its key is what was in the way.
            self._answers.replay(batch, (await self._store.load(LoadRequest(answers=[key]))).answers)
        for submission in batch:
            self._answers.give(submission, refusal(submission, error) if isinstance(error, ConstraintBroken) else shown(error), [])

    def _finish(self, plan: Plan, again: Sequence[Submission] = ()) -> None:
        plan.settled = True
        self._runner.finish(plan)
        self._answers.stats.batches += 1
        changed = {owner: draft.state.version for owner, draft in plan.drafts.items() if draft.changed}
        for outcome in plan.outcomes:
            if outcome.submission not in again:
                self._answers.tell(outcome)
        for listener in self.on_commit:
            listener(changed)
