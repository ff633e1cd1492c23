"""What can go wrong with essences and abilities."""

from gamekeeper.errors import GameError, Kind


class UnknownEssence(GameError):
    """No loaded pack defines this essence."""

    code = "UNKNOWN_ESSENCE"
    kind = Kind.NOT_FOUND
    essence: str


class UnknownStone(GameError):
    """No loaded pack defines this awakening stone."""

    code = "UNKNOWN_STONE"
    kind = Kind.NOT_FOUND
    stone: str


class MaxEssencesReached(GameError):
    """The character holds as many essences as may be bound this way: three by choice, and the confluence as the fourth."""

    code = "MAX_ESSENCES_REACHED"
    held: int
    limit: int


class EssenceAlreadyBonded(GameError):
    """The character holds this essence already."""

    code = "ESSENCE_ALREADY_BONDED"
    essence: str
    slot: int


class AttributeAlreadyBound(GameError):
    """Another essence is bound to this attribute already."""

    code = "ATTRIBUTE_ALREADY_BOUND"
    attribute: str
    slot: int


class EssenceNotChosen(GameError):
    """A confluence is not chosen: it forms of the three that are."""

    code = "ESSENCE_NOT_CHOSEN"
    essence: str


class ConfluenceNotReady(GameError):
    """A confluence forms of three essences, and the character has fewer."""

    code = "CONFLUENCE_NOT_READY"
    held: int
    needed: int


class NoConfluence(GameError):
    """No loaded pack says what these three essences become."""

    code = "NO_CONFLUENCE"
    essences: list[str]


class EssenceNotFound(GameError):
    """The character has no essence in this slot."""

    code = "ESSENCE_NOT_FOUND"
    kind = Kind.NOT_FOUND
    slot: int


class AbilityNotFound(GameError):
    """The essence has no ability in this slot."""

    code = "ABILITY_NOT_FOUND"
    kind = Kind.NOT_FOUND
    essence_slot: int
    slot: int


class AbilitySlotFilled(GameError):
    """The ability slots that were asked for hold abilities already; the stone is not used up."""

    code = "ABILITY_SLOT_FILLED"
    essence_slot: int
    slot: int


class StoneUnfit(GameError):
    """The stone opens no such ability slot; it is not used up."""

    code = "STONE_UNFIT"
    stone: str
    slot: int


class NoAbilityLeft(GameError):
    """The essence has no ability left that the stone could awaken; it is not used up."""

    code = "NO_ABILITY_LEFT"
    essence: str
    stone: str


class AbilityNotMastered(GameError):
    """An ability rises in rank from its highest level only."""

    code = "ABILITY_NOT_MASTERED"
    level: int
    needed: int


class RankTooLow(GameError):
    """An ability rises in rank only while it is below the character's."""

    code = "RANK_TOO_LOW"
    rank: str
    """the character's"""


class HighestRank(GameError):
    """There is no rank above this one."""

    code = "HIGHEST_RANK"
    rank: str


class RankGateClosed(GameError):
    """The character does not have what the next rank asks for."""

    code = "RANK_GATE_CLOSED"
    rank: str
    """the one that is asked for"""
    essences: int
    """how many are lacking"""
    abilities: int
    """how many of the rank that would be left are lacking"""
