"""What may be done in a trade.

The acting character is the first argument. The other one is found before the batch, because a trade names both for good;
that the trade is still open, and everything that is offered, is looked at again under the locks of all three.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta, Struct

from gamekeeper.errors import RateLimited
from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, items

from . import queries
from .errors import (
    AlreadyAnswered,
    AlreadyInTrade,
    InvalidQuantity,
    InvalidTrade,
    InventoryFullInitiator,
    InventoryFullRecipient,
    ItemChanged,
    NotAccepted,
    NotExpired,
    NotInTrade,
    PlayerBusy,
    StaleRevision,
    TradeChanged,
    TradeExpired,
)
from .records import NewTradeId, OfferedItem, OfferedItems, Revision, Screen, Trade, TradeId, TradeLock, TradeStatus
from .rules import IDLE_TIMEOUT_MS, REQUEST_TIMEOUT_MS, Side, both_accept, cooldown_left_ms, is_busy

TradeLimit = Annotated[int, Meta(ge=1, le=100, description="how many trades at most")]

OPEN: tuple[TradeStatus, ...] = ("open", "confirmed")


class TradeState(Struct, frozen=True):
    """Where a trade stands."""

    trade_id: str
    status: TradeStatus
    screen: Screen
    revision: int
    expires_at: int


class Cancelled(Struct, frozen=True):
    """How many trades were cancelled."""

    trades: int


class TimedOut(Struct, frozen=True):
    """How many trades were closed, or would be, and whether there are more."""

    trades: int
    more: bool


class OpenTrade(Struct, frozen=True):
    """The trade that a character was in when it was looked for, and everybody whose lock its end needs."""

    trade_id: str | None = None
    owners: tuple[str, ...] = ()


class _OfCharacter(Protocol):
    """The argument of `cancel_all` that its preparation needs."""

    character: str


class _Sweep(Protocol):
    """The argument of `time_out_expired` that its preparation needs."""

    limit: int


async def both_sides(read: Reader, arguments: Any) -> Prepared:
    """Find the characters of a trade.

    Raises: INVALID_TRADE.
    """
    trade = await read.get(Trade, arguments.trade)
    if trade is None:
        raise InvalidTrade(id=arguments.trade, status=None)
    return Prepared(owners=(trade.initiator_id, trade.receiver_id))


@command(touches=[Trade, TradeLock, characters.Character], access="player")
def request(
    ctx: Context, *, initiator: characters.CharacterId, receiver: characters.CharacterId, trade: NewTradeId | None = None
) -> TradeState:
    """Ask another character for a trade; the request stands for 30 seconds.

    Raises: SELF_TRADE, ALREADY_IN_TRADE, RATE_LIMITED, PLAYER_BUSY, CHARACTER_NOT_FOUND, ALREADY_EXISTS.
    """
    if initiator == receiver:
        raise items.SelfTrade(id=initiator)
    characters.alive(ctx, initiator)
    characters.alive(ctx, receiver)
    mine, theirs = (lock_of(ctx, character) for character in (initiator, receiver))
    if is_busy(mine.trade_id, mine.until, ctx.now):
        raise AlreadyInTrade(character=initiator, trade=mine.trade_id)
    wait_ms = cooldown_left_ms(mine.requested_at, ctx.now)
    if wait_ms:
        raise RateLimited(retry_after_seconds=wait_ms / 1000)
    if is_busy(theirs.trade_id, theirs.until, ctx.now):
        raise PlayerBusy(character=receiver)
    id = ctx.create_owner("trade", trade)
    until = ctx.now + REQUEST_TIMEOUT_MS
    ctx.put(msgspec.structs.replace(mine, trade_id=id, until=until, requested_at=ctx.now))
    ctx.put(msgspec.structs.replace(theirs, trade_id=id, until=until))
    made = Trade(id, initiator, receiver, "open", "request", 0, [], [], None, None, ctx.now, ctx.now, until)
    ctx.put(made)
    return state_of(made)


@command(touches=[Trade, TradeLock], prepare=both_sides, access="player")
def respond(ctx: Context, *, character: characters.CharacterId, trade: TradeId, accept: bool) -> TradeState:
    """Accept or decline a request.

    Raises: INVALID_TRADE, NOT_IN_TRADE, TRADE_EXPIRED, ALREADY_ANSWERED.
    """
    row = ongoing(ctx, trade, character)
    if character != row.receiver_id:
        raise NotInTrade(character=character, trade=trade)
    if row.screen != "request":
        raise AlreadyAnswered(trade=trade)
    if not accept:
        return state_of(end(ctx, row, "declined", "declined"))
    return state_of(go_on(ctx, row, screen="offer"))


@command(touches=[Trade, TradeLock, items.Holding], prepare=both_sides, access="player")
def offer(ctx: Context, *, character: characters.CharacterId, trade: TradeId, items: OfferedItems) -> TradeState:
    """Put up what a side offers, in place of what it offered before; both acceptances are void and both see the offers again.

    Raises: INVALID_TRADE, NOT_IN_TRADE, TRADE_EXPIRED, NOT_ACCEPTED, INVALID_SLOT, SLOT_EMPTY, INVALID_QUANTITY, ITEM_CHANGED,
    UNTRADEABLE_ITEM.
    """
    row = ongoing(ctx, trade, character)
    if row.screen == "request":
        raise NotAccepted(trade=trade)
    found = look_up(ctx, character, items)
    return state_of(
        go_on(
            ctx,
            row,
            status="open",
            screen="offer",
            revision=row.revision + 1,
            initiator_accepted_revision=None,
            receiver_accepted_revision=None,
            **{f"{side_of(row, character)}_offer": found},
        )
    )


@command(touches=[Trade, TradeLock, items.Holding, items.ItemMovement, characters.Character], prepare=both_sides, access="player")
def accept(ctx: Context, *, character: characters.CharacterId, trade: TradeId, revision: Revision) -> TradeState:
    """Agree to a revision of the offers. When both agree to one it is shown once more; when both agree again, things change hands.

    Raises: INVALID_TRADE, NOT_IN_TRADE, TRADE_EXPIRED, NOT_ACCEPTED, STALE_REVISION, ITEM_CHANGED, UNTRADEABLE_ITEM,
    INVENTORY_FULL_INITIATOR, INVENTORY_FULL_RECIPIENT, STACK_OVERFLOW, CHARACTER_NOT_FOUND.
    """
    row = ongoing(ctx, trade, character)
    if row.screen == "request":
        raise NotAccepted(trade=trade)
    if revision != row.revision:
        raise StaleRevision(seen=revision, current=row.revision)
    row = go_on(ctx, row, **{f"{side_of(row, character)}_accepted_revision": revision})
    if not both_accept(row.initiator_accepted_revision, row.receiver_accepted_revision, revision):
        return state_of(row)
    if row.screen == "confirm":
        change_hands(ctx, row)
        return state_of(end(ctx, row, "completed", "completed"))
    # A new revision, so that a click sent twice cannot agree to both screens.
    return state_of(
        go_on(
            ctx,
            row,
            status="confirmed",
            screen="confirm",
            revision=revision + 1,
            initiator_accepted_revision=None,
            receiver_accepted_revision=None,
        )
    )


@command(touches=[Trade, TradeLock], prepare=both_sides, access="player")
def cancel(ctx: Context, *, character: characters.CharacterId, trade: TradeId) -> TradeState:
    """Leave a trade; nothing changes hands.

    Raises: INVALID_TRADE, NOT_IN_TRADE, TRADE_EXPIRED.
    """
    row = ongoing(ctx, trade, character)
    return state_of(end(ctx, row, "cancelled", f"cancelled by the {side_of(row, character)}"))


async def _open_trade(read: Reader, arguments: _OfCharacter) -> Prepared:
    found = await open_trade(read, arguments.character)
    return Prepared(found=found, owners=found.owners)


@command(touches=[Trade, TradeLock], prepare=_open_trade, prepares_again=[TradeChanged], access="player")
def cancel_all(ctx: Context, *, character: characters.CharacterId) -> Cancelled:
    """Let a character leave the trade that it is in, if it is in one; nothing changes hands.

    For whoever lets a character go without its player: `people.log_out`, a ban and a kick do it themselves. A trade that nobody cancels
    so ends by itself after five minutes without a move.

    Raises: TRADE_CHANGED.
    """
    return Cancelled(int(leave(ctx, character, ctx.found, "left the game") is not None))


@command(touches=[Trade, TradeLock], prepare=both_sides, access="server")
def time_out(ctx: Context, *, trade: TradeId) -> TradeState:
    """Close a trade that has expired.

    Raises: INVALID_TRADE, TRADE_NOT_EXPIRED.
    """
    row = ctx.get(Trade, trade)
    if row is None or row.status not in OPEN:
        raise InvalidTrade(id=trade, status=row and row.status)
    if ctx.now < row.expires_at:
        raise NotExpired(trade=trade)
    return state_of(end(ctx, row, "cancelled", "timed out"))


async def _expired(read: Reader, arguments: _Sweep) -> Prepared:
    rows = await queries.expired.function(read, at=read.now_ms(), limit=arguments.limit + 1)
    some = rows[: arguments.limit]
    owners = {owner for row in some for owner in (row.trade_id, row.initiator_id, row.receiver_id)}
    return Prepared(found=(tuple(row.trade_id for row in some), len(rows) > len(some)), owners=tuple(sorted(owners)))


@command(touches=[Trade, TradeLock], prepare=_expired, access="operator")
def time_out_expired(ctx: Context, *, limit: TradeLimit = 50, dry_run: bool = False) -> TimedOut:
    """Close trades that have expired, so many at the most, as `time_out` does; a dry run only counts them."""
    found, more = ctx.found
    rows = [row for trade in found if (row := ctx.get(Trade, trade)) is not None]
    over = [row for row in rows if row.status in OPEN and row.expires_at <= ctx.now]
    for row in over if not dry_run else ():
        end(ctx, row, "cancelled", "timed out")
    return TimedOut(len(over), more)


# The trade and its locks


async def open_trade(read: Reader, character: str) -> OpenTrade:
    """Find the trade that a character is in, for the preparation of a command that will call `leave`."""
    lock = await read.get(TradeLock, character)
    if lock is None or lock.trade_id is None:
        return OpenTrade()
    row = await read.get(Trade, lock.trade_id)
    return OpenTrade() if row is None else OpenTrade(row.trade_id, (row.trade_id, row.initiator_id, row.receiver_id))


def leave(ctx: Context, character: str, found: OpenTrade, why: str) -> Trade | None:
    """End the trade that a character is in, and give it; whoever calls it lists `Trade` and `TradeLock` in what it touches.

    Raises: TRADE_CHANGED when it is another one than was found; a command names it in `prepares_again`.
    """
    lock = ctx.get(TradeLock, character)
    if (None if lock is None else lock.trade_id) != found.trade_id:
        raise TradeChanged(character=character)
    row = None if found.trade_id is None else ctx.get(Trade, found.trade_id)
    if row is None:
        return None
    return end(ctx, row, "cancelled", f"the {side_of(row, character)} {why}")


async def open_trades(read: Reader, user: str) -> dict[str, OpenTrade]:
    """Find the trade of each character of a user, for the preparation of a command that will call `leave_all` and locks them all."""
    found: dict[str, OpenTrade] = {}
    for one in await queries.in_trades(read, user):
        ends = (one.trade_id, one.initiator_id, one.receiver_id)
        found[one.character_id] = OpenTrade(one.trade_id, tuple(end for end in (one.character_id, *ends) if end is not None))
    return found


def leave_all(ctx: Context, user: str, found: Mapping[str, OpenTrade], why: str, *, only: str | None = None) -> int:
    """End the trades that the characters of a user are in, or one of them, and say how many.

    Whoever calls it lists `Trade`, `TradeLock` and `CharacterSlot` in what it touches.

    Raises: TRADE_CHANGED when they are others than were found; a command names it in `prepares_again`.
    """
    for slot in ctx.rows(characters.CharacterSlot, user):
        if slot.character_id not in found:
            raise TradeChanged(character=slot.character_id)
    ended: set[str] = set()
    for character, trade in found.items():
        # Two characters of one user may be in one trade.
        if only in (None, character) and trade.trade_id not in ended and leave(ctx, character, trade, why) is not None:
            ended.add(str(trade.trade_id))
    return len(ended)


def ongoing(ctx: Context, trade: str, character: str) -> Trade:
    """Give a trade that may go on and that the character has a part in.

    Raises: INVALID_TRADE, NOT_IN_TRADE, TRADE_EXPIRED.
    """
    row = ctx.get(Trade, trade)
    if row is None:
        raise InvalidTrade(id=trade, status=None)
    if character not in (row.initiator_id, row.receiver_id):
        raise NotInTrade(character=character, trade=trade)
    if row.status not in OPEN:
        raise InvalidTrade(id=trade, status=row.status)
    if ctx.now >= row.expires_at:
        raise TradeExpired(trade=trade)
    return row


def go_on(ctx: Context, row: Trade, **fields: Any) -> Trade:
    """Change a trade and let it wait anew for the next move of either side."""
    until = ctx.now + IDLE_TIMEOUT_MS
    for character in (row.initiator_id, row.receiver_id):
        ctx.change(lock_of(ctx, character), until=until)
    return ctx.change(row, updated_at=ctx.now, expires_at=until, **fields)


def end(ctx: Context, row: Trade, status: TradeStatus, why: str) -> Trade:
    """End a trade and free its characters, if they are not in another one by now."""
    for character in (row.initiator_id, row.receiver_id):
        lock = lock_of(ctx, character)
        if lock.trade_id == row.trade_id:
            ctx.change(lock, trade_id=None)
    return ctx.change(row, status=status, updated_at=ctx.now, ended_at=ctx.now, end_reason=why)


def lock_of(ctx: Context, character: str) -> TradeLock:
    """Give a character's lock, open if there is none yet."""
    return ctx.get(TradeLock, character) or TradeLock(character, None, 0, 0)


