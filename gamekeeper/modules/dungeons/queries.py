"""What may be asked of dungeons."""

from msgspec import Struct
from sqlalchemy import BigInteger, Text, and_, bindparam, or_, select

from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.records import MAX_INTEGER
from gamekeeper.kernel.store.schema import table
from gamekeeper.modules import characters, content, dailies, metrics, predicates

from . import rules
from .errors import DungeonNotFound
from .records import DungeonAttempt, DungeonDefinition, DungeonState

attempts = table(DungeonAttempt)

HISTORY = (
    select(attempts)
    .where(
        attempts.c.character_id == bindparam("character", type_=Text),
        or_(
            attempts.c.started_at < bindparam("before_at", type_=BigInteger),
            and_(
                attempts.c.started_at == bindparam("before_at", type_=BigInteger),
                attempts.c.attempt_id < bindparam("before", type_=Text),
            ),
        ),
    )
    .order_by(attempts.c.started_at.desc(), attempts.c.attempt_id.desc())
    .limit(bindparam("limit", type_=BigInteger))
)
OVER = (
    select(attempts.c.character_id, attempts.c.expires_at)
    .where(attempts.c.status == "IN_PROGRESS", attempts.c.expires_at <= bindparam("now", type_=BigInteger))
    .order_by(attempts.c.expires_at)
    .limit(bindparam("limit", type_=BigInteger))
)


class Overdue(Struct, frozen=True):
    """A character whose time in a dungeon is over."""

    character_id: str
    expires_at: int


class ChallengeView(Struct, frozen=True):
    """A challenge, and what is missing of it, in words."""

    id: str
    name: str
    done_at: int | None
    progress: int
    missing: list[str]


class Visit(Struct, frozen=True):
    """A character's dungeons: the one that it is in with its challenges, and until when others are shut for it."""

    attempt: DungeonAttempt | None
    challenges: list[ChallengeView]
    shut_until: dict[str, int]


@query
async def list_dungeons(read: Reader, *, limit: PageLimit = 50, cursor: Cursor | None = None) -> Page[DungeonDefinition]:
    """List the dungeons, in the order of their ids."""
    return content.page_of(read.definitions(DungeonDefinition), limit, cursor)


@query
async def show(read: Reader, *, dungeon: content.DefinitionId) -> DungeonDefinition:
    """Show a dungeon with its challenges.

    Raises: DUNGEON_NOT_FOUND.
    """
    definition = read.definitions(DungeonDefinition).get(dungeon)
    if definition is None:
        raise DungeonNotFound(dungeon=dungeon)
    return definition


@query(access="player")
async def visit(read: Reader, *, character: characters.CharacterId) -> Visit:
    """Show the dungeon that a character is in, and what is missing of each of its challenges.

    Raises: CHARACTER_NOT_FOUND.
    """
    _, loaded = await characters.load_alive(read, character, DungeonState, *metrics.LOADED)
    state = loaded.one(DungeonState)
    now = read.now_ms()
    shut = {} if state is None else {id: until for id, until in state.shut_until.items() if until > now}
    id = None if state is None else state.attempt_id
    row = None if id is None else await read.get(DungeonAttempt, character, id)
    definition = None if row is None else read.definitions(DungeonDefinition).get(row.dungeon_id)
    if row is not None and now >= row.expires_at:
        until = rules.shut_until(definition, row.expires_at)
        return Visit(None, [], shut | ({row.dungeon_id: until} if until > now else {}))
    if row is None or definition is None:
        return Visit(row, [], shut)
    _, today = await dailies.day_now(read, character)
    some = [metrics.facts_of(read, loaded, await metrics.day_of(read, character, day), day) for day in rules.days_of(row.entry_day, today)]
    facts = rules.SinceEntry(some, row.counted)
    shown = []
    for one in definition.challenges:
        verdict, done = predicates.judge(one.condition, facts, facts.words), row.progress.get(one.id)
        missing = [] if done is not None else predicates.explain(verdict)
        shown.append(ChallengeView(one.id, one.name, done, predicates.FULL if done is not None else verdict.progress, missing))
    return Visit(row, shown, shut)


@query(access="player")
async def history(
    read: Reader, *, character: characters.CharacterId, limit: PageLimit = 50, cursor: Cursor | None = None
) -> Page[DungeonAttempt]:
    """List a character's visits of dungeons, the newest first."""
    before_at, before = read_cursor(cursor, int, str) or (MAX_INTEGER, "")
    rows = await read.rows(DungeonAttempt, HISTORY, character=character, before_at=before_at, before=before, limit=limit + 1)
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(
        [rules.as_of(row, read.now_ms()) for row in rows[:limit]],
        None if last is None else write_cursor([last.started_at, last.attempt_id]),
    )


async def overdue(read: Reader, limit: int) -> list[Overdue]:
    """Give characters whose time in a dungeon is over, those first that have waited longest."""
    return await read.rows(Overdue, OVER, now=read.now_ms(), limit=limit)
