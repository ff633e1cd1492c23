"""Dies before the nth SQL statement of a command, for n = 1, 2, 3 ...: `python -m tests.crash.statements FILE PAIR ...`.

Each child swaps the arrows of one pair under the pair's own key. A line says `N killed` or `N done`; the first done ends it.
"""

import asyncio
import os
import signal
import sys

import gamekeeper
from gamekeeper.keep import import_modules
from gamekeeper.kernel.commands import Call
from gamekeeper.modules import items


def swap(first: str, second: str) -> Call[items.Swapped]:
    """The command, for whoever does it again."""
    return items.swap(first=first, second=second, first_gives="arrow", first_quantity=5, second_gives="coins", second_quantity=9)


async def child(path: str, first: str, second: str, nth: int) -> None:
    """Swap, and die on the way."""
    async with gamekeeper.open(f"sqlite:///{path}") as keep:
        await keep.ask(items.held(holder=first, item="arrow"))
        left = nth

        def count(*_: object) -> bool:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return True

        connection = keep.store._connection  # type: ignore[attr-defined]
        connection.exec_trace = count
        await keep.do(swap(first, second), key=first)
        os._exit(0)


def main(path: str, pairs: list[str]) -> None:
    """One child after another."""
    import_modules()
    for nth, pair in enumerate(pairs, 1):
        pid = os.fork()
        if pid == 0:
            first, second = pair.split("+")
            asyncio.run(child(path, first, second, nth))
        _, status = os.waitpid(pid, 0)
        killed = os.WIFSIGNALED(status)
        print(nth, "killed" if killed else "done", flush=True)
        if not killed:
            assert os.WEXITSTATUS(status) == 0
            return


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
