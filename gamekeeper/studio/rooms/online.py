"""Online: who plays where, since when, and how many that are in each world and on each server."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gamekeeper.modules import presence
from gamekeeper.studio import queries
from gamekeeper.studio.asking import PAGE, keep_of, word
from gamekeeper.studio.rendering import page


async def index(request: Request) -> Response:
    """The list of those who play."""
    return page(request, "online.html", room="online", **await _live(request))


async def live(request: Request) -> Response:
    """The part of the room that refreshes itself."""
    return page(request, "online_live.html", **await _live(request))


async def _live(request: Request) -> dict[str, Any]:
    keep = keep_of(request)
    world, server, cursor = (word(request, name) or None for name in ("world", "server", "cursor"))
    found = await keep.ask(presence.online(world_id=world, server_id=server, limit=PAGE, cursor=cursor))
    counted = await keep.ask(presence.counts())
    labels = await queries.labels(keep, {*counted.by_world, *(one.user_id for one in found.items if one.user_id is not None)})
    return {"found": found, "counted": counted, "labels": labels, "world": world, "server": server, "cursor": cursor}


ROUTES = [Route("/online", index), Route("/online/live", live)]
