"""What can go wrong with worlds."""

from gamekeeper.errors import GameError, Kind


class WorldNotFound(GameError):
    """There is no such world."""

    code = "WORLD_NOT_FOUND"
    kind = Kind.NOT_FOUND
    world: str
