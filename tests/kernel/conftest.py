"""The fixtures of the kernel's tests: the bank, open on each engine in turn."""

from collections.abc import AsyncIterator

import pytest

from tests.kernel.instruments import WatchedKeep, open_bank


@pytest.fixture
async def keep(database_url: str) -> AsyncIterator[WatchedKeep]:
    """An open keep with the bank in it, its store watched, on each engine in turn."""
    async with open_bank(database_url) as keep:
        yield keep
