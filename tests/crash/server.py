"""Another game server on the same database, which does what it is told: `python -m tests.crash.server URL`.

A line of JSON comes in, `[verb, arguments]`, and one goes out: `["ok", answer]` or `["error", code]`.
"""

import asyncio
import os
import random
import sys
import time
from collections import Counter
from typing import Any

import msgspec

import gamekeeper
from gamekeeper import GameError
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import COMMANDS
from gamekeeper.kernel.queries import QUERIES
from tests.crash import bank as banks

TASKS = 12
ENCODE = msgspec.json.Encoder().encode


class Server:
    """What it can be told."""

    def __init__(self, keep: Keep) -> None:
        self.keep = keep

    async def acquire(self, *owners: str) -> list[int]:
        """Take leases; gives their epochs."""
        return [lease.epoch for lease in await self.keep.acquire(*owners)]

    async def release(self, *owners: str) -> None:
        """Give them back."""
        await self.keep.release(*owners)

    async def do(self, name: str, arguments: dict[str, Any]) -> Any:
        """A command."""
        return await self.keep.do(COMMANDS[name].call(arguments))

    async def ask(self, name: str, arguments: dict[str, Any]) -> Any:
        """A query."""
        return await self.keep.ask(QUERIES[name](**arguments))

    async def flush(self) -> None:
        """Write what only memory holds."""
        await self.keep.flush()

    async def hammer(self, people: list[str], world: str, seconds: float, seed: int) -> dict[str, Any]:
        """Trade among others who do the same."""
        return await hammer(self.keep, banks.same_bank(people, world), seconds, seed)


async def hammer(keep: Keep, bank: banks.Bank, seconds: float, seed: int) -> dict[str, Any]:
    """Deals of several tasks for some seconds; gives what became of them."""
    ends_at, said = time.monotonic() + seconds, Counter[str]()

    async def trade(task: int) -> None:
        dice = random.Random(f"{seed}.{task}")
        while time.monotonic() < ends_at:
            try:
                await keep.do(banks.deal(bank, dice))
                said["done"] += 1
            except GameError as error:
                said[error.code] += 1

    await asyncio.gather(*(trade(task) for task in range(TASKS)))
    return {"said": dict(said), "retries": keep.stats.retries, "reloads": keep.stats.reloads, "unknown": keep.stats.unknown_outcomes}


async def main(url: str, settings: dict[str, Any]) -> None:
    """Open the keep and follow orders until the pipe closes."""
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    async with gamekeeper.open(url, allow_unsafe_postgres=True, **settings) as keep:
        server = Server(keep)
        os.write(1, ENCODE(["ok", keep.holder]) + b"\n")
        while line := await orders.readline():
            verb, arguments = msgspec.json.decode(line)
            try:
                answer: Any = ["ok", await getattr(server, verb)(*arguments)]
            except GameError as error:
                answer = ["error", error.code]
            os.write(1, ENCODE(answer) + b"\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], msgspec.json.decode(sys.argv[2])))
