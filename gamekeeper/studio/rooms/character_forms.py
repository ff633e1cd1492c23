"""The forms of a character's page."""

from __future__ import annotations

from typing import Any, Final

from gamekeeper.errors import InvalidArgument
from gamekeeper.kernel.commands import Call
from gamekeeper.modules import characters, items, quests, skills, titles, xp

from .edits import MEANT, Form, Forms, Typed

ACCOUNT: Final = "operator"
"""The source of what operators grant, and the sink of what they take: `mint:operator`, `burn:operator`."""


def _whole(typed: Typed, name: str, least: int) -> int:
    text = typed.get(name, "").strip().replace(",", "")
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise InvalidArgument(path=f"/{name}", problem=f"a whole number, at least {least}")
    return int(text)


def _signed(typed: Typed, name: str) -> int:
    text = typed.get(name, "").strip().replace(",", "").replace("\u2212", "-")
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 16):
        raise InvalidArgument(path=f"/{name}", problem="a whole number, with a minus where it is taken away")
    return int(text)


def _quantity(typed: Typed) -> int:
    return _whole(typed, "quantity", 1)


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


def _set_xp(character: str, typed: Typed) -> Call[Any]:
    return skills.set_xp(character=character, skill=typed.get("skill", ""), xp=_whole(typed, "xp", 0))


def _xp_set(_typed: Typed, result: skills.Gained) -> str:
    return f"{result.skill} is level {result.level} with {result.xp:,} XP now."


def _set_stage(character: str, typed: Typed) -> Call[Any]:
    quest, _, stage = typed.get("stage", "").partition("/")
    return quests.set_stage(character=character, quest=quest, stage=stage, reason=typed.get("reason", "").strip())


def _stage_set(typed: Typed, _result: Any) -> str:
    return "{0} is at the beginning of {2} now.".format(*typed["stage"].partition("/"))


def _reset(character: str, typed: Typed) -> Call[Any]:
    again = typed.get("pays_again") == MEANT
    return quests.reset(character=character, quest=typed.get("quest", ""), reason=typed.get("reason", "").strip(), pays_again=again)


def _was_reset(typed: Typed, _result: Any) -> str:
    return f"{typed['quest']} can be begun anew."


def _correct(character: str, typed: Typed) -> Call[Any]:
    amount = _signed(typed, "amount")
    if amount == 0:
        raise InvalidArgument(path="/amount", problem="more or less than 0")
    return xp.correct(character=character, amount=amount, reason=typed.get("reason", "").strip())


def _corrected(typed: Typed, result: xp.Awarded) -> str:
    less = "" if result.final_xp == _signed(typed, "amount") else " There was no more to be taken."
    return f"{result.final_xp:+,} XP: level {result.level} with {result.total_xp:,} now.{less}"


def _award_title(character: str, typed: Typed) -> Call[Any]:
    return titles.award(character=character, title=typed.get("title", ""), reason=typed.get("reason", "").strip())


def _revoke_title(character: str, typed: Typed) -> Call[Any]:
    return titles.revoke(character=character, title=typed.get("title", ""), reason=typed.get("reason", "").strip())


def _title_awarded(typed: Typed, _result: Any) -> str:
    return f"{typed['title']} is awarded; only by hand it is taken again."


def _title_revoked(typed: Typed, _result: Any) -> str:
    return f"{typed['title']} is revoked; no condition gives it back."


WHAT: Final = ("item", "quantity", "container", "reason")
FORMS: Final[Forms] = {
    "rename": Form(("name", "reason"), _rename, _renamed),
    "grant": Form(WHAT, _grant, _granted),
    "remove": Form(WHAT, _remove, _removed),
    "set-xp": Form(("skill", "xp", "reason"), _set_xp, _xp_set, "skills"),
    "set-stage": Form(("stage", "reason"), _set_stage, _stage_set, "quests"),
    "reset-quest": Form(("quest", "pays_again", "reason", "confirm"), _reset, _was_reset, "quests"),
    "correct-xp": Form(("amount", "reason"), _correct, _corrected, "progress"),
    "award-title": Form(("title", "reason"), _award_title, _title_awarded, "progress"),
    "revoke-title": Form(("title", "reason"), _revoke_title, _title_revoked, "progress"),
}
