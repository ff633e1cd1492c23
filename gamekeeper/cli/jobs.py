"""`gamekeeper jobs`: what a world does by the clock, when it runs, how it went."""

import asyncio
import contextlib
import signal
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

from cyclopts import Parameter

from gamekeeper.config import Settings
from gamekeeper.errors import InvalidArgument

from .failures import Exit, redacted, warn
from .inside import ACTOR, in_keep, moment, plain
from .options import NO_WORDS, Flag, World, answer

if TYPE_CHECKING:
    from gamekeeper.jobs import DryRun, JobRun, JobView, PastRun
    from gamekeeper.keep import Keep

Name = Annotated[str, Parameter(help="The name of a job, as `jobs list` has it.")]


def list_jobs(*, world: World = NO_WORDS) -> None:
    """List the jobs of a world: when each runs next, and how it went last.

    Raises: STORE_UNAVAILABLE.
    """
    found = in_keep(world.settings(), _jobs)
    if world.json:
        answer("jobs-list", found)
        return
    wide = max(map(len, (one.name for one in found)), default=0)
    for one in found:
        print(f"{one.name:<{wide}}  next {moment(one.next_at):<16}  {_last(one)}")


def _last(one: "JobView") -> str:
    if one.last is None:
        return "never ran"
    words = f"{_status(one)} {moment(one.last.finished_at or one.last.attempted_at)}, counted {one.last.counted:,}"
    return words + (f", failed {one.failures} times in a row" if one.failures else "")


def _status(one: "JobView") -> str:
    last = one.last
    if last is None or last.status != "running":
        return "" if last is None else last.status
    return "running since" if one.under_way else "cut off after"


def run(
    name: Name,
    /,
    *,
    dry_run: Annotated[bool, Flag, Parameter(help="Only say what would be done; nothing is changed.")] = False,
    period: Annotated[
        str | None, Parameter(help="Run it for this period of its schedule, as 2026-01-31T04:00 in its time zone, which was left out.")
    ] = None,
    reason: Annotated[str | None, Parameter(help="Why, for the journal.")] = None,
    world: World = NO_WORDS,
) -> int:
    """Run a job now, in this process; one that was cut off or failed is gone on with.

    Raises: JOB_NOT_FOUND, JOB_RUNNING, OWNER_LEASED, JOB_PERIOD_DONE, JOB_NO_PERIOD, INVALID_ARGUMENT, STORE_UNAVAILABLE.
    """
    if dry_run:
        told = in_keep(world.settings(), lambda keep: _rehearsed(keep, name))
        if world.json:
            answer("jobs-dry-run", told)
        else:
            print(f"{name} would count {told.counted:,}{_facts(told.facts)}. Nothing was changed.")
        return Exit.OK
    ended = in_keep(world.settings(), lambda keep: _ran(keep, name, period, reason))
    if ended is None:
        warn(f"{name} was taken over by another process.")
        return Exit.LOCKED
    if world.json:
        answer("jobs-run", ended)
    else:
        print(f"{name} {ended.status}, counted {ended.counted:,}{_facts(ended.facts)}.")
    if ended.error is not None:
        warn(plain(ended.error))
    return Exit.OK if ended.status == "succeeded" else Exit.REFUSED


def _facts(facts: Any) -> str:
    return "".join(f", {plain(str(name))} {plain(str(value))}" for name, value in facts.items())


def history(
    name: Annotated[str | None, Parameter(help="The name of a job; of all if not given.")] = None,
    /,
    *,
    limit: Annotated[int, Parameter(help="How many runs at most, 1 to 200.")] = 50,
    after: Annotated[str | None, Parameter(help="Where the page before ended, as it said.")] = None,
    world: World = NO_WORDS,
) -> None:
    """List runs of jobs, the newest first.

    Raises: JOB_NOT_FOUND, INVALID_ARGUMENT, STORE_UNAVAILABLE.
    """
    from gamekeeper import jobs

    page = in_keep(world.settings(), lambda keep: keep.ask(jobs.history(name=name, limit=limit, cursor=after)))
    if world.json:
        answer("jobs-history", page)
        return
    for one in page.items:
        print(_line(one))
    if not page.items:
        warn("Nothing has run yet.")
    if page.next_cursor is not None:
        warn(f"There are more: --after {page.next_cursor}")


def _line(one: "PastRun") -> str:
    tried = f", attempt {one.attempt}" if one.attempt > 1 else ""
    error = "" if one.error is None else f": {plain(one.error)}"
    return f"{moment(one.period)}  {plain(one.name)} {one.status}{tried}, counted {one.counted:,}{_facts(one.facts)}{error}"


def work(
    *,
    once: Annotated[bool, Flag, Parameter(help="Run what is due now, and end.")] = False,
    world: World = NO_WORDS,
) -> None:
    """Run jobs when they are due, until SIGTERM or Ctrl-C; there may be several such processes, and servers beside them.

    Raises: STORE_UNAVAILABLE, INVALID_ARGUMENT.
    """
    settings = world.settings()
    if once:
        ended = in_keep(settings, _due)
        if world.json:
            answer("jobs-work", ended)
        else:
            print(f"{len(ended)} runs, {sum(one.status == 'failed' for one in ended)} of them failed.")
        return
    asyncio.run(_worked(settings))
    warn("Stopped; what was cut off is gone on with by the next one.")


async def _worked(settings: Settings) -> None:
    from gamekeeper import jobs
    from gamekeeper.keep import open_keep

    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows: there Ctrl-C ends the process as it does any other
            loop.add_signal_handler(one, told.set)
    async with open_keep(settings) as keep, jobs.run_jobs(keep):
        warn(f"Running the jobs of {redacted(settings.url)}.")
        await told.wait()


async def _jobs(keep: "Keep") -> "list[JobView]":
    from gamekeeper import jobs

    return await keep.ask(jobs.list_jobs())


async def _due(keep: "Keep") -> "list[JobRun]":
    from gamekeeper import jobs

    return await jobs.run_due(keep)


async def _rehearsed(keep: "Keep", name: str) -> "DryRun":
    from gamekeeper import jobs

    return await jobs.rehearse(keep, jobs.job_named(name))


async def _ran(keep: "Keep", name: str, period: str | None, reason: str | None) -> "JobRun | None":
    from gamekeeper import jobs

    at = None if period is None else _moment(period, jobs.job_named(name).schedule.timezone)
    return await jobs.run_now(keep, name, asked_by=ACTOR, reason=reason, period=at)


def _moment(text: str, timezone: str) -> int:
    """Read a moment; without an offset it is local time of a zone.

    >>> _moment("2026-01-31T04:00", "Europe/Berlin"), _moment("2026-01-31T04:00Z", "Europe/Berlin")
    (1769828400000, 1769832000000)
    """
    try:
        at = datetime.fromisoformat(text)
        return int((at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(timezone))).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise InvalidArgument(path="/period", problem="a day and a time, as 2026-01-31T04:00") from None
