"""A run of a job: what its function gets, and how it is begun, kept alive, ended and written down."""

import asyncio
import logging
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any, Final
from weakref import WeakKeyDictionary

from msgspec import Struct

from gamekeeper.errors import GameError, InvalidArgument, OwnerLeased, StaleLease, StoreUnavailable
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import Call

from . import commands
from .declare import Job
from .errors import JobRunning, RunLost
from .records import JobRun
from .schedule import Due

LOG = logging.getLogger("gamekeeper.jobs")
OPERATOR: Final = "operator:job:"
"""Who does the work of jobs: an operator, whom leases of others do not stop."""
RUNNER: Final = "job:"
"""Who writes down how a run goes: nobody but the holder of its lease."""
FRAMES: Final = 3


class RunStopped(Exception):
    """The process is to end: the run is left as it is, and another one goes on with it."""


class Stats(Struct):
    """What the jobs of a process have done so far."""

    runs: dict[tuple[str, str], int] = {}
    """by job and how they ended"""
    seconds: dict[str, float] = {}
    running: set[str] = set()


_STATS: WeakKeyDictionary[Keep, Stats] = WeakKeyDictionary()


def stats_of(keep: Keep) -> Stats:
    """What the jobs of an open keep have done so far."""
    return _STATS.setdefault(keep, Stats())


class Run:
    """A run of a job for one period, as its function sees it.

    `cursor` is where an earlier attempt got to, None at the beginning; `period` the moment that it was planned for.
    """

    def __init__(self, keep: Keep, job: Job, begun: JobRun, *, dry_run: bool = False, stop: asyncio.Event | None = None) -> None:
        self.keep = keep
        self.name = job.name
        self.period = begun.period
        self.dry_run = dry_run
        self.actor = OPERATOR + job.name
        self.counted = begun.counted
        self.facts: dict[str, Any] = dict(begun.facts)
        self.cursor = begun.cursor
        self._begun = begun
        self._stop = stop or asyncio.Event()

    @property
    def stopping(self) -> bool:
        """Whether the process is to end; the next `do` raises then, so that only who waits for something else need look."""
        return self._stop.is_set()

    def done(self, count: int = 1, **facts: Any) -> None:
        """Count what was done. Numbers among the facts are added up, of others the last one stays."""
        self.counted += count
        for name, value in facts.items():
            before = self.facts.get(name, 0)
            if type(value) is not int or type(before) is not int:
                self.facts[name] = value
            elif value:
                self.facts[name] = before + value

    async def do(self, *calls: Call[Any], cursor: str | None = None) -> Any:
        """Do commands, all or none, as `keep.do` does; how far the run is, is kept in the same commit.

        cursor: where to go on once this is done. A run that is taken up after its process died begins with the last one kept.

        Raises: what the commands raise; JOB_RUN_LOST when the run is no longer this process's, and then nothing was done.
        """
        if self.dry_run:
            for call in calls:
                if getattr(call.arguments, "dry_run", False) is not True:
                    raise InvalidArgument(path="/dry_run", problem=f"a dry run does {call.command.name} only with dry_run=True")
            return await self.keep.do(*calls, actor=self.actor)
        self.go_on()
        told = await self.keep.tell(*calls, actor=self.actor, reason=self._reason, standing=self._hold(cursor))
        self.cursor = self.cursor if cursor is None else cursor
        return told.results[0] if len(calls) == 1 else tuple(told.results)

    async def save(self, cursor: str) -> None:
        """Keep how far the run is, for work that is no command.

        Raises: JOB_RUN_LOST.
        """
        if self.dry_run:
            return
        self.go_on()
        await self.keep.do(self._hold(cursor), actor=RUNNER + self.name)
        self.cursor = cursor

    def go_on(self) -> None:
        """Make sure that the run may go on; `do` and `save` do so themselves.

        Raises: RunStopped; JOB_RUN_LOST.
        """
        if self.stopping:
            raise RunStopped
        if not self.dry_run and self._begun.job_id not in self.keep.runner.leases.held:
            raise RunLost(period=self.period, attempt=self._begun.attempt)

    @property
    def _reason(self) -> str:
        return f"job {self.name}" if self._begun.asked_by is None else f"job {self.name}, asked for by {self._begun.asked_by}"

    def _hold(self, cursor: str | None) -> Call[None]:
        return commands.hold(**self._of_run(), counted=self.counted, facts=self.facts, cursor=cursor)

    def _of_run(self) -> dict[str, Any]:
        return {"job": self._begun.job_id, "period": self.period, "attempt": self._begun.attempt}

    async def end(self, status: str, error: str | None = None) -> JobRun:
        """Write down how it ended; for the runner.

        Raises: JOB_RUN_LOST.
        """
        call = commands.end(**self._of_run(), counted=self.counted, facts=self.facts, status=status, error=error)
        return await self.keep.do(call, actor=RUNNER + self.name)