def side_of(row: Trade, character: str) -> Side:
    """Tell which side of the trade a character is."""
    return "initiator" if character == row.initiator_id else "receiver"


def state_of(row: Trade) -> TradeState:
    """Give where a trade stands."""
    return TradeState(row.trade_id, row.status, row.screen, row.revision, row.expires_at)


# What is offered


def look_up(ctx: Context, character: str, offered: Sequence[OfferedItem]) -> list[dict[str, Any]]:
    """Give an offer with what lies in its slots.

    Raises: INVALID_SLOT, SLOT_EMPTY, ITEM_CHANGED, INVALID_QUANTITY, UNTRADEABLE_ITEM.
    """
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for one in offered:
        place = (one.container, one.slot)
        if one.slot >= items.size_of(ctx, character, one.container) or place in found:
            raise items.InvalidSlot(container=one.container, slot=one.slot)
        row = items.stack_at(ctx, character, one.container, one.slot)
        if one.item not in (None, row.item_id):
            raise ItemChanged(character=character, slot=one.slot)
        if one.quantity > row.quantity:
            raise InvalidQuantity(slot=one.slot, held=row.quantity, offered=one.quantity)
        items.require_tradeable(ctx, row.item_id)
        found[place] = {
            "container": one.container,
            "slot": one.slot,
            "item": row.item_id,
            "quantity": one.quantity,
            "item_uid": row.item_uid,
            "metadata": row.metadata,
        }
    return list(found.values())


