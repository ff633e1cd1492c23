"""A batch: commands that run one after another in memory and are written in one transaction.

This file is the middle of the engine: what to load, how to run, what to write. It awaits nothing; engine.py does.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from gamekeeper.errors import InvalidArgument, NameTaken, OwnerLeased, OwnerNotFound, SaveFailing, StaleLease, VersionConflict
from gamekeeper.kernel.cache import OwnerCache
from gamekeeper.kernel.commands import ENCODE, Call, Prepared
from gamekeeper.kernel.ids import new_id
from gamekeeper.kernel.journal import Sealer, arguments_text, images, result_text
from gamekeeper.kernel.leases import LeaseTable
from gamekeeper.kernel.records import RECORDS, SPECS, Record, shape
from gamekeeper.kernel.store.base import Answer, Entry, Guard, LoadRequest, LoadResult, RootRow, WriteSet
from gamekeeper.kernel.workingset import CommandLog, Context, Draft, OwnerState

OPERATOR_PREFIX = "operator:"
"""Actors that may act on an owner which another process has leased."""


class Submission:
    """One or several calls that succeed or fail together, and the caller who waits for the answer."""

    __slots__ = (
        "actor",
        "calls",
        "command_ids",
        "expect",
        "future",
        "key",
        "owners",
        "prepared",
        "reason",
        "replayed",
        "request_hash",
        "turns",
    )

    def __init__(
        self,
        calls: Sequence[Call[Any]],
        *,
        key: str | None,
        actor: str,
        reason: str | None,
        expect: Mapping[str, int],
        prepared: Sequence[Prepared],
        future: asyncio.Future[Any],
        request_hash: bytes = b"",
    ) -> None:
        self.calls = calls
        self.key = key
        self.actor = actor
        self.reason = reason
        self.expect = expect
        self.prepared = prepared
        self.future = future
        self.command_ids = [new_id() for _ in calls]
        self.owners = {owner for call in calls for owner in call.owners}
        for call in calls:
            self.owners.update(call.new_owners())
        for one in prepared:
            self.owners.update(one.owners)
        for owner in expect:
            if owner not in self.owners:
                raise InvalidArgument(path="/expect_version", problem=f"the command does not name {owner!r}")
        self.request_hash = request_hash
        self.replayed = False
        # A retry waits for the first one to end as if the key were an owner; no owner's id has a colon.
        self.turns = self.owners if key is None else {*self.owners, f"key:{actor}\0{key}"}

    @property
    def answer_key(self) -> tuple[str, str] | None:
        """Where its answer is kept: per actor, so that one caller's keys say nothing to another."""
        return None if self.key is None else (self.actor, self.key)

    @property
    def operator(self) -> bool:
        """Whether an operator acts, who may reach into a leased owner."""
        return self.actor.startswith(OPERATOR_PREFIX)


class Outcome:
    """What running a submission gave: results with their logs, or the error that undid it."""

    __slots__ = ("contexts", "error", "results", "submission")

    def __init__(self, submission: Submission) -> None:
        self.submission = submission
        self.results: list[Any] = []
        self.contexts: list[Context] = []
        self.error: BaseException | None = None


class Plan:
    """A batch that has run in memory: its outcomes, and what there is to write."""

    __slots__ = ("content_moved", "drafts", "journal_hashes", "outcomes", "settled", "writes")

    def __init__(self, outcomes: list[Outcome], drafts: dict[str, Draft]) -> None:
        self.outcomes = outcomes
        self.drafts = drafts
        self.writes = WriteSet(guards=[], roots=[], new_roots=[], journal=[], answers=[], claims=[], releases=[])
        self.content_moved = False
        self.settled = False
        """whether its callers were answered"""
        self.journal_hashes: dict[str, bytes] = {}
        """origin row's hash by command id: how a batch of unknown outcome is recognised"""


