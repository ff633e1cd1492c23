"""What may be asked of skills."""

from typing import Annotated, Any, Final, NamedTuple

from msgspec import Meta, Struct, structs
from sqlalchemy import BigInteger, ColumnElement, Select, Text, bindparam, case, func, select, tuple_

from gamekeeper.kernel.boards import Board
from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.store.schema import table, view
from gamekeeper.modules import characters, xp

from . import rules
from .records import CharacterSkill, SkillDefinition, SkillId, SkillLevelUp

LAST_XP = 2**53 - 1
LAST_ID = "z" * 64
"""Sort behind all experience and all ids."""
Rank = Annotated[int, Meta(ge=1, le=2**53 - 1, description="a place on a board; 1 is the best")]
EachSide = Annotated[int, Meta(ge=0, le=50)]

skills = table(CharacterSkill)
people = table(characters.Character)
ups = table(SkillLevelUp)

_CHARACTER = bindparam("character", type_=Text)
_LIMIT = bindparam("limit", type_=BigInteger)

LEVEL_UPS = (
    select(ups)
    .where(
        ups.c.character_id == _CHARACTER,
        tuple_(ups.c.at, ups.c.level_up_id) < tuple_(bindparam("at", type_=BigInteger), bindparam("last", type_=Text)),
    )
    .order_by(ups.c.at.desc(), ups.c.level_up_id.desc())
    .limit(_LIMIT)
)


class SkillState(Struct, frozen=True):
    """How a character stands in a skill. `progress` is the way to the next level in percent."""

    skill: str
    level: int
    xp: int
    progress: int
    next_level_xp: int | None


class SkillSheet(Struct, frozen=True):
    """All skills of a character."""

    skills: list[SkillState]
    total_level: int
    total_xp: int
    combat_level: int


class HiscoreRow(Struct, frozen=True):
    """A place on a skill's board; those with the same experience share their rank.

    One whose player wants to be anonymous has no id, and a name of the board's own; a deleted one has no name.
    """

    rank: int
    character_id: str | None
    name: str | None
    level: int
    xp: int


class _Shown(NamedTuple):
    """A place on a board as everybody sees it, and who really stands there."""

    row: HiscoreRow
    character: str
    name: str | None
    hidden: bool

    def openly(self) -> HiscoreRow:
        """Give the place with the character as it is."""
        return structs.replace(self.row, character_id=self.character, name=self.name)


@query(access="player")
async def sheet(read: Reader, *, character: characters.CharacterId) -> SkillSheet:
    """Show all skills of a character, those that it has not trained among them.

    Raises: CHARACTER_NOT_FOUND.
    """
    _, loaded = await characters.load_alive(read, character, CharacterSkill)
    return sheet_of(read, loaded.rows(CharacterSkill))


def sheet_of(read: Reader, rows: list[CharacterSkill]) -> SkillSheet:
    """Give the sheet that a character's rows make."""
    definitions, curves = read.definitions(SkillDefinition), read.definitions(xp.CurveDefinition)
    points = {skill: rules.begun(definitions, curves, skill) for skill in definitions} | {row.skill: (row.level, row.xp) for row in rows}
    states = []
    for skill, (level, has) in sorted(points.items()):
        definition = definitions.get(skill)
        known = None if definition is None else curves.get(definition.curve)
        if known is None:
            states.append(SkillState(skill, level, has, 0, None))
            continue
        curve = xp.curve_of(known)
        following = None if level >= curve.max_level else curve.threshold(level + 1)
        states.append(SkillState(skill, level, has, xp.progress_percent(curve, has), following))
    combat = rules.combat_level({state.skill: state.level for state in states})
    return SkillSheet(states, sum(one.level for one in states), sum(one.xp for one in states), combat)


@query(access="player")
async def level_ups(
    read: Reader, *, character: characters.CharacterId, limit: PageLimit = 50, cursor: Cursor | None = None
) -> Page[SkillLevelUp]:
    """List the levels that a character has reached, the latest first."""
    at, last = read_cursor(cursor, int, str) or (LAST_XP, LAST_ID)
    rows = await read.rows(SkillLevelUp, LEVEL_UPS, character=character, at=at, last=last, limit=limit + 1)
    more = write_cursor([rows[limit - 1].at, rows[limit - 1].level_up_id]) if len(rows) > limit else None
    return Page(rows[:limit], more)


# Hiscores


def _shown(read: Reader, rank: int, character: str, name: str | None, hidden: bool, skill: str, level: int, points: int) -> _Shown:
    who = characters.on_board(read.keys, f"skills:{skill}", character, name, hidden=bool(hidden))
    return _Shown(HiscoreRow(rank, who.character_id, who.name, level, points), character, name, bool(hidden))


def _name(of: ColumnElement[str]) -> ColumnElement[Any]:
    return select(people.c.name).where(people.c.character_id == of, people.c.tombstoned_at.is_(None)).scalar_subquery()


BOARD: Final = Board(CharacterSkill, told=(_name, characters.is_hidden), columns=("skill", "level", "xp"), show=_shown)


