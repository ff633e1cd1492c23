"""What may be asked of chat.

Every list goes by time and, for messages of one moment, by id. Whispers are shown to their two ends, and to nobody else but a
moderator whom one of the ends has told the message's id: an id is random, and no other list has it.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct
from sqlalchemy import BigInteger, ColumnElement, Text, bindparam, func, select, tuple_

from gamekeeper.errors import InvalidArgument
from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.queries import Cursor, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.records import MAX_INTEGER, EpochMs
from gamekeeper.kernel.store.schema import table
from gamekeeper.modules import characters, worlds

from .errors import MessageNotFound, NotInWorld
from .records import Aloud, Channel, ChatBlock, ChatMessage

messages = table(ChatMessage)
_M = messages.c
ALOUD: tuple[Aloud, ...] = ("say", "yell")
CHANNELS: tuple[Channel, ...] = (*ALOUD, "whisper")
PAGE = 500
"""Messages that are read at once where all of a person's are wanted."""

WORLD = _M.world_id == bindparam("world", type_=Text)
ROOM = _M.room == bindparam("room", type_=Text)
# Of one author's messages there are few: as expressions these only sift them, and tempt no planner to walk a whole world instead.
IN_THIS_WORLD = func.coalesce(_M.world_id, _M.world_id) == bindparam("world", type_=Text)
IN_THIS_ROOM = func.coalesce(_M.room, _M.room) == bindparam("room", type_=Text)
CHANNEL = _M.channel == bindparam("channel", type_=Text)
SAID_ALOUD = _M.channel != bindparam("channel", type_=Text)
AUTHOR = _M.character_id == bindparam("character", type_=Text)
RECIPIENT = _M.recipient_character_id == bindparam("recipient", type_=Text)
USER = _M.user_id == bindparam("user", type_=Text)
BEFORE = _M.at < bindparam("before", type_=BigInteger)
LIMIT = bindparam("limit", type_=BigInteger)

# Compared as a row, which an index answers; written out with OR it would be sorted for every page.
PLACE = tuple_(_M.at, _M.message_id)
GIVEN = tuple_(bindparam("at", type_=BigInteger), bindparam("id", type_=Text))


class List(Struct, frozen=True):
    """The messages of a list before a place and after it."""

    older: Any
    newer: Any


def _list(*conditions: ColumnElement[bool]) -> List:
    return List(
        older=select(messages).where(*conditions, PLACE < GIVEN).order_by(_M.at.desc(), _M.message_id.desc()).limit(LIMIT),
        newer=select(messages).where(*conditions, PLACE > GIVEN).order_by(_M.at, _M.message_id).limit(LIMIT),
    )


IN_ROOM = _list(WORLD, ROOM, SAID_ALOUD)
IN_CHANNEL = _list(WORLD, CHANNEL)
IN_ROOM_IN_CHANNEL = _list(WORLD, ROOM, CHANNEL)
BY_CHARACTER = _list(AUTHOR, CHANNEL)
BY_CHARACTER_IN_WORLD = _list(AUTHOR, CHANNEL, IN_THIS_WORLD)
BY_CHARACTER_IN_ROOM = _list(AUTHOR, CHANNEL, IN_THIS_WORLD, IN_THIS_ROOM)
WHISPERED_TO = _list(RECIPIENT)
WHISPERED_BY_TO = _list(RECIPIENT, AUTHOR)
SAID_BY = _list(USER)

KEYS = select(_M.world_id, _M.message_id)
OLD_IN_ROOM = KEYS.where(WORLD, ROOM, BEFORE).order_by(_M.at, _M.message_id).limit(LIMIT)
OLD_IN_CHANNEL = KEYS.where(WORLD, CHANNEL, BEFORE).order_by(_M.at, _M.message_id).limit(LIMIT)
NEXT_WORLD = select(_M.world_id).where(_M.world_id > bindparam("after", type_=Text)).order_by(_M.world_id).limit(LIMIT)
OF_AUTHOR = KEYS.where(AUTHOR).limit(LIMIT)
OF_RECIPIENT = KEYS.where(RECIPIENT).limit(LIMIT)
OF_USER = KEYS.where(USER).limit(LIMIT)