def change_hands(ctx: Context, row: Trade) -> None:
    """Take everything that is offered from both sides, then give it to the other; what a side gives makes room for what it gets.

    Raises: ITEM_CHANGED, UNTRADEABLE_ITEM, INVENTORY_FULL_INITIATOR, INVENTORY_FULL_RECIPIENT, STACK_OVERFLOW, CHARACTER_NOT_FOUND.
    """
    characters.alive(ctx, row.initiator_id)
    characters.alive(ctx, row.receiver_id)
    from_initiator = [take_offered(ctx, row.initiator_id, one) for one in row.initiator_offer]
    from_receiver = [take_offered(ctx, row.receiver_id, one) for one in row.receiver_offer]
    try:
        hand_over(ctx, row.receiver_id, from_initiator)
    except items.InventoryFull:
        raise InventoryFullRecipient(character=row.receiver_id) from None
    try:
        hand_over(ctx, row.initiator_id, from_receiver)
    except items.InventoryFull:
        raise InventoryFullInitiator(character=row.initiator_id) from None


def take_offered(ctx: Context, character: str, offered: dict[str, Any]) -> items.Parcel:
    """Take what was offered out of its slot, if it is still the same thing and still enough of it.

    Raises: ITEM_CHANGED, UNTRADEABLE_ITEM.
    """
    row = ctx.get(items.Holding, character, offered["container"], offered["slot"])
    if (
        row is None
        or (row.item_id, row.item_uid) != (offered["item"], offered["item_uid"])
        or row.quantity < offered["quantity"]
        or not items.same_metadata(row.metadata, offered["metadata"])
    ):
        raise ItemChanged(character=character, slot=offered["slot"])
    items.require_tradeable(ctx, row.item_id)
    return items.lift(ctx, row, offered["quantity"])


def hand_over(ctx: Context, receiver: str, parcels: Sequence[items.Parcel]) -> None:
    """Put parcels where they lay with the one who gave them.

    Raises: INVENTORY_FULL, STACK_OVERFLOW.
    """
    for parcel in parcels:
        items.put(ctx, receiver, parcel, parcel.from_container or "inventory", reason="trade")
