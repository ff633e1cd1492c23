"""What may be asked of titles."""

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import BigInteger, bindparam, select

from gamekeeper.kernel.queries import Cursor, Loaded, Page, PageLimit, Reader, query
from gamekeeper.kernel.store.schema import table
from gamekeeper.kernel.verify import Problem, check
from gamekeeper.modules import characters, content, days, metrics, predicates, xp

from . import rules
from .records import EarnedBy, Rarity, RevokedBy, TitleDefinition, UserTitle

FIRST_FOUND = 50
"""Titles that a verification names for one fault."""

earned = table(UserTitle)
progresses = table(xp.CharacterProgress)

_LIMIT = bindparam("limit", type_=BigInteger)
_SAME = (progresses.c.character_id == earned.c.character_id, progresses.c.active_title_id == earned.c.title_id)

NOT_BORNE = (
    select(earned.c.character_id, earned.c.title_id)
    .where(earned.c.active_slot.is_not(None), ~select(progresses.c.character_id).where(*_SAME).exists())
    .order_by(earned.c.character_id, earned.c.title_id)
    .limit(_LIMIT)
)
NOT_ACTIVE = (
    select(progresses.c.character_id, progresses.c.active_title_id)
    .where(
        progresses.c.active_title_id.is_not(None),
        ~select(earned.c.character_id).where(*_SAME, earned.c.active_slot.is_not(None)).exists(),
    )
    .order_by(progresses.c.character_id)
    .limit(_LIMIT)
)


class TitleOf(Struct, frozen=True):
    """What a title is to a character: one that it has, one that it has lost, or one that it may earn.

    `progress` is in basis points, and `conditions` says how far each part is: `12 of 14 days in a row`. Both are of what it takes to earn
    it, also for those that it has.
    """

    title: str
    name: str
    description: str
    rarity: Rarity
    status: Literal["EARNED", "LOST", "OPEN"]
    progress: int
    conditions: list[str]
    is_active: bool = False
    earned_at: int | None = None
    earned_by: EarnedBy | None = None
    revoked_at: int | None = None
    revoked_by: RevokedBy | None = None


@query(access="public")
async def list_titles(
    read: Reader, *, rarity: Rarity | None = None, limit: PageLimit = 50, cursor: Cursor | None = None
) -> Page[TitleDefinition]:
    """List the titles that there are, of one rarity or of all, in the order of their ids."""
    found = read.definitions(TitleDefinition)
    return content.page_of({id: one for id, one in found.items() if rarity in (None, one.rarity)}, limit, cursor)


@query(access="player")
async def of(read: Reader, *, character: characters.CharacterId) -> list[TitleOf]:
    """List all titles and what each is to a character, in the order of their ids; those that content has forgotten are kept.

    Raises: CHARACTER_NOT_FOUND.
    """
    _, loaded = await characters.load_alive(read, character, UserTitle, *metrics.LOADED)
    day = days.local_day(read.now_ms(), await characters.zone_of(read, character))
    facts = metrics.facts_of(read, loaded, await metrics.day_of(read, character, day), day)
    held = {row.title_id: row for row in loaded.rows(UserTitle)}
    definitions = read.definitions(TitleDefinition)
    return [_shown(title, definitions.get(title), held.get(title), facts) for title in sorted({*definitions, *held})]


def bonuses_of(read: Reader, loaded: Loaded) -> dict[str, int]:
    """Give what the title that a character bears adds to its attributes; what was loaded of it has `xp.CharacterProgress`."""
    return rules.stat_bonus_of(rules.active_of(read.definitions(TitleDefinition), loaded.one(xp.CharacterProgress)))


def attributes_of(read: Reader, loaded: Loaded) -> list[characters.CharacterAttribute]:
    """Give a character's attributes with what the title that it bears adds to them, in the order of their names.

    What was loaded of it has `CharacterAttribute` and `xp.CharacterProgress`. The rows themselves say nothing of titles.
    """
    held = {row.attribute: row for row in loaded.rows(characters.CharacterAttribute)}
    for attribute, bonus in bonuses_of(read, loaded).items():
        row = held.get(attribute) or characters.CharacterAttribute(loaded.root.id, attribute, 0)
        held[attribute] = replace(row, bonus=row.bonus + bonus)
    return [held[attribute] for attribute in sorted(held)]


def _shown(title: str, definition: TitleDefinition | None, row: UserTitle | None, facts: metrics.KnownFacts) -> TitleOf:
    status: Literal["EARNED", "LOST", "OPEN"] = "OPEN" if row is None else "EARNED" if row.revoked_at is None else "LOST"
    verdict = None if definition is None else predicates.judge(definition.condition, facts, facts.words)
    return TitleOf(
        title=title,
        name=title if definition is None else definition.name,
        description="" if definition is None else definition.description,
        rarity="COMMON" if definition is None else definition.rarity,
        status=status,
        progress=0 if verdict is None else verdict.progress,
        conditions=[] if verdict is None else predicates.explain(verdict),
        is_active=row is not None and row.is_active,
        earned_at=None if row is None else row.earned_at,
        earned_by=None if row is None else row.earned_by,
        revoked_at=None if row is None else row.revoked_at,
        revoked_by=None if row is None else row.revoked_by,
    )


# Whether all of it is as it must be


class _Borne(Struct, frozen=True):
    character_id: str
    title_id: str


@check("titles.active")
async def active_unlike(read: Reader) -> list[Problem]:
    """Name the characters whose progress and titles do not say the same of the title that they bear."""
    return [
        Problem("titles.active", what, owner=one.character_id, table="user_titles", key=[one.character_id, one.title_id])
        for statement, what in (
            (NOT_BORNE, "the title is active, and the character's progress names another one or none"),
            (NOT_ACTIVE, "the character's progress names the title, which is not active"),
        )
        for one in await read.rows(_Borne, statement, limit=FIRST_FOUND)
    ]
