"""What can go wrong with jobs."""

from gamekeeper.errors import GameError, Kind, OwnerNotFound


class JobNotFound(OwnerNotFound):
    """No such job."""

    code = "JOB_NOT_FOUND"


class JobRunning(GameError):
    """The job is under way, here or in another process, or another period of it is not over yet."""

    code = "JOB_RUNNING"
    name: str
    period: int | None


class PeriodDone(GameError):
    """The job has run for this period, or it was given up."""

    code = "JOB_PERIOD_DONE"
    period: int


class NoPeriod(GameError):
    """The job has no such period that could be run now: it is not in its schedule, to come, or too long ago to know whether it ran."""

    code = "JOB_NO_PERIOD"
    kind = Kind.INVALID
    name: str
    period: int


class RunLost(GameError):
    """The run is another process's now, or over; nothing more is done in its name here."""

    code = "JOB_RUN_LOST"
    kind = Kind.STALE
    period: int
    attempt: int
