"""Characters: the list, and one character with everything about it."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any, Final

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gamekeeper.errors import OwnerNotFound
from gamekeeper.keep import Keep
from gamekeeper.kernel import history
from gamekeeper.kernel.commands import COMMANDS
from gamekeeper.kernel.queries import Page, Root
from gamekeeper.modules import characters, combat, content, items, trades
from gamekeeper.studio import queries
from gamekeeper.studio.asking import PAGE, id_of, keep_of, wants_part, word
from gamekeeper.studio.bag import Bag, bags_of
from gamekeeper.studio.rendering import page

from .character_forms import FORMS
from .character_tabs import TITLES, answer_tab
from .edits import Draft, change, new_drafts
from .progress_tabs import show_award

ENTRIES: Final = 25
"""Entries of a timeline's page."""
TRADES: Final = 5


class Sheet(Struct, frozen=True):
    """A character with all that it has, read in one round trip."""

    root: Root
    character: characters.Character
    location: characters.CharacterLocation | None
    vitals: list[characters.CharacterVital]
    attributes: list[characters.CharacterAttribute]
    settings: list[characters.CharacterSetting]
    bags: list[Bag]


async def read_sheet(keep: Keep, id: str) -> Sheet:
    """Read a character, also one that is deleted.

    Raises: CHARACTER_NOT_FOUND.
    """
    found = await keep.reader.load(
        id,
        characters.Character,
        characters.CharacterLocation,
        characters.CharacterVital,
        characters.CharacterAttribute,
        characters.CharacterSetting,
        items.Holding,
        items.InventorySize,
    )
    row = None if found is None else found.one(characters.Character)
    if found is None or row is None:
        raise characters.CharacterNotFound(id=id)
    return Sheet(
        root=found.root,
        character=row,
        location=found.one(characters.CharacterLocation),
        vitals=found.rows(characters.CharacterVital),
        attributes=found.rows(characters.CharacterAttribute),
        settings=found.rows(characters.CharacterSetting),
        bags=bags_of(found.rows(items.Holding), keep.reader.definitions(content.ItemDefinition), found.one(items.InventorySize)),
    )


async def index(request: Request) -> Response:
    """The list of characters."""
    keep = keep_of(request)
    prefix, cursor = word(request, "q"), word(request, "cursor") or None
    found = await queries.newest_characters(keep.reader, prefix=prefix, limit=PAGE, cursor=cursor)
    labels = await queries.labels(keep, [row.user_id for row in found.items if row.user_id is not None])
    return page(request, "characters.html", room="characters", found=found, q=prefix, cursor=cursor, labels=labels)


async def show(request: Request) -> Response:
    """One character, or the next entries of its timeline."""
    if wants_part(request):
        return page(request, "timeline_part.html", **await timeline_of(request, id_of(request)))
    return await answer(request, new_drafts(request, FORMS))


async def show_tab(request: Request) -> Response:
    """One part of a character."""
    return await answer_tab(request, request.path_params["tab"], new_drafts(request, FORMS))


async def edit(request: Request) -> Response:
    """Run the command of a form; a refusal is shown beside what was typed."""
    return await change(request, FORMS, _answer_where, "characters")


async def _answer_where(request: Request, drafts: dict[str, Draft], status: int) -> Response:
    """The part of a character's page where the form stands."""
    tab = FORMS[request.path_params["form"]].tab
    return await (answer_tab(request, tab, drafts, status) if tab else answer(request, drafts, status))


async def answer(request: Request, drafts: dict[str, Draft], status: int = 200) -> Response:
    """The page of a character, with the forms as they stand."""
    keep, id = keep_of(request), id_of(request)
    sheet = await read_sheet(keep, id)
    traded = await keep.ask(trades.of_character(character=id, limit=TRADES))
    others = {owner for one in traded.items for owner in (one.initiator_id, one.receiver_id)}
    timeline = await timeline_of(request, id, others | ({sheet.character.user_id} if sheet.character.user_id else set()))
    return page(
        request,
        "character.html",
        status,
        room="characters",
        sheet=sheet,
        tab="",
        titles=TITLES,
        trades=traded.items,
        drafts=drafts,
        definitions=keep.reader.definitions(content.ItemDefinition),
        commands=sorted(COMMANDS),
        containers=GRANTABLE,
        now=keep.clock.now_ms(),
        **timeline,
    )


GRANTABLE: Final = ("inventory", "pouch", "bank:0")
"""Where an operator puts things, and takes them from."""


async def timeline_of(request: Request, id: str, others: AbstractSet[str] = frozenset()) -> dict[str, Any]:
    """What the templates of a timeline want: some entries of an owner, and the names of all who stand in them."""
    keep, command = keep_of(request), word(request, "command")
    found: Page[history.HistoryEntry] = await keep.ask(
        history.timeline(owner=id, limit=ENTRIES, cursor=word(request, "cursor") or None, command=command or None)
    )
    ids = {id, *others, *(owner for entry in found.items for owner in entry.owners)}
    return {
        "timeline": found,
        "owner": id,
        "command": command,
        "cursor": word(request, "cursor"),
        "labels": await queries.labels(keep, ids),
    }


async def owner(request: Request) -> Response:
    """Any other owner: a user, a world, the content; its root row and its timeline."""
    keep, id = keep_of(request), id_of(request)
    if wants_part(request):
        return page(request, "timeline_part.html", **await timeline_of(request, id))
    root = await keep.reader.root(id)
    if root is None:
        raise OwnerNotFound(id=id)
    rows = await keep.reader.all(items.Holding, id)
    bags = [bag for bag in bags_of(rows, keep.reader.definitions(content.ItemDefinition)) if bag.filled]
    death = await queries.death_of(keep.reader, gravestone=id) if root.kind == combat.GRAVESTONE else None
    timeline = await timeline_of(request, id, frozenset() if death is None else {death.character_id})
    return page(
        request, "owner.html", room="characters" if death else "", root=root, bags=bags, death=death, commands=sorted(COMMANDS), **timeline
    )


ROUTES = [
    Route("/characters", index),
    Route("/characters/{id}", show),
    Route("/characters/{id}/{form}", edit, methods=["POST"]),
    Route("/characters/{id}/{tab}", show_tab),
    Route("/characters/{id}/progress/{seq:int}", show_award),
    Route("/owners/{id}", owner),
]
