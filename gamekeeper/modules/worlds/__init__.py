"""Worlds: the places where characters meet and things lie on the ground."""

from .commands import create_world
from .errors import WorldNotFound
from .queries import list_worlds, require_known, show
from .records import DEFAULT, NewWorldId, World, WorldId, WorldName, WorldStatus

__all__ = [
    "DEFAULT",
    "NewWorldId",
    "World",
    "WorldId",
    "WorldName",
    "WorldNotFound",
    "WorldStatus",
    "create_world",
    "list_worlds",
    "require_known",
    "show",
]