class MessageKey(Struct, frozen=True):
    """Where a message stands."""

    world_id: str
    message_id: str


class Message(Struct, frozen=True):
    """A message as players see it. A whisper does not tell where its author is; ids are empty for characters that are forgotten."""

    message_id: str
    at: EpochMs
    channel: Channel
    room: str | None
    character_id: str | None
    author: str
    recipient_character_id: str | None
    recipient: str | None
    message: str


class History(Struct, frozen=True):
    """Messages, the newest first. `older` goes on from their end (None when there are no more), `newer` asks for what comes after."""

    items: list[Message]
    older: str | None
    newer: str | None


class Spoken(Struct, frozen=True):
    """Messages as staff see them, the newest first; `older` and `newer` as in a history."""

    items: list[ChatMessage]
    older: str | None
    newer: str | None


class Around(Struct, frozen=True):
    """A message with what was said before and after it, each in the order of time."""

    before: list[ChatMessage]
    message: ChatMessage
    after: list[ChatMessage]


class PersonsMessage(Struct, frozen=True):
    """A message as it is handed out to a person, with which of their characters wrote it or was whispered to; of others only names."""

    message_id: str
    at: EpochMs
    world_id: str
    channel: Channel
    room: str | None
    character_id: str | None
    author: str
    recipient: str | None
    message: str


class Place(Struct, frozen=True):
    """Where a character speaks and listens."""

    world_id: str
    room: str


Near = Annotated[int, Meta(ge=0, le=50, description="how many at most on each side")]


async def place_of(read: Reader, character: str) -> Place:
    """Give where a character is.

    Raises: CHARACTER_NOT_FOUND.
    """
    row, loaded = await characters.load_alive(read, character, characters.CharacterLocation)
    return place(row, loaded.one(characters.CharacterLocation))


def place(row: characters.Character, location: characters.CharacterLocation | None) -> Place:
    """Give where a character is: in its own world at the spawn room, as long as it was not put somewhere."""
    return Place(row.world_id, characters.SPAWN_ROOM) if location is None else Place(location.world_id, location.room_id)


@query(access="player")
async def room_history(
    read: Reader,
    *,
    character: characters.CharacterId | None = None,
    world_id: Id | None = None,
    room: characters.RoomId | None = None,
    limit: PageLimit = 50,
    before: Cursor | None = None,
    after: Cursor | None = None,
) -> History:
    """Show what was said and yelled in a room, by default the one where the character is; whispers are not among it.

    A character hears its own world. Game servers name a world and a room instead of a character.

    Raises: CHARACTER_NOT_FOUND, CHAT_NOT_IN_WORLD, INVALID_ARGUMENT.
    """
    world, here = await _listening(read, character, world_id)
    at = room or here
    if at is None:
        raise InvalidArgument(path="/room", problem="needed where no character is named")
    return await _history(read, [(IN_ROOM, {"world": world, "room": at, "channel": "whisper"})], limit, before, after)


@query(access="player")
async def world_history(
    read: Reader,
    *,
    character: characters.CharacterId | None = None,
    world_id: Id | None = None,
    limit: PageLimit = 50,
    before: Cursor | None = None,
    after: Cursor | None = None,
) -> History:
    """Show what was yelled in the world where the character is. Game servers name a world instead.

    Raises: CHARACTER_NOT_FOUND, CHAT_NOT_IN_WORLD, INVALID_ARGUMENT.
    """
    world, _ = await _listening(read, character, world_id)
    return await _history(read, [(IN_CHANNEL, {"world": world, "channel": "yell"})], limit, before, after)


