"""A process that trades until it is killed: `python -m tests.crash.writer URL SEED [RETRY ...]`.

It reads the bank (people, world) as JSON from stdin, does the commands of the keys that its predecessor left without an
answer, then new ones. A line `> KEY` says that a command is under way, `< KEY ANSWER` that it was answered. What a key does
follows from the key alone. `--die-after N` kills it by its own hand after the Nth commit, before that is said;
`--deeds` lets it die, bank and do quests instead of trading.
"""

import argparse
import asyncio
import os
import random
import signal
import sys
from typing import Any

import msgspec

import gamekeeper
from gamekeeper import GameError
from gamekeeper.keep import Keep
from tests.crash import bank as banks
from tests.crash import deeds

TASKS = 8


def say(text: str) -> None:
    """One line into the pipe, whole or not at all."""
    os.write(1, f"{text}\n".encode())


class Writer:
    """What one process does until it dies."""

    def __init__(self, keep: Keep, bank: banks.Bank, options: argparse.Namespace) -> None:
        self.keep = keep
        self.bank = bank
        self.seed: str = options.seed
        self.die_after: int = options.die_after
        self.fresh_keys: bool = options.fresh_keys
        self.next_of = deeds.deed if options.deeds else banks.deal
        self.done = 0

    async def once(self, key: str, sent_as: str) -> None:
        """Do what a key stands for, and say so."""
        say(f"> {key}")
        call = self.next_of(self.bank, random.Random(key))
        try:
            answer: Any = await self.keep.do(call, key=sent_as, reason=key)
        except GameError as error:
            say(f"< {key} !{error.code}")
            return
        self.done += 1
        if self.done == self.die_after:
            os.kill(os.getpid(), signal.SIGKILL)
        say(f"< {key} {msgspec.json.encode(answer).decode()}")

    async def trade(self, task: int) -> None:
        """New keys without end."""
        number = 0
        while True:
            number += 1
            key = f"{self.seed}.{task}.{number}"
            await self.once(key, key)

    async def run(self, retries: list[str]) -> None:
        """First what was left, all at once, then new commands."""
        await asyncio.gather(*(self.once(key, f"{key}.again" if self.fresh_keys else key) for key in retries))
        say("= retried")
        if self.seed:
            await asyncio.gather(*(self.trade(task) for task in range(TASKS)))


async def main() -> None:
    """Read the order, open the keep, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("seed", help="what new keys begin with; empty for none")
    parser.add_argument("retry", nargs="*")
    parser.add_argument("--die-after", type=int, default=0)
    parser.add_argument("--fresh-keys", action="store_true")
    parser.add_argument("--deeds", action="store_true")
    options = parser.parse_args()
    bank = msgspec.json.decode(sys.stdin.buffer.read(), type=banks.Bank)
    async with gamekeeper.open(options.url, allow_unsafe_postgres=True) as keep:
        await Writer(keep, bank, options).run(options.retry)


if __name__ == "__main__":
    asyncio.run(main())
