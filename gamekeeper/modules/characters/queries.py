"""What may be asked of characters. Deleted ones are not among the answers."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import BigInteger, ColumnElement, Text, bindparam, func, literal, literal_column, or_, select

from gamekeeper.kernel.commands import belongings, belongs_to
from gamekeeper.kernel.gathering import FEW
from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.queries import Cursor, Loaded, Page, PageLimit, Reader, filled, parts, query, read_cursor, write_cursor
from gamekeeper.kernel.records import Record
from gamekeeper.kernel.store.schema import claims, table
from gamekeeper.kernel.verify import Problem, check
from gamekeeper.modules import users, worlds

from . import rules
from .boards import ANONYMOUS
from .errors import CharacterNotFound
from .records import Character, CharacterAttribute, CharacterId, CharacterLocation, CharacterSetting, CharacterVital, GivenName

MAX_LISTED = 1000
"""Characters of one user that are listed at the most; slots keep a player far below."""

characters = table(Character)
settings = table(CharacterSetting)
accounts = table(users.User)

MOST_ASKED: Final = 200
"""How many one statement asks for; what is left over of it is filled up with nothing."""

HOMES = (
    select(characters.c.character_id, accounts.c.timezone)
    .select_from(characters.outerjoin(accounts, accounts.c.user_id == characters.c.user_id))
    .where(characters.c.character_id.in_([bindparam(f"c{place}", type_=Text) for place in range(MOST_ASKED)]))
)

ANYBODY: Final = "anonymous:"
"""The beginning of the actor that stands for somebody who has not logged in."""

OF_USER = (
    select(characters)
    .where(characters.c.user_id == bindparam("user", type_=Text), characters.c.tombstoned_at.is_(None))
    .order_by(characters.c.character_id)
    .limit(bindparam("limit", type_=BigInteger))
)

EVER_OF_USER = select(characters).where(characters.c.user_id == bindparam("user", type_=Text)).order_by(characters.c.character_id)
SOME_EVER_OF_USER = EVER_OF_USER.limit(bindparam("limit", type_=BigInteger))

NAMED = select(characters).where(
    characters.c.world_id == bindparam("world", type_=Text),
    characters.c.name_key == bindparam("key", type_=Text),
    characters.c.tombstoned_at.is_(None),
)

# An empty text stands for "all"; a prefix is compared by characters, for LIKE has its own signs and differs between the engines.
WORLD = bindparam("world", type_=Text)
PREFIX = bindparam("prefix", type_=Text)
ALL = bindparam("all", type_=Text)
BEGINNING = func.substr(characters.c.name_key, literal_column("1"), func.length(PREFIX))

PAGE = (
    select(characters)
    .where(
        characters.c.character_id > bindparam("after", type_=Text),
        characters.c.tombstoned_at.is_(None),
        or_(WORLD == ALL, characters.c.world_id == WORLD),
        or_(PREFIX == ALL, BEGINNING == PREFIX),
    )
    .order_by(characters.c.character_id)
    .limit(bindparam("limit", type_=BigInteger))
)

# Deleted characters keep their names.
UNNAMED = (
    select(characters.c.character_id)
    .where(
        ~select(claims.c.key)
        .where(
            claims.c.kind == literal(rules.name_claim(""), Text) + characters.c.world_id,
            claims.c.key == characters.c.name_key,
            claims.c.owner_id == characters.c.character_id,
        )
        .exists()
    )
    .order_by(characters.c.character_id)
    .limit(bindparam("limit", type_=BigInteger))
)

NAME_HOLDER = select(claims.c.owner_id).where(claims.c.kind == bindparam("claim", type_=Text), claims.c.key == bindparam("key", type_=Text))


def is_hidden(character_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Give, for a statement, whether a character wants to be anonymous on boards."""
    asked = (settings.c.name == literal_column(f"'{ANONYMOUS}'", Text), settings.c.value == literal_column("'true'", Text))
    return select(settings.c.character_id).where(settings.c.character_id == character_id, *asked).exists()


FIRST_FOUND = 50
"""Characters that a verification names for one fault."""


class Sheet(Struct, frozen=True):
    """A whole character. Vitals are in hundredths; settings stand by name."""

    character: Character
    location: CharacterLocation | None
    vitals: list[CharacterVital]
    attributes: list[CharacterAttribute]
    settings: dict[str, Any]


class _Home(Struct, frozen=True):
    """A character, and the time zone that its user lives in."""

    character_id: str
    timezone: str | None


async def load_alive(read: Reader, character: str, *records: type[Record]) -> tuple[Character, Loaded]:
    """Give a character that is not deleted, and what it has of these records, in one round trip; for queries as `alive` is for commands.

    Raises: CHARACTER_NOT_FOUND.
    """
    loaded = await read.load(character, Character, *records)
    row = None if loaded is None else loaded.one(Character)
    if loaded is None or row is None or row.tombstoned_at is not None:
        raise CharacterNotFound(id=character)
    return row, loaded


