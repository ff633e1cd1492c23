"""What may be asked of quests."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct
from sqlalchemy import BigInteger, ColumnElement, Text, bindparam, cast, func, literal, or_, select, tuple_, union_all

from gamekeeper.kernel.queries import Cursor, Loaded, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.records import EpochMs
from gamekeeper.kernel.store.schema import table
from gamekeeper.kernel.verify import Problem, check
from gamekeeper.modules import characters, content, items, npcs, skills, xp

from . import rules
from .commands import CARRIED
from .definitions import Difficulty, QuestDefinition, Rewards, Stage, StageType
from .errors import QuestNotFound
from .records import QuestAuditLog, QuestId, QuestProgress

LAST_AT: Final = 2**53 - 1
LAST_ID: Final = "z" * 64
"""Sort behind all times and all ids."""
DIFFERENCES: Final = 50
"""How many wrong totals are named at once."""

entries = table(QuestAuditLog)
totals = table(xp.CharacterProgress)

# An empty text stands for all quests.
_QUEST, _ALL = bindparam("quest", type_=Text), bindparam("all", type_=Text)
AUDIT = (
    select(entries)
    .where(
        entries.c.character_id == bindparam("character", type_=Text),
        or_(_QUEST == _ALL, entries.c.quest_id == _QUEST),
        tuple_(entries.c.at, entries.c.entry_id) < tuple_(bindparam("at", type_=BigInteger), bindparam("last", type_=Text)),
    )
    .order_by(entries.c.at.desc(), entries.c.entry_id.desc())
    .limit(bindparam("limit", type_=BigInteger))
)


class QuestEntry(Struct, frozen=True):
    """How a character stands to a quest. `progress` says it in words; `unknown` when no loaded pack defines the quest any more."""

    quest: str
    state: rules.State
    name: str | None = None
    difficulty: Difficulty | None = None
    quest_points: int = 0
    replayable: bool = False
    stage: str | None = None
    count: int = 0
    needed: int = 0
    progress: str = ""
    startable: bool = False
    """Whether `start` would begin it now, room for its items apart."""
    missing: rules.Missing | None = None
    """What is missing for a start; null when it is not to be started."""
    started_at: EpochMs | None = None
    completed_at: EpochMs | None = None
    times_completed: int = 0
    unknown: bool = False


class StageView(Struct, frozen=True):
    """A stage as a character sees it."""

    id: str
    type: StageType
    description: str
    progress: str
    count: int
    needed: int
    done: bool
    npc: str | None
    location: str | None


class QuestView(Struct, frozen=True):
    """A quest with its stages and what it pays, and how a character stands to it."""

    entry: QuestEntry
    description: str
    start_npc: str | None
    stages: list[StageView]
    rewards: Rewards


class _Sheet:
    """What must be known of a character to say how it stands to quests."""

    def __init__(self, read: Reader, loaded: Mapping[str, QuestProgress], levels: Mapping[str, int], held: Mapping[str, int]) -> None:
        self.rows = loaded
        self.definitions = read.definitions(QuestDefinition)
        self._items, self._npcs = read.definitions(content.ItemDefinition), read.definitions(npcs.NpcDefinition)
        self._levels, self._held = levels, held
        self._done = rules.done(loaded.values())

    def entry(self, quest: str) -> QuestEntry:
        """Give how the character stands to one quest."""
        definition, row = self.definitions.get(quest), self.rows.get(quest)
        state = rules.state_of(definition, row)
        started, completed, times = (None, None, 0) if row is None else (row.started_at, row.completed_at, row.times_completed)
        if definition is None:
            return QuestEntry(quest, state, started_at=started, completed_at=completed, times_completed=times, unknown=True)
        stage = None
        if row is not None and row.status == "in_progress":
            stage = rules.stage_at(definition.stages, row.current_stage, row.stage_progress)
        missing = self._missing(definition) if rules.may_start(definition, row) else None
        return QuestEntry(
            quest,
            state,
            name=definition.name,
            difficulty=definition.difficulty,
            quest_points=definition.points,
            replayable=definition.replayable,
            stage=None if stage is None else stage.id,
            count=0 if stage is None else self.count(row, stage),
            needed=0 if stage is None else stage.count,
            progress="" if stage is None else self.text(row, stage),
            startable=missing is not None and missing.nothing,
            missing=missing,
            started_at=started,
            completed_at=completed,
            times_completed=times,
        )

    def stages(self, definition: QuestDefinition) -> list[StageView]:
        """Give the stages of a quest as the character sees them."""
        row = self.rows.get(definition.id)
        return [
            StageView(
                one.id,
                one.type,
                one.description,
                self.text(row, one),
                self.count(row, one),
                one.count,
                self.count(row, one) >= one.count,
                one.npc,
                one.location,
            )
            for one in definition.stages
        ]

    def count(self, row: QuestProgress | None, stage: Stage) -> int:
        """Give how far a stage is; of a completed quest every stage is done."""
        if row is None:
            return 0
        return stage.count if row.status == "completed" else min(row.stage_progress.get(stage.id, 0), stage.count)

    def text(self, row: QuestProgress | None, stage: Stage) -> str:
        """Say how far a stage is."""
        known = (self._items if stage.type == "gather" else self._npcs).get(stage.about or "")
        return rules.progress_text(stage, self.count(row, stage), None if known is None else known.name)

    def _missing(self, definition: QuestDefinition) -> rules.Missing:
        return rules.missing(definition.requirements, self._done, lambda skill: self._levels.get(skill, 1), self._held)


async def _sheet(read: Reader, character: str) -> _Sheet:
    _, loaded = await characters.load_alive(read, character, QuestProgress, skills.CharacterSkill, items.Holding)
    return _sheet_of(read, loaded)


def _sheet_of(read: Reader, loaded: Loaded) -> _Sheet:
    held: dict[str, int] = {}
    for one in loaded.rows(items.Holding):
        if one.container in CARRIED:
            held[one.item_id] = held.get(one.item_id, 0) + one.quantity
    levels = skills.levels_of(
        loaded.rows(skills.CharacterSkill), read.definitions(skills.SkillDefinition), read.definitions(xp.CurveDefinition)
    )
    return _Sheet(read, {one.quest_id: one for one in loaded.rows(QuestProgress)}, levels, held)


@query(access="player")
async def log(read: Reader, *, character: characters.CharacterId) -> list[QuestEntry]:
    """List all quests and how a character stands to each, those among them that it has begun and nobody defines any more.

    Raises: CHARACTER_NOT_FOUND.
    """
    return _log(await _sheet(read, character))


def log_of(read: Reader, loaded: Loaded) -> list[QuestEntry]:
    """Give the log that a character's rows make: its progress, skills and holdings."""
    return _log(_sheet_of(read, loaded))


