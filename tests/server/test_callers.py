"""Who may do what: deny by default."""

import asyncio
from typing import Any

import pytest
from httpx2 import AsyncClient
from sqlalchemy import select

from gamekeeper.errors import GameError, NotAllowed, NotAuthenticated
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import BELONGS_TO, COMMANDS
from gamekeeper.kernel.ids import new_id
from gamekeeper.kernel.queries import QUERIES
from gamekeeper.kernel.reading import StoreReader
from gamekeeper.kernel.store import schema
from gamekeeper.modules import sessions, users
from gamekeeper.server import Caller as Identity
from gamekeeper.server import authorize
from gamekeeper.server.authorize import admit
from tests.server.conftest import Caller, key_holder, player

ANONYMOUS = Identity("anonymous", "anonymous:test")
PLAYER = Identity("player", "player:u", "u")
SERVER = Identity("server", "server:k", "u", frozenset({"*"}))
OPERATOR = Identity("operator", "operator:u", "u", frozenset({"operator.*"}))
NARROW = Identity("server", "server:k", "u", frozenset({"items.grant", "guilds.*"}))

ADMITTED = {
    "public": {"anonymous", "player", "server", "operator"},
    "player": {"player", "server", "operator"},
    "server": {"server", "operator"},
    "moderator": {"operator"},  # and players of such a role
    "admin": {"operator"},
    "operator": {"operator"},
}


def test_every_operation_is_open_to_its_callers_and_to_no_others() -> None:
    """All commands and queries times all kinds of callers; a new one is in here by being declared."""
    for operation in (*COMMANDS.values(), *QUERIES.values()):
        for caller in (ANONYMOUS, PLAYER, SERVER, OPERATOR):
            if caller.kind in ADMITTED[operation.access]:
                admit(caller, operation)
                continue
            with pytest.raises(NotAuthenticated if caller.kind == "anonymous" else NotAllowed):
                admit(caller, operation)


def test_a_key_s_scopes_end_its_reach() -> None:
    for operation in (*COMMANDS.values(), *QUERIES.values()):
        in_scope = operation.name == "items.grant" or operation.module == "guilds"
        allowed = in_scope and operation.access in ("public", "player", "server")
        try:
            admit(NARROW, operation)
        except NotAllowed:
            assert not allowed, operation.name
        else:
            assert allowed, operation.name


def test_every_player_s_operation_names_an_owner_that_can_be_theirs() -> None:
    """Otherwise it could only be refused, or would be open to all players: those few stand here by name."""
    open_to_all_players = {"guilds.motto"}
    for operation in (*COMMANDS.values(), *QUERIES.values()):
        # The games of other tests are known to this process too, and are nobody's to serve.
        if operation.access != "player" or not operation.__module__.startswith(("gamekeeper.", "tests.server.")):
            continue
        kinds = [one.owner.kind for one in operation.parameters if one.owner is not None and not one.owner.creates]
        if not kinds:
            assert operation.name in open_to_all_players, operation.name
        else:
            assert kinds[0] in {"user", "", *BELONGS_TO}, operation.name


async def test_a_player_acts_only_for_what_is_theirs(keep: Keep, ada: Caller, bob: Caller, guild: str) -> None:
    """abuse 77: the id of somebody else's things in one's own request."""
    character = (await ada.do("characters.create", {"user": ada.user, "name": "Ada"})).json()["character_id"]
    world = (await keep.reader.root("content")) and "content"
    attempts: list[tuple[str, dict[str, Any]]] = [
        ("guilds.save", {"guild": guild, "coins": 5}),
        ("guilds.found", {"user": ada.user}),
        ("characters.create", {"user": ada.user, "name": "Mallory"}),
        ("characters.create", {"name": "Nobody"}),
        ("characters.rename", {"character": character, "name": "Mallory"}),
        ("items.move", {"holder": character, "from_container": "inventory", "from_slot": 0, "to_container": "inventory"}),
        ("items.move", {"holder": world, "from_container": "inventory", "from_slot": 0, "to_container": "inventory"}),
        ("people.log_out_everywhere", {"user": ada.user}),
        ("guilds.save", {"guild": new_id(), "coins": 5}),
    ]
    for name, arguments in attempts:
        answer = await bob.do(name, arguments)
        assert (answer.status_code, answer.json()["code"]) == (403, "NOT_ALLOWED"), (name, answer.text)
    for name, arguments in [
        ("characters.show", {"character": character}),
        ("items.inventory", {"holder": character}),
        ("items.inventory", {"holder": ada.user}),
        ("users.show", {"user": ada.user}),
        ("guilds.vault", {"guild": guild}),
    ]:
        assert (await bob.ask(name, arguments)).status_code == 403, name
        mine = await ada.ask(name, arguments)
        assert mine.status_code == 200, mine.text
    assert (await bob.ask("guilds.motto")).json() == "together"


