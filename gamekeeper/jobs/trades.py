"""Trades that nobody went on with."""

from gamekeeper.modules import trades

from .declare import job
from .runs import Run


@job("time_out_trades", cron="*/5 * * * *", quiet=True)
async def time_out_trades(run: Run) -> None:
    """Close trades that have expired."""
    more = True
    while more:
        done = await run.do(trades.time_out_expired(dry_run=run.dry_run))
        run.done(done.trades)
        more = done.more and not run.dry_run
