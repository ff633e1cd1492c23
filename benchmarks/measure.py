"""Drives an operation for a while, the same way for every Python contestant and for the Node ones (`peers/clock.mjs`)."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from .result import Result, summed_up

WARM_UP_SECONDS = 0.4
"""Not measured: connections, prepared statements and caches fill here."""


class Refusal(Exception):
    """Raise it when a rule said no: such an operation is counted, but is no throughput."""


async def drive(workload: str, name: str, tasks: int, seconds: float, operation: Callable[[], Awaitable[object]]) -> Result:
    """Repeat an operation in `tasks` concurrent loops for `seconds`, after a warm-up."""
    latencies: list[float] = []
    refused = 0
    measure_from = time.perf_counter() + WARM_UP_SECONDS
    stop_at = measure_from + seconds

    async def loop() -> None:
        nonlocal refused
        while (started := time.perf_counter()) < stop_at:
            try:
                await operation()
            except Refusal:
                refused += started >= measure_from
                continue
            if started >= measure_from:
                latencies.append(time.perf_counter() - started)

    await asyncio.gather(*(loop() for _ in range(tasks)))
    return summed_up(workload, name, tasks, latencies, time.perf_counter() - measure_from, refused)


def drive_in_line(workload: str, name: str, tasks: int, seconds: float, operation: Callable[[], object]) -> Result:
    """Repeat a blocking operation in one loop: what a raw synchronous driver can do at best."""
    latencies: list[float] = []
    refused = 0
    measure_from = time.perf_counter() + WARM_UP_SECONDS
    stop_at = measure_from + seconds
    while (started := time.perf_counter()) < stop_at:
        try:
            operation()
        except Refusal:
            refused += started >= measure_from
            continue
        if started >= measure_from:
            latencies.append(time.perf_counter() - started)
    return summed_up(workload, name, tasks, latencies, time.perf_counter() - measure_from, refused)
