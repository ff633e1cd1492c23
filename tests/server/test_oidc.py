"""Logging in by OpenID Connect, against an issuer of our own: who gets in, who does not, and what no URL and no log tells."""

import logging
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from httpx2 import ASGITransport, AsyncClient, Response
from joserfc.jwk import RSAKey
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse

import gamekeeper
from gamekeeper.config import load_settings
from gamekeeper.errors import InvalidArgument, SecretKeyNeeded
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.modules import accounts, sessions, users
from gamekeeper.server import issuers, make_app
from tests.server.issuer import CLIENT, SECRET, LocalIssuer, signed_by_hand, unsigned

KEY = "a secret of the keep that is long enough"
HERE = "http://127.0.0.1:8420"
APP = "mygame://login"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
STATE = "gamekeeper-login"
REDEEM = "gamekeeper-redeem"


class Browser:
    """A browser in front of the server: it keeps cookies, and every address that it was sent to."""

    def __init__(self, http: AsyncClient) -> None:
        self.http = http
        self.seen: list[str] = []

    async def get(self, url: str, **headers: str) -> Response:
        """Go somewhere."""
        self.seen.append(url)
        answer = await self.http.get(url, headers=headers)
        if "location" in answer.headers:
            self.seen.append(answer.headers["location"])
        return answer

    async def start(self, provider: str = "local", headers: dict[str, str] | None = None, **query: str) -> Response:
        """Begin."""
        return await self.http.get(f"/v1/oidc/{provider}/start", params=query, headers=headers)

    async def there(self, provider: str = "local", headers: dict[str, str] | None = None, **query: str) -> str:
        """Begin, say yes at the issuer, and give the address to which it sends the browser back."""
        began = await self.start(provider, headers, **query)
        assert began.status_code == 302, began.text
        return await back_from(began.headers["location"])

    async def login(self, headers: dict[str, str] | None = None, **query: str) -> Response:
        """Go all the way."""
        return await self.get(await self.there(headers=headers, **query))


async def back_from(url: str) -> str:
    """Where the issuer sends whoever comes to an address."""
    async with AsyncClient(trust_env=False, verify=False) as outside:
        answer = await outside.get(url)
    assert answer.status_code == 302, answer.text
    return str(answer.headers["location"])


def query_of(url: str) -> dict[str, str]:
    """The query string of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@pytest.fixture(scope="module")
def running() -> Iterator[LocalIssuer]:
    """The issuer."""
    with LocalIssuer() as issuer:
        yield issuer


@pytest.fixture
def issuer(running: LocalIssuer, clock: ManualClock) -> LocalIssuer:
    """The issuer, honest, in the time of the test."""
    running.reset()
    running.now = lambda: clock.now_ms() / 1000
    return running


def provider(issuer: LocalIssuer, **words: Any) -> dict[str, Any]:
    """What an operator would write of it."""
    return {"id": "local", "issuer": issuer.url, "client_id": CLIENT, "client_secret": SECRET} | words


@asynccontextmanager
async def opened(url: str, issuer: LocalIssuer, clock: ManualClock, **words: Any) -> AsyncIterator[Keep]:
    """A keep that knows the issuer, under two names."""
    settings: dict[str, Any] = {
        "secret_key": KEY,
        "public_url": HERE,
        "oidc_providers": [provider(issuer), provider(issuer, id="other")],
        "oidc_return_to": [APP],
        "allow_unsafe_postgres": True,
    }
    async with gamekeeper.open(url, create=True, clock=clock, **(settings | words)) as keep:
        yield keep


@pytest.fixture
async def keep(sqlite_url: str, issuer: LocalIssuer, clock: ManualClock) -> AsyncIterator[Keep]:
    """A keep on SQLite: what is tested here happens before the database."""
    async with opened(sqlite_url, issuer, clock) as keep:
        yield keep


@asynccontextmanager
async def browsing(keep: Keep) -> AsyncIterator[Browser]:
    """A browser of its own."""
    async with AsyncClient(transport=ASGITransport(make_app(keep)), base_url=keep.settings.public_url or HERE) as http:
        yield Browser(http)


@pytest.fixture
async def browser(keep: Keep) -> AsyncIterator[Browser]:
    """A browser."""
    async with browsing(keep) as one:
        yield one


async def ada(keep: Keep) -> tuple[str, dict[str, str]]:
    """Somebody who is logged in by another provider, and their headers."""
    opened = await keep.do(accounts.sign_in(provider="steam", subject="76561"))
    return opened.user_id, {"authorization": f"Bearer {opened.token}"}


async def nobody(keep: Keep) -> bool:
    """Whether there is no user."""
    return (await keep.ask(users.list_users())).items == []


def code_of(answer: Response) -> str:
    """The code of a problem."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return str(answer.json()["code"])


