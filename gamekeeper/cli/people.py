"""`gamekeeper user`: what is done with users who are there."""

from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from .failures import FileRefused
from .inside import ACTOR, in_keep, moment, user_id
from .options import NO_WORDS, World, answer

if TYPE_CHECKING:
    from gamekeeper.keep import Keep

Role = Literal["player", "worldbuilder", "moderator", "admin", "superuser"]
Preset = Literal["hour", "day", "week", "month", "permanent"]
Name = Annotated[str, Parameter(help="The name of the user.")]
Reason = Annotated[str, Parameter(help="Why: it stands in the journal.")]


def show(name: Name, /, *, world: World = NO_WORDS) -> None:
    """Show a user, with the sessions that are open and the characters.

    Raises: USER_NOT_FOUND, STORE_UNAVAILABLE.
    """
    found = in_keep(world.settings(), lambda keep: _found(keep, name))
    if world.json:
        answer("user-show", found)
        return
    user = found["user"]
    print(f"{user['username']}  {user['user_id']}")
    print(f"  {user['role']}, {user['account_origin']}{', guest' if user['is_guest'] else ''}{'' if user['is_active'] else ', inactive'}")
    print(f"  made {moment(user['created_at'])}, last login {moment(user['last_login_at'])}")
    if user["deletion_requested_at"] is not None:
        print(f"  asked to be forgotten {moment(user['deletion_requested_at'])}")
    print(f"  open sessions: {len(found['sessions'])}; characters: {', '.join(one['name'] for one in found['characters']) or 'none'}")


def role(
    name: Name, role: Annotated[Role, Parameter(help="What the user becomes.")], /, *, reason: Reason, world: World = NO_WORDS
) -> None:
    """Give a user another role.

    Raises: USER_NOT_FOUND, STORE_UNAVAILABLE.
    """
    user = in_keep(world.settings(), lambda keep: _set_role(keep, name, role, reason))
    if world.json:
        answer("user-role", {"user_id": user, "role": role})
    else:
        print(f"{name} is {role} now.")


def export(
    name: Name, file: Annotated[Path, Parameter(help="The ZIP archive to write; it must not be there yet.")], /, *, world: World = NO_WORDS
) -> None:
    """Write everything that is kept of a person into one archive, to hand out to them.

    Raises: USER_NOT_FOUND, FILE_REFUSED, STORE_UNAVAILABLE.
    """
    settings = world.settings()
    try:
        with file.open("xb") as out:
            _or_nothing(file, lambda: in_keep(settings, lambda keep: _export(keep, name, out)))
        size = file.stat().st_size
    except OSError as error:
        raise FileRefused(file=str(file), problem=error.strerror or type(error).__name__) from None
    if world.json:
        answer("user-export", {"file": str(file), "bytes": size})
    else:
        print(f"{file}: {size:,} bytes")


def _or_nothing(file: Path, write: Callable[[], None]) -> None:
    """Write a file whole or leave none behind."""
    try:
        write()
    except BaseException:
        file.unlink()
        raise


def ban(
    name: Name,
    /,
    *,
    for_: Annotated[Preset, Parameter(name="--for", help="How long the user stays out.")],
    reason: Reason,
    world: World = NO_WORDS,
) -> None:
    """Ban a user; all sessions end with it.

    Raises: USER_NOT_FOUND, STORE_UNAVAILABLE.
    """
    until = in_keep(world.settings(), lambda keep: _ban(keep, name, for_, reason))
    if world.json:
        answer("user-ban", {"username": name, "until": until})
    else:
        print(f"{name} is banned {'for good' if until is None else 'until ' + moment(until)}.")


def unban(name: Name, /, *, reason: Reason, world: World = NO_WORDS) -> None:
    """Lift the bans of a user; sessions that ended with them stay ended.

    Raises: USER_NOT_FOUND, NOT_BANNED, STORE_UNAVAILABLE.
    """
    in_keep(world.settings(), lambda keep: _unban(keep, name, reason))
    if world.json:
        answer("user-unban", {"username": name})
    else:
        print(f"{name} may come back.")


async def _found(keep: "Keep", name: str) -> dict[str, Any]:
    from gamekeeper.modules import characters, sessions, users

    user = await user_id(keep, name)
    return {
        "user": msgspec.to_builtins(await keep.ask(users.show(user=user))),
        "sessions": msgspec.to_builtins(await keep.ask(sessions.list_sessions(user=user))),
        "characters": msgspec.to_builtins(await keep.ask(characters.list_of_user(user=user))),
    }


async def _set_role(keep: "Keep", name: str, role: Role, reason: str) -> str:
    from gamekeeper.modules import users

    user = await user_id(keep, name)
    await keep.do(users.set_role(user=user, role=role), actor=ACTOR, reason=reason)
    return user


async def _export(keep: "Keep", name: str, out: IO[bytes]) -> None:
    from gamekeeper.modules import people

    await people.export(keep, await user_id(keep, name), out)


async def _ban(keep: "Keep", name: str, preset: Preset, reason: str) -> int | None:
    from gamekeeper.modules import moderation

    call = moderation.ban(user=await user_id(keep, name), reason=reason, preset=preset)
    # The reason is the person's: as an argument it is sealed, beside the command it would stand in clear.
    return (await keep.do(call, actor=ACTOR)).banned_until


async def _unban(keep: "Keep", name: str, reason: str) -> None:
    from gamekeeper.modules import moderation

    await keep.do(moderation.unban(user=await user_id(keep, name), reason=reason), actor=ACTOR)