class Seen:
    """What an attempt has learnt of owners: which do not exist, and which roots it has just read."""

    def __init__(self) -> None:
        self.absent: set[str] = set()
        self.fresh: set[str] = set()


class _Wants:
    """Gathers what must be loaded."""

    def __init__(self, cache: OwnerCache, holder: str, seen: Seen) -> None:
        self._cache = cache
        self._holder = holder
        self._seen = seen
        self._owners: set[str] = set()
        self._tables: dict[type[Record], set[str]] = {}
        self._keyed: dict[type[Record], set[tuple[Any, ...]]] = {}

    def owner(self, owner: str, records: Iterable[type[Record]]) -> None:
        """An owner and its rows of some types."""
        if owner in self._seen.absent:
            return
        state = self._cache.peek(owner)
        # The end of another process's lease changes nothing that a cached row would show, and its memory is ahead of ours.
        foreign = state is not None and state.holder not in (None, self._holder) and owner not in self._seen.fresh
        if state is None or foreign:
            self._owners.add(owner)
        for record in records:
            if state is None or (
                _fits(record, state.kind) and (record not in state.tables or (foreign and SPECS[record].durability == "checkpoint"))
            ):
                self._tables.setdefault(record, set()).add(owner)

    def key(self, record: type[Record], key: tuple[Any, ...]) -> None:
        """One row by its key."""
        if key[0] in self._seen.absent:
            return
        state = self._cache.peek(key[0])
        if state is None or key not in state.keyed.get(record, {}):
            self._keyed.setdefault(record, set()).add(key)

    def request(self) -> LoadRequest | None:
        """All of it; root rows are read beside whatever is read of an owner, so that both are of one moment."""
        owners = self._owners.union(*self._tables.values(), (key[0] for keys in self._keyed.values() for key in keys))
        if not owners:
            return None
        return LoadRequest(
            owners=sorted(owners),
            tables={record: sorted(ids) for record, ids in sorted(self._tables.items(), key=_by_table)},
            keyed={record: sorted(keys) for record, keys in sorted(self._keyed.items(), key=_by_table)},
        )


