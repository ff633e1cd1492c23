"""What can go wrong with quests."""

from gamekeeper.errors import GameError, Kind


class QuestNotFound(GameError):
    """No loaded pack defines this quest."""

    code = "QUEST_NOT_FOUND"
    kind = Kind.NOT_FOUND
    quest: str


class QuestAlreadyStarted(GameError):
    """The character is on this quest already."""

    code = "QUEST_ALREADY_STARTED"
    quest: str


class QuestAlreadyCompleted(GameError):
    """The character has completed this quest, which is done only once."""

    code = "QUEST_ALREADY_COMPLETED"
    quest: str


class QuestNotStarted(GameError):
    """The character is not on this quest."""

    code = "QUEST_NOT_STARTED"
    quest: str


class QuestNotComplete(GameError):
    """Not all stages of the quest are done."""

    code = "QUEST_NOT_COMPLETE"
    quest: str
    stage: str
    count: int
    needed: int


class RequirementsNotMet(GameError):
    """The character does not have what the quest asks for."""

    code = "REQUIREMENTS_NOT_MET"
    quest: str
    quests: list[str]
    """to be completed before"""
    skills: dict[str, int]
    """the levels to be reached"""
    items: dict[str, int]
    """how many are lacking"""


class StageNotFound(GameError):
    """The quest has no such stage."""

    code = "STAGE_NOT_FOUND"
    kind = Kind.NOT_FOUND
    quest: str
    stage: str


class StageNotCurrent(GameError):
    """The character is not at this stage of the quest."""

    code = "STAGE_NOT_CURRENT"
    quest: str
    stage: str
    current: str | None
    """where it is; null when all stages are done"""


class StageCounted(GameError):
    """The stage counts what is killed or gathered; it cannot be advanced by a word."""

    code = "STAGE_COUNTED"
    quest: str
    stage: str
    type: str
