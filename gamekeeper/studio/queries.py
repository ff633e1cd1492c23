"""What only the Studio asks: newest first lists with deleted ones among them, and who holds an item."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import BigInteger, ColumnElement, Text, bindparam, case, cast, func, literal_column, or_, select, tuple_

from gamekeeper.errors import StoreUnavailable
from gamekeeper.jobs import JobState
from gamekeeper.keep import Keep
from gamekeeper.kernel.queries import Page, Reader, read_cursor, write_cursor
from gamekeeper.kernel.store.base import LoadRequest, RootRow, TryAgain, Unreachable
from gamekeeper.kernel.store.schema import table
from gamekeeper.modules import characters, combat, items, seasons, users, worlds, xp

from .asking import DAY_MS
from .charts import Day

HOLDERS_SHOWN: Final = 20
PIECES_SHOWN: Final = 100
MAX_DAYS: Final = 4_000
"""Days of a chart that are read at the most."""
LAST_ID: Final = "z" * 64
"""Sorts behind every id."""

people = table(characters.Character)
accounts = table(users.User)
holdings = table(items.Holding)
movements = table(items.ItemMovement)
deaths = table(combat.PlayerDeath)
awards = table(xp.XpEvent)
season_states = table(seasons.SeasonState)

LIMIT = bindparam("limit", type_=BigInteger)
BEFORE = bindparam("before", type_=Text)
PREFIX = bindparam("prefix", type_=Text)
ITEM = bindparam("item", type_=Text)


def _characters(*conditions: ColumnElement[bool]) -> Any:
    # An empty text stands for "all"; LIKE has its own signs and differs between the engines.
    begins = func.substr(people.c.name_key, literal_column("1"), func.length(PREFIX)) == PREFIX
    every = bindparam("all", type_=Text) == PREFIX
    return select(people).where(or_(every, begins), *conditions).order_by(people.c.character_id.desc()).limit(LIMIT)


NEWEST_CHARACTERS = _characters()
NEXT_CHARACTERS = _characters(people.c.character_id < BEFORE)
NAMED = (
    select(people)
    .where(people.c.name_key == bindparam("key", type_=Text), people.c.tombstoned_at.is_(None))
    .order_by(people.c.character_id.desc())
    .limit(LIMIT)
)
NEWEST_USERS = select(accounts).order_by(accounts.c.user_id.desc()).limit(LIMIT)

PIECE = select(holdings).where(holdings.c.item_uid == bindparam("uid", type_=Text))
PIECES = select(holdings).where(holdings.c.item_id == ITEM, holdings.c.item_uid.is_not(None)).order_by(holdings.c.item_uid).limit(LIMIT)

_held = cast(func.sum(holdings.c.quantity), BigInteger).label("held")
HOLDERS = (
    select(holdings.c.holder_id, _held)
    .where(holdings.c.item_id == ITEM)
    .group_by(holdings.c.holder_id)
    .order_by(_held.desc(), holdings.c.holder_id)
    .limit(LIMIT)
)

_standing = deaths.c.status == bindparam("status", type_=Text)
_later = tuple_(deaths.c.expires_at, deaths.c.death_id) > tuple_(
    bindparam("after", type_=BigInteger), bindparam("after_death", type_=Text), types=(BigInteger, Text)
)
STANDING = select(deaths).where(_standing, _later).order_by(deaths.c.expires_at, deaths.c.death_id).limit(LIMIT)
GRAVE = select(deaths).where(deaths.c.gravestone_id == bindparam("gravestone", type_=Text))
SEASON = select(season_states).where(season_states.c.season == bindparam("season", type_=Text))
NEWEST_DEATHS = select(deaths).where(deaths.c.death_id < BEFORE).order_by(deaths.c.death_id.desc()).limit(LIMIT)

# An account outside of the world has no container.
_day = (movements.c.at - movements.c.at % bindparam("day", type_=BigInteger)).label("day")
DAYS = (
    select(
        _day,
        cast(func.sum(case((movements.c.from_container == "", movements.c.quantity), else_=0)), BigInteger),
        cast(func.sum(case((movements.c.to_container == "", movements.c.quantity), else_=0)), BigInteger),
    )
    .where(movements.c.item_id == ITEM, or_(movements.c.from_container == "", movements.c.to_container == ""))
    .group_by(_day)
    .order_by(_day)
    .limit(LIMIT)
)

_on = (awards.c.created_at - awards.c.created_at % bindparam("day", type_=BigInteger)).label("day")
XP_DAYS = (
    select(
        _on,
        cast(func.sum(case((awards.c.final_xp > 0, awards.c.final_xp), else_=0)), BigInteger),
        cast(func.sum(case((awards.c.final_xp < 0, -awards.c.final_xp), else_=0)), BigInteger),
    )
    .where(awards.c.character_id == bindparam("character", type_=Text))
    .group_by(_on)
    .order_by(_on)
    .limit(LIMIT)
)


class Holder(Struct, frozen=True):
    """Somebody who has an item, and how much of it."""

    holder_id: str
    held: int


async def newest_characters(read: Reader, *, prefix: str, limit: int, cursor: str | None = None) -> Page[characters.Character]:
    """List characters, the newest first, deleted ones among them; all, or those whose names begin alike."""
    key = users.lookup_key(prefix)
    if key is None:
        return Page([])
    before = read_cursor(cursor, str)
    if before is None:
        rows = await read.rows(characters.Character, NEWEST_CHARACTERS, prefix=key, all="", limit=limit + 1)
    else:
        rows = await read.rows(characters.Character, NEXT_CHARACTERS, prefix=key, all="", before=before[0], limit=limit + 1)
    return Page(rows[:limit], write_cursor([rows[limit - 1].character_id]) if len(rows) > limit else None)


async def newest_named(read: Reader, *, name: str) -> characters.Character | None:
    """Give the character of a name that came last, in whatever world."""
    key = users.lookup_key(name)
    return None if key is None else await read.one(characters.Character, NAMED, key=key, limit=1)


async def newest_users(read: Reader, *, limit: int) -> list[users.User]:
    """List the newest users."""
    return await read.rows(users.User, NEWEST_USERS, limit=limit)


async def standing_gravestones(read: Reader, *, limit: int, cursor: str | None = None) -> Page[combat.PlayerDeath]:
    """List the deaths of all worlds whose gravestones stand, the one that falls next first."""
    after, death = read_cursor(cursor, int, str) or (-1, "")
    rows = await read.rows(combat.PlayerDeath, STANDING, status="open", after=after, after_death=death, limit=limit + 1)
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(rows[:limit], None if last is None else write_cursor([last.expires_at, last.death_id]))


async def death_of(read: Reader, *, gravestone: str) -> combat.PlayerDeath | None:
    """Give the death for which a gravestone stands or stood."""
    return await read.one(combat.PlayerDeath, GRAVE, gravestone=gravestone)


async def newest_deaths(read: Reader, *, limit: int, cursor: str | None = None) -> Page[combat.PlayerDeath]:
    """List the deaths of all worlds, the newest first."""
    (before,) = read_cursor(cursor, str) or (LAST_ID,)
    rows = await read.rows(combat.PlayerDeath, NEWEST_DEATHS, before=before, limit=limit + 1)
    return Page(rows[:limit], write_cursor([rows[limit - 1].death_id]) if len(rows) > limit else None)


async def season_state(read: Reader, *, season: str) -> seasons.SeasonState | None:
    """Give a season as it is stored, once it was announced or started."""
    return await read.one(seasons.SeasonState, SEASON, season=season)


async def piece(read: Reader, *, uid: str) -> items.Holding | None:
    """Give the stack that a unique item is, wherever it lies."""
    return await read.one(items.Holding, PIECE, uid=uid)


async def pieces(read: Reader, *, item: str) -> list[items.Holding]:
    """List unique pieces of an item; reads every holding."""
    return await read.rows(items.Holding, PIECES, item=item, limit=PIECES_SHOWN)


async def holders(read: Reader, *, item: str) -> list[Holder]:
    """List those who have most of an item; reads every holding."""
    return await read.rows(Holder, HOLDERS, item=item, limit=HOLDERS_SHOWN)


async def days(read: Reader, *, item: str) -> list[Day]:
    """Give an item's flows day by day, from the first."""
    return await read.rows(Day, DAYS, item=item, day=DAY_MS, limit=MAX_DAYS)


