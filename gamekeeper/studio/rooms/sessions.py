"""Sessions: who is logged in at this moment, from where and since when."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gamekeeper.kernel.queries import Page
from gamekeeper.modules import sessions
from gamekeeper.studio import queries
from gamekeeper.studio.asking import PAGE, keep_of, word
from gamekeeper.studio.finding import user_meant
from gamekeeper.studio.rendering import page

from .user_forms import EVERY


async def index(request: Request) -> Response:
    """The list of live sessions, of everybody or of one user."""
    keep, cursor = keep_of(request), word(request, "cursor") or None
    user = await user_meant(keep, word(request, "user"))
    found: Page[sessions.LiveSession] = Page([])
    if not user.unknown:
        found = await keep.ask(sessions.list_live(user=user.id, limit=PAGE, cursor=cursor))
    labels = await queries.labels(keep, [one.character_id for one in found.items if one.character_id is not None])
    now = keep.clock.now_ms()
    return page(request, "sessions.html", room="sessions", found=found, user=user, cursor=cursor, labels=labels, every=EVERY, now=now)


ROUTES = [Route("/sessions", index)]
