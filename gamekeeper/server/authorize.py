"""Who calls, and what they may do: deny by default."""

import logging
from collections.abc import Sequence
from functools import cache
from typing import Any, Final, Literal

from msgspec import Struct

from gamekeeper.errors import GameError, InvalidArgument, NotAllowed, NotAuthenticated
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import BELONGS_TO, Call, Command, Operation, Parameter
from gamekeeper.kernel.queries import Reader
from gamekeeper.modules import sessions, users

LOG = logging.getLogger("gamekeeper.server")

OPERATOR_SCOPE: Final = "operator.*"
"""The scope of an API key that may do everything. Other scopes end at what game servers may do."""
EVERYTHING: Final = "*"
MAX_TOKEN: Final = 128
STAFF: Final[dict[str, users.Role]] = {"moderator": "moderator", "admin": "admin"}
"""The least role that a kind of access for staff wants."""
USER: Final = "user"
"""The kind of owner that players are themselves."""


class Caller(Struct, frozen=True):
    """Whoever sent a request, and the name that stands for them in the journal."""

    kind: Literal["anonymous", "player", "server", "operator"]
    actor: str
    user: str | None = None
    scopes: frozenset[str] = frozenset()
    credential: str | None = None
    """the session's or key's id"""
    role: users.Role = "player"
    """of a player"""
    used_at: int | None = None
    """when the session or key was last noted as used"""


async def identify(keep: Keep, authorization: bytes | None, address: str) -> Caller:
    """Tell who calls from the Authorization header; a bad one is an error, never anonymity.

    Raises: NOT_AUTHENTICATED, STORE_UNAVAILABLE.
    """
    if authorization is None:
        # The address is a person's, and the journal forgets nothing: only a digest of it stands there.
        return Caller("anonymous", f"anonymous:{keep.runner.sealer.digest(address.encode()).hex()[:24]}")
    token = _token(authorization)
    if token.startswith(sessions.SESSION_PREFIX):
        session = await keep.ask(sessions.by_token(token=token))
        if session is None:
            raise NotAuthenticated
        user = session.user_id
        return Caller("player", f"player:{user}", user, credential=session.session_id, role=session.role, used_at=session.last_activity_at)
    if token.startswith(sessions.API_KEY_PREFIX):
        key = await keep.ask(sessions.by_key(key=token))
        if key is None:
            raise NotAuthenticated
        scopes = frozenset(key.scopes)
        if OPERATOR_SCOPE in scopes:
            return Caller("operator", f"operator:{key.user_id}", key.user_id, scopes, key.key_id, used_at=key.last_used_at)
        return Caller("server", f"server:{key.key_id}", key.user_id, scopes, key.key_id, used_at=key.last_used_at)
    raise NotAuthenticated


def _token(authorization: bytes) -> str:
    scheme, _, token = authorization.partition(b" ")
    token = token.strip()
    if scheme.lower() != b"bearer" or not 0 < len(token) <= MAX_TOKEN or not token.isascii():
        raise NotAuthenticated
    return token.decode()


def admit(caller: Caller, operation: Operation[Any, Any]) -> None:
    """Refuse a caller to whom an operation is closed whatever its arguments; needs no database.

    Raises: NOT_AUTHENTICATED, NOT_ALLOWED.
    """
    access = operation.access
    if access == "public" and caller.kind in ("anonymous", "player"):
        return
    if caller.kind == "anonymous":
        raise NotAuthenticated
    if caller.kind == "operator":
        return
    if caller.kind == "player" and (access == "player" or (access in STAFF and users.rank(caller.role) >= users.rank(STAFF[access]))):
        return
    if caller.kind == "server" and access in ("public", "player", "server") and _in_scope(caller.scopes, operation):
        return
    raise NotAllowed


def _in_scope(scopes: frozenset[str], operation: Operation[Any, Any]) -> bool:
    return EVERYTHING in scopes or operation.name in scopes or f"{operation.module}.*" in scopes


async def authorize(read: Reader, caller: Caller, operation: Operation[Any, Any], arguments: Struct) -> None:
    """Refuse what the caller may not do with these arguments: a player acts only for what is theirs.

    Raises: NOT_AUTHENTICATED, NOT_ALLOWED, INVALID_ARGUMENT, STORE_UNAVAILABLE.
    """
    admit(caller, operation)
    if caller.kind in ("server", "operator"):
        return
    _check_new_ids(operation, arguments)
    if operation.access == "public" or operation.access in STAFF:
        # Whom staff may act on depends on both roles as they are at that moment: the command itself looks.
        return
    acting = acting_parameter(operation)
    if acting is None or acting.owner is None:
        return
    owners = _ids(getattr(arguments, acting.name))
    if caller.user is None or not owners:
        raise NotAllowed
    for owner in owners:
        if not await _theirs(read, caller.user, owner, acting.owner.kind):
            raise NotAllowed


def standing_of(caller: Caller, calls: Sequence[Call[Any]]) -> Call[None] | None:
    """Give the check of a player that is made once more in the commands' own transaction, for `keep.tell(standing=...)`.

    Between the look at a token and the commit, a ban may be committed; without this one request would still get through. Game
    servers and operators are not checked again: each of their keys has one owner, at whom all that they do would queue. Nor is
    checkpoint state, which is nothing of value and is answered from memory.
    """
    if caller.kind != "player" or caller.user is None or all(call.command.durability == "checkpoint" for call in calls):
        return None
    return sessions.require_standing(user=caller.user, session_id=caller.credential)


@cache
def acting_parameter(operation: Operation[Any, Any]) -> Parameter | None:
    """Give the argument that says who acts: the first owner, or the user for whom something is made."""
    named = [one for one in operation.parameters if one.owner is not None and not one.owner.creates]
    if isinstance(operation, Command) and operation.new_owner_names:
        people = [one for one in named if one.owner is not None and one.owner.kind == USER]
        named = people or named
    return named[0] if named else None


def _ids(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


async def _theirs(read: Reader, user: str, owner: str, kind: str) -> bool:
    try:
        return await _belongs(read, user, owner, kind)
    except GameError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever went wrong, the answer is no
        LOG.error("authorization failed and denies: %s", type(error).__name__)
        return False


async def _belongs(read: Reader, user: str, owner: str, kind: str) -> bool:
    declared = kind
    if not declared:
        root = await read.root(owner)
        kind = "" if root is None else root.kind
    if kind == USER:
        return owner == user
    users_of = BELONGS_TO.get(kind)
    if users_of is None:
        return False
    people = await users_of(read, owner)
    # What several people share is acted for only by operations made for its kind, which know its rules.
    return user in people and (bool(declared) or len(people) == 1)


def _check_new_ids(operation: Operation[Any, Any], arguments: Struct) -> None:
    """Let players choose only such ids as nobody else would: the others are for imports, and could be taken in advance."""
    if not isinstance(operation, Command):
        return
    for name in operation.new_owner_names:
        for id in _ids(getattr(arguments, name)):
            if not _random_looking(id):
                raise InvalidArgument(path=f"/{name}", problem="a new id that a player chooses must be a UUID in lower case")


def _random_looking(id: str) -> bool:
    groups = id.split("-")
    return [len(one) for one in groups] == [8, 4, 4, 4, 12] and all(letter in "0123456789abcdef-" for letter in id)
