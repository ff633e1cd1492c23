"""How much one client may ask of the server."""

from msgspec import Struct


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
    max_concurrent: int = 1_000
    """requests under way at once; past it callers are told BUSY"""
    max_connections: int = 10_000
    """open connections; past it new ones are closed at once"""
    deadline_seconds: float = 30.0
    """from the first header to the last byte of the answer"""
    head_seconds: float = 10.0
    """how long a request line and its headers may take"""
    keep_alive_seconds: int = 15
    """how long a connection may rest between two requests"""
    graceful_seconds: int = 20
    """how long requests may still run once the server was told to stop"""
    ready_seconds: float = 2.0
    """how long the database may take to answer `/readyz`"""


DEFAULT = Limits()