# Who gets in


async def test_a_new_user_and_then_a_known_one_get_a_session(database_url: str, issuer: LocalIssuer, clock: ManualClock) -> None:
    issuer.claims = {"name": "Ada Reed", "email": "ada@example.com", "email_verified": True, "picture": "https://example.com/a.png"}
    async with opened(database_url, issuer, clock) as keep, browsing(keep) as browser, browsing(keep) as another:
        first = await browser.login(client_type="web", long_lived="true")
        second = await another.login()

        assert (first.status_code, second.status_code) == (200, 200), first.text
        assert first.headers["cache-control"] == "no-store"
        assert (first.json()["is_new"], second.json()["is_new"]) == (True, False)
        assert first.json()["user_id"] == second.json()["user_id"]
        assert (first.json()["refresh_token"][:4], second.json()["refresh_token"]) == ("gkr_", None)
        session = await keep.ask(sessions.by_token(token=first.json()["token"]))
        assert session is not None
        assert (session.user_id, session.client_type) == (first.json()["user_id"], "web")
        shown = await keep.ask(users.show(user=session.user_id))
        assert (shown.name, shown.email_verified, shown.account_origin) == ("Ada Reed", True, "local")
        assert not [url for url in [*browser.seen, *another.seen] if first.json()["token"] in url or second.json()["token"] in url]


async def test_a_page_gets_the_address_as_json_and_a_code_that_only_its_browser_redeems(
    database_url: str, issuer: LocalIssuer, clock: ManualClock
) -> None:
    async with opened(database_url, issuer, clock) as keep, browsing(keep) as browser, browsing(keep) as thief:
        began = await browser.http.post("/v1/oidc/local/start", json={"return_to": "/play?tab=1"})
        returned = await browser.get(await back_from(began.json()["url"]))

        assert returned.status_code == 302
        place = returned.headers["location"]
        assert place.startswith("/play?tab=1&code=gkc_")
        code = query_of(place)["code"]
        stolen = await thief.http.post("/v1/oidc/redeem", json={"code": code})
        assert (stolen.status_code, code_of(stolen)) == (401, "SIGN_IN_CODE_INVALID")

        redeemed = await browser.http.post("/v1/oidc/redeem", json={"code": code, "client_type": "web"})

        assert redeemed.status_code == 200, redeemed.text
        assert await keep.ask(sessions.by_token(token=redeemed.json()["token"])) is not None
        again = await browser.http.post("/v1/oidc/redeem", json={"code": code})
        assert code_of(again) == "SIGN_IN_CODE_INVALID"
        assert not [url for url in browser.seen if "gks_" in url]
        assert browser.http.cookies.get(REDEEM) is None


async def test_an_app_gets_its_code_at_an_allowed_address_and_redeems_it_by_its_verifier(keep: Keep, browser: Browser) -> None:
    refused = await browser.start(return_to=APP)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/challenge")
    returned = await browser.login(return_to=APP, challenge=accounts.challenge_of(VERIFIER))

    code = query_of(returned.headers["location"])["code"]
    assert returned.headers["location"].startswith(f"{APP}?code=")
    assert REDEEM not in str(returned.headers.get_list("set-cookie"))
    async with browsing(keep) as app:
        wrong = await app.http.post("/v1/oidc/redeem", json={"code": code, "verifier": "guess"})
        right = await app.http.post("/v1/oidc/redeem", json={"code": code, "verifier": VERIFIER, "long_lived": True})
        refreshed = await app.http.post("/v1/sessions/refresh", json={"refresh_token": right.json()["refresh_token"]})
    assert (code_of(wrong), right.status_code, refreshed.status_code) == ("SIGN_IN_CODE_INVALID", 200, 200)


