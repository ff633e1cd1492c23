"""Users: the list, and one user with sessions, characters and the timeline."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gamekeeper.kernel.commands import COMMANDS
from gamekeeper.modules import characters, sessions, users
from gamekeeper.studio.asking import PAGE, id_of, keep_of, wants_part, word
from gamekeeper.studio.rendering import page

from .characters import timeline_of

ROOM: Final = "users"


async def index(request: Request) -> Response:
    """The list of users, by the beginning of their names."""
    keep = keep_of(request)
    prefix, cursor = word(request, "q"), word(request, "cursor") or None
    found = await keep.ask(users.list_users(prefix=prefix or None, limit=PAGE, cursor=cursor))
    return page(request, "users.html", room=ROOM, found=found, q=prefix, cursor=cursor)


async def show(request: Request) -> Response:
    """One user, also one who is gone; or the next entries of the timeline."""
    keep, id = keep_of(request), id_of(request)
    if wants_part(request):
        return page(request, "timeline_part.html", **await timeline_of(request, id))
    row = await keep.reader.get(users.User, id)
    if row is None:
        raise users.UserNotFound(id=id)
    theirs = await keep.ask(characters.list_of_user(user=id))
    return page(
        request,
        "user.html",
        room=ROOM,
        who=users.view(row),
        root=await keep.reader.root(id),
        sessions=await keep.ask(sessions.list_sessions(user=id)),
        characters=theirs,
        commands=sorted(COMMANDS),
        **await timeline_of(request, id, {one.character_id for one in theirs}),
    )


ROUTES = [Route("/users", index), Route("/users/{id}", show)]
