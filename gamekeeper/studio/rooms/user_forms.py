"""The forms of a user's page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, get_args

from gamekeeper.errors import InvalidArgument
from gamekeeper.kernel.commands import Call
from gamekeeper.modules import moderation, people, users

from .edits import Form, Forms, Typed

ROLES: Final[tuple[str, ...]] = get_args(users.Role)
LENGTHS: Final = {
    "hour": "an hour",
    "day": "a day",
    "week": "a week",
    "month": "a month",
    "permanent": "for ever",
    "until": "until a time",
}
"""How long a ban may last: the names of the module, and a time that is typed."""
EVERY: Final = "all"


def _role(user: str, typed: Typed) -> Call[Any]:
    role: Any = typed.get("role", "")
    return users.set_role(user=user, role=role)


def _role_set(typed: Typed, _result: Any) -> str:
    return f"The role is now {typed['role']}."


def _ban(user: str, typed: Typed) -> Call[Any]:
    length: Any = typed.get("length", "")
    until, why = typed.get("until", "").strip(), typed.get("reason", "").strip()
    if length == "until":
        return moderation.ban(user=user, reason=why, until=_moment(until))
    if until:
        raise InvalidArgument(path="/until", problem="either a length or a time, not both")
    return moderation.ban(user=user, reason=why, preset=length)


def _moment(text: str) -> int:
    """Read what a browser's field for a time sends, as UTC.

    >>> _moment("2026-01-02T03:04")
    1767323040000
    """
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise InvalidArgument(path="/until", problem="a day and a time (UTC)") from None


def _banned(_typed: Typed, result: moderation.BanGiven) -> str:
    end = result.banned_until
    until = "for ever" if end is None else f"until {datetime.fromtimestamp(end / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    return f"Banned {until}. {_ended(result.sessions_ended)}"


def _ended(count: int) -> str:
    return "1 session ended." if count == 1 else f"{count:,} sessions ended."


def _unban(user: str, typed: Typed) -> Call[Any]:
    return moderation.unban(user=user, reason=typed.get("reason", "").strip())


def _unbanned(_typed: Typed, result: moderation.Lifted) -> str:
    return "1 ban was lifted." if result.bans == 1 else f"{result.bans:,} bans were lifted."


def _kick(user: str, typed: Typed) -> Call[Any]:
    which = typed.get("session_id", "")
    if not which:
        raise InvalidArgument(path="/session_id", problem="choose a session, or all of them")
    return moderation.kick(user=user, session_id=None if which == EVERY else which)


def _kicked(_typed: Typed, result: moderation.Kicked) -> str:
    return _ended(result.sessions) if result.sessions else "That had ended before; nothing was changed."


def _note(user: str, typed: Typed) -> Call[Any]:
    return moderation.add_note(user=user, text=typed.get("text", ""))


def _noted(_typed: Typed, _result: Any) -> str:
    return "The note was added."


def _leave(user: str, _typed: Typed) -> Call[Any]:
    return users.request_deletion_for(user=user)


def _leaving(_typed: Typed, result: users.DeletionRequested) -> str:
    return f"May be erased from {datetime.fromtimestamp(result.due_at / 1000, UTC):%Y-%m-%d %H:%M} UTC on."


def _stay(user: str, _typed: Typed) -> Call[Any]:
    return users.cancel_deletion(user=user)


def _staying(_typed: Typed, _result: Any) -> str:
    return "The wish to be forgotten was taken back."


def _erase(user: str, typed: Typed) -> Call[Any]:
    return people.erase(user=user, early=typed.get("early") == "yes")


def _erased(_typed: Typed, result: people.Erased) -> str:
    return "Erased in part: there was too much for one time. Erase again." if result.more else "Erased. What is left names nobody."


FORMS: Final[Forms] = {
    "role": Form(("role", "reason"), _role, _role_set),
    "ban": Form(("length", "until", "reason", "confirm"), _ban, _banned),
    "unban": Form(("reason",), _unban, _unbanned),
    "kick": Form(("session_id", "reason"), _kick, _kicked),
    "note": Form(("text",), _note, _noted),
    "request-deletion": Form(("reason", "confirm"), _leave, _leaving),
    "cancel-deletion": Form(("reason",), _stay, _staying),
    "erase": Form(("early", "reason", "confirm"), _erase, _erased),
}
