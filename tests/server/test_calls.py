"""Commands and queries over HTTP: arguments in, results out, once."""

import asyncio
from typing import Any

import pytest
from httpx2 import ASGITransport, AsyncClient
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount

from gamekeeper.keep import Keep
from gamekeeper.kernel.ids import new_id
from gamekeeper.kernel.reading import StoreReader
from gamekeeper.modules import items
from gamekeeper.server import make_app
from tests.server import game
from tests.server.conftest import ORIGIN, Caller


async def coins(keep: Keep, caller: Caller, guild: str) -> int:
    answer = await caller.ask("guilds.vault", {"guild": guild})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["coins"])


async def test_a_game_s_own_command_is_served_without_being_listed(keep: Keep, ada: Caller, guild: str) -> None:
    answer = await ada.do("guilds.save", {"guild": guild, "coins": 5, "note": {"from": ["ada"]}})

    assert (answer.status_code, answer.json()) == (200, {"coins": 5})
    assert answer.headers["content-type"] == "application/json"
    assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert await coins(keep, ada, guild) == 5


async def test_the_same_key_does_a_command_once(keep: Keep, ada: Caller, guild: str) -> None:
    answers = [await ada.do("guilds.save", {"guild": guild, "coins": 5}, idempotency_key="once") for _ in range(3)]
    answers += await asyncio.gather(*(ada.do("guilds.save", {"guild": guild, "coins": 5}, idempotency_key="once") for _ in range(10)))

    assert {(one.status_code, one.text) for one in answers} == {(200, '{"coins":5}')}
    assert [one.headers.get("idempotent-replayed") for one in answers] == [None] + ["true"] * 12
    assert await coins(keep, ada, guild) == 5


async def test_the_same_key_with_other_arguments_is_refused(ada: Caller, guild: str) -> None:
    await ada.do("guilds.save", {"guild": guild, "coins": 5}, idempotency_key="once")
    answer = await ada.do("guilds.save", {"guild": guild, "coins": 6}, idempotency_key="once")

    assert (answer.status_code, answer.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_two_players_keys_are_two_keys(keep: Keep, ada: Caller, bob: Caller) -> None:
    """abuse 90: a key says nothing to another caller."""
    answers = [await caller.do("guilds.found", {"user": caller.user}, idempotency_key="1") for caller in (ada, bob)]

    assert [one.status_code for one in answers] == [200, 200]
    assert answers[0].json() != answers[1].json()


async def test_a_command_of_value_wants_a_key(ada: Caller, guild: str) -> None:
    answer = await ada.http.post("/v1/guilds/save", json={"guild": guild, "coins": 5}, headers=ada.headers())

    assert (answer.status_code, answer.json()["code"]) == (400, "IDEMPOTENCY_KEY_REQUIRED")


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "\u00e9"])
async def test_a_key_is_visible_text(ada: Caller, guild: str, key: str) -> None:
    headers: list[tuple[str, Any]] = [*ada.headers().items(), ("idempotency-key", key.encode())]
    answer = await ada.http.post("/v1/guilds/save", json={"guild": guild, "coins": 5}, headers=headers)

    assert answer.status_code == 400
    assert answer.json()["code"] in ("MALFORMED_REQUEST", "IDEMPOTENCY_KEY_REQUIRED")


async def test_a_caller_without_a_token_uses_no_key_that_a_neighbour_could_guess(anyone: Caller) -> None:
    """abuse 90: those who share an address share an actor, and the answer holds a token."""
    short = await anyone.do("sessions.guest_session", idempotency_key="1")
    long = await anyone.do("sessions.guest_session", idempotency_key=new_id())

    assert (short.status_code, long.status_code) == (400, 200)
    assert long.json()["token"].startswith("gks_")


async def test_a_refused_command_changes_nothing_and_tells_its_facts(keep: Keep, ada: Caller, guild: str) -> None:
    await ada.do("guilds.save", {"guild": guild, "coins": 5})
    answer = await ada.do("guilds.spend", {"guild": guild, "coins": 6})

    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert (answer.status_code, told["status"], told["code"], told["type"]) == (409, 409, "VAULT_EMPTY", "/problems/vault-empty")
    assert (told["held"], told["needed"], told["retryable"]) == (5, 6, False)
    assert told["title"] == "The guild has not saved so much."
    assert told["instance"] == answer.headers["x-request-id"]
    assert await coins(keep, ada, guild) == 5


