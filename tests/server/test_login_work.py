"""P35 and P37: a login is the same work whoever is named, and a flood of them leaves room for those who play."""

import asyncio
import os
import sys
import threading
from collections import Counter
from typing import Any

import argon2
import pytest
from httpx2 import Response

from gamekeeper.errors import Busy
from gamekeeper.keep import Keep
from gamekeeper.modules import moderation, sessions, users
from gamekeeper.modules.users import passwords
from gamekeeper.server import Rates, identify
from gamekeeper.server.rates import MOST_ASKING
from tests.server.conftest import Caller

PASSWORD, WRONG = "correct horse battery", "a wrong guess of one"

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what the database has no part in."""


class Work:
    """What was done for an answer: statements by what they begin with, rows of buckets asked for, and passwords hashed."""

    def __init__(self, keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: Counter[str] = Counter()
        for name in ("load", "apply", "fetch", "take_tokens", "buckets_full_at", "transaction"):
            self._count(monkeypatch, keep.store, name)
        for name in ("hash", "verify"):
            self._count(monkeypatch, argon2.PasswordHasher, name)

    def _count(self, monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> None:
        real = getattr(where, name)

        def counted(*args: Any, **words: Any) -> Any:
            self.done[f"{name} {self._what(name, args)}"] += 1
            return real(*args, **words)

        monkeypatch.setattr(where, name, counted)

    @staticmethod
    def _what(name: str, args: tuple[Any, ...]) -> str:
        if name == "verify":
            return str(args[1]).rpartition("$")[0].rpartition("$")[0]  # without the salt and the digest
        if name == "fetch":
            return str(args[0])
        return str(len(args[0])) if name in ("take_tokens", "buckets_full_at") else ""


def told(answer: Response) -> tuple[int, list[tuple[str, str]], bytes]:
    """Give all of an answer but what is another one each time: its id."""
    body = answer.content.replace(answer.headers["x-request-id"].encode(), b"")
    return answer.status_code, sorted((name, value) for name, value in answer.headers.items() if name != "x-request-id"), body


async def test_a_refused_login_is_the_same_work_whoever_is_named(keep: Keep, anyone: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", lambda _cost: quick)
    await keep.do(users.register(username="known", password=PASSWORD))
    banned = await keep.do(users.register(username="banned", password=PASSWORD))
    await keep.do(moderation.ban(user=banned.user_id, reason="cheated", preset="permanent"), actor="operator:test")
    guest = await keep.do(users.create_guest())
    names = ("unknown", "known", "banned", guest.username, "KNOWN", "UNKNOWN")
    work = Work(keep, monkeypatch)
    for keyed in (False, True):
        done, answers = [], []
        for name in names:
            work.done = Counter()
            headers = {"idempotency-key": f"a key of its own for {name}".replace(" ", "_")} if keyed else {}
            answer = await anyone.http.post("/v1/sessions/login", json={"username": name, "password": WRONG}, headers=headers)
            answers.append(told(answer))
            done.append(work.done)
        assert answers == [answers[0]] * len(names)
        assert answers[0][0] == 401
        # The last two are the first two once more, and are remembered as unknown where they come from; all else is the same.
        assert [one - Counter({"buckets_full_at 1": 1}) for one in done] == [done[-1]] * len(names)
        assert sum(count for what, count in done[0].items() if what.startswith("verify")) == 1
        assert not any(what.startswith(("hash", "apply", "transaction")) for what in done[0])


@on_sqlite
async def test_guesses_that_wait_for_the_database_do_not_keep_players_from_the_server(
    keep: Keep, anyone: Caller, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    going_on = asyncio.Event()
    take = keep.store.take_tokens

    async def slowly(*args: Any) -> Any:
        await going_on.wait()
        return await take(*args)

    monkeypatch.setattr(keep.store, "take_tokens", slowly)
    monkeypatch.setattr(passwords, "_verify", lambda *_: False)
    rates = Rates(keep)
    call = sessions.login(username="somebody", password=WRONG)
    stranger = await identify(keep, None, "192.0.2.1")
    guesses = [asyncio.create_task(rates.guess(call.command, call.arguments, stranger, f"10.0.{n % 250}.1")) for n in range(1_500)]
    await asyncio.sleep(0)
    done = [one for one in guesses if one.done()]

    assert len(done) == 1_500 - MOST_ASKING
    assert {type(one.exception()) for one in done} == {Busy}
    assert (await ada.ask("sessions.list_sessions", {"user": ada.user})).status_code == 200
    going_on.set()
    await asyncio.gather(*guesses, return_exceptions=True)


@on_sqlite
async def test_when_all_password_threads_are_taken_a_guess_is_refused_before_it_costs_anything(
    keep: Keep, anyone: Caller, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work(keep, monkeypatch)
    monkeypatch.setattr(passwords, "_waiting", passwords.MAX_WAITING)
    for name, arguments in (
        ("sessions.login", {"username": "somebody", "password": WRONG}),
        ("users.register", {"username": "somebody", "password": PASSWORD}),
    ):
        for _ in range(60):
            answer = await anyone.do(name, arguments)
            assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "BUSY", "1")
    assert work.done == {}

    assert (await anyone.do("sessions.guest_session")).status_code == 200
    monkeypatch.setattr(passwords, "_waiting", 0)
    assert (await anyone.do("sessions.login", {"username": "somebody", "password": WRONG})).status_code == 401


def test_password_threads_give_way_to_everybody_else_where_threads_have_a_priority() -> None:
    if sys.platform == "linux":

        def mine() -> int:
            return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

        assert passwords._THREADS.submit(mine).result() == min(19, mine() + passwords.NICE)
