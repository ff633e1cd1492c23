"""Configuration: what the game reads while it runs, what packs say of it, and the forms that set something else."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gamekeeper.errors import InvalidArgument
from gamekeeper.kernel.commands import Call
from gamekeeper.modules import content
from gamekeeper.studio.asking import PAGE, id_of, keep_of, word
from gamekeeper.studio.rendering import page
from gamekeeper.studio.shown import pretty

from .edits import Draft, Form, Forms, Typed, change, new_drafts

ROOM: Final = "items"


async def index(request: Request) -> Response:
    """The list of keys and what holds for each."""
    keep, cursor = keep_of(request), word(request, "cursor") or None
    found = await keep.ask(content.configs(limit=PAGE, cursor=cursor))
    return page(request, "configs.html", room=ROOM, found=found, cursor=cursor)


async def show(request: Request) -> Response:
    """One key, with what holds for it in the form that changes it."""
    drafts = new_drafts(request, FORMS)
    value = await keep_of(request).ask(content.config(key=id_of(request)))
    drafts["set"].values |= {"value": drafts["set"].values["value"] or pretty(value.value), "version": str(value.version)}
    return await answer(request, drafts)


async def edit(request: Request) -> Response:
    """Run the command of a form; a refusal is shown beside what was typed."""
    return await change(request, FORMS, answer, "configs")


async def answer(request: Request, drafts: dict[str, Draft], status: int = 200) -> Response:
    """The page of a key, with the forms as they stand."""
    keep, id = keep_of(request), id_of(request)
    value = await keep.ask(content.config(key=id))
    of_pack = await keep.reader.get(content.Definition, content.CONTENT_OWNER, "config", id)
    said = keep.reader.definitions(content.ConfigDefinition).get(id)
    return page(request, "config.html", status, room=ROOM, config=value, said=said, of_pack=of_pack, drafts=drafts)


def _set(key: str, typed: Typed) -> Call[Any]:
    try:
        value = msgspec.json.decode(typed.get("value", "").encode())
    except msgspec.DecodeError as error:
        raise InvalidArgument(path="/value", problem=f"no JSON: {error}") from None
    version = typed.get("version", "")
    expect = int(version) if version.isascii() and version.isdigit() and len(version) <= 12 else 0
    return content.set_config(key=key, value=value, expect=expect or None)


def _was_set(_typed: Typed, row: content.GameConfig) -> str:
    return f"{row.key} is set; it is version {row.version}."


def _reset(key: str, _typed: Typed) -> Call[Any]:
    return content.reset_config(key=key)


def _was_reset(_typed: Typed, _result: None) -> str:
    return "What the packs say counts again."


FORMS: Final[Forms] = {
    "set": Form(("value", "version", "reason"), _set, _was_set),
    "reset": Form(("reason", "confirm"), _reset, _was_reset),
}

ROUTES = [
    Route("/configs", index),
    Route("/configs/{id}", show),
    Route("/configs/{id}/{form}", edit, methods=["POST"]),
]
