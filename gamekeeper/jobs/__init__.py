"""Jobs: what a world does by itself and by the clock, once for each period whoever is there to do it."""

from . import boards, chat, days, dungeons, gravestones, ground, guests, people, presence, seasons, sessions, trades, upkeep
from .commands import Asked, Forgotten, forget_runs, give_up, request
from .declare import JOBS, Job, job, job_named
from .errors import JobNotFound, JobRunning, NoPeriod, PeriodDone, RunLost
from .queries import JobView, PastRun, history, list_jobs, show
from .records import JobId, JobName, JobRun, JobState, Status
from .runner import JobRunner, run_due, run_jobs, run_now
from .runs import DryRun, Run, RunStopped, Stats, rehearse, stats_of
from .schedule import CatchUp, Schedule, after

BUILT_IN = (boards, chat, days, dungeons, gravestones, ground, guests, people, presence, seasons, sessions, trades, upkeep)
"""The files that declare jobs."""

__all__ = [
    "BUILT_IN",
    "JOBS",
    "Asked",
    "CatchUp",
    "DryRun",
    "Forgotten",
    "Job",
    "JobId",
    "JobName",
    "JobNotFound",
    "JobRun",
    "JobRunner",
    "JobRunning",
    "JobState",
    "JobView",
    "NoPeriod",
    "PastRun",
    "PeriodDone",
    "Run",
    "RunLost",
    "RunStopped",
    "Schedule",
    "Stats",
    "Status",
    "after",
    "forget_runs",
    "give_up",
    "history",
    "job",
    "job_named",
    "list_jobs",
    "rehearse",
    "request",
    "run_due",
    "run_jobs",
    "run_now",
    "show",
    "stats_of",
]
