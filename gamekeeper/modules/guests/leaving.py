"""Leaving: what is taken off somebody who goes, a guest whose time is over or a person who wants to be forgotten.

One command takes so much at the most; what it leaves over is found again by the next one, for all of it still names the user.
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from gamekeeper.kernel.commands import Prepared
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import Record
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import accounts, characters, chat, moderation, plays, sessions, users

from . import rules

TOUCHED: Final[tuple[type[Record], ...]] = (
    users.User,
    users.Verification,
    sessions.Session,
    sessions.RefreshToken,
    sessions.ApiKey,
    accounts.Account,
    accounts.SignInCode,
    moderation.StaffNote,
    moderation.UserBan,
    characters.CharacterSlot,
    characters.Character,
    *plays.TOUCHES,
    chat.ChatMessage,
)
"""What a command touches that lets somebody go."""


class Leaving(Struct, frozen=True):
    """Somebody who leaves, as they were found: some of their characters, and some of what these have said."""

    user_id: str
    characters: tuple[str, ...]
    messages: Prepared
    whole: bool
    """whether these are all of their characters and messages"""


class LetGo(Struct, frozen=True):
    """How much was taken off somebody: sessions and API keys together, linked accounts, characters, chat messages."""

    sessions: int
    accounts: int
    characters: int
    messages: int


async def look_up(read: Reader, users: Sequence[str]) -> list[Leaving]:
    """Find what hangs on some users, until it is as much as one command takes; those who come after that are not in the answer."""
    found: list[Leaving] = []
    characters_left, messages_left = rules.MAX_CHARACTERS, rules.MAX_MESSAGES
    for user in users:
        if not characters_left or not messages_left:
            break
        held = await characters.some_of_user(read, user, characters_left + 1)
        said = await chat.said_by(read, user, messages_left)
        some = held[:characters_left]
        found.append(Leaving(user, some, said, whole=len(held) <= characters_left and not said.found.more))
        characters_left -= len(some)
        messages_left -= len(said.keys)
    return found


def prepared(leaving: Sequence[Leaving], found: Any) -> Prepared:
    """Give what a command prepares that lets these go: a value for it, whose rows it needs, and the messages."""
    owners = {owner for one in leaving for owner in (one.user_id, *one.characters, *one.messages.owners)}
    return Prepared(found=found, owners=tuple(sorted(owners)), keys=tuple([key for one in leaving for key in one.messages.keys]))


def is_whole(ctx: Context, leaving: Leaving) -> bool:
    """Say whether all was found of somebody who is not let go yet; a character may have been made after the look."""
    slots = {slot.character_id for slot in ctx.rows(characters.CharacterSlot, leaving.user_id)}
    return leaving.whole and slots <= set(leaving.characters)


def let_go(ctx: Context, leaving: Leaving) -> LetGo:
    """Delete a user's sessions, keys, accounts and what staff said of them, and take them off what stays; doing it twice does no harm.

    The user's own row is left to whoever calls it, who touches `TOUCHED`.
    """
    user = leaving.user_id
    moderation.forget_all(ctx, user)
    done = LetGo(
        sessions=sessions.forget_all(ctx, user),
        accounts=accounts.forget_all(ctx, user),
        characters=len(leaving.characters),
        messages=chat.forget_user(ctx, user, leaving.messages.found),
    )
    for character in leaving.characters:
        plays.leave(ctx, character, "deleted")
        characters.unlink(ctx, user, character)
    return done
