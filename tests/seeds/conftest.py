"""What the tests of the seeds share: a keep with a key for addresses and two worlds, and a session."""

from collections.abc import AsyncIterator

import pytest

import gamekeeper
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.modules import characters, sessions, users, worlds

KEY = "a key of the keep that opens addresses"


@pytest.fixture
async def keep(database_url: str, clock: ManualClock) -> AsyncIterator[Keep]:
    """A keep with a key for addresses and two worlds, whose time stands still."""
    async with gamekeeper.open(database_url, create=True, clock=clock, secret_key=KEY, allow_unsafe_postgres=True) as keep:
        await keep.do(worlds.create_world(world="world", name="World"), worlds.create_world(world="under", name="Under"))
        yield keep


@pytest.fixture
async def opened(keep: Keep) -> sessions.Opened:
    """A session of Ann, who has a character in each of two worlds; Eve has one too, and one is nobody's."""
    await keep.do(users.create_guest(user="ann"), users.create_guest(user="eve"))
    await keep.do(characters.create(user="ann", character="ash", name="Ash"))
    await keep.do(characters.create(user="ann", character="elm", name="Elm", world_id="under"))
    await keep.do(characters.create(user="eve", character="ivy", name="Ivy"))
    await keep.do(characters.create(character="oak", name="Oak"))
    return await keep.do(sessions.open_session(user="ann"))
