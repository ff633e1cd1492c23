"""What lies on the ground of worlds for too long."""

from gamekeeper.modules import items

from .declare import job
from .runs import Run


@job("sweep_ground", cron="*/5 * * * *", quiet=True)
async def sweep_ground(run: Run) -> None:
    """Let what has lain on the ground for too long leave the world."""
    after = ""
    while found := await items.worlds_to_sweep(run.keep.reader, after):
        for world in found:
            more = True
            while more:
                done = await run.do(items.sweep_ground(world=world, dry_run=run.dry_run))
                run.done(done.heaps)
                more = done.more and not run.dry_run
        after = found[-1]
