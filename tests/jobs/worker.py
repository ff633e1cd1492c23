"""A process with a job of 40 batches: `python -m tests.jobs.worker URL BATCHES`. After so many it stands still and waits to be killed."""

import asyncio
import os
import sys

import gamekeeper
from gamekeeper import jobs
from gamekeeper.modules import worlds

NAME = "settle_land"
ALL = 40
LEASE_SECONDS = 1.5


def declare(stand_still_after: int | None) -> None:
    """Declare a job that makes a world in each of its batches: a second time, a world would be there already."""

    @jobs.job(NAME, cron="0 * * * *")
    async def settle_land(run: jobs.Run) -> None:
        """Make worlds, a batch at a time."""
        first = 0 if run.cursor is None else int(run.cursor)
        for number in range(first, ALL):
            if number == stand_still_after:
                os.write(1, b"!\n")
                await asyncio.sleep(3600)
            await run.do(worlds.create_world(world=f"land-{number}", name=f"Land {number}"), cursor=str(number + 1))
            run.done()


async def main(url: str, batches: int) -> None:
    """Begin, and never end."""
    declare(batches)
    async with gamekeeper.open(url, lease_seconds=LEASE_SECONDS, allow_unsafe_postgres=True) as keep:
        await jobs.run_now(keep, NAME, asked_by="operator:test")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
