"""What may be asked of experience."""

from itertools import groupby
from typing import Annotated, Any, Final

from msgspec import Meta, Struct
from sqlalchemy import BigInteger, ColumnElement, Text, bindparam, cast, func, select, tuple_

from gamekeeper.kernel.boards import Board
from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.records import MAX_INTEGER
from gamekeeper.kernel.store.schema import table
from gamekeeper.kernel.verify import Problem, check
from gamekeeper.modules import characters, content, days

from .chain import Audit, LedgerFault, hash_of, replayed
from .errors import WeekNotKept, XpEventNotFound
from .modifiers import Source, Step
from .records import CharacterProgress, CurveDefinition, LeaderboardWeek, Seq, WeekEntry, XpEvent, XpModifier
from .rules import Curve, ends_at, known_curve, week_at

CHARACTERS_AT_ONCE = 200
EVENTS_AT_ONCE = 1_000
CONFIRMATIONS = 5
"""How often a ledger that grows meanwhile is looked at again before its fault counts."""
STRAYS = 50

Rank = Annotated[int, Meta(ge=1, le=MAX_INTEGER, description="a place on a board; 1 is the best")]
EachSide = Annotated[int, Meta(ge=0, le=50)]

people = table(characters.Character)
events = table(XpEvent)
modifiers = table(XpModifier)
progresses = table(CharacterProgress)

_CHARACTER = bindparam("character", type_=Text)
_SEQ = bindparam("seq", type_=BigInteger)
_LAST = bindparam("last", type_=Text)
_LIMIT = bindparam("limit", type_=BigInteger)

PAID = select(events).where(
    events.c.character_id == _CHARACTER,
    events.c.event_source == bindparam("source", type_=Text),
    events.c.source_id == bindparam("source_id", type_=Text),
)
EVENT = select(events).where(events.c.character_id == _CHARACTER, events.c.seq == _SEQ)
MODIFIERS = select(modifiers).where(modifiers.c.character_id == _CHARACTER, modifiers.c.event_seq == _SEQ).order_by(modifiers.c.order)
LEDGER = select(events).where(events.c.character_id == _CHARACTER, events.c.seq < _SEQ).order_by(events.c.seq.desc()).limit(_LIMIT)

PROGRESSES = select(progresses).where(progresses.c.character_id > _CHARACTER).order_by(progresses.c.character_id).limit(_LIMIT)
PROGRESS = select(progresses).where(progresses.c.character_id == _CHARACTER)
EVENTS = (
    select(events)
    .where(tuple_(events.c.character_id, events.c.seq) > tuple_(_CHARACTER, _SEQ), events.c.character_id <= _LAST)
    .order_by(events.c.character_id, events.c.seq)
    .limit(_LIMIT)
)
MODIFIERS_OF = (
    select(modifiers)
    .where(
        tuple_(modifiers.c.character_id, modifiers.c.event_seq) >= tuple_(_CHARACTER, _SEQ),
        tuple_(modifiers.c.character_id, modifiers.c.event_seq) <= tuple_(_LAST, bindparam("last_seq", type_=BigInteger)),
    )
    .order_by(modifiers.c.character_id, modifiers.c.event_seq, modifiers.c.order)
)
NOBODYS_EVENTS = (
    select(events.c.character_id, events.c.seq)
    .where(~select(progresses.c.character_id).where(progresses.c.character_id == events.c.character_id).exists())
    .order_by(events.c.character_id, events.c.seq)
    .limit(STRAYS)
)
NO_EVENTS_MODIFIERS = (
    select(modifiers.c.character_id, modifiers.c.event_seq)
    .where(
        ~select(events.c.seq)
        .where(events.c.character_id == modifiers.c.character_id, events.c.seq == modifiers.c.event_seq)
        .correlate(modifiers)
        .exists()
    )
    .order_by(modifiers.c.character_id, modifiers.c.event_seq, modifiers.c.order)
    .limit(STRAYS)
)


@query
async def curve(read: Reader, *, curve: content.DefinitionId) -> Curve:
    """Give the experience at which each level of a curve begins, and the most that it counts.

    Raises: UNKNOWN_CURVE.
    """
    return known_curve(read.definitions(CurveDefinition).get(curve), curve)


