"""What packs may define of daily and weekly quests."""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from gamekeeper.modules import content, predicates, xp

QuestType = Literal["DAILY", "WEEKLY", "DUNGEON", "BOSS"]
"""How a quest comes to a character: each day, each week, or by a dungeon or a boss that hands it out."""
Category = Literal["MOVEMENT", "STRENGTH", "RECOVERY", "NUTRITION", "DISCIPLINE"]
Stat = Literal["STR", "AGI", "VIT", "DISC"]

BY_ITSELF: Final[frozenset[QuestType]] = frozenset({"DAILY", "WEEKLY"})
"""Quests that come without anybody handing them out."""

Share = Annotated[int, Meta(ge=1, le=predicates.FULL, description="a share in basis points")]
BaseXp = Annotated[int, Meta(ge=0, le=xp.MAX_XP, description="experience points")]


class PartialReward(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a quest pays that is done in part when its day is over."""

    threshold: Share = 5_000
    """From how much of it on."""
    xp: BaseXp | None = None
    """When left out: as much of the whole as was done, rounded down."""


@content.defines("quest_template")
class QuestTemplate(content.Defined, frozen=True, kw_only=True):
    """A quest that comes anew each day or week, and is done when its condition is met."""

    name: content.Label
    description: str = ""
    type: QuestType = "DAILY"
    category: Category
    requirements: predicates.Condition
    base_xp: BaseXp
    stat_affected: Stat | None = None
    partial_reward: PartialReward | None = None
    is_core: bool = False
    """Whether it counts for streaks and perfect days; only quests of a day do."""
    season_id: content.DefinitionId | None = None
    """The season in which it comes, when it does not always."""

    def __post_init__(self) -> None:
        """Keep the condition in its normal form."""
        predicates.settle(self, "requirements")

    def contradictions(self) -> Iterator[content.Flaw]:
        """Only what comes each day is core."""
        if self.is_core and self.type != "DAILY":
            yield "is_core", "only a quest of type DAILY is core"

    def references(self) -> Iterator[content.Reference]:
        """Give what its condition names, and its season."""
        yield from predicates.references(self.requirements, "requirements")
        if self.season_id is not None:
            yield "season_id", "season", self.season_id
