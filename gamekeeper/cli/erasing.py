"""`gamekeeper user erase`: a person is forgotten, however much there is of them."""

import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gamekeeper.errors import GameError

from .failures import Exit, NotConfirmed, described, warn
from .inside import ACTOR, in_keep, user_id
from .options import NO_WORDS, Flag, World, answer
from .terminal import is_terminal

if TYPE_CHECKING:
    from gamekeeper.keep import Keep

Counts = dict[str, int]
"""What was taken off somebody, by its name in the answer of `people.erase`."""


def erase(
    name: Annotated[str, Parameter(help="The name of the user, or the id of one whose erasing was cut off.")],
    /,
    *,
    reason: Annotated[str, Parameter(help="Why: it stands in the journal for good, so it should name nobody.")],
    early: Annotated[bool, Flag, Parameter(help="Do not wait until 30 days have passed since the user asked for it.")] = False,
    by_letter: Annotated[bool, Flag, Parameter(help="Note that the user has asked for it outside of the game.")] = False,
    yes: Annotated[bool, Flag, Parameter(help="Do not ask whether it is meant.")] = False,
    world: World = NO_WORDS,
) -> int:
    """Forget a person who has asked for it; it cannot be undone. Characters stay in the world and belong to nobody.

    What is too much for one commit goes in several; who is cut off in between runs it again.

    Raises: USER_NOT_FOUND, DELETION_NOT_DUE, NOT_CONFIRMED, STORE_UNAVAILABLE.
    """
    settings = world.settings()
    user = in_keep(settings, lambda keep: _whom(keep, name))
    if not yes:
        _confirm(name)
    done: Counts = {}
    try:
        in_keep(settings, lambda keep: _erase(keep, user, reason, done, early=early, by_letter=by_letter))
    except GameError as error:
        if not done:
            raise
        warn(f"{described(error)}\n  {name} is forgotten, but some of what names the account is left: run it again for {user}.")
        return Exit.PARTIAL
    if world.json:
        answer("user-erase", {"user_id": user, **done})
    else:
        print(f"{name} is forgotten: " + ", ".join(f"{number:,} {what}" for what, number in done.items()) + ".")
    return Exit.OK


def _confirm(name: str) -> None:
    """Ask whether it is meant, where somebody is there to be asked."""
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        return
    print(f"Erase {name} for good? It cannot be undone. [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise NotConfirmed


async def _whom(keep: "Keep", name: str) -> str:
    """Give the id of a user; a tombstone has no name any longer that could be looked up.

    Raises: USER_NOT_FOUND.
    """
    from gamekeeper.modules import users

    try:
        return await user_id(keep, name)
    except users.UserNotFound:
        row = await keep.reader.get(users.User, name)
        if row is None or row.tombstoned_at is None:
            raise
        return row.user_id


async def _erase(keep: "Keep", user: str, reason: str, done: Counts, *, early: bool, by_letter: bool) -> None:
    """Erase until nothing is left, and count it in `done` commit by commit."""
    from gamekeeper.modules import people, users

    if by_letter:
        await keep.do(users.request_deletion_for(user=user), actor=ACTOR, reason=reason)
    more = True
    while more:
        erased = await keep.do(people.erase(user=user, early=early), actor=ACTOR, reason=reason)
        for what in ("sessions", "accounts", "characters", "messages"):
            done[what] = done.get(what, 0) + getattr(erased, what)
        more = erased.more
        if more:
            warn(f"{user}: {done['characters']:,} characters and {done['messages']:,} messages so far ...")
