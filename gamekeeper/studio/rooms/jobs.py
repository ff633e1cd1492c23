"""Jobs: what the world does by the clock, how it went, and the forms that run something now."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gamekeeper import jobs
from gamekeeper.errors import Busy, GameError
from gamekeeper.kernel.commands import Call
from gamekeeper.studio.asking import PAGE, STATUS, id_of, keep_of, word
from gamekeeper.studio.rendering import page

from .edits import Draft, Form, Forms, Typed, change, new_drafts

ROOM: Final = "jobs"
DRY_SECONDS: Final = 20.0
"""How long a dry run may take before nobody waits for it any more."""
RECENT: Final = 20
"""Runs on the page of all jobs."""


def _run(name: str, _typed: Typed) -> Call[Any]:
    return jobs.request(name=name)


def _asked(_typed: Typed, _result: jobs.Asked) -> str:
    return "Asked for: the next process that runs jobs begins it."


def _give_up(name: str, _typed: Typed) -> Call[Any]:
    return jobs.give_up(name=name)


def _given_up(_typed: Typed, _result: None) -> str:
    return "Given up; the schedule goes on with the next period."


FORMS: Final[Forms] = {
    "run": Form(("reason",), _run, _asked),
    "give-up": Form(("reason",), _give_up, _given_up),
}


async def index(request: Request) -> Response:
    """The list of jobs, and what ran last."""
    keep = keep_of(request)
    recent = await keep.ask(jobs.history(limit=RECENT))
    return page(request, "jobs.html", room=ROOM, jobs=await keep.ask(jobs.list_jobs()), recent=recent.items)


async def show(request: Request) -> Response:
    """One job with its history."""
    return await answer(request, new_drafts(request, FORMS))


async def edit(request: Request) -> Response:
    """Run the command of a form; a refusal is shown beside what was typed."""
    return await change(request, FORMS, answer, ROOM)


async def rehearse(request: Request) -> Response:
    """Say what the job would do now, which changes nothing and so needs no reason."""
    job, drafts = jobs.job_named(id_of(request)), new_drafts(request, FORMS)
    try:
        async with asyncio.timeout(DRY_SECONDS):
            told = await jobs.rehearse(keep_of(request), job)
    except TimeoutError:
        return await answer(request, drafts, 503, error=Busy(retry_after_seconds=DRY_SECONDS))
    except GameError as error:
        return await answer(request, drafts, STATUS[error.kind], error=error)
    return await answer(request, drafts, told=told)


async def answer(
    request: Request, drafts: dict[str, Draft], status: int = 200, *, told: jobs.DryRun | None = None, error: GameError | None = None
) -> Response:
    """The page of a job, with the forms as they stand, and what a dry run has told."""
    keep, name, cursor = keep_of(request), id_of(request), word(request, "cursor") or None
    job = await keep.ask(jobs.show(name=name))
    found = await keep.ask(jobs.history(name=name, limit=PAGE, cursor=cursor))
    return page(request, "job.html", status, room=ROOM, job=job, found=found, cursor=cursor, drafts=drafts, told=told, error=error)


ROUTES = [
    Route("/jobs", index),
    Route("/jobs/{id}", show),
    Route("/jobs/{id}/dry-run", rehearse, methods=["POST"]),
    Route("/jobs/{id}/{form}", edit, methods=["POST"]),
]
