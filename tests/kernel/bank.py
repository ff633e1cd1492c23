"""A bank and a town: a game outside the package, which uses everything that the kernel offers to one.

The tests of the kernel play it, so it has verbs that no game should have: some break a rule on purpose.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from sqlalchemy import BigInteger, Text, bindparam, select

from gamekeeper.errors import GameError, OwnerNotFound
from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.records import (
    Amount,
    Coordinate,
    EpochMs,
    Integer,
    JsonObject,
    Key,
    OwnedBy,
    Personal,
    Quantity,
    Ranked,
    Record,
    Secret,
)
from gamekeeper.kernel.store import schema
from gamekeeper.kernel.workingset import Context

GOLD = "gold"
START = 100
"""Gold in a new account."""
NICK = "bank.nick"
"""The kind of claim under which nicks are unique."""

AccountId = Annotated[Id, OwnedBy("account")]
NewAccountId = Annotated[Id, OwnedBy("account", creates=True)]

# What is stored


class Purse(Record, table="bank_purses", value=True):
    """Coins of one kind."""

    account_id: Key[AccountId]
    coin: Key[str]
    amount: Amount


class Profile(Record, table="bank_profiles", unique=(("nick",),)):
    """Who the account belongs to."""

    account_id: Key[AccountId]
    mail: Personal[str | None]
    nick: str
    pin: Secret[str | None] = None
    meta: JsonObject = {}


class Place(Record, table="bank_places", durability="checkpoint"):
    """Where the account's person stands."""

    account_id: Key[AccountId]
    x: Coordinate


class Pin(Record, table="bank_pins", loads="key", durability="checkpoint"):
    """A pin in the account's map, of which there may be very many."""

    account_id: Key[AccountId]
    name: Key[str]
    x: Coordinate


class Receipt(Record, table="bank_receipts", append_only=True):
    """What was paid in or out, for ever."""

    account_id: Key[AccountId]
    receipt_id: Key[Id]
    amount: Integer
    memo: str
    at: EpochMs


class Coupon(Record, table="bank_coupons", loads="key", value=True):
    """A code that is worth something once; an account may have very many."""

    account_id: Key[AccountId]
    code: Key[str]
    worth: Quantity
    used: bool = False


class Lamp(Record, table="bank_lamps"):
    """A thing of the commit class and of no value."""

    account_id: Key[AccountId]
    lit: bool
    oil: float = 0.0


class Trophy(Record, table="bank_trophies", ranked=Ranked("points", within=("game",)), indexes=(("game", "points"),)):
    """Points in a game; who has more stands higher."""

    account_id: Key[AccountId]
    game: Key[Annotated[str, Meta(max_length=20)]]
    points: Annotated[int, Meta(ge=0, le=2_000_000)]


# What can go wrong


class TooPoor(GameError):
    """The account holds less than the command needs."""

    code = "TOO_POOR"
    held: int
    needed: int


class CouponUsed(GameError):
    """The coupon is unknown or was used."""

    code = "COUPON_USED"


# What may be done


@command(touches=[Trophy])
def score(ctx: Context, *, account: AccountId, game: str = "chess", points: int | None, fail: bool = False) -> None:
    """Set the points in a game; None takes them away."""
    row = ctx.get(Trophy, account, game)
    if points is not None:
        ctx.put(Trophy(account, game, points))
    elif row is not None:
        ctx.delete(row)
    if fail:
        raise TooPoor(held=0, needed=1)


class Opened(Struct, frozen=True):
    """A new account."""

    account_id: str


class Token(Struct, frozen=True):
    """An answer that is shown once."""

    account_id: str
    token: Secret[str]


@command(touches=[Purse, Profile], access="public")
def open_account(
    ctx: Context, *, nick: str, mail: Personal[str] = "", pin: Secret[str | None] = None, account: NewAccountId | None = None
) -> Opened:
    """Open an account with some gold, under a nick that nobody else has."""
    made = ctx.create_owner("account", account)
    ctx.claim(NICK, nick, made)
    ctx.put(Purse(made, GOLD, START))
    ctx.put(Profile(made, mail, nick, pin))
    return Opened(made)