def _log(sheet: _Sheet) -> list[QuestEntry]:
    return [sheet.entry(quest) for quest in sorted({*sheet.definitions, *sheet.rows})]


@query(access="player")
async def available(read: Reader, *, character: characters.CharacterId) -> list[QuestEntry]:
    """List the quests that a character can start now.

    Raises: CHARACTER_NOT_FOUND.
    """
    sheet = await _sheet(read, character)
    return [one for one in map(sheet.entry, sorted(sheet.definitions)) if one.startable]


@query(access="player")
async def show(read: Reader, *, character: characters.CharacterId, quest: QuestId) -> QuestView:
    """Show a quest with all of its stages, and how a character stands to it.

    Raises: CHARACTER_NOT_FOUND, QUEST_NOT_FOUND.
    """
    sheet = await _sheet(read, character)
    definition = sheet.definitions.get(quest)
    if definition is None:
        raise QuestNotFound(quest=quest)
    return QuestView(sheet.entry(quest), definition.description, definition.start_npc, sheet.stages(definition), definition.rewards)


@query(access="server")
async def audit(
    read: Reader, *, character: characters.CharacterId, quest: QuestId | None = None, limit: PageLimit = 50, cursor: Cursor | None = None
) -> Page[QuestAuditLog]:
    """List what a character did in all quests or in one, the latest first; what a deleted one did is still there."""
    at, last = read_cursor(cursor, int, str) or (LAST_AT, LAST_ID)
    rows = await read.rows(QuestAuditLog, AUDIT, character=character, quest=quest or "", all="", at=at, last=last, limit=limit + 1)
    more = write_cursor([rows[limit - 1].at, rows[limit - 1].entry_id]) if len(rows) > limit else None
    return Page(rows[:limit], more)


# Whether it adds up


class WrongPoints(Struct, frozen=True):
    """A character whose quest points are not those that its quests have paid."""

    character: str
    paid: int
    has: int


def _total(amount: ColumnElement[int]) -> ColumnElement[int]:
    """A sum as an integer: PostgreSQL adds BIGINT up to NUMERIC."""
    return cast(func.coalesce(func.sum(amount), 0), BigInteger)


_ZERO = literal(0, BigInteger)
_SIDES = union_all(
    select(entries.c.character_id.label("character"), entries.c.quest_points_awarded.label("paid"), _ZERO.label("has")),
    select(totals.c.character_id, _ZERO, totals.c.quest_points),
).subquery()
WRONG_POINTS = (
    select(_SIDES.c.character, _total(_SIDES.c.paid), _total(_SIDES.c.has))
    .group_by(_SIDES.c.character)
    .having(_total(_SIDES.c.paid) != _total(_SIDES.c.has))
    .order_by(_SIDES.c.character)
    .limit(DIFFERENCES)
)


@check("quests.points")
async def points_differ(read: Reader) -> list[Problem]:
    """Find the characters whose quest points are not the sum of what the audit says was awarded."""
    told = "quests have paid {0.paid} points, there are {0.has}"
    rows = await read.rows(WrongPoints, WRONG_POINTS)
    return [
        Problem("quests.points", told.format(row), owner=row.character, table="character_progress", key=[row.character]) for row in rows
    ]
