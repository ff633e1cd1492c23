"""Sends HTTP requests over kept connections, so many a second whether or not the answers keep up, and prints one JSON line.

    python -m benchmarks.callers PORT 3 --per-second 1000 < requests
    python -m benchmarks.callers PORT 3 --tasks 8 < requests

Each line of the input is one request, in base64; they are sent in an order by chance. Only the standard library is imported, so
that a process of it begins soon and costs little beside what it measures.
"""

import argparse
import asyncio
import base64
import dataclasses
import json
import random
import sys
import time
from dataclasses import dataclass, field

WARM_UP_SECONDS = 0.5
"""Not measured: connections open and caches fill here."""
CONNECTIONS = 300
"""More than a server lets wait for its password threads, so that there is always one for the next request."""
LAST_ANSWERS_SECONDS = 10.0
HOST = "127.0.0.1"


@dataclass(slots=True)
class Answers:
    """What came back."""

    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    """of answers other than refusals, from the moment at which each request was due"""
    statuses: dict[str, int] = field(default_factory=dict)
    answered: int = 0
    """with those of the warm-up"""
    unsent: int = 0
    """requests for which no connection was free"""


class Line(asyncio.Protocol):
    """A connection that carries one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.WriteTransport | None = None
        self.answered: asyncio.Future[bytes] | None = None
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to write to."""
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Take the answer when all of it is here."""
        self._got += data
        if self.answered is not None and is_whole(self._got):
            self.answered.set_result(self._got)
            self.answered, self._got = None, b""

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that no answer will come."""
        self.transport = None
        if self.answered is not None:
            self.answered.set_exception(exc or ConnectionError("closed"))
            self.answered = None

    async def send(self, request: bytes) -> bytes:
        """Send a request and give the answer."""
        if self.transport is None:
            raise ConnectionError("closed")
        self.answered = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.answered


def is_whole(answer: bytes) -> bool:
    """Say whether an answer has the length that it tells.

    >>> is_whole(b"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\n{}"), is_whole(b"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\n{")
    (True, False)
    """
    head, end, body = answer.partition(b"\r\n\r\n")
    at = head.lower().find(b"content-length:")
    return bool(end) and at >= 0 and len(body) >= int(head[at + 15 :].split(b"\r\n", 1)[0])


def request(path: str, body: object = None, **headers: str) -> bytes:
    """Write a request; underscores of headers stand for hyphens.

    >>> request("/livez").splitlines()[0]
    b'GET /livez HTTP/1.1'
    """
    text = b"" if body is None else json.dumps(body).encode()
    head = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", f"host: {HOST}", f"content-length: {len(text)}"]
    head += ["content-type: application/json"] if body is not None else []
    head += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*head, "", ""]).encode() + text


class Senders:
    """Requests that become due one by one, and what came of them."""

    def __init__(self, port: int, requests: list[bytes]) -> None:
        self._port = port
        self._requests = requests
        self._free: list[Line] = []
        self._open = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.answers = Answers()

    async def run(self, per_second: float, seconds: float) -> Answers:
        """Send so many a second."""
        started = time.perf_counter()
        measure_from = started + WARM_UP_SECONDS
        number = 0
        while (due := started + number / per_second) < measure_from + seconds:
            number += 1
            wait = due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            task = asyncio.get_running_loop().create_task(self._send(due, counts=due >= measure_from))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self.answers.seconds = time.perf_counter() - measure_from
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=LAST_ANSWERS_SECONDS)
        return self.answers

    async def run_in_turn(self, tasks: int, seconds: float) -> Answers:
        """Let so many callers send one after the other, each as soon as it has its answer."""
        measure_from = time.perf_counter() + WARM_UP_SECONDS

        async def loop() -> None:
            while (now := time.perf_counter()) < measure_from + seconds:
                await self._send(now, counts=now >= measure_from)

        await asyncio.gather(*(loop() for _ in range(tasks)))
        self.answers.seconds = time.perf_counter() - measure_from
        return self.answers

    async def _send(self, due: float, *, counts: bool) -> None:
        line = self._free.pop() if self._free else await self._connect()
        if line is None:
            self.answers.unsent += counts
            return
        # Each request is another one to an idempotent server: a key that is used twice would be answered from memory.
        status = "lost"
        try:
            answer = await line.send(random.choice(self._requests).replace(b"#KEY#", f"{random.getrandbits(160):040x}".encode()))
            status = answer[9:12].decode()
            self.answers.answered += 1
            self._free.append(line)
        except (ConnectionError, OSError):
            self._open -= 1
        if counts:
            self.answers.statuses[status] = self.answers.statuses.get(status, 0) + 1
            if status in ("200", "409"):
                self.answers.latencies_ms.append((time.perf_counter() - due) * 1e3)

    async def _connect(self) -> Line | None:
        if self._open >= CONNECTIONS:
            return None
        self._open += 1
        return (await asyncio.get_running_loop().create_connection(Line, HOST, self._port))[1]


def main() -> None:
    """Read the requests, send them, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.callers")
    parser.add_argument("port", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--per-second", type=float, default=0.0)
    parser.add_argument("--tasks", type=int, default=0)
    given = parser.parse_args()
    senders = Senders(given.port, [base64.b64decode(line) for line in sys.stdin])
    work = senders.run(given.per_second, given.seconds) if given.per_second else senders.run_in_turn(given.tasks, given.seconds)
    print(json.dumps(dataclasses.asdict(asyncio.run(work))))


if __name__ == "__main__":
    main()
