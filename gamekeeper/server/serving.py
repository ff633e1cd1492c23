"""Serving a keep: uvicorn with explicit limits, and an end without loss."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Literal

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from gamekeeper.config import Settings
from gamekeeper.keep import Keep, open_keep

from .app import make_app
from .connections import connection_class
from .limits import DEFAULT, Limits


class _Opening:
    """Opens the keep when the server starts, and closes it when the server has stopped."""

    def __init__(self, settings: Settings, limits: Limits, make: Callable[[Keep], ASGIApp], *, create: bool) -> None:
        self._settings = settings
        self._limits = limits
        self._make = make
        self._create = create
        self.error: BaseException | None = None

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Hold the keep open. uvicorn leaves this block when it takes no more requests and has answered those it had."""
        try:
            async with open_keep(self._settings, create=self._create) as keep:
                app.router.routes.append(Mount("/", app=self._make(keep)))
                yield
        except BaseException as error:
            self.error = error
            raise