async def test_a_deleted_character_is_nobody_s(ada: Caller) -> None:
    character = (await ada.do("characters.create", {"user": ada.user, "name": "Ada"})).json()["character_id"]
    assert (await ada.do("characters.delete", {"character": character})).status_code == 200

    assert (await ada.do("characters.rename", {"character": character, "name": "Eve"})).status_code == 403


async def test_both_sides_own_a_trade_but_not_what_lies_in_it(keep: Keep, ada: Caller, bob: Caller) -> None:
    """A query made for trades knows their rules; one made for any holder does not."""
    sides = []
    for number, caller in enumerate((ada, bob)):
        sides.append((await caller.do("characters.create", {"user": caller.user, "name": f"Side {'ab'[number]}"})).json()["character_id"])
    answer = await ada.do("trades.request", {"initiator": sides[0], "receiver": sides[1]})
    assert answer.status_code == 200, answer.text
    trade = next(value for name, value in answer.json().items() if name in ("trade_id", "trade"))
    carol = Identity("player", "player:x", (await keep.do(users.create_guest())).user_id)

    assert sorted(await BELONGS_TO["trade"](keep.reader, trade)) == sorted([ada.user, bob.user])
    arguments = QUERIES["items.inventory"].check({"holder": trade})
    for user in (ada.user, bob.user, carol.user):
        with pytest.raises(NotAllowed):
            await authorize(keep.reader, Identity("player", "player:x", user), QUERIES["items.inventory"], arguments)


async def test_a_player_chooses_no_id_that_others_might_want(anyone: Caller, ada: Caller, server: Caller, keep: Keep) -> None:
    for chosen in ("content", "1", "admin", new_id().upper()):
        answer = await anyone.do("sessions.guest_session", {"user": chosen})
        assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_ARGUMENT")
        answer = await ada.do("guilds.found", {"user": ada.user, "guild": chosen})
        assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_ARGUMENT")
    chosen = new_id()
    assert (await ada.do("guilds.found", {"user": ada.user, "guild": chosen})).json() == {"guild_id": chosen}
    assert (await server.do("guilds.found", {"user": ada.user, "guild": "imported_7"})).json() == {"guild_id": "imported_7"}


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "gks_x",
        "Bearer gks_unknown",
        "Bearer gkk_unknown",
        "Bearer other",
        "Bearer " + "gks_" + "x" * 300,
    ],
)
async def test_a_bad_token_is_never_taken_for_none(anyone: Caller, authorization: str) -> None:
    """Also where no token is needed: whoever shows one believes to be somebody."""
    answer = await anyone.http.get("/v1/guilds/echo", headers={"authorization": authorization})

    assert (answer.status_code, answer.json()["code"]) == (401, "NOT_AUTHENTICATED")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_token_ends_with_its_session(keep: Keep, ada: Caller) -> None:
    assert (await ada.ask("guilds.motto")).status_code == 200
    assert (await ada.do("people.log_out_everywhere", {"user": ada.user})).status_code == 200

    assert (await ada.ask("guilds.motto")).status_code == 401


