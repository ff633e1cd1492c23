"""`gamekeeper token`: sessions of users, and the tokens that open them, directly in the database."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gamekeeper.errors import InvalidArgument

from .failures import warn
from .inside import ACTOR, in_keep, moment, user_id
from .options import NO_WORDS, Flag, World, answer

if TYPE_CHECKING:
    from gamekeeper.keep import Keep
    from gamekeeper.modules.sessions import Opened, OwnSession

User = Annotated[str, Parameter(help="The name of the user.")]


def create(
    user: User,
    /,
    *,
    client: Annotated[str, Parameter(help="What the session is shown as to its user.")] = "console",
    world: World = NO_WORDS,
) -> None:
    """Log a user in and print the token of the session. It is told here and never again.

    Raises: USER_NOT_FOUND, BANNED, ACCOUNT_INACTIVE, INVALID_ARGUMENT, STORE_UNAVAILABLE.
    """
    opened = in_keep(world.settings(), lambda keep: _create(keep, user, client))
    if world.json:
        told = ("user_id", "session_id", "token", "expires_at", "absolute_expires_at")
        answer("token-create", {name: getattr(opened, name) for name in told})
    else:
        print(opened.token)
        warn(f"Session {opened.session_id} is good until {moment(opened.expires_at)} if nobody uses it; the token is told only now.")


def list_tokens(user: User, /, *, world: World = NO_WORDS) -> None:
    """List the sessions of a user whose tokens are good, the last used one first. The tokens themselves are stored nowhere.

    Raises: USER_NOT_FOUND, STORE_UNAVAILABLE.
    """
    sessions = in_keep(world.settings(), lambda keep: _list(keep, user))
    if world.json:
        answer("token-list", sessions)
        return
    for one in sessions:
        until = one.expires_at if one.refreshable_until is None else one.refreshable_until
        print(f"{one.session_id}  {one.client_type:<12}  last used {moment(one.last_activity_at)}, good until {moment(until)}")


def revoke(
    session: Annotated[str, Parameter(help="The session's id, not the token; with --all the name of the user.")],
    user: Annotated[str | None, Parameter(help="The name of the user whose session it is; looked up if not given.")] = None,
    /,
    *,
    all_: Annotated[bool, Flag, Parameter(name="--all", help="End all sessions of the user.")] = False,
    world: World = NO_WORDS,
) -> None:
    """End a session at once, or with --all every session of a user; one that has ended already stays as it is.

    Raises: USER_NOT_FOUND, SESSION_NOT_FOUND, INVALID_ARGUMENT, STORE_UNAVAILABLE.
    """
    if all_ and user is not None:
        raise InvalidArgument(path="/--all", problem="either a session or --all of a user")
    settings = world.settings()
    if all_:
        ended = in_keep(settings, lambda keep: _revoke_all(keep, session))
    else:
        ended = in_keep(settings, lambda keep: _revoke(keep, session, user))
    if world.json:
        answer("token-revoke", {"sessions": ended})
    else:
        print(f"{ended} {'session' if ended == 1 else 'sessions'} ended.")


async def _create(keep: "Keep", user: str, client: str) -> "Opened":
    from gamekeeper.modules import sessions

    call = sessions.open_session(user=await user_id(keep, user), client_type=client)
    return await keep.do(call, actor=ACTOR, reason="gamekeeper token create")


async def _list(keep: "Keep", user: str) -> "list[OwnSession]":
    from gamekeeper.modules import sessions

    return await keep.ask(sessions.list_sessions(user=await user_id(keep, user)))


async def _revoke(keep: "Keep", session: str, user: str | None) -> int:
    from gamekeeper.modules import sessions

    holder = await sessions.holder_of(keep.reader.patient(), session) if user is None else await user_id(keep, user)
    if holder is None:
        raise sessions.SessionNotFound(id=session)
    call = sessions.revoke(user=holder, session_id=session)
    return (await keep.do(call, actor=ACTOR, reason="gamekeeper token revoke")).sessions


async def _revoke_all(keep: "Keep", user: str) -> int:
    from gamekeeper.modules import sessions

    call = sessions.revoke_all(user=await user_id(keep, user))
    return (await keep.do(call, actor=ACTOR, reason="gamekeeper token revoke")).sessions
