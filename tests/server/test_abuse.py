"""Abuse over HTTP by ids, keys and clicks that are nobody's to use: numbers 75, 77, 82 and 87."""

from typing import Any

import pytest
from httpx2 import AsyncClient, Response

from gamekeeper.keep import Keep
from gamekeeper.kernel import history
from gamekeeper.modules import sessions
from tests.modules import scene
from tests.server.conftest import Caller, key_holder


@pytest.fixture
def app_log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What the server writes, at its most talkative; not what the client writes about itself."""
    caplog.set_level("DEBUG", logger="gamekeeper")
    return caplog


async def test_abuse_75_a_token_in_an_address_opens_nothing_and_is_repeated_nowhere(
    http: AsyncClient, ada: Caller, server: Caller, app_log: pytest.LogCaptureFixture
) -> None:
    """Addresses stand in histories, in logs and in the Referer of the next page."""
    assert (await ada.ask("users.show", {"user": ada.user})).status_code == 200
    answers: list[Response] = []
    for credential in (str(ada.token), str(server.token)):
        for name in ("token", "access_token", "authorization", "key", "api_key", "session"):
            answers.append(await http.get("/v1/users/show", params={"user": ada.user, name: credential}))
            answers.append(await http.get("/v1/users/show", params={"user": ada.user}, headers={"cookie": f"{name}={credential}"}))
            answers.append(await http.post(f"/v1/people/log_out_everywhere?{name}={credential}", json={"user": ada.user}))
        answers.append(await http.get(f"/v1/users/show/{credential}", params={"user": ada.user}))
        # Even for who may ask: such a question is asked by POST.
        answers.append(await server.ask("sessions.by_token", {"token": credential}))

    assert {one.status_code for one in answers} <= {400, 401, 404, 405, 422}
    told = "\n".join(one.text + repr(one.headers) for one in answers)
    written = "\n".join(record.getMessage() for record in app_log.records if record.name.startswith("gamekeeper"))
    for credential in (str(ada.token), str(server.token)):
        assert credential not in told
        assert credential not in written
    assert (await server.do("sessions.by_token", {"token": ada.token})).json()["user_id"] == ada.user


async def test_abuse_77_somebody_elses_ids_open_nothing(keep: Keep, ada: Caller, bob: Caller, anyone: Caller) -> None:
    """Characters, trades and sessions; the control is that the same requests are answered for whom they are."""
    await scene.stock(keep)
    hers, his = [
        (await one.do("characters.create", {"user": one.user, "name": name})).json()["character_id"]
        for one, name in ((ada, "Ada"), (bob, "Bob"))
    ]
    (third,) = await scene.people(keep, "Cyd")
    trade = (await ada.do("trades.request", {"initiator": hers, "receiver": third})).json()["trade_id"]
    found = await keep.ask(sessions.by_token(token=str(ada.token)))
    assert found is not None
    session = found.session_id
    asked: list[tuple[str, dict[str, Any]]] = [
        ("characters.show", {"character": hers}),
        ("characters.list_of_user", {"user": ada.user}),
        ("items.inventory", {"holder": hers}),
        ("sessions.list_sessions", {"user": ada.user}),
        ("users.show", {"user": ada.user}),
    ]
    done: list[tuple[str, dict[str, Any]]] = [
        ("characters.select", {"user": ada.user, "session_id": session, "character": hers}),
        ("characters.rename", {"character": hers, "name": "Ada the Great"}),
        ("trades.cancel", {"character": hers, "trade": trade}),
        ("characters.delete", {"character": hers}),
        ("people.log_out", {"user": ada.user, "session_id": session}),
    ]
    owners = (ada.user, hers, trade)
    before = [await keep.version(one) for one in owners]

    for caller, status in ((bob, 403), (anyone, 401)):
        refused = [await caller.ask(*one) for one in asked] + [await caller.do(*one) for one in done]
        assert [one.status_code for one in refused] == [status] * len(refused), [one.text for one in refused]
    # With an id of one's own in the first place, and hers in the second.
    for name, arguments in (
        ("characters.select", {"user": bob.user, "session_id": session, "character": his}),
        ("characters.select", {"user": bob.user, "session_id": "x", "character": hers}),
        ("people.log_out", {"user": bob.user, "session_id": session}),
        ("trades.cancel", {"character": his, "trade": trade}),
        ("trades.respond", {"character": his, "trade": trade, "accept": True}),
    ):
        answer = await bob.do(name, arguments)
        assert 400 <= answer.status_code < 500, answer.text
        assert "Ada" not in answer.text
    assert [await keep.version(one) for one in owners] == before

    answered = [await ada.ask(*one) for one in asked] + [await ada.do(*one) for one in done]
    assert [one.status_code for one in answered] == [200] * len(answered), [one.text for one in answered]


async def test_abuse_82_an_operator_grants_with_a_reason_and_a_key_and_once(keep: Keep, http: AsyncClient, operator: Caller) -> None:
    await scene.stock(keep)
    (ada,) = await scene.people(keep, "Ada")
    grant = {"holder": ada, "item": "arrow", "quantity": 5, "source": "compensation"}
    nothing_said = await operator.do("items.grant", grant)
    no_key = await http.post("/v1/items/grant", json=grant, headers=operator.headers(x_reason="a lost quiver"))
    told = [(one.status_code, one.json()["code"]) for one in (nothing_said, no_key)]
    assert told == [(400, "REASON_REQUIRED"), (400, "IDEMPOTENCY_KEY_REQUIRED")]
    assert await scene.totals(keep, [ada], "arrow") == [0]

    clicks = [await operator.do("items.grant", grant, idempotency_key="a-click", x_reason="a lost quiver") for _ in range(2)]

    assert clicks[0].status_code == 200, clicks[0].text
    assert clicks[0].json() == clicks[1].json()
    assert await scene.totals(keep, [ada], "arrow") == [5]
    newest = (await keep.ask(history.newest(limit=1))).items[0]
    assert (newest.command, newest.reason, newest.actor) == ("items.grant", "a lost quiver", f"operator:{operator.user}")


async def test_abuse_87_a_leaked_key_opens_no_more_than_its_scopes(keep: Keep, http: AsyncClient, ada: Caller) -> None:
    await scene.stock(keep)
    shard = await key_holder(keep, http, "items.*", "characters.move_to")
    hers = (await ada.do("characters.create", {"user": ada.user, "name": "Ada"})).json()["character_id"]
    arrows = {"holder": hers, "item": "arrow", "quantity": 5, "source": "loot"}

    for name, arguments in (
        ("sessions.open_session", {"user": ada.user}),
        ("sessions.by_token", {"token": ada.token}),
        ("users.set_role", {"user": shard.user, "role": "superuser"}),
        ("characters.rename", {"character": hers, "name": "Eve"}),
        ("sessions.create_key", {"user": shard.user, "name": "more", "scopes": ["*"]}),
        ("sessions.rotate_key", {"user": shard.user, "key_id": "x"}),
    ):
        assert (await shard.do(name, arguments, x_reason="why not")).status_code == 403, name
    assert (await shard.do("items.grant", arrows)).status_code == 200
    assert (await shard.do("characters.move_to", {"character": hers, "room_id": "tavern"})).status_code == 200

    (key,) = await keep.ask(sessions.list_keys(user=shard.user))
    made = await keep.do(sessions.rotate_key(user=shard.user, key_id=key.key_id))
    assert (await shard.do("items.grant", arrows)).status_code == 401
    assert (await Caller(http, made.key).do("items.grant", arrows)).status_code == 200
