"""Play on a server, alone and beside a flood of logins or of requests that ask for nothing."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import psutil

from tests.server.running import Running

from .callers import WARM_UP_SECONDS
from .contestants import ROOT, SLACK_SECONDS
from .login_world import Filled, play
from .result import BenchmarkFailed

ATTEMPTS_PER_SECOND = 1_000
PLAY_PER_SECOND = 120
"""Loads, saves and trades: about a fifth of what one server answers on two cores."""
PLAYERS = 8
MOST_SLOWER = 2.0
ALONE = "alone"
REST_SECONDS = 2.0
"""After a flood, for the passwords that still wait to be checked."""


@dataclass(frozen=True, slots=True)
class Played:
    """One round of play, alone or beside a flood."""

    store: str
    limits: str
    beside: str
    per_second: float
    """by eight callers, each as quickly as the answers come"""
    p50_ms: float
    """at the given rate, from when a request was due"""
    p99_ms: float
    loop_seconds: float
    """the processor's time of the server's event loop"""
    done: int
    """commands and queries of play in that time"""
    flooded: int
    """requests of the flood that were answered in that time"""
    answers: dict[str, int]
    """to the flood, by status"""
    rss_mib: float


def _callers(port: int, requests: Sequence[bytes], seconds: float, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.callers", str(port), str(seconds), *words]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write("\n".join(base64.b64encode(one).decode() for one in requests))
    process.stdin.close()
    process.stdin = None
    return process


def _answers(process: subprocess.Popen[str], seconds: float) -> dict[str, Any]:
    out, err = process.communicate(timeout=seconds + SLACK_SECONDS)
    if process.returncode:
        raise BenchmarkFailed(err.strip()[-400:])
    answers: dict[str, Any] = json.loads(out)
    return answers


def play_beside(server: Running, beside: str, filled: Filled, flood: Sequence[bytes], store: str, limits: str, seconds: float) -> Played:
    """Play for a while as quickly as the answers come, then at a given rate, alone or beside a flood."""
    flooding, whole, before = None, 2 * (seconds + WARM_UP_SECONDS) + 3, _loop_seconds(server)
    if beside != ALONE:
        flooding = _callers(server.port, flood, whole, "--per-second", str(ATTEMPTS_PER_SECOND))
        time.sleep(1.0)
    requests = play(filled.key)
    quick = _answers(_callers(server.port, requests, seconds, "--tasks", str(PLAYERS)), seconds)
    paced = _answers(_callers(server.port, requests, seconds, "--per-second", str(PLAY_PER_SECOND)), seconds)
    rss = psutil.Process(server.process.pid).memory_info().rss / 2**20
    told: dict[str, Any] = {"statuses": {}, "answered": 0} if flooding is None else _answers(flooding, whole)
    loop = _loop_seconds(server) - before
    if not quick["latencies_ms"] or not paced["latencies_ms"]:
        raise BenchmarkFailed(f"play was answered by {quick['statuses']} and {paced['statuses']}")
    time.sleep(0.0 if flooding is None else REST_SECONDS)
    answers = {**told["statuses"], "unsent": told["unsent"]} if told["answered"] else {}
    figures = (len(quick["latencies_ms"]) / quick["seconds"], _at(paced, 0.5), _at(paced, 0.99))
    return Played(store, limits, beside, *figures, loop, quick["answered"] + paced["answered"], told["answered"], answers, rss)


def _loop_seconds(server: Running) -> float:
    """The processor's time of the server's first thread, on which its event loop runs."""
    first = next(one for one in psutil.Process(server.process.pid).threads() if one.id == server.process.pid)
    return float(first.user_time + first.system_time)


def _at(answers: Mapping[str, Any], share: float) -> float:
    latencies = sorted(answers["latencies_ms"])
    return float(latencies[min(len(latencies) - 1, int(len(latencies) * share))])


@dataclass(frozen=True, slots=True)
class Slowed:
    """What stood beside the play of all rounds, and how much slower play was than alone; medians of what each round says."""

    store: str
    limits: str
    beside: str
    throughput: float
    """how many times fewer commands were done"""
    p50: float
    """how many times as long a command took"""
    p99: float
    loop_ms: float
    """what a request of the flood takes of the processor on which the event loop runs"""
    answers: dict[str, int]
    """to the flood, in the last round"""
    more_mib: float

    @property
    def met(self) -> bool:
        """Whether the goal was reached."""
        return max(self.throughput, self.p99) <= MOST_SLOWER


def slowed(played: Sequence[Played], beside: str) -> Slowed:
    """Compare the rounds of one server with and without a flood."""
    alone = [one for one in played if one.beside == ALONE]
    flooded = [one for one in played if one.beside == beside]
    pairs = list(zip(alone, flooded, strict=True))
    return Slowed(
        alone[0].store,
        alone[0].limits,
        beside,
        median([one.per_second / other.per_second for one, other in pairs]),
        median([other.p50_ms / one.p50_ms for one, other in pairs]),
        median([other.p99_ms / one.p99_ms for one, other in pairs]),
        median([(other.loop_seconds - other.done * one.loop_seconds / one.done) / other.flooded * 1e3 for one, other in pairs]),
        flooded[-1].answers,
        median([other.rss_mib - one.rss_mib for one, other in pairs]),
    )
