"""What may be asked of moderation: bans, notes, and what people did."""

from functools import cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from sqlalchemy import BigInteger, ColumnElement, Text, and_, bindparam, func, literal_column, not_, or_, select, tuple_, union_all

from gamekeeper.errors import InvalidArgument
from gamekeeper.kernel.commands import BELONGINGS, SECRET_TEXT
from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.records import MAX_INTEGER, AnyOwnerId, EpochMs
from gamekeeper.kernel.store.schema import journal, table
from gamekeeper.modules import users

from . import rules
from .records import BanState, StaffNote, UserBan
from .rules import EventType

LAST = "z"
"""Sorts behind every id that the keep makes, which is hexadecimal, in every collation."""

Events = Annotated[list[EventType], Meta(min_length=1, max_length=len(rules.EVENTS))]

bans = table(UserBan)
notes = table(StaffNote)
accounts = table(users.User)

NOW = bindparam("now", type_=BigInteger)
LIMIT = bindparam("limit", type_=BigInteger)
BEFORE = bindparam("before", type_=Text)

HOLDS = and_(bans.c.lifted_at.is_(None), or_(bans.c.expires_at.is_(None), bans.c.expires_at > NOW))

ACTIVE = (
    select(
        bans.c.user_id,
        accounts.c.username,
        bans.c.ban_id,
        bans.c.banned_by,
        bans.c.reason,
        bans.c.created_at,
        bans.c.expires_at,
    )
    .join_from(bans, accounts, accounts.c.user_id == bans.c.user_id)
    .where(bans.c.ban_id < BEFORE, HOLDS)
    .order_by(bans.c.ban_id.desc())
    .limit(LIMIT)
)

EVER = (
    select(
        bans.c.user_id,
        bans.c.ban_id,
        bans.c.banned_by,
        bans.c.banned_by_id,
        bans.c.reason,
        bans.c.created_at,
        bans.c.expires_at,
        bans.c.lifted_at,
        bans.c.lifted_by,
        bans.c.lifted_by_id,
        bans.c.lift_reason,
        HOLDS.label("in_force"),
        accounts.c.username,
    )
    .join_from(bans, accounts, accounts.c.user_id == bans.c.user_id)
    .where(bans.c.ban_id < BEFORE)
    .order_by(bans.c.ban_id.desc())
    .limit(LIMIT)
)
LISTED: dict[BanState | None, Any] = {None: EVER, "in_force": EVER.where(HOLDS), "past": EVER.where(not_(HOLDS))}

NEWEST_NOTES = (
    select(notes.c.note_id, notes.c.author, notes.c.author_id, notes.c.text, notes.c.created_at, notes.c.user_id, accounts.c.username)
    .join_from(notes, accounts, accounts.c.user_id == notes.c.user_id)
    .where(notes.c.note_id < BEFORE)
    .order_by(notes.c.note_id.desc())
    .limit(LIMIT)
)

_J = journal.alias("entry")
_ORIGIN = journal.alias("origin")
_COMMA: ColumnElement[str] = literal_column("','")
_NOTHING: ColumnElement[str] = literal_column("''")
COMMANDS = bindparam("commands", type_=Text)
UNTIL = bindparam("until", type_=BigInteger)
_ENTRIES = (
    select(
        *(_J.c[name] for name in ("owner_id", "seq", "command_id", "at", "command", "actor", "reason", "origin_id")),
        _ORIGIN.c.arguments,
    )
    .join_from(_J, _ORIGIN, (_ORIGIN.c.command_id == _J.c.command_id) & (_ORIGIN.c.owner_id == _J.c.origin_id), isouter=True)
    .where(_J.c.at >= bindparam("since", type_=BigInteger))
    .limit(LIMIT)
)
OF_OWNER = _ENTRIES.where(
    _J.c.owner_id == bindparam("owner", type_=Text),
    _J.c.seq < bindparam("seq", type_=BigInteger),
    _J.c.at < UNTIL,
    # Whether the command is one of those between the commas; LIKE would take their underscores for any letter.
    func.replace(COMMANDS, _COMMA.op("||")(_J.c.command).op("||")(_COMMA), _NOTHING) != COMMANDS,
).order_by(_J.c.seq.desc())


# One row for each time that something was done: that of its origin. One kind of command at a time is what an index answers whatever
# the journal's size.
def _of_command(number: int) -> Any:
    found = _ENTRIES.where(
        _J.c.command == bindparam(f"command_{number}", type_=Text),
        _J.c.owner_id == _J.c.origin_id,
        tuple_(_J.c.at, _J.c.command_id) < tuple_(UNTIL, BEFORE),
    )
    return select(found.order_by(_J.c.at.desc(), _J.c.command_id.desc()).subquery())


