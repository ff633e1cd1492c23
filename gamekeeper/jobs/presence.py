"""Play sessions of whom nobody says anything any more, and those that ended long ago."""

from gamekeeper.modules import presence

from .declare import job
from .runs import Run


@job("end_stale_play_sessions", cron="*/5 * * * *", quiet=True)
async def end_stale_play_sessions(run: Run) -> None:
    """End play sessions without activity for `play_session_timeout_seconds`."""
    more = True
    while more:
        done = await run.do(presence.time_out(dry_run=run.dry_run))
        run.done(done.play_sessions)
        # What a lease of this process knows to be alive is found again each time, and is not ended.
        more = done.more and done.play_sessions > 0 and not run.dry_run


@job("forget_play_sessions", cron="37 * * * *", quiet=True)
async def forget_play_sessions(run: Run) -> None:
    """Delete play sessions that ended longer ago than `play_session_days`, if that is set."""
    more = run.keep.settings.play_session_days is not None
    while more:
        done = await run.do(presence.forget_ended(dry_run=run.dry_run))
        run.done(done.play_sessions)
        more = done.more and not run.dry_run