@query(access="player")
async def whispers(
    read: Reader,
    *,
    character: characters.CharacterId,
    limit: PageLimit = 50,
    before: Cursor | None = None,
    after: Cursor | None = None,
) -> History:
    """Show what a character has whispered, and what was whispered to it.

    Raises: INVALID_ARGUMENT.
    """
    sources = [
        (BY_CHARACTER, {"character": character, "channel": "whisper"}),
        (WHISPERED_TO, {"recipient": character}),
    ]
    return await _history(read, sources, limit, before, after)


@query(access="moderator")
async def spoken(
    read: Reader,
    *,
    world: worlds.WorldId,
    room: characters.RoomId | None = None,
    character: characters.CharacterId | None = None,
    channel: Aloud | None = None,
    limit: PageLimit = 50,
    before: Cursor | None = None,
    after: Cursor | None = None,
) -> Spoken:
    """Show what was said aloud in a world, or in one of its rooms: by everybody or by one character, to the room, to the world or both.

    Whispers are not among it.

    Raises: INVALID_ARGUMENT.
    """
    return Spoken(*await _some(read, _aloud(world, room, character, channel), limit, before, after))


@query(access="moderator")
async def around(read: Reader, *, world: worlds.WorldId, message_id: Id, near: Near = 10) -> Around:
    """Show a message with some of what was said around it: in its room, or for a whisper between the same two.

    Whispers are not among what was said around another message.

    Raises: CHAT_MESSAGE_NOT_FOUND.
    """
    found = await read.get(ChatMessage, world, message_id)
    if found is None:
        raise MessageNotFound(id=message_id)
    sources = _heard_with(found)
    earlier, later = [await _merged(read, sources, found.at, message_id, near, backwards=back) for back in (True, False)]
    return Around(earlier[::-1], found, later)


@query(access="player")
async def blocked(read: Reader, *, character: characters.CharacterId) -> list[ChatBlock]:
    """List those whose whispers do not reach a character."""
    return await read.all(ChatBlock, character)


Source = tuple[List, dict[str, str]]
"""A list, and what it is a list of."""


def _aloud(world: str, room: str | None, character: str | None, channel: Aloud | None) -> list[Source]:
    if room is not None and character is None and channel is None:
        return [(IN_ROOM, {"world": world, "room": room, "channel": "whisper"})]
    wanted = {"world": world, "room": room, "character": character}
    named = {name: value for name, value in wanted.items() if value is not None}
    lists = {
        (False, False): IN_CHANNEL,
        (True, False): IN_ROOM_IN_CHANNEL,
        (False, True): BY_CHARACTER_IN_WORLD,
        (True, True): BY_CHARACTER_IN_ROOM,
    }
    source = lists[room is not None, character is not None]
    return [(source, {**named, "channel": one}) for one in (ALOUD if channel is None else (channel,))]


def _heard_with(found: ChatMessage) -> list[Source]:
    if found.channel != "whisper":
        return [(IN_ROOM, {"world": found.world_id, "room": found.room, "channel": "whisper"})]
    one, other = found.character_id, found.recipient_character_id
    if one is None or other is None:
        return []
    return [(WHISPERED_BY_TO, {"character": by, "recipient": to}) for by, to in ((one, other), (other, one))]


async def _listening(read: Reader, character: str | None, world_id: str | None) -> tuple[str, str | None]:
    """Give the world that is listened to, and the room where the character is."""
    if character is not None:
        here = await place_of(read, character)
        if world_id not in (None, here.world_id):
            raise NotInWorld(world_id=world_id)
        return here.world_id, here.room
    if world_id is None:
        raise InvalidArgument(path="/world_id", problem="needed where no character is named")
    return world_id, None


async def _history(read: Reader, sources: Sequence[Source], limit: int, before: str | None, after: str | None) -> History:
    rows, older, newer = await _some(read, sources, limit, before, after)
    return History([view(row) for row in rows], older, newer)


