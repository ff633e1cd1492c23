"""P36: guessing is bounded, whoever guesses from wherever, and whoever is guessed at still gets in."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from httpx2 import AsyncClient
from msgspec import Struct
from starlette.types import ASGIApp, Message

from gamekeeper.config import load_settings, settings_from
from gamekeeper.errors import InvalidArgument
from gamekeeper.keep import Keep, open_keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.commands import COMMANDS
from gamekeeper.kernel.store.base import OutcomeUnknown, TryAgain, Unreachable
from gamekeeper.kernel.store.redis_buckets import RedisBuckets
from gamekeeper.modules import sessions, users
from gamekeeper.modules.users import passwords
from gamekeeper.server import OPERATOR_SCOPE, Rates, Server, make_app, make_server
from gamekeeper.server.rates import guessing_of
from tests.crash.raw import raw
from tests.server import game as game  # declared before a keep makes its tables
from tests.server.running import Running
from tests.servers import TemporaryRedis

SECRET = "the key of the tests, kept apart from the database"
NAME, PASSWORD, WRONG = "Ada_Reed", "long enough to be a good one", "a wrong guess"
HOME, AWAY = "192.0.2.7", "203.0.113.9"

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what the database has no part in."""


class Answer(Struct):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def code(self) -> str:
        """Of a problem; of a success "ok"."""
        return "ok" if self.status == 200 else str(self.body["code"])


async def post(app: ASGIApp, path: str, body: Any, *, address: str = HOME, token: str | None = None, method: str = "POST") -> Answer:
    """Send a request without a client: there are thousands."""
    headers = [(b"content-type", b"application/json"), *([] if token is None else [(b"authorization", f"Bearer {token}".encode())])]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers, "client": (address, 1)}
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": json.dumps(body).encode() if method == "POST" else b""}

    async def send(message: Message) -> None:
        said.append(message)

    await app(scope, receive, send)
    told = {name.decode(): value.decode() for name, value in said[0]["headers"]}
    text = b"".join(one.get("body", b"") for one in said)
    return Answer(said[0]["status"], told, json.loads(text) if "json" in told.get("content-type", "") else text)


async def login(app: ASGIApp, *, name: str = NAME, password: str = WRONG, address: str = HOME, token: str | None = None) -> Answer:
    """Try a password."""
    return await post(app, "/v1/sessions/login", {"username": name, "password": password}, address=address, token=token)


@pytest.fixture(autouse=True)
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were checked; with next to no work."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", lambda _cost: quick)
    seen: list[str] = []
    verify = passwords._verify

    def verify_and_count(stored: str | None, plain: bytes, *rest: Any) -> bool:
        seen.append(plain.decode())
        return verify(stored, plain, *rest)

    monkeypatch.setattr(passwords, "_verify", verify_and_count)
    return seen


class Game(Struct):
    """An open keep with one user, behind an application, at a time that stands still."""

    keep: Keep
    app: ASGIApp
    clock: ManualClock
    rates: Rates
    user: str = ""


@asynccontextmanager
async def opened(url: str, clock: ManualClock | None = None, **words: Any) -> AsyncIterator[Game]:
    clock = clock or ManualClock()
    settings = settings_from({"url": url, "secret_key": SECRET, "allow_unsafe_postgres": True, **words})
    async with open_keep(settings, create=True, clock=clock) as keep:
        rates = Rates(keep)
        yield Game(keep, make_app(keep, rates=rates), clock, rates)
        await rates.aclose()


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[Game]:
    async with opened(database_url) as one:
        one.user = (await one.keep.do(users.register(username=NAME, password=PASSWORD))).user_id
        yield one


def elsewhere(number: int) -> str:
    """An address in a network of its own."""
    return f"10.{number // 250}.{number % 250}.1"


# Guessing


async def test_abuse_71_hundreds_of_addresses_get_ten_guesses_at_one_account(world: Game, checked: list[str]) -> None:
    codes = Counter([(await login(world.app, address=elsewhere(n), name=(NAME, NAME.upper())[n % 2])).code for n in range(500)])

    assert codes == {"BAD_CREDENTIALS": 10, "TOO_MANY_REQUESTS": 490}
    assert len(checked) == 10
    world.clock.move(89)
    assert (await login(world.app, address=AWAY)).code == "TOO_MANY_REQUESTS"
    world.clock.move(1)
    assert [(await login(world.app, address=AWAY)).code for _ in range(2)] == ["BAD_CREDENTIALS", "TOO_MANY_REQUESTS"]