@command(touches=[Profile])
def rename(ctx: Context, *, account: AccountId, nick: str) -> str:
    """Take another nick and give the old one back; gives the old one."""
    profile = ctx.get(Profile, account)
    assert profile is not None
    ctx.release(NICK, profile.nick)
    ctx.claim(NICK, nick, account)
    ctx.change(profile, nick=nick)
    return profile.nick


@command(touches=[Profile])
def take_nick(ctx: Context, *, account: AccountId, nick: str) -> None:
    """Write a nick without claiming it: only the table's unique constraint stands in the way."""
    profile = ctx.get(Profile, account)
    assert profile is not None
    ctx.change(profile, nick=nick)


@command(touches=[Purse])
def pay(ctx: Context, *, giver: AccountId, receiver: AccountId, amount: Quantity) -> int:
    """Give gold to another account; gives what is left."""
    left = _take(ctx, giver, amount)
    _give(ctx, receiver, amount)
    return left


@command(touches=[Purse, Profile])
def create_and_fund(ctx: Context, *, giver: AccountId, account: AccountId, amount: Quantity) -> int:
    """Pay into an account that an earlier command of the same call may have opened."""
    left = _take(ctx, giver, amount)
    _give(ctx, account, amount)
    return left


@command(touches=[Purse, Receipt])
def pay_in(ctx: Context, *, account: AccountId, amount: Quantity, memo: str = "") -> str:
    """Make gold and write a receipt; gives the receipt's id."""
    _give(ctx, account, amount)
    receipt = ctx.new_id()
    ctx.append(Receipt(account, receipt, amount, memo, ctx.now))
    return receipt


@command(touches=[Purse])
def spend_then_look(ctx: Context, *, account: AccountId, amount: Quantity) -> None:
    """Write first and refuse afterwards, as a careless author would."""
    purse = ctx.get(Purse, account, GOLD)
    assert purse is not None
    ctx.put(Purse(account, "copper", 1))
    ctx.change(purse, amount=0)
    ctx.delete(Purse(account, "copper", 1))
    raise TooPoor(held=purse.amount, needed=amount)


@command(touches=[Purse])
def crash(ctx: Context, *, account: AccountId) -> None:
    """Write, then fail with what is no GameError."""
    purse = ctx.get(Purse, account, GOLD)
    assert purse is not None
    ctx.change(purse, amount=0)
    raise ZeroDivisionError("a fault of the game")


@command(touches=[Purse], access="operator")
def empty(ctx: Context, *, account: AccountId) -> int:
    """Delete every purse while going over them; gives how many there were."""
    count = 0
    for purse in ctx.rows(Purse, account):
        ctx.delete(purse)
        ctx.put(Purse(account, f"dust of {purse.coin}", 1))
        count += 1
    return count


Fault = Literal["negative", "huge", "immense", "text", "fraction", "surrogate", "missing", "unencodable"]


@command(touches=[Purse])
def miswrite(ctx: Context, *, account: AccountId, fault: Fault) -> Any:
    """Write a row that the database must refuse, or answer what cannot be sent."""
    wrong: dict[str, Any] = {
        "negative": -1,
        "huge": 2**53,
        "immense": 2**70,
        "text": "much",
        "fraction": 0.5,
        "surrogate": 1,
        "missing": None,
        "unencodable": 1,
    }
    ctx.put(Purse(account, "\ud800" if fault == "surrogate" else "odd", wrong[fault]))
    return object() if fault == "unencodable" else None


@command(touches=[Lamp])
def light(ctx: Context, *, account: AccountId, oil: float = 0.0) -> None:
    """Light a lamp with an amount of oil that nothing bounds."""
    ctx.put(Lamp(account, True, oil))


@command(touches=[Purse])
def peek_at_profile(ctx: Context, *, account: AccountId) -> None:
    """Touch a record that was not declared."""
    ctx.get(Profile, account)


