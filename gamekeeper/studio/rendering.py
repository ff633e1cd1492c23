"""Templates, and the answer that a page is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Scope

from gamekeeper.modules import presence

from . import shown
from .assets import ASSETS
from .guard import Visit, session_of, visit

ENVIRONMENT = Environment(
    loader=PackageLoader("gamekeeper.studio"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=shown.shown,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
ENVIRONMENT.filters.update(
    typed=shown.typed,
    lines=shown.lines,
    json=shown.as_json,
    number=shown.number,
    points=shown.points,
    times=shown.times,
    signed=shown.signed,
    pretty=shown.pretty,
    time=shown.time,
    short=shown.short,
    span=presence.span,
    change=shown.change_view,
    value=shown.value_text,
)
ENVIRONMENT.globals.update(in_short=shown.in_short, arguments_in_short=shown.arguments_in_short)


def address(root: str, *parts: str, **query: Any) -> str:
    """The address of a page: path parts and values are quoted, empty values left out."""
    path = "/".join(quote(part, safe="") for part in parts)
    words = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{root}/{path}" + (f"?{urlencode(words)}" if words else "")


def asset_address(root: str, name: str) -> str:
    """The address of one of the Studio's files."""
    return f"{root}/static/{name}?v={ASSETS[name].digest}"


def render(known: Visit, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page, or a part of one."""
    session = known.session
    notices: list[str] = []
    if session is not None and template != "home_live.html":
        notices, session.notices = session.notices, []
    text = ENVIRONMENT.get_template(template).render(
        to=partial(address, known.root), asset=partial(asset_address, known.root), session=session, notices=notices, **values
    )
    return HTMLResponse(text, status)


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page of a request, with the room that it belongs to."""
    return render(visit(request), template, status, **values)


def notice_page(scope: Scope, status: int, sentence: str) -> Response:
    """A page that only says something: a refusal, an error, or how to get in."""
    known: Visit = scope["studio.visit"]
    if status == 401:
        over = b"link=over" in scope.get("query_string", b"")
        return render(known, "door.html", 401, over=over)
    return say(known, status, sentence)


def say(known: Visit, status: int, sentence: str, code: str = "", facts: Sequence[tuple[str, str]] = ()) -> Response:
    """A page with one sentence, and the error's code and facts when there is one."""
    heading = HEADINGS.get(status, "That did not work")
    return render(known, "notice.html", status, heading=heading, sentence=sentence, code=code, facts=facts, room="")


HEADINGS = {
    400: "That cannot be read",
    403: "That is refused",
    404: "There is no such page",
    405: "That cannot be done here",
    413: "That is too large",
    415: "That cannot be read",
    500: "Something broke",
    503: "The database does not answer",
}


def go_to(request: Request, *parts: str, notice: str = "", fragment: str = "", **query: str) -> Response:
    """Send the browser to another page, or to a part of it; the page says the notice."""
    if notice:
        session_of(request).notices.append(notice)
    return RedirectResponse(address(visit(request).root, *parts, **query) + (f"#{fragment}" if fragment else ""), 303)
