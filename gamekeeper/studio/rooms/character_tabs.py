"""The tabs of a character's page. What is kept of a character is read in one round trip; what grows with time, page by page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gamekeeper.kernel.queries import Loaded, Reader
from gamekeeper.kernel.records import Record
from gamekeeper.modules import (
    banks,
    characters,
    combat,
    content,
    essences,
    items,
    npcs,
    plays,
    prayer,
    presence,
    quests,
    skills,
    titles,
    xp,
)
from gamekeeper.studio import queries
from gamekeeper.studio.asking import id_of, is_id, keep_of, word
from gamekeeper.studio.bag import WORN, Definitions, Piece, Place, bags_of, piece_of
from gamekeeper.studio.rendering import page

from .edits import Draft
from .progress_tabs import pages_of_days, pages_of_progress

DEATHS: Final = 25
PLAY_SESSIONS: Final = 25
HEAD: Final = (characters.Character, characters.CharacterLocation, characters.CharacterVital)
"""What stands above every tab."""
Shown = dict[str, Any]


class Tab(Struct, frozen=True):
    """A tab: what it is called, what it reads, and what its template gets of it."""

    title: str
    records: tuple[type[Record], ...]
    view: Callable[[Reader, Loaded], Shown]
    more: Callable[[Request, Loaded], Awaitable[Shown]] | None = None
    """what is asked for besides, because it grows with time or is judged anew"""


def _skills(read: Reader, loaded: Loaded) -> Shown:
    sheet = skills.sheet_of(read, loaded.rows(skills.CharacterSkill))
    known = read.definitions(skills.SkillDefinition)
    trained = {one.skill for one in loaded.rows(skills.CharacterSkill)}
    rows = [(one, known[one.skill].name if one.skill in known else None, one.skill in trained) for one in sheet.skills]
    return {"skills": sheet, "rows": rows}


def _equipment(read: Reader, loaded: Loaded) -> Shown:
    known = read.definitions(content.ItemDefinition)
    worn = [row for row in loaded.rows(items.Holding) if row.container == WORN]
    bonuses: dict[str, int] = {}
    for row in worn:
        for name, bonus in (known[row.item_id].bonuses if row.item_id in known else {}).items():
            bonuses[name] = bonuses.get(name, 0) + bonus
    return {"bag": next(bag for bag in bags_of(worn, known) if bag.name == WORN), "bonuses": sorted(bonuses.items())}


class BankPage(Struct, frozen=True):
    """A tab of a bank with what lies in it, and what will come back into it."""

    tab: int
    icon: Piece | None
    places: list[Place]
    kept: list[tuple[int, Piece]]


def _bank(read: Reader, loaded: Loaded) -> Shown:
    known = read.definitions(content.ItemDefinition)
    bank = banks.bank_of(read, loaded)
    return {"bank": bank, "tabs_of_bank": [_bank_page(known, tab) for tab in bank.tabs]}


def _bank_page(known: Definitions, tab: banks.ShownTab) -> BankPage:
    icon = None if tab.icon_item_id is None else piece_of(known, tab.icon_item_id, 1)
    places = [Place(one.slot, str(one.slot + 1), piece_of(known, one.item, one.quantity, one.item_uid, one.metadata)) for one in tab.stacks]
    return BankPage(tab.tab, icon, places, [(one.slot, piece_of(known, one.item, 1)) for one in tab.placeholders])


def _quests(read: Reader, loaded: Loaded) -> Shown:
    progress = loaded.one(xp.CharacterProgress)
    known = read.definitions(quests.QuestDefinition)
    order = {"ready_to_complete": 0, "in_progress": 1, "completed": 2, "not_started": 3}
    log = sorted(quests.log_of(read, loaded), key=lambda one: (order[one.state], not one.startable, one.quest))
    rows = {row.quest_id for row in loaded.rows(quests.QuestProgress)}
    return {
        "points": 0 if progress is None else progress.quest_points,
        "log": log,
        "on": [known[one.quest] for one in log if one.quest in known and one.state in ("ready_to_complete", "in_progress")],
        "begun": [one for one in log if one.quest in rows],
    }


def _essences(read: Reader, loaded: Loaded) -> Shown:
    held = essences.essences_of(read, loaded, abilities=True)
    attributes = loaded.rows(characters.CharacterAttribute)
    return {"essences": held, "attributes": attributes, "next_xp": essences.xp_to_next, "top_level": essences.TOP_LEVEL}


def _prayers(read: Reader, loaded: Loaded) -> Shown:
    known = read.definitions(prayer.PrayerDefinition)
    sheet = prayer.sheet_of(read, loaded)
    points = characters.CharacterVital(loaded.root.id, prayer.PRAYER, sheet.points, sheet.maximum)
    return {"prayer": sheet, "points": points, "said": [(one, known.get(one.prayer_id)) for one in sheet.active]}


def _deaths(_read: Reader, loaded: Loaded) -> Shown:
    return {"kills": sorted(loaded.rows(combat.NpcKill), key=lambda one: -one.kill_count)}


def _play(read: Reader, loaded: Loaded) -> Shown:
    return {"playing": presence.playing_of(read, loaded.root.id, loaded.one(plays.Presence), loaded.one(plays.Activity))}


async def _pages_of_play(request: Request, loaded: Loaded) -> Shown:
    """Play sessions grow with time, so they are a list with pages; worlds have their names."""
    keep, cursor = keep_of(request), word(request, "cursor") or None
    past = await keep.ask(presence.history(character=loaded.root.id, limit=PLAY_SESSIONS, cursor=cursor))
    rows = [row for row in (loaded.one(characters.Character), loaded.one(plays.Presence), *past.items) if row is not None]
    user = {row.user_id for row in loaded.rows(characters.Character) if row.user_id is not None}
    labels = await queries.labels(keep, user | {row.world_id for row in rows if row.world_id is not None})
    return {"past": past, "cursor": cursor, "labels": labels}


def _nothing(_read: Reader, _loaded: Loaded) -> Shown:
    return {}


async def _pages_of_deaths(request: Request, loaded: Loaded) -> Shown:
    """Deaths grow with time, so they are a list with pages; who killed is named when it was a character."""
    keep, cursor = keep_of(request), word(request, "cursor") or None
    deaths = await keep.ask(combat.deaths(character=loaded.root.id, limit=DEATHS, cursor=cursor))
    labels = await queries.labels(keep, {one.killed_by for one in deaths.items if is_id(one.killed_by)})
    known = {"definitions": keep.reader.definitions(content.ItemDefinition), "npcs": keep.reader.definitions(npcs.NpcDefinition)}
    return {"deaths": deaths, "cursor": cursor, "labels": labels} | known


_OF_QUESTS = (quests.QuestProgress, xp.CharacterProgress, skills.CharacterSkill, items.Holding)
TABS: Final[Mapping[str, Tab]] = {
    "progress": Tab("Progress", (xp.CharacterProgress, titles.UserTitle), _nothing, pages_of_progress),
    "days": Tab("Days", (), _nothing, pages_of_days),
    "skills": Tab("Skills", (skills.CharacterSkill,), _skills),
    "equipment": Tab("Equipment", (items.Holding,), _equipment),
    "bank": Tab("Bank", (items.Holding, banks.BankTab, banks.BankPlaceholder), _bank),
    "quests": Tab("Quests", _OF_QUESTS, _quests),
    "essences": Tab("Essences", (essences.CharacterEssence, essences.CharacterAbility, characters.CharacterAttribute), _essences),
    "prayers": Tab("Prayers", (prayer.ActivePrayer, skills.CharacterSkill, items.Holding), _prayers),
    "deaths": Tab("Deaths", (combat.NpcKill,), _deaths, _pages_of_deaths),
    "play": Tab("Play", (plays.Presence, plays.Activity), _play, _pages_of_play),
}
TITLES: Final = [("", "Overview"), *((name, tab.title) for name, tab in TABS.items())]


class Head(Struct, frozen=True):
    """What stands above every tab: the same names as a whole sheet has."""

    root: Any
    character: characters.Character
    location: characters.CharacterLocation | None
    vitals: list[characters.CharacterVital]


async def answer_tab(request: Request, name: str, drafts: dict[str, Draft], status: int = 200) -> Response:
    """A tab of a character, also of one that is deleted, with the forms as they stand.

    Raises: CHARACTER_NOT_FOUND, HTTPException 404 when there is no such tab.
    """
    tab = TABS.get(name)
    if tab is None:
        raise HTTPException(404)
    read, id = keep_of(request).reader, id_of(request)
    found = await read.load(id, *HEAD, *tab.records)
    row = None if found is None else found.one(characters.Character)
    if found is None or row is None:
        raise characters.CharacterNotFound(id=id)
    head = Head(found.root, row, found.one(characters.CharacterLocation), found.rows(characters.CharacterVital))
    values: Shown = {"room": "characters", "sheet": head, "tab": name, "titles": TITLES, "drafts": drafts, "labels": {}}
    values |= tab.view(read, found)
    if tab.more is not None:
        values |= await tab.more(request, found)
    return page(request, f"character_{name}.html", status, **values)
