"""How dungeons are defined, and what is stored of those who enter them."""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.records import EpochMs, Key, Record
from gamekeeper.modules import characters, content, dailies, days, predicates, xp

Difficulty = Literal["E_RANK", "D_RANK", "C_RANK", "B_RANK", "A_RANK", "S_RANK"]
AttemptStatus = Literal["IN_PROGRESS", "CLEARED", "FAILED", "TIMED_OUT"]

GATES: Final[dict[Difficulty, int]] = {"E_RANK": 3, "D_RANK": 6, "C_RANK": 10, "B_RANK": 15, "A_RANK": 20, "S_RANK": 25}
"""The level that each rank asks for, unless a dungeon says otherwise."""
MULTIPLIERS: Final[dict[Difficulty, int]] = {
    "E_RANK": 15_000,
    "D_RANK": 17_500,
    "C_RANK": 20_000,
    "B_RANK": 22_500,
    "A_RANK": 25_000,
    "S_RANK": 30_000,
}
"""What each rank multiplies its experience by, in basis points, unless a dungeon says otherwise."""
MAX_CHALLENGES: Final = 32
MAX_MINUTES: Final = 7 * 24 * 60

AttemptId = Id
Minutes = Annotated[int, Meta(ge=1, le=MAX_MINUTES)]
Counts = dict[str, Annotated[int, Meta(ge=0)]]


class Challenge(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing to do in a dungeon. Its condition counts from the entry on: what was done before is not done in it."""

    id: content.DefinitionId
    name: content.Label
    description: str = ""
    condition: predicates.Condition

    def __post_init__(self) -> None:
        """Keep the condition in its normal form."""
        predicates.settle(self, "condition")


@content.defines("dungeon")
class DungeonDefinition(content.Defined, frozen=True, kw_only=True):
    """A place that is entered for a while: all of its challenges are to be done before the time is over."""

    name: content.Label
    description: str = ""
    difficulty: Difficulty
    required_level: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    requirements: predicates.Condition | None = None
    """What it takes to enter, besides the level."""
    challenges: Annotated[tuple[Challenge, ...], Meta(min_length=1, max_length=MAX_CHALLENGES)]
    base_xp: xp.Xp
    multiplier_bp: xp.MultiplierBp | None = None
    duration_minutes: Minutes
    cooldown_hours: Annotated[int, Meta(ge=0, le=8_784)] = 24
    """How long it stays shut for who has left it, however that was."""
    season_id: content.DefinitionId | None = None

    def __post_init__(self) -> None:
        """Keep the condition in its normal form."""
        predicates.settle(self, "requirements")

    @property
    def gate(self) -> int:
        """The level that it asks for."""
        return GATES[self.difficulty] if self.required_level is None else self.required_level

    @property
    def worth_bp(self) -> int:
        """What its experience is multiplied by."""
        return MULTIPLIERS[self.difficulty] if self.multiplier_bp is None else self.multiplier_bp

    def contradictions(self) -> Iterator[content.Flaw]:
        """No two challenges have one id, and each is something to be done: what is not to be done is so from the entry on."""
        seen: set[str] = set()
        for place, one in enumerate(self.challenges):
            if not dailies.is_settled(one.condition, {}):
                yield f"challenges.{place}.condition", "asks for what is not to be, which nobody has to do anything for"
            if one.id in seen:
                yield f"challenges.{place}.id", "two challenges have the same id"
            seen.add(one.id)

    def references(self) -> Iterator[content.Reference]:
        """Give what its conditions name, and its season."""
        yield from predicates.references(self.requirements, "requirements")
        for place, one in enumerate(self.challenges):
            yield from predicates.references(one.condition, f"challenges.{place}.condition")
        if self.season_id is not None:
            yield "season_id", "season", self.season_id


class DungeonState(Record, table="dungeon_states", value=True):
    """The dungeon that a character is in, if it is in one, and until when those that it has left are shut for it."""

    character_id: Key[characters.CharacterId]
    attempt_id: AttemptId | None = None
    shut_until: dict[content.DefinitionId, EpochMs] = {}


class DungeonAttempt(
    Record,
    table="dungeon_attempts",
    loads="key",
    value=True,
    indexes=(("status", "expires_at"), ("character_id", "started_at")),
    checks=(
        "(status = 'IN_PROGRESS') = (completed_at IS NULL)",
        "status = 'CLEARED' OR xp_awarded = 0",
        "expires_at > started_at",
    ),
):
    """One visit of a dungeon. `progress` are the challenges that are done, each with its moment.

    `counted` is what metrics and events stood at when it began, on `entry_day`. `debuffed` says that the multiplier is off.
    """

    character_id: Key[characters.CharacterId]
    attempt_id: Key[AttemptId]
    dungeon_id: content.DefinitionId
    status: AttemptStatus
    progress: dict[content.DefinitionId, EpochMs]
    counted: Counts
    entry_day: days.Day
    debuffed: bool
    started_at: EpochMs
    expires_at: EpochMs
    completed_at: EpochMs | None = None
    xp_awarded: xp.Xp = 0