async def test_one_network_gets_a_hundred_guesses_an_hour_whosever_account_they_are_at(world: Game, checked: list[str]) -> None:
    codes = Counter([(await login(world.app, name=f"somebody_{n}", address=f"192.0.2.{n + 1}")).code for n in range(150)])

    assert codes == {"BAD_CREDENTIALS": 100, "TOO_MANY_REQUESTS": 50}
    assert len(checked) == 100
    assert (await login(world.app, address="192.0.3.1")).code == "BAD_CREDENTIALS"
    sixes = [await login(world.app, name=f"v6_{n}", address=f"2001:db8::{n:x}:1") for n in range(1, 105)]
    assert Counter(one.code for one in sixes) == {"BAD_CREDENTIALS": 100, "TOO_MANY_REQUESTS": 4}
    assert (await login(world.app, name="v6", address="2001:db8:0:1::1")).code == "BAD_CREDENTIALS"


async def test_500_guesses_at_once_gain_nothing(world: Game, database_url: str, checked: list[str]) -> None:
    """Through two servers on one database."""
    async with opened(database_url, world.clock) as second:
        apps = (world.app, second.app)
        answers = await asyncio.gather(*(login(apps[n % 2], address=elsewhere(n)) for n in range(500)))

    counted = Counter(one.code for one in answers)
    # On SQLite two processes have one lock between them: who waits for it too long is refused as well.
    assert counted.pop("BUSY", 0) + counted["TOO_MANY_REQUESTS"] == 490
    assert counted["BAD_CREDENTIALS"] == len(checked) == 10


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_two_server_processes_share_the_limits(database_url: str) -> None:
    async def guess(http: AsyncClient, times: int) -> Counter[int]:
        body = {"username": NAME, "password": "a wrong guess"}
        return Counter([(await http.post("/v1/sessions/login", json=body)).status_code for _ in range(times)])

    starting = Running(database_url, secret_key=SECRET), Running(database_url, secret_key=SECRET)
    with starting[0] as first, starting[1] as second:
        async with AsyncClient(base_url=first.address) as one, AsyncClient(base_url=second.address) as two:
            counted = await asyncio.gather(*(guess(http, 10) for http in (one, two) * 5))

    assert sum(counted, Counter()) == {401: 10, 429: 90}


async def test_500_guesses_gain_nothing_when_redis_is_killed_in_the_middle(
    database_url: str, redis_server: TemporaryRedis, checked: list[str]
) -> None:
    """Nor when it comes back knowing nothing. Two servers, each of which notices by itself."""
    with TemporaryRedis() as redis:
        async with opened(database_url, redis_url=redis.url()) as first, opened(database_url, first.clock, redis_url=redis.url()) as second:
            apps = (first.app, second.app)
            before = [await login(apps[n % 2], address=elsewhere(n)) for n in range(6)]
            killing = asyncio.create_task(asyncio.to_thread(redis.kill_hard))
            during = await asyncio.gather(*(login(apps[n % 2], address=elsewhere(n)) for n in range(6, 250)))
            await killing
            assert (await login(apps[0], name="somebody")).code == "BAD_CREDENTIALS"
            away = first.rates.redis_away
            await asyncio.to_thread(redis.restart)
            first.clock.move(6)
            assert (await login(apps[0], name="somebody")).code == "BAD_CREDENTIALS"
            back = not first.rates.redis_away
            after = await asyncio.gather(*(login(apps[n % 2], address=elsewhere(n)) for n in range(250, 500)))

    assert Counter(one.code for one in [*before, *during, *after]) == {"BAD_CREDENTIALS": 10, "TOO_MANY_REQUESTS": 490}
    assert len(checked) == 12
    assert away
    assert back


