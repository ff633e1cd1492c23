"""How far a character has come: the tabs Progress and Days of its page, and one award step by step."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from gamekeeper.errors import GameError
from gamekeeper.keep import Keep
from gamekeeper.kernel.queries import Loaded
from gamekeeper.modules import bosses, characters, content, dailies, days, dungeons, metrics, progress, titles, xp
from gamekeeper.studio import queries
from gamekeeper.studio.asking import id_of, keep_of, word
from gamekeeper.studio.charts import chart_of
from gamekeeper.studio.rendering import page

AWARDS: Final = 20
"""Awards on a page of the ledger."""
DAYS: Final = 14
VISITS: Final = 5
"""Visits of dungeons, and fights, that are shown of those that are over."""
Shown = dict[str, Any]


def _lives(loaded: Loaded) -> bool:
    row = loaded.one(characters.Character)
    return row is not None and row.tombstoned_at is None


# Progress


async def pages_of_progress(request: Request, loaded: Loaded) -> Shown:
    """How a character stands, what it earned by day, its titles, and a page of its ledger."""
    keep, id, cursor = keep_of(request), loaded.root.id, word(request, "cursor") or None
    standing, error = await _standing(keep, loaded)
    return {
        "row": loaded.one(xp.CharacterProgress) or xp.CharacterProgress(id),
        "standing": standing,
        "error": error,
        "chart": chart_of(await queries.xp_days(keep.reader.patient(), character=id)),
        "earned": await _titles(keep, loaded),
        "defined": keep.reader.definitions(titles.TitleDefinition),
        "ledger": await keep.ask(xp.ledger(character=id, limit=AWARDS, cursor=cursor)),
        "cursor": cursor,
    }


async def _standing(keep: Keep, loaded: Loaded) -> tuple[progress.Progress | None, GameError | None]:
    """What an award would come to now; a configuration that cannot be read is shown instead of the page being refused."""
    if not _lives(loaded):
        return None, None
    try:
        return await keep.ask(progress.show(character=loaded.root.id)), None
    except GameError as error:
        return None, error


async def _titles(keep: Keep, loaded: Loaded) -> list[titles.TitleOf]:
    """All titles and what each is to the character, those first that it has; a deleted one only has what it had."""
    if _lives(loaded):
        found = await keep.ask(titles.of(character=loaded.root.id))
    else:
        found = [_kept(row, keep.reader.definitions(titles.TitleDefinition).get(row.title_id)) for row in loaded.rows(titles.UserTitle)]
    order = {"EARNED": 0, "LOST": 1, "OPEN": 2}
    return sorted(found, key=lambda one: (not one.is_active, order[one.status], -one.progress, one.title))


def _kept(row: titles.UserTitle, definition: titles.TitleDefinition | None) -> titles.TitleOf:
    return titles.TitleOf(
        title=row.title_id,
        name=row.title_id if definition is None else definition.name,
        description="" if definition is None else definition.description,
        rarity="COMMON" if definition is None else definition.rarity,
        status="EARNED" if row.revoked_at is None else "LOST",
        progress=0,
        conditions=[],
        is_active=row.is_active,
        earned_at=row.earned_at,
        earned_by=row.earned_by,
        revoked_at=row.revoked_at,
        revoked_by=row.revoked_by,
    )


async def show_award(request: Request) -> Response:
    """One event of a character's ledger: each step from its base to what was paid, and whether all of it is as it was written."""
    keep, id = keep_of(request), id_of(request)
    found = await keep.ask(xp.breakdown(character=id, seq=request.path_params["seq"]))
    row = await keep.reader.get(xp.CharacterProgress, id)
    newest = found.event.seq if row is None else row.xp_seq
    sound = found.hash_matches and found.replayed == found.event.final_xp
    labels = await queries.labels(keep, [id])
    return page(request, "award.html", room="characters", award=found, sound=sound, newest=newest, labels=labels, id=id)


# Days


async def pages_of_days(request: Request, loaded: Loaded) -> Shown:
    """A day's quests with what is missing and what was measured, the fight and the dungeon, and a page of the days before."""
    keep, id, cursor = keep_of(request), loaded.root.id, word(request, "cursor") or None
    wanted = word(request, "day") or None
    found: Shown = {"today": None, "measured": None, "fights": None, "visit": None, "visits": [], "zone": None, "wanted": wanted}
    if _lives(loaded):
        today = await keep.ask(dailies.today(character=id, day=None if wanted is None else days.checked(wanted)))
        found |= {
            "today": today,
            "zone": await characters.zone_of(keep.reader, id),
            "measured": await keep.ask(metrics.show(character=id, day=today.day)),
            "fights": await keep.ask(bosses.fights(character=id)),
            "visit": await keep.ask(dungeons.visit(character=id)),
        }
    return found | {
        "visits": (await keep.ask(dungeons.history(character=id, limit=VISITS))).items,
        "most": VISITS,
        "history": await keep.ask(dailies.history(character=id, limit=DAYS, cursor=cursor)),
        "cursor": cursor,
        "bosses": _names(keep, bosses.BossDefinition),
        "dungeons": _names(keep, dungeons.DungeonDefinition),
        "flags": {id for id, one in keep.reader.definitions(metrics.MetricDefinition).items() if one.type == "boolean"},
    }


def _names(keep: Keep, kind: type[content.Defined]) -> dict[str, str]:
    """Ids and names of what is defined of a kind."""
    return {id: str(getattr(one, "name", id)) for id, one in keep.reader.definitions(kind).items()}
