"""A game's way to a running server: commands and queries over HTTP, sent again with the same key when nobody answers."""

import asyncio
import time
from collections import Counter
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2

from gamekeeper.kernel.ids import new_id

from .failures import NoServer, ServerRefused
from .serve import is_loopback

TIMEOUT_SECONDS: Final = 15.0
PATIENCE_SECONDS: Final = 10.0
"""How long a server may be away before a caller gives up."""
FIRST_WAIT_SECONDS: Final = 0.05
LONGEST_WAIT_SECONDS: Final = 1.0
REASON: Final = "gamekeeper demo"


class Problem(Exception):
    """The server said no, by a code."""

    def __init__(self, code: str, detail: str, facts: dict[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.facts = facts or {}


class Tally:
    """What was done so far, by name, and what was refused, by code."""

    def __init__(self) -> None:
        self.started_at = time.monotonic()
        self.done: Counter[str] = Counter()
        self.problems: Counter[str] = Counter()
        self.trades = 0
        self.sent_again = 0

    @property
    def seconds(self) -> float:
        """How long it counts already."""
        return time.monotonic() - self.started_at


class Pace:
    """Lets callers go one after another, so and so many in a second."""

    def __init__(self, per_second: float) -> None:
        self._step = 1 / per_second
        self._next = 0.0

    async def turn(self) -> None:
        """Wait until it is one's turn. Turns that nobody took are not caught up."""
        now = time.monotonic()
        self._next = max(self._next, now) + self._step
        await asyncio.sleep(self._next - self._step - now)


class Api:
    """One server. Each command has a key of its own, so that a lost answer can be asked for again without harm."""

    def __init__(self, url: str, tally: Tally, pace: Pace | None = None) -> None:
        self.url = url.rstrip("/")
        self.tally = tally
        self.pace = pace
        self._client = httpx2.AsyncClient(
            base_url=self.url,
            timeout=TIMEOUT_SECONDS,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None),
            # A proxy of the environment has no business between us and this machine.
            trust_env=not is_loopback(urlsplit(url).hostname or ""),
        )

    async def close(self) -> None:
        """Let go of every connection."""
        await self._client.aclose()

    async def ready(self) -> None:
        """Make sure that a server is there and ready.

        Raises: NO_SERVER.
        """
        try:
            answer = await self._client.get("/readyz")
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise NoServer(url=self.url, problem=str(error)) from None
        if answer.status_code != 200:
            raise NoServer(url=self.url, problem=f"/readyz answers {answer.status_code}")

    async def do(self, name: str, token: str | None = None, /, **arguments: Any) -> Any:
        """Do a command in turn, and count it.

        Raises: Problem; NO_SERVER when the server stays away.
        """
        if self.pace is not None:
            await self.pace.turn()
        try:
            result = await self._send(name, token, arguments, key=new_id())
        except Problem as problem:
            self.tally.problems[problem.code] += 1
            raise
        self.tally.done[name] += 1
        return result

    async def ask(self, name: str, token: str | None = None, /, **arguments: Any) -> Any:
        """Ask a query.

        Raises: SERVER_REFUSED, NO_SERVER.
        """
        try:
            return await self._send(name, token, arguments)
        except Problem as problem:
            raise ServerRefused(query=name, answer=str(problem)) from None

    async def _send(self, name: str, token: str | None, arguments: dict[str, Any], key: str | None = None) -> Any:
        headers = {} if key is None else {"Idempotency-Key": key, "X-Reason": REASON}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        give_up_at, wait = time.monotonic() + PATIENCE_SECONDS, FIRST_WAIT_SECONDS
        while True:
            try:
                answer = await self._client.post(f"/v1/{name.replace('.', '/', 1)}", json=arguments, headers=headers)
            except httpx2.TransportError as error:
                if time.monotonic() > give_up_at:
                    raise NoServer(url=self.url, problem=type(error).__name__) from None
            else:
                if answer.status_code != 503 or time.monotonic() > give_up_at:
                    return _result(answer)
            self.tally.sent_again += 1
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)


def _result(answer: httpx2.Response) -> Any:
    if answer.status_code == 200:
        return answer.json()
    try:
        said = answer.json()
        code, detail = str(said["code"]), str(said["detail"])
    except (ValueError, KeyError, TypeError):
        raise Problem(f"HTTP_{answer.status_code}", "no answer of a Gamekeeper server") from None
    raise Problem(code, detail, said)
