"""`gamekeeper content config`: what a game reads while it runs, and setting something else than the packs say."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from cyclopts import Parameter

from gamekeeper.errors import InvalidArgument

from .inside import ACTOR, PAGE, in_keep, plain
from .options import NO_WORDS, World, answer

if TYPE_CHECKING:
    from gamekeeper.keep import Keep
    from gamekeeper.modules.content import ConfigValue

Key = Annotated[str, Parameter(help="The key, as `content config list` has it.")]
SET: Final = "gamekeeper content config set"
RESET: Final = "gamekeeper content config reset"


def list_configs(*, world: World = NO_WORDS) -> None:
    """List the keys of a game's configuration with what holds for each, and whether an operator has set it.

    Raises: INVALID_ARGUMENT, STORE_UNAVAILABLE.
    """
    found = in_keep(world.settings(), _all)
    if world.json:
        answer("content-config-list", found)
        return
    for one in found:
        by = f"set, version {one.version}" if one.version else "as the packs say"
        print(f"{one.key} = {_written(one.value)}  ({by})")
        if one.description:
            print(f"  {plain(one.description)}")


async def _all(keep: "Keep") -> "list[ConfigValue]":
    from gamekeeper.modules import content

    found: list[ConfigValue] = []
    cursor: str | None = None
    while True:
        page = await keep.ask(content.configs(limit=PAGE, cursor=cursor))
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def set_config(
    key: Key,
    value: Annotated[str, Parameter(help="What holds from now on, as JSON: 3, true, '\"text\"', '{\"weekend_bp\": 12000}'.")],
    /,
    *,
    expect: Annotated[int | None, Parameter(help="Refuse unless the key is at this version.")] = None,
    reason: Annotated[str, Parameter(help="Why, for the journal.")] = SET,
    world: World = NO_WORDS,
) -> None:
    """Set a key of a game's configuration, instead of what the packs say of it; running servers take it up by themselves.

    Raises: CONFIG_CHANGED, INVALID_ARGUMENT, STORE_UNAVAILABLE.
    """
    try:
        read: Any = msgspec.json.decode(value)
    except msgspec.DecodeError as error:
        raise InvalidArgument(path="value", problem=f"no JSON: {error}; a text stands in quotes") from None
    from gamekeeper.modules import content

    call = content.set_config(key=key, value=read, expect=expect)
    row = in_keep(world.settings(), lambda keep: keep.do(call, actor=ACTOR, reason=reason))
    if world.json:
        answer("content-config-set", {"key": row.key, "value": row.value, "version": row.version})
    else:
        print(f"{row.key} = {_written(row.value)}  (set, version {row.version})")


def reset(key: Key, /, *, reason: Annotated[str, Parameter(help="Why, for the journal.")] = RESET, world: World = NO_WORDS) -> None:
    """Let what the packs say of a key count again.

    Raises: CONFIG_NOT_SET, INVALID_ARGUMENT, STORE_UNAVAILABLE.
    """
    in_keep(world.settings(), lambda keep: _reset(keep, key, reason))
    if world.json:
        answer("content-config-reset", {"key": key})
    else:
        print(f"{key} is as the packs say again.")


async def _reset(keep: "Keep", key: str, reason: str) -> None:
    from gamekeeper.modules import content

    await keep.do(content.reset_config(key=key), actor=ACTOR, reason=reason)


def _written(value: Any) -> str:
    return plain(msgspec.json.encode(value).decode())
