"""What may be asked of trades."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import BigInteger, ColumnElement, Text, and_, bindparam, or_, select

from gamekeeper.kernel.commands import belongs_to
from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.records import MAX_INTEGER, EpochMs
from gamekeeper.kernel.store.schema import table
from gamekeeper.modules import characters

from .errors import InvalidTrade
from .records import Trade, TradeId, TradeLock

trades = table(Trade)
locks = table(TradeLock)
people = table(characters.Character)
AT = bindparam("at", type_=BigInteger)
LIMIT = bindparam("limit", type_=BigInteger)
CHARACTER = bindparam("character", type_=Text)


def _newest(*conditions: ColumnElement[bool]) -> Any:
    before = or_(trades.c.created_at < AT, and_(trades.c.created_at == AT, trades.c.trade_id < bindparam("id", type_=Text)))
    return select(trades).where(*conditions, before).order_by(trades.c.created_at.desc(), trades.c.trade_id.desc()).limit(LIMIT)


TRADES = _newest()
TRADES_OF = _newest(or_(trades.c.initiator_id == CHARACTER, trades.c.receiver_id == CHARACTER))


def _names_in(page: Any) -> Any:
    one, other = page.subquery(), page.subquery()
    return select(people.c.character_id, people.c.name).where(
        or_(people.c.character_id.in_(select(one.c.initiator_id)), people.c.character_id.in_(select(other.c.receiver_id)))
    )


NAMES = _names_in(TRADES)
NAMES_OF = _names_in(TRADES_OF)
IN_TRADES = (
    select(people.c.character_id, trades.c.trade_id, trades.c.initiator_id, trades.c.receiver_id)
    .select_from(people)
    .outerjoin(locks, locks.c.character_id == people.c.character_id)
    .outerjoin(trades, trades.c.trade_id == locks.c.trade_id)
    .where(people.c.user_id == bindparam("user", type_=Text), people.c.tombstoned_at.is_(None))
    .order_by(people.c.character_id)
)
EXPIRED = (
    select(trades)
    .where(trades.c.status == bindparam("status", type_=Text), trades.c.expires_at <= AT)
    .order_by(trades.c.expires_at)
    .limit(LIMIT)
)


class LoggedTrade(Struct, frozen=True):
    """A trade as it is kept, with what both sides offered and their names as they are now, also of the deleted."""

    trade: Trade
    initiator_name: str | None
    receiver_name: str | None


class InTrade(Struct, frozen=True):
    """A character, and the trade that it is in, if it is in one."""

    character_id: str
    trade_id: str | None
    initiator_id: str | None
    receiver_id: str | None


class _Named(Struct, frozen=True):
    character_id: str
    name: str


@query(access="player")
async def show(read: Reader, *, trade: TradeId) -> Trade:
    """Show a trade with both offers.

    Raises: INVALID_TRADE.
    """
    found = await read.get(Trade, trade)
    if found is None:
        raise InvalidTrade(id=trade, status=None)
    return found


@query(access="server")
async def list_trades(read: Reader, *, limit: PageLimit = 50, cursor: Cursor | None = None) -> Page[Trade]:
    """List all trades, the newest first."""
    at, id = read_cursor(cursor, int, str) or (MAX_INTEGER, "")
    return _page(await read.rows(Trade, TRADES, at=at, id=id, limit=limit + 1), limit)


@query(access="player")
async def of_character(
    read: Reader, *, character: characters.CharacterId, limit: PageLimit = 50, cursor: Cursor | None = None
) -> Page[Trade]:
    """List the trades that a character has a part in, the newest first."""
    at, id = read_cursor(cursor, int, str) or (MAX_INTEGER, "")
    return _page(await read.rows(Trade, TRADES_OF, character=character, at=at, id=id, limit=limit + 1), limit)


@query(access="moderator")
async def log(
    read: Reader, *, character: characters.CharacterId | None = None, limit: PageLimit = 50, cursor: Cursor | None = None
) -> Page[LoggedTrade]:
    """List trades with what both sides offered, the newest first: all of them, or those that a character had a part in.

    It is for staff; players see theirs by `of_character`.
    """
    at, id = read_cursor(cursor, int, str) or (MAX_INTEGER, "")
    place = {"at": at, "id": id, "limit": limit + 1}
    if character is None:
        rows, named = await read.rows(Trade, TRADES, **place), await read.rows(_Named, NAMES, **place)
    else:
        rows = await read.rows(Trade, TRADES_OF, character=character, **place)
        named = await read.rows(_Named, NAMES_OF, character=character, **place)
    names = {one.character_id: one.name for one in named}
    page = _page(rows, limit)
    return Page([LoggedTrade(one, names.get(one.initiator_id), names.get(one.receiver_id)) for one in page.items], page.next_cursor)


@query(access="server")
async def expired(read: Reader, *, at: EpochMs, limit: PageLimit = 50) -> list[Trade]:
    """List trades that are still open and have expired by a time: what a sweep gives to `time_out`."""
    waiting = await read.rows(Trade, EXPIRED, status="open", at=at, limit=limit)
    confirmed = await read.rows(Trade, EXPIRED, status="confirmed", at=at, limit=limit)
    return (waiting + confirmed)[:limit]


async def in_trades(read: Reader, user: str) -> list[InTrade]:
    """Find the characters of a user, each with the trade that it is in."""
    return await read.rows(InTrade, IN_TRADES, user=user)


def _page(rows: list[Trade], limit: int) -> Page[Trade]:
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(rows[:limit], None if last is None else write_cursor([last.created_at, last.trade_id]))


@belongs_to("trade")
async def users_of(read: Reader, trade: str) -> Sequence[str]:
    """Give the users of both sides."""
    found = await read.get(Trade, trade)
    if found is None:
        return ()
    return (*await characters.users_of(read, found.initiator_id), *await characters.users_of(read, found.receiver_id))