@query(access="public")
async def hiscores(read: Reader, *, skill: SkillId, limit: PageLimit = 25, cursor: Cursor | None = None) -> Page[HiscoreRow]:
    """List the best in a skill, page by page. Only who has trained it stands there."""
    after = characters.start_of_page(read.keys, cursor, int, str)
    rows, end = await BOARD.page(read, skill, limit=limit, after=None if after is None else (after[0], after[1]))
    return _listed(read, rows, end)


@query(access="public")
async def hiscores_from(read: Reader, *, skill: SkillId, rank: Rank, limit: PageLimit = 25) -> Page[HiscoreRow]:
    """List a skill's board from the characters on who stand at a place; where several share it, from the first of them on."""
    rows, end = await BOARD.page_from(read, skill, limit=limit, rank=rank)
    return _listed(read, rows, end)


@query(access="public")
async def hiscore(read: Reader, *, skill: SkillId, character: characters.CharacterId) -> HiscoreRow | None:
    """Tell where a character stands in a skill; None when it has not trained it or is gone, and for strangers if it is anonymous."""
    found = await BOARD.place(read, skill, owner=character)
    if found is None or (found.hidden and await characters.is_stranger(read, character)):
        return None
    return found.openly()


@query(access="public")
async def hiscores_around(read: Reader, *, skill: SkillId, character: characters.CharacterId, each_side: EachSide = 5) -> list[HiscoreRow]:
    """List who stands around a character on a skill's board, the best first; empty when `hiscore` does not tell where it stands."""
    rows = await BOARD.around(read, skill, owner=character, each_side=each_side)
    mine = next((one for one in rows if one.character == character), None)
    if mine is None or (mine.hidden and await characters.is_stranger(read, character)):
        return []
    return [one.openly() if one is mine else one.row for one in rows]


def _listed(read: Reader, rows: list[_Shown], end: tuple[int, str] | None) -> Page[HiscoreRow]:
    return Page([one.row for one in rows], None if end is None else characters.end_of_page(read.keys, *end))


# Under the names by which other programs know it: a row for each character, a pair of columns for each skill

SHEET_SKILLS: Final = (
    *("attack", "strength", "defense", "constitution", "ranged", "magic", "prayer", "woodcutting", "mining"),
    *("fishing", "firemaking", "cooking", "smithing", "agility", "crafting", "fletching", "runecrafting"),
)
BEGUN: Final = {"constitution": (10, 1154)}
"""Where a skill begins that does not begin with nothing."""

vitals = table(characters.CharacterVital)
places = table(characters.CharacterLocation)
progress = table(xp.CharacterProgress)


def _pivoted(skill: str) -> tuple[ColumnElement[int], ColumnElement[int]]:
    level, has = BEGUN.get(skill, (1, 0))
    mine = skills.c.skill == skill
    return func.coalesce(func.max(case((mine, skills.c.level))), level), func.coalesce(func.max(case((mine, skills.c.xp))), has)


def _of(owner: ColumnElement[str], value: ColumnElement[Any], first: Any, *where: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.coalesce(select(value).where(owner == people.c.character_id, *where).scalar_subquery(), first)


def _points(column: str, vital: str, first: int) -> ColumnElement[int]:
    return _of(vitals.c.character_id, vitals.c[column] // 100, first, vitals.c.vital == vital)


def _larger(one: ColumnElement[int], other: ColumnElement[int]) -> ColumnElement[int]:
    return case((one > other, one), else_=other)


def _wide_row() -> Select[Any]:
    points = {skill: _pivoted(skill) for skill in SHEET_SKILLS}
    of = {skill: level for skill, (level, _) in points.items()}
    best = _larger(_larger(of["attack"] + of["strength"], of["ranged"] * 3 // 2), of["magic"] * 3 // 2)
    combat = (250 * (of["defense"] + of["constitution"] + of["prayer"] // 2) + 325 * best) // 1000
    return (
        select(
            people.c.character_id.label("id"),
            people.c.user_id.label("userId"),
            people.c.name,
            *(_of(places.c.character_id, places.c[axis], 0.0).label(axis) for axis in "xyz"),
            combat.label("combatLevel"),
            *(level.label(f"{skill}Level") for skill, (level, _) in points.items()),
            *(has.label(f"{skill}Xp") for skill, (_, has) in points.items()),
            _points("current", "prayer", 1).label("prayerPoints"),
            _points("maximum", "prayer", 1).label("prayerMaxPoints"),
            _of(progress.c.character_id, progress.c.quest_points, 0).label("questPoints"),
            _points("current", "health", 100).label("health"),
            _points("maximum", "health", 100).label("maxHealth"),
            people.c.created_at.label("createdAt"),
            people.c.updated_at.label("updatedAt"),
        )
        .select_from(people.outerjoin(skills, skills.c.character_id == people.c.character_id))
        .where(people.c.tombstoned_at.is_(None))
        .group_by(people.c.character_id)
    )


view("character_sheet", _wide_row())
