"""Submissions: calls on their way through the engine, what running them gave, and what is kept for a retry."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from gamekeeper.errors import InvalidArgument
from gamekeeper.kernel.commands import Call, Prepared
from gamekeeper.kernel.ids import new_id
from gamekeeper.kernel.journal import Sealer
from gamekeeper.kernel.records import Record
from gamekeeper.kernel.store.base import WriteSet
from gamekeeper.kernel.workingset import Context, Draft

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
        "untold",
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
        untold: int = 0,
    ) -> None:
        self.calls = calls
        self.untold = untold
        """how many of the first calls are not the caller's own, so that their answers are neither told nor kept"""
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

    __slots__ = ("content_moved", "drafts", "journal_hashes", "outcomes", "seconds", "settled", "writes")

    def __init__(self, outcomes: list[Outcome], drafts: dict[str, Draft]) -> None:
        self.outcomes = outcomes
        self.drafts = drafts
        self.writes = WriteSet(guards=[], roots=[], new_roots=[], journal=[], answers=[], claims=[], releases=[])
        self.content_moved = False
        self.seconds = 0.0
        """how long it ran in memory"""
        self.settled = False
        """whether its callers were answered"""
        self.journal_hashes: dict[str, bytes] = {}
        """origin row's hash by command id: how a batch of unknown outcome is recognised"""


def keys_of(call: Call[Any], prepared: Prepared) -> Iterable[tuple[type[Record], tuple[Any, ...]]]:
    """The rows that a call reads by key."""
    declared = call.command.keys(call.arguments) if call.command.keys is not None else ()
    return (*declared, *prepared.keys)


def decode_answer(submission: Submission, text: bytes) -> list[Any]:
    """A kept answer as the first caller got it."""
    values = msgspec.json.decode(text, type=list[msgspec.Raw])
    calls = submission.calls[submission.untold :]
    return [msgspec.json.decode(value, type=call.command.result) for value, call in zip(values, calls, strict=True)]


def request_hash(calls: Sequence[Call[Any]], sealer: Sealer) -> bytes:
    """What tells a retry from another request under the same key. Secret arguments count, but must not be guessable from it."""
    content = b"".join(call.command.name.encode() + b"\0" + call.encoded + b"\0" for call in calls)
    secret = any(parameter.secret for call in calls for parameter in call.command.hidden)
    return sealer.request_digest(content) if secret else hashlib.sha256(content).digest()