@command(touches=[Purse])
def peek_at_other(ctx: Context, *, account: AccountId, other: str) -> None:
    """Touch an owner that was not declared."""
    ctx.get(Purse, other, GOLD)


@command(touches=[Purse])
def write_undeclared(ctx: Context, *, account: AccountId) -> None:
    """Write a record that was not declared."""
    ctx.put(Lamp(account, True))


@command(touches=[Receipt])
def rewrite_receipt(ctx: Context, *, account: AccountId, receipt: Id) -> None:
    """Write an append-only record as if it were any other."""
    ctx.put(Receipt(account, receipt, 0, "", 0))


@command(touches=[Purse])
def append_purse(ctx: Context, *, account: AccountId) -> None:
    """Append a record that is not append-only."""
    ctx.append(Purse(account, "odd", 1))


@command(touches=[Purse])
def change_nothing(ctx: Context, *, account: AccountId) -> int:
    """Read only; gives the gold."""
    purse = ctx.get(Purse, account, GOLD)
    return 0 if purse is None else purse.amount


@command(touches=[Purse])
def insist(ctx: Context, *, account: AccountId, amount: Quantity) -> None:
    """Refuse unless the account holds so much."""
    purse = ctx.get(Purse, account, GOLD)
    if purse is None or purse.amount < amount:
        raise TooPoor(held=0 if purse is None else purse.amount, needed=amount)


@command(touches=[Purse])
def say(ctx: Context, *, account: AccountId) -> tuple[str, str | None, int, int, int]:
    """What a context gives: actor, reason, time, a die, the owner's version."""
    return (ctx.actor, ctx.reason, ctx.now, ctx.random.randrange(10**9), ctx.owner(account).version)


# Reading before the batch

BY_NICK = select(schema.table(Profile).c.account_id).where(schema.table(Profile).c.nick == bindparam("nick", type_=Text))


async def _find_nick(read: Reader, arguments: Any) -> Prepared:
    found = await read.scalar(BY_NICK, nick=arguments.nick)
    if found is None:
        raise OwnerNotFound(id=arguments.nick)
    return Prepared(found=found, owners=(found,))


@command(touches=[Purse, Profile], prepare=_find_nick)
def pay_nick(ctx: Context, *, giver: AccountId, nick: str, amount: Quantity) -> int:
    """Give gold to whoever has a nick; looks again under the lock that they still have it."""
    receiver: str = ctx.found
    profile = ctx.get(Profile, receiver)
    if profile is None or profile.nick != nick:
        raise OwnerNotFound(id=nick)
    left = _take(ctx, giver, amount)
    _give(ctx, receiver, amount)
    return left


# Rows by key


def _coupon(arguments: Any) -> Sequence[tuple[type[Record], tuple[Any, ...]]]:
    return [(Coupon, (arguments.account, arguments.code))]


@command(touches=[Coupon], keys=_coupon)
def issue(ctx: Context, *, account: AccountId, code: str, worth: Quantity) -> None:
    """Give an account a coupon."""
    ctx.put(Coupon(account, code, worth))


@command(touches=[Coupon, Purse], keys=_coupon)
def redeem(ctx: Context, *, account: AccountId, code: str) -> int:
    """Turn a coupon into gold, once; gives its worth."""
    coupon = ctx.get(Coupon, account, code)
    if coupon is None or coupon.used:
        raise CouponUsed
    ctx.change(coupon, used=True)
    _give(ctx, account, coupon.worth)
    return coupon.worth


@command(touches=[Coupon], keys=_coupon)
def tear(ctx: Context, *, account: AccountId, code: str) -> bool:
    """Delete a coupon; says whether it was there."""
    coupon = ctx.get(Coupon, account, code)
    if coupon is not None:
        ctx.delete(coupon)
    return ctx.get(Coupon, account, code) is None and coupon is not None


@command(touches=[Coupon])
def glance(ctx: Context, *, account: AccountId, code: str) -> bool:
    """Say whether it is known that there is a coupon, without having declared that it will be asked."""
    return ctx.can_read(Coupon, account, code) or ctx.find(Coupon, account, code) is not None


