"""The runner: looks again and again what is due, and runs it. There may be one in every process of a world."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from gamekeeper.errors import NameTaken, OwnerLeased
from gamekeeper.keep import Keep

from . import commands, queries, schedule
from .declare import JOBS, Job, job_named
from .errors import JobRunning, NoPeriod, PeriodDone
from .records import JobRun, JobState
from .runs import LOG, RUNNER, perform, rehearse, told

AT_ONCE: Final = 4
"""Jobs that one process runs at once."""
QUIET_MS: Final = 24 * 3_600_000
"""How long a quiet job may go without a run."""
MOST_ENDED: Final = 1_000
"""Runs whose end is remembered for whoever waits for it."""
STOP_SECONDS: Final = 10.0
"""How long a run may go on with what it is doing, once the process is to end."""


class JobRunner:
    """Runs what is due, in one process."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._stop = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._looked: dict[str, int] = {}
        """the last period of quiet jobs for which there was nothing to do"""
        self._ended: deque[JobRun] = deque(maxlen=MOST_ENDED)

    async def work(self) -> None:
        """Run what is due until told to stop; nothing that goes wrong ends it."""
        while not self._stop.is_set():
            try:
                await self.turn()
            except Exception as error:  # noqa: BLE001 - the next turn tries again
                LOG.warning("jobs could not be looked at: %s", told(error))
            try:
                await asyncio.wait_for(self._stop.wait(), self._keep.settings.job_poll_seconds)
            except TimeoutError:
                continue

    async def turn(self) -> int:
        """Look once, and begin what is due; give how many runs were begun."""
        known = await queries.all_states(self._keep.reader)
        missing = sorted(JOBS.keys() - known.keys())
        if missing:
            await self._enroll(missing)
            known = await queries.all_states(self._keep.reader)
        begun = 0
        for name, job in list(JOBS.items()):
            if len(self._tasks) >= AT_ONCE or self._stop.is_set():
                break
            if name in known and name not in self._tasks:
                begun += await self._begin(job, known[name])
        return begun

    async def _enroll(self, names: list[str]) -> None:
        tries = (self._keep.do(commands.enroll(name=name), actor=RUNNER + name) for name in names)
        for error in await asyncio.gather(*tries, return_exceptions=True):
            # Another process may be making them known at the same time.
            if isinstance(error, BaseException) and not isinstance(error, NameTaken):
                raise error

    async def _begin(self, job: Job, state: JobState) -> bool:
        due = schedule.due(job.schedule, state, self._keep.clock.now_ms())
        if due is None:
            return False
        if due.missed:
            await self._keep.do(commands.pass_over(job=state.job_id, period=due.period), actor=RUNNER + job.name)
            return False
        if state.period is not None and await queries.is_under_way(self._keep.reader, state.job_id):
            return False
        if await self._is_idle(job, state, due):
            return False
        task = asyncio.create_task(self._run(job, state, due))
        self._tasks[job.name] = task
        task.add_done_callback(lambda _: self._tasks.pop(job.name, None))
        return True

    async def _is_idle(self, job: Job, state: JobState, due: schedule.Due) -> bool:
        """Whether a quiet job has nothing to do for a period, and has run not long ago."""
        if not job.quiet or due.by_hand or state.period is not None or due.period - state.decided_until >= QUIET_MS:
            return False
        if self._looked.get(job.name) != due.period:
            try:
                if (await rehearse(self._keep, job)).counted:
                    return False
            except Exception as error:  # noqa: BLE001 - it fails in its run once more, where that is written down
                LOG.debug("a look at job %s failed: %s", job.name, told(error))
                return False
            self._looked[job.name] = due.period
        return True

    async def _run(self, job: Job, state: JobState, due: schedule.Due) -> None:
        try:
            asked_by = state.wanted_by if due.by_hand else None
            ended = await perform(self._keep, job, state.job_id, due, stop=self._stop, asked_by=asked_by)
            self._ended.extend([] if ended is None else [ended])
        except (OwnerLeased, JobRunning, PeriodDone) as error:
            LOG.debug("job %s is another process's for %d: %s", job.name, due.period, type(error).code)
        except Exception as error:  # noqa: BLE001 - the other jobs have nothing to do with it, and the next turn tries again
            LOG.warning("job %s could not begin for %d: %s", job.name, due.period, told(error))

    async def idle(self) -> list[JobRun]:
        """Wait until nothing runs that was begun here; give how the runs ended since the last time."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        ended = list(self._ended)
        self._ended.clear()
        return ended

    def stop(self) -> None:
        """Begin nothing more, and tell what runs to come to an end."""
        self._stop.set()

    async def stopped(self) -> None:
        """Wait until what runs has ended what it is doing, but not for ever; the rest of it is another process's."""
        tasks = list(self._tasks.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def run_jobs(keep: Keep) -> AsyncIterator[JobRunner]:
    """Run the jobs of a world for the length of a block, beside whatever else is done in it."""
    runner = JobRunner(keep)
    task = asyncio.create_task(runner.work())
    try:
        yield runner
    finally:
        runner.stop()
        await task
        await runner.stopped()


async def run_due(keep: Keep) -> list[JobRun]:
    """Run all that is due now, and give how it ended; for programs that are started again and again.

    Raises: STORE_UNAVAILABLE.
    """
    runner, ended = JobRunner(keep), list[JobRun]()
    while await runner.turn():
        now = await runner.idle()
        ended += now
        if not now:
            # Another process is at it.
            break
    return ended


async def run_now(keep: Keep, name: str, *, asked_by: str, reason: str | None = None, period: int | None = None) -> JobRun | None:
    """Run a job here and now, whatever its schedule says; an unfinished run is gone on with.

    period: run it for this period of its schedule, which was left out, failed or is forgotten.

    Raises: JOB_NOT_FOUND, JOB_RUNNING, OWNER_LEASED, JOB_PERIOD_DONE, JOB_NO_PERIOD, STORE_UNAVAILABLE.
    """
    job = job_named(name)
    if period is not None and not schedule.is_period(job.schedule, period):
        raise NoPeriod(name=name, period=period)
    runner = JobRunner(keep)
    state = await queries.state_of(keep.reader, name)
    if state is None:
        await runner._enroll([name])
        state = await queries.state_of(keep.reader, name)
    if state is None:  # pragma: no cover - it has just been made known
        raise JobRunning(name=name, period=period)
    due = schedule.Due(period or state.period or schedule.asked_period(keep.clock.now_ms()), by_hand=state.period is None)
    return await perform(keep, job, state.job_id, due, asked_by=asked_by, reason=reason)
