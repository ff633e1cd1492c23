"""Work inside of a world: what the verbs share that open the database themselves."""

import asyncio
import datetime
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

from gamekeeper.config import Settings

if TYPE_CHECKING:
    from gamekeeper.keep import Keep
    from gamekeeper.modules.characters import Character

T = TypeVar("T")
ACTOR: Final = "operator:cli"
"""Who acts, as the journal says it."""


def in_keep(settings: Settings, what: "Callable[[Keep], Awaitable[T]]") -> T:
    """Open the world, do something, close it.

    Raises: STORE_UNAVAILABLE, and what is raised inside.
    """
    from gamekeeper.keep import open_keep

    async def opened() -> T:
        async with open_keep(settings) as keep:
            return await what(keep)

    return asyncio.run(opened())


async def user_id(keep: "Keep", name: str | None) -> str:
    """Give the id of the user of a name, or of the local operator.

    Raises: USER_NOT_FOUND.
    """
    from gamekeeper.modules import users

    from .founding import OPERATOR

    if name is None:
        return OPERATOR
    found = await keep.ask(users.find(username=name))
    if found is None:
        raise users.UserNotFound(id=name)
    return found.user_id


async def character_row(keep: "Keep", who: str, world: str | None = None) -> "Character":
    """Give the character of an id, also a deleted one, or of a name in a world.

    Raises: CHARACTER_NOT_FOUND, INVALID_ARGUMENT.
    """
    from gamekeeper.modules import characters, worlds

    row = await keep.reader.get(characters.Character, who)
    if row is None:
        row = await keep.ask(characters.find(name=who, world_id=world or worlds.DEFAULT))
    if row is None:
        raise characters.CharacterNotFound(id=who)
    return row


def plain(text: str) -> str:
    r"""Give a text that somebody else wrote so that no terminal obeys it.

    >>> plain("Ada \x1b[2J")
    'Ada \\x1b[2J'
    """
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def moment(at: int | None) -> str:
    """Say a moment for people; "never" when there is none.

    >>> moment(0), moment(None)
    ('1970-01-01 00:00', 'never')
    """
    if at is None:
        return "never"
    return datetime.datetime.fromtimestamp(at / 1000, datetime.UTC).strftime("%Y-%m-%d %H:%M")
