"""How seasons are defined, and what is stored of them."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

from gamekeeper.kernel import gate
from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.records import JSON, MAX_INTEGER, Amount, EpochMs, Key, OwnedBy, Ranked, Record
from gamekeeper.modules import characters, content, xp

from . import rules
from .errors import SeasonNotFound

MAX_BRACKETS = 50
MAX_TEXT = 2_000

Moment = EpochMs | Annotated[str, Meta(min_length=1, max_length=40, description="as 2026-01-05T00:00:00Z")]
"""A time in UTC: epoch milliseconds, or ISO 8601."""
Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
Place = Annotated[int, Meta(ge=1, le=MAX_INTEGER, description="a rank; 1 is the best, and who has the same score shares it")]
Won = xp.Xp
Percent = Annotated[int, Meta(ge=1, le=100)]
SeasonNumber = Annotated[int, Meta(ge=1, le=100_000)]
SeasonStatus = Literal["UPCOMING", "ACTIVE", "ENDED"]
SeasonId = Annotated[Id, OwnedBy("season", missing=SeasonNotFound)]
"""A season as an owner. Everybody else names it as its definition does."""


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it takes to enter: a level, or days since the character came into the world, whichever is first. Neither takes nothing."""

    level: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    days: Annotated[int, Meta(ge=0, le=100_000)] | None = None


class Bracket(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What some ranks win: those from one rank to another, or the best so many in a hundred. Without an end all further ones."""

    from_rank: Place = 1
    to_rank: Place | None = None
    top_percent: Percent | None = None
    xp: Won = 0
    title: content.DefinitionId | None = None


@content.defines("season")
class SeasonDefinition(content.Defined, frozen=True, kw_only=True):
    """A season: from when to when, by how much it multiplies what is earned, who may enter, and what the best win.

    The first bracket that a rank is in is what it wins. No two seasons have one number, which loading a pack sees to, or are on at one
    time, which starting one does.
    """

    DISTINCT: ClassVar[tuple[str, ...]] = ("number",)

    number: SeasonNumber
    name: content.Label
    theme: content.Label
    description: Text
    starts_at: Moment
    ends_at: Moment
    multiplier_bp: xp.MultiplierBp = xp.ONE_BP
    entry: Entry = Entry()
    rewards: Annotated[tuple[Bracket, ...], Meta(max_length=MAX_BRACKETS)] = ()

    @property
    def begins(self) -> int:
        """Its first millisecond."""
        return rules.moment(self.starts_at)

    @property
    def ends(self) -> int:
        """The first millisecond after it."""
        return rules.moment(self.ends_at)

    def contradictions(self) -> Iterator[content.Flaw]:
        """Times can be read and follow each other; a multiplier takes nothing away; every bracket is somebody's and wins something."""
        read = []
        for field, value in (("starts_at", self.starts_at), ("ends_at", self.ends_at)):
            try:
                read.append(rules.moment(value))
            except (ValueError, OverflowError) as error:
                yield field, f"no time: {error}"
        if len(read) == 2 and read[0] >= read[1]:
            yield "ends_at", "not later than starts_at"
        if self.multiplier_bp < xp.ONE_BP:
            yield "multiplier_bp", "a season takes nothing away"
        for place, one in enumerate(self.rewards):
            if one.to_rank is not None and one.top_percent is not None:
                yield f"rewards.{place}", "ends at a rank or after so many in a hundred, not both"
            if one.to_rank is not None and one.to_rank < one.from_rank:
                yield f"rewards.{place}.to_rank", "below from_rank"
            if not one.xp and one.title is None:
                yield f"rewards.{place}", "wins nothing"

    def references(self) -> Iterator[content.Reference]:
        """The titles that it awards."""
        for place, one in enumerate(self.rewards):
            if one.title is not None:
                yield f"rewards.{place}.title", "title", one.title


class SeasonState(
    Record,
    table="seasons",
    value=True,
    unique=(("number",), ("season",)),
    checks=(
        "starts_at < ends_at",
        "status <> 'ENDED' OR closing_at IS NOT NULL",
        "closing_at IS NULL OR status = 'ENDED'",
        "frozen_at IS NULL OR closing_at IS NOT NULL",
        "closed_at IS NULL OR frozen_at IS NOT NULL",
    ),
):
    """A season that was announced or started, as its pack had it: until its close begins, the definition counts, and then this copy.

    The close goes over the participants twice, from the best to the last: it freezes what each has, then it writes down their ranks.
    `placed` have theirs; the last one of a page had `cursor_xp`, `cursor_character` and `cursor_rank`.
    """

    season_id: Key[SeasonId]
    season: content.DefinitionId
    number: SeasonNumber
    name: content.Label
    theme: content.Label
    description: Text
    starts_at: EpochMs
    ends_at: EpochMs
    multiplier_bp: xp.MultiplierBp
    rewards: Annotated[list[dict[str, Any]], JSON]
    status: SeasonStatus
    closing_at: EpochMs | None = None
    frozen_at: EpochMs | None = None
    closed_at: EpochMs | None = None
    participants: Amount = 0
    placed: Amount = 0
    cursor_xp: Amount = gate.MAX_INTEGER
    cursor_character: Annotated[str, Meta(max_length=64)] = ""
    cursor_rank: Amount = 0


class SeasonParticipation(
    Record,
    table="season_participations",
    value=True,
    ranked=Ranked("season_xp", within=("season",)),
    indexes=(("season", "season_xp", "character_id"),),
    checks=(
        "rank IS NULL OR frozen_at IS NOT NULL",
        "claimed_at IS NULL OR rank IS NOT NULL",
        "disqualified_at IS NULL OR season_xp = 0",
    ),
):
    """A character's part in a season: what it earned in it, and from its close on how it stood at the end and what it won.

    What a disqualified one had is `forfeited_xp`.
    """

    character_id: Key[characters.CharacterId]
    season: Key[content.DefinitionId]
    season_xp: xp.Xp
    awards: Amount
    """how often it was paid"""
    joined_at: EpochMs
    joined_level: xp.CharacterLevel
    frozen_at: EpochMs | None = None
    end_level: xp.CharacterLevel | None = None
    end_total_xp: xp.Xp | None = None
    end_longest_streak: Amount | None = None
    rank: Place | None = None
    reward_xp: xp.Xp = 0
    reward_title: content.DefinitionId | None = None
    claimed_at: EpochMs | None = None
    disqualified_at: EpochMs | None = None
    forfeited_xp: xp.Xp = 0


class SeasonStanding(
    Record, table="season_leaderboards", append_only=True, value=True, indexes=(("season_id", "rank", "character_id"), ("character_id",))
):
    """A place on the board as it was when the season ended, for good. It holds no name: those of people change, and may have to go."""

    season_id: Key[SeasonId]
    character_id: Key[Id]
    rank: Place
    total_xp: xp.Xp
    reward_xp: xp.Xp
    reward_title: content.DefinitionId | None
    updated_at: EpochMs