@query(access="player")
async def progress(read: Reader, *, character: characters.CharacterId) -> CharacterProgress:
    """Show how far a character has come, skills apart.

    Raises: CHARACTER_NOT_FOUND.
    """
    _, loaded = await characters.load_alive(read, character, CharacterProgress)
    return loaded.one(CharacterProgress) or CharacterProgress(character)


# The ledger


class Breakdown(Struct, frozen=True):
    """An event, step by step. `replayed` is what its base and steps lead to when they are gone through again; it must be `final_xp`."""

    event: XpEvent
    steps: list[Step]
    replayed: int | None
    hash_matches: bool


class LedgerAudit(Struct, frozen=True):
    """Whether a character's ledger is as it was written: how many events follow from one another, and what is wrong with the next one."""

    events: int
    total_xp: int
    fault: LedgerFault | None


@query(access="player")
async def ledger(read: Reader, *, character: characters.CharacterId, limit: PageLimit = 50, cursor: Cursor | None = None) -> Page[XpEvent]:
    """List what has changed a character's experience, the latest first."""
    (before,) = read_cursor(cursor, int) or (MAX_INTEGER,)
    rows = await read.rows(XpEvent, LEDGER, character=character, seq=before, limit=limit + 1)
    return Page(rows[:limit], write_cursor([rows[limit - 1].seq]) if len(rows) > limit else None)


@query(access="player")
async def breakdown(read: Reader, *, character: characters.CharacterId, seq: Seq) -> Breakdown:
    """Show how an event of a character's ledger came from its base to what was paid.

    Raises: XP_EVENT_NOT_FOUND.
    """
    event = await read.one(XpEvent, EVENT, character=character, seq=seq)
    if event is None:
        raise XpEventNotFound(character=character, seq=seq)
    rows = await read.rows(XpModifier, MODIFIERS, character=character, seq=seq)
    return Breakdown(event, _steps(rows), replayed(event, rows), event.event_hash == hash_of(event, rows))


@query(access="player")
async def audit(read: Reader, *, character: characters.CharacterId) -> LedgerAudit:
    """Go through a character's whole ledger: every hash, every sum and every step."""
    found = await _audited(read, character)
    return LedgerAudit(found.seq, found.total, found.fault)


async def paid(read: Reader, character: str, source: Source, source_id: str) -> tuple[XpEvent, list[Step]] | None:
    """Find what was paid for a source and id."""
    event = await read.one(XpEvent, PAID, character=character, source=source, source_id=source_id)
    if event is None:
        return None
    return event, _steps(await read.rows(XpModifier, MODIFIERS, character=character, seq=event.seq))


def _steps(rows: list[XpModifier]) -> list[Step]:
    return [Step(one.order, one.type, one.multiplier_bp, one.flat, one.reason, one.xp_before, one.xp_after) for one in rows]


# Who is best


# The week

WEEKLY: Final = "leaderboard.weekly"
"""The owner of the boards of weeks that are over."""
MOST_KEPT: Final = 100
"""How many of a week's best are kept."""
LAST_PLACE: Final = (MAX_INTEGER, "z" * 64, 0, 0)

WEEK = (
    select(progresses.c.character_id, progresses.c.week_xp, people.c.name, characters.is_hidden(progresses.c.character_id))
    .select_from(progresses.join(people, people.c.character_id == progresses.c.character_id))
    .where(
        progresses.c.week == bindparam("week", type_=Text),
        progresses.c.week_xp > 0,
        tuple_(progresses.c.week_xp, progresses.c.character_id) < tuple_(bindparam("xp", type_=BigInteger), _LAST),
        people.c.tombstoned_at.is_(None),
    )
    .order_by(progresses.c.week_xp.desc(), progresses.c.character_id.desc())
    .limit(_LIMIT)
)
_OF_WEEK = (
    select(events.c.character_id, cast(func.sum(events.c.final_xp), BigInteger).label("xp"))
    .where(events.c.created_at >= bindparam("since", type_=BigInteger), events.c.created_at < bindparam("until", type_=BigInteger))
    .group_by(events.c.character_id)
    .having(func.sum(events.c.final_xp) > 0)
    .subquery()
)
BEST = select(_OF_WEEK.c.character_id, _OF_WEEK.c.xp).order_by(_OF_WEEK.c.xp.desc(), _OF_WEEK.c.character_id.desc()).limit(_LIMIT)
COUNT_OF_WEEK = select(func.count()).select_from(_OF_WEEK)
NAMES = select(people.c.name, characters.is_hidden(people.c.character_id)).where(
    people.c.character_id == _CHARACTER, people.c.tombstoned_at.is_(None)
)


