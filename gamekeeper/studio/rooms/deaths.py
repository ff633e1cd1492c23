"""Deaths of everybody: the gravestones that stand, with what becomes of them next, and who died of what."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gamekeeper.modules import content, npcs
from gamekeeper.studio import queries
from gamekeeper.studio.asking import PAGE, is_id, keep_of, word
from gamekeeper.studio.rendering import page


async def index(request: Request) -> Response:
    """The latest deaths."""
    keep, cursor = keep_of(request), word(request, "cursor") or None
    found = await queries.newest_deaths(keep.reader, limit=PAGE, cursor=cursor)
    killers = {one.killed_by for one in found.items if is_id(one.killed_by)}
    labels = await queries.labels(keep, killers | {one.character_id for one in found.items})
    return page(
        request,
        "deaths.html",
        room="characters",
        found=found,
        cursor=cursor,
        labels=labels,
        definitions=keep.reader.definitions(content.ItemDefinition),
        npcs=keep.reader.definitions(npcs.NpcDefinition),
    )


async def gravestones(request: Request) -> Response:
    """The gravestones that stand, the one that falls next first."""
    keep, cursor = keep_of(request), word(request, "cursor") or None
    found = await queries.standing_gravestones(keep.reader, limit=PAGE, cursor=cursor)
    labels = await queries.labels(keep, {id for one in found.items for id in (one.character_id, one.world_id)})
    now = keep.clock.now_ms()
    return page(request, "gravestones.html", room="characters", found=found, cursor=cursor, labels=labels, now=now)


ROUTES = [Route("/deaths", index), Route("/deaths/gravestones", gravestones)]
