"""Errors as RFC 9457 problems: one shape for whatever is not a success."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Final

import msgspec

from gamekeeper.errors import GameError, Kind, VersionConflict
from gamekeeper.kernel.gate import InvalidJson

Headers = list[tuple[bytes, bytes]]
Answer = tuple[int, Headers, bytes]
"""Status, headers and body."""

PROBLEMS: Final = "/problems/"
STATUS: Final[Mapping[Kind, int]] = {
    Kind.INVALID: 422,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.REFUSED: 409,
    Kind.STALE: 412,
    Kind.MISMATCH: 422,
    Kind.BUSY: 503,
    Kind.TOO_OFTEN: 429,
    Kind.UNAVAILABLE: 503,
    Kind.INTERNAL: 500,
}
RETRY_SECONDS: Final = 1.0
"""When to try again, if the error does not say."""

_JSON_STATUS: Final[Mapping[str, int]] = {"syntax": 400, "not_utf8": 400, "too_large": 413}
_OWN_MEMBERS: Final = frozenset(
    {"type", "title", "status", "detail", "instance", "code", "errors", "retryable", "retry_after_ms", "current_version"}
)
_LATER: Final = frozenset({Kind.BUSY, Kind.TOO_OFTEN})
"""Kinds of errors before which nothing was done, so that trying again later does no harm."""
_KEPT_INSIDE: Final = frozenset({Kind.UNAVAILABLE, Kind.INTERNAL})
"""Kinds whose facts tell of our own machinery: hosts, paths, words of a driver."""
_ENCODE: Final = msgspec.json.Encoder().encode


class HttpError(GameError):
    """The request is not one that this server answers."""

    code = "HTTP_ERROR"
    kind = Kind.INVALID
    status: ClassVar[int] = 400


class MalformedRequest(HttpError):
    """A part of the request besides its body is not what it should be."""

    code = "MALFORMED_REQUEST"
    where: str
    problem: str


class IdempotencyKeyRequired(HttpError):
    """The command can change something of value, so it needs an Idempotency-Key."""

    code = "IDEMPOTENCY_KEY_REQUIRED"


class ReasonRequired(HttpError):
    """Staff, and operators who change something of value, give a reason, in X-Reason or the command's own argument for it."""

    code = "REASON_REQUIRED"


class RouteNotFound(HttpError):
    """Nothing is here."""

    code = "ROUTE_NOT_FOUND"
    kind = Kind.NOT_FOUND
    status = 404


class MethodNotAllowed(HttpError):
    """The method is not one of those that work here."""

    code = "METHOD_NOT_ALLOWED"
    status = 405
    allowed: list[str]


class BodyTooLarge(HttpError):
    """The body has more bytes than the server reads."""

    code = "BODY_TOO_LARGE"
    status = 413
    limit: int


class QueryTooLong(HttpError):
    """The query string has more bytes or parameters than the server reads."""

    code = "QUERY_TOO_LONG"
    status = 414


class UnsupportedMediaType(HttpError):
    """The body must be application/json, without a content coding."""

    code = "UNSUPPORTED_MEDIA_TYPE"
    status = 415


class TooManyRequests(HttpError):
    """This was done too often; it may be done again after the given time."""

    code = "TOO_MANY_REQUESTS"
    kind = Kind.TOO_OFTEN
    status = 429
    retry_after_seconds: float


class HeadersTooLarge(HttpError):
    """The request has more headers, or more bytes of them, than the server reads."""

    code = "HEADERS_TOO_LARGE"
    status = 431


class TimedOut(HttpError):
    """The answer took too long; a command may have been done, which the same Idempotency-Key tells."""

    code = "TIMED_OUT"
    kind = Kind.UNAVAILABLE
    status = 503


class NotReady(HttpError):
    """The server cannot do its work at this moment."""

    code = "NOT_READY"
    kind = Kind.UNAVAILABLE
    status = 503


class ProviderUnavailable(HttpError):
    """The provider cannot be reached, or its answers make no sense."""

    code = "PROVIDER_UNAVAILABLE"
    kind = Kind.UNAVAILABLE
    status = 503


class ProviderRefused(HttpError):
    """The provider, or the player there, said no; `problem` is its word for it."""

    code = "PROVIDER_REFUSED"
    kind = Kind.FORBIDDEN
    status = 403
    problem: str


