"""Callers of every kind, in front of an application in the same process."""

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from argon2 import PasswordHasher
from httpx2 import ASGITransport, AsyncClient, Response

from gamekeeper.keep import Keep
from gamekeeper.kernel.ids import new_id
from gamekeeper.modules import sessions, users
from gamekeeper.modules.users import passwords
from gamekeeper.server import OPERATOR_SCOPE, make_app
from tests.server import game as game  # declared before a keep makes its tables
from tests.server.issued import Issued

ORIGIN = "http://game.test"
_numbers = itertools.count(1)


class Caller:
    """Somebody with or without a token, who calls commands and queries as a client would."""

    def __init__(self, http: AsyncClient, token: str | None, user: str = "") -> None:
        self.http = http
        self.token = token
        self.user = user

    def headers(self, **more: str) -> dict[str, str]:
        """The headers of a call; underscores stand for hyphens."""
        own = {} if self.token is None else {"authorization": f"Bearer {self.token}"}
        return own | {name.replace("_", "-"): value for name, value in more.items()}

    async def do(self, name: str, arguments: dict[str, Any] | None = None, **headers: str) -> Response:
        """Call a command, with a fresh key unless one is given."""
        headers.setdefault("idempotency_key", new_id())
        return await self.http.post("/v1/" + name.replace(".", "/"), json=arguments or {}, headers=self.headers(**headers))

    async def ask(self, name: str, arguments: Any = None, **headers: str) -> Response:
        """Ask a query by GET."""
        return await self.http.get("/v1/" + name.replace(".", "/"), params=arguments, headers=self.headers(**headers))


async def player(keep: Keep, http: AsyncClient) -> Caller:
    """Somebody who has just logged in."""
    user = (await keep.do(users.create_guest())).user_id
    opened = await keep.do(sessions.open_session(user=user))
    return Caller(http, opened.token, user)


async def key_holder(keep: Keep, http: AsyncClient, *scopes: str) -> Caller:
    """A program with an API key."""
    user = (await keep.do(users.create_guest())).user_id
    made = await keep.do(sessions.create_key(user=user, name=f"key {next(_numbers)}", scopes=list(scopes)))
    return Caller(http, made.key, user)


@pytest.fixture
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with next to no work, where nobody guesses passwords."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", lambda _cost: quick)


@pytest.fixture
def issued() -> Issued:
    """The secrets of a test: `issued.watch(app)` hears those of requests, `issued.note` takes others, `issued.found_in` looks for them."""
    return Issued()


@pytest.fixture
async def http(keep: Keep) -> AsyncIterator[AsyncClient]:
    """A client in front of the application."""
    async with AsyncClient(transport=ASGITransport(make_app(keep)), base_url=ORIGIN) as client:
        yield client


@pytest.fixture
def anyone(http: AsyncClient) -> Caller:
    """A caller without a token."""
    return Caller(http, None)


@pytest.fixture
async def ada(keep: Keep, http: AsyncClient) -> Caller:
    """A player."""
    return await player(keep, http)


@pytest.fixture
async def bob(keep: Keep, http: AsyncClient) -> Caller:
    """Another player."""
    return await player(keep, http)


@pytest.fixture
async def server(keep: Keep, http: AsyncClient) -> Caller:
    """A game server."""
    return await key_holder(keep, http, "*")


@pytest.fixture
async def operator(keep: Keep, http: AsyncClient) -> Caller:
    """An operator."""
    return await key_holder(keep, http, OPERATOR_SCOPE)


@pytest.fixture
async def guild(ada: Caller) -> str:
    """Ada's guild."""
    answer = await ada.do("guilds.found", {"user": ada.user})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["guild_id"])