async def test_odd_cookies_of_others_are_in_nobodys_way(browser: Browser) -> None:
    browser.http.cookies.set("their", '{"a": "b c", d}')

    assert (await browser.login()).status_code == 200


async def test_a_redeemed_code_answers_a_retry_with_the_same_key_alike(browser: Browser) -> None:
    returned = await browser.login(return_to="/", challenge=accounts.challenge_of(VERIFIER))
    body = {"code": query_of(returned.headers["location"])["code"], "verifier": VERIFIER}
    headers = {"idempotency-key": "a-key-that-is-long-enough"}

    first, second = [await browser.http.post("/v1/oidc/redeem", json=body, headers=headers) for _ in range(2)]

    assert first.status_code == 200
    assert first.json() == second.json()


async def test_a_logged_in_player_is_linked_and_gets_in_by_it_afterwards(
    database_url: str, issuer: LocalIssuer, clock: ManualClock
) -> None:
    async with opened(database_url, issuer, clock) as keep, browsing(keep) as browser:
        user, headers = await ada(keep)
        linked = await browser.get(await browser.there(headers=headers))
        assert linked.status_code == 200, linked.text
        assert [one.provider for one in await keep.ask(accounts.list_accounts(user=user))] == ["local", "steam"]

        assert (await browser.login()).json()["user_id"] == user
        again = await browser.get(await browser.there(headers=headers))
        other = (await keep.do(accounts.sign_in(provider="steam", subject="2"))).token
        taken = await browser.get(await browser.there(headers={"authorization": f"Bearer {other}"}, return_to="/settings"))

        assert (again.status_code, code_of(again)) == (409, "ACCOUNT_ALREADY_LINKED")
        assert taken.headers["location"] == "/settings?error=ACCOUNT_TAKEN"
        issuer.subject = "another"
        new = await browser.get(await browser.there(headers=headers, return_to="/settings"))
        assert new.headers["location"] == "/settings?linked=local"


async def test_whoever_logged_out_meanwhile_is_linked_to_nothing(keep: Keep, browser: Browser) -> None:
    user, headers = await ada(keep)
    back = await browser.there(headers=headers)
    await keep.do(sessions.revoke_all(user=user))

    answer = await browser.get(back)

    assert code_of(answer) == "SESSION_NOT_FOUND"
    (kept,) = await keep.ask(accounts.list_accounts(user=user))
    assert kept.provider == "steam"


async def test_a_guest_and_a_program_do_not_link(keep: Keep, browser: Browser) -> None:
    guest = await keep.do(sessions.guest_session())
    answer = await browser.get(await browser.there(headers={"authorization": f"Bearer {guest.token}"}))
    assert (answer.status_code, code_of(answer)) == (409, "GUEST_CANNOT_LINK")

    made = await keep.do(sessions.create_key(user=guest.user_id, name="a server", scopes=["*"]))
    assert (await browser.start(headers={"authorization": f"Bearer {made.key}"})).status_code == 403
    assert (await browser.start(headers={"authorization": "Bearer gks_wrong"})).status_code == 401


# What is not believed


def later(seconds: int) -> Callable[[int], int]:
    """A time of the issuer's clock."""
    return lambda now: now + seconds


BAD_CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({"nonce": "another"}, "nonce"),
    ({"nonce": None}, "nonce"),
    ({"aud": "another game"}, "aud"),
    ({"aud": ["another game"], "azp": CLIENT}, "aud"),
    ({"aud": None}, "aud"),
    ({"aud": [CLIENT, "another game"]}, "azp"),
    ({"azp": "another game"}, "azp"),
    ({"iss": "https://evil.example"}, "iss"),
    ({"iss": None}, "iss"),
    ({"exp": later(-61)}, "exp"),
    ({"exp": None}, "exp"),
    ({"exp": "tomorrow"}, "exp"),
    ({"iat": later(61)}, "iat"),
    ({"iat": later(-601)}, "iat"),
    ({"iat": None}, "iat"),
    ({"nbf": later(61)}, "nbf"),
    ({"sub": None}, "sub"),
    ({"sub": ""}, "sub"),
    ({"sub": 7}, "sub"),
    ({"sub": "x" * 256}, "sub"),
]


