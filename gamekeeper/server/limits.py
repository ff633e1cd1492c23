"""How much one client may ask of the server. What depends on the machine and on what stands before it are settings."""

from typing import Final

from msgspec import Struct

from gamekeeper.config import Settings

_UNSET: Final = Settings()


class Limits(Struct, frozen=True, kw_only=True):
    """The server's bounds. What a client exceeds costs that client only."""

    max_body_bytes: int = 1024 * 1024
    max_buffered_bytes: int = 64 * 1024 * 1024
    """bodies of all requests together, while they are read"""
    max_query_bytes: int = 8 * 1024
    max_parameters: int = 100
    max_headers: int = 64
    max_header_bytes: int = 16 * 1024
    """the request line and all headers together"""
    max_batch: int = 100
    """commands in one `POST /v1/batch`"""
    max_concurrent: int = _UNSET.max_requests
    """requests under way at once; past it callers are told BUSY"""
    max_connections: int = _UNSET.max_connections
    """open connections; past it new ones are closed at once"""
    deadline_seconds: float = _UNSET.request_seconds
    """from the first header to the last byte of the answer"""
    head_seconds: float = 10.0
    """how long a request line and its headers may take"""
    keep_alive_seconds: int = _UNSET.keep_alive_seconds
    """how long a connection may rest between two requests"""
    graceful_seconds: int = _UNSET.shutdown_seconds
    """how long requests may still run once the server was told to stop"""
    ready_seconds: float = 2.0
    """how long the database may take to answer `/readyz`"""


DEFAULT: Final = Limits()


def limits_of(settings: Settings) -> Limits:
    """Give the bounds that an operator has set.

    >>> limits_of(Settings(max_requests=5)).max_concurrent
    5
    """
    return Limits(
        max_concurrent=settings.max_requests,
        max_connections=settings.max_connections,
        deadline_seconds=settings.request_seconds,
        keep_alive_seconds=settings.keep_alive_seconds,
        graceful_seconds=settings.shutdown_seconds,
    )
