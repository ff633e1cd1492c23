"""What is stored of jobs: how far each has come, and its runs."""

from typing import Annotated, Literal

from msgspec import Meta

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.records import Amount, EpochMs, JsonObject, Key, OwnedBy, Record

from .errors import JobNotFound

JobId = Annotated[Id, OwnedBy("job", missing=JobNotFound)]
JobName = Annotated[str, Meta(max_length=64, pattern=r"^[a-z][a-z0-9_]*(?!\n)$", description="the name of a job's function")]
Mark = Annotated[str, Meta(max_length=4096, description="where a run goes on that was cut off")]
Status = Literal["running", "stopped", "succeeded", "failed", "skipped"]
"""`stopped` is a run whose process was told to end; the next one goes on with it."""


class JobState(Record, table="jobs", unique=(("name",),)):
    """How far a job has come: no period up to `decided_until` begins by itself any more.

    `period` has begun and is not over: it runs, or waits to be taken up, or failed and is tried again at `retry_at`.
    """

    job_id: Key[JobId]
    name: JobName
    known_since: EpochMs
    decided_until: EpochMs
    period: EpochMs | None = None
    last_period: EpochMs | None = None
    failures: Amount = 0
    retry_at: EpochMs | None = None
    wanted_at: EpochMs | None = None
    wanted_by: str | None = None


class JobRun(Record, table="job_runs", loads="key", indexes=(("started_at", "job_id", "period"),)):
    """The run of a job for one period; there is one row for it, however often it was tried.

    `counted` and `facts` are over all attempts, but for what one that died did last.
    """

    job_id: Key[JobId]
    period: Key[EpochMs]
    status: Status
    attempt: Amount
    holder: str
    started_at: EpochMs
    attempted_at: EpochMs
    finished_at: EpochMs | None = None
    counted: Amount = 0
    cursor: Mark | None = None
    facts: JsonObject = {}
    error: str | None = None
    asked_by: str | None = None
