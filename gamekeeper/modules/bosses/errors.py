"""What can go wrong with bosses."""

from gamekeeper.errors import GameError, Kind


class BossNotFound(GameError):
    """No pack defines this boss."""

    code = "BOSS_NOT_FOUND"
    kind = Kind.NOT_FOUND
    boss: str


class BossAway(GameError):
    """The boss is there only in its season."""

    code = "BOSS_AWAY"
    boss: str
    season: str


class LevelBelowBoss(GameError):
    """The character's level is too low for this boss."""

    code = "LEVEL_BELOW_BOSS"
    boss: str
    level: int
    needed: int


class BossFightOn(GameError):
    """The character fights a boss already."""

    code = "BOSS_FIGHT_ON"
    boss: str
    attempt: str


class NoBossFight(GameError):
    """The character fights no boss."""

    code = "NO_BOSS_FIGHT"
    character: str
