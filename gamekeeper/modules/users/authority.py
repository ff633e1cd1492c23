"""Who may act on whom: staff manage only users of a lower role, and nobody manages themselves."""

from typing import Final

from gamekeeper.kernel.commands import Prepared
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.workingset import Context

from . import rules
from .errors import RoleTooLow
from .records import Role, User

PLAYER: Final = "player:"
"""The beginning of the actor that stands for a user; what follows is the user's id."""

SERVER: Final = "server:"
"""The beginning of the actor that stands for a game server; what follows is its key's id."""


def acting_user(actor: str) -> str | None:
    """Give the user that an actor is; None for operators, game servers and the embedding program.

    >>> acting_user("player:u1"), acting_user("operator:local")
    ('u1', None)
    """
    return actor.removeprefix(PLAYER) if actor.startswith(PLAYER) else None


def refuse_game_server(ctx: Context, target: User) -> None:
    """Refuse a game server that would act in the name of staff: its key opens what game servers may do, and no more.

    Raises: ROLE_TOO_LOW.
    """
    if ctx.actor.startswith(SERVER) and rules.rank(target.role) >= rules.rank("moderator"):
        raise RoleTooLow(needed=target.role)


async def with_actor(read: Reader, _arguments: object) -> Prepared:
    """Name the acting user too, so that the command sees their role as it is: the preparation of a command for staff."""
    user = acting_user(read.actor)
    return Prepared(owners=() if user is None else (user,))


def require_authority(ctx: Context, target: User, least: Role) -> None:
    """Refuse a user who acts on somebody of no lower role, or whose own role has become too low; operators may act on everybody.

    The command must be prepared by `with_actor` and list `User` in what it touches.

    Raises: ROLE_TOO_LOW.
    """
    user = acting_user(ctx.actor)
    if user is None:
        return
    actor = ctx.get(User, user)
    if actor is None or not rules.may_act(actor, ctx.now) or rules.rank(actor.role) < rules.rank(least):
        raise RoleTooLow(needed=least)
    if rules.rank(actor.role) <= rules.rank(target.role):
        raise RoleTooLow(needed=target.role)
