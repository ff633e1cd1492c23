"""How experience is paid.

Commands of other modules use `award` and list `TOUCHES` and `Character` in what they touch. Where one source and id may be asked for
twice, they are prepared by `xp.with_award`, or find the first award by `xp.find_award` in a preparation of their own.
"""

from collections.abc import Iterable
from typing import Annotated, Final, Literal, Protocol

from msgspec import Meta, Struct
from msgspec.structs import asdict

from gamekeeper.errors import InvalidArgument
from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, days, metrics, quests, seasons, skills, titles, xp

from . import rules

TOUCHES: Final = (
    *xp.TOUCHES,
    *titles.TOUCHES,
    *seasons.TOUCHES,
    metrics.Tallies,
    metrics.EventCount,
    skills.CharacterSkill,
    quests.QuestProgress,
)
"""What a command must touch that awards, besides `Character`.

Titles for what a character carries are left to `titles.review`: so many rows are not loaded for every award. Metrics of the day count for
titles as far as the command has declared them.
"""
LEVEL_UP: Final = "level_up"
"""The event that is counted for each level that a character reaches; one that it comes to again, after a correction, it has had before."""

AwardSource = Literal["QUEST_COMPLETION", "STREAK_BONUS", "BOSS_DEFEAT", "DUNGEON_CLEAR", "SEASON_BONUS", "TITLE_BONUS"]
"""What an award may be for: any source but MANUAL_ADJUSTMENT, which is `xp.correct`."""


class Awarded(xp.Awarded, frozen=True):
    """What came of an award, with the titles that it has earned or cost; of one that was paid before these are not told again."""

    titles_earned: list[str] = []
    titles_revoked: list[str] = []


def award(
    ctx: Context,
    character: str,
    source: xp.Source,
    source_id: str,
    base: int,
    extra: Iterable[xp.Modifier] = (),
    *,
    day: str | None = None,
    zone: str = "UTC",
    description: str = "",
) -> Awarded:
    """Pay experience with all that makes it more or less, and do what follows: the season's board, levels and titles.

    day: the local day that it is for, which says whether it is a weekend; today in `zone` when left out. A command knows its character's
    zone from what it keeps, or from `characters.zone_of` in its preparation.

    Raises: INVALID_ARGUMENT, MODIFIER_REFUSED, XP_OVERFLOW, UNKNOWN_CURVE, AWARD_RULES_INVALID.
    """
    on = days.checked(day) if day is not None else days.local_day(ctx.now, zone)
    paid = xp.record(ctx, character, source, source_id, base, _modifiers(ctx, character, on, extra), description)
    seasons.credit(ctx, character, paid.final_xp)
    _count_levels(ctx, character, paid, on)
    checked = titles.check(ctx, character, metrics.Facts(ctx, character, on))
    return Awarded(**asdict(paid), titles_earned=checked.earned, titles_revoked=checked.revoked)


def _modifiers(ctx: Context, character: str, day: str, extra: Iterable[xp.Modifier]) -> list[xp.Modifier]:
    """Gather what makes an award of a day more or less."""
    season = seasons.modifier(ctx, character)
    return rules.gathered(
        rules.rules_of(ctx),
        ctx.get(xp.CharacterProgress, character) or xp.CharacterProgress(character),
        day,
        ctx.now,
        titles.bearing(ctx, character),
        () if season is None else (season,),
        extra,
    )


def _count_levels(ctx: Context, character: str, paid: xp.Awarded, day: str) -> None:
    """Count the levels that a character has reached for the first time; the count is the highest one so far, less the first."""
    new = paid.level - 1 - metrics.events_of(ctx, character, LEVEL_UP)
    if new > 0:
        metrics.count_event(ctx, character, LEVEL_UP, day, new)


class _First(Struct, frozen=True):
    """What was paid before, and where the character's user lives."""

    first: xp.Awarded | None
    zone: str


class _Awarding(Protocol):
    """The arguments of `award_xp` that its preparation needs."""

    @property
    def character(self) -> str: ...
    @property
    def source(self) -> AwardSource: ...
    @property
    def source_id(self) -> str: ...


async def _awarding(read: Reader, arguments: _Awarding) -> Prepared:
    # There hardly ever is a first one, so nobody looks for it before the database has refused a second.
    first = await xp.find_award(read, arguments.character, arguments.source, arguments.source_id) if read.again else None
    return Prepared(found=_First(first, await characters.zone_of(read, arguments.character)))


@command(touches=[characters.Character, *TOUCHES], prepare=_awarding, prepares_again=xp.PREPARES_AGAIN, access="server")
def award_xp(
    ctx: Context,
    *,
    character: characters.CharacterId,
    source: AwardSource,
    source_id: xp.SourceId,
    base_xp: xp.Xp,
    description: Annotated[str, Meta(max_length=500)] = "",
) -> Awarded:
    """Pay a character experience for something, once: the same source and id again are answered with what was paid the first time.

    Raises: CHARACTER_NOT_FOUND, INVALID_ARGUMENT for an id by which the game itself pays, SOURCE_ID_REUSED, MODIFIER_REFUSED,
    XP_OVERFLOW, UNKNOWN_CURVE, AWARD_RULES_INVALID.
    """
    characters.alive(ctx, character)
    if rules.is_of_the_game(source, source_id):
        raise InvalidArgument(path="/source_id", problem="the game itself pays by this id; what it has not paid is paid by another")
    found: _First = ctx.found
    if found.first is not None:
        return Awarded(**asdict(xp.paid_before(found.first, source, source_id, base_xp)))
    return award(ctx, character, source, source_id, base_xp, zone=found.zone, description=description)
