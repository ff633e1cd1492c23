"""Leaderboards of times that are over."""

from gamekeeper.modules import days, xp

from .declare import job
from .runs import Run


@job("keep_weekly_board", cron="5 0 * * 1", catch_up="each")
async def keep_weekly_board(run: Run) -> None:
    """Keep the best of the week that has ended, for good."""
    week = days.after(xp.week_at(run.period), -7)
    if run.dry_run:
        count, top = await xp.best_of(run.keep.reader, week)
        run.done(len(top), week=week, characters=count)
        return
    kept = await run.do(xp.keep_week(week=week))
    run.done(len(kept.top) if kept.news else 0, week=week, characters=kept.characters)
