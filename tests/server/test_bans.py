"""A ban over HTTP: given by staff who may, and refused everywhere from the moment of its commit, or whenever nobody can tell."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx2 import ASGITransport, AsyncClient
from sqlalchemy import func, select

import gamekeeper
from gamekeeper.keep import Keep
from gamekeeper.kernel.store.base import Unreachable
from gamekeeper.kernel.store.schema import journal
from gamekeeper.modules import characters, items, moderation, sessions, trades, users
from gamekeeper.server import app as application
from gamekeeper.server import authorize, make_app
from tests.modules import scene
from tests.server.conftest import ORIGIN, Caller
from tests.server.running import Running

PASSWORD = "correct horse battery"
SPAM = {"reason": "spam", "preset": "hour"}


@pytest.fixture
async def elsewhere(keep: Keep, database_url: str) -> AsyncIterator[tuple[Keep, AsyncClient]]:
    """Another server on the same database, which knows the first one only from there."""
    async with (
        gamekeeper.open(database_url, allow_unsafe_postgres=True) as other,
        AsyncClient(transport=ASGITransport(make_app(other)), base_url=ORIGIN) as client,
    ):
        yield other, client


async def staff(keep: Keep, http: AsyncClient, role: users.Role) -> Caller:
    """Somebody with a role, who logs in with it."""
    user = (await keep.do(users.create_guest())).user_id
    await keep.do(users.set_role(user=user, role=role))
    return Caller(http, (await keep.do(sessions.open_session(user=user))).token, user)


async def entries(keep: Keep, owner: str) -> int:
    """How often something was done to an owner."""
    statement = select(func.count()).select_from(journal).where(journal.c.owner_id == owner)
    return int((await keep.store.fetch(statement, {}))[0][0])


def told(answer: Any) -> tuple[int, str]:
    """The status and the code of a problem."""
    return answer.status_code, answer.json()["code"]


async def test_abuse_76_a_ban_on_one_server_is_refused_on_the_other_at_once(
    keep: Keep, http: AsyncClient, elsewhere: tuple[Keep, AsyncClient], quick_passwords: None
) -> None:
    there = elsewhere[1]
    ada = (await keep.do(users.register(username="ada", password=PASSWORD))).user_id
    mine = Caller(there, (await keep.do(sessions.open_session(user=ada))).token, ada)
    program = Caller(there, (await keep.do(sessions.create_key(user=ada, name="a bot", scopes=["*"]))).key, ada)
    moderator = await staff(keep, http, "moderator")
    assert [(await one.ask("users.show", {"user": ada})).status_code for one in (mine, program)] == [200, 200]
    assert (await mine.do("guilds.found", {"user": ada})).status_code == 200  # its rows are in the other one's memory now

    started = time.perf_counter()
    given = await moderator.do("moderation.ban", {"user": ada, **SPAM})
    refused = [await mine.do("guilds.found", {"user": ada}), await mine.ask("users.show", {"user": ada}), await program.ask("guilds.motto")]

    assert given.status_code == 200, given.text
    assert [told(one) for one in refused] == [(401, "NOT_AUTHENTICATED")] * 3
    assert time.perf_counter() - started < 1
    anyone = Caller(there, None)
    wrong = await anyone.do("sessions.login", {"username": "ada", "password": "another horse"})
    assert told(wrong) == (401, "BAD_CREDENTIALS")
    right = await anyone.do("sessions.login", {"username": "ada", "password": PASSWORD})
    assert (told(right), right.json()["until"]) == ((403, "BANNED"), given.json()["banned_until"])
    assert "until" not in wrong.json()

    freed = await moderator.do("moderation.unban", {"user": ada, "reason": "a mistake"})
    assert (freed.status_code, freed.json()) == (200, {"bans": 1})
    assert (await anyone.do("sessions.login", {"username": "ada", "password": PASSWORD})).status_code == 200
    assert (await program.ask("users.show", {"user": ada})).status_code == 200
    assert (await mine.ask("users.show", {"user": ada})).status_code == 401


async def test_abuse_76_a_ban_in_one_server_process_holds_in_another_within_a_second(keep: Keep, database_url: str) -> None:
    """Two processes that know of each other only through the database, one of which has the player's rows in its memory."""
    ada, admin = [(await keep.do(users.create_guest())).user_id for _ in range(2)]
    await keep.do(users.set_role(user=admin, role="admin"))
    tokens = [(await keep.do(sessions.open_session(user=one))).token for one in (ada, ada, admin)]
    key, other = [(await keep.do(sessions.create_key(user=one, name="a bot", scopes=["*"]))).key for one in (ada, admin)]
    starting = Running(database_url), Running(database_url)
    with starting[0] as first, starting[1] as second:
        async with AsyncClient(base_url=first.address) as here, AsyncClient(base_url=second.address) as there:
            phone, desk, bot = [Caller(there, token, ada) for token in (tokens[0], tokens[1], key)]
            moderator, onlooker = Caller(here, tokens[2], admin), Caller(there, other, admin)
            guild = (await phone.do("guilds.found", {"user": ada})).json()["guild_id"]
            for one in (phone, desk, bot):
                assert (await one.do("guilds.save", {"guild": guild, "coins": 1})).status_code == 200
            assert len((await onlooker.ask("sessions.list_sessions", {"user": ada})).json()) == 2

            given = await moderator.do("moderation.ban", {"user": ada, **SPAM})
            started = time.perf_counter()
            refused = [await one.do("guilds.save", {"guild": guild, "coins": 1}) for one in (phone, desk, bot)]
            left = (await onlooker.ask("sessions.list_sessions", {"user": ada})).json()
            seconds = time.perf_counter() - started

            assert (given.status_code, given.json()["sessions_ended"]) == (200, 2)
            assert [told(one) for one in refused] == [(401, "NOT_AUTHENTICATED")] * 3
            assert left == []
            assert seconds < 1
            assert (await onlooker.ask("guilds.vault", {"guild": guild})).json()["coins"] == 3
            assert await entries(keep, guild) == 4


