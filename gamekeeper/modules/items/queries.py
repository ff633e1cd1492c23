"""What may be asked of items."""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct
from sqlalchemy import BigInteger, ColumnElement, Double, Select, Text, bindparam, case, cast, func, literal, select, union, union_all

from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.records import load_json
from gamekeeper.kernel.store.schema import table, view
from gamekeeper.kernel.verify import Problem, check
from gamekeeper.modules import characters, content, worlds

from .records import Container, GroundDrop, HolderId, Holding, InventorySize, ItemId, ItemMovement, ItemUid
from .rules import BANK_TABS, EQUIPMENT, GROUND, INVENTORY, INVENTORY_SLOTS, tradeable

DIFFERENCES = 50
"""How many wrong balances are named at once."""
TOP = 20
"""How many sources and sinks are named."""
LAST = "z"
"""Sorts behind every movement's id, which is hexadecimal, in every collation."""

Distance = Annotated[float, Meta(ge=0, le=1_000_000, description="along each axis")]

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
    """Count how many of an item a holder has, over all containers.

    Raises: CHARACTER_NOT_FOUND.
    """
    count = int(await read.scalar(HELD, holder=holder, item=item))
    if not count:
        await _require_known(read, holder)
    return count


@query(access="player")
async def inventory(read: Reader, *, holder: HolderId, container: Container | None = None) -> list[HeldItem]:
    """List what a holder has, in all containers or in one.

    Raises: CHARACTER_NOT_FOUND.
    """
    rows = await read.all(Holding, holder)
    if not rows:
        await _require_known(read, holder)
    return held_items(read, [row for row in rows if container is None or row.container == container])


@query(access="player")
async def inventory_size(read: Reader, *, holder: HolderId) -> int:
    """Tell how many slots a holder's inventory has.

    Raises: CHARACTER_NOT_FOUND.
    """
    own = await read.get(InventorySize, holder)
    if own is None:
        await _require_known(read, holder)
    return INVENTORY_SLOTS if own is None else own.slots


async def _require_known(read: Reader, holder: str) -> None:
    """Refuse a holder that nobody has made: having nothing is another thing than not being there. Nobody's is the id of a character.

    Raises: CHARACTER_NOT_FOUND.
    """
    if await read.root(holder) is None:
        raise characters.CharacterNotFound(id=holder)


def held_items(read: Reader, rows: list[Holding]) -> list[HeldItem]:
    """Give a holder's rows as the holder sees them."""
    known = read.definitions(content.ItemDefinition)
    return [_view(row, known.get(row.item_id)) for row in rows]


def _view(row: Holding, definition: content.ItemDefinition | None) -> HeldItem:
    name = None if definition is None else definition.name
    return HeldItem(row.container, row.slot, row.item_id, name, row.quantity, row.item_uid, row.metadata, definition is None)


# What lies on the ground

drops = table(GroundDrop)
_SEEN_BY = drops.c.dropped_by == bindparam("character", type_=Text)
_NEAR = bindparam("within", type_=Double)


def _along(axis: str) -> Any:
    here = bindparam(axis, type_=Double)
    return drops.c[axis].between(here - _NEAR, here + _NEAR)


def _heaps(*more: ColumnElement[bool]) -> Any:
    now = bindparam("now", type_=BigInteger)
    there = (drops.c.world_id == holdings.c.holder_id) & (drops.c.slot == holdings.c.slot)
    return (
        select(holdings, drops)
        .select_from(holdings.outerjoin(drops, there))
        .where(
            holdings.c.holder_id == bindparam("world", type_=Text),
            holdings.c.container == GROUND,
            holdings.c.slot > bindparam("after", type_=BigInteger),
            # What a game has laid there without an owner has no row of its own, and is there for all.
            drops.c.slot.is_(None) | ((drops.c.despawns_at > now) & (_SEEN_BY | (drops.c.protected_until <= now))),
            *more,
        )
        .with_only_columns(
            *(holdings.c[name] for name in ("slot", "item_id", "quantity", "item_uid", "metadata")),
            *(drops.c[name] for name in ("dropped_by", "protected_until", "despawns_at", "room_id", "x", "y", "z")),
        )
        .order_by(holdings.c.slot)
        .limit(LIMIT)
    )


SWEEPABLE = (
    select(drops.c.world_id)
    .where(drops.c.despawns_at <= bindparam("now", type_=BigInteger), drops.c.world_id > bindparam("after", type_=Text))
    .distinct()
    .order_by(drops.c.world_id)
    .limit(LIMIT)
)
_ROOM = drops.c.room_id == bindparam("room", type_=Text)
HEAPS = _heaps()
HEAPS_IN_ROOM = _heaps(_ROOM)
HEAPS_AROUND = _heaps(_ROOM, *(_along(axis) for axis in "xyz"))