class SignInStateInvalid(HttpError):
    """The login was not begun by this browser, took too long, or has ended already; begin again."""

    code = "SIGN_IN_STATE_INVALID"
    status = 400


class IdTokenInvalid(HttpError):
    """What the provider says of the player cannot be believed; `problem` says which check failed."""

    code = "ID_TOKEN_INVALID"
    kind = Kind.UNAUTHENTICATED
    status = 401
    problem: str


class InternalError(HttpError):
    """Something went wrong here; the log knows more under the request's id."""

    code = "INTERNAL_ERROR"
    kind = Kind.INTERNAL
    status = 500


def kind_of(error: GameError) -> Kind:
    """Give an error's kind, whatever its facts are called."""
    return type(error).kind


def status_of(error: GameError) -> int:
    """Give the HTTP status of an error.

    >>> from gamekeeper.errors import NameTaken
    >>> status_of(NameTaken(name="ada")), status_of(InvalidJson("syntax")), status_of(InvalidJson("nul", "/name"))
    (409, 400, 422)
    """
    if isinstance(error, HttpError):
        return error.status
    if isinstance(error, InvalidJson):
        return _JSON_STATUS.get(error.problem, STATUS[kind_of(error)])
    return STATUS[kind_of(error)]


def type_of(code: str) -> str:
    """Give the address that stands for a code.

    >>> type_of("NAME_TAKEN")
    '/problems/name-taken'
    """
    return PROBLEMS + code.lower().replace("_", "-")


def known_errors(kind: type[GameError] = GameError) -> Iterator[type[GameError]]:
    """Give every declared error."""
    yield kind
    for one in kind.__subclasses__():
        yield from known_errors(one)


def explained(path: str) -> dict[str, str] | None:
    """Say what stands at the address of a problem's type; None when no error has it."""
    for kind in known_errors():
        if type_of(kind.code) == path:
            return {"type": path, "title": (kind.__doc__ or kind.code).strip().splitlines()[0], "code": kind.code, "kind": kind.kind.value}
    return None


def problem(error: GameError, request_id: str, *, repeatable: bool = True) -> Answer:
    """Give the answer to an error.

    repeatable: whether the same request again could do no harm, so that trying again may be advised.
    """
    status, kind = status_of(error), kind_of(error)
    members = _members(error, status, request_id)
    headers: Headers = [(b"content-type", b"application/problem+json")]
    if kind in _LATER or kind is Kind.UNAVAILABLE:
        seconds = float(error.facts.get("retry_after_seconds", RETRY_SECONDS))
        members["retry_after_ms"] = round(seconds * 1000)
        members["retryable"] = kind in _LATER or repeatable
        headers.append((b"retry-after", b"%d" % max(1, -int(-seconds // 1))))
    if status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", ", ".join(error.allowed).encode()))
    if status in (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE):
        headers.append((b"connection", b"close"))  # what is left of the request is not waited for
    return status, headers, _ENCODE(members)


def _members(error: GameError, status: int, request_id: str) -> dict[str, Any]:
    code = type(error).code
    members: dict[str, Any] = {
        "type": type_of(code),
        "title": error.message,
        "status": status,
        "detail": _detail(error),
        "instance": request_id,
        "code": code,
        "retryable": False,
    }
    if kind_of(error) in _KEPT_INSIDE:
        return members
    if isinstance(error.facts.get("path"), str):
        members["errors"] = [{"pointer": error.facts["path"], "message": _message(error)}]
    if isinstance(error, VersionConflict):
        members["current_version"] = error.facts.get("current")
    members.update(_shown(error))
    return members


def _shown(error: GameError) -> Iterator[tuple[str, Any]]:
    for name, value in error.facts.items():
        if name not in _OWN_MEMBERS:
            try:
                yield name, msgspec.to_builtins(value)
            except (TypeError, ValueError):
                continue


def _message(error: GameError) -> str:
    return str(error.facts.get("detail") or error.facts.get("problem") or error.message)


def _detail(error: GameError) -> str:
    if kind_of(error) in _KEPT_INSIDE:
        return error.message
    message, path = _message(error), error.facts.get("path")
    return f"{path}: {message}" if isinstance(path, str) and path else message
