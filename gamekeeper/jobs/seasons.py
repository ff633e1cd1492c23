"""Seasons that begin, and such as are over."""

from gamekeeper.errors import GameError, NameTaken
from gamekeeper.modules import seasons

from .declare import job
from .runs import Run


@job("turn_seasons", cron="*/5 * * * *", quiet=True)
async def turn_seasons(run: Run) -> None:
    """Announce and start seasons, and close those that are over: what each participant has is frozen, and each gets a rank."""
    due = await run.keep.ask(seasons.due())
    clashes: dict[str, GameError] = {}
    for season in due.start:
        try:
            if not run.dry_run:
                await run.do(seasons.start(season=season))
            run.done(started=1)
        except (seasons.SeasonsClash, NameTaken) as clash:
            clashes[season] = clash  # the other seasons go on
    for season in due.close:
        if season not in clashes:
            await _close(run, season)
    for error in clashes.values():
        raise error


async def _close(run: Run, season: str) -> None:
    if run.dry_run:
        run.done(closed=1, participants=(await run.keep.ask(seasons.preview(season=season, limit=1))).participants)
        return
    while (step := await run.do(seasons.close_step(season=season))).more:
        pass
    run.done(closed=1, participants=step.participants)