async def test_a_token_with_wrong_claims_lets_nobody_in(keep: Keep, browser: Browser, issuer: LocalIssuer) -> None:
    for claims, problem in BAD_CLAIMS:
        issuer.claims = claims
        answer = await browser.login()
        assert (claims, answer.status_code, code_of(answer), answer.json()["problem"]) == (claims, 401, "ID_TOKEN_INVALID", problem)

    assert await nobody(keep)


async def test_a_clock_that_is_a_little_off_and_a_list_of_audiences_are_fine(browser: Browser, issuer: LocalIssuer) -> None:
    for claims in ({"exp": later(-59)}, {"iat": later(59)}, {"aud": [CLIENT]}, {"aud": [CLIENT, "x"], "azp": CLIENT}):
        issuer.claims = claims
        assert (claims, (await browser.login()).status_code) == (claims, 200)


def signed_by_other(issuer: LocalIssuer) -> None:
    """The right key's name, another key."""
    issuer.signing = issuer.other_key


def signed_by_nobody(issuer: LocalIssuer) -> None:
    """The algorithm `none`."""
    issuer.sign = unsigned


def signed_by_public_key(issuer: LocalIssuer) -> None:
    """An HMAC with what everybody knows."""
    issuer.sign = lambda header, claims: signed_by_hand(header, claims, issuer.key.as_pem(private=False))


def signed_by_client_secret(issuer: LocalIssuer) -> None:
    """An HMAC with what the game knows too."""
    issuer.sign = lambda header, claims: signed_by_hand(header, claims, SECRET.encode())


def with_its_own_key(issuer: LocalIssuer) -> None:
    """A token that brings the key to check it with."""
    issuer.signing = issuer.other_key
    issuer.header = {"alg": "RS256", "jwk": {**issuer.other_key.as_dict(private=False), "kid": "second"}, "kid": "second"}


def no_token(issuer: LocalIssuer) -> None:
    """Some text."""
    issuer.sign = lambda *_: "a.b.c"


@pytest.mark.parametrize(
    ("lie", "problem"),
    [
        (signed_by_other, "signature"),
        (signed_by_nobody, "token"),
        (signed_by_public_key, "token"),
        (signed_by_client_secret, "token"),
        (with_its_own_key, "token"),
        (no_token, "token"),
    ],
)
async def test_a_token_that_the_issuer_did_not_sign_lets_nobody_in(
    keep: Keep, browser: Browser, issuer: LocalIssuer, lie: Callable[[LocalIssuer], None], problem: str
) -> None:
    lie(issuer)

    answer = await browser.login()

    assert (answer.status_code, code_of(answer), answer.json()["problem"]) == (401, "ID_TOKEN_INVALID", problem)
    assert await nobody(keep)


# State


async def test_a_login_that_another_browser_began_does_not_end_here(keep: Keep, browser: Browser) -> None:
    back = await browser.there()
    async with browsing(keep) as victim:
        assert code_of(await victim.get(back)) == "SIGN_IN_STATE_INVALID"
        await victim.start()
        assert code_of(await victim.get(back)) == "SIGN_IN_STATE_INVALID"
    assert await nobody(keep)


async def test_a_state_is_good_once(browser: Browser, keep: Keep) -> None:
    back = await browser.there()
    cookie = browser.http.cookies[STATE]
    assert (await browser.get(back)).status_code == 200

    assert code_of(await browser.get(back)) == "SIGN_IN_STATE_INVALID"
    browser.http.cookies.set(STATE, cookie)
    replayed = await browser.get(back)

    # Whoever kept the cookie comes with a code that the issuer has seen.
    assert (replayed.status_code, code_of(replayed), replayed.json()["problem"]) == (403, "PROVIDER_REFUSED", "invalid_grant")
    assert len((await keep.ask(users.list_users())).items) == 1


async def test_a_failed_login_ends_its_state_too(browser: Browser, issuer: LocalIssuer) -> None:
    issuer.claims = {"nonce": "another"}
    back = await browser.there()

    assert code_of(await browser.get(back)) == "ID_TOKEN_INVALID"
    assert code_of(await browser.get(back)) == "SIGN_IN_STATE_INVALID"


