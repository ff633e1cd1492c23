"""What may be asked of bosses."""

from msgspec import Struct

from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query
from gamekeeper.modules import characters, content, metrics, predicates

from . import rules
from .errors import BossNotFound
from .records import BossAttempt, BossDefinition, BossId


class Fight(Struct, frozen=True):
    """A fight as it stands: the day of the phase, and what is missing for it, in words.

    `phase` and `days` are null when content has no such boss or phase any more.
    """

    attempt: BossAttempt
    boss: str
    phase: str | None
    day: int
    days: int | None
    progress: int
    missing: list[str]


class Fights(Struct, frozen=True):
    """The fight that a character is in, and those that are over, the newest first."""

    now: Fight | None
    before: list[BossAttempt]


@query
async def list_bosses(read: Reader, *, limit: PageLimit = 50, cursor: Cursor | None = None) -> Page[BossDefinition]:
    """List the bosses, in the order of their ids."""
    return content.page_of(read.definitions(BossDefinition), limit, cursor)


@query
async def show(read: Reader, *, boss: BossId) -> BossDefinition:
    """Show a boss with its phases.

    Raises: BOSS_NOT_FOUND.
    """
    definition = read.definitions(BossDefinition).get(boss)
    if definition is None:
        raise BossNotFound(boss=boss)
    return definition


@query(access="player")
async def fights(read: Reader, *, character: characters.CharacterId) -> Fights:
    """Show the fight that a character is in, with what is missing for its phase, and the ones before.

    Raises: CHARACTER_NOT_FOUND.
    """
    _, loaded = await characters.load_alive(read, character, BossAttempt, *metrics.LOADED)
    rows = sorted(loaded.rows(BossAttempt), key=lambda row: row.started_at, reverse=True)
    row = next((one for one in rows if one.status == "IN_PROGRESS"), None)
    definition = None if row is None else read.definitions(BossDefinition).get(row.boss_id)
    before = [one for one in rows if one is not row]
    if row is None:
        return Fights(None, before)
    if definition is None or row.current_phase > len(definition.phases):
        name = row.boss_id if definition is None else definition.name
        return Fights(Fight(row, name, None, row.phase_progress.days, None, 0, []), before)
    phase = definition.phases[row.current_phase - 1]
    cleared = next((one.total for one in loaded.rows(metrics.EventCount) if one.event == metrics.DUNGEON_CLEARED), 0)
    facts = metrics.facts_of(read, loaded, [], row.first_day, rules.given(row.phase_progress, cleared))
    verdict = predicates.judge(phase.requirements, facts, facts.words)
    now = Fight(
        *(row, definition.name, phase.name, row.phase_progress.days, phase.duration_days),
        progress=verdict.progress,
        missing=predicates.explain(verdict),
    )
    return Fights(now, before)
