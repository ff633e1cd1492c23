"""What a request says, read within the limits: headers, query string, body."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope

from gamekeeper.errors import Busy, InvalidArgument
from gamekeeper.kernel import gate
from gamekeeper.kernel.ids import new_id

from .limits import Limits
from .problems import RETRY_SECONDS, BodyTooLarge, HeadersTooLarge, MalformedRequest, QueryTooLong, UnsupportedMediaType

MAX_KEY: Final = 255
MAX_REASON: Final = 1_000
MAX_REASON_BYTES: Final = 4 * MAX_REASON
MIN_ANONYMOUS_KEY: Final = 16
"""Callers without a token share an address with others: a key that is easy to guess would give them each other's answers."""

_READ: Final = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-type",
        b"idempotency-key",
        b"if-match",
        b"if-none-match",
        b"x-reason",
        b"x-request-id",
    }
)
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._\-]{1,64}")
_KEY: Final = re.compile(rb"[\x21-\x7e]{1,%d}" % MAX_KEY)
_VERSION_TAG: Final = re.compile(rb'"v([0-9]{1,16})(?:-[0-9a-f]{1,64})?"')
_JSON: Final = re.compile(rb'application/json(?:\s*;\s*charset="?utf-8"?)?\s*', re.IGNORECASE)


class ClientGone(Exception):
    """The client hung up before it had said everything."""


class Request:
    """One request: its line, and the headers that mean something here."""

    __slots__ = ("address", "headers", "id", "method", "receive", "scope")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive
        self.method: str = scope["method"]
        client = scope.get("client")
        self.address: str = client[0] if client else "unknown"
        self.headers: dict[bytes, bytes] = {}
        self.id = _request_id(scope["headers"])

    def read_headers(self, limits: Limits) -> None:
        """Take in the headers.

        Raises: HEADERS_TOO_LARGE, MALFORMED_REQUEST for one that stands twice.
        """
        given, size = self.scope["headers"], 0
        if len(given) > limits.max_headers:
            raise HeadersTooLarge(limit=limits.max_headers)
        for name, value in given:
            size += len(name) + len(value)
            if name in _READ:
                if name in self.headers:
                    raise MalformedRequest(where=name.decode(), problem="stands more than once")
                self.headers[name] = value
        if size > limits.max_header_bytes:
            raise HeadersTooLarge(limit=limits.max_header_bytes)

    def idempotency_key(self, *, anonymous: bool) -> str | None:
        """Give the Idempotency-Key.

        Raises: MALFORMED_REQUEST.
        """
        value = self.headers.get(b"idempotency-key")
        if value is None:
            return None
        if _KEY.fullmatch(value) is None:
            raise MalformedRequest(where="idempotency-key", problem=f"1 to {MAX_KEY} visible characters")
        if anonymous and len(value) < MIN_ANONYMOUS_KEY:
            raise MalformedRequest(
                where="idempotency-key", problem=f"at least {MIN_ANONYMOUS_KEY} characters from a caller without a token"
            )
        return value.decode()

    def reason(self) -> str | None:
        """Give the X-Reason, as UTF-8.

        Raises: MALFORMED_REQUEST.
        """
        value = self.headers.get(b"x-reason")
        if value is None:
            return None
        try:
            text = value[: MAX_REASON_BYTES + 1].decode().strip()
        except UnicodeDecodeError:
            raise MalformedRequest(where="x-reason", problem="not UTF-8") from None
        if not 1 <= len(text) <= MAX_REASON or not text.isprintable():
            raise MalformedRequest(where="x-reason", problem=f"1 to {MAX_REASON} characters, none of them a control character")
        return text

    def expected_version(self) -> int | None:
        """Give the version of If-Match. `*` asks for no more than what holds anyway: that the owner exists.

        Raises: MALFORMED_REQUEST.
        """
        value = self.headers.get(b"if-match")
        if value is None or value.strip() == b"*":
            return None
        tag = _VERSION_TAG.fullmatch(value.strip())
        if tag is None:
            raise MalformedRequest(where="if-match", problem='one version like "v17", or *')
        return int(tag[1])

    def knows(self, tag: bytes) -> bool:
        """Say whether If-None-Match names this tag."""
        value = self.headers.get(b"if-none-match")
        if value is None:
            return False
        return tag in (one.strip().removeprefix(b"W/") for one in value.split(b","))

    def require_json(self) -> None:
        """Refuse a body of another type, and a compressed one, which could be a bomb.

        Raises: UNSUPPORTED_MEDIA_TYPE.
        """
        if _JSON.fullmatch(self.headers.get(b"content-type", b"")) is None:
            raise UnsupportedMediaType
        if self.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise UnsupportedMediaType

    def parameters(self, limits: Limits, lists: frozenset[str]) -> dict[str, Any]:
        """Give the arguments of the query string; those in `lists` may be repeated.

        Raises: QUERY_TOO_LONG, MALFORMED_REQUEST, INVALID_ARGUMENT.
        """
        raw: bytes = self.scope.get("query_string", b"")
        if not raw:
            return {}
        if len(raw) > limits.max_query_bytes or raw.count(b"&") >= limits.max_parameters:
            raise QueryTooLong(bytes=limits.max_query_bytes, parameters=limits.max_parameters)
        try:
            pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict")
        except ValueError:
            raise MalformedRequest(where="query", problem="percent-encoded UTF-8 is expected") from None
        return _arguments(pairs, lists)


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Give the caller's own X-Request-Id if it is harmless, else a new one."""
    for name, value in headers:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value) is not None:
            return value.decode()
    return new_id()


