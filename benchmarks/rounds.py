"""Runs the contestants of a workload in shuffled rounds, so that a loaded minute of the machine meets all of them."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from . import ours
from .contestants import Contestant, PythonContestant
from .goals import BY_HAND, LIMIT, WORKLOADS, Store
from .limits import limit_of
from .peers import drizzle_peers
from .result import BenchmarkFailed, Result
from .stages import Stage

Say = Callable[[str], None]
OURS = "gamekeeper"


@dataclass(slots=True)
class Measured:
    """All rounds of one workload on one store: contestant -> tasks -> one result a round."""

    workload: str
    store: Store
    say: Say
    results: dict[str, dict[int, list[Result]]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def note(self, name: str, tasks: int, result: Result) -> None:
        """Keep the result of one round."""
        self.results.setdefault(name, {}).setdefault(tasks, []).append(result)

    def leave_out(self, name: str, reason: str) -> None:
        """Take a contestant out of the comparison, and say so."""
        self.left_out[name] = reason
        self.results.pop(name, None)
        self.say(f"{self.workload} {self.store}: {name} is left out: {reason}")


def measure(workload: str, stage: Stage, peers_missing: str | None, rounds: int, seconds: float, say: Say) -> Measured:
    """Let everybody run in every round, in a new order each time; then check their work."""
    measured = Measured(workload, stage.store, say)
    contestants = _contestants(measured, stage, peers_missing)
    every = WORKLOADS[workload].tasks
    for number in range(rounds):
        turns = [(who, tasks) for who in contestants for tasks in (every[:1] if who.serial else every)]
        random.shuffle(turns)
        for who, tasks in turns:
            if who.name in measured.left_out:
                continue
            try:
                result = who.run(tasks, seconds)
            except BenchmarkFailed as failure:
                measured.leave_out(who.name, str(failure))
                continue
            say(f"  {workload} {stage.store} round {number + 1}, {tasks} tasks, {who.name}: {result.ops_per_second:,.0f}/s")
            for meant in every if who.serial else (tasks,):
                measured.note(who.name, meant, result)
    for who in contestants:
        try:
            who.check()
        except BenchmarkFailed as failure:
            measured.leave_out(who.name, str(failure))
    return measured


def _contestants(measured: Measured, stage: Stage, peers_missing: str | None) -> list[Contestant]:
    workload, found = measured.workload, list[Contestant]()
    if workload in ours.OURS:
        # W1 to W3 share one database; nobody else touches a market.
        data = "world" if workload in ("W1", "W2", "W3") else workload
        found += _filled(measured, PythonContestant(OURS, workload, stage.store, "ours", stage.empty(f"ours_{data}")))
    else:
        measured.leave_out(OURS, "not registered in benchmarks/ours.py")
    if workload == "W10":
        found += _filled(measured, PythonContestant(BY_HAND, workload, stage.store, "by-hand", stage.empty("by_hand"), serial=True))
    elif peers_missing:
        measured.leave_out("Drizzle", peers_missing)
    else:
        found += drizzle_peers(workload, stage)
    limit = limit_of(workload, stage)
    if limit:
        found.append(limit)
    else:
        measured.leave_out(LIMIT, "pgbench is not installed")
    return found


def _filled(measured: Measured, contestant: PythonContestant) -> list[PythonContestant]:
    try:
        contestant.fill()
    except BenchmarkFailed as failure:
        measured.leave_out(contestant.name, str(failure))
        return []
    return [contestant]
