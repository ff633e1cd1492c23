"""`gamekeeper user`: users, made directly in the database."""

import asyncio
import os
from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import Parameter

from gamekeeper.config import PREFIX, Settings

from .failures import FileRefused, PasswordMissing
from .options import NO_WORDS, World, answer

Role = Literal["player", "worldbuilder", "moderator", "admin", "superuser"]
PASSWORD: Final = PREFIX + "PASSWORD"
ACTOR: Final = "operator:cli"


def create(
    name: Annotated[str, Parameter(help="The name to log in by.")],
    /,
    *,
    role: Annotated[Role, Parameter(help="What the user is.")] = "player",
    password_file: Annotated[
        Path | None, Parameter(help=f"A file with the password on its first line; {PASSWORD} in the environment if not given.")
    ] = None,
    world: World = NO_WORDS,
) -> None:
    """Make a user who logs in by name and password. The password is no argument: others could read it in the list of processes.

    Raises: PASSWORD_MISSING, PASSWORD_REFUSED, FILE_REFUSED, NAME_INVALID, NAME_TAKEN, INVALID_ARGUMENT, STORE_UNAVAILABLE.
    """
    settings = world.settings()
    user_id = asyncio.run(_create(settings, name, role, _password(password_file)))
    if world.json:
        answer("user-create", {"user_id": user_id, "username": name, "role": role})
    else:
        print(user_id)


def _password(file: Path | None) -> str:
    try:
        lines = os.environ.get(PASSWORD, "") if file is None else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileRefused(file=str(file), problem=getattr(error, "strerror", None) or "not UTF-8") from None
    password = lines.partition("\n")[0].removesuffix("\r")
    if not password:
        raise PasswordMissing
    return password


async def _create(settings: Settings, name: str, role: Role, password: str) -> str:
    from gamekeeper.keep import open_keep
    from gamekeeper.kernel.ids import new_id
    from gamekeeper.modules import users

    user = new_id()
    async with open_keep(settings) as keep:
        register = users.register(user=user, username=name, password=password)
        if role == "player":
            await keep.do(register, actor=ACTOR, reason="gamekeeper user create")
        else:
            await keep.do(register, users.set_role(user=user, role=role), actor=ACTOR, reason="gamekeeper user create")
    return user
