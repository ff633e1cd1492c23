"""What can go wrong, as one family.

GameError
├── InvalidArgument        INVALID_ARGUMENT        an argument breaks its type or bounds; carries the path
├── InvalidJson            INVALID_JSON            a JSON value breaks the gate's rules (kernel/gate.py)
├── OwnerNotFound          OWNER_NOT_FOUND         (modules say CHARACTER_NOT_FOUND and so on)
├── AlreadyExists          ALREADY_EXISTS
├── NameTaken              NAME_TAKEN
├── VersionConflict        VERSION_CONFLICT
├── StaleLease             STALE_LEASE             this process no longer holds the lease
├── OwnerLeased            OWNER_LEASED            another process holds the lease
├── SaveFailing            SAVE_FAILING            the owner's checkpoint could not be saved; value is frozen
├── KeyReused              IDEMPOTENCY_KEY_REUSED
├── NotAllowed             NOT_ALLOWED
├── NotAuthenticated       NOT_AUTHENTICATED
├── ConstraintViolated     CONSTRAINT_VIOLATED     the database refused the row
├── Busy                   BUSY                    the queue is full; carries the seconds to wait
├── StoreUnavailable       STORE_UNAVAILABLE
└── each module's own      modules/*/errors.py
"""

from __future__ import annotations

import enum
import re
from typing import Any, ClassVar


class Kind(enum.Enum):
    """What an error asks of the caller; a surface maps it to an HTTP status and an exit code."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    REFUSED = "refused"
    STALE = "stale"
    MISMATCH = "mismatch"
    BUSY = "busy"
    TOO_OFTEN = "too_often"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class GameError(Exception):
    """A refusal with a stable code; nothing has changed.

    The class docstring's first line is the message; keyword arguments become attributes and stand behind it.
    """

    code: ClassVar[str] = "GAME_ERROR"
    kind: ClassVar[Kind] = Kind.REFUSED

    def __init__(self, **facts: Any) -> None:
        self.facts = facts
        for name, value in facts.items():
            setattr(self, name, value)
        super().__init__(facts)

    @property
    def message(self) -> str:
        """The sentence for people."""
        return (type(self).__doc__ or self.code).strip().split("\n")[0]

    def __str__(self) -> str:
        facts = ", ".join(f"{name}={value!r}" for name, value in self.facts.items())
        return f"{self.code}: {self.message}" + (f" ({facts})" if facts else "")


class InvalidArgument(GameError):
    """An argument is missing, unknown, or breaks its type or bounds."""

    code = "INVALID_ARGUMENT"
    kind = Kind.INVALID
    path: str
    problem: str


def invalid_argument(text: str) -> InvalidArgument:
    """msgspec's sentence as an error with a JSON pointer."""
    problem, _, where = text.partition(" - at `$")
    path = "".join("/" + part for part in re.findall(r"[^.\[\]`]+", where))
    missing = re.match(r"Object (?:missing required|contains unknown) field `(.+?)`", problem)
    if missing:
        path += "/" + missing[1]
    return InvalidArgument(path=path, problem=problem)


class OwnerNotFound(GameError):
    """No such owner."""

    code = "OWNER_NOT_FOUND"
    kind = Kind.NOT_FOUND
    id: str


class AlreadyExists(GameError):
    """Something with this id is there already."""

    code = "ALREADY_EXISTS"
    id: str


class NameTaken(GameError):
    """The name belongs to someone else."""

    code = "NAME_TAKEN"
    name: str


class RateLimited(GameError):
    """The same was done too short a while ago, or too often."""

    code = "RATE_LIMITED"
    kind = Kind.TOO_OFTEN
    retry_after_seconds: float


class VersionConflict(GameError):
    """The owner has changed since the version that the caller expected."""

    code = "VERSION_CONFLICT"
    kind = Kind.STALE
    expected: int
    current: int


class StaleLease(GameError):
    """This process no longer holds the owner's lease; its unsaved state must not be used."""

    code = "STALE_LEASE"
    kind = Kind.STALE
    owner: str


class OwnerLeased(GameError):
    """Another game server holds the owner's lease and acts for it."""

    code = "OWNER_LEASED"
    owner: str
    holder: str


class SaveFailing(GameError):
    """The owner's checkpoint could not be saved; commands of value wait until one succeeds."""

    code = "SAVE_FAILING"
    kind = Kind.UNAVAILABLE
    owner: str


class KeyReused(GameError):
    """The idempotency key was used before with other arguments."""

    code = "IDEMPOTENCY_KEY_REUSED"
    kind = Kind.MISMATCH
    key: str


class NotAllowed(GameError):
    """The caller may not do this."""

    code = "NOT_ALLOWED"
    kind = Kind.FORBIDDEN


class SecretKeyNeeded(GameError):
    """This needs the setting `secret_key` or `person_keys`, and the keep has neither."""

    code = "SECRET_KEY_NEEDED"
    kind = Kind.REFUSED


class NotAuthenticated(GameError):
    """The caller has not shown a valid token or key."""

    code = "NOT_AUTHENTICATED"
    kind = Kind.UNAUTHENTICATED


class ConstraintViolated(GameError):
    """The database refused a row that the command wanted to write."""

    code = "CONSTRAINT_VIOLATED"
    constraint: str


class Busy(GameError):
    """The queue is full; try again after the given time."""

    code = "BUSY"
    kind = Kind.BUSY
    retry_after_seconds: float


class StoreUnavailable(GameError):
    """The database cannot be reached, or did not answer in time.

    With the fact `outcome="unknown"` the command may have been done all the same: send it again with the same key.
    """

    code = "STORE_UNAVAILABLE"
    kind = Kind.UNAVAILABLE
