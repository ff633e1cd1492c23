"""What may be asked of items."""

from typing import Any

from msgspec import Struct
from sqlalchemy import BigInteger, ColumnElement, Text, bindparam, case, cast, func, literal, select, union, union_all

from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.store.schema import table
from gamekeeper.kernel.verify import Problem, check
from gamekeeper.modules import content

from .records import Container, HolderId, Holding, ItemId, ItemMovement, ItemUid

DIFFERENCES = 50
"""How many wrong balances are named at once."""
TOP = 20
"""How many sources and sinks are named."""
LAST = "z"
"""Sorts behind every movement's id, which is hexadecimal, in every collation."""

holdings = table(Holding)
movements_table = table(ItemMovement)
HOLDER = bindparam("holder", type_=Text)
LIMIT = bindparam("limit", type_=BigInteger)


def _total(amount: ColumnElement[int]) -> ColumnElement[int]:
    """A sum as an integer: PostgreSQL adds BIGINT up to NUMERIC."""
    return cast(func.coalesce(func.sum(amount), 0), BigInteger)


class HeldItem(Struct, frozen=True):
    """A stack as its holder sees it; `unknown` when no loaded pack defines the item."""

    container: str
    slot: int
    item: str
    name: str | None
    quantity: int
    item_uid: str | None
    metadata: dict[str, Any]
    unknown: bool


class ItemBalance(Struct, frozen=True):
    """How much of an item came, went and is there; the difference is 0 unless something was lost or duplicated."""

    item: str
    minted: int
    burned: int
    held: int
    difference: int


class Flow(Struct, frozen=True):
    """How much of an item came out of a source or went into a sink."""

    account: str
    item: str
    quantity: int


class Economy(Struct, frozen=True):
    """What the Studio shows of a game's economy."""

    items: list[ItemBalance]
    sources: list[Flow]
    sinks: list[Flow]


class WrongBalance(Struct, frozen=True):
    """A holder whose movements of an item do not add up to what is held."""

    holder: str
    item: str
    moved: int
    held: int


# What one holder has

HELD = select(_total(holdings.c.quantity)).where(holdings.c.holder_id == HOLDER, holdings.c.item_id == bindparam("item", type_=Text))


@query(access="player")
async def held(read: Reader, *, holder: HolderId, item: ItemId) -> int:
    """Count how many of an item a holder has, over all containers."""
    return int(await read.scalar(HELD, holder=holder, item=item))


@query(access="player")
async def inventory(read: Reader, *, holder: HolderId, container: Container | None = None) -> list[HeldItem]:
    """List what a holder has, in all containers or in one."""
    known = read.definitions(content.ItemDefinition)
    rows = await read.all(Holding, holder)
    return [_view(row, known.get(row.item_id)) for row in rows if container is None or row.container == container]


def _view(row: Holding, definition: content.ItemDefinition | None) -> HeldItem:
    name = None if definition is None else definition.name
    return HeldItem(row.container, row.slot, row.item_id, name, row.quantity, row.item_uid, row.metadata, definition is None)


# How it came there

PROVENANCE = (
    select(movements_table)
    .where(movements_table.c.item_uid == bindparam("uid", type_=Text), movements_table.c.movement_id > bindparam("after", type_=Text))
    .order_by(movements_table.c.movement_id)
    .limit(LIMIT)
)


@query(access="server")
async def provenance(read: Reader, *, item_uid: ItemUid, limit: PageLimit = 200, cursor: Cursor | None = None) -> Page[ItemMovement]:
    """List the movements of one unique item, from the first."""
    (after,) = read_cursor(cursor, str) or ("",)
    rows = await read.rows(ItemMovement, PROVENANCE, uid=item_uid, after=after, limit=limit + 1)
    return _page(rows, limit)


def _side(side: ColumnElement[bool]) -> Any:
    # Each side is read along its own index; together they would be read whole and sorted.
    before = movements_table.c.movement_id < bindparam("before", type_=Text)
    part = select(movements_table).where(side, before).order_by(movements_table.c.movement_id.desc()).limit(LIMIT).subquery()
    return select(part)


_BOTH_SIDES = union(_side(movements_table.c.owner_id == HOLDER), _side(movements_table.c.to_id == HOLDER)).subquery()
MOVEMENTS = select(_BOTH_SIDES).order_by(_BOTH_SIDES.c.movement_id.desc()).limit(LIMIT)


