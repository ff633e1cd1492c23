"""What may be done in chat.

The speaking character is the first argument. Its world owns the message and is found before the batch; that the character is
still there is looked at again under the locks. No answer repeats a text, for answers stand in the journal.
"""

from typing import Annotated, Protocol

from msgspec import Meta, Struct

from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import EpochMs
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, users, worlds

from . import queries, rules
from .errors import BlocksFull, NotDelivered, NotInRoom, ToOneself, WorldChanged
from .records import Channel, ChatBlock, ChatBudget, ChatMessage, GivenMessage
from .rules import MAX_BLOCKS, PRUNE_HOURS_LEAST

SPOKEN = (characters.Character, characters.CharacterLocation, ChatBudget, ChatMessage)
"""What a command touches that speaks."""

AtOnce = Annotated[int, Meta(ge=1, le=1000, description="how many messages at most; call again while there are more")]
Hours = Annotated[int, Meta(ge=PRUNE_HOURS_LEAST, le=1_000_000, description="how old at least")]


class Said(Struct, frozen=True):
    """The message that was said."""

    world_id: str
    message_id: str
    at: EpochMs


class Pruned(Struct, frozen=True):
    """How many messages were deleted, or would be, and whether there are more of them."""

    messages: int
    more: bool


class Forgotten(Struct, frozen=True):
    """In how many messages somebody was forgotten, and whether there are more of them."""

    messages: int
    more: bool


class Hearing(Struct, frozen=True):
    """What was found before somebody speaks: the world, and the user of the one who is whispered to."""

    world_id: str
    user: str | None = None


class Found(Struct, frozen=True):
    """Messages that were found, and whether there are more."""

    keys: list[queries.MessageKey]
    more: bool


class _Speech(Protocol):
    """The arguments of a command that speaks."""

    character: str


class _Whisper(Protocol):
    """The arguments of a whisper that its preparation needs."""

    character: str
    recipient: str


class _Pruning(Protocol):
    """The arguments of `prune`."""

    older_than_hours: int | None
    world: str | None
    room: str | None
    limit: int
    dry_run: bool


class _OfCharacter(Protocol):
    """The arguments of `forget_author`."""

    character: str
    limit: int


class _Block(Protocol):
    """The arguments of `block` that its preparation needs."""

    other: str


# Speaking


async def _in_world(read: Reader, arguments: _Speech) -> Prepared:
    return _hearing((await queries.place_of(read, arguments.character)).world_id)


async def _to_somebody(read: Reader, arguments: _Whisper) -> Prepared:
    here = await queries.place_of(read, arguments.character)
    recipient = await read.get(characters.Character, arguments.recipient)
    return _hearing(here.world_id, None if recipient is None else recipient.user_id)


def _hearing(world_id: str, user: str | None = None) -> Prepared:
    return Prepared(found=Hearing(world_id, user), owners=(world_id,) if user is None else (world_id, user))


@command(touches=SPOKEN, prepare=_in_world, prepares_again=[WorldChanged], access="player")
def say(ctx: Context, *, character: characters.CharacterId, message: GivenMessage, room: characters.RoomId | None = None) -> Said:
    """Say something to the room where the character is; a room that is named must be that one.

    Raises: CHARACTER_NOT_FOUND, OWNER_NOT_FOUND, CHAT_TEXT_INVALID, CHAT_NOT_IN_ROOM, CHAT_TOO_FAST, CHAT_WORLD_CHANGED.
    """
    return _speak(ctx, character, "say", message, room=room)


@command(touches=SPOKEN, prepare=_in_world, prepares_again=[WorldChanged], access="player")
def yell(ctx: Context, *, character: characters.CharacterId, message: GivenMessage) -> Said:
    """Say something to the whole world.

    Raises: CHARACTER_NOT_FOUND, OWNER_NOT_FOUND, CHAT_TEXT_INVALID, CHAT_TOO_FAST, CHAT_WORLD_CHANGED.
    """
    return _speak(ctx, character, "yell", message)


@command(
    touches=[*SPOKEN, ChatBlock, users.User],
    prepare=_to_somebody,
    prepares_again=[WorldChanged, characters.CharacterChangedHands],
    access="player",
)
def whisper(ctx: Context, *, character: characters.CharacterId, recipient: characters.CharacterId, message: GivenMessage) -> Said:
    """Say something to one character of the same world.

    One that is deleted, is in another world, is banned or has blocked the speaker is not reached, and it is not told which it was.

    Raises: CHARACTER_NOT_FOUND, OWNER_NOT_FOUND, CHARACTER_CHANGED_HANDS, CHAT_TO_ONESELF, CHAT_TEXT_INVALID, CHAT_NOT_DELIVERED,
    CHAT_TOO_FAST, CHAT_WORLD_CHANGED.
    """
    if recipient == character:
        raise ToOneself(character=character)
    to = ctx.get(characters.Character, recipient)
    if to is None or not _reaches(ctx, character, to):
        # Also what is wrong with the text is not told: nobody learns by an empty message who has blocked whom.
        raise NotDelivered(recipient=recipient)
    return _speak(ctx, character, "whisper", message, to=to)


def _reaches(ctx: Context, character: str, to: characters.Character) -> bool:
    found: Hearing = ctx.found
    if to.user_id != found.user:
        # The new user's row is not loaded.
        raise characters.CharacterChangedHands(id=to.character_id)
    if to.tombstoned_at is not None or ctx.get(ChatBlock, to.character_id, character) is not None:
        return False
    user = None if to.user_id is None else ctx.get(users.User, to.user_id)
    if user is not None and not users.may_act(user, ctx.now):
        return False
    return _place(ctx, to).world_id == found.world_id


def _place(ctx: Context, row: characters.Character) -> queries.Place:
    return queries.place(row, ctx.get(characters.CharacterLocation, row.character_id))


