"""What is stored of a character's progress as a whole and of how it came about, and how curves are defined."""

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta, Struct

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.records import MAX_INTEGER, EpochMs, Key, OwnedBy, Ranked, Record
from gamekeeper.modules import characters, content, days

from .modifiers import MAX_MODIFIERS, Flat, ModifierType, MultiplierBp, Reason, Source
from .rules import MAX_LEVEL, MAX_RUNESCAPE_LEVEL, MAX_XP, Xp

Points = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
CharacterLevel = Annotated[int, Meta(ge=1, le=MAX_LEVEL, description="a character's level, which follows from its experience")]
Seq = Annotated[int, Meta(ge=1, le=MAX_INTEGER, description="the number of an event in a character's ledger, from 1 without a gap")]
Change = Annotated[int, Meta(ge=-MAX_XP, le=MAX_XP, description="experience points, less than 0 where they are taken away")]
SourceId = Annotated[str, Meta(min_length=1, max_length=128, description="what was done: the quest log, the boss attempt ...; once paid")]
Description = Annotated[str, Meta(max_length=500)]
EventHash = Annotated[str, Meta(max_length=64, description="SHA-256 in hex; of the event before the first, nothing")]

Formula = Literal["runescape", "solo", "table"]


@content.defines("curve")
class CurveDefinition(content.Defined, frozen=True, kw_only=True):
    """How much experience each level takes: by one of the formulas, or by a table of its own that begins with level 1."""

    name: content.Label
    formula: Formula = "table"
    max_level: Annotated[int, Meta(ge=1, le=MAX_LEVEL)] = 99
    max_xp: Xp = 200_000_000
    """Experience beyond it is not counted."""
    thresholds: Annotated[tuple[Xp, ...], Meta(max_length=MAX_LEVEL)] = ()
    """The experience at which each level begins, for the formula `table`; its length is the highest level."""

    def contradictions(self) -> Iterator[content.Flaw]:
        """A table begins with 0 and rises."""
        if self.formula != "table":
            if self.thresholds:
                yield "thresholds", "only the formula `table` has them"
            if self.formula == "runescape" and self.max_level > MAX_RUNESCAPE_LEVEL:
                yield "max_level", f"the formula goes up to level {MAX_RUNESCAPE_LEVEL}"
            return
        if not self.thresholds or self.thresholds[0] != 0:
            yield "thresholds", "begins with 0, where level 1 does"
        for place, (low, high) in enumerate(zip(self.thresholds, self.thresholds[1:], strict=False), 1):
            if high <= low:
                yield f"thresholds.{place}", f"does not rise above {low}"
                return


BoardId = Annotated[Id, OwnedBy("board")]


class CharacterProgress(
    Record,
    table="character_progress",
    value=True,
    ranked=Ranked("total_xp"),
    indexes=(("total_xp", "character_id"), ("week", "week_xp", "character_id")),
):
    """How far a character has come, skills apart. `xp_seq` and `xp_head` are the number and the hash of the last event of its ledger.

    `week_xp` is what it got in the week that begins with `week`, a Monday in UTC: the last one in which it got any.
    """

    character_id: Key[characters.CharacterId]
    level: CharacterLevel = 1
    total_xp: Xp = 0
    quest_points: Points = 0
    current_streak: Points = 0
    longest_streak: Points = 0
    perfect_streak: Points = 0
    debuff_active_until: EpochMs | None = None
    active_title_id: content.DefinitionId | None = None
    grace_tokens: Points = 0
    xp_seq: Points = 0
    xp_head: EventHash = ""
    week: days.Day | None = None
    week_xp: Xp = 0


class XpEvent(
    Record,
    table="xp_events",
    append_only=True,
    value=True,
    unique=(("character_id", "event_source", "source_id"),),
    indexes=(("created_at", "character_id"),),
    checks=(
        "total_xp_after = total_xp_before + final_xp",
        "event_source = 'MANUAL_ADJUSTMENT' OR (base_xp >= 0 AND final_xp >= 0)",
    ),
):
    """One change of a character's experience, for good. A correction is a further one; `final_xp` is what was really applied."""

    character_id: Key[characters.CharacterId]
    seq: Key[Seq]
    event_source: Source
    source_id: SourceId
    base_xp: Change
    final_xp: Change
    total_xp_before: Xp
    total_xp_after: Xp
    level_before: CharacterLevel
    level_after: CharacterLevel
    description: Description
    command_id: Id
    """the command that wrote it; the journal has the rest of it: who, why and what else"""
    created_at: EpochMs
    previous_hash: EventHash
    event_hash: EventHash


class XpModifier(Record, table="xp_modifiers", append_only=True, value=True):
    """One step from an event's `base_xp` to its `final_xp`: `xp_after` is `xp_before` times `multiplier_bp`, rounded down, and `flat`."""

    character_id: Key[characters.CharacterId]
    event_seq: Key[Seq]
    order: Key[Annotated[int, Meta(ge=1, le=MAX_MODIFIERS)]]
    type: ModifierType
    multiplier_bp: MultiplierBp
    flat: Flat
    reason: Reason
    xp_before: Xp
    xp_after: Xp


class WeekEntry(Struct, frozen=True):
    """A place on the board of a week that is over."""

    rank: int
    character_id: str
    xp: int


class LeaderboardWeek(Record, table="leaderboard_weeks", loads="key"):
    """The best of a week that is over, as the ledger has it. It holds no names: those of people change, and may have to go."""

    board_id: Key[BoardId]
    week: Key[days.Day]
    taken_at: EpochMs
    characters: Points
    """how many got experience in that week"""
    top: list[WeekEntry]
