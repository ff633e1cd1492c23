"""Chat: what was said aloud, and what was said around a message. A whisper is shown only to whoever was told its id."""

from __future__ import annotations

from typing import Final, cast, get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gamekeeper.errors import InvalidArgument
from gamekeeper.modules import chat, worlds
from gamekeeper.studio import queries
from gamekeeper.studio.asking import PAGE, id_of, keep_of, one_of, word
from gamekeeper.studio.finding import character_meant
from gamekeeper.studio.rendering import go_to, page

ROOM: Final = "chat"
CHANNELS: Final[tuple[str, ...]] = get_args(chat.Aloud)
NEAR: Final = 20
"""Messages that are shown before and after one."""
WORLDS: Final = 200
"""Worlds from which one is chosen; others are reached by their address."""


async def index(request: Request) -> Response:
    """What was said aloud in a world, the newest first."""
    keep, cursor = keep_of(request), word(request, "cursor") or None
    known = (await keep.ask(worlds.list_worlds(limit=WORLDS))).items
    world = word(request, "world") or (known[0].world_id if known else worlds.DEFAULT)
    room, channel = word(request, "room"), one_of(request, "channel", CHANNELS)
    author = await character_meant(keep, word(request, "author"), world)
    found = chat.Spoken([], None, None)
    if not author.unknown:
        said = cast("chat.Aloud | None", channel or None)
        found = await keep.ask(chat.spoken(world=world, room=room or None, character=author.id, channel=said, limit=PAGE, before=cursor))
    return page(
        request,
        "chat.html",
        room=ROOM,
        found=found,
        worlds=known,
        world=world,
        place=room,
        channel=channel,
        channels=CHANNELS,
        author=author,
        cursor=cursor,
        labels=await queries.labels(keep, _people(found.items)),
    )


async def message(request: Request) -> Response:
    """Lead from a world and a message's id, as somebody reported them, to the message."""
    world, id = word(request, "world"), word(request, "id")
    if not world or not id:
        raise InvalidArgument(path="/id", problem="a world and a message's id are needed")
    return go_to(request, "chat", world, id)


async def around(request: Request) -> Response:
    """One message, and what was said around it."""
    keep, world = keep_of(request), request.path_params["world"]
    found = await keep.ask(chat.around(world=world, message_id=id_of(request), near=NEAR))
    lines = [*found.before, found.message, *found.after]
    labels = await queries.labels(keep, {*_people(lines), world})
    return page(request, "message.html", room=ROOM, found=found, lines=lines, world=world, labels=labels)


def _people(lines: list[chat.ChatMessage]) -> set[str]:
    return {id for one in lines for id in (one.character_id, one.user_id, one.recipient_character_id) if id is not None}


ROUTES = [Route("/chat", index), Route("/chat/message", message), Route("/chat/{world}/{id}", around)]
