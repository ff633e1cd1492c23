"""What can go wrong with daily quests."""

from gamekeeper.errors import GameError, Kind


class QuestTemplateNotFound(GameError):
    """No pack defines this quest."""

    code = "QUEST_TEMPLATE_NOT_FOUND"
    kind = Kind.NOT_FOUND
    template: str


class DayClosed(GameError):
    """The day is over and has been evaluated: nothing about it counts any more."""

    code = "DAY_CLOSED"
    day: str
    last_closed: str


class DayNotBegun(GameError):
    """Where the player lives this day has not begun."""

    code = "DAY_NOT_BEGUN"
    day: str
    today: str


class QuestOver(GameError):
    """The quest of that day is completed or over already."""

    code = "QUEST_OVER"
    template: str
    day: str
    status: str


class NoBrokenStreak(GameError):
    """No streak was broken within the time in which it can be mended."""

    code = "NO_BROKEN_STREAK"
    character: str


class NoGraceTokens(GameError):
    """The character has no grace token, or not one for each day that was missed."""

    code = "NO_GRACE_TOKENS"
    character: str
