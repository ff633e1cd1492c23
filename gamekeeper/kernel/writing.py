"""Writing: what a batch that has run in memory leaves to be written, as one write per row, with its journal entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gamekeeper.errors import NameTaken
from gamekeeper.kernel.commands import ENCODE
from gamekeeper.kernel.journal import Sealer, arguments_text, images, result_text
from gamekeeper.kernel.ranks import Counts, Place
from gamekeeper.kernel.records import RECORDS, shape
from gamekeeper.kernel.store.base import Answer, Entry, Guard, WriteSet
from gamekeeper.kernel.submissions import Outcome, Plan, Submission
from gamekeeper.kernel.workingset import CommandLog, Where


class Writer:
    """Turns plans into write sets."""

    def __init__(self, sealer: Sealer) -> None:
        self.sealer = sealer
        self._personal_kinds: tuple[int, frozenset[str]] = (-1, frozenset())
        self._fallen: set[Place] = set()

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
        finals: dict[Where, Sequence[Any]] = {}
        for outcome in plan.outcomes:
            if outcome.error is not None:
                continue
            for position, context in enumerate(outcome.contexts):
                self._journal(plan, outcome, position, now)
                log = context.log
                for where, change in log.changes.items():
                    known = finals.get(where)
                    finals[where] = change if known is None else (known[0], change[1])
                for row in log.appended:
                    writes.inserts.setdefault(type(row), []).append(row)
                if log.claims or log.released:
                    _net_claims(writes, log, now)
                for owner in log.erased:
                    plan.drafts[owner].erased = True
            if outcome.submission.key is not None:
                writes.answers.append(self._answer(outcome, outcome.submission.key, now))
        self._rows(plan, finals)
        self._roots(plan)

    def _rows(self, plan: Plan, finals: Mapping[Where, Sequence[Any]]) -> None:
        writes = plan.writes
        counts = Counts()
        for where, (before, after) in finals.items():
            if before is after:
                continue
            record, key = where
            made = shape(record)
            if made.ranked_of is not None:
                counts.change(made, before, after)
            if after is None:
                writes.deletes.setdefault(record, []).append(key)
                continue
            if where in plan.drafts[key[0]].added:
                writes.inserts.setdefault(record, []).append(after)
                continue
            if before is not None and made.unique_of is not None and made.unique_of(before) != made.unique_of(after):
                # Two rows may be exchanging a unique value: the old rows go first.
                writes.deletes.setdefault(record, []).append(key)
            writes.upserts.setdefault(record, []).append(after)
        if counts.net:
            self._ranks(writes, counts)

    def _ranks(self, writes: WriteSet, counts: Counts) -> None:
        """Add to the counts, and sweep up those that earlier batches may have left at 0: one statement changes a row once."""
        writes.ranks = counts.changes()
        writes.rank_sweeps = sorted(self._fallen.difference(counts.net))
        self._fallen = {place for place, by in counts.net.items() if by < 0}

    def _roots(self, plan: Plan) -> None:
        writes = plan.writes
        for owner, draft in sorted(plan.drafts.items()):
            state = draft.state
            if not draft.created:
                writes.guards.append(Guard(owner, state.version, state.epoch, draft.held))
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
        drafts, link, journal = plan.drafts, self.sealer.new_link, plan.writes.journal
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
        text = ENCODE(outcome.results[submission.untold :])
        secret = any(call.command.secret_result for call in submission.calls)
        return Answer(submission.actor, key, submission.request_hash, self.sealer.hide(text) if secret else text.decode(), now)

    def _kinds_with_people(self) -> frozenset[str]:
        if self._personal_kinds[0] != len(RECORDS):
            kinds = frozenset(shape(record).owner_kind for record in RECORDS.values() if shape(record).personal)
            self._personal_kinds = (len(RECORDS), kinds)
        return self._personal_kinds[1]


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