def _speak(
    ctx: Context, character: str, channel: Channel, message: str, *, room: str | None = None, to: characters.Character | None = None
) -> Said:
    text = rules.checked_text(message)
    row = characters.alive(ctx, character)
    here, found = _place(ctx, row), ctx.found
    if here.world_id != found.world_id:
        raise WorldChanged(character=character)
    if room not in (None, here.room):
        raise NotInRoom(room=room)
    budget = ctx.get(ChatBudget, character)
    ctx.put(ChatBudget(character, rules.pay(0 if budget is None else budget.paid_at, ctx.now)))
    message_id = ctx.new_id()
    ctx.add(
        ChatMessage(
            world_id=found.world_id,
            message_id=message_id,
            channel=channel,
            room=here.room,
            character_id=character,
            user_id=row.user_id,
            author=row.name,
            recipient_character_id=None if to is None else to.character_id,
            recipient=None if to is None else to.name,
            message=text,
            at=ctx.now,
        )
    )
    return Said(found.world_id, message_id, ctx.now)


# Not hearing


async def _name_of(read: Reader, arguments: _Block) -> Prepared:
    other = await read.get(characters.Character, arguments.other)
    if other is None:
        raise characters.CharacterNotFound(id=arguments.other)
    return Prepared(found=other.name)


@command(touches=[characters.Character, ChatBlock], prepare=_name_of, access="player")
def block(ctx: Context, *, character: characters.CharacterId, other: Id) -> None:
    """Let another character's whispers reach this one no longer; what it says aloud is heard as before.

    Raises: CHARACTER_NOT_FOUND, CHAT_TO_ONESELF, CHAT_BLOCKS_FULL.
    """
    characters.alive(ctx, character)
    if other == character:
        raise ToOneself(character=character)
    if ctx.get(ChatBlock, character, other) is not None:
        return
    if len(list(ctx.rows(ChatBlock, character))) >= MAX_BLOCKS:
        raise BlocksFull(limit=MAX_BLOCKS)
    ctx.put(ChatBlock(character, other, ctx.found, ctx.now))


@command(touches=[ChatBlock], access="player")
def unblock(ctx: Context, *, character: characters.CharacterId, other: Id) -> None:
    """Let another character's whispers reach this one again.

    Raises: CHARACTER_NOT_FOUND.
    """
    row = ctx.get(ChatBlock, character, other)
    if row is not None:
        ctx.delete(row)


# Pruning and forgetting


async def _old(read: Reader, arguments: _Pruning) -> Prepared:
    rules.check_pruning(arguments.older_than_hours, arguments.world, arguments.room)
    before = rules.prune_before(arguments.older_than_hours, read.now_ms())
    keys = await queries.old_messages(read, before, arguments.world, arguments.room, arguments.limit + 1)
    named = _named(keys, arguments.limit)
    # To count them needs neither rows nor locks.
    return Prepared(found=named.found) if arguments.dry_run else named


def _named(keys: list[queries.MessageKey], limit: int) -> Prepared:
    some = keys[:limit]
    return Prepared(
        found=Found(some, len(keys) > limit),
        owners=tuple(sorted({one.world_id for one in some})),
        keys=tuple((ChatMessage, (one.world_id, one.message_id)) for one in some),
    )


def _there(ctx: Context, found: Found) -> list[ChatMessage]:
    """Give those of the messages that were found which are still there."""
    rows = [ctx.get(ChatMessage, one.world_id, one.message_id) for one in found.keys]
    return [row for row in rows if row is not None]


@command(touches=[ChatMessage], prepare=_old, access="operator")
def prune(
    ctx: Context,
    *,
    older_than_hours: Hours | None = None,
    world: worlds.WorldId | None = None,
    room: characters.RoomId | None = None,
    limit: AtOnce = 500,
    dry_run: bool = False,
) -> Pruned:
    """Delete messages by age, by world, by room of a world, or by what of these is given together; the journal keeps their digests.

    Raises: INVALID_ARGUMENT, WORLD_NOT_FOUND.
    """
    if dry_run:
        return Pruned(len(ctx.found.keys), ctx.found.more)
    rows = _there(ctx, ctx.found)
    for row in rows:
        ctx.delete(row)
    return Pruned(len(rows), ctx.found.more)


async def _of_character(read: Reader, arguments: _OfCharacter) -> Prepared:
    return _named(await queries.messages_of_character(read, arguments.character, arguments.limit + 1), arguments.limit)


@command(touches=[ChatMessage], prepare=_of_character, access="operator")
def forget_author(ctx: Context, *, character: Id, limit: AtOnce = 500) -> Forgotten:
    """Take a character's id, and that of its user, out of what it said and what was whispered to it; texts and names stay."""
    rows = _there(ctx, ctx.found)
    for row in rows:
        if row.character_id == character:
            row = ctx.change(row, character_id=None, user_id=None)  # noqa: PLW2901 - both may be the same character, by import
        if row.recipient_character_id == character:
            ctx.change(row, recipient_character_id=None)
    return Forgotten(len(rows), ctx.found.more)


async def said_by(read: Reader, user: str, limit: int) -> Prepared:
    """Find messages that name a user, so many at the most: what a command that calls `forget_user` prepares, with `Found` in it."""
    return _named(await queries.messages_of_user(read, user, limit + 1), limit)


def forget_user(ctx: Context, user: str, found: Found) -> int:
    """Take a user's id out of messages that `said_by` found, and say of how many; the characters, the texts and the names stay.

    Whoever calls it lists `ChatMessage` in what it touches.
    """
    rows = [row for row in _there(ctx, found) if row.user_id == user]
    for row in rows:
        ctx.change(row, user_id=None)
    return len(rows)