async def zones_of(read: Reader, wanted: Sequence[str]) -> dict[str, str]:
    """Give the time zone that each character's user lives in, in one or two round trips; UTC for those that belong to nobody."""
    if len(wanted) > FEW:
        some = parts(wanted, MOST_ASKED)
        rows = [row for part in some for row in await read.rows(_Home, HOMES, **filled("c", part, MOST_ASKED))]
        return {one.character_id: one.timezone or "UTC" for one in rows}
    owners = {id: rows[0].user_id for id, rows in (await read.each(Character, wanted)).items() if rows}
    known = await read.each(users.User, [user for user in owners.values() if user is not None])
    zones = {user: rows[0].timezone for user, rows in known.items() if rows}
    return {id: "UTC" if user is None else zones.get(user, "UTC") for id, user in owners.items()}


async def zone_of(read: Reader, character: str) -> str:
    """Give the time zone that a character's user lives in; UTC for one that belongs to nobody."""
    return (await zones_of(read, [character])).get(character, "UTC")


@query(access="player")
async def show(read: Reader, *, character: CharacterId) -> Sheet:
    """Show a character's whole sheet.

    Raises: CHARACTER_NOT_FOUND.
    """
    row, loaded = await load_alive(read, character, CharacterLocation, CharacterVital, CharacterAttribute, CharacterSetting)
    return Sheet(
        character=row,
        location=loaded.one(CharacterLocation),
        vitals=loaded.rows(CharacterVital),
        attributes=loaded.rows(CharacterAttribute),
        settings={one.name: one.value for one in loaded.rows(CharacterSetting)},
    )


@query(access="player")
async def list_of_user(read: Reader, *, user: users.UserId) -> list[Character]:
    """List a user's characters in all worlds, the oldest first."""
    return await read.rows(Character, OF_USER, user=user, limit=MAX_LISTED)


@query(access="server")
async def find(read: Reader, *, world_id: Id = worlds.DEFAULT, name: GivenName) -> Character | None:
    """Find the character of a name in a world, in whatever case or look-alike letters it is written."""
    key = users.lookup_key(name)
    return None if key is None else await read.one(Character, NAMED, world=world_id, key=key)


@query(access="operator")
async def list_characters(
    read: Reader, *, world_id: Id | None = None, prefix: GivenName | None = None, limit: PageLimit = 50, cursor: Cursor | None = None
) -> Page[Character]:
    """List characters in the order in which they came, of one world or all, all or those whose names begin alike."""
    key = "" if prefix is None else users.lookup_key(prefix)
    if key is None:
        return Page([])
    (after,) = read_cursor(cursor, str) or ("",)
    rows = await read.rows(Character, PAGE, after=after, world=world_id or "", prefix=key, all="", limit=limit + 1)
    return Page(rows[:limit], write_cursor([rows[limit - 1].character_id]) if len(rows) > limit else None)


async def name_holder(read: Reader, world_id: str, key: str) -> str | None:
    """Give the character, also a deleted one, to whom a name in a world belongs."""
    holder: str | None = await read.scalar(NAME_HOLDER, claim=rules.name_claim(world_id), key=key)
    return holder


@belongs_to("character")
async def users_of(read: Reader, character: str) -> Sequence[str]:
    """Give the user whose character it is; a deleted one is nobody's."""
    row = await read.get(Character, character)
    return () if row is None or row.tombstoned_at is not None or row.user_id is None else (row.user_id,)


async def is_stranger(read: Reader, character: str) -> bool:
    """Say whether a player asks, or somebody unknown, whose character this is not; for what boards show of one that hides."""
    if not read.actor.startswith((users.PLAYER, ANYBODY)):
        return False
    return users.acting_user(read.actor) not in await users_of(read, character)


@belongings("character")
async def characters_of(read: Reader, user: str) -> Sequence[str]:
    """Give a user's characters in all worlds, deleted ones among them."""
    return [row.character_id for row in await read.rows(Character, EVER_OF_USER, user=user)]


async def some_of_user(read: Reader, user: str, limit: int) -> tuple[str, ...]:
    """Give so many of a user's characters at the most, deleted ones among them: they can be given back, but not to who has left."""
    return tuple([row.character_id for row in await read.rows(Character, SOME_EVER_OF_USER, user=user, limit=limit)])


class _Found(Struct, frozen=True):
    """A character with which something is wrong."""

    character_id: str


@check("characters.names")
async def names_are_claimed(read: Reader) -> list[Problem]:
    """Find the characters whose name is not claimed for them, so that another one of their world could have it too."""
    rows = await read.rows(_Found, UNNAMED, limit=FIRST_FOUND)
    told = "the name is not claimed for its character"
    return [Problem("characters.names", told, owner=row.character_id, table="claims") for row in rows]
