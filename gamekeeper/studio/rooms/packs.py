"""Packs and definitions: what is loaded, what it was before, what differs, and the forms that put a version in force or change one."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gamekeeper.errors import InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import Call
from gamekeeper.modules import content
from gamekeeper.studio.asking import PAGE, id_of, keep_of, one_of, word
from gamekeeper.studio.rendering import page

from .edits import Draft, Form, Forms, Typed, change, new_drafts

ROOM: Final = "items"
"""What is lit in the navigation: all of content is one room."""
SEPARATOR: Final = "."
"""Between the kind and the id in the address of a definition; neither of them has one."""
LONGEST_DEFINITION: Final = 48_000


# Packs


async def index(request: Request) -> Response:
    """The packs in force, each with how much of what it defines."""
    keep = keep_of(request)
    found = [(one, await _counts(keep, one.pack_id)) for one in await keep.ask(content.packs())]
    return page(request, "packs.html", room=ROOM, found=found)


async def _counts(keep: Keep, pack: str) -> dict[str, int]:
    """How many definitions of each kind a pack has, by the kind's name in the number that fits."""
    singular = {one.plural: one.kind for one in content.KINDS.values()}
    bodies = await keep.ask(content.bodies(pack=pack))
    found = {plural: len(entries) for plural, entries in sorted(bodies.items()) if entries}
    return {singular.get(plural, plural) if count == 1 else plural: count for plural, count in found.items()}


async def show(request: Request) -> Response:
    """One pack: its versions, and what differs between two of them."""
    return await answer(request, new_drafts(request, PACK_FORMS))


async def edit(request: Request) -> Response:
    """Run the command of a form; a refusal is shown beside what was typed."""
    return await change(request, PACK_FORMS, answer, "packs")


async def answer(request: Request, drafts: dict[str, Draft], status: int = 200) -> Response:
    """The page of a pack, with the forms as they stand."""
    keep, id, cursor = keep_of(request), id_of(request), word(request, "cursor") or None
    pack = await _pack(keep, id)
    before, after = _number(request, "before"), _number(request, "after")
    differences = None
    if before is not None and after is not None:
        differences = await keep.ask(content.compare(pack=id, before=before, after=after))
    return page(
        request,
        "pack.html",
        status,
        room=ROOM,
        pack=pack,
        versions=await keep.ask(content.versions(pack=id, limit=PAGE, cursor=cursor)),
        cursor=cursor,
        differences=differences,
        changes=Counter(one.change for one in differences or ()),
        before=before,
        after=after,
        drafts=drafts,
    )


async def _pack(keep: Keep, id: str) -> content.ContentPack:
    known = await keep.reader.get(content.ContentPack, content.CONTENT_OWNER, id)
    if known is None:
        raise HTTPException(404)
    return known


