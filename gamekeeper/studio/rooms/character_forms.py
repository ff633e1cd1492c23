"""The forms of a character's page."""

from __future__ import annotations

from typing import Any, Final

from gamekeeper.errors import InvalidArgument
from gamekeeper.kernel.commands import Call
from gamekeeper.modules import characters, items

from .edits import Form, Forms, Typed

ACCOUNT: Final = "operator"
"""The source of what operators grant, and the sink of what they take: `mint:operator`, `burn:operator`."""


def _quantity(typed: Typed) -> int:
    text = typed.get("quantity", "").strip().replace(",", "")
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise InvalidArgument(path="/quantity", problem="a whole number, at least 1")
    return int(text)


def _rename(character: str, typed: Typed) -> Call[Any]:
    return characters.rename(character=character, name=typed.get("name", ""))


def _renamed(_typed: Typed, result: Any) -> str:
    return f"Renamed from {result.before} to {result.after}."


def _grant(character: str, typed: Typed) -> Call[Any]:
    place: Any = typed.get("container", "inventory")
    return items.grant(holder=character, item=typed.get("item", "").strip(), quantity=_quantity(typed), source=ACCOUNT, container=place)


def _granted(typed: Typed, _result: Any) -> str:
    return f"Granted {_quantity(typed):,} \u00d7 {typed['item'].strip()}."


def _remove(character: str, typed: Typed) -> Call[Any]:
    place: Any = typed.get("container", "inventory")
    return items.use_up(holder=character, item=typed.get("item", "").strip(), quantity=_quantity(typed), sink=ACCOUNT, container=place)


def _removed(typed: Typed, _result: Any) -> str:
    return f"Removed {_quantity(typed):,} \u00d7 {typed['item'].strip()}."


WHAT: Final = ("item", "quantity", "container", "reason")
FORMS: Final[Forms] = {
    "rename": Form(("name", "reason"), _rename, _renamed),
    "grant": Form(WHAT, _grant, _granted),
    "remove": Form(WHAT, _remove, _removed),
}
