"""The forms of a character's page. Each one is a command, done with the operator's name, a reason and an idempotency key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gamekeeper.errors import GameError, InvalidArgument, KeyReused
from gamekeeper.kernel.commands import Call
from gamekeeper.kernel.ids import new_id
from gamekeeper.modules import characters, items
from gamekeeper.studio.asking import STATUS, id_of, keep_of
from gamekeeper.studio.guard import session_of, visit
from gamekeeper.studio.rendering import go_to

SHORTEST_REASON: Final = 3
LONGEST_REASON: Final = 1_000
ACCOUNT: Final = "operator"
"""The source of what operators grant, and the sink of what they take: `mint:operator`, `burn:operator`."""

FIELDS: Final = {
    "rename": ("name", "reason"),
    "grant": ("item", "quantity", "container", "reason"),
    "remove": ("item", "quantity", "container", "reason"),
}


class Draft(Struct):
    """A form: what was typed, the key under which it is sent, and why it was refused."""

    key: str
    values: dict[str, str]
    error: GameError | None = None
    open: bool = False


Answer = Callable[[Request, dict[str, Draft], int], Awaitable[Response]]


def new_drafts(request: Request) -> dict[str, Draft]:
    """Empty forms; a link may fill one in beforehand (`?form=remove&item=coins`)."""
    drafts = {form: Draft(new_id(), dict.fromkeys(fields, "")) for form, fields in FIELDS.items()}
    wanted = request.query_params.get("form", "")
    if wanted in drafts:
        draft = drafts[wanted]
        draft.open = True
        draft.values |= {name: request.query_params[name] for name in draft.values if name in request.query_params}
    return drafts


async def change(request: Request, answer: Answer) -> Response:
    """Run the command of a form, or show the page again with what was typed and what is wrong."""
    form, typed = request.path_params["form"], visit(request).form
    if form not in FIELDS:
        raise HTTPException(404)
    try:
        reason = _reason(typed)
        call = CALLS[form](id_of(request), typed)
        actor = f"operator:{session_of(request).operator}"
        result = await keep_of(request).do(call, key=typed.get("key") or None, actor=actor, reason=reason)
    except GameError as error:
        drafts = new_drafts(request)
        # The same key again: if the answer was lost and not the change, sending the form once more does nothing twice.
        key = drafts[form].key if isinstance(error, KeyReused) else typed.get("key") or drafts[form].key
        drafts[form] = Draft(key, {name: typed.get(name, "") for name in FIELDS[form]}, error, open=True)
        return await answer(request, drafts, STATUS[error.kind])
    return go_to(request, "characters", id_of(request), notice=_done(form, typed, result))


def _reason(typed: dict[str, str]) -> str:
    reason = typed.get("reason", "").strip()
    if not SHORTEST_REASON <= len(reason) <= LONGEST_REASON:
        raise InvalidArgument(path="/reason", problem=f"say why, in {SHORTEST_REASON} to {LONGEST_REASON:,} characters")
    return reason


def _quantity(typed: dict[str, str]) -> int:
    text = typed.get("quantity", "").strip().replace(",", "")
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise InvalidArgument(path="/quantity", problem="a whole number, at least 1")
    return int(text)


def _rename(character: str, typed: dict[str, str]) -> Call[Any]:
    return characters.rename(character=character, name=typed.get("name", ""))


def _grant(character: str, typed: dict[str, str]) -> Call[Any]:
    place: Any = typed.get("container", "inventory")
    return items.grant(holder=character, item=typed.get("item", "").strip(), quantity=_quantity(typed), source=ACCOUNT, container=place)


def _remove(character: str, typed: dict[str, str]) -> Call[Any]:
    place: Any = typed.get("container", "inventory")
    return items.use_up(holder=character, item=typed.get("item", "").strip(), quantity=_quantity(typed), sink=ACCOUNT, container=place)


CALLS: Final[dict[str, Callable[[str, dict[str, str]], Call[Any]]]] = {"rename": _rename, "grant": _grant, "remove": _remove}


def _done(form: str, typed: dict[str, str], result: Any) -> str:
    if form == "rename":
        return f"Renamed from {result.before} to {result.after}."
    verb = "Granted" if form == "grant" else "Removed"
    return f"{verb} {_quantity(typed):,} \u00d7 {typed['item'].strip()}."
