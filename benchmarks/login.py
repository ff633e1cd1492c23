"""What a stranger learns from the time of an answer to a login, and what a flood of logins costs those who play.

Both through a server in a process of its own. The kinds of names alternate one by one, and the rounds with and without the flood
by turns, so that what else the machine does meets all of them.
"""

import asyncio
import random
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist, median

from rich.console import Console
from rich.table import Table

from tests.server.running import Running

from .callers import HOST, is_whole
from .login_flood import ALONE, ATTEMPTS_PER_SECOND, MOST_SLOWER, Played, Slowed, play_beside, slowed
from .login_world import LOGINS, REQUESTS, UNKNOWN, UNKNOWN_ADDRESS, Filled, fill, floods, login, serving
from .result import BenchmarkFailed
from .stages import Stage

PAIRS: Mapping[str, str] = {
    "known name": UNKNOWN,
    "banned user": UNKNOWN,
    "guest, no password": UNKNOWN,
    "known address": UNKNOWN_ADDRESS,
}
"""What is compared with what: nobody doubts that an address is no name."""
MOST_APART = 0.02
PARALLEL_GUESSES = 500
LIFTED: Mapping[str, int] = {"guesses_per_account": 10**8, "guesses_per_address": 10**8, "guesses_per_second": 10**6}
UNBOUNDED: Mapping[str, int] = {**LIFTED, "calls_per_second": 10**7, "calls_burst": 10**8}


# What an answer tells


def ask(line: socket.socket, sent: bytes) -> tuple[float, bytes]:
    """Send a request and give the milliseconds until all of the answer was there, and the answer without the time of day."""
    started = time.perf_counter()
    line.sendall(sent)
    answer = b""
    while not is_whole(answer):
        got = line.recv(65_536)
        if not got:
            raise BenchmarkFailed("the server hung up")
        answer += got
    taken = (time.perf_counter() - started) * 1e3
    head, _, body = answer.partition(b"\r\n\r\n")
    return taken, b"\r\n".join([*sorted(one for one in head.split(b"\r\n") if not one.lower().startswith(b"date:")), body])


@dataclass(slots=True)
class Taken:
    """Milliseconds by kind of name, one of each kind in turn."""

    waited: dict[str, list[float]]
    """as who asks sees them"""
    spent: dict[str, list[float]]
    """of processors by all threads of the server; none where the system does not tell"""


def spent_ms(server: Running) -> float | None:
    """The processors' time of a server so far, to the nanosecond, where the system tells."""
    tasks = list(Path(f"/proc/{server.process.pid}/task").glob("*/schedstat"))
    return sum(int(one.read_text().split()[0]) for one in tasks) / 1e6 if tasks else None


def time_answers(server: Running, filled: Filled, seconds: float) -> Taken:
    """Try a wrong password at names of every kind in turn, in another order each time.

    Raises: BenchmarkFailed unless all answers are the same, byte by byte.
    """
    taken = Taken({kind: [] for kind in filled.names}, {kind: [] for kind in filled.names})
    with socket.create_connection((HOST, server.port)) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        everybody = [name for names in filled.names.values() for name in names]
        answers = {ask(line, login(name))[1] for name in everybody}  # and the warm-up
        stop_at = time.perf_counter() + seconds
        while time.perf_counter() < stop_at:
            for kind in random.sample(list(filled.names), len(filled.names)):
                before = spent_ms(server)
                milliseconds, answer = ask(line, login(random.choice(filled.names[kind])))
                after = spent_ms(server)
                taken.waited[kind].append(milliseconds)
                if before is not None and after is not None:
                    taken.spent[kind].append(after - before)
                answers.add(answer)
    if len(answers) != 1 or b"BAD_CREDENTIALS" not in next(iter(answers)):
        raise BenchmarkFailed(f"{len(answers)} different answers: {answers}")
    return taken


@dataclass(frozen=True, slots=True)
class Compared:
    """The times of two kinds of names."""

    store: str
    kind: str
    against: str
    of: str
    """what was measured: the time until the answer, or the processors' time that it took"""
    pairs: int
    median_ms: float
    ratio: float
    """of the medians"""
    low: float
    high: float
    """between which the ratio lies in 95 of 100 drawings from what was measured"""
    p: float
    """how often chance alone would put the ranks as far apart (Mann-Whitney)"""

    @property
    def met(self) -> bool:
        """Whether the goal was reached."""
        return abs(self.ratio - 1) <= MOST_APART


def compared(store: str, taken: Taken) -> Iterator[Compared]:
    """Compare what is to be the same."""
    for of, by_kind in (("time", taken.waited), ("processor", taken.spent)):
        for kind, against in PAIRS.items():
            one, other = by_kind[kind], by_kind[against]
            if one:
                places = range(len(one))
                drawn = sorted(_ratio_of(one, other, random.choices(places, k=len(one))) for _ in range(1_000))
                middle, apart = median(one), mann_whitney(one, other)
                yield Compared(store, kind, against, of, len(one), middle, middle / median(other), drawn[25], drawn[974], apart)


