"""Gamekeeper keeps a game: the persistence backend of persistent worlds.

async with gamekeeper.open("sqlite:///world.db", create=True) as keep:
    await keep.do(items.grant(holder=ada, item="arrow", quantity=5, source="gift"))
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from gamekeeper.config import Settings, load_settings, settings_from
from gamekeeper.errors import GameError

if TYPE_CHECKING:
    from gamekeeper.keep import Keep
    from gamekeeper.kernel.clock import Clock

__version__ = "0.1.0"


def open(url: str, *, create: bool = False, clock: Clock | None = None, **settings: Any) -> AbstractAsyncContextManager[Keep]:
    """Open the world at a URL for the length of an `async with` block.

    url: `sqlite:///PATH` or `postgresql://...`.
    create: make the tables that are missing.
    settings: the fields of `Settings`.

    Raises: STORE_UNAVAILABLE, INVALID_ARGUMENT.
    """
    from gamekeeper.keep import open_keep  # noqa: PLC0415 - `import gamekeeper` stays quick

    return open_keep(settings_from({"url": url, **settings}), create=create, clock=clock)


__all__ = ["GameError", "Settings", "__version__", "load_settings", "open"]
