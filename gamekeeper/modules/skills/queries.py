"""What may be asked of skills."""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct
from sqlalchemy import BigInteger, ColumnElement, Select, Text, bindparam, case, func, select, tuple_

from gamekeeper.kernel import standings
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

_SKILL = skills.c.skill == bindparam("skill", type_=Text)
_PLACE = tuple_(skills.c.xp, skills.c.character_id)
_HERE = tuple_(bindparam("xp", type_=BigInteger), bindparam("character", type_=Text))
_SHOWN = select(
    skills.c.character_id, case((people.c.tombstoned_at.is_(None), people.c.name), else_=None), skills.c.level, skills.c.xp
).join_from(skills, people, people.c.character_id == skills.c.character_id)
_LIMIT = bindparam("limit", type_=BigInteger)

BELOW = _SHOWN.where(_SKILL, _PLACE < _HERE).order_by(skills.c.xp.desc(), skills.c.character_id.desc()).limit(_LIMIT)
ABOVE = _SHOWN.where(_SKILL, _PLACE > _HERE).order_by(skills.c.xp, skills.c.character_id).limit(_LIMIT)

LEVEL_UPS = (
    select(ups)
    .where(
        ups.c.character_id == bindparam("character", type_=Text),
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
    """A place on a skill's board; those with the same experience share their rank. A deleted character has no name."""

    rank: int
    character_id: str
    name: str | None
    level: int
    xp: int


class _Row(Struct, frozen=True):
    character_id: str
    name: str | None
    level: int
    xp: int


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


@query(access="public")
async def hiscores(read: Reader, *, skill: SkillId, limit: PageLimit = 25, cursor: Cursor | None = None) -> Page[HiscoreRow]:
    """List the best in a skill, page by page. Only who has trained it stands there."""
    return await _page(read, skill, read_cursor(cursor, int, str) or (LAST_XP, LAST_ID), limit)


@query(access="public")
async def hiscores_from(read: Reader, *, skill: SkillId, rank: Rank, limit: PageLimit = 25) -> Page[HiscoreRow]:
    """List a skill's board from the characters on who stand at a place; where several share it, from the first of them on."""
    standing = await standings.at(read, CharacterSkill, rank, skill)
    if standing is None:
        return Page([])
    return await _page(read, skill, (standing.score, LAST_ID), limit)


@query(access="public")
async def hiscore(read: Reader, *, skill: SkillId, character: characters.CharacterId) -> HiscoreRow | None:
    """Tell where a character stands in a skill; None when it has not trained it or is gone."""
    person, row = await read.get(characters.Character, character), await read.get(CharacterSkill, character, skill)
    if person is None or row is None or person.tombstoned_at is not None:
        return None
    return HiscoreRow(await standings.rank(read, CharacterSkill, row.xp, skill), character, person.name, row.level, row.xp)


@query(access="public")
async def hiscores_around(read: Reader, *, skill: SkillId, character: characters.CharacterId, each_side: EachSide = 5) -> list[HiscoreRow]:
    """List who stands around a character on a skill's board, the best first; empty when it does not stand there."""
    mine = await hiscore.function(read, skill=skill, character=character)
    if mine is None:
        return []
    here = {"skill": skill, "xp": mine.xp, "character": character, "limit": each_side}
    better = list(reversed(await read.rows(_Row, ABOVE, **here)))
    worse = await read.rows(_Row, BELOW, **here)
    rows = [*better, _Row(character, mine.name, mine.level, mine.xp), *worse]
    return await _ranked(read, skill, rows)


async def _page(read: Reader, skill: str, after: tuple[int, str], limit: int) -> Page[HiscoreRow]:
    rows = await read.rows(_Row, BELOW, skill=skill, xp=after[0], character=after[1], limit=limit + 1)
    more = write_cursor([rows[limit - 1].xp, rows[limit - 1].character_id]) if len(rows) > limit else None
    return Page(await _ranked(read, skill, rows[:limit]), more)


async def _ranked(read: Reader, skill: str, rows: list[_Row]) -> list[HiscoreRow]:
    """Give rows of a board their ranks: the counts tell those of the first two scores, and from there on every row is at hand."""
    ranks: dict[int, int] = {}
    first = 0
    for place, row in enumerate(rows):
        if row.xp in ranks:
            continue
        if len(ranks) < 2:
            ranks[row.xp] = await standings.rank(read, CharacterSkill, row.xp, skill)
            first = place
        else:
            ranks[row.xp] = ranks[rows[first].xp] + place - first
    return [HiscoreRow(ranks[row.xp], row.character_id, row.name, row.level, row.xp) for row in rows]


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