@command(touches=[Coupon], keys=_coupon)
def look(ctx: Context, *, account: AccountId, code: str) -> bool:
    """Say whether there is a coupon, having declared it."""
    return ctx.can_read(Coupon, account, code) and ctx.find(Coupon, account, code) is not None


@command(touches=[Coupon, Purse])
def coin(ctx: Context, *, account: AccountId, worth: Quantity, code: str | None = None, price: Amount = 0) -> Coupon:
    """Sell an account a coupon under a new code, or under one that is hoped to be new, without looking for it."""
    code = code or ctx.new_id()
    ctx.add(Coupon(account, code, worth))
    coupon = ctx.get(Coupon, account, code)
    assert coupon is not None
    if price:
        _take(ctx, account, price)
    return coupon


@command(touches=[Coupon])
def coin_and_tear(ctx: Context, *, account: AccountId, code: str, again: bool) -> bool:
    """Make a coupon and delete it, and perhaps make it again; says whether it is there."""
    coupon = Coupon(account, code, 1)
    ctx.add(coupon)
    ctx.delete(coupon)
    assert ctx.get(Coupon, account, code) is None
    if again:
        ctx.add(coupon)
    return ctx.get(Coupon, account, code) is not None


@command(touches=[Coupon, Purse])
def found_mint(ctx: Context, *, account: NewAccountId, code: str) -> str:
    """Make an account with one coupon in it, and look whether it has another."""
    made = ctx.create_owner("account", account)
    ctx.add(Purse(made, GOLD, START))
    ctx.add(Coupon(made, code, 1))
    assert ctx.get(Coupon, made, code + "-other") is None
    return made


@command(touches=[Purse])
def add_purse(ctx: Context, *, account: AccountId, coin: str) -> None:
    """Add a purse of a coin of which the account has none."""
    ctx.add(Purse(account, coin, 1))


class Shown(Struct, frozen=True):
    """A profile and what else was asked for."""

    profiles: list[Profile]


@command(touches=[Profile])
def show_off(ctx: Context, *, account: AccountId, meta: JsonObject) -> Shown:
    """Set what is in a profile's `meta`, and give the profile."""
    profile = ctx.get(Profile, account)
    assert profile is not None
    return Shown([ctx.change(profile, meta=meta)])


@command(touches=[Purse])
def overwrite(ctx: Context, *, account: AccountId, quantity: Quantity) -> Purse | None:
    """Write a purse before anything else is looked at, and read it."""
    ctx.put(Purse(account, GOLD, quantity))
    return ctx.get(Purse, account, GOLD)


Misadded = Literal["untouched", "ledger", "owner"]


@command(touches=[Coupon, Receipt])
def misadd(ctx: Context, *, account: AccountId, what: Misadded) -> None:
    """Add what was not declared, or what has a verb of its own."""
    ctx.add(Coupon(account, "before", 1))
    if what == "untouched":
        ctx.add(Lamp(account, True))
    elif what == "ledger":
        ctx.add(Receipt(account, ctx.new_id(), 1, "", ctx.now))
    else:
        ctx.add(Coupon("nobody", "code", 1))


@command(touches=[Coupon], keys=_coupon)
def tear_another(ctx: Context, *, account: AccountId, code: str) -> None:
    """Look at a coupon whose key was not declared."""
    ctx.get(Coupon, account, code + "-other")


# People and secrets


@command(touches=[Profile])
def new_token(ctx: Context, *, account: AccountId) -> Token:
    """Give a token that is shown once."""
    profile = ctx.get(Profile, account)
    assert profile is not None
    ctx.change(profile, meta={**profile.meta, "tokens": profile.meta.get("tokens", 0) + 1})
    return Token(account, f"token-{ctx.random.getrandbits(128):032x}")


