"""What packs may define of titles, and what is stored of them."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from gamekeeper.kernel.records import EpochMs, Key, Record
from gamekeeper.modules import characters, content, predicates, xp

ConditionType = Literal["STREAK_DAYS", "CUMULATIVE_COUNT", "TIME_WINDOW", "EVENT_COUNT", "COMPOUND", "SPECIAL"]
"""The types that a condition may be written with beside the others of predicates: `{type = "STREAK_DAYS", days = 14}`."""
PassiveType = Literal["FLAT_XP_BONUS", "PERCENT_XP_BONUS", "STAT_BONUS", "DEBUFF_REDUCTION"]
Rarity = Literal["COMMON", "UNCOMMON", "RARE", "EPIC", "LEGENDARY"]
Stat = Literal["STR", "AGI", "VIT", "DISC"]
"""A character's attribute of the same name in lower-case letters."""
EarnedBy = Literal["CONDITION", "REWARD", "STAFF"]
RevokedBy = Literal["REGRESSION", "STAFF"]

ALL_OF_IT = 10_000
"""A whole, in basis points."""
MAX_PERCENT = xp.MAX_MULTIPLIER_BP - xp.ONE_BP
MAX_POINTS = 1_000_000

TitleId = content.DefinitionId
Text = Annotated[str, Meta(min_length=1, max_length=2_000)]
PassiveValue = Annotated[
    int, Meta(ge=0, le=MAX_POINTS, description="points; of a percentage and of a debuff's reduction, basis points: 500 are 5 %")
]


@content.defines("title")
class TitleDefinition(content.Defined, frozen=True, kw_only=True):
    """A title: what earns it, what it does for who bears it, and when it is lost again."""

    DISTINCT: ClassVar[tuple[str, ...]] = ("name",)

    name: content.Label
    description: Text
    system_message: Text
    """What is said when it is earned."""
    condition: predicates.Condition
    passive_type: PassiveType | None = None
    """What it does while it is active. A stat's bonus counts where sheets show attributes."""
    passive_value: PassiveValue = 0
    passive_stat: Stat | None = None
    rarity: Rarity = "COMMON"
    can_regress: bool = True
    """Whether it can be lost; without `lost_if` nothing says when."""
    lost_if: predicates.Condition = None
    """A condition, or a regression: `{trigger = "TIME_WINDOW_FAIL", metric = "alcohol", threshold = 3, windowDays = 7}`."""

    def __post_init__(self) -> None:
        """Read the conditions, in whatever dialect they are written."""
        predicates.settle(self, "condition", "lost_if")

    def contradictions(self) -> Iterator[content.Flaw]:
        """A passive says how much, a stat's bonus of which, and what cannot be lost is lost by nothing.

        >>> streak = {"type": "STREAK_DAYS", "days": 3}
        >>> def title(**fields):
        ...     made = TitleDefinition(id="calm", name="Calm", description="-", system_message="-", condition=streak, **fields)
        ...     return dict(made.contradictions())
        >>> title(passive_type="STAT_BONUS", passive_value=2)
        {'passive_stat': 'the bonus of a stat says of which'}
        >>> title(can_regress=False, lost_if={"trigger": "STREAK_BREAK"})
        {'lost_if': 'the title cannot be lost'}
        """
        most = {None: 0, "PERCENT_XP_BONUS": MAX_PERCENT, "DEBUFF_REDUCTION": ALL_OF_IT}.get(self.passive_type, MAX_POINTS)
        if self.passive_type is not None and self.passive_value == 0:
            yield "passive_value", "says how much, more than 0"
        elif self.passive_value > most:
            yield "passive_value", f"at most {most}" if most else "there is no passive that it could be of"
        if self.passive_type == "STAT_BONUS" and self.passive_stat is None:
            yield "passive_stat", "the bonus of a stat says of which"
        elif self.passive_type != "STAT_BONUS" and self.passive_stat is not None:
            yield "passive_stat", "only the bonus of a stat has one"
        if self.lost_if is not None and not self.can_regress:
            yield "lost_if", "the title cannot be lost"

    def references(self) -> Iterator[content.Reference]:
        """It names what its conditions name."""
        yield from predicates.references(self.condition, "condition")
        yield from predicates.references(self.lost_if, "lost_if")


class UserTitle(
    Record,
    table="user_titles",
    unique=(("character_id", "active_slot"),),
    checks=(
        "(active_slot IS NOT NULL) = is_active",
        "revoked_at IS NULL OR NOT is_active",
        "(revoked_at IS NULL) = (revoked_by IS NULL)",
    ),
):
    """A title that a character has, or has lost. Whoever earns it again has the same row."""

    character_id: Key[characters.CharacterId]
    title_id: Key[TitleId]
    earned_at: EpochMs
    earned_by: EarnedBy = "CONDITION"
    revoked_at: EpochMs | None = None
    revoked_by: RevokedBy | None = None
    is_active: bool = False
    active_slot: Literal["active"] | None = None
    """The one place of a character's active title: what is not active is in none."""