class _Earned(Struct, frozen=True):
    character_id: str
    xp: int


class _OfWeek(Struct, frozen=True):
    character_id: str
    xp: int
    name: str | None
    hidden: bool


class _Named(Struct, frozen=True):
    name: str
    hidden: bool


class WeeklyRow(Struct, frozen=True):
    """A place on the board of a week. One whose player wants to be anonymous has no id, and a name of the board's own."""

    rank: int
    character_id: str | None
    name: str | None
    xp: int


class PastWeek(Struct, frozen=True):
    """The best of a week that is over, and how many got any experience in it."""

    week: str
    characters: int
    top: list[WeeklyRow]


async def best_of(read: Reader, week: str) -> tuple[int, list[WeekEntry]]:
    """Give what the ledgers say of a week: how many got experience in it, and the best of them."""
    span = {"since": ends_at(days.after(week, -7)), "until": ends_at(week)}
    rows, top = await read.rows(_Earned, BEST, limit=MOST_KEPT, **span), list[WeekEntry]()
    for place, row in enumerate(rows, 1):
        rank = top[-1].rank if top and top[-1].xp == row.xp else place
        top.append(WeekEntry(rank, row.character_id, row.xp))
    return await read.scalar(COUNT_OF_WEEK, **span), top


@query(access="public")
async def weekly(read: Reader, *, limit: PageLimit = 25, cursor: Cursor | None = None) -> Page[WeeklyRow]:
    """List the characters with the most experience of this week, which begins on Monday in UTC, page by page."""
    xp, last, place, rank = characters.start_of_page(read.keys, cursor, int, str, int, int) or LAST_PLACE
    rows = await read.rows(_OfWeek, WEEK, week=week_at(read.now_ms()), xp=xp, last=last, limit=limit + 1)
    found: list[WeeklyRow] = []
    for row in rows[:limit]:
        place, rank, xp = place + 1, (rank if row.xp == xp else place + 1), row.xp
        who = characters.on_board(read.keys, WEEKLY, row.character_id, row.name, hidden=row.hidden)
        found.append(WeeklyRow(rank, who.character_id, who.name, row.xp))
    more = len(rows) > limit
    return Page(found, characters.end_of_page(read.keys, xp, rows[limit - 1].character_id, place, rank) if more else None)


@query(access="public")
async def past_week(read: Reader, *, week: days.Day) -> PastWeek:
    """Show the best of a week that is over.

    Raises: WEEK_NOT_KEPT.
    """
    row = await read.get(LeaderboardWeek, WEEKLY, days.checked(week, "/week"))
    if row is None:
        raise WeekNotKept(week=week)
    top = []
    for one in row.top:
        who = await read.one(_Named, NAMES, character=one.character_id)
        name, hidden = (None, False) if who is None else (who.name, who.hidden)
        shown = characters.on_board(read.keys, WEEKLY, one.character_id, name, hidden=hidden)
        top.append(WeeklyRow(one.rank, shown.character_id, shown.name, one.xp))
    return PastWeek(row.week, row.characters, top)


# The board of all experience


class LeaderboardRow(Struct, frozen=True):
    """A place on the board of all experience; those with the same share their rank.

    One whose player wants to be anonymous has no id, and a name of the board's own; a deleted one has no name.
    """

    rank: int
    character_id: str | None
    name: str | None
    level: int
    total_xp: int


def _name(of: ColumnElement[str]) -> ColumnElement[Any]:
    return select(people.c.name).where(people.c.character_id == of, people.c.tombstoned_at.is_(None)).scalar_subquery()


def _listed(read: Reader, rank: int, character: str, name: str | None, hidden: bool, level: int, total: int) -> LeaderboardRow:
    who = characters.on_board(read.keys, "xp", character, name, hidden=bool(hidden))
    return LeaderboardRow(rank, who.character_id, who.name, level, total)


BOARD: Final = Board(CharacterProgress, told=(_name, characters.is_hidden), columns=("level", "total_xp"), show=_listed)