async def test_a_state_is_for_its_provider_and_ten_minutes_and_unchanged(keep: Keep, browser: Browser, clock: ManualClock) -> None:
    back = await browser.there()
    assert code_of(await browser.get(back.replace("/local/", "/other/"))) == "SIGN_IN_STATE_INVALID"

    back = await browser.there()
    cookie = browser.http.cookies[STATE]
    changed = cookie[:40] + ("A" if cookie[40] != "A" else "B") + cookie[41:]
    for bad in (changed, "", "x", cookie.partition(":")[0] + ":", keep.reader.keys.seal("account", "{}")):
        browser.http.cookies.clear()
        browser.http.cookies.set(STATE, bad)
        assert code_of(await browser.get(back)) == "SIGN_IN_STATE_INVALID"

    browser.http.cookies.clear()
    back = await browser.there()
    clock.move(600)
    assert code_of(await browser.get(back)) == "SIGN_IN_STATE_INVALID"
    assert await nobody(keep)


async def test_what_another_issuer_sends_here_is_not_taken_for_this_ones(browser: Browser, issuer: LocalIssuer) -> None:
    back = await browser.there()
    assert code_of(await browser.get(back + "&iss=https://evil.example")) == "SIGN_IN_STATE_INVALID"
    assert (await browser.get(await browser.there() + f"&iss={issuer.url}")).status_code == 200
    assert issuer.hits["/token"] == 1


async def test_a_player_who_says_no_is_told_so(browser: Browser) -> None:
    refused = urlsplit(await browser.there())._replace(query="").geturl()
    state = query_of((await browser.start()).headers["location"])["state"]
    answer = await browser.get(f"{refused}?error=access_denied&state={state}&error_description=%3Cscript%3E")
    assert (answer.status_code, code_of(answer), answer.json()["problem"]) == (403, "PROVIDER_REFUSED", "access_denied")
    assert "script" not in answer.text

    state = query_of((await browser.start(return_to="/play")).headers["location"])["state"]
    answer = await browser.get(f"{refused}?error=access_denied&state={state}")
    assert answer.headers["location"] == "/play?error=PROVIDER_REFUSED"


# Where one is sent


ELSEWHERE = [
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    " //evil.example",
    "javascript:alert(1)",
    "play",
    "http://127.0.0.1:8420@evil.example/",
    "https://evil.example/mygame://login",
    "mygame://login/x",
    "mygame://login?x",
    "/play#token",
    "/\u202eplay",
    "",
    "/" + "x" * 512,
]


async def test_nobody_is_sent_elsewhere(browser: Browser) -> None:
    for place in ELSEWHERE:
        by_post = await browser.http.post("/v1/oidc/local/start", json={"return_to": place})
        for answer in (await browser.start(return_to=place), by_post):
            assert (place, answer.status_code, code_of(answer)) == (place, 422, "INVALID_ARGUMENT")
            assert "set-cookie" not in answer.headers


async def test_other_paths_methods_and_arguments_are_refused(browser: Browser) -> None:
    assert code_of(await browser.start("unknown")) == "ROUTE_NOT_FOUND"
    assert code_of(await browser.get("/v1/oidc/local/token")) == "ROUTE_NOT_FOUND"
    assert code_of(await browser.get("/v1/oidc/redeem")) == "METHOD_NOT_ALLOWED"
    assert code_of(await browser.http.post("/v1/oidc/local/callback", json={})) == "METHOD_NOT_ALLOWED"
    assert code_of(await browser.start(redirect="/")) == "INVALID_ARGUMENT"
    assert code_of(await browser.start(challenge="short")) == "INVALID_ARGUMENT"
    assert code_of(await browser.http.post("/v1/oidc/redeem", json={"code": 7})) == "INVALID_ARGUMENT"
    assert code_of(await browser.http.post("/v1/oidc/redeem", content=b"code=1")) == "UNSUPPORTED_MEDIA_TYPE"


