"""Guests whose time is over."""

from gamekeeper.modules import guests

from .declare import job
from .runs import Run


@job("purge_guests", cron="*/10 * * * *", quiet=True)
async def purge_guests(run: Run) -> None:
    """Forget guests who made no account in time; their characters stay."""
    more = True
    while more:
        done = await run.do(guests.purge(dry_run=run.dry_run))
        # Of somebody with very much a part may be what there is to do.
        count = max(done.guests, int(done.more)) if run.dry_run else done.guests
        run.done(count, characters=done.characters, sessions=done.sessions)
        more = done.more and not run.dry_run