@query(access="public")
async def leaderboard(read: Reader, *, limit: PageLimit = 25, cursor: Cursor | None = None) -> Page[LeaderboardRow]:
    """List the characters with the most experience, page by page."""
    after = characters.start_of_page(read.keys, cursor, int, str)
    rows, end = await BOARD.page(read, limit=limit, after=None if after is None else (after[0], after[1]))
    return Page(rows, None if end is None else characters.end_of_page(read.keys, *end))


@query(access="public")
async def leaderboard_from(read: Reader, *, rank: Rank, limit: PageLimit = 25) -> Page[LeaderboardRow]:
    """List the board from the characters on who stand at a place; where several share it, from the first of them on."""
    rows, end = await BOARD.page_from(read, limit=limit, rank=rank)
    return Page(rows, None if end is None else characters.end_of_page(read.keys, *end))


@query(access="player")
async def leaderboard_place(read: Reader, *, character: characters.CharacterId) -> LeaderboardRow | None:
    """Tell where a character stands, as others see it; None when it has done nothing yet or is gone."""
    return await BOARD.place(read, owner=character)


@query(access="player")
async def leaderboard_around(read: Reader, *, character: characters.CharacterId, each_side: EachSide = 5) -> list[LeaderboardRow]:
    """List who stands around a character, the best first; empty when it does not stand there."""
    return await BOARD.around(read, owner=character, each_side=each_side)


# Whether all of it is as it was written


@check("xp.ledger")
async def ledgers_differ(read: Reader) -> list[Problem]:
    """Go through every ledger, some characters at a time, and name the first bad event of each."""
    problems: list[Problem] = []
    after = ""
    while rows := await read.rows(CharacterProgress, PROGRESSES, character=after, limit=CHARACTERS_AT_ONCE):
        for character, found in (await _range(read, rows)).items():
            # On a live database a ledger may have grown between two statements.
            fault = found.fault and (await _audited(read, character)).fault
            if fault is not None:
                problems.append(_problem(character, fault))
        after = rows[-1].character_id
    told: set[str] = {str(one.owner) for one in problems}
    for statement, what in (
        (NOBODYS_EVENTS, "the event's character has no row of its progress"),
        (NO_EVENTS_MODIFIERS, "the modifier's event is missing"),
    ):
        for stray in await read.rows(_Place, statement):
            if stray.character_id not in told:
                told.add(stray.character_id)
                problems.append(_problem(stray.character_id, LedgerFault(stray.seq, what)))
    return problems


class _Place(Struct, frozen=True):
    character_id: str
    seq: int


def _problem(character: str, fault: LedgerFault) -> Problem:
    return Problem("xp.ledger", fault.problem, owner=character, seq=fault.seq, table="xp_events", key=[character, fault.seq])


async def _audited(read: Reader, character: str) -> Audit:
    """Go through one ledger at a moment when it does not grow."""
    found = Audit()
    row = await read.one(CharacterProgress, PROGRESS, character=character)
    for _ in range(CONFIRMATIONS):
        known = row or CharacterProgress(character)
        found = (await _range(read, [known]))[character]
        row = await read.one(CharacterProgress, PROGRESS, character=character)
        if found.fault is None or (row or CharacterProgress(character)).xp_seq == known.xp_seq:
            break
    return found


async def _range(read: Reader, rows: list[CharacterProgress]) -> dict[str, Audit]:
    """Go through the ledgers of a run of characters with a few statements."""
    audits = {row.character_id: Audit() for row in rows}
    at, seq, last = rows[0].character_id, 0, rows[-1].character_id
    while found := await read.rows(XpEvent, EVENTS, character=at, seq=seq, last=last, limit=EVENTS_AT_ONCE):
        end = found[-1]
        steps = await read.rows(
            XpModifier, MODIFIERS_OF, character=found[0].character_id, seq=found[0].seq, last=end.character_id, last_seq=end.seq
        )
        of = {place: list(some) for place, some in groupby(steps, key=lambda one: (one.character_id, one.event_seq))}
        for event in found:
            one = audits.get(event.character_id)
            if one is not None:
                one.event(event, of.get((event.character_id, event.seq), []))
        at, seq = end.character_id, end.seq
    for row in rows:
        audits[row.character_id].end(row)
    return audits
