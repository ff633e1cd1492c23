"""Runs one Python contestant in a process of its own and prints one JSON line.

    python -m benchmarks.worker W4 postgresql URL TASKS SECONDS [--side ours|by-hand|limit]

With 0 seconds it only lets the contestant fill its database.
"""

import argparse
import asyncio
import sys

from gamekeeper.kernel.memory import look_seldom_for_cycles

from . import ours
from .by_hand import BY_HAND_PEERS
from .goals import STORES, WORKLOADS, Store
from .limits import SQLITE_LIMITS
from .ours import Candidate
from .result import Result, summed_up

if sys.platform == "win32":
    from asyncio import new_event_loop as new_event_loop
else:
    from uvloop import new_event_loop as new_event_loop  # as gamekeeper's own server does


def candidate_class(workload: str, store: Store, side: str) -> type[Candidate]:
    """Find who runs a workload for a side."""
    if side == "ours":
        return ours.OURS[workload]
    return (BY_HAND_PEERS if side == "by-hand" else SQLITE_LIMITS)[workload, store]


async def measure(candidate: Candidate, workload: str, url: str, tasks: int, seconds: float) -> Result:
    """Set up, run, and close whatever happens."""
    await candidate.setup(url)
    try:
        return await candidate.run(tasks, seconds) if seconds else summed_up(workload, candidate.name, tasks, [], 1.0)
    finally:
        await candidate.close()


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worker")
    parser.add_argument("workload", choices=list(WORKLOADS))
    parser.add_argument("store", choices=STORES)
    parser.add_argument("url")
    parser.add_argument("tasks", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--side", choices=["ours", "by-hand", "limit"], default="ours")
    given = parser.parse_args()
    candidate = candidate_class(given.workload, given.store, given.side)()
    look_seldom_for_cycles()  # this too
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        print(runner.run(measure(candidate, given.workload, given.url, given.tasks, given.seconds)).line())


if __name__ == "__main__":
    main()
