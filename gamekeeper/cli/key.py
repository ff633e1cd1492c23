"""`gamekeeper key`: API keys of game servers and operators, made directly in the database."""

import asyncio
import datetime
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeVar

from cyclopts import Parameter

from gamekeeper.config import Settings

from .failures import warn
from .options import NO_WORDS, World, answer

if TYPE_CHECKING:
    from gamekeeper.keep import Keep
    from gamekeeper.modules.sessions import ApiKeyView, NewApiKey

T = TypeVar("T")
Scope = Literal["server", "operator"]
User = Annotated[str | None, Parameter(help="The name of the user whose key it is; the local operator if not given.")]
ACTOR: Final = "operator:cli"


def create(
    name: Annotated[str, Parameter(help="What the key is for.")],
    /,
    *,
    scope: Annotated[Scope, Parameter(help="A server may do what game servers do; an operator everything.")],
    user: User = None,
    world: World = NO_WORDS,
) -> None:
    """Make an API key and print it. It is told here and never again.

    Raises: USER_NOT_FOUND, TOO_MANY_API_KEYS, STORE_UNAVAILABLE.
    """
    made = _in_keep(world.settings(), lambda keep: _create(keep, name, scope, user))
    if world.json:
        answer("key-create", {"user_id": made.user_id, "key_id": made.key_id, "key": made.key, "name": name, "scope": scope})
    else:
        print(made.key)
        warn(f"Key {made.key_id} is told only now; `gamekeeper key revoke {made.key_id}` ends it.")


def list_keys(*, user: User = None, world: World = NO_WORDS) -> None:
    """List the keys of a user; revoked ones are among them.

    Raises: USER_NOT_FOUND, STORE_UNAVAILABLE.
    """
    keys = _in_keep(world.settings(), lambda keep: _list(keep, user))
    if world.json:
        answer("key-list", keys)
        return
    for key in keys:
        until = f"revoked {_day(key.revoked_at)}" if key.revoked_at is not None else f"last used {_day(key.last_used_at)}"
        print(f"{key.key_id}  {' '.join(key.scopes):<12}  made {_day(key.created_at)}, {until}  {key.name}")


def revoke(key_id: Annotated[str, Parameter(help="The key's id, not the key.")], /, *, user: User = None, world: World = NO_WORDS) -> None:
    """End an API key at once; one that was revoked already stays as it is.

    Raises: API_KEY_NOT_FOUND, USER_NOT_FOUND, STORE_UNAVAILABLE.
    """
    _in_keep(world.settings(), lambda keep: _revoke(keep, key_id, user))
    if world.json:
        answer("key-revoke", {"key_id": key_id})
    else:
        print(f"Key {key_id} is revoked.")


def _in_keep(settings: Settings, what: "Callable[[Keep], Awaitable[T]]") -> T:
    from gamekeeper.keep import open_keep

    async def opened() -> T:
        async with open_keep(settings) as keep:
            return await what(keep)

    return asyncio.run(opened())


async def _create(keep: "Keep", name: str, scope: Scope, user: str | None) -> "NewApiKey":
    from gamekeeper.modules import sessions

    from .founding import OPERATOR_SCOPES, SERVER_SCOPES, make_operator, operator_exists

    if user is None and not await operator_exists(keep):
        await make_operator(keep)
    scopes = SERVER_SCOPES if scope == "server" else OPERATOR_SCOPES
    call = sessions.create_key(user=await _user_id(keep, user), name=name, scopes=list(scopes))
    return await keep.do(call, actor=ACTOR, reason="gamekeeper key create")


async def _list(keep: "Keep", user: str | None) -> "list[ApiKeyView]":
    from gamekeeper.modules import sessions

    return await keep.ask(sessions.list_keys(user=await _user_id(keep, user)))


async def _revoke(keep: "Keep", key_id: str, user: str | None) -> None:
    from gamekeeper.modules import sessions

    await keep.do(sessions.revoke_key(user=await _user_id(keep, user), key_id=key_id), actor=ACTOR, reason="gamekeeper key revoke")


async def _user_id(keep: "Keep", name: str | None) -> str:
    """Give the id of the user of a name, or of the local operator."""
    from gamekeeper.modules import users

    from .founding import OPERATOR

    if name is None:
        return OPERATOR
    found = await keep.ask(users.find(username=name))
    if found is None:
        raise users.UserNotFound(id=name)
    return found.user_id


def _day(at: int | None) -> str:
    if at is None:
        return "never"
    return datetime.datetime.fromtimestamp(at / 1000, datetime.UTC).strftime("%Y-%m-%d %H:%M")