class Runner:
    """Runs batches over the cache. Holds no connection and awaits nothing."""

    def __init__(self, cache: OwnerCache, sealer: Sealer, leases: LeaseTable) -> None:
        self.cache = cache
        self.sealer = sealer
        self.leases = leases
        self.definitions: Mapping[type, Mapping[str, Any]] = {}
        self._personal_kinds: tuple[int, frozenset[str]] = (-1, frozenset())

    # What to load

    def missing(self, submissions: Sequence[Submission], seen: Seen) -> LoadRequest | None:
        """What the batch needs and the cache does not hold; None when there is nothing."""
        wants = _Wants(self.cache, self.leases.holder, seen)
        for submission in submissions:
            for call, prepared in zip(submission.calls, submission.prepared, strict=True):
                for owner in (*call.owners, *prepared.owners):
                    wants.owner(owner, call.command.loads)
                for owner in call.new_owners():
                    wants.owner(owner, ())
                for record, key in keys_of(call, prepared):
                    wants.key(record, key)
        request = wants.request()
        if request is not None:
            request.answers = [one.answer_key for one in submissions if one.answer_key is not None]
        return request

    def take_in(self, request: LoadRequest, result: LoadResult) -> None:
        """Put what was loaded into the cache. A root that has moved on drops what was cached of that owner."""
        for root in result.roots.values():
            self.note_root(root)
        for record, ids in request.tables.items():
            made = shape(record)
            for owner in ids:
                state = self.cache.peek(owner)
                if state is not None:
                    state.tables[record] = {}
            for row in result.tables[record]:
                key = made.key_of(row)
                state = self.cache.peek(key[0])
                if state is not None:
                    state.tables[record][key] = row
        for record, keys in request.keyed.items():
            found = {shape(record).key_of(row): row for row in result.keyed[record]}
            for key in keys:
                state = self.cache.peek(key[0])
                if state is not None:
                    state.keyed.setdefault(record, {})[key] = found.get(key)
        for owner in request.owners:
            state = self.cache.peek(owner)
            if state is not None:
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

    def run(self, submissions: Sequence[Submission], now: int, refused: Mapping[int, BaseException]) -> Plan:
        """Run each submission over the working set. `refused` names those that are known to fail, by position."""
        drafts: dict[str, Draft] = {}
        for submission in submissions:
            for owner in (*submission.owners, *self._keyed_owners(submission)):
                state = None if owner in drafts else self.cache.get(owner)
                if state is not None:
                    drafts[owner] = Draft(state)
        outcomes: list[Outcome] = []
        for position, submission in enumerate(submissions):
            outcome = Outcome(submission)
            outcome.error = refused.get(position)
            if outcome.error is None:
                self._run_one(outcome, drafts, now)
            outcomes.append(outcome)
        return Plan(outcomes, drafts)

    def _keyed_owners(self, submission: Submission) -> Iterator[str]:
        for call, prepared in zip(submission.calls, submission.prepared, strict=True):
            for _, key in keys_of(call, prepared):
                yield key[0]

    def _run_one(self, outcome: Outcome, drafts: dict[str, Draft], now: int) -> None:
        submission = outcome.submission
        try:
            for position, call in enumerate(submission.calls):
                context = self._context(submission, position, drafts, now)
                outcome.contexts.append(context)
                arguments = call.arguments
                outcome.results.append(
                    call.command.function(context, **{name: getattr(arguments, name) for name in arguments.__struct_fields__})
                )
        except Exception as error:  # noqa: BLE001 - any fault of a command undoes it, and goes to its caller
            for context in reversed(outcome.contexts):
                context.undo()
            outcome.error = error

    def _context(self, submission: Submission, position: int, drafts: dict[str, Draft], now: int) -> Context:
        call, prepared = submission.calls[position], submission.prepared[position]
        owners = {*call.owners, *prepared.owners}
        for owner, mark in call.marked_owners():
            draft = drafts.get(owner)
            if draft is None or mark.kind not in ("", draft.state.kind):
                raise mark.missing(id=owner)
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
            checkpoint=call.command.durability == "checkpoint",
        )

    def _check_owner(self, submission: Submission, call: Call[Any], owner: str, draft: Draft) -> None:
        state = draft.state
        expected = submission.expect.get(owner)
        if expected is not None and expected != state.version:
            raise VersionConflict(expected=expected, current=state.version)
        lease = self.leases.held.get(owner)
        if owner in self.leases.lost or (lease is not None and lease.epoch != state.epoch):
            self.leases.lose(owner)
            raise StaleLease(owner=owner)
        # Only the acting owner must be ours: a gift to a leased owner is somebody else's command.
        acting = bool(call.owners) and owner == call.owners[0] and not submission.operator
        if acting and lease is None and state.holder is not None and state.holder != self.leases.holder:
            raise OwnerLeased(owner=owner, holder=state.holder)
        if state.degraded and call.command.durability == "commit" and call.command.value:
            raise SaveFailing(owner=owner)

    # What to write

    def refuse_claims(self, plan: Plan, taken: Mapping[tuple[str, str], str]) -> dict[int, BaseException]:
        """Which submissions want a name that is taken, in the database or by an earlier one of the batch."""
        refused: dict[int, BaseException] = {}
        now_taken = dict(taken)
        for position, outcome in enumerate(plan.outcomes):
            if outcome.error is not None:
                continue
            after = dict(now_taken)
            lost = [key for context in outcome.contexts for key in _claim(context.log, after)]
            if lost:
                refused[position] = NameTaken(name=lost[0])
            else:
                now_taken = after
        return refused

    def prepare_writes(self, plan: Plan, now: int) -> None:
        """Collapse what the batch did into one write per row, and chain its journal entries."""
        writes = plan.writes
        finals: dict[tuple[type[Record], tuple[Any, ...]], list[Any]] = {}
        for outcome in plan.outcomes:
            if outcome.error is not None:
                continue
            for position, context in enumerate(outcome.contexts):
                self._journal(plan, outcome, position, now)
                log = context.log
                for where, (before, after) in log.changes.items():
                    known = finals.get(where)
                    if known is None:
                        finals[where] = [before, after]
                    else:
                        known[1] = after
                for row in log.appended:
                    writes.appends.setdefault(type(row), []).append(row)
                if log.claims or log.released:
                    _net_claims(writes, log, now)
                for owner in log.erased:
                    plan.drafts[owner].erased = True
            if outcome.submission.key is not None:
                writes.answers.append(self._answer(outcome, outcome.submission.key, now))
        self._rows(writes, finals)
        self._roots(plan)

    def _rows(self, writes: WriteSet, finals: Mapping[tuple[type[Record], tuple[Any, ...]], Sequence[Any]]) -> None:
        for (record, key), (before, after) in finals.items():
            if before is after:
                continue
            made = shape(record)
            if after is None:
                writes.deletes.setdefault(record, []).append(key)
                continue
            if before is not None and made.unique_of is not None and made.unique_of(before) != made.unique_of(after):
                # Two rows may be exchanging a unique value: the old rows go first.
                writes.deletes.setdefault(record, []).append(key)
            writes.upserts.setdefault(record, []).append(after)

    def _roots(self, plan: Plan) -> None:
        writes, held = plan.writes, self.leases.held
        for owner, draft in sorted(plan.drafts.items()):
            state = draft.state
            if not draft.created:
                writes.guards.append(Guard(owner, state.version, state.epoch, owner in held))
            if not draft.changed:
                continue
            draft.head = self.sealer.head(owner, draft.seq, draft.head)
            if draft.created:
                writes.new_roots.append((owner, state.kind, 1, draft.head, draft.seq, None if draft.erased else state.data_key))
            else:
                roots = writes.erased_roots if draft.erased else writes.roots
                roots.append((owner, state.version + 1, draft.head, draft.seq))

    def _journal(self, plan: Plan, outcome: Outcome, position: int, now: int) -> None:
        """Append the command's entries to the chains of the owners that it changed."""
        submission, context = outcome.submission, outcome.contexts[position]
        log, drafts = context.log, plan.drafts
        for owner in log.created:
            if drafts[owner].state.kind in self._kinds_with_people():
                drafts[owner].state.data_key = self.sealer.new_data_key()
        changed = images(log, self.sealer, lambda owner: drafts[owner].state.data_key)
        for owner in (*log.created, *log.erased):
            changed.setdefault(owner, [])
        if not changed:
            return
        call = submission.calls[position]
        origin = next(iter((*call.owners, *log.created, *changed)))
        changed.setdefault(origin, [])
        self._entries(plan, submission, position, origin, changed, outcome.results[position], now)

    def _entries(
        self, plan: Plan, submission: Submission, position: int, origin: str, changed: dict[str, list[list[Any]]], result: Any, now: int
    ) -> None:
        call, command_id = submission.calls[position], submission.command_ids[position]
        drafts, link, journal = plan.drafts, self.sealer.link, plan.writes.journal
        for owner, changes in changed.items():
            draft = drafts[owner]
            draft.seq += 1
            draft.changed = True
            first = owner == origin
            columns: tuple[Any, ...] = (
                owner,
                draft.seq,
                command_id,
                now,
                call.command.name,
                submission.actor,
                submission.reason,
                origin,
                ENCODE(list(changed)).decode() if first else None,
                arguments_text(call.command, call.arguments, call.encoded, self.sealer, draft.state.data_key) if first else None,
                result_text(call.command, result) if first else None,
                submission.key if first else None,
                ENCODE(changes).decode(),
            )
            draft.head = link(draft.head[:32], columns)
            if first:
                plan.journal_hashes[command_id] = draft.head
            journal.append(Entry(*(*columns, draft.head)))

    def _answer(self, outcome: Outcome, key: str, now: int) -> Answer:
        submission = outcome.submission
        text = ENCODE(outcome.results)
        secret = any(call.command.secret_result for call in submission.calls)
        return Answer(submission.actor, key, submission.request_hash, self.sealer.hide(text) if secret else text.decode(), now)

    def _kinds_with_people(self) -> frozenset[str]:
        if self._personal_kinds[0] != len(RECORDS):
            kinds = frozenset(shape(record).owner_kind for record in RECORDS.values() if shape(record).personal)
            self._personal_kinds = (len(RECORDS), kinds)
        return self._personal_kinds[1]

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
            self._settle_dirty(state, draft)
            self.cache.put(state, self.leases.held.keys())

    def _settle_dirty(self, state: OwnerState, draft: Draft) -> None:
        # A committed command may have written a row that memory alone held: it is saved now.
        for record, key in list(state.dirty):
            mine = draft.tables.get(record)
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
        for call in submission.calls:
            if call.command.durability != "checkpoint" or call.command.keys is not None:
                return False
            for owner in call.owners:
                state = self.cache.peek(owner)
                lease = self.leases.held.get(owner)
                if state is None or lease is None or lease.epoch != state.epoch or monotonic >= lease.ends_at:
                    return False
                if owner in self.leases.closing:
                    return False
                if any(record not in state.tables for record in call.command.loads if _fits(record, state.kind)):
                    return False
        return bool(submission.owners)

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
        return outcome