async def test_redis_spares_the_database_what_is_refused(
    world: Game, database_url: str, redis_server: TemporaryRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A machine that has much else to do is no Redis that is away.
    words = RedisBuckets.__init__.__kwdefaults__
    assert words is not None
    monkeypatch.setitem(words, "timeout_seconds", 30.0)
    with TemporaryRedis() as redis:
        async with opened(database_url, world.clock, redis_url=redis.url()) as first:
            for number in range(10):
                await login(first.app, address=elsewhere(number))
            async with opened(database_url, world.clock, redis_url=redis.url()) as second:

                async def take(*_: Any) -> Any:
                    raise AssertionError

                monkeypatch.setattr(second.keep.store, "take_tokens", take)
                assert (await login(second.app, address=AWAY)).code == "TOO_MANY_REQUESTS"


async def test_abuse_72_who_is_guessed_at_from_everywhere_still_logs_in_at_home(world: Game) -> None:
    assert (await login(world.app, password=PASSWORD, address=HOME)).code == "ok"
    attack = [await login(world.app, address=elsewhere(n)) for n in range(50)]

    assert Counter(one.code for one in attack) == {"BAD_CREDENTIALS": 9, "TOO_MANY_REQUESTS": 41}
    assert (await login(world.app, password=PASSWORD, address=AWAY)).code == "TOO_MANY_REQUESTS"
    assert (await login(world.app, password=PASSWORD, address=HOME)).code == "ok"
    assert (await login(world.app, password=PASSWORD, address="192.0.2.200")).code == "ok", "the network counts, not the one address"

    world.clock.move(29 * 86_400)
    for number in range(20):
        await login(world.app, address=elsewhere(number))
    assert (await login(world.app, password=PASSWORD, address=HOME)).code == "ok", "an address stays known for thirty days"
    world.clock.move(62 * 86_400)
    for number in range(20):
        await login(world.app, address=elsewhere(number))
    assert (await login(world.app, password=PASSWORD, address=HOME)).code == "TOO_MANY_REQUESTS"


async def test_who_shares_the_victim_s_network_gets_ten_guesses_more_and_no_other_account_s(world: Game, checked: list[str]) -> None:
    await login(world.app, password=PASSWORD, address=HOME)
    checked.clear()

    for number in range(30):
        await login(world.app, address=HOME)
        await login(world.app, address=elsewhere(number))

    assert len(checked) == 10 + 9, "the first login was a stranger's"


async def test_abuse_71_strangers_together_use_up_what_is_there_for_strangers_only(database_url: str) -> None:
    async with opened(database_url, guesses_per_second=2) as world:
        await world.keep.do(users.register(username=NAME, password=PASSWORD))
        await login(world.app, password=PASSWORD, address=HOME)
        world.clock.move(10)
        codes = [(await login(world.app, name=f"somebody_{n}", address=elsewhere(n))).code for n in range(25)]

        assert Counter(codes) == {"BAD_CREDENTIALS": 20, "TOO_MANY_REQUESTS": 5}
        assert (await login(world.app, password=PASSWORD, address=AWAY)).code == "TOO_MANY_REQUESTS"
        assert (await login(world.app, password=PASSWORD, address=HOME)).code == "ok"
        world.clock.move(0.5)
        assert (await login(world.app, password=PASSWORD, address=AWAY)).code == "ok"


async def test_a_refusal_says_when_to_come_back_and_nothing_of_who_exists(world: Game) -> None:
    told = []
    for name in (NAME, "nobody_at_all"):
        for number in range(10):
            assert (await login(world.app, name=name, address=elsewhere(number))).code == "BAD_CREDENTIALS"
        told.append(await login(world.app, name=name, address=AWAY))

    for one in told:
        assert one.status == 429
        assert one.headers["content-type"] == "application/problem+json"
        assert one.headers["retry-after"] == "91"
        assert 90_000 <= one.body["retry_after_ms"] <= 90_001
        assert one.body["retryable"] is True
        del one.body["instance"], one.headers["x-request-id"]
    assert told[0] == told[1]


async def test_the_database_learns_no_name_and_no_address(world: Game, database_url: str) -> None:
    await login(world.app, password=PASSWORD, address=HOME)
    await post(world.app, "/v1/sessions/guest_session", {}, address=HOME)
    async with raw(database_url) as sql:
        first = {bytes(row[0]) for row in await sql.rows("SELECT key FROM rate_limits")}

    assert len(first) == 5, "account, address, device and everybody; and the address once more for guests"
    assert all(len(key) == 32 for key in first)
    async with opened(database_url, world.clock, secret_key="another key, under which nobody is found") as other:
        await login(other.app, address=HOME)
    async with raw(database_url) as sql:
        assert len({bytes(row[0]) for row in await sql.rows("SELECT key FROM rate_limits")} - first) == 3


async def test_what_is_full_again_is_forgotten(world: Game, database_url: str) -> None:
    for number in range(30):
        await login(world.app, name=f"somebody_{number}", address=elsewhere(number))
    world.clock.move(7200)
    await login(world.app)

    async with raw(database_url) as sql:
        assert len(await sql.rows("SELECT key FROM rate_limits")) == 3


@pytest.mark.parametrize("fault", [Unreachable("gone"), OutcomeUnknown("gone"), TryAgain("locked")])
@on_sqlite
async def test_without_anybody_to_ask_nobody_guesses_and_everything_else_goes_on(
    world: Game, checked: list[str], monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    guest = await post(world.app, "/v1/sessions/guest_session", {})

    async def fail(*_: Any) -> Any:
        raise fault

    for name in ("take_tokens", "buckets_full_at", "forget_full_buckets"):
        with monkeypatch.context() as patch:
            patch.setattr(world.keep.store, name, fail)
            world.clock.move(30)
            answer = await login(world.app, password=PASSWORD, address=AWAY)
            mine = await post(world.app, "/v1/sessions/list_sessions", {"user": guest.body["user_id"]}, token=guest.body["token"])
            if name == "forget_full_buckets":
                assert answer.code == "ok"
            else:
                assert answer.status == 503
                assert "gone" not in json.dumps(answer.body)
                assert checked == []
            assert mine.code == "ok"


@on_sqlite
async def test_a_login_counts_though_its_address_could_not_be_noted(world: Game, monkeypatch: pytest.MonkeyPatch) -> None:
    take = world.keep.store.take_tokens

    async def only_guesses(buckets: Any, now: int) -> Any:
        if len(buckets) == 1:
            raise Unreachable("gone")
        return await take(buckets, now)

    monkeypatch.setattr(world.keep.store, "take_tokens", only_guesses)
    assert (await login(world.app, password=PASSWORD)).code == "ok"


@on_sqlite
async def test_abuse_94_guesses_that_wait_leave_connections_for_everybody_else(world: Game, monkeypatch: pytest.MonkeyPatch) -> None:
    guest = await post(world.app, "/v1/sessions/guest_session", {})
    running, most, going_on = 0, 0, asyncio.Event()
    take = world.keep.store.take_tokens

    async def slowly(buckets: Any, now: int) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await going_on.wait()
        running -= 1
        return await take(buckets, now)

    monkeypatch.setattr(world.keep.store, "take_tokens", slowly)
    guesses = [asyncio.create_task(login(world.app, address=elsewhere(n))) for n in range(100)]
    await asyncio.sleep(0.05)
    mine = await post(world.app, "/v1/sessions/list_sessions", {"user": guest.body["user_id"]}, token=guest.body["token"])
    going_on.set()
    codes = Counter(one.code for one in await asyncio.gather(*guesses))

    assert mine.code == "ok"
    assert most == 2
    assert codes == {"BAD_CREDENTIALS": 10, "TOO_MANY_REQUESTS": 90}


# Who is counted how


async def test_a_game_server_speaks_for_its_players_by_the_address_that_it_tells(world: Game) -> None:
    server = (await world.keep.do(sessions.create_key(user=world.user, name="server", scopes=["*"]))).key
    path, body = "/v1/sessions/login", {"password": "a wrong guess"}

    untold = [await post(world.app, path, {**body, "username": f"a_{n}"}, token=server) for n in range(150)]
    told = [await post(world.app, path, {**body, "username": f"b_{n}", "ip_address": AWAY}, token=server) for n in range(150)]
    account = [await post(world.app, path, {**body, "username": NAME, "ip_address": elsewhere(n)}, token=server) for n in range(15)]

    assert Counter(one.code for one in untold) == {"BAD_CREDENTIALS": 150}
    assert Counter(one.code for one in told) == {"BAD_CREDENTIALS": 100, "TOO_MANY_REQUESTS": 50}
    assert Counter(one.code for one in account) == {"BAD_CREDENTIALS": 10, "TOO_MANY_REQUESTS": 5}


@on_sqlite
async def test_operators_and_programs_that_embed_the_keep_are_not_limited(world: Game) -> None:
    operator = (await world.keep.do(sessions.create_key(user=world.user, name="operator", scopes=[OPERATOR_SCOPE]))).key
    for number in range(10):
        await login(world.app, address=elsewhere(number))

    assert {(await login(world.app, token=operator)).code for _ in range(15)} == {"BAD_CREDENTIALS"}
    assert [await world.keep.do(sessions.login(username=NAME, password=PASSWORD)) for _ in range(15)]


@on_sqlite
async def test_a_batch_counts_each_of_its_guesses(world: Game, checked: list[str]) -> None:
    server = (await world.keep.do(sessions.create_key(user=world.user, name="server", scopes=["*"]))).key
    guesses = [{"command": "sessions.login", "arguments": {"username": NAME, "password": f"guess {n}"}} for n in range(60)]

    assert (await post(world.app, "/v1/batch", guesses, token=server)).code == "TOO_MANY_REQUESTS"
    assert checked == []


@on_sqlite
async def test_what_differs_from_other_guesses(world: Game) -> None:
    made = [
        await post(world.app, "/v1/users/register", {"username": f"new_user_{n}", "password": PASSWORD}, address=f"192.0.2.{n}")
        for n in range(60)
    ]

    assert Counter(one.code for one in made) == {"ok": 50, "TOO_MANY_REQUESTS": 10}
    session = (await post(world.app, "/v1/sessions/guest_session", {})).body
    wrong = {"user": session["user_id"], "old_password": "x", "new_password": PASSWORD}
    changes = [await post(world.app, "/v1/users/change_password", wrong, token=session["token"], address=elsewhere(n)) for n in range(15)]
    assert [one.status for one in changes] == [changes[0].status] * 10 + [429] * 5


async def test_abuse_21_one_network_makes_thirty_guests_an_hour_whichever_way(world: Game) -> None:
    made = []
    for number in range(20):
        address, name = f"192.0.2.{number}", f"Ada {'abcde'[number % 5]}{'abcd'[number // 5]}"
        made.append(await post(world.app, "/v1/sessions/guest_session", {}, address=address))
        made.append(await post(world.app, "/v1/guests/create", {"name": name}, address=address))

    assert [one.code for one in made] == ["ok"] * 30 + ["TOO_MANY_REQUESTS"] * 10
    assert (await post(world.app, "/v1/sessions/guest_session", {}, address=AWAY)).code == "ok"
    world.clock.move(120)
    assert (await post(world.app, "/v1/sessions/guest_session", {})).code == "ok"
    assert world.rates.refused["guests"] == 10


async def refresh(world: Game, token: str) -> Answer:
    """Refresh at home."""
    return await post(world.app, "/v1/sessions/refresh", {"refresh_token": token})


@on_sqlite
async def test_players_who_share_an_address_refresh_as_they_like(world: Game) -> None:
    tokens = [(await world.keep.do(sessions.open_session(user=world.user, long_lived=True))).refresh_token or "" for _ in range(20)]

    for _ in range(8):
        answers = [await refresh(world, one) for one in tokens]
        assert Counter(one.code for one in answers) == {"ok": 20}
        tokens = [one.body["refresh_token"] for one in answers]
        world.clock.move(30)


@on_sqlite
async def test_abuse_72_refresh_tokens_worth_nothing_shut_out_nobody_who_was_here(world: Game, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, other = [(await world.keep.do(sessions.open_session(user=world.user, long_lived=True))).refresh_token or "" for _ in range(2)]
    mine = (await refresh(world, mine)).body["refresh_token"]
    codes = Counter([(await refresh(world, f"gkr_{n}.x")).code for n in range(120)])

    assert codes == {"REFRESH_TOKEN_INVALID": 100, "TOO_MANY_REQUESTS": 20}
    told = await refresh(world, other)
    assert (told.status, told.headers["retry-after"]) == (429, "37")
    assert (await post(world.app, "/v1/sessions/refresh", {"refresh_token": other}, address=AWAY)).code == "ok"
    again = await refresh(world, mine)
    assert again.code == "ok"
    # A copy that was used before ends the session; from then on it is one of those that are worth nothing.
    world.clock.move(20)
    copies = [await refresh(world, mine.partition(".")[0] + ".old") for _ in range(3)]
    assert [one.body.get("reused", one.code) for one in copies] == [True, "REFRESH_TOKEN_INVALID", "TOO_MANY_REQUESTS"]
    world.clock.move(36)
    assert (await refresh(world, "gkr_y.x")).code == "REFRESH_TOKEN_INVALID"


def test_every_command_for_everybody_is_one_of_guessing() -> None:
    ours = [one for one in COMMANDS.values() if one.__module__.startswith("gamekeeper.")]
    guessing = {one.name for one in ours if guessing_of(one) is not None}

    assert {one.name for one in ours if one.access == "public"} <= guessing
    assert {"sessions.login", "users.register", "sessions.guest_session", "users.change_password", "users.reset_password"} <= guessing
    assert {one.name for one in ours if (found := guessing_of(one)) is not None and found.opens} == {"sessions.login"}
    assert not guessing & {"characters.create", "items.grant", "sessions.open_session"}


# Calling


@on_sqlite
async def test_calls_of_one_session_are_bounded_and_those_of_others_are_theirs(world: Game) -> None:
    guests = [(await post(world.app, "/v1/sessions/guest_session", {})).body for _ in range(2)]
    server = (await world.keep.do(sessions.create_key(user=world.user, name="server", scopes=["*"]))).key
    world.clock.move(60)

    async def ask(token: str | None, user: str, times: int) -> Counter[str]:
        return Counter([(await post(world.app, "/v1/sessions/list_sessions", {"user": user}, token=token)).code for _ in range(times)])

    assert await ask(guests[0]["token"], guests[0]["user_id"], 210) == {"ok": 200, "TOO_MANY_REQUESTS": 10}
    assert await ask(guests[1]["token"], guests[1]["user_id"], 5) == {"ok": 5}
    assert await ask(server, guests[0]["user_id"], 300) == {"ok": 300}
    assert await ask(None, guests[0]["user_id"], 210) == {"NOT_AUTHENTICATED": 200, "TOO_MANY_REQUESTS": 10}
    world.clock.move(0.1)
    assert await ask(guests[0]["token"], guests[0]["user_id"], 6) == {"ok": 5, "TOO_MANY_REQUESTS": 1}


@on_sqlite
async def test_a_batch_is_as_many_calls_as_it_holds(world: Game) -> None:
    guest = (await post(world.app, "/v1/sessions/guest_session", {})).body
    batch = [{"command": "users.set_timezone", "arguments": {"user": guest["user_id"], "timezone": "UTC"}}] * 80

    codes = [(await post(world.app, "/v1/batch", batch, token=guest["token"])).code for _ in range(3)]

    assert codes == ["ok", "ok", "TOO_MANY_REQUESTS"]


@on_sqlite
async def test_abuse_100_the_metrics_count_refusals_by_class_alone(world: Game) -> None:
    for number in range(15):
        await login(world.app, address=elsewhere(number))
    for number in range(201):
        await post(world.app, "/v1/sessions/list_sessions", {"user": f"user {number}"}, address=AWAY)
    text = (await post(world.app, "/metrics", None, method="GET")).body.decode()

    counted = [line for line in text.splitlines() if line.startswith("gamekeeper_rate_limited_total")]
    expected = {"login": 5, "guests": 0, "sign_in": 0, "refresh": 0, "general": 1}
    assert counted == [f'gamekeeper_rate_limited_total{{class="{name}"}} {count}.0' for name, count in expected.items()]
    assert NAME not in text
    assert AWAY not in text


# Proxies


@asynccontextmanager
async def serving(url: str, **words: Any) -> AsyncIterator[Server]:
    """A server on a port of loopback."""
    started = asyncio.Event()
    settings = settings_from({"url": url, "port": 0, **words})
    server = make_server(settings, create=True, log_level="warning", on_start=lambda _keep, _address: started.set())
    running = asyncio.create_task(server.serve())
    await started.wait()
    yield server
    server.should_exit = True
    await running


async def forwarded(server: Server, *hops: str, times: int = 1) -> list[int]:
    """Make guests through a proxy that says this."""
    async with AsyncClient(base_url=server.address) as http:
        headers = [("x-forwarded-for", one) for one in hops]
        return [(await http.post("/v1/sessions/guest_session", json={}, headers=headers)).status_code for _ in range(times)]


@on_sqlite
async def test_abuse_80_nobody_but_a_trusted_proxy_says_where_a_request_came_from(database_url: str) -> None:
    async with serving(database_url, guests_per_address=3) as server:
        assert [await forwarded(server, elsewhere(n)) for n in range(5)] == [[200]] * 3 + [[429]] * 2


@on_sqlite
async def test_abuse_80_what_stands_left_of_the_last_stranger_is_not_believed(database_url: str) -> None:
    async with serving(database_url, guests_per_address=3, trusted_proxies=["127.0.0.0/8", "10.9.0.0/16"]) as server:
        spoofed = [await forwarded(server, f"{elsewhere(n)}, {AWAY}") for n in range(4)]
        in_two = [await forwarded(server, elsewhere(n), f"{HOME}, 10.9.1.1") for n in range(4)]
        trusted = [await forwarded(server, "198.51.100.1, 10.9.3.3", "10.9.200.7", times=4)]
        nonsense = [await forwarded(server, one) for one in ("unknown", "'; --", "a" * 3000, "::ffff:nobody", "127.0.0.1", ",,,")]

    assert spoofed == in_two == [[200], [200], [200], [429]]
    assert trusted == [[200, 200, 200, 429]]
    assert {status for one in nonsense for status in one} <= {200, 429}
    assert nonsense[3] == [429], "what is no address is one and the same"


@pytest.mark.parametrize("given", ["*", "localhost", "10.0.0.0/99", ""])
def test_a_proxy_is_a_network_or_an_address(given: str) -> None:
    settings = settings_from({"url": "sqlite:///none.db", "trusted_proxies": [given]})
    with pytest.raises(InvalidArgument):
        make_server(settings)


def test_the_settings_hide_where_redis_is_from_modules() -> None:
    hidden = settings_from({"redis_url": "redis://:password@redis.example"}).without_secrets()
    assert hidden.redis_url is None


# What an operator sets


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("guesses_per_address", 0),
        ("guests_per_address", -1),
        ("sign_ins_per_address", "many"),
        ("refresh_failures_per_address", 1.5),
        ("max_requests", 10**9),
        ("request_seconds", "nan"),
        ("checkpoint_seconds", float("inf")),
        ("keep_alive_seconds", None),
        ("guesses_per_adress", 5),
    ],
)
def test_a_setting_that_is_nonsense_is_named(name: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument) as refused:
        settings_from({name: value})
    assert (refused.value.path, refused.value.code) == (f"/{name}", "INVALID_ARGUMENT")
    assert refused.value.problem
    if isinstance(value, str):
        with pytest.raises(InvalidArgument, match=f"/{name}"):
            load_settings(tmp_path / "none.toml", environment={f"GAMEKEEPER_{name.upper()}": value})


@on_sqlite
async def test_the_bounds_that_an_operator_sets_hold(database_url: str) -> None:
    async with opened(database_url, max_requests=1, guests_per_address=1) as world:
        answers = await asyncio.gather(*(post(world.app, "/v1/sessions/guest_session", {}, address=elsewhere(n)) for n in range(5)))
        assert Counter(one.code for one in answers) == {"ok": 1, "BUSY": 4}
        first = (
            (await post(world.app, "/v1/sessions/guest_session", {})).code,
            (await post(world.app, "/v1/sessions/guest_session", {})).code,
        )
        assert first == ("ok", "TOO_MANY_REQUESTS")
