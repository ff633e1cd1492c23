"""A process that closes days: `python -m tests.crash.closer URL NOW`, a few at a time and each batch as soon as it is told to."""

import asyncio
import os
import sys

import gamekeeper
from gamekeeper.errors import StoreUnavailable
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.modules import dailies, evening

AT_ONCE = 5


async def main(url: str, now: int) -> None:
    """Close all that is due, and say so after each batch."""
    clock = ManualClock(now)
    async with gamekeeper.open(url, clock=clock, allow_unsafe_postgres=True) as keep:
        while due := [one.character_id for one in (await keep.ask(dailies.due(limit=AT_ONCE))).items]:
            try:
                await keep.do(evening.close_days(characters=due), actor="operator:closer")
            except StoreUnavailable:
                continue  # others close the same
            os.write(1, b"!\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
