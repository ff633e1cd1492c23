"""Serving a keep: uvicorn with explicit limits, and an end without loss."""

import asyncio
import contextlib
import ipaddress
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from gamekeeper.config import Settings
from gamekeeper.errors import InvalidArgument, StoreUnavailable
from gamekeeper.jobs import run_jobs
from gamekeeper.keep import Keep, open_keep
from gamekeeper.kernel.store.base import CONTENT_OWNER

from .app import make_app
from .connections import connection_class
from .limits import Limits, limits_of
from .rates import Rates

Studio = Callable[[Keep], ASGIApp]
"""Makes the application at `/studio`, once the keep is open."""
CONTENT_SECONDS: Final = 1.0
"""How often a server looks whether another process has loaded content."""
Started = Callable[[Keep, str], None]
"""Is told the keep and the address, once requests are taken."""


class _Opening:
    """The application that opens its keep when the server starts, and closes it when the server has stopped."""

    def __init__(self, settings: Settings, studio: Studio | None, limits: Limits, *, create: bool) -> None:
        self._settings = settings
        self._studio = studio
        self._limits = limits
        self._create = create
        self._app: ASGIApp | None = None
        self.keep: Keep | None = None
        self.error: Exception | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request with the opened keep."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._app is not None:
            await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Hold the keep open. The server says "shutdown" when it takes no more requests and has answered those that it had."""
        await receive()
        stage = "startup"
        try:
            async with (
                open_keep(self._settings, create=self._create) as keep,
                contextlib.aclosing(Rates(keep)) as rates,
                run_jobs(keep) if self._settings.run_jobs else contextlib.nullcontext(),
            ):
                self.keep = keep
                studio = None if self._studio is None else self._studio(keep)
                self._app = make_app(keep, studio=studio, limits=self._limits, rates=rates)
                following = asyncio.create_task(follow_content(keep))
                try:
                    await send({"type": "lifespan.startup.complete"})
                    stage = "shutdown"
                    await receive()
                finally:
                    following.cancel()
        except Exception as error:  # noqa: BLE001 - whoever called `run` gets it
            self.error = error
            await send({"type": f"lifespan.{stage}.failed", "message": ""})
        else:
            await send({"type": "lifespan.shutdown.complete"})


async def follow_content(keep: Keep) -> None:
    """Take up what other processes load, also while nothing is written here: a write would tell, and a server may only be asked."""
    while True:
        await asyncio.sleep(CONTENT_SECONDS)
        # When the database is away, whoever asks for something is told so.
        with contextlib.suppress(StoreUnavailable):
            if (await keep.version(CONTENT_OWNER) or 0) != keep.runner.content_version:
                await keep.load_content()


class Server(uvicorn.Server):
    """uvicorn's server, which tells where it listens and ends by returning, so that what went wrong at the end is not lost."""

    def __init__(self, config: uvicorn.Config, opening: _Opening, on_start: Started | None) -> None:
        super().__init__(config)
        self._opening = opening
        self._on_start = on_start
        self._interrupted = False

    @property
    def address(self) -> str:
        """Where it listens, once it does."""
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen.

        Raises: what opening the keep raises; INVALID_ARGUMENT for an address that is not to be had.
        """
        try:
            await super().startup(sockets)
        except SystemExit:
            raise self._opening.error or InvalidArgument(path="/port", problem="the server cannot listen there") from None
        if self.started and self._on_start is not None and self._opening.keep is not None:
            self._on_start(self._opening.keep, self.address)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGTERM and SIGINT, without raising them again: that would end the process before its error is told."""
        with super().capture_signals():
            try:
                yield
            finally:
                self._interrupted = signal.SIGINT in self._captured_signals
                self._captured_signals.clear()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to stop.

        Raises: what opening or closing the keep raises; STORE_UNAVAILABLE when it was cut short; KeyboardInterrupt after SIGINT.
        """
        await super().serve(sockets)
        if self._opening.error is not None:
            raise self._opening.error
        if self.force_exit:
            raise StoreUnavailable(problem="stopped at once; what only memory held was not saved")
        if self._interrupted:
            raise KeyboardInterrupt


def make_server(
    settings: Settings,
    *,
    studio: Studio | None = None,
    create: bool = False,
    limits: Limits | None = None,
    on_start: Started | None = None,
    **uvicorn_words: Any,
) -> Server:
    """Give a server that opens the keep of these settings; `await server.serve()` or `server.run()`.

    create: make the tables that are missing.
    limits: others than those of the settings.
    uvicorn_words: more of uvicorn's settings (`ssl_certfile`, `log_level` ...).

    Raises: INVALID_ARGUMENT.
    """
    limits = limits or limits_of(settings)
    opening = _Opening(settings, studio, limits, create=create)
    proxies = _networks(settings.trusted_proxies)
    config = uvicorn.Config(
        opening,
        **{
            "host": settings.host,
            "port": settings.port,
            "http": connection_class(limits),
            "ws": "none",
            "lifespan": "on",
            "access_log": False,
            "server_header": False,
            # Of the hops that X-Forwarded-For names, the right-most that is no trusted proxy counts: what stands left of it
            # is what that one says.
            "proxy_headers": bool(proxies),
            "forwarded_allow_ips": proxies,
            "timeout_keep_alive": limits.keep_alive_seconds,
            "timeout_graceful_shutdown": limits.graceful_seconds,
            **uvicorn_words,
        },
    )
    return Server(config, opening, on_start)


def _networks(given: Sequence[str]) -> list[str]:
    try:
        return [str(ipaddress.ip_network(one, strict=False)) for one in given]
    except ValueError as error:
        raise InvalidArgument(path="/trusted_proxies", problem=str(error)) from None


def serve(settings: Settings, **words: Any) -> None:
    """Serve the keep of these settings until SIGTERM or SIGINT, then answer what waits, save and close; words as `make_server` has them.

    Raises: STORE_UNAVAILABLE, INVALID_ARGUMENT; KeyboardInterrupt after SIGINT.
    """
    make_server(settings, **words).run()
