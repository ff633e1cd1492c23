"""Answers: every caller gets one, and a retry the one that was kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from gamekeeper.errors import AlreadyExists, ConstraintViolated, GameError, KeyReused, NameTaken, StoreUnavailable
from gamekeeper.kernel.journal import Sealer
from gamekeeper.kernel.recall import alone
from gamekeeper.kernel.records import shape
from gamekeeper.kernel.store.base import ConstraintBroken, OutcomeUnknown, TryAgain, Unreachable, WriteSet
from gamekeeper.kernel.submissions import Outcome, Submission, decode_answer


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


class Answers:
    """Gives callers their answers, and counts them."""

    def __init__(self, sealer: Sealer) -> None:
        self.stats = Stats()
        self._sealer = sealer

    def tell(self, outcome: Outcome) -> None:
        """Give the answer that running a submission came to."""
        submission = outcome.submission
        calls, results = submission.calls[submission.untold :], outcome.results[submission.untold :]
        if outcome.error is None and any(call.command.answers_rows for call in calls):
            results = [alone(result) for result in results]
        self.give(submission, outcome.error, results)

    def give(self, submission: Submission, error: BaseException | None, results: list[Any]) -> None:
        """Give the one answer; a caller that has given up is not waited for."""
        if submission.future.done():
            return
        self.stats.commands += 1
        if error is None:
            submission.future.set_result(results)
        else:
            self.stats.refused += 1
            submission.future.set_exception(error)

    def replay(self, batch: list[Submission], answers: Mapping[tuple[str, str], tuple[bytes, str | None]]) -> None:
        """Answer what was answered before, and take it out of the batch."""
        for submission in [one for one in batch if one.answer_key in answers]:
            digest, text = answers[submission.answer_key or ("", "")]
            batch.remove(submission)
            self.stats.replays += 1
            submission.replayed = True
            if digest != submission.request_hash:
                self.give(submission, KeyReused(key=submission.key), [])
                continue
            kept = self._sealer.reveal(text) if text is not None else None
            if kept is None:
                self.give(submission, KeyReused(key=submission.key, problem="done before; its answer was not kept"), [])
            else:
                self.give(submission, None, decode_answer(submission, kept))


def shown(error: BaseException) -> BaseException:
    """What a caller sees of a fault that nothing else has caught."""
    if isinstance(error, Unreachable | TryAgain | OutcomeUnknown):
        return StoreUnavailable(problem=str(error) or type(error).__name__)
    return error if isinstance(error, Exception) else StoreUnavailable(problem="shut down")


def refusal(submission: Submission, error: ConstraintBroken) -> GameError:
    """What to say of a row that the database refused, when it is known whose it was."""
    if error.constraint == "pk_owners":
        return AlreadyExists(id=next((id for call in submission.calls for id in call.new_owners()), ""))
    if error.constraint == "pk_claims":
        return NameTaken(name="")
    return ConstraintViolated(constraint=error.constraint)


def there_already(writes: WriteSet, error: ConstraintBroken) -> AlreadyExists | ConstraintBroken:
    """What to say of a row that a command wanted to add: an error of its own, for its caller may have chosen the key."""
    for record, rows in writes.inserts.items():
        made = shape(record)
        if error.constraint == f"pk_{made.spec.table}" and not made.spec.append_only:
            # Which of several it was, only the database knows.
            return AlreadyExists(id=str(made.key_of(rows[0])[-1]) if len(rows) == 1 else "")
    return error