# Versions


async def test_an_answer_s_tag_guards_the_next_command(keep: Keep, ada: Caller, guild: str) -> None:
    first = (await ada.ask("guilds.vault", {"guild": guild})).headers["etag"]
    assert first.startswith('"v1-')

    assert (await ada.do("guilds.save", {"guild": guild, "coins": 5}, if_match=first)).status_code == 200
    late = await ada.do("guilds.save", {"guild": guild, "coins": 5}, if_match=first)
    assert (late.status_code, late.json()["code"], late.json()["current_version"]) == (412, "VERSION_CONFLICT", 2)
    assert (await ada.do("guilds.save", {"guild": guild, "coins": 5}, if_match='"v2"')).status_code == 200
    assert (await ada.do("guilds.save", {"guild": guild, "coins": 5}, if_match="*")).status_code == 200
    assert await coins(keep, ada, guild) == 15


async def test_a_tag_is_never_newer_than_what_was_read(keep: Keep, ada: Caller, guild: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vault changes between the two reads of a query: a tag of the second one would let a stale caller pass."""
    original = StoreReader.load

    async def after_a_change(self: StoreReader, *arguments: Any) -> Any:
        await keep.do(game.save(guild=guild, coins=1))
        return await original(self, *arguments)

    monkeypatch.setattr(StoreReader, "load", after_a_change)
    for _ in range(3):
        for first in ("false", "true"):
            answer = await ada.ask("guilds.late", {"guild": guild, "first": first})
            assert answer.headers["etag"].startswith(f'"v{answer.json()[-1] - (first == "false")}-'), answer.text


@pytest.mark.parametrize("tag", ["v1", '"1"', 'W/"v1"', '"v1", "v2"', '"v-1"', '"v99999999999999999"', ""])
async def test_a_malformed_if_match_is_refused(ada: Caller, guild: str, tag: str) -> None:
    answer = await ada.do("guilds.save", {"guild": guild, "coins": 5}, if_match=tag)

    assert (answer.status_code, answer.json()["code"]) == (400, "MALFORMED_REQUEST")


async def test_if_match_where_there_is_no_owner_is_refused(server: Caller) -> None:
    assert (await server.do("guilds.explode", {"word": "x"}, if_match='"v1"')).status_code == 400


async def test_an_answer_that_the_caller_has_is_not_sent_again(ada: Caller, guild: str) -> None:
    first = await ada.ask("guilds.vault", {"guild": guild})
    again = await ada.ask("guilds.vault", {"guild": guild}, if_none_match=first.headers["etag"])
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])

    await ada.do("guilds.save", {"guild": guild, "coins": 5})
    assert (await ada.ask("guilds.vault", {"guild": guild}, if_none_match=first.headers["etag"])).status_code == 200


async def test_another_answer_at_the_same_version_is_sent(keep: Keep, ada: Caller, server: Caller) -> None:
    """What is checkpointed raises no version, and still must not be hidden behind one."""
    character = (await ada.do("characters.create", {"user": ada.user, "name": "Ada"})).json()["character_id"]
    await keep.acquire(character)
    tags: list[str] = []
    places: list[float] = []
    for x in (1.0, 2.0):
        body = {"character": character, "x": x}
        assert (await server.http.post("/v1/characters/move_to", json=body, headers=server.headers())).status_code == 200
        shown = await ada.ask("characters.show", {"character": character}, if_none_match=tags[-1] if tags else '"v0"')
        tags.append(shown.headers["etag"])
        places.append(shown.json()["location"]["x"])

    assert places == [1.0, 2.0]
    assert [tag.split("-")[0] for tag in tags] == [tags[0].split("-")[0]] * 2


# Queries


async def test_a_query_takes_its_arguments_from_the_query_string(anyone: Caller) -> None:
    answer = await anyone.ask("guilds.echo", [("words", "a"), ("words", "b c"), ("times", "2"), ("loud", "true"), ("share", "0.25")])

    assert (answer.status_code, answer.json()) == (200, {"items": [["A", "B C"], ["A", "B C"]], "next_cursor": "0.25"})
    assert (await anyone.ask("guilds.echo", {"words": "\u00e4\u4e16"})).json()["items"] == [["\u00e4\u4e16"]]
    assert (await anyone.ask("guilds.echo")).json()["items"] == [[]]


async def test_a_query_takes_its_arguments_from_a_body_too(anyone: Caller) -> None:
    assert (await anyone.do("guilds.echo", {"words": ["a"]})).json()["items"] == [["a"]]
    assert (await anyone.do("guilds.measure", {"shape": {"x": 1, "y": 2}})).json() == 3
    assert (await anyone.do("guilds.echo", {"times": "2"})).status_code == 422


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("unknown=1", "/unknown"),
        ("times=0", "/times"),
        ("times=1.5", "/times"),
        ("times=", "/times"),
        ("times=1&times=2", "/times"),
        (f"times={2**53}", "/times"),
        (f"times={10**30}", "/times"),
        ("share=nan", "/share"),
        ("share=inf", "/share"),
        ("loud=perhaps", "/loud"),
        ("words=", "/words/0"),
        ("words=a%00b", "/words"),
    ],
)
async def test_a_wrong_parameter_is_named(anyone: Caller, query: str, pointer: str) -> None:
    answer = await anyone.http.get(f"/v1/guilds/echo?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_ARGUMENT")
    assert [one["pointer"].rstrip(".0123456789/") for one in answer.json()["errors"]] == [pointer.rstrip("/0")]


@pytest.mark.parametrize("query", ["words=%ff", "words=%ed%a0%80"])
async def test_a_query_string_that_is_no_text_is_malformed(anyone: Caller, query: str) -> None:
    answer = await anyone.http.get(f"/v1/guilds/echo?{query}")

    assert (answer.status_code, answer.json()["code"]) == (400, "MALFORMED_REQUEST")


async def test_a_secret_never_stands_in_an_address(server: Caller) -> None:
    by_get = await server.ask("guilds.whisper", {"word": "hush"})
    assert (by_get.status_code, by_get.headers["allow"]) == (405, "POST")
    assert (await server.do("guilds.whisper", {"word": "hush"})).json() == 4


async def test_head_answers_as_get_without_a_body(anyone: Caller) -> None:
    answer = await anyone.http.head("/v1/guilds/echo")

    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


# Batches


async def test_a_batch_is_done_whole_or_not_at_all(keep: Keep, ada: Caller, guild: str) -> None:
    save = {"command": "guilds.save", "arguments": {"guild": guild, "coins": 5}}
    spend = {"command": "guilds.spend", "arguments": {"guild": guild, "coins": 8}}

    done = await ada.http.post("/v1/batch", json=[save, save, spend], headers=ada.headers(idempotency_key="a"))
    assert (done.status_code, done.json()) == (200, [{"coins": 5}, {"coins": 10}, {"coins": 2}])
    refused = await ada.http.post("/v1/batch", json=[save, spend], headers=ada.headers(idempotency_key="b"))
    assert (refused.status_code, refused.json()["code"]) == (409, "VAULT_EMPTY")
    alone = await ada.http.post("/v1/batch", json=[save], headers=ada.headers(idempotency_key="c"))
    assert (alone.status_code, alone.json()) == (200, [{"coins": 7}])
    assert await coins(keep, ada, guild) == 7


async def test_a_batch_with_value_wants_a_key(ada: Caller, guild: str) -> None:
    save = {"command": "guilds.save", "arguments": {"guild": guild, "coins": 5}}
    answer = await ada.http.post("/v1/batch", json=[save], headers=ada.headers())

    assert (answer.status_code, answer.json()["code"]) == (400, "IDEMPOTENCY_KEY_REQUIRED")


async def test_each_command_of_a_batch_needs_what_it_would_need_alone(keep: Keep, ada: Caller, bob: Caller, guild: str) -> None:
    mine = {"command": "guilds.found", "arguments": {"user": bob.user}}
    hers = {"command": "guilds.save", "arguments": {"guild": guild, "coins": 5}}
    minted = {"command": "items.grant", "arguments": {"holder": bob.user, "item": "coins", "quantity": 5, "source": "x"}}

    for other in (hers, minted):
        answer = await bob.http.post("/v1/batch", json=[mine, other], headers=bob.headers(idempotency_key=new_id()))
        assert (answer.status_code, answer.json()["code"]) == (403, "NOT_ALLOWED")
    assert await coins(keep, ada, guild) == 0


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        [1],
        [{"command": "guilds.found", "arguments": []}],
        [{"command": "guilds.found", "more": 1}],
        [{"arguments": {}}],
        [{"command": "guilds.echo"}],
        [{"command": "none.such"}],
        [{"command": "sessions.guest_session"}],
        [{"command": "guilds.motto"}] * 101,
    ],
)
async def test_a_wrong_batch_is_refused(ada: Caller, body: Any) -> None:
    answer = await ada.http.post("/v1/batch", json=body, headers=ada.headers(idempotency_key="a"))

    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_ARGUMENT")


async def test_a_fault_within_a_batch_is_named_by_its_place(ada: Caller, guild: str) -> None:
    save = {"command": "guilds.save", "arguments": {"guild": guild, "coins": 5}}
    wrong = {"command": "guilds.save", "arguments": {"guild": guild, "coins": 0}}
    answer = await ada.http.post("/v1/batch", json=[save, wrong], headers=ada.headers(idempotency_key="a"))

    assert [one["pointer"] for one in answer.json()["errors"]] == ["/1/arguments/coins"]


async def test_strangers_do_no_batches(anyone: Caller) -> None:
    """abuse 50: a hundred hashed passwords in one request."""
    one = {"command": "sessions.login", "arguments": {"username": "ada", "password": "correct horse"}}
    answer = await anyone.http.post("/v1/batch", json=[one] * 100)

    assert answer.status_code == 401


# The items of abuse list 41 to 50 that reach the surface


@pytest.mark.parametrize(
    "quantity", ["-5", "0", f"{2**53}", "1" + "0" * 30, "0.5", '"5"', "true", "NaN", "Infinity", "-0", "null", "[]", "1e400"]
)
async def test_a_quantity_that_is_none_is_refused_with_its_place(
    keep: Keep, server: Caller, ada: Caller, guild: str, quantity: str
) -> None:
    """abuse 41 to 44."""
    body = f'{{"guild": "{guild}", "coins": {quantity}}}'.encode()
    headers = ada.headers(idempotency_key=new_id(), content_type="application/json")
    answer = await ada.http.post("/v1/guilds/save", content=body, headers=headers)

    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["code"] in ("INVALID_ARGUMENT", "INVALID_JSON")
    assert await coins(keep, ada, guild) == 0


async def test_a_key_that_stands_twice_is_refused(keep: Keep, ada: Caller, guild: str) -> None:
    """abuse 47: the check reads the first one, the database the last."""
    body = f'{{"guild": "{guild}", "coins": 1, "coins": 1000}}'.encode()
    headers = ada.headers(idempotency_key=new_id(), content_type="application/json")
    answer = await ada.http.post("/v1/guilds/save", content=body, headers=headers)

    assert (answer.status_code, answer.json()["code"], answer.json()["problem"]) == (422, "INVALID_JSON", "duplicate_key")
    assert await coins(keep, ada, guild) == 0


async def test_built_in_commands_are_served(keep: Keep, server: Caller, ada: Caller) -> None:
    character = (await ada.do("characters.create", {"user": ada.user, "name": "Ada"})).json()["character_id"]
    unknown = await server.do("items.grant", {"holder": character, "item": "no_such", "quantity": 5, "source": "loot"})
    held = await ada.ask("items.held", {"holder": character, "item": "coins"})

    assert (unknown.status_code, unknown.json()["code"]) == (items_status(), items.UnknownItem.code)
    assert held.json() == 0


def items_status() -> int:
    return {"not_found": 404, "refused": 409, "invalid": 422}[items.UnknownItem.kind.value]


async def test_the_application_can_be_mounted_into_another(keep: Keep) -> None:
    async def studio(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse(f"studio at {scope['root_path']}")(scope, receive, send)

    outer = Starlette(routes=[Mount("/game", app=make_app(keep, studio=studio))])
    async with AsyncClient(transport=ASGITransport(outer), base_url=ORIGIN) as http:
        assert (await http.get("/game/v1/guilds/echo")).status_code == 200
        assert (await http.get("/game/studio/players")).text == "studio at /game/studio"
        assert (await http.get("/game/elsewhere")).json()["code"] == "ROUTE_NOT_FOUND"
        assert (await http.get("/v1/guilds/echo")).status_code == 404