async def test_each_step_of_a_login_has_a_limit_for_a_network(sqlite_url: str, issuer: LocalIssuer, clock: ManualClock) -> None:
    async with opened(sqlite_url, issuer, clock, sign_ins_per_address=3) as keep, browsing(keep) as browser:
        for path in ("local/start", "local/callback"):
            answers = [await browser.http.get(f"/v1/oidc/{path}") for _ in range(4)]
            assert [one.status_code == 429 for one in answers] == [False, False, False, True]
            assert (code_of(answers[-1]), answers[-1].headers["retry-after"]) == ("TOO_MANY_REQUESTS", "1201")
        redeemed = [await browser.http.post("/v1/oidc/redeem", json={"code": "x", "verifier": "y"}) for _ in range(4)]
        assert [code_of(one) for one in redeemed] == ["SIGN_IN_CODE_INVALID"] * 3 + ["TOO_MANY_REQUESTS"]
        assert issuer.hits["/.well-known/openid-configuration"] == 1
        refused = (await browser.http.get("/metrics")).text
        assert 'gamekeeper_rate_limited_total{class="sign_in"} 3.0' in refused
        assert (await browser.http.get("/v1/oidc/unknown/start")).status_code == 404


async def test_the_cookie_of_a_server_on_the_internet_is_its_own(sqlite_url: str, issuer: LocalIssuer, clock: ManualClock) -> None:
    async with opened(sqlite_url, issuer, clock, public_url="https://game.example/api/") as keep, browsing(keep) as browser:
        began = await browser.http.get("https://game.example/v1/oidc/local/start")

    cookie = began.headers["set-cookie"]
    assert cookie.startswith("__Host-gamekeeper-login=")
    assert {"Path=/", "HttpOnly", "SameSite=Lax", "Secure", "Max-Age=600"} <= set(cookie.split("; "))
    assert query_of(began.headers["location"])["redirect_uri"] == "https://game.example/api/v1/oidc/local/callback"
    assert len(cookie) < 4096


# The issuer


async def test_an_issuer_that_is_away_is_a_503_and_is_asked_again_soon(browser: Browser, issuer: LocalIssuer, clock: ManualClock) -> None:
    issuer.answers["/.well-known/openid-configuration"] = PlainTextResponse("down", 502)
    answers = [await browser.start() for _ in range(3)]
    assert {(one.status_code, code_of(one)) for one in answers} == {(503, "PROVIDER_UNAVAILABLE")}
    assert issuer.hits["/.well-known/openid-configuration"] == 1

    issuer.answers.clear()
    clock.move(issuers.RETRY_SECONDS)
    back = await browser.there()
    issuer.answers["/token"] = PlainTextResponse("down", 500)
    assert (await browser.get(back)).status_code == 503
    issuer.answers = {"/jwks": PlainTextResponse("down", 500)}
    assert (await browser.login()).status_code == 503


async def test_an_issuer_that_nobody_listens_for_or_that_hangs_is_a_503(
    tmp_path: Path, issuer: LocalIssuer, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuers, "FETCH_SECONDS", 0.2)
    silent = socket.create_server(("127.0.0.1", 0))
    gone, hanging = (
        provider(issuer, id=name) | {"issuer": f"http://127.0.0.1:{port}"}
        for name, port in (("gone", 9), ("hanging", silent.getsockname()[1]))
    )
    with silent:
        async with (
            opened(f"sqlite:///{tmp_path}/world.db", issuer, clock, oidc_providers=[gone, hanging]) as keep,
            browsing(keep) as browser,
        ):
            for name in ("gone", "hanging"):
                assert code_of(await browser.start(name)) == "PROVIDER_UNAVAILABLE"


async def test_documents_are_kept_for_a_while_and_old_ones_serve_while_the_issuer_is_away(
    browser: Browser, issuer: LocalIssuer, clock: ManualClock
) -> None:
    for _ in range(3):
        assert (await browser.login()).status_code == 200
    assert (issuer.hits["/.well-known/openid-configuration"], issuer.hits["/jwks"]) == (1, 1)

    clock.move(issuers.KEPT_SECONDS)
    issuer.answers = {path: PlainTextResponse("down", 500) for path in ("/.well-known/openid-configuration", "/jwks")}
    assert (await browser.login()).status_code == 200
    clock.move(issuers.STALE_SECONDS)
    assert (await browser.start()).status_code == 503