async def xp_days(read: Reader, *, character: str) -> list[Day]:
    """Give what a character earned and lost day by day, from the first; reads its whole ledger."""
    return await read.rows(Day, XP_DAYS, character=character, day=DAY_MS, limit=MAX_DAYS)


class Label(Struct, frozen=True):
    """What an owner is called, and the room that shows it."""

    id: str
    kind: str
    name: str | None
    room: str


ROOMS: Final = {"character": "characters", "trade": "trades", "user": "users"}


async def labels(keep: Keep, ids: Iterable[str]) -> dict[str, Label]:
    """Name owners, however many, in one round trip; ids that are no owner's are left out."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    keys: Any = [(id,) for id in wanted]
    named = (characters.Character, users.User, worlds.World, JobState, seasons.SeasonState)
    request = LoadRequest(owners=wanted, keyed=dict.fromkeys(named, keys))
    try:
        found = await keep.store.load(request)
    except (Unreachable, TryAgain) as error:
        raise StoreUnavailable(problem=str(error)) from error
    names = {row.character_id: row.name for row in found.keyed[characters.Character]}
    names |= {row.user_id: row.username for row in found.keyed[users.User]}
    names |= {row.world_id: row.name for row in found.keyed[worlds.World]}
    names |= {row.job_id: row.name for row in found.keyed[JobState]}
    names |= {row.season_id: row.name for row in found.keyed[seasons.SeasonState]}
    return {id: _label(root, names.get(id)) for id, root in found.roots.items()}


def _label(root: RootRow, name: str | None) -> Label:
    return Label(root.id, root.kind, name, ROOMS.get(root.kind, "owners"))
