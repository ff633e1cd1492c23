"""What can go wrong with awards."""

from gamekeeper.errors import GameError


class AwardRulesInvalid(GameError):
    """The game's configuration of bonuses and penalties is not as it must be; awards wait until it is."""

    code = "AWARD_RULES_INVALID"
    key: str
    problem: str