def _ratio_of(one: Sequence[float], other: Sequence[float], chosen: Sequence[int]) -> float:
    return median([one[at] for at in chosen]) / median([other[at] for at in chosen])


def mann_whitney(one: Sequence[float], other: Sequence[float]) -> float:
    """Give the probability that the ranks of two samples differ as much by chance, by the normal approximation.

    >>> mann_whitney([1, 2, 3, 4] * 9, [1.1, 2.1, 2.9, 3.9] * 9) > 0.5, mann_whitney(list(range(20)), list(range(20, 40))) < 0.001
    (True, True)
    """
    ranked = sorted([(value, 1) for value in one] + [(value, 0) for value in other])
    ranks = sum(rank for rank, (_, mine) in enumerate(ranked, 1) if mine)
    n, m = len(one), len(other)
    z = (ranks - n * (n + m + 1) / 2) / (n * m * (n + m + 1) / 12) ** 0.5
    return 2 * (1 - NormalDist().cdf(abs(z)))


# What guessing gains


def guess_at_once(port: int, name: str) -> int:
    """Guess at one account over many connections at the same moment; give how many of the guesses were checked."""
    guess = login(name)

    def one(_number: int) -> bytes:
        with socket.create_connection((HOST, port)) as line:
            return ask(line, guess)[1]

    with ThreadPoolExecutor(PARALLEL_GUESSES) as threads:
        return sum(b"BAD_CREDENTIALS" in answer for answer in threads.map(one, range(PARALLEL_GUESSES)))


# All of it

ANSWERS_SHARE = 10.0
"""How much longer than the rounds of the others the answers are timed: two per cent want hundreds of pairs."""


@dataclass(slots=True)
class Logins:
    """What was found on one store."""

    store: str
    compared: list[Compared] = field(default_factory=list)
    played: list[Played] = field(default_factory=list)
    slowed: list[Slowed] = field(default_factory=list)
    checked: int = 0
    """of the parallel guesses"""


def measure(stage: Stage, rounds: int, seconds: float, say: Callable[[str], None]) -> Logins:
    """Measure everything on one store."""
    measured, url = Logins(stage.store), stage.empty("login")
    filled = asyncio.run(fill(url))
    with serving(url, **UNBOUNDED) as server:
        measured.compared = list(compared(stage.store, time_answers(server, filled, ANSWERS_SHARE * rounds * seconds)))
    flood = floods(filled)
    with serving(url) as server:
        measured.checked = guess_at_once(server.port, "somebody_else")
    for limits, settings in (("as set", {}), ("lifted", LIFTED)):
        played: list[Played] = []
        with serving(url, **settings) as server:
            play_beside(server, ALONE, filled, [], stage.store, limits, 0.5)  # a warm-up
            for number in range(rounds):
                for beside in random.sample((ALONE, REQUESTS, LOGINS), 3):
                    one = play_beside(server, beside, filled, flood.get(beside, []), stage.store, limits, seconds)
                    say(f"  login {stage.store} round {number + 1}, limits {limits}, {beside}: {one.per_second:,.0f}/s, {one.answers}")
                    played.append(one)
        measured.played += played
        measured.slowed += [slowed(played, beside) for beside in (REQUESTS, LOGINS)]
    return measured


def show(logins: Logins, console: Console) -> None:
    """Print what was found."""
    table = Table(title=f"a refused login on {logins.store}: all answers the same bytes, and how long they took")
    for heading in ("name", "against", "of", "pairs", "median ms", "ratio", "95 % within", "p", "goal", "met"):
        table.add_column(heading, no_wrap=True, justify="left" if heading in ("name", "against", "of") else "right")
    for one in logins.compared:
        within, goals = f"{one.low:.3f} to {one.high:.3f}", f"1 ± {MOST_APART}"
        figures = (str(one.pairs), f"{one.median_ms:.2f}", f"{one.ratio:.3f}", within, f"{one.p:.2f}", goals, _yes(one.met))
        table.add_row(one.kind, one.against, one.of, *figures)
    console.print(table)
    console.print(
        f"of {PARALLEL_GUESSES} guesses at one account at one moment {logins.checked} were checked; the limit is 10 in 15 minutes"
    )
    table = Table(title=f"play on {logins.store} beside {ATTEMPTS_PER_SECOND:,} requests a second: how many times slower than alone")
    for heading in ("limits", "beside", "loop ms each", "throughput", "p50", "p99", "MiB more", "goal", "met", "answers to the flood"):
        table.add_column(heading, no_wrap=True, justify="left" if heading in ("limits", "beside") else "right")
    for two in logins.slowed:
        ratios = [f"{ratio:.2f}x" for ratio in (two.throughput, two.p50, two.p99)]
        goal = (f"{MOST_SLOWER}x", _yes(two.met)) if two.beside == LOGINS else ("-", "-")
        answers = " ".join(f"{status}: {count:,}" for status, count in sorted(two.answers.items()))
        table.add_row(two.limits, two.beside, f"{two.loop_ms:.2f}", *ratios, f"{two.more_mib:+.0f}", *goal, answers)
    console.print(table)


def _yes(met: bool) -> str:
    return "[green]yes[/]" if met else "[red]no[/]"
