"""The real server on a port: limits on connections, and an end without loss."""

import asyncio
import contextlib
import json
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from httpx2 import AsyncClient, HTTPError

import gamekeeper
from gamekeeper.config import settings_from
from gamekeeper.errors import InvalidArgument, StoreUnavailable
from gamekeeper.kernel.ids import new_id
from gamekeeper.modules import characters, content, npcs, sessions, users
from gamekeeper.server import make_server
from tests.server import game
from tests.server.running import Running

FAST = {"head_seconds": 0.5, "keep_alive_seconds": 1, "graceful_seconds": 5}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for all who only knock, however rudely: after each of them the next one must be served."""
    with Running(f"sqlite:///{tmp_path_factory.mktemp('serving')}/world.db", limits=FAST) as running:
        yield running


def talk(server: Running, sent: bytes, *, wait_seconds: float = 5) -> bytes:
    """Send bytes and read until the server ends the connection."""
    got = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=wait_seconds) as connection:
        connection.sendall(sent)
        while part := connection.recv(65536):
            got += part
    return got


async def test_what_was_answered_is_kept_through_sigterm(database_url: str) -> None:
    """Commands are in flight when the signal comes: each one is answered and kept, or refused, and none is half done."""
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True) as keep:
        user = (await keep.do(users.create_guest())).user_id
        guild = (await keep.do(game.found(user=user))).guild_id
        character = (await keep.do(characters.create(user=user, name="Ada"))).character_id
        key = (await keep.do(sessions.create_key(user=user, name="k", scopes=["*"]))).key
        assert character
    done = 0

    async def work(http: AsyncClient) -> None:
        nonlocal done
        while True:
            try:
                headers = {"authorization": f"Bearer {key}", "idempotency-key": new_id()}
                answer = await http.post("/v1/guilds/save", json={"guild": guild, "coins": 1}, headers=headers)
            except HTTPError:
                return
            done += answer.status_code == 200

    with Running(database_url) as server:
        async with AsyncClient(base_url=server.address) as http:
            tasks = [asyncio.create_task(work(http)) for _ in range(8)]
            await asyncio.sleep(0.5)
            status, out, err = await asyncio.to_thread(server.stop)
            await asyncio.gather(*tasks)

    assert (status, out, err) == (0, "closed\n", "")
    assert done > 5
    async with gamekeeper.open(database_url, allow_unsafe_postgres=True) as keep:
        vault = await keep.ask(game.vault(guild=guild))
        assert vault is not None
        assert done <= vault.coins <= done + 8


async def test_a_server_that_is_only_asked_takes_up_what_another_process_loads(sqlite_url: str) -> None:
    """Without that, whoever loads a pack by the command line would see nothing of it until somebody plays."""
    async with gamekeeper.open(sqlite_url, create=True) as keep:
        with Running(sqlite_url) as server:
            async with AsyncClient(base_url=server.address) as http:

                async def banks() -> list[str]:
                    return [one["id"] for one in (await http.get("/v1/npcs/list_banks")).json()["items"]]

                assert await banks() == []
                vault = npcs.BankDefinition(id="vault", name="Vault")
                await keep.do(content.load_pack(pack=content.pack_of(vault, id="banks", version="1", title="Banks")))
                async with asyncio.timeout(10):
                    while await banks() != ["vault"]:  # noqa: ASYNC110 - another process tells nobody
                        await asyncio.sleep(0.05)


async def test_sigint_ends_it_too(sqlite_url: str) -> None:
    with Running(sqlite_url) as server:
        status, _, err = server.stop(signal.SIGINT)

    assert status in (130, -signal.SIGINT)
    assert "KeyboardInterrupt" in err


def test_a_keep_that_cannot_be_opened_is_the_caller_s_error(tmp_path: Path) -> None:
    settings = settings_from({"url": f"sqlite:///{tmp_path}/missing/world.db", "port": 0})
    with pytest.raises(StoreUnavailable):
        make_server(settings, log_level="critical").run()


def test_a_port_that_is_taken_is_the_caller_s_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = settings_from({"url": f"sqlite:///{tmp_path}/world.db", "port": taken.getsockname()[1]})
        with pytest.raises(InvalidArgument):
            make_server(settings, create=True, log_level="critical").run()


def test_an_answer_says_nothing_of_the_software(server: Running) -> None:
    got = talk(server, b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")

    assert got.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nserver:" not in got.lower()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\n" + b"x: 1\r\n" * 100 + b"\r\n", 431),
        (b"GET /livez HTTP/1.1\r\nx: " + b"a" * 20_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", 431),
    ],
)
def test_a_head_that_is_too_much_is_a_problem(server: Running, sent: bytes, status: int) -> None:
    head, _, body = talk(server, sent).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 %d " % status), head
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == status
    assert talk(server, b"GET /livez HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_a_header_that_never_ends_is_cut_off(server: Running) -> None:
    sent = 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection, contextlib.suppress(OSError):
        connection.sendall(b"GET /livez HTTP/1.1\r\nx: ")
        for _ in range(1000):
            connection.sendall(b"a" * 0x10000)
            sent += 0x10000

    assert sent < 30_000_000


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET /li", b"GET /livez HTTP/1.1\r\nx: 1\r\n"])
def test_a_client_that_says_nothing_does_not_stay(server: Running, sent: bytes) -> None:
    started = time.monotonic()
    with contextlib.suppress(ConnectionResetError):
        talk(server, sent)

    assert time.monotonic() - started < 4


def test_two_requests_in_one_packet_are_two_answers(server: Running) -> None:
    one = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"
    body = b'{"words":["' + b"a" * 20 + b'"]}'
    post = b"POST /v1/guilds/echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    got = talk(server, one + post + one)

    assert got.count(b"HTTP/1.1 200 ") == 3


def test_an_upload_that_never_ends_is_cut_off(server: Running) -> None:
    head = b"POST /v1/guilds/echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    sent, got = 0, b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(head)
        try:
            for _ in range(1000):
                connection.sendall(chunk)
                sent += len(chunk)
        except OSError:
            pass
        with contextlib.suppress(OSError):
            got = connection.recv(65536)

    assert sent < 30_000_000
    assert got == b"" or b" 413 " in got


@pytest.fixture
async def many(server: Running) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(base_url=server.address) as http:
        yield http


async def test_slow_clients_cost_only_themselves(server: Running, many: AsyncClient) -> None:
    """P45: hundreds of connections that never finish a request, while others are served."""
    slow: list[Any] = []
    for _ in range(200):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST /v1/guilds/echo HTTP/1.1\r\nhost: x\r\n")
        slow.append(writer)
    answers = await asyncio.gather(*(many.get("/v1/guilds/echo", params={"words": "a"}) for _ in range(50)))
    for writer in slow:
        writer.close()

    assert {one.status_code for one in answers} == {200}