def overlay_dirty(state: OwnerState) -> None:
    """Lay what memory alone holds over rows that were loaded again."""
    for (record, key), row in state.dirty.items():
        rows = state.tables.get(record)
        if rows is None:
            continue
        if row is None:
            rows.pop(key, None)
        else:
            rows[key] = row


def keys_of(call: Call[Any], prepared: Prepared) -> Iterable[tuple[type[Record], tuple[Any, ...]]]:
    """The rows that a call reads by key."""
    declared = call.command.keys(call.arguments) if call.command.keys is not None else ()
    return (*declared, *prepared.keys)


def decode_answer(submission: Submission, text: bytes) -> list[Any]:
    """A kept answer as the first caller got it."""
    values = msgspec.json.decode(text)
    return [msgspec.convert(value, call.command.result, strict=False) for value, call in zip(values, submission.calls, strict=True)]


def request_hash(calls: Sequence[Call[Any]], sealer: Sealer) -> bytes:
    """What tells a retry from another request under the same key. Secret arguments count, but must not be guessable from it."""
    content = b"".join(call.command.name.encode() + b"\0" + call.encoded + b"\0" for call in calls)
    secret = any(parameter.secret for call in calls for parameter in call.command.hidden)
    return sealer.request_digest(content) if secret else hashlib.sha256(content).digest()


def _fits(record: type[Record], kind: str) -> bool:
    wanted = shape(record).owner_kind
    return wanted in ("", kind)


def _by_table(item: tuple[type[Record], Any]) -> str:
    return SPECS[item[0]].table


def _claim(log: CommandLog, taken: dict[tuple[str, str], str]) -> list[str]:
    """Apply a command's releases and claims to what is taken; the keys that it may not have."""
    for pair in log.released:
        taken.pop(pair, None)
    lost = []
    for kind, key, owner in log.claims:
        if (kind, key) in taken:
            lost.append(key)
        taken[kind, key] = owner
    return lost


def _net_claims(writes: WriteSet, log: CommandLog, now: int) -> None:
    """Add a command's releases and claims; a name that was claimed earlier in the batch is simply not claimed."""
    for pair in log.released:
        kept = [claim for claim in writes.claims if claim[:2] != pair]
        if len(kept) == len(writes.claims):
            writes.releases.append(pair)
        writes.claims = kept
    writes.claims += [(kind, key, owner, now) for kind, key, owner in log.claims]
