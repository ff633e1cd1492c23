"""What can go wrong with worlds."""

from gamekeeper.errors import OwnerNotFound


class WorldNotFound(OwnerNotFound):
    """There is no such world."""

    code = "WORLD_NOT_FOUND"
