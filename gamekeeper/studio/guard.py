"""The Studio's door: nothing passes that does not come from the Studio's own pages, opened by a person who has logged in.

A console on loopback can be reached by every page that the operator's browser opens: through a name that is bound to
127.0.0.1 (so the Host is checked), and by forms that other pages send (so Origin, Sec-Fetch-Site and a token are).
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qsl

from msgspec import Struct
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request, cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gamekeeper.kernel.clock import Clock

from .sessions import Session, Sessions

LOG = logging.getLogger("gamekeeper.studio")

COOKIE: Final = "gamekeeper_studio"
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
SAFE: Final = frozenset({"GET", "HEAD"})
FORM_TYPE: Final = "application/x-www-form-urlencoded"
MAX_FORM_BYTES: Final = 64 * 1024
MAX_FORM_FIELDS: Final = 50

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Visit(Struct):
    """What the door knows of a request that it let in."""

    root: str
    """the path that the Studio is mounted under"""
    session: Session | None
    token: str | None
    form: dict[str, str]


Refusal = Callable[[Scope, int, str], Response]
"""Makes a page for a status and a sentence."""


def visit(request: Request) -> Visit:
    """What the door knows of this request."""
    known: Visit = request.scope["studio.visit"]
    return known


def session_of(request: Request) -> Session:
    """The session of a request to a page that needs one; the door has let no other through."""
    session = visit(request).session
    if session is None:
        raise RuntimeError(f"{request.url.path} was reached without a session")
    return session


class Guard:
    """ASGI middleware: Host, session, origin and token of every request; headers of every answer."""

    def __init__(self, app: ASGIApp, *, sessions: Sessions, clock: Clock, hosts: frozenset[str], refuse: Refusal) -> None:
        self._app = app
        self._sessions = sessions
        self._clock = clock
        self._hosts = LOOPBACK | hosts
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer it here."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sender = _Sender(send)
        try:
            answer = await self._examine(scope, receive) or self._app
            await answer(scope, receive, sender)
        except Exception:
            LOG.exception("the Studio failed at %s %s", scope["method"], scope["path"])
            if sender.started:
                raise
            await self._refuse(scope, 500, "The Studio failed; its log says why.")(scope, receive, sender)

    async def _examine(self, scope: Scope, receive: Receive) -> Response | None:
        headers = Headers(scope=scope)
        token = _cookie(headers)
        session = self._sessions.find(token, self._clock.now_ms())
        known = scope["studio.visit"] = Visit(scope.get("root_path", "").rstrip("/"), session, token, {})
        if not self._host_is_ours(headers):
            return PlainTextResponse("This is not the address of the Studio.\n", 421)
        path = scope["path"].removeprefix(known.root)
        if scope["method"] in SAFE:
            return None if session is not None or _open_to_all(path) else self._show_door(scope, headers)
        if not _comes_from_us(headers):
            return self._refuse(scope, 403, "The request comes from another site.")
        if session is None:
            return self._show_door(scope, headers)
        return await self._read_form(scope, receive, headers, known, session)

    async def _read_form(self, scope: Scope, receive: Receive, headers: Headers, known: Visit, session: Session) -> Response | None:
        if headers.get("content-type", "").split(";")[0].strip().lower() != FORM_TYPE:
            return self._refuse(scope, 415, f"Forms are sent as {FORM_TYPE}.")
        body = await _body(receive)
        if body is None:
            return self._refuse(scope, 413, "The form is too large.")
        try:
            fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS, errors="strict")
        except ValueError:
            return self._refuse(scope, 400, "The form cannot be read.")
        known.form = dict(fields)
        given = headers.get("x-studio-token") or known.form.pop("csrf", "")
        if not hmac.compare_digest(given.encode(), session.csrf.encode()):
            return self._refuse(scope, 403, "The form's token is missing or is not the session's.")
        return None

    def _host_is_ours(self, headers: Headers) -> bool:
        hosts = headers.getlist("host")
        return len(hosts) == 1 and _without_port(hosts[0].lower()) in self._hosts

    def _show_door(self, scope: Scope, headers: Headers) -> Response:
        if headers.get("hx-request"):
            # A page that refreshes itself goes to the door as a whole.
            return Response(status_code=401, headers={"HX-Redirect": f"{scope['studio.visit'].root}/"})
        return self._refuse(scope, 401, "")


class _Sender:
    """Adds the headers to an answer, and knows whether it has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)


def log_in(sessions: Sessions, clock: Clock) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of a login link: a good ticket sets the cookie, once."""

    async def login(request: Request) -> Response:
        root = visit(request).root
        answer: Response = RedirectResponse(f"{root}/", 303)
        # A HEAD only looks: it must not use the ticket up.
        opened = sessions.redeem(request.query_params.get("ticket", ""), clock.now_ms()) if request.method == "GET" else None
        if opened is not None:
            token, _ = opened
            seconds = (opened[1].ends_at - clock.now_ms()) // 1000
            secure = request.url.scheme == "https"
            answer.set_cookie(COOKIE, token, max_age=seconds, path=root or "/", secure=secure, httponly=True, samesite="strict")
        elif visit(request).session is None:
            answer = RedirectResponse(f"{root}/?link=over", 303)
        return answer

    return login


def log_out(sessions: Sessions) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint that ends the session."""

    async def logout(request: Request) -> Response:
        known = visit(request)
        sessions.end(known.token)
        answer = RedirectResponse(f"{known.root}/", 303)
        answer.delete_cookie(COOKIE, path=known.root or "/", httponly=True, samesite="strict")
        return answer

    return logout


def _open_to_all(path: str) -> bool:
    return path == "/login" or path.startswith("/static/")


def _cookie(headers: Headers) -> str | None:
    # Cookies know no ports: other programs on this host may have set some that a strict reader would stumble over.
    return cookie_parser("; ".join(headers.getlist("cookie"))).get(COOKIE)


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def _comes_from_us(headers: Headers) -> bool:
    """Whether an unsafe request was made by a page of ours; a program without a browser says neither, and the token decides."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site not in (None, "same-origin"):
        return False
    if origin is None:
        return True
    # Our pages send no referrer, so that browsers call the origin of their plain forms "null".
    if origin == "null":
        return site == "same-origin"
    return origin.partition("://")[2].lower() == headers.get("host", "").lower()


async def _body(receive: Receive) -> bytes | None:
    """The request's body; None when it is too large or was cut off."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > MAX_FORM_BYTES:
            return None
        if not message.get("more_body", False):
            return body
