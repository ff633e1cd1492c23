"""What may be asked of jobs."""

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import BigInteger, Text, and_, bindparam, or_, select, tuple_

from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.records import MAX_INTEGER, EpochMs, JsonObject
from gamekeeper.kernel.store.schema import idempotency, table

from . import declare
from .records import JobName, JobRun, JobState, Mark, Status
from .schedule import CatchUp, next_at

states = table(JobState)
runs = table(JobRun)

LIMIT = bindparam("limit", type_=BigInteger)
AT = bindparam("at", type_=BigInteger)
PERIOD = bindparam("period", type_=BigInteger)
JOB = bindparam("job", type_=Text)

STATES = select(states).order_by(states.c.name).limit(LIMIT)
BY_NAME = select(states).where(states.c.name == bindparam("name", type_=Text))
LAST_RUNS = select(runs).join_from(states, runs, and_(runs.c.job_id == states.c.job_id, runs.c.period == states.c.last_period)).limit(LIMIT)
OLD = (
    select(runs.c.job_id, runs.c.period)
    .where(runs.c.started_at < bindparam("before", type_=BigInteger))
    .order_by(runs.c.started_at)
    .limit(LIMIT)
)
HISTORY = (
    select(runs)
    .where(
        or_(
            runs.c.started_at < AT,
            and_(runs.c.started_at == AT, or_(runs.c.job_id < JOB, and_(runs.c.job_id == JOB, runs.c.period < PERIOD))),
        )
    )
    .order_by(runs.c.started_at.desc(), runs.c.job_id.desc(), runs.c.period.desc())
    .limit(LIMIT)
)
OF_JOB = select(runs).where(runs.c.job_id == JOB, runs.c.period < PERIOD).order_by(runs.c.period.desc()).limit(LIMIT)
KEYS = (
    select(idempotency.c.actor, idempotency.c.key, idempotency.c.at, idempotency.c.response.is_not(None))
    .where(tuple_(idempotency.c.actor, idempotency.c.key) > tuple_(bindparam("actor", type_=Text), bindparam("key", type_=Text)))
    .order_by(idempotency.c.actor, idempotency.c.key)
    .limit(LIMIT)
)
MOST_JOBS = 1_000


class RunKey(Struct, frozen=True):
    """Which run."""

    job_id: str
    period: int


class KeptKey(Struct, frozen=True):
    """A key under which something was done, since when it is known, and whether the answer is kept too."""

    actor: str
    key: str
    at: int
    answered: bool


class PastRun(Struct, frozen=True):
    """A run of a job, as its history has it."""

    name: JobName
    job_id: str
    period: EpochMs
    status: Status
    attempt: int
    holder: str
    started_at: EpochMs
    attempted_at: EpochMs
    finished_at: EpochMs | None
    counted: int
    cursor: Mark | None
    facts: JsonObject
    error: str | None
    asked_by: str | None


class JobView(Struct, frozen=True):
    """A job: what it is for, when it runs, and how its last run went. `next_at` is None before a runner has seen it."""

    name: JobName
    summary: str
    cron: str
    timezone: str
    catch_up: CatchUp
    next_at: EpochMs | None
    last: PastRun | None
    under_way: bool
    """whether a process that is alive runs it now"""
    failures: int
    """how often it failed in a row"""
    wanted_at: EpochMs | None
    wanted_by: str | None


async def all_states(read: Reader) -> dict[str, JobState]:
    """Give what is known of every job, by name."""
    return {row.name: row for row in await read.rows(JobState, STATES, limit=MOST_JOBS)}


async def state_of(read: Reader, name: str) -> JobState | None:
    """Give what is known of one job."""
    return await read.one(JobState, BY_NAME, name=name)


async def old_runs(read: Reader, before: int, limit: int) -> list[RunKey]:
    """Find runs that began before a moment, the oldest first."""
    return await read.rows(RunKey, OLD, before=before, limit=limit)


async def kept_keys(read: Reader, after: tuple[str, str], limit: int) -> list[KeptKey]:
    """Give the keys that are kept, in their order."""
    return await read.rows(KeptKey, KEYS, actor=after[0], key=after[1], limit=limit)


async def is_under_way(read: Reader, job_id: str) -> bool:
    """Say whether some process holds the lease of a job."""
    root = await read.root(job_id)
    return root is not None and root.lease_holder is not None


@query(access="operator")
async def list_jobs(read: Reader) -> list[JobView]:
    """List the jobs by name: when each runs next, and how it went last."""
    known = await all_states(read)
    last = {row.job_id: row for row in await read.rows(JobRun, LAST_RUNS, limit=MOST_JOBS)}
    views = []
    for name in sorted(declare.JOBS):
        state = known.get(name)
        views.append(await _view(read, name, state, None if state is None else last.get(state.job_id)))
    return views


@query(access="operator")
async def show(read: Reader, *, name: JobName) -> JobView:
    """Show one job.

    Raises: JOB_NOT_FOUND.
    """
    declare.job_named(name)
    state = await state_of(read, name)
    run = None if state is None or state.last_period is None else await read.get(JobRun, state.job_id, state.last_period)
    return await _view(read, name, state, run)


async def _view(read: Reader, name: str, state: JobState | None, run: JobRun | None) -> JobView:
    job = declare.job_named(name)
    return JobView(
        name=name,
        summary=job.summary,
        cron=job.schedule.cron,
        timezone=job.schedule.timezone,
        catch_up=job.schedule.catch_up,
        next_at=None if state is None else next_at(job.schedule, state, read.now_ms(), quiet=job.quiet),
        last=None if run is None else past_run(name, run),
        under_way=run is not None and run.status == "running" and await is_under_way(read, run.job_id),
        failures=0 if state is None else state.failures,
        wanted_at=None if state is None else state.wanted_at,
        wanted_by=None if state is None else state.wanted_by,
    )


@query(access="operator")
async def history(read: Reader, *, name: JobName | None = None, limit: PageLimit = 50, cursor: Cursor | None = None) -> Page[PastRun]:
    """List runs of one job or of all, the newest first.

    Raises: JOB_NOT_FOUND.
    """
    if name is not None:
        return await _history_of(read, name, limit, cursor)
    at, job, period = read_cursor(cursor, int, str, int) or (MAX_INTEGER, "", 0)
    names = {state.job_id: state.name for state in (await all_states(read)).values()}
    rows = await read.rows(JobRun, HISTORY, at=at, job=job, period=period, limit=limit + 1)
    found = [past_run(names.get(one.job_id, ""), one) for one in rows[:limit]]
    last = found[-1] if len(rows) > limit else None
    return Page(found, None if last is None else write_cursor([last.started_at, last.job_id, last.period]))


async def _history_of(read: Reader, name: str, limit: int, cursor: str | None) -> Page[PastRun]:
    (before,) = read_cursor(cursor, int) or (MAX_INTEGER,)
    state = await state_of(read, name)
    if state is None:
        declare.job_named(name)
        return Page([])
    rows = await read.rows(JobRun, OF_JOB, job=state.job_id, period=before, limit=limit + 1)
    found = [past_run(name, one) for one in rows[:limit]]
    return Page(found, write_cursor([found[-1].period]) if len(rows) > limit else None)


def past_run(name: str, run: JobRun) -> PastRun:
    """Give a run with the name of its job."""
    return PastRun(name=name, **asdict(run))
