"""How a job is declared: by a decorator, in the module of whoever knows what is to be done."""

from collections.abc import Awaitable, Callable
from inspect import getdoc
from typing import TYPE_CHECKING, TypeAlias

import msgspec
from msgspec import Struct

from .errors import JobNotFound
from .records import JobName
from .schedule import CatchUp, Schedule, check

if TYPE_CHECKING:
    from .runs import Run

Work: TypeAlias = "Callable[[Run], Awaitable[None]]"


class Job(Struct, frozen=True):
    """A declared job."""

    name: str
    schedule: Schedule
    work: Work
    module: str
    quiet: bool = False
    """whether periods with nothing to do leave no trace, but for one a day"""

    @property
    def summary(self) -> str:
        """What it does, in one line."""
        return (getdoc(self.work) or "").partition("\n")[0]


JOBS: dict[str, Job] = {}
"""Every declared job by its name."""


def job(name: str, *, cron: str, timezone: str = "UTC", catch_up: CatchUp = "latest", quiet: bool = False) -> Callable[[Work], Work]:
    """Declare a job: an async function of a `Run`, which runs once for each period of its schedule, whoever has time for it.

    cron: five fields, as `*/10 * * * *`. timezone: a name of the IANA time zone database.
    catch_up: what becomes of periods that nobody was there for: `latest` runs the newest one of them, `each` all of them in order,
    and `skip` none.
    quiet: a period for which a dry run counts nothing does not run at all, so that an idle world writes nothing; but once a day it
    does, to show that somebody is there. Only for `latest`, and for jobs whose dry runs count what there is to do.

    Raises: TypeError for what is no name or no schedule, and for a name that another module has.
    """

    def declare(work: Work) -> Work:
        known = JOBS.get(name)
        if known is not None and known.module != work.__module__:
            raise TypeError(f"job {name!r} is declared by {known.module} already")
        made = Job(_checked_name(name), Schedule(cron, timezone, catch_up), work, work.__module__, quiet)
        check(made.schedule)
        if quiet and catch_up != "latest":
            raise TypeError(f"job {name!r}: a period that counts by itself is not left out quietly")
        JOBS[name] = made
        return work

    return declare


def _checked_name(name: str) -> str:
    try:
        return msgspec.convert(name, JobName)
    except msgspec.ValidationError:
        raise TypeError(f"{name!r} is no name for a job: lower-case letters, digits and underscores") from None


def job_named(name: str) -> Job:
    """Give a job by its name.

    Raises: JOB_NOT_FOUND.
    """
    found = JOBS.get(name)
    if found is None:
        raise JobNotFound(id=name)
    return found