class DryRun(Struct, frozen=True):
    """What a run would do, as far as one look tells."""

    name: str
    counted: int
    facts: Mapping[str, Any]


async def rehearse(keep: Keep, job: Job) -> DryRun:
    """Say what a job would do now; nothing is changed, and no lease is needed.

    Raises: what the job raises.
    """
    now = keep.clock.now_ms()
    run = Run(keep, job, JobRun("", now, "running", 0, keep.holder, now, now), dry_run=True)
    await job.work(run)
    return DryRun(job.name, run.counted, run.facts)


async def perform(
    keep: Keep,
    job: Job,
    job_id: str,
    due: Due,
    *,
    stop: asyncio.Event | None = None,
    asked_by: str | None = None,
    reason: str | None = None,
) -> JobRun | None:
    """Run a job for a period under its lease, and give how it ended; None when the run was lost to another process.

    Raises: JOB_RUNNING, OWNER_LEASED, JOB_PERIOD_DONE, JOB_NO_PERIOD, STORE_UNAVAILABLE.
    """
    with _alone(keep, job.name):
        try:
            await keep.acquire(job_id)
            begin = commands.begin(
                job=job_id,
                period=due.period,
                holder=keep.holder,
                instead_of=due.instead_of,
                by_hand=due.by_hand,
                asked_by=asked_by,
            )
            begun = await keep.do(begin, actor=RUNNER + job.name, reason=reason)
            return await _work(keep, job, Run(keep, job, begun, stop=stop))
        finally:
            await _give_back(keep, job_id)


@contextmanager
def _alone(keep: Keep, name: str) -> Iterator[None]:
    # The lease keeps other processes off; this one would get it twice.
    running = stats_of(keep).running
    if name in running:
        raise JobRunning(name=name, period=None)
    running.add(name)
    try:
        yield
    finally:
        running.discard(name)


async def _give_back(keep: Keep, job_id: str) -> None:
    try:
        await keep.release(job_id)
    except StoreUnavailable as error:
        LOG.warning("the lease of a job was not given back, and runs out by itself: %s", error)


async def _work(keep: Keep, job: Job, run: Run) -> JobRun | None:
    started, status, error = perf_counter(), "succeeded", None
    cancelled: asyncio.CancelledError | None = None
    try:
        await job.work(run)
    except (RunLost, StaleLease):
        LOG.warning("the run of job %s for %d was lost to another process", job.name, run.period)
        _note(keep, job, "lost", started)
        return None
    except asyncio.CancelledError as signal:
        status, cancelled = "stopped", signal
    except RunStopped:
        status = "stopped"
    except Exception as fault:  # noqa: BLE001 - a job that fails is written down, and tried again later
        status, error = "failed", told(fault)
        LOG.warning("job %s failed for %d and is tried again later: %s", job.name, run.period, error)
    _note(keep, job, status, started)
    ended = await _ended(job, run, status, error)
    if cancelled is not None:
        raise cancelled
    return ended


async def _ended(job: Job, run: Run, status: str, error: str | None) -> JobRun | None:
    try:
        return await run.end(status, error)
    except (RunLost, StaleLease, OwnerLeased):
        LOG.warning("the run of job %s for %d was over for this process before it ended", job.name, run.period)
    except GameError as fault:
        LOG.warning("how job %s ended for %d could not be written down, so it is taken up again: %s", job.name, run.period, fault)
    return None


def _note(keep: Keep, job: Job, result: str, started: float) -> None:
    stats = stats_of(keep)
    stats.runs[job.name, result] = stats.runs.get((job.name, result), 0) + 1
    stats.seconds[job.name] = stats.seconds.get(job.name, 0.0) + perf_counter() - started


def told(fault: BaseException) -> str:
    """Say what went wrong. The words of an unexpected error are left out: those of a driver quote the values of a row."""
    if isinstance(fault, GameError):
        return str(fault)
    frames = traceback.extract_tb(fault.__traceback__)[-FRAMES:]
    where = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(fault).__qualname__} in {where}"
