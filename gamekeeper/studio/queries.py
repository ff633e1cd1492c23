"""What only the Studio asks: newest first lists with deleted ones among them, and who holds an item."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import BigInteger, ColumnElement, Text, bindparam, case, cast, func, literal_column, or_, select

from gamekeeper.errors import StoreUnavailable
from gamekeeper.keep import Keep
from gamekeeper.kernel.queries import Page, Reader, read_cursor, write_cursor
from gamekeeper.kernel.store.base import LoadRequest, RootRow, TryAgain, Unreachable
from gamekeeper.kernel.store.schema import table
from gamekeeper.modules import characters, items, users, worlds

HOLDERS_SHOWN: Final = 20
PIECES_SHOWN: Final = 100
MAX_DAYS: Final = 4_000
"""Days of an item's flows that are read at the most."""
DAY_MS: Final = 86_400_000

people = table(characters.Character)
accounts = table(users.User)
holdings = table(items.Holding)
movements = table(items.ItemMovement)

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


class Holder(Struct, frozen=True):
    """Somebody who has an item, and how much of it."""

    holder_id: str
    held: int


class Day(Struct, frozen=True):
    """How much of an item came into the world and left it on one day (UTC)."""

    day: int
    minted: int
    burned: int


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


async def newest_users(read: Reader, *, limit: int) -> list[users.User]:
    """List the newest users."""
    return await read.rows(users.User, NEWEST_USERS, limit=limit)


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
    request = LoadRequest(owners=wanted, keyed={characters.Character: keys, users.User: keys, worlds.World: keys})
    try:
        found = await keep.store.load(request)
    except (Unreachable, TryAgain) as error:
        raise StoreUnavailable(problem=str(error)) from error
    names = {row.character_id: row.name for row in found.keyed[characters.Character]}
    names |= {row.user_id: row.username for row in found.keyed[users.User]}
    names |= {row.world_id: row.name for row in found.keyed[worlds.World]}
    return {id: _label(root, names.get(id)) for id, root in found.roots.items()}


def _label(root: RootRow, name: str | None) -> Label:
    return Label(root.id, root.kind, name, ROOMS.get(root.kind, "owners"))