def _number(request: Request, name: str) -> int | None:
    text = word(request, name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise InvalidArgument(path=f"/{name}", problem="the number of a version")
    return int(text)


def _activate(pack: str, typed: Typed) -> Call[Any]:
    number = typed.get("number", "").strip()
    if not (number.isascii() and number.isdigit() and len(number) <= 12):
        raise InvalidArgument(path="/number", problem="the number of a version")
    return content.activate_pack(pack=pack, number=int(number))


def _rollback(pack: str, _typed: Typed) -> Call[Any]:
    return content.rollback_pack(pack=pack)


def _in_force(_typed: Typed, loaded: content.PackLoaded) -> str:
    return f"Version {loaded.number} is in force: {loaded.added:,} new, {loaded.changed:,} changed, {loaded.removed:,} removed."


PACK_FORMS: Final[Forms] = {
    "activate": Form(("number", "reason"), _activate, _in_force),
    "rollback": Form(("reason", "confirm"), _rollback, _in_force),
}


# Definitions


async def definitions(request: Request) -> Response:
    """The list of definitions, of one kind or of all."""
    keep, cursor = keep_of(request), word(request, "cursor") or None
    kinds = await keep.ask(content.kinds())
    kind = one_of(request, "kind", [one.kind for one in kinds]) or None
    found = await keep.ask(content.stored(kind=kind, limit=PAGE, cursor=cursor))
    return page(request, "definitions.html", room=ROOM, found=found, kinds=kinds, kind=kind, cursor=cursor)


async def definition(request: Request) -> Response:
    """One definition as its pack has it."""
    row = await _stored(request)
    drafts = new_drafts(request, DEFINITION_FORMS)
    pack = await _pack(keep_of(request), row.pack_id)
    values = drafts["edit"].values
    values |= {"body": values["body"] or _text(row.body), "version": values["version"] or pack.version, "number": str(pack.number)}
    return await _definition_page(request, row, pack, drafts)


async def change_definition(request: Request) -> Response:
    """Load the definition's pack with what was typed in its place, as a version of its own."""
    row = await _stored(request)
    pack = await _pack(keep_of(request), row.pack_id)
    bodies = await keep_of(request).ask(content.bodies(pack=row.pack_id))

    def load(_id: str, typed: Typed) -> Call[Any]:
        if typed.get("number") != str(pack.number):
            raise content.PackHasChanged(pack=row.pack_id)
        return content.load_pack(pack=_with(pack, bodies, row, typed))

    async def refused(request: Request, drafts: dict[str, Draft], status: int) -> Response:
        return await _definition_page(request, row, pack, drafts, status)

    forms: Forms = {name: Form(one.fields, load, one.done) for name, one in DEFINITION_FORMS.items()}
    return await change(request, forms, refused, "definitions")


def _with(pack: content.ContentPack, bodies: dict[str, Any], row: content.Definition, typed: Typed) -> content.Pack:
    """Give a pack as it is in force, but for one definition."""
    try:
        body = msgspec.json.decode(typed.get("body", "").encode())
    except msgspec.DecodeError as error:
        raise InvalidArgument(path="/body", problem=f"no JSON: {error}") from None
    if not isinstance(body, dict) or body.get("id") != row.id:
        raise InvalidArgument(path="/body", problem=f'an object whose "id" is "{row.id}"')
    plural = content.KINDS[row.kind].plural
    entries = tuple(body if one["id"] == row.id else one for one in bodies[plural])
    definitions = {name: tuple(some) for name, some in bodies.items()} | {plural: entries}
    return content.Pack(pack.pack_id, typed.get("version", "").strip(), pack.title, definitions)


async def _definition_page(
    request: Request, row: content.Definition, pack: content.ContentPack, drafts: dict[str, Draft], status: int = 200
) -> Response:
    stored = keep_of(request).reader.definitions(content.KINDS[row.kind].type) if row.kind in content.KINDS else {}
    text = _text(row.body)
    return page(
        request,
        "definition.html",
        status,
        room=ROOM,
        row=row,
        pack=pack,
        text=text,
        readable=row.id in stored,
        editable=row.kind in content.KINDS and len(text) <= LONGEST_DEFINITION,
        separator=SEPARATOR,
        drafts=drafts,
    )


async def _stored(request: Request) -> content.Definition:
    """The definition that the address names."""
    kind, dot, id = id_of(request).partition(SEPARATOR)
    row = await keep_of(request).reader.get(content.Definition, content.CONTENT_OWNER, kind, id) if dot else None
    if row is None:
        raise HTTPException(404)
    return row


def _text(body: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(body), indent=2).decode()


def _edit(_id: str, _typed: Typed) -> Call[Any]:
    raise HTTPException(404)  # pragma: no cover - the pack is known only when the form is sent


DEFINITION_FORMS: Final[Forms] = {"edit": Form(("body", "version", "number", "reason"), _edit, _in_force)}

ROUTES = [
    Route("/packs", index),
    Route("/packs/{id}", show),
    Route("/packs/{id}/{form}", edit, methods=["POST"]),
    Route("/definitions", definitions),
    Route("/definitions/{id}", definition),
    Route("/definitions/{id}/{form}", change_definition, methods=["POST"]),
]
