"""Whatever is not a success is a problem, and tells nothing of our insides."""

import asyncio
import json
import logging
import re
from typing import Any

import pytest
from httpx2 import ASGITransport, AsyncClient, Response

from gamekeeper.errors import GameError, Kind, StoreUnavailable, VersionConflict
from gamekeeper.keep import Keep
from gamekeeper.kernel.ids import new_id
from gamekeeper.kernel.reading import StoreReader
from gamekeeper.modules.stores import PriceChanged
from gamekeeper.server import Limits, make_app, problem, status_of
from tests.server.conftest import ORIGIN, Caller

REQUIRED = {"type", "title", "status", "detail", "instance", "code", "retryable"}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One database will do: nothing here depends on which."""
    return sqlite_url


def check(answer: Response, status: int, code: str) -> dict[str, Any]:
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told["status"], told["code"]) == (status, status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert told.keys() >= REQUIRED
    assert told["type"] == "/problems/" + code.lower().replace("_", "-")
    assert told["instance"] == answer.headers["x-request-id"]
    return told


def every(kind: type[GameError]) -> list[type[GameError]]:
    return [kind, *(one for child in kind.__subclasses__() for one in every(child))]


def test_every_error_is_a_problem_with_a_fitting_status() -> None:
    for kind in every(GameError):
        if kind.__init__ is not GameError.__init__:
            continue
        status, headers, body = problem(kind(allowed=[]), "id")
        assert status == status_of(kind())
        assert 400 <= status <= 599
        assert dict(headers)[b"content-type"] == b"application/problem+json"
        assert f'"code":"{kind.code}"'.encode() in body
        assert (b"retry-after" in dict(headers)) == (kind.kind in (Kind.BUSY, Kind.TOO_OFTEN, Kind.UNAVAILABLE))


def test_a_fact_hides_no_member_and_a_strange_one_is_left_out() -> None:
    body = problem(GameError(status=1, code="x", strange=object(), fine=[1]), "id")[2]

    assert b'"status":409' in body
    assert b'"code":"GAME_ERROR"' in body
    assert b'"fine":[1]' in body
    assert b"strange" not in body


async def test_the_type_of_a_problem_is_an_address_that_explains_it(anyone: Caller) -> None:
    told = (await anyone.http.get("/problems/name-taken")).json()

    assert told == {"type": "/problems/name-taken", "title": "The name belongs to someone else.", "code": "NAME_TAKEN", "kind": "refused"}
    check(await anyone.http.get("/problems/none-such"), 404, "ROUTE_NOT_FOUND")


def test_a_price_is_no_version() -> None:
    """Whatever error has a fact `current`: only of a version is it one."""
    changed, behind = (
        json.loads(problem(error, "id")[2]) for error in (PriceChanged(expected=1, current=6), VersionConflict(expected=1, current=6))
    )

    assert (changed["current"], "current_version" in changed, behind["current_version"]) == (6, False, 6)


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/", "/v1/guilds", "/v1/guilds/none", "/v1/guilds/vault/", "/v2/guilds/vault", "/studio", "//v1/guilds/echo"]
)
async def test_what_is_not_there_is_a_problem(anyone: Caller, path: str) -> None:
    check(await anyone.http.get(ORIGIN + path), 404, "ROUTE_NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/guilds/save", "POST"),
        ("PUT", "/v1/guilds/save", "POST"),
        ("OPTIONS", "/v1/guilds/echo", "GET, HEAD, POST"),
        ("DELETE", "/v1/guilds/echo", "GET, HEAD, POST"),
        ("GET", "/v1/batch", "POST"),
        ("POST", "/livez", "GET, HEAD"),
        ("POST", "/v1/openapi.json", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(anyone: Caller, method: str, path: str, allow: str) -> None:
    answer = await anyone.http.request(method, path)

    check(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == allow
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {"content-type": "application/jsonp"},
    ],
)
async def test_a_body_that_is_not_json_is_refused(anyone: Caller, headers: dict[str, str]) -> None:
    check(await anyone.http.post("/v1/guilds/echo", content=b"{}", headers=headers), 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"'])
async def test_json_may_say_that_it_is_utf_8(anyone: Caller, kind: str) -> None:
    assert (await anyone.http.post("/v1/guilds/echo", content=b"{}", headers={"content-type": kind})).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "INVALID_JSON"),
        (b"{", 400, "INVALID_JSON"),
        (b"\xff", 400, "INVALID_JSON"),
        (b'{"times": NaN}', 422, "INVALID_JSON"),
        (b'{"times": 1, "times": 2}', 422, "INVALID_JSON"),
        (b'{"words": ["\\u0000"]}', 422, "INVALID_JSON"),
        (b'{"words": ["\\ud800"]}', 422, "INVALID_JSON"),
        (b'{"times": 99999999999999999999}', 422, "INVALID_JSON"),
        (b"[" * 100_000, 422, "INVALID_JSON"),
        (b"[]", 422, "INVALID_ARGUMENT"),
        (b"null", 422, "INVALID_ARGUMENT"),
        (b'{"self": 1}', 422, "INVALID_ARGUMENT"),
        (b'{"read": 1}', 422, "INVALID_ARGUMENT"),
        (b'{"words": "a"}', 422, "INVALID_ARGUMENT"),
    ],
)
async def test_a_bad_document_is_named(anyone: Caller, body: bytes, status: int, code: str) -> None:
    answer = await anyone.http.post("/v1/guilds/echo", content=body, headers={"content-type": "application/json"})

    told = check(answer, status, code)
    assert all(one.keys() == {"pointer", "message"} for one in told["errors"])


async def test_what_nobody_planned_is_an_id_for_the_caller_and_a_place_for_the_log(
    server: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = await server.do("guilds.explode", {"word": "hush-hush"}, x_request_id="my-request.1")

    told = check(answer, 500, "INTERNAL_ERROR")
    assert told["instance"] == "my-request.1"
    assert "hush" not in answer.text
    assert "canary" not in answer.text
    assert "RuntimeError" not in answer.text
    assert "my-request.1" in caplog.text
    assert "RuntimeError" in caplog.text
    assert "explode" in caplog.text
    assert "hush-hush" not in caplog.text
    assert (server.token or "?") not in caplog.text


async def test_a_database_that_is_away_is_not_described(anyone: Caller, ada: Caller, monkeypatch: pytest.MonkeyPatch, guild: str) -> None:
    async def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable(problem="could not connect to 10.0.0.7:5432 as keeper")

    monkeypatch.setattr(StoreReader, "_fetch", away)
    answer = await ada.ask("guilds.motto")

    told = check(answer, 503, "STORE_UNAVAILABLE")
    assert (answer.headers["retry-after"], told["retry_after_ms"], told["retryable"]) == ("1", 1000, True)
    assert "10.0.0.7" not in answer.text


@pytest.mark.parametrize("given", ["a b", "x" * 65, "<script>", "\u00e9", ""])
async def test_a_request_id_that_is_no_id_is_replaced(anyone: Caller, given: str) -> None:
    headers: list[tuple[str, Any]] = [("x-request-id", given.encode())]
    answer = await anyone.http.get("/v1/guilds/echo", headers=headers)

    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 36


@pytest.mark.parametrize("name", ["authorization", "idempotency-key", "if-match", "content-type", "x-reason"])
async def test_a_header_that_means_something_stands_once(anyone: Caller, name: str) -> None:
    check(await anyone.http.get("/v1/guilds/echo", headers=[(name, "a"), (name, "a")]), 400, "MALFORMED_REQUEST")


# Limits


def limited(keep: Keep, **words: Any) -> AsyncClient:
    return AsyncClient(transport=ASGITransport(make_app(keep, limits=Limits(**words))), base_url=ORIGIN)


async def test_a_body_is_read_up_to_its_limit_whatever_was_promised(keep: Keep) -> None:
    async def chunks() -> Any:
        for _ in range(5):
            yield b" " * 300

    async with limited(keep, max_body_bytes=1000) as http:
        for content, headers in [(b" " * 1001, {}), (chunks(), {}), (chunks(), {"content-length": "10"})]:
            answer = await http.post("/v1/guilds/echo", content=content, headers={"content-type": "application/json", **headers})
            check(answer, 413, "BODY_TOO_LARGE")
            assert answer.headers["connection"] == "close"
        fits = await http.post("/v1/guilds/echo", content=b"{}" + b" " * 998, headers={"content-type": "application/json"})
        assert fits.status_code == 200


async def test_all_bodies_together_have_a_limit(keep: Keep) -> None:
    async def halves(free: asyncio.Event) -> Any:
        yield b" " * 800
        await free.wait()
        yield b"{}"

    free = asyncio.Event()
    kind = {"content-type": "application/json"}
    async with limited(keep, max_buffered_bytes=1000) as http:
        first = asyncio.create_task(http.post("/v1/guilds/echo", content=halves(free), headers=kind))
        await asyncio.sleep(0.05)
        told = check(await http.post("/v1/guilds/echo", content=halves(free), headers=kind), 503, "BUSY")
        assert told["retryable"] is True
        free.set()
        assert (await first).status_code == 200
        assert (await http.post("/v1/guilds/echo", content=halves(free), headers=kind)).status_code == 200


async def test_headers_and_query_strings_have_limits(keep: Keep) -> None:
    async with limited(keep, max_headers=20, max_header_bytes=2000, max_query_bytes=100, max_parameters=5) as http:
        check(await http.get("/v1/guilds/echo", headers={f"x-{n}": "1" for n in range(30)}), 431, "HEADERS_TOO_LARGE")
        check(await http.get("/v1/guilds/echo", headers={"x-long": "1" * 3000}), 431, "HEADERS_TOO_LARGE")
        check(await http.get("/v1/guilds/echo?words=" + "a" * 100), 414, "QUERY_TOO_LONG")
        check(await http.get("/v1/guilds/echo?" + "words=a&" * 5), 414, "QUERY_TOO_LONG")


async def test_too_many_requests_at_once_are_told_to_come_back(keep: Keep, monkeypatch: pytest.MonkeyPatch, ada: Caller) -> None:
    gate = asyncio.Event()
    original = StoreReader._fetch

    async def slow(self: StoreReader, *arguments: Any) -> Any:
        await gate.wait()
        return await original(self, *arguments)

    monkeypatch.setattr(StoreReader, "_fetch", slow)
    async with limited(keep, max_concurrent=2) as http:
        waiting = [asyncio.create_task(http.get("/v1/guilds/motto", headers=ada.headers())) for _ in range(2)]
        await asyncio.sleep(0.05)
        answer = await http.get("/v1/guilds/motto", headers=ada.headers())
        check(answer, 503, "BUSY")
        assert int(answer.headers["retry-after"]) >= 1
        assert (await http.get("/livez")).status_code == 200
        gate.set()
        assert [(await one).status_code for one in waiting] == [200, 200]
        assert (await http.get("/v1/guilds/motto", headers=ada.headers())).status_code == 200


async def test_a_request_has_a_deadline_and_its_key_tells_what_became_of_it(
    keep: Keep, monkeypatch: pytest.MonkeyPatch, ada: Caller, guild: str
) -> None:
    key, gate = new_id(), asyncio.Event()
    original = keep.tell

    async def slow(*calls: Any, **words: Any) -> Any:
        done = asyncio.ensure_future(original(*calls, **words))
        await gate.wait()
        return await done

    monkeypatch.setattr(keep, "tell", slow)
    async with limited(keep, deadline_seconds=0.2) as http:
        body = {"guild": guild, "coins": 5}
        told = check(await http.post("/v1/guilds/save", json=body, headers=ada.headers(idempotency_key=key)), 503, "TIMED_OUT")
        assert told["retryable"] is True
        gate.set()
        again = await http.post("/v1/guilds/save", json=body, headers=ada.headers(idempotency_key=key))
        assert (again.status_code, again.json()) == (200, {"coins": 5})


async def test_a_slow_body_runs_into_the_deadline(keep: Keep) -> None:
    async def drip() -> Any:
        while True:
            yield b" "
            await asyncio.sleep(0.02)

    async with limited(keep, deadline_seconds=0.2) as http:
        answer = await http.post("/v1/guilds/echo", content=drip(), headers={"content-type": "application/json"})
        check(answer, 503, "TIMED_OUT")


async def test_a_client_that_does_not_read_holds_no_place(keep: Keep) -> None:
    """A place among the concurrent requests is free again when the deadline has passed."""
    app = make_app(keep, limits=Limits(deadline_seconds=0.1, max_concurrent=1))

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def never(_message: Any) -> None:
        await asyncio.Event().wait()

    scope = {"type": "http", "method": "GET", "path": "/v1/guilds/echo", "query_string": b"", "headers": [], "client": ("127.0.0.1", 1)}
    await asyncio.wait_for(app(dict(scope), receive, never), 5)
    async with AsyncClient(transport=ASGITransport(app), base_url=ORIGIN) as http:
        assert (await http.get("/v1/guilds/echo")).status_code == 200


async def test_a_client_that_hangs_up_is_no_error(keep: Keep, caplog: pytest.LogCaptureFixture) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/guilds/echo", "query_string": b"", "headers": headers, "client": None}
    await make_app(keep)(scope, receive, send)

    assert sent == []
    assert caplog.text == ""


# Health


async def test_health_is_told(keep: Keep, anyone: Caller) -> None:
    assert (await anyone.http.get("/livez")).json() == {"status": "ok"}
    assert (await anyone.http.get("/readyz")).json() == {"status": "ok"}


async def test_readiness_ends_with_the_database(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(StoreReader, "root", hang)
    async with limited(keep, ready_seconds=0.1) as http:
        check(await http.get("/readyz"), 503, "NOT_READY")
        assert (await http.get("/livez")).status_code == 200


async def test_metrics_count_by_operation_and_result_and_by_nothing_else(keep: Keep, ada: Caller, guild: str) -> None:
    await ada.do("guilds.spend", {"guild": guild, "coins": 5})
    await ada.ask("guilds.vault", {"guild": guild})
    for number in range(20):
        await ada.http.get(f"/v1/scan/{number}")
    text = (await ada.http.get("/metrics")).text

    assert 'gamekeeper_http_requests_total{operation="guilds.spend",result="refused"} 1.0' in text
    assert 'gamekeeper_http_requests_total{operation="guilds.vault",result="ok"} 1.0' in text
    assert 'gamekeeper_http_requests_total{operation="other",result="not_found"} 20.0' in text
    assert "gamekeeper_engine_commands_total" in text
    assert re.findall(r'gamekeeper_recall_tables_total\{level="(\w+)",result="(\w+)"\} [0-9.]+', text) == [
        ("memory", result) for result in ("hit", "miss", "refused")
    ]
    assert 'gamekeeper_http_request_seconds_bucket{le="+Inf"}' in text
    assert guild not in text
    assert ada.user not in text


async def test_metrics_can_be_closed(keep: Keep, server: Caller, ada: Caller) -> None:
    transport = ASGITransport(make_app(keep, open_metrics=False))
    async with AsyncClient(transport=transport, base_url=ORIGIN) as http:
        answers = [await http.get("/metrics", headers=headers) for headers in ({}, ada.headers(), server.headers())]

    assert [one.status_code for one in answers] == [401, 403, 200]
