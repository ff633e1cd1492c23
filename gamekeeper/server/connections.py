"""HTTP connections that a slow or endless client cannot hold: bounds that uvicorn leaves to others."""

import asyncio
from asyncio import TimerHandle
from http import HTTPStatus
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gamekeeper.kernel.ids import new_id

from .limits import DEFAULT, Limits
from .problems import HeadersTooLarge, MalformedRequest, problem


class _HeadTooLarge(Exception):
    """Stops the parser."""


class Connection(HttpToolsProtocol):
    """One connection: its requests' heads are bounded in bytes and in time, and rest and close end for certain."""

    limits: ClassVar[Limits] = DEFAULT

    _in_head = False
    _head_bytes = 0
    _head_count = 0
    _head_timer: TimerHandle | None = None
    _too_large = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, unless there are too many; one that says nothing does not stay."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.max_connections:
            transport.abort()
            return
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave no timer behind."""
        self._stop_head_timer()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and see that a head which is not complete yet stays small and comes soon."""
        began_before = self._in_head
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head:
            if began_before:
                self._head_bytes += len(data)
            if self._head_bytes > self.limits.max_header_bytes:
                self._too_large = True
                self.send_400_response("")
            elif self._head_timer is None:
                self._head_timer = self.loop.call_later(self.limits.head_seconds, self.transport.abort)
        elif self.timeout_keep_alive_task is None and (self.cycle is None or self.cycle.response_complete):
            self._rest()

    def _rest(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = self._head_count = 0

    def on_url(self, url: bytes) -> None:
        """Count the request line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header."""
        self._head_count += 1
        if self._head_count > self.limits.max_headers:
            self._too_large = True
            raise _HeadTooLarge
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.limits.max_header_bytes:
            self._too_large = True
            raise _HeadTooLarge

    def on_headers_complete(self) -> None:
        """Stop to count."""
        self._in_head = False
        self._stop_head_timer()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what could not be parsed, as a problem like every other one."""
        error = HeadersTooLarge(limit=self.limits.max_header_bytes) if self._too_large else MalformedRequest(where="request", problem=msg)
        status, headers, body = problem(error, new_id())
        lines = [STATUS_LINE[HTTPStatus(status)]]
        for name, value in [
            *self.server_state.default_headers,
            *headers,
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]:
            lines += [name, b": ", value, b"\r\n"]
        self.transport.write(b"".join([*lines, b"\r\n", body]))
        self.transport.close()

    def timeout_keep_alive_handler(self) -> None:
        """End a connection that rests; an answer that nobody has read by now is not kept for later."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()


def connection_class(limits: Limits) -> type[Connection]:
    """Give the class of connections with these limits, as uvicorn takes it."""
    namespace: dict[str, Any] = {"limits": limits}
    return type("Connection", (Connection,), namespace)
