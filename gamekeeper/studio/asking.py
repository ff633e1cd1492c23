"""What every room asks of a request."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request

from gamekeeper.errors import InvalidArgument, Kind
from gamekeeper.keep import Keep
from gamekeeper.kernel.ids import ID_PATTERN

PAGE: Final = 50
"""Rows of a list."""
LONGEST_QUERY: Final = 512
DAY_MS: Final = 86_400_000

STATUS: Final = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.REFUSED: 409,
    Kind.STALE: 409,
    Kind.MISMATCH: 409,
    Kind.BUSY: 503,
    Kind.TOO_OFTEN: 429,
    Kind.UNAVAILABLE: 503,
    Kind.INTERNAL: 500,
}


def keep_of(request: Request) -> Keep:
    """The keep that the Studio looks into."""
    keep: Keep = request.app.state.keep
    return keep


def is_id(text: str) -> bool:
    """Tell whether a text can be an id."""
    return re.match(ID_PATTERN, text) is not None


def id_of(request: Request) -> str:
    """The id in the path.

    Raises: HTTPException 404 when no id looks like that.
    """
    id: str = request.path_params["id"]
    if not is_id(id):
        raise HTTPException(404)
    return id


def word(request: Request, name: str) -> str:
    """A word of the address's query; empty when it is missing.

    Raises: INVALID_ARGUMENT for one that no page makes.
    """
    text = request.query_params.get(name, "").strip()
    if len(text) > LONGEST_QUERY or "\0" in text:
        raise InvalidArgument(path=f"/{name}", problem=f"at most {LONGEST_QUERY} characters, and no NUL")
    return text


def one_of(request: Request, name: str, known: Collection[str]) -> str:
    """A word of the address's query that is one of a few; empty when it is missing.

    Raises: INVALID_ARGUMENT for another one.
    """
    text = word(request, name)
    if text and text not in known:
        raise InvalidArgument(path=f"/{name}", problem=f"one of {', '.join(known)}")
    return text


def day_of(request: Request, name: str) -> int | None:
    """The moment at which a day (UTC) of the address's query begins; None when it is missing.

    Raises: INVALID_ARGUMENT for what is no day.
    """
    text = word(request, name)
    if not text:
        return None
    try:
        at = int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise InvalidArgument(path=f"/{name}", problem="a day, as 2026-12-31") from None
    return max(at, 0)


def wants_part(request: Request) -> bool:
    """Tell whether the page's own script asks for the next rows of a list that is shown already."""
    return request.headers.get("hx-request") == "true" and "cursor" in request.query_params