async def _some(
    read: Reader, sources: Sequence[Source], limit: int, before: str | None, after: str | None
) -> tuple[list[ChatMessage], str | None, str | None]:
    """Give some messages of several lists, the newest first, and where to go on in either direction."""
    if before is not None and after is not None:
        raise InvalidArgument(path="/after", problem="either what is before a place or what is after it")
    backwards = after is None
    at, id = read_cursor(before or after, int, str) or (MAX_INTEGER, "")
    rows = await _merged(read, sources, at, id, limit + 1, backwards=backwards)
    shown = rows[:limit] if backwards else rows[:limit][::-1]
    more = len(rows) > limit or not backwards
    older = _cursor(shown[-1]) if shown and more else None if backwards else after
    newer = _cursor(shown[0]) if shown else before or after
    return shown, older, newer


async def _merged(read: Reader, sources: Sequence[Source], at: int, id: str, limit: int, *, backwards: bool) -> list[ChatMessage]:
    """Give the messages of several lists that are nearest to a place, the nearest first."""
    found: list[ChatMessage] = []
    for source, parameters in sources:
        statement = source.older if backwards else source.newer
        found += await read.rows(ChatMessage, statement, at=at, id=id, limit=limit, **parameters)
    return sorted(found, key=lambda row: (row.at, row.message_id), reverse=backwards)[:limit]


def _cursor(row: ChatMessage) -> str:
    return write_cursor([row.at, row.message_id])


def view(row: ChatMessage) -> Message:
    """Give what the one who hears it may know."""
    shown = {name: getattr(row, name) for name in Message.__struct_fields__ if name != "room"}
    return Message(room=None if row.channel == "whisper" else row.room, **shown)


async def old_messages(read: Reader, before: int, world: str | None, room: str | None, limit: int) -> list[MessageKey]:
    """Find messages to prune: of all worlds, of one, or of a room in it."""
    if world is not None and room is not None:
        return await read.rows(MessageKey, OLD_IN_ROOM, world=world, room=room, before=before, limit=limit)
    found: list[MessageKey] = []
    at = world or await read.scalar(NEXT_WORLD, after="", limit=1)
    while at is not None and len(found) < limit:
        for channel in CHANNELS:
            room_left = limit - len(found)
            found += await read.rows(MessageKey, OLD_IN_CHANNEL, world=at, channel=channel, before=before, limit=room_left)
        at = None if world is not None else await read.scalar(NEXT_WORLD, after=at, limit=1)
    return found


async def messages_of_character(read: Reader, character: str, limit: int) -> list[MessageKey]:
    """Find messages that name a character, as author or recipient."""
    said = await read.rows(MessageKey, OF_AUTHOR, character=character, limit=limit)
    heard = await read.rows(MessageKey, OF_RECIPIENT, recipient=character, limit=limit)
    return (said + heard)[:limit]


async def messages_of_user(read: Reader, user: str, limit: int) -> list[MessageKey]:
    """Find messages that name a user."""
    return await read.rows(MessageKey, OF_USER, user=user, limit=limit)


# All that is a person's, for handing it out to them


def written(read: Reader, user: str) -> AsyncIterator[PersonsMessage]:
    """Give all that a user's characters have said, the oldest first, a page at a time."""
    return _of_person(read, (SAID_BY, {"user": user}), received=False)


def received(read: Reader, character: str) -> AsyncIterator[PersonsMessage]:
    """Give all that was whispered to a character, the oldest first, a page at a time; where its authors were is not told."""
    return _of_person(read, (WHISPERED_TO, {"recipient": character}), received=True)


async def _of_person(read: Reader, source: Source, *, received: bool) -> AsyncIterator[PersonsMessage]:
    at, id = -1, ""
    while True:
        rows = await _merged(read, [source], at, id, PAGE, backwards=False)
        for row in rows:
            yield PersonsMessage(
                message_id=row.message_id,
                at=row.at,
                world_id=row.world_id,
                channel=row.channel,
                room=None if received else row.room,
                character_id=row.recipient_character_id if received else row.character_id,
                author=row.author,
                recipient=row.recipient,
                message=row.message,
            )
        if len(rows) < PAGE:
            return
        at, id = rows[-1].at, rows[-1].message_id
