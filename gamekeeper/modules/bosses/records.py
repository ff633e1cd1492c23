"""How bosses are defined, and what is stored of those who fight them."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from msgspec import Meta, Struct

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.records import Amount, EpochMs, Key, Record
from gamekeeper.modules import characters, content, days, predicates, xp

Difficulty = Literal["NORMAL", "HARD", "NIGHTMARE"]
AttemptStatus = Literal["IN_PROGRESS", "VICTORY", "DEFEAT", "ABANDONED"]

MAX_PHASES: Final = 16
MAX_DAYS: Final = 366
BossId = content.DefinitionId
Text = Annotated[str, Meta(min_length=1, max_length=4_000)]
PhaseNumber = Annotated[int, Meta(ge=1, le=MAX_PHASES)]


class Phase(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a fight: so many days, at whose end its condition is to be met.

    The condition asks for what the days of the phase came to: `quest_completion_rate` over all of them, `perfect_days`, `dungeon_clears`, a
    streak.
    """

    name: content.Label
    description: str = ""
    requirements: predicates.Condition
    duration_days: Annotated[int, Meta(ge=1, le=MAX_DAYS)]
    xp_reward: xp.Xp = 0
    """What it pays to get through it; what victory pays comes on top with the last."""

    def __post_init__(self) -> None:
        """Keep the condition in its normal form."""
        predicates.settle(self, "requirements")


@content.defines("boss", plural="bosses")
class BossDefinition(content.Defined, frozen=True, kw_only=True):
    """Somebody who is fought for weeks, by what a character does every day."""

    DISTINCT: ClassVar[tuple[str, ...]] = ("name",)

    name: content.Label
    description: str = ""
    intro_monologue: Text
    defeat_message: Text
    """What it says when it is beaten."""
    difficulty: Difficulty
    required_level: Annotated[int, Meta(ge=1, le=10_000)] = 1
    xp_reward: xp.Xp
    title_reward_id: content.DefinitionId | None = None
    season_id: content.DefinitionId | None = None
    phases: Annotated[tuple[Phase, ...], Meta(min_length=1, max_length=MAX_PHASES)]
    lives: Annotated[int, Meta(ge=1, le=1_000)] | None = None
    """How many failed phases the fight is lost with; without it a phase may be tried again for ever."""

    def references(self) -> Iterator[content.Reference]:
        """Give what its phases name, its title and its season."""
        for place, one in enumerate(self.phases):
            yield from predicates.references(one.requirements, f"phases.{place}.requirements")
        if self.title_reward_id is not None:
            yield "title_reward_id", "title", self.title_reward_id
        if self.season_id is not None:
            yield "season_id", "season", self.season_id


class PhaseProgress(Struct, frozen=True):
    """What the days of a phase came to so far. `dungeons_before` is how many dungeons had been cleared when it began."""

    days: Amount = 0
    core_completed: Amount = 0
    core_total: Amount = 0
    perfect_days: Amount = 0
    dungeons_before: Amount = 0
    failures: Amount = 0
    """How many phases of the whole fight have failed."""


class BossAttempt(
    Record,
    table="boss_attempts",
    value=True,
    unique=(("character_id", "open_slot"),),
    indexes=(("boss_id", "status"),),
    checks=("(status = 'IN_PROGRESS') = (completed_at IS NULL)", "(status = 'IN_PROGRESS') = (open_slot IS NOT NULL)"),
):
    """A fight with a boss. `open_slot` is 1 while it goes on, so that there is no second one; `first_day` is its first day."""

    character_id: Key[characters.CharacterId]
    attempt_id: Key[Id]
    boss_id: BossId
    status: AttemptStatus
    current_phase: PhaseNumber
    phase_progress: PhaseProgress
    first_day: days.Day
    started_at: EpochMs
    completed_at: EpochMs | None = None
    open_slot: Annotated[int, Meta(ge=1, le=1)] | None = 1
