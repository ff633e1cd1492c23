"""How forms become commands: each one is done with the operator's name, a reason and an idempotency key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gamekeeper.errors import GameError, InvalidArgument, KeyReused
from gamekeeper.kernel.commands import Call
from gamekeeper.kernel.ids import new_id
from gamekeeper.studio.asking import STATUS, id_of, keep_of
from gamekeeper.studio.guard import session_of, visit
from gamekeeper.studio.rendering import go_to

SHORTEST_REASON: Final = 3
LONGEST_REASON: Final = 1_000
BACK: Final = frozenset({"sessions", "moderation"})
"""Lists from which a link leads to a form, and to which one returns when it is done."""
MEANT: Final = "yes"
"""What the box says by which somebody confirms what cannot be undone."""

Typed = dict[str, str]


class Form(Struct, frozen=True):
    """A form: its fields, the command that it is, and what is said when it is done."""

    fields: tuple[str, ...]
    call: Callable[[str, Typed], Call[Any]]
    done: Callable[[Typed, Any], str]
    tab: str = ""
    """the part of the room where it stands, and to which it returns"""


class Draft(Struct):
    """A form as it stands: what was typed, the key under which it is sent, and why it was refused."""

    key: str
    values: Typed
    error: GameError | None = None
    open: bool = False


Forms = Mapping[str, Form]
Answer = Callable[[Request, dict[str, Draft], int], Awaitable[Response]]


def new_drafts(request: Request, forms: Forms) -> dict[str, Draft]:
    """Empty forms; a link may fill one in beforehand (`?form=remove&item=coins`), but confirm nothing."""
    drafts = {name: Draft(new_id(), dict.fromkeys((*form.fields, "back"), "")) for name, form in forms.items()}
    wanted = request.query_params.get("form", "")
    if wanted in drafts:
        draft = drafts[wanted]
        draft.open = True
        draft.values |= {name: request.query_params[name] for name in draft.values if name in request.query_params and name != "confirm"}
        if draft.values["back"] not in BACK:
            draft.values["back"] = ""
    return drafts


async def change(request: Request, forms: Forms, answer: Answer, room: str) -> Response:
    """Run the command of a form, or show the page again with what was typed and what is wrong."""
    name, typed = request.path_params["form"], visit(request).form
    form = forms.get(name)
    if form is None:
        raise HTTPException(404)
    try:
        call = _checked(form, id_of(request), typed)
        actor = f"operator:{session_of(request).operator}"
        # A reason that the command takes itself may be sealed; said twice it would stand in the journal in clear.
        reason = None if call.command.reason is not None else _reason(typed)
        result = await keep_of(request).do(call, key=typed.get("key") or None, actor=actor, reason=reason)
    except GameError as error:
        drafts = new_drafts(request, forms)
        # The same key again: if the answer was lost and not the change, sending the form once more does nothing twice.
        key = drafts[name].key if isinstance(error, KeyReused) else typed.get("key") or drafts[name].key
        values = {field: typed.get(field, "") for field in (*form.fields, "back")}
        drafts[name] = Draft(key, values | ({"confirm": ""} if "confirm" in values else {}), error, open=True)
        return await answer(request, drafts, STATUS[error.kind])
    back = typed.get("back", "")
    where = (back,) if back in BACK else (room, id_of(request), *filter(None, [form.tab]))
    return go_to(request, *where, notice=form.done(typed, result))


def _checked(form: Form, id: str, typed: Typed) -> Call[Any]:
    if "reason" in form.fields:
        _reason(typed)
    if "confirm" in form.fields and typed.get("confirm") != MEANT:
        raise InvalidArgument(path="/confirm", problem="tick the box that says that it is meant")
    return form.call(id, typed)


def _reason(typed: Typed) -> str:
    reason = typed.get("reason", "").strip()
    if not SHORTEST_REASON <= len(reason) <= LONGEST_REASON:
        raise InvalidArgument(path="/reason", problem=f"say why, in {SHORTEST_REASON} to {LONGEST_REASON:,} characters")
    return reason
