"""`python -m benchmarks`: run the workloads, print the table, keep the figures."""

import argparse
import os
import sys
from collections.abc import Sequence

from rich.console import Console

from . import ours, peers, world
from .goals import STORES, WORKLOADS, Store
from .report import lines_of, show, write
from .rounds import OURS, Measured, measure
from .stages import PostgresqlStage, SqliteStage

FILE_WIDTH = 150
"""Without a terminal rich assumes 80 columns, into which the table does not fit."""


def main() -> int:
    """Read the options, measure, report; 1 if a registered contestant of ours failed or did wrong work."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="gamekeeper against its peers and the limits of this machine")
    parser.add_argument("--only", choices=list(WORKLOADS), action="append", help="one workload; may be given again")
    parser.add_argument("--store", choices=[*STORES, "all"], default="all")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long everybody runs in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--quick", action="store_true", help="one round of one second with 1,000 characters: shows that it runs, not how fast"
    )
    given = parser.parse_args()
    if given.quick:
        given.seconds, given.rounds = 1.0, 1
        os.environ[world.CHARACTERS_VARIABLE] = "1000"
    stores: Sequence[Store] = STORES if given.store == "all" else (given.store,)
    console = Console() if sys.stdout.isatty() else Console(width=FILE_WIDTH)
    everything: list[Measured] = []
    missing = peers.missing()
    for store in stores:
        everything += run_store(store, given.only or list(WORKLOADS), missing, given.rounds, given.seconds, console)
    lines = [line for measured in everything for line in lines_of(measured)]
    show(lines, console)
    console.print(f"every round: {write(lines, everything, vars(given))}")
    return int(any(OURS in measured.left_out and measured.workload in ours.OURS for measured in everything))


def run_store(store: Store, workloads: Sequence[str], missing: str | None, rounds: int, seconds: float, console: Console) -> list[Measured]:
    """Run the workloads on one store, on a stage of their own."""
    stage = PostgresqlStage() if store == "postgresql" else SqliteStage()
    try:
        return [measure(workload, stage, missing, rounds, seconds, console.print) for workload in workloads]
    finally:
        stage.close()


if __name__ == "__main__":
    sys.exit(main())
