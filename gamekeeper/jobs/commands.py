"""What may be done with jobs. What a runner writes down of its own runs is called by nothing else, and over no network."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Protocol, TypeVar

from msgspec import Meta, Struct

from gamekeeper.kernel.commands import Command, Keys, Prepared, command
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import Amount, EpochMs, JsonObject, Quantity, Record
from gamekeeper.kernel.workingset import Context

from . import queries, schedule
from .errors import JobNotFound, JobRunning, NoPeriod, PeriodDone, RunLost
from .records import JobId, JobName, JobRun, JobState, Mark, Status

R = TypeVar("R")
NAME_CLAIM = "job"
DAY = 86_400_000
MAX_ERROR = 500
RunLimit = Annotated[int, Meta(ge=1, le=1_000, description="how many runs at most")]


class Asked(Struct, frozen=True):
    """What was asked for: the period under which the run will stand in the history, unless an unfinished one is gone on with."""

    period: EpochMs


class Forgotten(Struct, frozen=True):
    """How many runs were forgotten, and whether there are more."""

    runs: int
    more: bool


class _Named(Protocol):
    """The argument of commands that are about a job by its name."""

    name: str


class _OfRun(Protocol):
    """The arguments of commands that are about one run."""

    job: str
    period: int


class _Many(Protocol):
    """The argument of `forget_runs` that its preparation needs."""

    limit: int


def _of_runner(touches: Sequence[type[Record]], keys: Callable[..., Keys] | None = None) -> Callable[[Callable[..., R]], Command[Any, R]]:
    """Make a command that is in no registry, and so on no surface."""

    def made(function: Callable[..., R]) -> Command[Any, R]:
        return Command(function, touches=touches, keys=keys, prepare=None, durability="commit", access="operator", module="jobs")

    return made


def _run_key(arguments: _OfRun) -> Keys:
    return ((JobRun, (arguments.job, arguments.period)),)


def _state(ctx: Context, job: str) -> JobState:
    state = ctx.get(JobState, job)
    if state is None:
        raise JobNotFound(id=job)
    return state


# By operators


async def _by_name(read: Reader, arguments: _Named) -> Prepared:
    state = await queries.state_of(read, arguments.name)
    if state is None:
        raise JobNotFound(id=arguments.name)
    return Prepared(found=state.job_id, owners=(state.job_id,))


@command(touches=[JobState], prepare=_by_name, access="operator")
def request(ctx: Context, *, name: JobName) -> Asked:
    """Ask that a job be run as soon as a runner can, whatever its schedule says; asked twice before that, it runs once.

    A run that failed and waits to be tried again, or whose process died, is gone on with instead.

    Raises: JOB_NOT_FOUND.
    """
    state = _state(ctx, ctx.found)
    if state.wanted_at is None:
        state = ctx.change(state, wanted_at=ctx.now, wanted_by=ctx.actor)
    return Asked(state.period or schedule.asked_period(state.wanted_at or ctx.now))


@command(touches=[JobState], prepare=_by_name, access="operator")
def give_up(ctx: Context, *, name: JobName) -> None:
    """Try no more to finish the run of a job that failed; its schedule goes on with the next period.

    Raises: JOB_NOT_FOUND, JOB_RUNNING.
    """
    state = _state(ctx, ctx.found)
    if state.period is not None and state.retry_at is None:
        raise JobRunning(name=state.name, period=state.period)
    ctx.change(state, period=None, retry_at=None, failures=0, wanted_at=None, wanted_by=None)


async def _old(read: Reader, arguments: _Many) -> Prepared:
    before = read.now_ms() - read.settings.job_history_days * DAY
    found = await queries.old_runs(read, before, arguments.limit + 1)
    some = found[: arguments.limit]
    keys = tuple((JobRun, (one.job_id, one.period)) for one in some)
    return Prepared(found=(keys, len(found) > len(some)), owners=tuple(sorted({one.job_id for one in some})), keys=keys)


@command(touches=[JobState, JobRun], prepare=_old, access="operator")
def forget_runs(ctx: Context, *, limit: RunLimit = 500, dry_run: bool = False) -> Forgotten:
    """Delete runs that began longer ago than `job_history_days`, so many at the most; one that is not over stays."""
    keys, more = ctx.found
    rows = [row for _, key in keys if (row := ctx.get(JobRun, *key)) is not None]
    gone = [row for row in rows if _state(ctx, row.job_id).period != row.period]
    for row in gone if not dry_run else ():
        ctx.delete(row)
    return Forgotten(len(gone), more and bool(gone))


# By runners


@_of_runner([JobState])
def enroll(ctx: Context, *, name: JobName) -> None:
    """Make a job known; its first period is the next one.

    Raises: NAME_TAKEN.
    """
    job = ctx.create_owner("job")
    ctx.claim(NAME_CLAIM, name, job)
    ctx.put(JobState(job, name, known_since=ctx.now, decided_until=ctx.now))


@_of_runner([JobState, JobRun], _run_key)
def begin(
    ctx: Context,
    *,
    job: JobId,
    period: EpochMs,
    holder: str,
    instead_of: EpochMs | None = None,
    by_hand: bool = False,
    asked_by: str | None = None,
) -> JobRun:
    """Begin the run of a job for a period, or go on with one that was cut off; whoever calls it holds the job's lease.

    Raises: JOB_RUNNING, JOB_PERIOD_DONE, JOB_NO_PERIOD.
    """
    state, run = _state(ctx, job), ctx.get(JobRun, job, period)
    if state.period not in (None, period, instead_of):
        raise JobRunning(name=state.name, period=state.period)
    if state.period == period and state.wanted_at is None and asked_by is None and ctx.now < (state.retry_at or 0):
        # It has failed since whoever calls this has looked.
        raise JobRunning(name=state.name, period=period)
    if state.period != period:
        _refuse_done(ctx, state, run, period, by_hand=by_hand)
    answered = by_hand or state.period is not None
    ctx.change(
        state,
        period=period,
        last_period=period,
        # What was asked for does not stand for a period of the schedule.
        decided_until=state.decided_until if by_hand else max(state.decided_until, period),
        wanted_at=None if answered else state.wanted_at,
        wanted_by=None if answered else state.wanted_by,
        retry_at=None,
    )
    if run is None:
        run = JobRun(job, period, "running", 0, holder, ctx.now, ctx.now, asked_by=asked_by)
    return ctx.change(run, status="running", attempt=run.attempt + 1, holder=holder, attempted_at=ctx.now, finished_at=None, error=None)


def _refuse_done(ctx: Context, state: JobState, run: JobRun | None, period: int, *, by_hand: bool) -> None:
    if run is not None and (run.status == "succeeded" or not by_hand):
        raise PeriodDone(period=period)
    if by_hand:
        # What the history has forgotten may have been done.
        to_come = period > (ctx.now + 1 if period % 1000 else state.decided_until)
        if to_come or period < ctx.now - ctx.settings.job_history_days * DAY:
            raise NoPeriod(name=state.name, period=period)
    elif period <= state.decided_until:
        raise PeriodDone(period=period)


def _mine(ctx: Context, job: str, period: int, attempt: int) -> JobRun:
    run = ctx.get(JobRun, job, period)
    if run is None or run.status != "running" or run.attempt != attempt:
        raise RunLost(period=period, attempt=attempt)
    return run


@_of_runner([JobState, JobRun], _run_key)
def hold(ctx: Context, *, job: JobId, period: EpochMs, attempt: Quantity, counted: Amount, facts: JsonObject, cursor: Mark | None) -> None:
    """Stand for the right to go on with a run, and keep how far it is: done in one commit with the work, or neither is.

    Without a `cursor` the last one stays.

    Raises: JOB_RUN_LOST.
    """
    run = _mine(ctx, job, period, attempt)
    cursor = run.cursor if cursor is None else cursor
    if (run.counted, run.facts, run.cursor) != (counted, facts, cursor):
        ctx.change(run, counted=counted, facts=facts, cursor=cursor)


@_of_runner([JobState, JobRun], _run_key)
def end(
    ctx: Context,
    *,
    job: JobId,
    period: EpochMs,
    attempt: Quantity,
    status: Status,
    counted: Amount,
    facts: JsonObject,
    error: str | None = None,
) -> JobRun:
    """Write down how a run ended: it succeeded, it failed and is tried again later, or it was stopped and is gone on with.

    Raises: JOB_RUN_LOST.
    """
    run, state = _mine(ctx, job, period, attempt), _state(ctx, job)
    if status == "succeeded":
        ctx.change(state, period=None, failures=0, retry_at=None)
    elif status == "failed":
        failures = state.failures + 1
        retry_at = ctx.now + schedule.wait_seconds(failures) * 1000
        ctx.change(state, failures=failures, retry_at=retry_at)
    text = None if error is None else error[:MAX_ERROR]
    return ctx.change(run, status=status, finished_at=ctx.now, counted=counted, facts=facts, error=text)


@_of_runner([JobState, JobRun], _run_key)
def pass_over(ctx: Context, *, job: JobId, period: EpochMs) -> None:
    """Leave a period, and those before it, out: nobody was there in time, and the job makes up for nothing."""
    state = _state(ctx, job)
    if period <= state.decided_until or state.period is not None:
        return
    ctx.change(state, decided_until=period, last_period=period)
    ctx.put(JobRun(job, period, "skipped", 0, "", ctx.now, ctx.now, finished_at=ctx.now))
