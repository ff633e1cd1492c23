"""Gravestones that nobody came back to."""

from gamekeeper.modules import combat

from .declare import job
from .runs import Run

AT_ONCE = 20
"""Gravestones that one commit takes."""


@job("expire_gravestones", cron="*/5 * * * *", quiet=True)
async def expire_gravestones(run: Run) -> None:
    """Let what is in gravestones whose time is over fall to the ground."""
    more = True
    while more:
        done = await run.do(combat.expire_gravestones(limit=AT_ONCE, dry_run=run.dry_run))
        run.done(done.gravestones, item_count=done.item_count, stayed=done.stayed)
        more = done.gravestones + done.stayed == AT_ONCE and not run.dry_run
