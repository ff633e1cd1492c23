"""Visits of dungeons whose time is over."""

from gamekeeper.modules import dungeons

from .declare import job
from .runs import Run


@job("time_out_dungeons", cron="*/5 * * * *", quiet=True)
async def time_out_dungeons(run: Run) -> None:
    """End the visits of dungeons whose time is over."""
    while True:
        over = [one.character_id for one in await dungeons.overdue(run.keep.reader, dungeons.MOST_CHARACTERS)]
        ended = len(over) if run.dry_run or not over else await run.do(dungeons.time_out(characters=over))
        run.done(ended)
        if run.dry_run or not ended or len(over) < dungeons.MOST_CHARACTERS:
            return
