"""`gamekeeper season`: when seasons are on, who stands where, and closing one by hand."""

from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Parameter
from msgspec import Struct

from .failures import Exit, warn
from .inside import ACTOR, character_row, in_keep, moment, plain
from .options import NO_WORDS, Flag, World, answer

if TYPE_CHECKING:
    from gamekeeper.keep import Keep
    from gamekeeper.kernel.queries import Page
    from gamekeeper.modules.seasons import Bracket, Preview, SeasonView, Step

Name = Annotated[str, Parameter(help="The id of a season, as `season list` has it.")]
EACH_SIDE: Final = 5
REASON: Final = "gamekeeper season close"


class Shown(Struct, frozen=True):
    """A season with a page of its board; of one that is closed, its standing."""

    season: Any
    board: list[Any]
    next_cursor: str | None
    frozen: bool


def list_seasons(*, world: World = NO_WORDS) -> None:
    """List all seasons with their times, and how many take part.

    Raises: STORE_UNAVAILABLE.
    """
    from gamekeeper.modules import seasons

    found = in_keep(world.settings(), lambda keep: keep.ask(seasons.list_seasons()))
    if world.json:
        answer("season-list", found)
        return
    wide = max(map(len, (one.season for one in found)), default=0)
    for one in found:
        print(
            f"{one.number:>3}  {one.season:<{wide}}  {_status(one):<12}  {moment(one.starts_at)} to {moment(one.ends_at)}  "
            f"{one.participants:,} take part  {plain(one.name)}"
        )
    if not found:
        warn("No seasons are defined.")


def _status(one: "SeasonView") -> str:
    if one.closed_at is not None:
        return "closed"
    return "being closed" if one.closing_at is not None else {"ACTIVE": "on", "UPCOMING": "to come"}.get(one.status, "over")


def show(
    season: Name,
    /,
    *,
    around: Annotated[str | None, Parameter(help="Show those who stand around this character, by its name or id.")] = None,
    in_: Annotated[str | None, Parameter(name="--in", help="The id of the world in which that name is borne.")] = None,
    limit: Annotated[int, Parameter(help="How many places at most, 1 to 200.")] = 20,
    after: Annotated[str | None, Parameter(help="Where the page before ended, as it said.")] = None,
    world: World = NO_WORDS,
) -> None:
    """Show a season with its board, or how it ended.

    Raises: UNKNOWN_SEASON, CHARACTER_NOT_FOUND, NAME_IN_SEVERAL_WORLDS, INVALID_ARGUMENT, STORE_UNAVAILABLE.
    """
    found = in_keep(world.settings(), lambda keep: _shown(keep, season, around, in_, limit, after))
    if world.json:
        answer("season-show", found)
        return
    one: SeasonView = found.season
    print(f"{plain(one.name)}  {one.season}, {_status(one)}")
    print(f"  {moment(one.starts_at)} to {moment(one.ends_at)}, {one.participants:,} take part")
    for bracket in one.rewards:
        print(f"  {_ranks(bracket)}: {_prize(bracket.xp, bracket.title)}")
    for row in found.board:
        score = row.total_xp if found.frozen else row.season_xp
        won = f"  {_prize(row.reward_xp, row.reward_title)}" if found.frozen else ""
        gone = ", disqualified" if found.frozen and row.disqualified else ""
        print(f"{row.rank:>6}  {score:>13,}  {plain(row.name or 'deleted')}{gone}{won}")
    if found.next_cursor is not None:
        warn(f"There are more: --after {found.next_cursor}")


async def _shown(keep: "Keep", season: str, around: str | None, realm: str | None, limit: int, after: str | None) -> Shown:
    from gamekeeper.modules import seasons

    view = await keep.ask(seasons.show(season=season))
    if around is not None:
        who = (await character_row(keep, around, realm)).character_id
        return Shown(view, await keep.ask(seasons.around(character=who, season=season, each_side=EACH_SIDE)), None, frozen=False)
    page: Page[Any]
    if view.closed_at is not None:
        page = await keep.ask(seasons.standing(season=season, limit=limit, cursor=after))
    else:
        page = await keep.ask(seasons.live(season=season, limit=limit, cursor=after))
    return Shown(view, page.items, page.next_cursor, frozen=view.closed_at is not None)


def _ranks(one: "Bracket") -> str:
    if one.top_percent is not None:
        return (f"rank {one.from_rank:,} to " if one.from_rank > 1 else "") + f"the best {one.top_percent} in 100"
    if one.to_rank == one.from_rank:
        return f"rank {one.from_rank:,}"
    return f"rank {one.from_rank:,} " + ("and below" if one.to_rank is None else f"to {one.to_rank:,}")


def _prize(xp: int, title: str | None) -> str:
    return ", ".join([f"{xp:,} XP"] * bool(xp) + [f"title {title}"] * (title is not None))


def close(
    season: Name,
    /,
    *,
    dry_run: Annotated[bool, Flag, Parameter(help="Only say who would win what if it ended now; nothing is changed.")] = False,
    reason: Annotated[str, Parameter(help="Why, for the journal.")] = REASON,
    world: World = NO_WORDS,
) -> int:
    """Close a season that is over without waiting for the job: freeze what each participant has, and give each a rank.

    It may be cut off and called again, also while a job does the same: it is closed once.

    Raises: UNKNOWN_SEASON, SEASON_STILL_ON, SEASONS_CLASH, NAME_TAKEN, INVALID_ARGUMENT, STORE_UNAVAILABLE.
    """
    if dry_run:
        told = in_keep(world.settings(), lambda keep: _rehearsed(keep, season))
        if world.json:
            answer("season-dry-run", told)
        else:
            _print_preview(season, told)
        return Exit.OK
    done = in_keep(world.settings(), lambda keep: _closed(keep, season, reason))
    if world.json:
        answer("season-close", {"season": season, "participants": done.participants, "placed": done.placed})
    else:
        print(f"{season} is closed: {done.placed:,} of {done.participants:,} have their rank.")
    return Exit.OK


def _print_preview(season: str, told: "Preview") -> None:
    for one in told.brackets:
        print(f"{_ranks(one.bracket)}: {one.winners:,} would win {_prize(one.bracket.xp, one.bracket.title)}")
    for row in told.first:
        print(f"{row.rank:>6}  {row.total_xp:>13,}  {plain(row.name or 'deleted')}  {_prize(row.reward_xp, row.reward_title)}")
    print(f"{season} would pay {told.xp:,} XP to {told.participants:,} participants. Nothing was changed.")


async def _rehearsed(keep: "Keep", season: str) -> "Preview":
    from gamekeeper.modules import seasons

    return await keep.ask(seasons.preview(season=season, limit=20))


async def _closed(keep: "Keep", season: str, reason: str) -> "Step":
    from gamekeeper.modules import seasons

    await keep.ask(seasons.show(season=season))
    begin = seasons.close(season=season, reason=reason)
    try:
        step = await keep.do(begin, actor=ACTOR)
    except seasons.SeasonNotFound:
        # Nobody has announced it, which the job would have done.
        await keep.do(seasons.start(season=season), actor=ACTOR, reason=reason)
        step = await keep.do(begin, actor=ACTOR)
    while step.more:
        step = await keep.do(seasons.close_step(season=season), actor=ACTOR)
    return step
