"""A process in whose world players move until it is told to end: `python -m tests.crash.mover URL WORLD PLAYERS`.

It goes on where the documents of the players are. `at N` says that all of them have made their Nth step, `saved N` that a flush after it is
through. On SIGTERM it ends as a server does, and says nothing more.
"""

import asyncio
import os
import signal
import sys

import gamekeeper
from gamekeeper.errors import OwnerLeased
from gamekeeper.keep import Keep
from gamekeeper.modules import states

STEPS_OF_A_FLUSH = 4


def say(text: str) -> None:
    """One line into the pipe, whole or not at all."""
    os.write(1, f"{text}\n".encode())


async def take(keep: Keep, world: str) -> None:
    """Take the lease, as soon as that of a predecessor that died is over."""
    while True:
        try:
            await keep.acquire(world)
        except OwnerLeased:
            await asyncio.sleep(0.05)
        else:
            return


async def main(url: str, world: str, players: int) -> None:
    """Move."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    async with gamekeeper.open(url, allow_unsafe_postgres=True, lease_seconds=1.0, checkpoint_seconds=0.2) as keep:
        await take(keep, world)
        first = await keep.ask(states.load_player(world=world, player="p0"))
        step = 0 if first is None else first.state["step"]
        while not told.is_set():
            step += 1
            for number in range(players):
                body = {"step": step, "twice": 2 * step, "bag": [step] * 20}
                await keep.do(states.save_player(world=world, player=f"p{number}", position={"x": step}, state=body))
            say(f"at {step}")
            if step % STEPS_OF_A_FLUSH == 0:
                await keep.flush()
                say(f"saved {step}")
            await asyncio.sleep(0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