async def test_abuse_81_staff_ban_only_whom_they_may(keep: Keep, http: AsyncClient, ada: Caller, anyone: Caller, server: Caller) -> None:
    moderator, admin = await staff(keep, http, "moderator"), await staff(keep, http, "admin")

    for caller, target, expected in (
        (anyone, ada, (401, "NOT_AUTHENTICATED")),
        (ada, moderator, (403, "NOT_ALLOWED")),
        (ada, ada, (403, "NOT_ALLOWED")),
        (server, ada, (403, "NOT_ALLOWED")),
        (moderator, admin, (403, "ROLE_TOO_LOW")),
        (moderator, moderator, (403, "ROLE_TOO_LOW")),
        (admin, admin, (403, "ROLE_TOO_LOW")),
    ):
        assert told(await caller.do("moderation.ban", {"user": target.user, **SPAM})) == expected
        assert told(await caller.do("moderation.unban", {"user": target.user, "reason": "why not"})) == expected
    for name in ("moderation.bans_of", "moderation.list_notes", "moderation.activity"):
        assert told(await ada.ask(name, {"user": ada.user})) == (403, "NOT_ALLOWED")
        assert (await moderator.ask(name, {"user": ada.user})).status_code == 200

    assert (await moderator.do("moderation.ban", {"user": ada.user, **SPAM})).status_code == 200
    assert (await admin.do("moderation.ban", {"user": moderator.user, **SPAM})).status_code == 200
    assert told(await moderator.do("moderation.unban", {"user": moderator.user, "reason": "mine"})) == (401, "NOT_AUTHENTICATED")
    named = (await admin.ask("moderation.active_bans", {"limit": 10})).json()["items"]
    assert {one["user_id"] for one in named} == {ada.user, moderator.user}


async def test_abuse_82_and_83_over_the_wire(keep: Keep, http: AsyncClient, ada: Caller) -> None:
    moderator = await staff(keep, http, "moderator")

    for more in (
        {},
        {"preset": "hour"},
        {"reason": ""},
        {"reason": "spam"},
        {"reason": "spam", "until": None},
        {"reason": "spam", "until": 5},
    ):
        assert told(await moderator.do("moderation.ban", {"user": ada.user, **more})) == (422, "INVALID_ARGUMENT")
    for until in ("NaN", "Infinity", "1e400"):
        body = f'{{"user": "{ada.user}", "reason": "spam", "until": {until}}}'
        headers = {**moderator.headers(idempotency_key="one-click"), "content-type": "application/json"}
        assert (await http.post("/v1/moderation/ban", content=body.encode(), headers=headers)).status_code in (400, 422)
    clicks = [await moderator.do("moderation.ban", {"user": ada.user, **SPAM}, idempotency_key="double-click") for _ in range(2)]

    # Of a note, its text says why; whoever throws somebody out says it beside the command.
    noted = await moderator.do("moderation.add_note", {"user": ada.user, "text": "asked to stop"})
    kicks = [await moderator.do("moderation.kick", {"user": ada.user}, **more) for more in ({}, {"x_reason": "shouting"})]
    assert (noted.status_code, told(kicks[0]), kicks[1].status_code) == (200, (400, "REASON_REQUIRED"), 200)
    assert clicks[0].json() == clicks[1].json()
    assert len((await moderator.ask("moderation.bans_of", {"user": ada.user})).json()) == 1


