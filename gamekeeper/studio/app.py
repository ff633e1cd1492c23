"""The Studio as an ASGI app, to be run alone or mounted into another one."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gamekeeper.errors import GameError
from gamekeeper.keep import Keep

from . import assets, problems
from .asking import STATUS
from .guard import Guard, log_in, log_out, visit
from .rendering import notice_page, say
from .rooms import (
    characters,
    chat,
    configs,
    deaths,
    economy,
    home,
    items,
    jobs,
    journal,
    moderation,
    online,
    packs,
    seasons,
    sessions,
    trades,
    users,
)
from .sessions import Sessions


def make_studio(keep: Keep, *, secret: str | None = None, hosts: Iterable[str] = ()) -> Starlette:
    """The web console of an open keep.

    secret: with it, another process that knows it can make login links (`sign_login_link`).
    hosts: names, besides those of loopback, under which the Studio is reached; without a port.
    """
    problems.listen()
    opened = Sessions(secret, keep.clock.now_ms())
    names = frozenset(host.lower() for host in hosts)
    app = Starlette(
        routes=[
            Route("/login", log_in(opened, keep.clock)),
            Route("/logout", log_out(opened), methods=["POST"]),
            Route("/static/{name:path}", assets.serve),
            *home.ROUTES,
            *characters.ROUTES,
            *deaths.ROUTES,
            *users.ROUTES,
            *online.ROUTES,
            *sessions.ROUTES,
            *moderation.ROUTES,
            *chat.ROUTES,
            *trades.ROUTES,
            *economy.ROUTES,
            *journal.ROUTES,
            *jobs.ROUTES,
            *items.ROUTES,
            *packs.ROUTES,
            *configs.ROUTES,
            *seasons.ROUTES,
        ],
        middleware=[Middleware(Guard, sessions=opened, clock=keep.clock, hosts=names, refuse=notice_page)],
        exception_handlers={GameError: _refused, HTTPException: _http},
    )
    app.state.keep = keep
    app.state.sessions = opened
    app.state.pulse = home.Pulse()
    app.state.ledger = economy.Ledger(keep)
    return app


def make_login_link(studio: Starlette, base_url: str, *, operator: str = "local") -> str:
    """A link that opens the Studio once, within ten minutes; commands are then done by `operator:<name>`.

    base_url: where the Studio is mounted, as the browser sees it: `http://127.0.0.1:8420/studio`.
    """
    sessions: Sessions = studio.state.sessions
    keep: Keep = studio.state.keep
    return login_address(base_url, sessions.ticket(operator, keep.clock.now_ms()))


def sign_login_link(secret: str, base_url: str, now_ms: int, *, operator: str = "local") -> str:
    """The same link, made by another process that knows the Studio's secret."""
    return login_address(base_url, Sessions(secret, now_ms).ticket(operator, now_ms))


def login_address(base_url: str, ticket: str) -> str:
    """The address of a login link."""
    return f"{base_url.rstrip('/')}/login?{urlencode({'ticket': ticket})}"


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, GameError):  # pragma: no cover - it is registered for this class only
        raise error
    facts = [(name, str(value)) for name, value in error.facts.items()]
    return say(visit(request), STATUS[error.kind], error.message, error.code, facts)


async def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return notice_page(request.scope, status, "Nothing is kept under this address." if status == 404 else "")
