"""What the keep itself remembers, and need not for ever: answers to requests, and runs of jobs."""

from msgspec import json

from gamekeeper.errors import StoreUnavailable
from gamekeeper.kernel.store.base import OutcomeUnknown, TryAgain, Unreachable

from . import commands, queries
from .declare import job
from .runs import Run

KEYS = 5_000
"""Idempotency keys that are looked at at once."""
DAY = 86_400_000


@job("forget_answers", cron="57 4 * * *")
async def forget_answers(run: Run) -> None:
    """Drop answers kept under idempotency keys for longer than `answer_days`, and keys after `key_days`, if that is set."""
    now, settings = run.keep.clock.now_ms(), run.keep.settings
    answers_before = now - settings.answer_days * DAY
    keys_before = 0 if settings.key_days is None else now - settings.key_days * DAY
    after = ("", "") if run.cursor is None else json.decode(run.cursor, type=tuple[str, str])
    while found := await queries.kept_keys(run.keep.reader, after, KEYS):
        run.go_on()
        gone = [(one.actor, one.key) for one in found if one.at < keys_before]
        old = [(one.actor, one.key) for one in found if keys_before <= one.at < answers_before and one.answered]
        if not run.dry_run:
            await _forget(run, gone, keys_before, whole=True)
            await _forget(run, old, answers_before, whole=False)
        run.done(len(old) + len(gone), keys=len(gone))
        after = (found[-1].actor, found[-1].key)
        if old or gone:
            await run.save(json.encode(after).decode())


async def _forget(run: Run, keys: list[tuple[str, str]], before: int, *, whole: bool) -> None:
    if not keys:
        return
    try:
        await run.keep.store.forget_answers(keys, before, whole=whole)
    except (Unreachable, TryAgain, OutcomeUnknown) as error:
        raise StoreUnavailable(problem=str(error)) from error


@job("forget_runs", cron="7 5 * * *")
async def forget_runs(run: Run) -> None:
    """Delete runs of jobs from the history that are older than `job_history_days`."""
    more = True
    while more:
        done = await run.do(commands.forget_runs(dry_run=run.dry_run))
        run.done(done.runs)
        more = done.more and not run.dry_run