async def test_whoever_logs_out_or_is_kicked_or_banned_leaves_the_trade_and_keeps_what_was_offered(
    keep: Keep, http: AsyncClient, ada: Caller, bob: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gamekeeper.modules.trades.rules.REQUEST_COOLDOWN_MS", 0)
    moderator = await staff(keep, http, "moderator")
    await scene.stock(keep)
    mine, too, theirs = [
        (await keep.do(characters.create(user=user, name=name))).character_id
        for user, name in ((ada.user, "Ash"), (ada.user, "Elm"), (bob.user, "Ivy"))
    ]
    await keep.do(items.grant(holder=mine, item="arrow", quantity=7, source="test"))
    session = (await keep.do(sessions.open_session(user=ada.user))).session_id
    await keep.do(characters.select(user=ada.user, session_id=session, character=mine))

    async def confirmed() -> str:
        """A trade that one more click would complete."""
        trade = (await keep.do(trades.request(initiator=mine, receiver=theirs))).trade_id
        await keep.do(trades.respond(character=theirs, trade=trade, accept=True))
        state = await keep.do(trades.offer(character=mine, trade=trade, items=[trades.OfferedItem(slot=0, quantity=7)]))
        for one in (mine, theirs, mine):
            state = await keep.do(trades.accept(character=one, trade=trade, revision=state.revision))
        return trade

    async def over(trade: str) -> str | None:
        """Why a trade ended: nothing has changed hands, and both may trade again."""
        refused = await bob.do("trades.accept", {"character": theirs, "trade": trade, "revision": 2})
        assert told(refused) == (404, "INVALID_TRADE")
        assert await scene.totals(keep, [mine, theirs], "arrow") == [7, 0]
        return (await keep.ask(trades.show(trade=trade))).end_reason

    trade, why = await confirmed(), {"x_reason": "shouting"}
    kicked = await moderator.do("moderation.kick", {"user": ada.user, "session_id": session}, **why)
    assert (kicked.json(), await over(trade)) == ({"sessions": 1, "trades": 1, "play_sessions": 0}, "the initiator was kicked")

    # Another session goes on with another character: only the trade of the one who is thrown out ends.
    first, second = [(await keep.do(sessions.open_session(user=ada.user))).session_id for _ in range(2)]
    await keep.do(characters.select(user=ada.user, session_id=first, character=too))
    await keep.do(characters.select(user=ada.user, session_id=second, character=mine))
    trade = await confirmed()
    assert (await moderator.do("moderation.kick", {"user": ada.user, "session_id": first}, **why)).json() == {
        "sessions": 1,
        "trades": 0,
        "play_sessions": 0,
    }
    assert (await keep.ask(trades.show(trade=trade))).status == "confirmed"
    out = await ada.do("people.log_out", {"user": ada.user, "session_id": second})
    assert (out.json(), await over(trade)) == ({"sessions": 1, "trades": 1, "play_sessions": 0}, "the initiator has left")
    assert (await ada.do("people.log_out", {"user": ada.user, "session_id": second})).json() == {
        "sessions": 0,
        "trades": 0,
        "play_sessions": 0,
    }
    trade = await confirmed()
    banned = await moderator.do("moderation.ban", {"user": ada.user, **SPAM}, idempotency_key="one-click")
    again = await moderator.do("moderation.ban", {"user": ada.user, **SPAM}, idempotency_key="one-click")
    assert (banned.json()["trades_ended"], again.json(), await over(trade)) == (1, banned.json(), "the initiator was banned")
    assert (await moderator.do("moderation.ban", {"user": bob.user, **SPAM})).json()["trades_ended"] == 0
    await scene.adds_up(keep)


async def test_a_trade_that_begins_during_a_ban_ends_with_it(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    user = (await keep.do(users.create_guest())).user_id
    mine = (await keep.do(characters.create(user=user, name="Ash"))).character_id
    (theirs,) = await scene.people(keep, "Ivy")
    look, looks = trades.open_trades, 0

    async def late(*words: Any) -> Any:
        nonlocal looks
        found, looks = await look(*words), looks + 1
        if looks == 1:
            await keep.do(trades.request(initiator=theirs, receiver=mine))
        return found

    monkeypatch.setattr(trades, "open_trades", late)
    assert ((await keep.do(moderation.ban(user=user, reason="spam", preset="hour"))).trades_ended, looks) == (1, 2)


def _between(monkeypatch: pytest.MonkeyPatch, happening: Any) -> None:
    """Let something happen after a request was let in, and before its command runs."""

    async def slowly(*words: Any) -> None:
        await authorize(*words)
        await happening()

    monkeypatch.setattr(application, "authorize", slowly)


async def test_a_request_under_way_is_refused_by_a_ban_that_was_committed(
    keep: Keep, ada: Caller, elsewhere: tuple[Keep, AsyncClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    guild = (await ada.do("guilds.found", {"user": ada.user})).json()["guild_id"]
    assert (await ada.do("guilds.save", {"guild": guild, "coins": 1})).status_code == 200
    before = await entries(keep, guild)

    async def ban() -> None:
        await elsewhere[0].do(moderation.ban(user=ada.user, reason="spam", preset="hour"))

    _between(monkeypatch, ban)
    answer = await ada.do("guilds.save", {"guild": guild, "coins": 5})

    assert told(answer) == (403, "BANNED")
    assert await entries(keep, guild) == before


async def test_control_without_the_check_in_the_transaction_the_request_gets_through(
    keep: Keep, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    guild = (await ada.do("guilds.found", {"user": ada.user})).json()["guild_id"]

    async def ban() -> None:
        await keep.do(moderation.ban(user=ada.user, reason="spam", preset="hour"))

    _between(monkeypatch, ban)
    monkeypatch.setattr(application, "standing_of", lambda *_: None)

    assert (await ada.do("guilds.save", {"guild": guild, "coins": 5})).status_code == 200


async def test_a_batch_under_way_is_refused_too_and_so_is_what_a_logout_overtakes(
    keep: Keep, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    guild = (await ada.do("guilds.found", {"user": ada.user})).json()["guild_id"]
    before = await entries(keep, guild)

    async def log_out() -> None:
        await keep.do(sessions.revoke_all(user=ada.user))

    _between(monkeypatch, log_out)
    batch = [{"command": "guilds.save", "arguments": {"guild": guild, "coins": 5}}]
    answer = await ada.http.post("/v1/batch", json=batch, headers=ada.headers(idempotency_key="a-batch"))

    assert told(answer) == (404, "SESSION_NOT_FOUND")
    assert await entries(keep, guild) == before


async def test_a_retry_after_a_new_login_gets_its_first_answer(keep: Keep, ada: Caller) -> None:
    guild = (await ada.do("guilds.found", {"user": ada.user})).json()["guild_id"]
    again = Caller(ada.http, (await keep.do(sessions.open_session(user=ada.user))).token, ada.user)
    version = await keep.version(guild)

    first = await ada.do("guilds.save", {"guild": guild, "coins": 5}, idempotency_key="lost", if_match=f'"v{version}"')
    second = await again.do("guilds.save", {"guild": guild, "coins": 5}, idempotency_key="lost", if_match=f'"v{version}"')

    assert (first.status_code, first.json()) == (second.status_code, second.json()) == (200, {"coins": 5})
    assert second.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("fault", [Unreachable("away"), RuntimeError("broken")], ids=["away", "broken"])
async def test_when_the_check_cannot_be_made_nobody_gets_in(
    keep: Keep, ada: Caller, server: Caller, operator: Caller, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    guild = (await ada.do("guilds.found", {"user": ada.user})).json()["guild_id"]
    before = await entries(keep, guild)

    async def failing(*_: Any, **__: Any) -> Any:
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(keep.store, "fetch", failing)
        answers = [await one.do("guilds.save", {"guild": guild, "coins": 5}, x_reason="test") for one in (ada, server, operator)]
        answers += [await one.ask("guilds.motto") for one in (ada, server, operator)]

    assert {one.status_code for one in answers} == ({503} if isinstance(fault, Unreachable) else {500})
    assert await entries(keep, guild) == before
    assert (await ada.do("guilds.save", {"guild": guild, "coins": 5})).status_code == 200
