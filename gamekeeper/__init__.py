"""Gamekeeper keeps a game: the persistence backend of persistent worlds.

async with gamekeeper.open("sqlite:///world.db", create=True) as keep:
    await keep.do(items.grant(holder=ada, item="arrow", quantity=5, source="gift"))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gamekeeper.errors import GameError

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from gamekeeper.config import Settings, load_settings
    from gamekeeper.jobs import JobRunner
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
    from gamekeeper.config import settings_from  # noqa: PLC0415 - `import gamekeeper` stays quick
    from gamekeeper.keep import open_keep  # noqa: PLC0415 - the same

    return open_keep(settings_from({"url": url, **settings}), create=create, clock=clock)


def run_jobs(keep: Keep) -> AbstractAsyncContextManager[JobRunner]:
    """Run the jobs of an open world for the length of an `async with` block, beside whatever else is done in it."""
    from gamekeeper import jobs  # noqa: PLC0415 - `import gamekeeper` stays quick

    return jobs.run_jobs(keep)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Give what is imported when it is asked for: the first page of the command line needs none of it."""
        if name in ("Settings", "load_settings"):
            from gamekeeper import config  # noqa: PLC0415 - see above

            return getattr(config, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["GameError", "Settings", "__version__", "load_settings", "open", "run_jobs"]
