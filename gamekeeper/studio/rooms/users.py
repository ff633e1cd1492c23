"""Users: the list, and one user with sessions, bans, notes, characters and the timeline; and the forms that act on them."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gamekeeper.kernel.commands import COMMANDS
from gamekeeper.modules import characters, moderation, sessions, users
from gamekeeper.studio.asking import PAGE, id_of, keep_of, wants_part, word
from gamekeeper.studio.rendering import page

from .characters import timeline_of
from .edits import Draft, change, new_drafts
from .user_forms import EVERY, FORMS, LENGTHS, ROLES

ROOM: Final = "users"
NOTES: Final = 20
"""Notes on the page; all of them are in the room Moderation."""


async def index(request: Request) -> Response:
    """The list of users, by the beginning of their names."""
    keep = keep_of(request)
    prefix, cursor = word(request, "q"), word(request, "cursor") or None
    found = await keep.ask(users.list_users(prefix=prefix or None, limit=PAGE, cursor=cursor))
    return page(request, "users.html", room=ROOM, found=found, q=prefix, cursor=cursor)


async def show(request: Request) -> Response:
    """One user, also one who is gone; or the next entries of the timeline."""
    if wants_part(request):
        return page(request, "timeline_part.html", **await timeline_of(request, id_of(request)))
    return await answer(request, new_drafts(request, FORMS))


async def edit(request: Request) -> Response:
    """Run the command of a form; a refusal is shown beside what was typed."""
    return await change(request, FORMS, answer, ROOM)


async def answer(request: Request, drafts: dict[str, Draft], status: int = 200) -> Response:
    """The page of a user, with the forms as they stand."""
    keep, id = keep_of(request), id_of(request)
    row = await keep.reader.get(users.User, id)
    if row is None:
        raise users.UserNotFound(id=id)
    theirs = await keep.ask(characters.list_of_user(user=id))
    bans = await keep.ask(moderation.bans_of(user=id))
    notes = await keep.ask(moderation.list_notes(user=id, limit=NOTES))
    staff = {one for ban in bans for one in (ban.banned_by_id, ban.lifted_by_id)} | {note.author_id for note in notes.items}
    now = keep.clock.now_ms()
    return page(
        request,
        "user.html",
        status,
        room=ROOM,
        who=users.view(row),
        banned=users.is_banned(row, now),
        root=await keep.reader.root(id),
        sessions=await keep.ask(sessions.list_sessions(user=id)),
        characters=theirs,
        bans=bans,
        notes=notes,
        drafts=drafts,
        roles=ROLES,
        lengths=LENGTHS,
        every=EVERY,
        commands=sorted(COMMANDS),
        **await timeline_of(request, id, {one.character_id for one in theirs} | {one for one in staff if one is not None}),
    )


ROUTES = [
    Route("/users", index),
    Route("/users/{id}", show),
    Route("/users/{id}/{form}", edit, methods=["POST"]),
]
