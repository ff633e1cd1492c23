"""What the harness knows of a contestant: how to start its process and how to check its work."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from .result import BenchmarkFailed, Result, read_line

ROOT = Path(__file__).parent.parent
PEER_CONNECTIONS = 10
"""node-postgres's own default for a pool; 4, 8 and 16 were tried and none was reliably better."""

SLACK_SECONDS = 120.0
"""How much longer than its measured time a contestant's process may take."""

FILLING_SECONDS = 900.0
"""How long a candidate may take to fill its database before the first round."""


class Contestant(Protocol):
    """Somebody who runs one workload on one store."""

    name: str
    serial: bool
    """The driver runs one operation at a time anyway: one measurement stands for every number of tasks."""

    def run(self, tasks: int, seconds: float) -> Result:
        """Measure once, in a fresh process."""

    def check(self) -> None:
        """Raise if the work of all runs was wrong."""


def nothing_to_check() -> None:
    """For workloads whose work leaves nothing to add up."""


@dataclass(slots=True)
class PythonContestant:
    """A candidate of ours, of a limit or of a hand-written peer, run by `benchmarks.worker`."""

    name: str
    workload: str
    store: str
    side: str
    url: str
    serial: bool = False
    check: Callable[[], None] = field(default=nothing_to_check)

    def run(self, tasks: int, seconds: float) -> Result:
        """Measure once, in a fresh process."""
        return self._work(tasks, seconds, seconds + SLACK_SECONDS)

    def fill(self) -> None:
        """Let the candidate create its data, so that no round has to."""
        self._work(1, 0.0, FILLING_SECONDS)

    def _work(self, tasks: int, seconds: float, timeout_seconds: float) -> Result:
        command = [sys.executable, "-m", "benchmarks.worker", self.workload, self.store, self.url, str(tasks), str(seconds)]
        return read_line(run_process([*command, "--side", self.side], timeout_seconds))


@dataclass(slots=True)
class NodePeer:
    """A program of `peers/`."""

    name: str
    program: str
    node: str
    command: dict[str, str | int | float]
    serial: bool = False
    check: Callable[[], None] = field(default=nothing_to_check)

    def run(self, tasks: int, seconds: float) -> Result:
        """Measure once, in a fresh process."""
        command = {**self.command, "tasks": tasks, "seconds": seconds, "connections": min(tasks, PEER_CONNECTIONS)}
        return read_line(
            run_process([self.node, str(ROOT / "benchmarks" / "peers" / self.program), json.dumps(command)], seconds + SLACK_SECONDS)
        )


def run_process(command: Sequence[str], timeout_seconds: float) -> str:
    """Run a contestant and return what it printed; its complaints are part of the error if it fails."""
    environment = {**os.environ, "NODE_ENV": "production"}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout_seconds, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as late:
        raise BenchmarkFailed(f"no answer after {timeout_seconds:.0f} s") from late
    if done.returncode:
        complaint = done.stderr.strip().splitlines()[-12:]
        raise BenchmarkFailed("\n".join([f"ended with {done.returncode}", *complaint]))
    return done.stdout
