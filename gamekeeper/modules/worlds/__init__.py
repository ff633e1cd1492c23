"""Worlds: the places where characters meet and things lie on the ground."""

from .commands import create_world
from .errors import WorldNotFound
from .queries import list_worlds, show
from .records import NewWorldId, World, WorldId, WorldName, WorldStatus

__all__ = [
    "NewWorldId",
    "World",
    "WorldId",
    "WorldName",
    "WorldNotFound",
    "WorldStatus",
    "create_world",
    "list_worlds",
    "show",
]
