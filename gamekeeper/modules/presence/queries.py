"""What may be asked of who plays. Whoever was not heard of for too long plays no longer, even before anybody has ended it."""

from typing import Any

from msgspec import Struct
from sqlalchemy import BigInteger, ColumnElement, Text, and_, bindparam, func, or_, select

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.records import MAX_INTEGER
from gamekeeper.kernel.store.schema import table
from gamekeeper.modules import characters, plays

from . import rules

presence = table(plays.Presence)
activity = table(plays.Activity)
past = table(plays.PlaySession)
people = table(characters.Character)
AT = bindparam("at", type_=BigInteger)
ID = bindparam("id", type_=Text)
LIMIT = bindparam("limit", type_=BigInteger)
WORLD = presence.c.world_id == bindparam("world", type_=Text)
SERVER = presence.c.server_id == bindparam("server", type_=Text)
BEFORE = bindparam("before", type_=BigInteger)

# A session has begun later than its character's stored activity only where two processes wrote of it at once.
HEARD_SINCE = or_(activity.c.last_active_at > BEFORE, presence.c.since > BEFORE)
PLAYED = presence.join(activity, activity.c.character_id == presence.c.character_id)


def _online(*conditions: ColumnElement[bool]) -> Any:
    newer = or_(presence.c.since < AT, and_(presence.c.since == AT, presence.c.character_id < ID))
    columns = (presence.c.character_id, people.c.name, people.c.user_id, presence.c.play_session_id, presence.c.world_id)
    return (
        select(*columns, presence.c.server_id, presence.c.since, activity.c.last_active_at)
        .select_from(PLAYED.join(people, people.c.character_id == presence.c.character_id))
        # The bound keeps an index from going over all who do not play: they have no `since`, and stand first where it is read backwards.
        .where(*conditions, presence.c.since <= AT, newer, HEARD_SINCE)
        .order_by(presence.c.since.desc(), presence.c.character_id.desc())
        .limit(LIMIT)
    )


ONLINE = {(False, False): _online(), (True, False): _online(WORLD), (False, True): _online(SERVER), (True, True): _online(WORLD, SERVER)}
"""By whether a world and whether a server is named."""

# It reads the rows of those who play, and of nobody else.
COUNTS = (
    select(presence.c.world_id, presence.c.server_id, func.count(presence.c.character_id))
    .select_from(PLAYED)
    .where(presence.c.since.is_not(None), HEARD_SINCE)
    .group_by(presence.c.world_id, presence.c.server_id)
    .order_by(presence.c.world_id, presence.c.server_id)
)
HISTORY = (
    select(past)
    .where(
        past.c.character_id == bindparam("character", type_=Text),
        or_(past.c.started_at < AT, and_(past.c.started_at == AT, past.c.play_session_id < ID)),
    )
    .order_by(past.c.started_at.desc(), past.c.play_session_id.desc())
    .limit(LIMIT)
)
OPEN = select(presence.c.character_id, presence.c.play_session_id, activity.c.last_active_at).select_from(PLAYED)
OF_SERVER = OPEN.where(SERVER).order_by(presence.c.since).limit(LIMIT)
STALE = OPEN.where(presence.c.since <= BEFORE, activity.c.last_active_at <= BEFORE).order_by(presence.c.since).limit(LIMIT)
OLD = select(past.c.character_id, past.c.play_session_id).where(past.c.ended_at < BEFORE).order_by(past.c.ended_at).limit(LIMIT)


class Online(Struct, frozen=True):
    """Somebody who plays."""

    character_id: str
    name: str
    user_id: str | None
    play_session_id: str
    world_id: str
    server_id: str
    since: int
    last_active_at: int


class PlayingHere(Struct, frozen=True):
    """How many play in a world on a server."""

    world_id: str
    server_id: str
    characters: int


class Counted(Struct, frozen=True):
    """How many play, in all and where."""

    characters: int
    by_world: dict[str, int]
    by_server: dict[str, int]
    places: list[PlayingHere]


class Playing(Struct, frozen=True):
    """Whether a character is played now, where and since when, and how long it has been played so far, in seconds."""

    character_id: str
    is_online: bool
    play_session_id: str | None
    world_id: str | None
    server_id: str | None
    since: int | None
    last_active_at: int | None
    playtime: int
    play_sessions: int
    """how many have ended"""


class Unwatched(Struct, frozen=True):
    """An open play session, and when it was last heard of."""

    character_id: str
    play_session_id: str
    last_active_at: int


class EndedLongAgo(Struct, frozen=True):
    """A play session that may be forgotten."""

    character_id: str
    play_session_id: str


@query(access="player")
async def show(read: Reader, *, character: characters.CharacterId) -> Playing:
    """Show whether a character is played now, and how long it has been in all, with the time of the open play session.

    Raises: CHARACTER_NOT_FOUND.
    """
    _, loaded = await characters.load_alive(read, character, plays.Presence, plays.Activity)
    return playing_of(read, character, loaded.one(plays.Presence), loaded.one(plays.Activity))


def playing_of(read: Reader, character: str, row: plays.Presence | None, known: plays.Activity | None) -> Playing:
    """Put together what is kept of a character's play."""
    if row is None:
        return Playing(character, False, None, None, None, None, None, 0, 0)
    last = rules.last_heard(row, known)
    online = plays.is_open(row) and not plays.is_over(last or 0, read.now_ms(), plays.timeout_ms(read.settings))
    if not online:
        played, ended = rules.played(row, last), row.play_sessions + plays.is_open(row)
        return Playing(character, False, None, None, None, None, last, played, ended)
    return Playing(
        *(character, True, row.play_session_id, row.world_id, row.server_id, row.since, last),
        playtime=rules.played(row, last),
        play_sessions=row.play_sessions,
    )


@query(access="player")
async def history(
    read: Reader, *, character: characters.CharacterId, limit: PageLimit = 50, cursor: Cursor | None = None
) -> Page[plays.PlaySession]:
    """List the play sessions of a character that have ended, the newest first."""
    at, id = read_cursor(cursor, int, str) or (MAX_INTEGER, "")
    rows = await read.rows(plays.PlaySession, HISTORY, character=character, at=at, id=id, limit=limit + 1)
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(rows[:limit], None if last is None else write_cursor([last.started_at, last.play_session_id]))


@query(access="server")
async def online(
    read: Reader,
    *,
    world_id: Id | None = None,
    server_id: plays.ServerId | None = None,
    limit: PageLimit = 50,
    cursor: Cursor | None = None,
) -> Page[Online]:
    """List who plays, in a world, on a server or anywhere, who came last first."""
    at, id = read_cursor(cursor, int, str) or (MAX_INTEGER, "")
    named = {name: value for name, value in (("world", world_id), ("server", server_id)) if value is not None}
    statement = ONLINE[world_id is not None, server_id is not None]
    rows = await read.rows(Online, statement, before=_before(read), at=at, id=id, limit=limit + 1, **named)
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(rows[:limit], None if last is None else write_cursor([last.since, last.character_id]))


@query(access="server")
async def counts(read: Reader) -> Counted:
    """Count who plays, by world and by server."""
    places = await read.rows(PlayingHere, COUNTS, before=_before(read))
    by_world, by_server = rules.summed([(one.world_id, one.server_id, one.characters) for one in places])
    return Counted(sum(by_world.values()), by_world, by_server, places)


def _before(read: Reader) -> int:
    return read.now_ms() - plays.timeout_ms(read.settings)