async def test_requests_at_one_moment_share_the_look_at_their_token(
    keep: Keep, ada: Caller, bob: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    original = StoreReader.one

    async def counted(self: StoreReader, *arguments: Any, **words: Any) -> Any:
        nonlocal looks
        looks += 1
        return await original(self, *arguments, **words)

    monkeypatch.setattr(StoreReader, "one", counted)
    together = await asyncio.gather(*(caller.ask("guilds.motto") for caller in (ada, bob) for _ in range(10)))
    assert ({one.status_code for one in together}, looks) == ({200}, 2)
    assert [(await ada.ask("guilds.motto")).status_code for _ in range(3)] == [200] * 3
    assert looks == 5


async def test_a_revoked_key_opens_nothing(keep: Keep, server: Caller) -> None:
    assert (await server.ask("content.packs")).status_code == 200
    (key,) = await keep.ask(sessions.list_keys(user=server.user))
    await keep.do(sessions.revoke_key(user=server.user, key_id=key.key_id))

    assert (await server.ask("content.packs")).status_code == 401


async def test_a_narrow_key_is_refused_elsewhere(keep: Keep, http: AsyncClient, guild: str) -> None:
    narrow = await key_holder(keep, http, "guilds.vault")

    assert (await narrow.ask("guilds.vault", {"guild": guild})).status_code == 200
    assert (await narrow.do("guilds.save", {"guild": guild, "coins": 1})).status_code == 403
    assert (await narrow.ask("guilds.echo")).status_code == 403


async def test_operators_give_a_reason_for_what_is_of_value(keep: Keep, operator: Caller, server: Caller, guild: str) -> None:
    """abuse 82."""
    without = await operator.do("guilds.save", {"guild": guild, "coins": 5})
    assert (without.status_code, without.json()["code"]) == (400, "REASON_REQUIRED")
    assert (await operator.do("guilds.save", {"guild": guild, "coins": 5}, x_reason="event prize")).status_code == 200
    assert (await server.do("guilds.save", {"guild": guild, "coins": 5})).status_code == 200
    assert (await operator.do("worlds.create_world", {"name": "Reach"})).status_code == 200


@pytest.mark.parametrize("reason", ["", " ", "x" * 1001, "a\tb", b"\xff\xfe"])
async def test_a_reason_is_readable(operator: Caller, guild: str, reason: Any) -> None:
    headers = [*operator.headers(idempotency_key=new_id()).items(), ("x-reason", reason)]
    answer = await operator.http.post("/v1/guilds/save", json={"guild": guild, "coins": 5}, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "MALFORMED_REQUEST")


async def test_the_journal_knows_who_did_it_and_why(keep: Keep, ada: Caller, server: Caller, operator: Caller, anyone: Caller) -> None:
    guild = (await ada.do("guilds.found", {"user": ada.user})).json()["guild_id"]
    await server.do("guilds.save", {"guild": guild, "coins": 5})
    reason = "Pr\u00e4mie f\u00fcr 7"
    headers: list[tuple[str, Any]] = [*operator.headers(idempotency_key=new_id()).items(), ("x-reason", reason.encode())]
    await operator.http.post("/v1/guilds/save", json={"guild": guild, "coins": 5}, headers=headers)
    user = (await anyone.do("sessions.guest_session")).json()["user_id"]

    (key,) = await keep.ask(sessions.list_keys(user=server.user))
    columns = schema.journal.c
    rows = await keep.store.fetch(select(columns.owner_id, columns.actor, columns.reason).order_by(columns.owner_id, columns.seq), {})
    told = [tuple(row[1:]) for row in rows if row[0] == guild]
    assert told == [(f"player:{ada.user}", None), (f"server:{key.key_id}", None), (f"operator:{operator.user}", reason)]
    (anonymous,) = [row[1] for row in rows if row[0] == user]
    assert anonymous.startswith("anonymous:")
    assert "127.0.0.1" not in anonymous


async def test_a_session_lasts_on_by_use(keep: Keep, ada: Caller, server: Caller) -> None:
    assert (await server.ask("content.packs")).status_code == 200
    used_at = None
    for _ in range(100):
        (key,) = await keep.ask(sessions.list_keys(user=server.user))
        used_at = used_at or key.last_used_at
        await asyncio.sleep(0 if used_at else 0.02)

    assert used_at is not None


async def test_what_cannot_be_decided_is_denied(keep: Keep, ada: Caller, guild: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(read: Any, owner: str) -> list[str]:
        raise RuntimeError(owner)

    monkeypatch.setitem(BELONGS_TO, "guild", broken)
    assert (await ada.ask("guilds.vault", {"guild": guild})).status_code == 403
    monkeypatch.delitem(BELONGS_TO, "guild")
    assert (await ada.ask("guilds.vault", {"guild": guild})).status_code == 403


async def test_an_argument_that_names_nobody_lets_no_player_in(keep: Keep) -> None:
    create = COMMANDS["characters.create"]
    with pytest.raises(GameError) as refused:
        await authorize(keep.reader, PLAYER, create, create.check({"name": "Nobody"}))

    assert refused.value.code == "NOT_ALLOWED"


async def test_guests_are_players(keep: Keep, http: AsyncClient) -> None:
    first, second = await player(keep, http), await player(keep, http)

    assert (await first.ask("users.show", {"user": first.user})).status_code == 200
    assert (await first.ask("users.show", {"user": second.user})).status_code == 403