@query(access="player")
async def movements(read: Reader, *, holder: HolderId, limit: PageLimit = 50, cursor: Cursor | None = None) -> Page[ItemMovement]:
    """List what went to and from a holder, the newest first."""
    (before,) = read_cursor(cursor, str) or (LAST,)
    rows = await read.rows(ItemMovement, MOVEMENTS, holder=holder, before=before, limit=limit + 1)
    return _page(rows, limit)


def _page(rows: list[ItemMovement], limit: int) -> Page[ItemMovement]:
    return Page(rows[:limit], write_cursor([rows[limit - 1].movement_id]) if len(rows) > limit else None)


# Whether it adds up: an account outside of the world has no container

_moved = movements_table.c
_SIDES = union_all(
    select(
        _moved.item_id,
        case((_moved.from_container == "", _moved.quantity), else_=0).label("minted"),
        case((_moved.to_container == "", _moved.quantity), else_=0).label("burned"),
        literal(0, BigInteger).label("held"),
    ),
    select(holdings.c.item_id, literal(0, BigInteger), literal(0, BigInteger), holdings.c.quantity),
).subquery()
CONSERVATION = (
    select(
        _SIDES.c.item_id,
        _total(_SIDES.c.minted),
        _total(_SIDES.c.burned),
        _total(_SIDES.c.held),
        _total(_SIDES.c.minted - _SIDES.c.burned - _SIDES.c.held),
    )
    .group_by(_SIDES.c.item_id)
    .order_by(_SIDES.c.item_id)
)


@query(access="server")
async def conservation(read: Reader) -> list[ItemBalance]:
    """Give for each item what was minted, burned and is held; reads every holding and movement."""
    return await read.rows(ItemBalance, CONSERVATION)


def _flows(account: ColumnElement[str], container: ColumnElement[str]) -> Any:
    total = _total(_moved.quantity).label("total")
    return (
        select(account, _moved.item_id, total)
        .where(container == "")
        .group_by(account, _moved.item_id)
        .order_by(total.desc(), account, _moved.item_id)
        .limit(TOP)
    )


SOURCES = _flows(_moved.from_id, _moved.from_container)
SINKS = _flows(_moved.to_id, _moved.to_container)


@query(access="server")
async def economy(read: Reader) -> Economy:
    """Give the balance of each item and the largest sources and sinks; reads every holding and movement."""
    return Economy(await read.rows(ItemBalance, CONSERVATION), await read.rows(Flow, SOURCES), await read.rows(Flow, SINKS))


_ZERO = literal(0, BigInteger)
_ENTRIES = union_all(
    select(_moved.to_id.label("holder"), _moved.item_id, _moved.quantity.label("moved"), _ZERO.label("held")).where(
        _moved.to_container != ""
    ),
    select(_moved.from_id, _moved.item_id, -_moved.quantity, _ZERO).where(_moved.from_container != ""),
    select(holdings.c.holder_id, holdings.c.item_id, _ZERO, holdings.c.quantity),
).subquery()
WRONG_BALANCES = (
    select(_ENTRIES.c.holder, _ENTRIES.c.item_id, _total(_ENTRIES.c.moved), _total(_ENTRIES.c.held))
    .group_by(_ENTRIES.c.holder, _ENTRIES.c.item_id)
    .having(_total(_ENTRIES.c.moved) != _total(_ENTRIES.c.held))
    .order_by(_ENTRIES.c.holder, _ENTRIES.c.item_id)
    .limit(DIFFERENCES)
)


@query(access="server")
async def balances_differ(read: Reader) -> list[WrongBalance]:
    """List the first holders whose holdings are not the sum of their movements; reads every holding and movement."""
    return await read.rows(WrongBalance, WRONG_BALANCES)


@check("items.conservation")
async def conserved(read: Reader) -> list[Problem]:
    """Find the items of which not as many are held as were minted and not burned."""
    told = "minted {0.minted}, burned {0.burned}, held {0.held}"
    rows = await read.rows(ItemBalance, CONSERVATION)
    return [Problem("items.conservation", told.format(row), table="holdings", key=[row.item]) for row in rows if row.difference]


@check("items.balances")
async def balanced(read: Reader) -> list[Problem]:
    """Find the holders whose holdings are not the sum of their movements."""
    told = "movements give {0.moved}, held are {0.held}"
    rows = await read.rows(WrongBalance, WRONG_BALANCES)
    return [Problem("items.balances", told.format(row), owner=row.holder, table="holdings", key=[row.item]) for row in rows]
