"""Work inside of a world: what the verbs share that open the database themselves."""

import asyncio
import datetime
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

from gamekeeper.config import Settings

from .failures import NameInSeveralWorlds

if TYPE_CHECKING:
    from gamekeeper.keep import Keep
    from gamekeeper.modules.characters import Character

T = TypeVar("T")
PAGE: Final = 200
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
    """Give the character of an id, also a deleted one, or of a name: in a world, or in the only one where it is borne.

    Raises: CHARACTER_NOT_FOUND, NAME_IN_SEVERAL_WORLDS, INVALID_ARGUMENT.
    """
    from gamekeeper.modules import characters

    row = await keep.reader.get(characters.Character, who)
    if row is not None:
        return row
    realms = [world] if world is not None else await _realms(keep)
    rows = [row for realm in realms if (row := await keep.ask(characters.find(name=who, world_id=realm))) is not None]
    if not rows:
        raise characters.CharacterNotFound(id=who)
    if len(rows) > 1:
        raise NameInSeveralWorlds(name=who, worlds=", ".join(row.world_id for row in rows))
    return rows[0]


async def _realms(keep: "Keep") -> list[str]:
    """Give the ids of all worlds; the first one, in which characters are by default, need not have been made."""
    from gamekeeper.modules import worlds

    found, cursor = {worlds.DEFAULT: None}, None
    while True:
        page = await keep.ask(worlds.list_worlds(limit=PAGE, cursor=cursor))
        found |= dict.fromkeys(one.world_id for one in page.items)
        cursor = page.next_cursor
        if cursor is None:
            return list(found)


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