class WithGround(Struct, frozen=True):
    """A world on whose ground something lies."""

    world_id: str


async def worlds_to_sweep(read: Reader, after: str = "", limit: int = 100) -> list[str]:
    """Give worlds on whose ground something has lain for too long, in the order of their ids."""
    return [one.world_id for one in await read.rows(WithGround, SWEEPABLE, now=read.now_ms(), after=after, limit=limit)]


class _HeapRow(Struct, frozen=True):
    slot: int
    item: str
    quantity: int
    item_uid: str | None
    metadata: str
    owner: str | None
    protected_until: int | None
    despawns_at: int | None
    room_id: str | None
    x: float | None
    y: float | None
    z: float | None


class Heap(Struct, frozen=True):
    """A stack on the ground as somebody sees it; `despawns_at` is empty for what stays until it is taken."""

    slot: int
    item: str
    name: str | None
    quantity: int
    item_uid: str | None
    metadata: dict[str, Any]
    yours: bool
    """whether the one who asks is its owner"""
    protected_until: int | None
    despawns_at: int | None
    room_id: str | None
    x: float
    y: float
    z: float


@query(access="player")
async def ground(
    read: Reader,
    *,
    character: characters.CharacterId,
    world: worlds.WorldId,
    room: characters.RoomId | None = None,
    within: Distance | None = None,
    limit: PageLimit = 50,
    cursor: Cursor | None = None,
) -> Page[Heap]:
    """List what lies on a world's ground and may be seen by a character: in a room, or no farther than `within` from where it stands.

    Raises: CHARACTER_NOT_FOUND.
    """
    (after,) = read_cursor(cursor, int) or (-1,)
    _, loaded = await characters.load_alive(read, character, characters.CharacterLocation)
    asked: dict[str, Any] = {"world": world, "character": character, "now": read.now_ms(), "limit": limit + 1}
    statement = HEAPS
    if within is not None:
        at = loaded.one(characters.CharacterLocation)
        if at is None or at.world_id != world or room not in (None, at.room_id):
            return Page([])
        statement = HEAPS_AROUND
        asked |= {"room": at.room_id, "x": at.x, "y": at.y, "z": at.z, "within": within}
    elif room is not None:
        statement = HEAPS_IN_ROOM
        asked["room"] = room
    return await _heaps_seen(read, statement, asked, after)


async def _heaps_seen(read: Reader, statement: Any, asked: dict[str, Any], after: int) -> Page[Heap]:
    """Give a page of what its reader sees; what somebody else keeps for good is passed over."""
    definitions = read.definitions(content.ItemDefinition)
    most = asked["limit"] - 1
    seen: list[Heap] = []
    while True:
        rows = await read.rows(_HeapRow, statement, **asked, after=after)
        for heap in rows[:most]:
            after = heap.slot
            seen += _seen(heap, asked["character"], definitions)
            if len(seen) == most:
                return Page(seen, write_cursor([after]) if heap is not rows[-1] else None)
        if len(rows) <= most:
            return Page(seen)


def _seen(row: _HeapRow, character: str, definitions: Mapping[str, content.ItemDefinition]) -> list[Heap]:
    """Give a heap, unless it is somebody else's for good."""
    definition = definitions.get(row.item)
    yours = row.owner == character
    if not yours and not tradeable(definition):
        return []
    name = None if definition is None else definition.name
    metadata = load_json(row.metadata)
    where = (row.room_id, row.x or 0.0, row.y or 0.0, row.z or 0.0)
    return [Heap(row.slot, row.item, name, row.quantity, row.item_uid, metadata, yours, row.protected_until, row.despawns_at, *where)]


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


# Under the names by which other programs know them


def _seed(of: ColumnElement[bool], *columns: Any) -> Select[Any]:
    place = holdings.c.holder_id + ":" + holdings.c.container + ":" + cast(holdings.c.slot, Text)
    player = holdings.c.holder_id.label("playerId")
    return select(place.label("id"), player, holdings.c.item_id.label("itemId"), holdings.c.quantity, *columns).where(of)


_SLOT_TYPE = case(dict(enumerate(content.EQUIPMENT_SLOTS)), value=holdings.c.slot, else_=cast(holdings.c.slot, Text)).label("slotType")
_TAB = case({tab: index for index, tab in enumerate(BANK_TABS)}, value=holdings.c.container).label("tabIndex")

view("inventory", _seed(holdings.c.container == INVENTORY, holdings.c.slot.label("slotIndex"), holdings.c.metadata))
view("equipment", _seed(holdings.c.container == EQUIPMENT, _SLOT_TYPE, holdings.c.metadata))
view("bank", _seed(holdings.c.container.in_(BANK_TABS), holdings.c.slot, _TAB, holdings.c.metadata))