async def test_new_keys_are_fetched_but_nonsense_makes_us_ask_only_so_often(
    browser: Browser, issuer: LocalIssuer, clock: ManualClock
) -> None:
    assert (await browser.login()).status_code == 200
    new = RSAKey.generate_key(2048, {"kid": "second", "use": "sig"})
    issuer.published, issuer.signing, issuer.header = [issuer.key, new], new, {"alg": "RS256", "kid": "second"}
    assert code_of(await browser.login()) == "ID_TOKEN_INVALID"
    clock.move(issuers.PAUSE_SECONDS)
    assert (await browser.login()).status_code == 200
    assert issuer.hits["/jwks"] == 2

    issuer.header = {"alg": "RS256", "kid": "unheard of"}
    for _ in range(3):
        assert code_of(await browser.login()) == "ID_TOKEN_INVALID"
    assert issuer.hits["/jwks"] == 2


LYING_DOCUMENTS: list[dict[str, Any]] = [
    {"issuer": "https://evil.example"},
    {"token_endpoint": "http://169.254.169.254/latest/meta-data"},
    {"token_endpoint": "https://evil.example/token"},
    {"jwks_uri": "http://127.0.0.1:5432/"},
    {"jwks_uri": "file:///etc/passwd"},
    {"jwks_uri": "https://[broken"},
    {"authorization_endpoint": "javascript:alert(1)"},
    {"authorization_endpoint": "http://evil.example/authorize"},
    {"token_endpoint": 7},
]