@cache
def of_commands(count: int) -> Any:
    """The newest entries of each of so many kinds of command."""
    return union_all(*map(_of_command, range(count)))


class BanView(Struct, frozen=True):
    """A ban, as staff see it."""

    user_id: str
    ban_id: str
    banned_by: str
    banned_by_id: str | None
    reason: str
    created_at: EpochMs
    expires_at: EpochMs | None
    lifted_at: EpochMs | None
    lifted_by: str | None
    lifted_by_id: str | None
    lift_reason: str | None
    in_force: bool


class ListedBan(BanView, frozen=True):
    """A ban in a list of everybody's."""

    username: str


class ActiveBan(Struct, frozen=True):
    """A ban in force, in a list of all."""

    user_id: str
    username: str
    ban_id: str
    banned_by: str
    reason: str
    created_at: EpochMs
    expires_at: EpochMs | None


class BanInForce(Struct, frozen=True):
    """What the banned may be told; `until` is null when it is for ever."""

    until: EpochMs | None
    reason: str


class NoteView(Struct, frozen=True):
    """A note, as staff see it."""

    note_id: str
    author: str
    author_id: str | None
    text: str
    created_at: EpochMs


class ListedNote(NoteView, frozen=True):
    """A note in a list of those about everybody."""

    user_id: str
    username: str


class Activity(Struct, frozen=True):
    """What one command did to one owner, as an event. Details are the command's arguments, without what is personal or secret."""

    at: EpochMs
    event: EventType
    command: str
    command_id: str
    actor: str
    reason: str | None
    owner_id: str
    origin_id: str
    seq: int
    details: dict[str, Any]


class _Row(Struct, frozen=True):
    """An entry as the database answers it."""

    owner_id: str
    seq: int
    command_id: str
    at: int
    command: str
    actor: str
    reason: str | None
    origin_id: str
    arguments: str | None


@query(access="moderator")
async def bans_of(read: Reader, *, user: users.UserId) -> list[BanView]:
    """List all bans that a user ever had, the newest first."""
    now = read.now_ms()
    names = [name for name in BanView.__struct_fields__ if name != "in_force"]
    rows = sorted(await read.all(UserBan, user), key=lambda one: (one.created_at, one.ban_id), reverse=True)
    return [BanView(**{name: getattr(one, name) for name in names}, in_force=rules.in_force(one, now)) for one in rows]


@query(access="moderator")
async def active_bans(read: Reader, *, limit: PageLimit = 50, cursor: Cursor | None = None) -> Page[ActiveBan]:
    """List the bans in force, the newest first; a user with several is there with each."""
    (before,) = read_cursor(cursor, str) or (LAST,)
    rows = await read.rows(ActiveBan, ACTIVE, before=before, now=read.now_ms(), limit=limit + 1)
    return Page(rows[:limit], write_cursor([rows[limit - 1].ban_id]) if len(rows) > limit else None)


@query(access="moderator")
async def list_bans(read: Reader, *, state: BanState | None = None, limit: PageLimit = 50, cursor: Cursor | None = None) -> Page[ListedBan]:
    """List everybody's bans, the newest first: those in force, those that are past, or all."""
    (before,) = read_cursor(cursor, str) or (LAST,)
    rows = await read.rows(ListedBan, LISTED[state], before=before, now=read.now_ms(), limit=limit + 1)
    return Page(rows[:limit], write_cursor([rows[limit - 1].ban_id]) if len(rows) > limit else None)


@query(access="server")
async def ban_in_force(read: Reader, *, user: users.UserId) -> BanInForce | None:
    """Give the ban of a user that ends last, to tell them; None for who is not banned."""
    held = rules.longest(await read.all(UserBan, user), read.now_ms())
    return None if held is None else BanInForce(held.expires_at, held.reason)


@query(access="moderator")
async def list_notes(read: Reader, *, user: users.UserId, limit: PageLimit = 50, cursor: Cursor | None = None) -> Page[NoteView]:
    """List staff's notes about a user, the newest first."""
    after = read_cursor(cursor, int, str)
    notes = sorted(await read.all(StaffNote, user), key=lambda one: (one.created_at, one.note_id), reverse=True)
    rows = [one for one in notes if after is None or (one.created_at, one.note_id) < after][: limit + 1]
    page = [NoteView(one.note_id, one.author, one.author_id, one.text, one.created_at) for one in rows[:limit]]
    return Page(page, write_cursor([page[-1].created_at, page[-1].note_id]) if len(rows) > limit else None)


