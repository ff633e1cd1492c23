"""The journal of the whole keep, and one command over all owners that it changed."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gamekeeper.kernel import history
from gamekeeper.studio import queries
from gamekeeper.studio.asking import id_of, keep_of, wants_part, word
from gamekeeper.studio.rendering import page

ENTRIES = 40


async def index(request: Request) -> Response:
    """The newest commands."""
    keep = keep_of(request)
    cursor = word(request, "cursor") or None
    found = await keep.ask(history.newest(limit=ENTRIES, cursor=cursor))
    labels = await queries.labels(keep, {owner for entry in found.items for owner in entry.owners})
    template = "journal_part.html" if wants_part(request) else "journal.html"
    return page(request, template, room="journal", timeline=found, owner="", cursor=cursor, labels=labels)


async def show(request: Request) -> Response:
    """One command."""
    keep = keep_of(request)
    entries = await keep.ask(history.command(command_id=id_of(request)))
    if not entries:
        raise HTTPException(404)
    labels = await queries.labels(keep, {entry.owner_id for entry in entries})
    return page(request, "command.html", room="journal", first=entries[0], entries=entries, labels=labels)


ROUTES = [Route("/journal", index), Route("/journal/{id}", show)]
