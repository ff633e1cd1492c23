"""What one contestant did in one round."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any


class BenchmarkFailed(Exception):
    """A contestant could not run, or did wrong work: its figure would mean nothing."""


@dataclass(frozen=True, slots=True)
class Result:
    """One measurement; one JSON line of a contestant's process."""

    workload: str
    peer: str
    tasks: int
    ops: int
    seconds: float
    ops_per_second: float
    p50_ms: float
    p99_ms: float
    refused: int = 0

    def line(self) -> str:
        """The JSON line that a contestant's process prints."""
        return json.dumps(dataclasses.asdict(self))


def read_line(output: str) -> Result:
    """Take the measurement from the last line a contestant printed.

    >>> read_line('{"workload":"W1","peer":"x","tasks":1,"ops":2,"seconds":1,"ops_per_second":2,"p50_ms":1,"p99_ms":1}').ops
    2
    """
    lines = output.strip().splitlines()
    if not lines:
        raise BenchmarkFailed("the contestant printed nothing")
    fields: dict[str, Any] = json.loads(lines[-1])
    return Result(**fields)


def summed_up(workload: str, peer: str, tasks: int, latencies_seconds: list[float], seconds: float, refused: int = 0) -> Result:
    """Make a result of the latencies of the operations that were done."""
    latencies_seconds.sort()
    done = len(latencies_seconds)

    def at(share: float) -> float:
        return latencies_seconds[min(done - 1, int(done * share))] * 1e3 if done else 0.0

    return Result(workload, peer, tasks, done, seconds, done / seconds, at(0.5), at(0.99), refused)