def _arguments(pairs: Iterable[tuple[str, str]], lists: frozenset[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if "\0" in value:
            raise InvalidArgument(path=f"/{name}", problem="text holds a NUL character")
        if name in lists:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise InvalidArgument(path=f"/{name}", problem="given more than once")
        else:
            values[name] = value
    return values


class Buffered:
    """The bytes of all bodies that are being read, so that many clients together cannot fill the memory."""

    __slots__ = ("_limit", "_used")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0

    async def read(self, receive: Receive, limits: Limits) -> bytes:
        """Read a body; what a Content-Length promises is not trusted.

        Raises: BODY_TOO_LARGE, BUSY; ClientGone.
        """
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            return _checked(message.get("body", b""), limits)
        parts: list[bytes] = []
        size = 0
        try:
            while message["type"] == "http.request":
                part = message.get("body", b"")
                size += len(part)
                self._used += len(part)
                parts.append(part)
                if size > limits.max_body_bytes:
                    raise BodyTooLarge(limit=limits.max_body_bytes)
                if self._used > self._limit:
                    raise Busy(retry_after_seconds=RETRY_SECONDS)
                if not message.get("more_body", False):
                    return b"".join(parts)
                message = await receive()
            raise ClientGone
        finally:
            self._used -= size


def _checked(body: bytes, limits: Limits) -> bytes:
    if len(body) > limits.max_body_bytes:
        raise BodyTooLarge(limit=limits.max_body_bytes)
    return body


def object_of(body: bytes) -> dict[str, Any]:
    """Give the arguments that a body holds.

    Raises: INVALID_JSON, INVALID_ARGUMENT.
    """
    value = gate.parse(body)
    if not isinstance(value, dict):
        raise InvalidArgument(path="", problem="a JSON object of arguments is expected")
    return value


def calls_of(body: bytes, limits: Limits) -> list[tuple[str, dict[str, Any]]]:
    """Give the names and arguments of a batch.

    Raises: INVALID_JSON, INVALID_ARGUMENT.
    """
    value = gate.parse(body)
    if not isinstance(value, list) or not 1 <= len(value) <= limits.max_batch:
        raise InvalidArgument(path="", problem=f"a list of 1 to {limits.max_batch} objects with command and arguments is expected")
    return [_call_of(position, one) for position, one in enumerate(value)]


def _call_of(position: int, value: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(value, Mapping) and value.keys() <= {"command", "arguments"}:
        name, arguments = value.get("command"), value.get("arguments", {})
        if isinstance(name, str) and isinstance(arguments, dict):
            return name, arguments
    raise InvalidArgument(path=f"/{position}", problem="an object with command and arguments is expected")
