"""The rules of documents: patches, forms and how old ones become new, and how large one may be."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Final, Literal, TypeVar

from gamekeeper.kernel import gate

from .errors import StateNotUpgraded, StateTooNew

Kind = Literal["player_state", "entity_state", "world_state", "app_document"]
Body = dict[str, Any]
Upgrade = Callable[[Body], Body]
U = TypeVar("U", bound=Upgrade)

FIRST: Final = 1
"""The form of documents for which nobody has declared an upgrade."""
UPGRADES: dict[str, dict[int, Upgrade]] = {}
"""What makes a form out of the one before, by kind and version."""


def upgrades(kind: Kind, version: int) -> Callable[[U], U]:
    """Declare the function that brings documents of a kind into the form of a version, from the one before.

    It is given all fields of a document that are JSON, as one object, and gives the same in the new form; what it is given is its own.

    Raises: TypeError for a version that does not follow the last one.
    """

    def declare(function: U) -> U:
        known = UPGRADES.setdefault(kind, {})
        if version in known and _place(known[version]) != _place(function):
            raise TypeError(f"{kind} has an upgrade to {version} already")
        if version not in known and version != latest(kind) + 1:
            raise TypeError(f"the next upgrade of {kind} is to {latest(kind) + 1}, not to {version}")
        known[version] = function
        return function

    return declare


def _place(function: Upgrade) -> tuple[str, str]:
    return function.__module__, getattr(function, "__qualname__", "")


def latest(kind: str) -> int:
    """Give the form in which documents of a kind are written."""
    return max(UPGRADES.get(kind, {}), default=FIRST)


def upgraded(kind: str, id: str, body: Mapping[str, Any], version: int) -> Body:
    """Give the JSON of a document in the latest form; that of a newer one as it stands.

    Raises: STATE_NOT_UPGRADED.
    """
    made = deepcopy(dict(body))
    for step in range(version + 1, latest(kind) + 1):
        try:
            made = UPGRADES[kind][step](made)
            if made.keys() != body.keys():
                raise TypeError("it must give the fields that it was given")
            gate.check(made)
        except Exception as error:
            raise StateNotUpgraded(id=id, schema_version=version, problem=f"to {step}: {error!r}"[:300]) from error
    return made


def require_known(kind: str, id: str, version: int) -> None:
    """Refuse a document that is newer than this program knows.

    Raises: STATE_TOO_NEW.
    """
    if version > latest(kind):
        raise StateTooNew(id=id, schema_version=version, known=latest(kind))


def merged(target: Any, patch: Any) -> Any:
    """Give a value with a merge patch applied (RFC 7396): objects are merged, null removes, anything else replaces.

    >>> merged({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": None, "e": [4]}, "f": 5})
    {'a': 1, 'b': {'d': 3, 'e': [4]}, 'f': 5}
    >>> merged([1, 2], {"a": None}), merged({"a": 1}, "text")
    ({}, 'text')
    """
    if not isinstance(patch, Mapping):
        return patch
    made = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = merged(made.get(name), value)
    return made


def patched(target: Any, patch: Any) -> Any:
    """Give a value with a merge patch applied, if it is no larger than one that comes from outside may be.

    Raises: INVALID_JSON.
    """
    return gate.check(merged(target, patch))
