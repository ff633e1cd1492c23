"""What can go wrong with dungeons."""

from gamekeeper.errors import GameError, Kind


class DungeonNotFound(GameError):
    """No pack defines this dungeon."""

    code = "DUNGEON_NOT_FOUND"
    kind = Kind.NOT_FOUND
    dungeon: str


class DungeonClosed(GameError):
    """The dungeon is open only in its season."""

    code = "DUNGEON_CLOSED"
    dungeon: str
    season: str


class LevelTooLow(GameError):
    """The character's level is too low."""

    code = "LEVEL_TOO_LOW"
    level: int
    needed: int


class EntryRefused(GameError):
    """The character does not meet what the dungeon asks for."""

    code = "ENTRY_REFUSED"
    dungeon: str
    missing: list[str]


class AlreadyInDungeon(GameError):
    """The character is in a dungeon already."""

    code = "ALREADY_IN_DUNGEON"
    attempt: str


class NotInDungeon(GameError):
    """The character is in no dungeon."""

    code = "NOT_IN_DUNGEON"
    character: str


class DungeonCoolingDown(GameError):
    """The character was in this dungeon not long ago."""

    code = "DUNGEON_COOLING_DOWN"
    kind = Kind.TOO_OFTEN
    dungeon: str
    until: int