async def test_a_discovery_document_sends_the_server_nowhere_else(
    browser: Browser, issuer: LocalIssuer, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    fetch = issuers.Issuer._fetch

    async def spy(self: issuers.Issuer, method: str, url: str, **words: Any) -> tuple[int, bytes]:
        asked.append(url)
        return await fetch(self, method, url, **words)

    monkeypatch.setattr(issuers.Issuer, "_fetch", spy)
    for document in LYING_DOCUMENTS:
        issuer.document = document
        answer = await browser.start()
        assert (document, answer.status_code, code_of(answer)) == (document, 503, "PROVIDER_UNAVAILABLE")
        clock.move(issuers.RETRY_SECONDS)

    assert asked == [issuer.url + issuers.DISCOVERY] * len(LYING_DOCUMENTS)


async def test_a_redirect_is_not_followed_and_a_flood_not_read(browser: Browser, issuer: LocalIssuer, clock: ManualClock) -> None:
    path = "/.well-known/openid-configuration"
    for answer in (RedirectResponse(issuer.url + "/jwks"), PlainTextResponse("x" * (issuers.MAX_ANSWER_BYTES + 1)), JSONResponse([])):
        issuer.answers[path] = answer
        assert (await browser.start()).status_code == 503
        clock.move(issuers.RETRY_SECONDS)
    assert issuer.hits["/jwks"] == 0


async def test_a_wrong_client_secret_is_our_fault_and_not_the_players(tmp_path: Path, issuer: LocalIssuer, clock: ManualClock) -> None:
    wrong = provider(issuer, client_secret="wrong")
    async with opened(f"sqlite:///{tmp_path}/world.db", issuer, clock, oidc_providers=[wrong]) as keep, browsing(keep) as browser:
        assert code_of(await browser.login()) == "PROVIDER_UNAVAILABLE"


# What is kept and told


async def test_tokens_are_kept_only_if_asked_for_and_stand_in_no_log(
    tmp_path: Path, issuer: LocalIssuer, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    kept = provider(issuer, id="kept", keep_tokens=["access_token"])
    providers = [provider(issuer), kept]
    async with opened(f"sqlite:///{tmp_path}/world.db", issuer, clock, oidc_providers=providers) as keep, browsing(keep) as browser:
        told = {}
        for name in ("local", "kept"):
            user = (await browser.get(await browser.there(name))).json()["user_id"]
            (one,) = await keep.ask(accounts.list_accounts(user=user))
            told[name] = await keep.ask(accounts.show_tokens(user=user, provider=name, account_id=one.account_id))
        issuer.signing = issuer.other_key
        assert code_of(await browser.login()) == "ID_TOKEN_INVALID"

    assert (told["local"].access_token, told["local"].refresh_token) == (None, None)
    assert (told["kept"].access_token, told["kept"].refresh_token) == ("access-canary", None)
    assert told["kept"].access_token_expires_at == clock.now_ms() + 3_600_000
    assert "canary" not in caplog.text
    assert issuer.subject not in caplog.text
    assert SECRET not in caplog.text


MISFITS: list[tuple[dict[str, Any], tuple[Any, ...]]] = [
    ({"name": "A\u202eda", "picture": "http://example.com/a.png"}, (None, None, False)),
    ({"name": 7, "picture": {"url": "x"}, "email": ["a"], "email_verified": True}, (None, None, False)),
    ({"name": "x" * 200, "email": "ada@example.com", "email_verified": "true"}, (None, None, False)),
    ({"name": "Ada", "email": "not an address", "email_verified": True}, ("Ada", None, False)),
]


async def test_claims_that_do_not_fit_are_left_out(keep: Keep, browser: Browser, issuer: LocalIssuer) -> None:
    for number, (claims, shown) in enumerate(MISFITS):
        issuer.claims, issuer.subject = claims, f"s{number}"
        user = await keep.ask(users.show(user=(await browser.login()).json()["user_id"]))
        assert (claims, (user.name, user.image, user.email_verified)) == (claims, shown)


# Settings


async def test_settings_that_cannot_work_are_refused_at_the_start(tmp_path: Path, issuer: LocalIssuer, clock: ManualClock) -> None:
    for words, path in (
        ({"public_url": None}, "/public_url"),
        ({"public_url": "http://game.example"}, "/public_url"),
        ({"public_url": "https://game.example?x=1"}, "/public_url"),
        ({"oidc_providers": [provider(issuer) | {"issuer": "http://issuer.example"}]}, "/oidc_providers/0/issuer"),
        ({"oidc_providers": [provider(issuer), provider(issuer)]}, "/oidc_providers/1/id"),
        ({"oidc_providers": [provider(issuer, id="redeem")]}, "/oidc_providers/0/id"),
        ({"oidc_return_to": ["/play"]}, "/oidc_return_to/0"),
    ):
        async with opened(f"sqlite:///{tmp_path}/world.db", issuer, clock, **words) as keep:
            with pytest.raises(InvalidArgument) as refused:
                make_app(keep)
            assert refused.value.path == path
    async with opened(f"sqlite:///{tmp_path}/keyless.db", issuer, clock, secret_key=None) as keep:
        with pytest.raises(SecretKeyNeeded):
            make_app(keep)


def test_providers_come_from_the_file_and_from_the_environment(tmp_path: Path) -> None:
    one = {"id": "google", "issuer": "https://accounts.google.com", "client_id": "x", "client_secret": "secret-canary"}
    file = tmp_path / "gamekeeper.toml"
    file.write_text("[[oidc_providers]]\n" + "".join(f'{name} = "{value}"\n' for name, value in one.items()), encoding="utf-8")

    from_file = load_settings(file, environment={})
    text = msgspec.json.encode([one]).decode()
    from_environment = load_settings(tmp_path / "none", environment={"GAMEKEEPER_OIDC_PROVIDERS": text})

    assert from_file.oidc_providers == from_environment.oidc_providers
    assert from_file.oidc_providers[0].client_secret == "secret-canary"
    assert "secret-canary" not in repr(from_file)
    assert from_file.without_secrets().oidc_providers == ()
    for bad in ("nonsense", '[{"id": "google"}]', '[{"id": "Google", "issuer": "x", "client_id": "x"}]'):
        with pytest.raises(InvalidArgument) as refused:
            load_settings(tmp_path / "none", environment={"GAMEKEEPER_OIDC_PROVIDERS": bad})
        assert "canary" not in str(refused.value)


def test_only_a_server_with_providers_pays_for_it() -> None:
    code = "import sys, gamekeeper.server, gamekeeper.modules.accounts; print({'joserfc', 'httpx2'} & set(sys.modules))"

    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()

    assert printed == "set()"
