"""Configuration that a game reads while it runs: packs say what holds, operators may set something else."""

from collections.abc import Mapping
from typing import Annotated, Any, Protocol

from msgspec import Struct

from gamekeeper.kernel.records import JSON

from .errors import ConfigNotFound
from .kinds import Defined, defines
from .records import GameConfig


@defines("config")
class ConfigDefinition(Defined, frozen=True, kw_only=True):
    """A key of the game's configuration and the value that it has unless an operator sets another one."""

    value: Any
    description: str = ""


class ConfigValue(Struct, frozen=True):
    """What holds for a key. `version` is 0 for what a pack says, and counts from 1 what operators have set."""

    key: str
    value: Annotated[Any, JSON]
    version: int
    description: str


class _Definitions(Protocol):
    """A command's context or a query's reader."""

    def definitions(self, kind: type[Any], /) -> Mapping[str, Any]: ...


def config_of(at: _Definitions, key: str) -> ConfigValue:
    """Give what holds for a key, within a command or a query.

    Raises: CONFIG_NOT_FOUND.
    """
    said, was_set = at.definitions(ConfigDefinition).get(key), at.definitions(GameConfig).get(key)
    if was_set is not None and not was_set.is_reset:
        return ConfigValue(key, was_set.value, was_set.version, "" if said is None else said.description)
    if said is None:
        raise ConfigNotFound(key=key)
    return ConfigValue(key, said.value, 0, said.description)
