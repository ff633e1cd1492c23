"""A batch: commands that run one after another in memory and are written in one transaction.

This file is the middle of the engine, between loading.py and writing.py. It awaits nothing; attempts.py does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec.structs import asdict

from gamekeeper.config import Settings
from gamekeeper.errors import OwnerLeased, OwnerNotFound, SaveFailing, StaleLease, VersionConflict
from gamekeeper.kernel.cache import OwnerCache
from gamekeeper.kernel.commands import STAFF, Call
from gamekeeper.kernel.journal import Sealer
from gamekeeper.kernel.keyring import KeyRing
from gamekeeper.kernel.leases import LeaseTable
from gamekeeper.kernel.loading import Seen, Wants, fits
from gamekeeper.kernel.records import KEYED, Record, shape
from gamekeeper.kernel.store.base import LoadRequest, LoadResult, RootRow
from gamekeeper.kernel.submissions import Outcome, Plan, Submission, keys_of
from gamekeeper.kernel.workingset import Context, Draft, OwnerState
from gamekeeper.kernel.writing import Writer

MOST_KEYED = 256
"""Rows of one type read by key that an owner keeps in memory after a batch: there may be millions, and few are wanted twice."""
MOST_LEASED = 16_384
"""The same for an owner that is leased here: what moves in its world is wanted again and again."""
IMAGE = "leases.image"
"""The command that journals what the checkpoints of a lease came to."""


class Runner:
    """Runs batches over the cache. Holds no connection and awaits nothing."""

    def __init__(self, cache: OwnerCache, sealer: Sealer, leases: LeaseTable, keys: KeyRing, settings: Settings) -> None:
        self.keys = keys
        self.settings = settings
        """what the operator has set, without secrets"""
        self.cache = cache
        self.sealer = sealer
        self.leases = leases
        self.definitions: Mapping[type, Mapping[str, Any]] = {}
        self.content_version = 0
        """the version of the content that the definitions were read at"""
        self.writer = Writer(sealer)

    # What to load

    def missing(self, submissions: Sequence[Submission], seen: Seen, ahead: Mapping[str, OwnerState]) -> LoadRequest | None:
        """What the batch needs, and neither the cache nor a batch that is being written tells; None when there is nothing."""
        wants = Wants(self.cache, ahead, self.leases.holder, seen)
        for submission in submissions:
            for call, prepared in zip(submission.calls, submission.prepared, strict=True):
                for owner in (*call.owners, *prepared.owners):
                    wants.owner(owner, call.command.loads)
                for owner in call.new_owners():
                    wants.owner(owner, ())
                wants.keys(keys_of(call, prepared))
        request = wants.request()
        if request is not None:
            request.answers = [one.answer_key for one in submissions if one.answer_key is not None]
        return request

    def take_in(self, request: LoadRequest, result: LoadResult) -> None:
        """Put what was loaded into the cache. A root that has moved on drops what was cached of that owner."""
        for root in result.roots.values():
            self.note_root(root)
        states = {owner: state for owner in request.owners if (state := self.cache.peek(owner)) is not None}
        for record, ids in request.tables.items():
            key_of, tables = shape(record).key_of, {}
            for owner in ids:
                if owner in states:
                    tables[owner] = states[owner].tables[record] = {}
            for row in result.tables[record]:
                key = key_of(row)
                if key[0] in tables:
                    tables[key[0]][key] = row
        for record, keys in request.keyed.items():
            key_of = shape(record).key_of
            found = {key_of(row): row for row in result.keyed[record]}
            owner, rows = "", None
            for key in keys:
                # Those of one owner stand together.
                if key[0] != owner:
                    owner = key[0]
                    rows = states[owner].keyed.setdefault(record, {}) if owner in states else None
                if rows is not None:
                    rows[key] = found.get(key)
        for state in states.values():
            if state.dirty:
                overlay_dirty(state)
            self.cache.put(state, self.leases.held.keys())

    def note_root(self, root: RootRow) -> OwnerState:
        """The cached state for a root row as just read; emptied when the cache was behind."""
        state = self.cache.peek(root.id)
        holder = root.holder if root.leased else None
        if state is None or state.version != root.version or state.epoch != root.epoch:
            fresh = OwnerState(root.id, root.kind, root.version, root.epoch, holder, root.head, root.seq, root.data_key)
            lease = self.leases.held.get(root.id)
            if state is not None and lease is not None and lease.epoch == root.epoch:
                # Somebody else's command changed an owner leased here: what memory alone holds stays true.
                fresh.dirty, fresh.dirty_since, fresh.images = state.dirty, state.dirty_since, state.images
                fresh.degraded = state.degraded
            behind = state is not None and state.version != root.version
            self.cache.put(fresh, self.leases.held.keys())
            fresh.holder = holder
            if lease is not None and behind:
                self.leases.changed_by_others(root.id)
            return fresh
        state.holder = holder
        return state

    # Run

    def run(
        self,
        submissions: Sequence[Submission],
        now: int,
        refused: Mapping[int, BaseException],
        ahead: Mapping[str, OwnerState] | None = None,
    ) -> Plan:
        """Run each submission over the working set.

        refused: those that are known to fail, by position. ahead: owners as a batch leaves them that is being written.
        """
        drafts: dict[str, Draft] = {}
        for submission in submissions:
            for owner in dict.fromkeys((*submission.owners, *_keyed_owners(submission))):
                if owner in drafts:
                    continue
                state = self.cache.get(owner)
                if ahead:
                    state = ahead.get(owner, state)
                if state is not None:
                    drafts[owner] = Draft(state, held=owner in self.leases.held)
        outcomes: list[Outcome] = []
        for position, submission in enumerate(submissions):
            outcome = Outcome(submission)
            outcome.error = refused.get(position)
            if outcome.error is None:
                self._run_one(outcome, drafts, now)
            outcomes.append(outcome)
        return Plan(outcomes, drafts)

    def _run_one(self, outcome: Outcome, drafts: dict[str, Draft], now: int) -> None:
        submission = outcome.submission
        try:
            for position, call in enumerate(submission.calls):
                context = self._context(submission, position, drafts, now)
                outcome.contexts.append(context)
                outcome.results.append(call.command.function(context, **asdict(call.arguments)))
        except Exception as error:  # noqa: BLE001 - any fault of a command undoes it, and goes to its caller
            for context in reversed(outcome.contexts):
                context.undo()
            outcome.error = error

    def _context(self, submission: Submission, position: int, drafts: dict[str, Draft], now: int) -> Context:
        call, prepared = submission.calls[position], submission.prepared[position]
        for owner, mark in call.marked:
            draft = drafts.get(owner)
            if draft is None or mark.kind not in ("", draft.state.kind):
                raise mark.missing(id=owner)
        owners = {*call.owners, *prepared.owners}
        for owner in owners:
            draft = drafts.get(owner)
            if draft is None:
                raise OwnerNotFound(id=owner)
            self._check_owner(submission, call, owner, draft)
        return Context(
            drafts,
            owners,
            call.command.touches,
            now=now,
            command_id=submission.command_ids[position],
            actor=submission.actor,
            reason=submission.reason,
            found=prepared.found,
            definitions=self.definitions,
            keys=self.keys,
            settings=self.settings,
            wanted=partial(keys_of, call, prepared),
            checkpoint=call.command.durability == "checkpoint",
        )

    def _check_owner(self, submission: Submission, call: Call[Any], owner: str, draft: Draft) -> None:
        state = draft.state
        expected = submission.expect.get(owner)
        if expected is not None and expected != state.version:
            raise VersionConflict(expected=expected, current=state.version)
        lease = self.leases.held.get(owner)
        if lease is not None and lease.epoch != state.epoch:
            # These rows were read after another had the lease; what memory alone held under ours is not among them.
            self.leases.lose(owner)
            lease, draft.held = None, False
        # Only the acting owner must be ours: a gift to a leased owner is somebody else's command.
        # Staff act on users wherever these play.
        staff = submission.operator or call.command.access in STAFF
        acting = bool(call.owners) and owner == call.owners[0] and not staff
        if acting and owner in self.leases.lost:
            raise StaleLease(owner=owner)
        if acting and lease is None and state.holder is not None and state.holder != self.leases.holder:
            raise OwnerLeased(owner=owner, holder=state.holder)
        if state.degraded and call.command.durability == "commit" and call.command.value:
            raise SaveFailing(owner=owner)

    # After the commit

    def finish(self, plan: Plan) -> None:
        """Make what was written the cache's truth."""
        for draft in plan.drafts.values():
            state = draft.state
            if draft.erased:
                state.data_key = None
            if draft.changed:
                state.version += 1
                state.seq = draft.seq
                state.head = draft.head
            state.tables.update(draft.tables)
            state.keyed.update(draft.keyed)
            if state.dirty:
                self._settle_dirty(state, draft)
            self._forget_keyed(state)
            if self.outlived(state):
                self.cache.drop(state.id)
            else:
                self.cache.put(state, self.leases.held.keys())
        if any(draft.state.images for draft in plan.drafts.values()):
            self._forget_images(plan)

    def _forget_images(self, plan: Plan) -> None:
        """Forget what rows were before a lease once the journal has it; what changes from here on begins anew."""
        for outcome in plan.outcomes:
            for call, context in zip(outcome.submission.calls, outcome.contexts, strict=False):
                if outcome.error is None and call.command.name == IMAGE:
                    for where in context.found:
                        plan.drafts[where[1][0]].state.images.pop(where, None)

    def _forget_keyed(self, state: OwnerState) -> None:
        most = MOST_LEASED if state.id in self.leases.held else MOST_KEYED
        for record, rows in state.keyed.items():
            if len(rows) > most:
                state.keyed[record] = {}

    def outlived(self, state: OwnerState) -> bool:
        """Whether rows of it are what memory alone held, under a lease that is over: nobody may act on them any more."""
        return bool(state.images) and state.id not in self.leases.held

    def _settle_dirty(self, state: OwnerState, draft: Draft) -> None:
        # A committed command may have written a row that memory alone held: it is saved now.
        for record, key in list(state.dirty):
            mine = (draft.keyed if record in KEYED else draft.tables).get(record)
            if mine is not None:
                saved = mine.get(key)
                if saved is not state.dirty[record, key]:
                    del state.dirty[record, key]
                    state.images[record, key] = saved
                    state.degraded = state.degraded and bool(state.dirty)

    # Checkpoints

    def checkpointable(self, submission: Submission, monotonic: float) -> bool:
        """Whether it can be acknowledged from memory: of that class, leased here, and with its rows loaded."""
        if submission.key is not None:
            return False
        for call, prepared in zip(submission.calls, submission.prepared, strict=True):
            if call.command.durability != "checkpoint" or not self._in_memory(submission, keys_of(call, prepared)):
                return False
            for owner in call.owners:
                state = self.cache.peek(owner)
                lease = self.leases.held.get(owner)
                if state is None or lease is None or lease.epoch != state.epoch or monotonic >= lease.ends_at:
                    return False
                if owner in self.leases.closing:
                    return False
                if any(record not in state.tables for record in call.command.loads if fits(record, state.kind)):
                    return False
        return bool(submission.owners)

    def _in_memory(self, submission: Submission, wanted: Iterable[tuple[type[Record], tuple[Any, ...]]]) -> bool:
        """Whether it is known of rows that are read by key how they are, or that they are not there."""
        for record, key in wanted:
            state = self.cache.peek(key[0]) if key[0] in submission.owners else None
            if state is None or key not in state.keyed.get(record, ()):
                return False
        return True

    def run_checkpoint(self, submission: Submission, now: int, monotonic: float) -> Outcome:
        """Run it in memory and remember what the database does not know yet."""
        drafts = {owner: Draft(state) for owner in submission.owners if (state := self.cache.get(owner)) is not None}
        outcome = Outcome(submission)
        self._run_one(outcome, drafts, now)
        if outcome.error is not None:
            return outcome
        for context in outcome.contexts:
            for (record, key), (before, after) in context.log.changes.items():
                state = drafts[key[0]].state
                state.images.setdefault((record, key), before)
                if not state.dirty:
                    state.dirty_since = monotonic
                state.dirty[record, key] = after
        for draft in drafts.values():
            draft.state.tables.update(draft.tables)
            draft.state.keyed.update(draft.keyed)
        return outcome


def _keyed_owners(submission: Submission) -> Iterable[str]:
    wanted = (keys_of(call, prepared) for call, prepared in zip(submission.calls, submission.prepared, strict=True))
    return [key[0] for keys in wanted for _, key in keys]


def overlay_dirty(state: OwnerState) -> None:
    """Lay what memory alone holds over rows that were loaded again."""
    for (record, key), row in state.dirty.items():
        if record in KEYED:
            state.keyed.setdefault(record, {})[key] = row
            continue
        rows = state.tables.get(record)
        if rows is None:
            continue
        if row is None:
            rows.pop(key, None)
        else:
            rows[key] = row
