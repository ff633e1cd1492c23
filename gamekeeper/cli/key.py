"""`gamekeeper key`: API keys of game servers and operators, made directly in the database."""

from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from .failures import warn
from .inside import ACTOR, in_keep, moment, user_id
from .options import NO_WORDS, World, answer

if TYPE_CHECKING:
    from gamekeeper.keep import Keep
    from gamekeeper.modules.sessions import ApiKeyView, NewApiKey

Scope = Literal["server", "operator"]
User = Annotated[str | None, Parameter(help="The name of the user whose key it is; the local operator if not given.")]


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
    made = in_keep(world.settings(), lambda keep: _create(keep, name, scope, user))
    if world.json:
        answer("key-create", {"user_id": made.user_id, "key_id": made.key_id, "key": made.key, "name": name, "scope": scope})
    else:
        print(made.key)
        warn(f"Key {made.key_id} is told only now; `gamekeeper key revoke {made.key_id}` ends it.")


def list_keys(*, user: User = None, world: World = NO_WORDS) -> None:
    """List the keys of a user; revoked ones are among them.

    Raises: USER_NOT_FOUND, STORE_UNAVAILABLE.
    """
    keys = in_keep(world.settings(), lambda keep: _list(keep, user))
    if world.json:
        answer("key-list", keys)
        return
    for key in keys:
        until = f"revoked {moment(key.revoked_at)}" if key.revoked_at is not None else f"last used {moment(key.last_used_at)}"
        print(f"{key.key_id}  {' '.join(key.scopes):<12}  made {moment(key.created_at)}, {until}  {key.name}")


def revoke(key_id: Annotated[str, Parameter(help="The key's id, not the key.")], /, *, user: User = None, world: World = NO_WORDS) -> None:
    """End an API key at once; one that was revoked already stays as it is.

    Raises: API_KEY_NOT_FOUND, USER_NOT_FOUND, STORE_UNAVAILABLE.
    """
    in_keep(world.settings(), lambda keep: _revoke(keep, key_id, user))
    if world.json:
        answer("key-revoke", {"key_id": key_id})
    else:
        print(f"Key {key_id} is revoked.")


async def _create(keep: "Keep", name: str, scope: Scope, user: str | None) -> "NewApiKey":
    from gamekeeper.modules import sessions

    from .founding import OPERATOR_SCOPES, SERVER_SCOPES, make_operator, operator_exists

    if user is None and not await operator_exists(keep):
        await make_operator(keep)
    scopes = SERVER_SCOPES if scope == "server" else OPERATOR_SCOPES
    call = sessions.create_key(user=await user_id(keep, user), name=name, scopes=list(scopes))
    return await keep.do(call, actor=ACTOR, reason="gamekeeper key create")


async def _list(keep: "Keep", user: str | None) -> "list[ApiKeyView]":
    from gamekeeper.modules import sessions

    return await keep.ask(sessions.list_keys(user=await user_id(keep, user)))


async def _revoke(keep: "Keep", key_id: str, user: str | None) -> None:
    from gamekeeper.modules import sessions

    await keep.do(sessions.revoke_key(user=await user_id(keep, user), key_id=key_id), actor=ACTOR, reason="gamekeeper key revoke")
