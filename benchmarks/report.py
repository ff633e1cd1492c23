"""Medians and ratios as one table and one JSON file."""

import dataclasses
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from .days import Closed
from .goals import WORKLOADS, goal
from .leaderboard import Timed
from .login import Logins
from .result import Result
from .rounds import OURS, Measured

LATEST = Path(__file__).parent / "results" / "latest.json"


@dataclass(frozen=True, slots=True)
class Line:
    """We against one rival, for one number of tasks."""

    workload: str
    store: str
    tasks: int
    rival: str
    ours_per_second: float | None
    rival_per_second: float
    rival_p50_ms: float
    rival_p99_ms: float
    ours_p99_ms: float | None
    ratio: float | None
    goal: float | None

    @property
    def met(self) -> bool | None:
        """Whether the goal was reached; None without a goal or without us."""
        return None if self.goal is None or self.ratio is None else self.ratio >= self.goal


def lines_of(measured: Measured) -> Iterator[Line]:
    """A line for every rival and number of tasks."""
    for tasks in WORKLOADS[measured.workload].tasks:
        own = measured.results.get(OURS, {}).get(tasks, [])
        for rival, by_tasks in measured.results.items():
            theirs = by_tasks.get(tasks, [])
            if rival == OURS or not theirs:
                continue
            # Each ratio comes from within one round, where both met the same machine.
            ratios = (
                [mine.ops_per_second / his.ops_per_second for mine, his in zip(own, theirs, strict=True) if his.ops_per_second]
                if own
                else []
            )
            yield Line(
                measured.workload,
                measured.store,
                tasks,
                rival,
                _median(own, "ops_per_second") if own else None,
                _median(theirs, "ops_per_second"),
                _median(theirs, "p50_ms"),
                _median(theirs, "p99_ms"),
                _median(own, "p99_ms") if own else None,
                median(ratios) if ratios else None,
                goal(measured.workload, measured.store, tasks, rival),
            )


def show(lines: Sequence[Line], console: Console) -> None:
    """Print the table."""
    table = Table(title="gamekeeper against its peers and limits; medians, ratios taken within each round")
    for heading in ("workload", "store", "tasks", "ours ops/s", "against", "its ops/s", "its p50 ms", "its p99 ms", "ratio", "goal", "met"):
        table.add_column(heading, no_wrap=True, justify="left" if heading in ("workload", "store", "against") else "right")
    before: tuple[str, str, int] | None = None
    for line in lines:
        group = (line.workload, line.store, line.tasks)
        if before and before != group:
            table.add_section()
        before = group
        table.add_row(
            line.workload,
            line.store,
            str(line.tasks),
            _figure(line.ours_per_second, ",.0f"),
            line.rival,
            f"{line.rival_per_second:,.0f}",
            f"{line.rival_p50_ms:,.2f}",
            f"{line.rival_p99_ms:,.2f}",
            _figure(line.ratio, ".2f", "x"),
            _figure(line.goal, ".2f", "x"),
            {True: "[green]yes[/]", False: "[red]no[/]", None: "-"}[line.met],
        )
    console.print(table)
    for workload in dict.fromkeys(line.workload for line in lines):
        console.print(f"{workload}: {WORKLOADS[workload].title}; one operation is {WORKLOADS[workload].operation}")


def write(
    lines: Sequence[Line],
    everything: Sequence[Measured],
    logins: Sequence[Logins],
    boards: Sequence[Sequence[Timed]],
    closed: Sequence[Closed],
    options: dict[str, Any],
) -> Path:
    """Keep the run, with every round of everybody, for the next reader."""
    LATEST.parent.mkdir(exist_ok=True)
    document = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": {"system": platform.platform(), "python": platform.python_version(), "cores": _cores()},
        "options": options,
        "lines": [{**dataclasses.asdict(line), "met": line.met} for line in lines],
        "rounds": [_everything_of(measured) for measured in everything],
        "logins": [dataclasses.asdict(one) for one in logins],
        "leaderboards": [dataclasses.asdict(one) for board in boards for one in board],
        "days": [dataclasses.asdict(one) for one in closed],
    }
    LATEST.write_text(json.dumps(document, indent=1) + "\n")
    return LATEST


def _cores() -> list[int] | None:
    return sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else None


def _everything_of(measured: Measured) -> dict[str, Any]:
    results = [dataclasses.asdict(one) for by_tasks in measured.results.values() for rounds in by_tasks.values() for one in rounds]
    return {"workload": measured.workload, "store": measured.store, "left_out": measured.left_out, "results": results}


def _median(results: Sequence[Result], attribute: str) -> float:
    return median(float(getattr(result, attribute)) for result in results)


def _figure(value: float | None, pattern: str, unit: str = "") -> str:
    return "-" if value is None else f"{value:{pattern}}{unit}"
