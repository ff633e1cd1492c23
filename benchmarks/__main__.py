"""`python -m benchmarks`: run the workloads, print the table, keep the figures."""

import argparse
import os
import sys
from collections.abc import Sequence

from rich.console import Console

from . import days, leaderboard, login, ours, peers, world
from .goals import STORES, WORKLOADS, Store
from .report import lines_of, show, write
from .rounds import OURS, Measured, measure
from .stages import PostgresqlStage, SqliteStage

LOGIN, LEADERBOARD, DAYS = "login", "W8", "days"
FILE_WIDTH = 150
"""Without a terminal rich assumes 80 columns, into which the table does not fit."""


def main() -> int:
    """Read the options, measure, report; 1 if a registered contestant of ours failed or did wrong work."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="gamekeeper against its peers and the limits of this machine")
    parser.add_argument("--only", choices=[*WORKLOADS, LEADERBOARD, DAYS, LOGIN], action="append", help="one workload; may be given again")
    parser.add_argument("--store", choices=[*STORES, "all"], default="all")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long everybody runs in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--board", type=int, default=leaderboard.SIZES[-1], help="characters on the largest board of W8")
    parser.add_argument("--turns", type=int, default=500, help="how often W8 does each operation")
    parser.add_argument("--characters", type=int, default=days.SIZE, help="characters whose day is closed by days")
    parser.add_argument(
        "--quick", action="store_true", help="one round of one second with 1,000 characters: shows that it runs, not how fast"
    )
    given = parser.parse_args()
    if given.quick:
        given.seconds, given.rounds, given.board, given.turns, given.characters = 1.0, 1, 10_000, 50, 2_000
        os.environ[world.CHARACTERS_VARIABLE] = "1000"
    stores: Sequence[Store] = STORES if given.store == "all" else (given.store,)
    console = Console() if sys.stdout.isatty() else Console(width=FILE_WIDTH)
    everything: list[Measured] = []
    logins: list[login.Logins] = []
    boards: list[list[leaderboard.Timed]] = []
    closed: list[days.Closed] = []
    wanted = given.only or [*WORKLOADS, LEADERBOARD, DAYS, LOGIN]
    missing = peers.missing() if set(wanted) & set(WORKLOADS) else None
    for store in stores:
        stage = PostgresqlStage() if store == "postgresql" else SqliteStage()
        try:
            workloads = [workload for workload in wanted if workload in WORKLOADS]
            everything += [measure(workload, stage, missing, given.rounds, given.seconds, console.print) for workload in workloads]
            boards += [leaderboard.measure(stage, given.board, given.turns, console.print)] if LEADERBOARD in wanted else []
            closed += days.measure(stage, given.characters, console.print) if DAYS in wanted else []
            logins += [login.measure(stage, given.rounds, given.seconds, console.print)] if LOGIN in wanted else []
        finally:
            stage.close()
    lines = [line for measured in everything for line in lines_of(measured)]
    if lines:
        show(lines, console)
    for board in boards:
        leaderboard.show(board, console)
    if closed:
        days.show(closed, console)
    for one in logins:
        login.show(one, console)
    console.print(f"every round: {write(lines, everything, logins, boards, closed, vars(given))}")
    return int(any(OURS in measured.left_out and measured.workload in ours.OURS for measured in everything))


if __name__ == "__main__":
    sys.exit(main())