@command(touches=[Profile])
def log_in(ctx: Context, *, account: AccountId, password: Secret[str]) -> Token:
    """Count a visit; the password is for nobody to see."""
    profile = ctx.get(Profile, account)
    assert profile is not None
    ctx.change(profile, meta={**profile.meta, "length": len(password)})
    return Token(account, password.swapcase())


@command(touches=[Profile])
def set_pin(ctx: Context, *, account: AccountId, pin: Secret[str]) -> None:
    """Set the secret word."""
    profile = ctx.get(Profile, account)
    assert profile is not None
    ctx.change(profile, pin=pin)


@command(touches=[Profile])
def set_mail(ctx: Context, *, account: AccountId, mail: Personal[str]) -> None:
    """Set the address."""
    profile = ctx.get(Profile, account)
    assert profile is not None
    ctx.change(profile, mail=mail)


@command(touches=[Profile])
def set_meta(ctx: Context, *, account: AccountId, meta: JsonObject) -> None:
    """Set the free JSON."""
    profile = ctx.get(Profile, account)
    assert profile is not None
    ctx.change(profile, meta=meta)


@command(touches=[Profile], access="operator")
def erase(ctx: Context, *, account: AccountId) -> None:
    """Forget the person: the row is blanked and the journal can no longer be read."""
    profile = ctx.get(Profile, account)
    assert profile is not None
    ctx.change(profile, mail=None, nick=f"erased-{account}")
    ctx.release(NICK, profile.nick)
    ctx.erase_person(account)


@command(touches=[], access="operator")
def erase_key(ctx: Context, *, account: AccountId) -> None:
    """Destroy the person's key and change nothing else."""
    ctx.erase_person(account)


# Places


@command(touches=[Place], durability="checkpoint", access="player")
def walk(ctx: Context, *, account: AccountId, x: Coordinate) -> None:
    """Stand somewhere else."""
    ctx.put(Place(account, x))


@command(touches=[Place], durability="checkpoint", access="player")
def step(ctx: Context, *, account: AccountId, by: float) -> float:
    """Go on from where the account stands; gives where that is."""
    place = ctx.get(Place, account)
    at = (0.0 if place is None else place.x) + by
    ctx.put(Place(account, at))
    return at


@command(touches=[Place], durability="checkpoint")
def vanish(ctx: Context, *, account: AccountId) -> None:
    """Stand nowhere."""
    place = ctx.get(Place, account)
    if place is not None:
        ctx.delete(place)


@command(touches=[Place], durability="checkpoint")
def stumble(ctx: Context, *, account: AccountId) -> None:
    """Compute a place that is no number: only the database notices."""
    ctx.put(Place(account, math.nan))


def _pin_keys(arguments: Any) -> list[tuple[type[Record], tuple[str, str]]]:
    return [(Pin, (arguments.account, name)) for name in arguments.names]


@command(touches=[Pin], keys=_pin_keys, durability="checkpoint")
def pin(ctx: Context, *, account: AccountId, names: list[str], x: Coordinate) -> list[float]:
    """Put pins somewhere; gives where they were."""
    before = [one.x for name in names if (one := ctx.get(Pin, account, name)) is not None]
    for name in names:
        ctx.put(Pin(account, name, x))
    return before


@command(touches=[Pin], keys=_pin_keys, durability="checkpoint")
def unpin(ctx: Context, *, account: AccountId, names: list[str]) -> int:
    """Take pins out; gives how many there were."""
    found = [one for name in names if (one := ctx.get(Pin, account, name)) is not None]
    for one in found:
        ctx.delete(one)
    return len(found)


@command(touches=[Place])
def teleport(ctx: Context, *, account: AccountId, x: Coordinate) -> None:
    """Stand somewhere else, and be sure that it is saved."""
    ctx.put(Place(account, x))


Trespass = Literal["write", "add", "append", "create", "claim", "release", "erase"]