@query(access="moderator")
async def newest_notes(read: Reader, *, limit: PageLimit = 50, cursor: Cursor | None = None) -> Page[ListedNote]:
    """List staff's notes about everybody, the newest first."""
    (before,) = read_cursor(cursor, str) or (LAST,)
    rows = await read.rows(ListedNote, NEWEST_NOTES, before=before, limit=limit + 1)
    return Page(rows[:limit], write_cursor([rows[limit - 1].note_id]) if len(rows) > limit else None)


@query(access="moderator")
async def activity(
    read: Reader,
    *,
    user: users.UserId | None = None,
    owner: AnyOwnerId | None = None,
    events: Events | None = None,
    since: EpochMs | None = None,
    until: EpochMs | None = None,
    limit: PageLimit = 50,
    cursor: Cursor | None = None,
) -> Page[Activity]:
    """List what happened, the newest first: to a user and their characters, to one owner as a character, or to everybody.

    It is read from the journal, which is kept for ever and never changed; so retention means what is shown. Without `since` that
    is the last 90 days; an earlier `since` shows more. Commands that are no event are not in it, but in `journal.timeline`.

    Raises: INVALID_ARGUMENT.
    """
    if user is not None and owner is not None:
        raise InvalidArgument(path="/owner", problem="either a user or an owner, not both")
    words: dict[str, Any] = {
        "since": max(0, read.now_ms() - rules.ACTIVITY_DAYS * rules.DAY) if since is None else since,
        "until": MAX_INTEGER if until is None else until,
        "limit": limit + 1,
    }
    if user is None and owner is None:
        rows = await _of_all(read, rules.commands_of(events), read_cursor(cursor, int, str), words)
        return _page(rows, limit, [rows[limit - 1].at, rows[limit - 1].command_id] if len(rows) > limit else None)
    words["commands"] = rules.listed(rules.commands_of(events))
    owners = [owner] if owner is not None else await _owners(read, str(user))
    rows = await _merged(read, owners, read_cursor(cursor, int, str, int), words)
    last = rows[limit - 1] if len(rows) > limit else None
    return _page(rows, limit, None if last is None else [last.at, last.owner_id, last.seq])


async def _of_all(read: Reader, commands: list[str], after: tuple[int, str] | None, words: dict[str, Any]) -> list[_Row]:
    """Read the newest entries of each kind of command, and merge them by time."""
    until, before = min((words["until"], ""), after or (words["until"], ""))
    named = {f"command_{number}": command for number, command in enumerate(commands)}
    found = await read.rows(_Row, of_commands(len(commands)), **{**words, **named, "until": until, "before": before})
    return sorted(found, key=lambda one: (one.at, one.command_id), reverse=True)[: words["limit"]]


async def _owners(read: Reader, user: str) -> list[str]:
    """Give a user and what is theirs, the newest first where there is more than is looked at."""
    theirs = [one for find in BELONGINGS.values() for one in await find(read, user)]
    return [user, *sorted(theirs, reverse=True)[: rules.MAX_OWNERS - 1]]


async def _merged(read: Reader, owners: list[str], after: tuple[int, str, int] | None, words: dict[str, Any]) -> list[_Row]:
    """Read each owner's entries by the number that orders them, and merge them by time.

    Of the owner where the page before ended the number says what is next; of the others the time does.
    """
    found: list[_Row] = []
    for owner in owners:
        bounds = {**words, "seq": MAX_INTEGER}
        if after is not None:
            at, last, seq = after
            if owner == last:
                bounds["seq"] = seq
            else:
                bounds["until"] = min(words["until"], at + 1 if owner < last else at)
        found += await read.rows(_Row, OF_OWNER, owner=owner, **bounds)
    if len(owners) > 1:
        found.sort(key=lambda one: (one.at, one.owner_id, one.seq), reverse=True)
    return found


def _page(rows: list[_Row], limit: int, cursor: list[Any] | None) -> Page[Activity]:
    return Page([_activity(row) for row in rows[:limit]], None if cursor is None else write_cursor(cursor))


def _activity(row: _Row) -> Activity:
    arguments = {} if row.arguments is None else msgspec.json.decode(row.arguments, type=dict[str, Any])
    return Activity(
        at=row.at,
        event=rules.EVENT_OF[row.command],
        command=row.command,
        command_id=row.command_id,
        actor=row.actor,
        reason=row.reason,
        owner_id=row.owner_id,
        origin_id=row.origin_id,
        seq=row.seq,
        details={name: value for name, value in arguments.items() if not _hidden(value)},
    )


def _hidden(value: Any) -> bool:
    return value is None or value == SECRET_TEXT or (isinstance(value, dict) and value.keys() == {"sealed"})