@command(touches=[Place, Lamp, Receipt], durability="checkpoint")
def trespass(ctx: Context, *, account: AccountId, by: Trespass) -> None:
    """Do in a checkpoint command what would be lost with the process."""
    ctx.put(Place(account, 666.0))
    if by == "write":
        ctx.put(Lamp(account, True))
    elif by == "add":
        ctx.add(Place(account, 667.0))
    elif by == "append":
        ctx.append(Receipt(account, ctx.new_id(), 1, "", ctx.now))
    elif by == "create":
        ctx.create_owner("account")
    elif by == "claim":
        ctx.claim(NICK, "trespasser", account)
    elif by == "release":
        ctx.release(NICK, "trespasser")
    else:
        ctx.erase_person(account)


# What may be asked

_receipts = schema.table(Receipt)
RECEIPTS = (
    select(*_receipts.columns)
    .where(_receipts.c.account_id == bindparam("account", type_=Text), _receipts.c.receipt_id > bindparam("after", type_=Text))
    .order_by(_receipts.c.receipt_id)
    .limit(bindparam("limit", type_=BigInteger))
)
_purses = schema.table(Purse)
ALL_GOLD = (
    select(_purses.c.account_id, _purses.c.amount).where(_purses.c.coin == bindparam("coin", type_=Text)).order_by(_purses.c.account_id)
)


class Wealth(Struct, frozen=True):
    """How much an account holds."""

    account_id: str
    amount: int


class Whole(Struct, frozen=True):
    """An account as one round trip gives it."""

    version: int
    purses: list[Purse]
    place: Place | None


@query
async def gold(read: Reader, *, account: AccountId) -> int:
    """How much gold an account holds; -1 without a purse."""
    purse = await read.get(Purse, account, GOLD)
    return -1 if purse is None else purse.amount


@query
async def place(read: Reader, *, account: AccountId) -> float | None:
    """Where an account stands, read by key."""
    found = await read.get(Place, account)
    return None if found is None else found.x


@query
async def places(read: Reader, *, account: AccountId) -> list[float]:
    """The same, read as a list."""
    return [one.x for one in await read.all(Place, account)]


@query
async def whole(read: Reader, *, account: AccountId) -> Whole | None:
    """An account's version, purses and place, read at once."""
    loaded = await read.load(account, Purse, Place)
    return None if loaded is None else Whole(loaded.root.version, loaded.rows(Purse), loaded.one(Place))


@query
async def coupon(read: Reader, *, account: AccountId, code: str) -> Coupon | None:
    """A coupon, read by key."""
    return await read.get(Coupon, account, code)


@query
async def profile(read: Reader, *, account: AccountId) -> Profile | None:
    """Who an account belongs to."""
    return await read.get(Profile, account)


@query
async def receipts(read: Reader, *, account: AccountId, cursor: Cursor | None = None, limit: PageLimit = 50) -> Page[Receipt]:
    """An account's receipts, oldest first."""
    position = read_cursor(cursor, str)
    after = "" if position is None else position[0]
    rows = await read.rows(Receipt, RECEIPTS, account=account, after=after, limit=limit + 1)
    more = len(rows) > limit
    return Page(rows[:limit], write_cursor([rows[limit - 1].receipt_id]) if more else None)


@query
async def wealth(read: Reader, *, coin: str = GOLD) -> list[Wealth]:
    """Who holds how much of a coin."""
    return await read.rows(Wealth, ALL_GOLD, coin=coin)


@query
async def whose(read: Reader, *, nick: str) -> str | None:
    """Which account has a nick."""
    found: str | None = await read.scalar(BY_NICK, nick=nick)
    return found


def _take(ctx: Context, account: str, amount: int) -> int:
    purse = ctx.get(Purse, account, GOLD)
    held = 0 if purse is None else purse.amount
    if purse is None or held < amount:
        raise TooPoor(held=held, needed=amount)
    ctx.change(purse, amount=held - amount)
    return held - amount


def _give(ctx: Context, account: str, amount: int) -> None:
    purse = ctx.get(Purse, account, GOLD)
    if purse is None:
        ctx.put(Purse(account, GOLD, amount))
    else:
        ctx.change(purse, amount=purse.amount + amount)
