"""Sessions and API keys: who may act, for how long, and that no token can be read from what is stored."""

import asyncio
from pathlib import Path
from typing import Any

import argon2
import msgspec
import pytest
from sqlalchemy import select

from gamekeeper.errors import ConstraintViolated, GameError, InvalidArgument, NameTaken, OwnerNotFound
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.commands import command
from gamekeeper.kernel.store.schema import all_tables
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import sessions, users

PASSWORD = "correct horse battery"
MINUTE = 60
HOUR = 60 * MINUTE


@command(touches=[users.User], module="test_sessions")
def switch(ctx: Context, *, user: users.UserId, is_active: bool = True, gone: bool = False) -> None:
    """Switch an account off or on, or delete it, as moderation will."""
    row = ctx.get(users.User, user)
    assert row is not None
    ctx.change(row, is_active=is_active, tombstoned_at=ctx.now if gone else None)


@command(touches=[users.User], module="test_sessions")
def set_hash(ctx: Context, *, user: users.UserId, password_hash: str) -> None:
    """Put a password's hash in place, as an import will."""
    row = ctx.get(users.User, user)
    assert row is not None
    ctx.change(row, password_hash=password_hash)


@command(touches=[sessions.Session], module="test_sessions")
def spoil(ctx: Context, *, user: users.UserId, session_id: str, character_id: str | None, world_id: str | None) -> None:
    """Write what no command of the module writes."""
    row = ctx.get(sessions.Session, user, session_id)
    assert row is not None
    ctx.change(row, character_id=character_id, world_id=world_id)


async def everything(keep: Keep) -> dict[str, list[list[Any]]]:
    """All rows of all tables, to see that nothing has changed, or that something stands nowhere."""
    return {one.name: sorted([list(row) for row in await keep.store.fetch(select(one), {})], key=repr) for one in all_tables()}


async def register(keep: Keep, name: str = "ada") -> str:
    """A user without a password, for tests that need no login."""
    return (await keep.do(users.create_guest(user=name))).user_id


async def test_a_login_opens_a_session_that_its_token_finds(timed: Keep, clock: ManualClock) -> None:
    ada = await timed.do(users.register(username="Ada", password=PASSWORD))

    opened = await timed.do(
        sessions.login(username="ADA", password=PASSWORD, client_type="Unity", ip_address="203.0.113.7", user_agent="Game/1.0")
    )

    assert opened.user_id == ada.user_id
    assert opened.token.startswith("gks_")
    assert opened.expires_at == clock.now_ms() + 480 * 60_000
    assert opened.absolute_expires_at == clock.now_ms() + 30 * 86_400_000
    found = await timed.ask(sessions.by_token(token=opened.token))
    assert found is not None
    assert (found.user_id, found.session_id, found.username, found.role) == (ada.user_id, opened.session_id, "Ada", "player")
    assert (found.is_active, found.is_guest, found.client_type, found.character_id) == (True, False, "unity", None)
    assert (await timed.ask(users.show(user=ada.user_id))).last_login_at == clock.now_ms()


async def test_unknown_names_and_wrong_passwords_are_answered_alike(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = await keep.do(users.register(username="ada", password=PASSWORD))
    guest = await keep.do(users.create_guest())
    await users.verify_password(None, PASSWORD)
    work: list[bool] = []
    verify = argon2.PasswordHasher.verify

    def spy(self: argon2.PasswordHasher, hash: str | bytes, password: str | bytes) -> bool:
        work.append(True)
        return verify(self, hash, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", spy)
    before = await everything(keep)
    for username, password in (("ada", "wrong horse"), ("bob", PASSWORD), (guest.username, PASSWORD), ("a\u200bda", PASSWORD), ("ada", "")):
        with pytest.raises(sessions.BadCredentials) as refused:
            await keep.do(sessions.login(username=username, password=password))
        assert refused.value.facts == {}

    assert len(work) == 5
    assert await everything(keep) == before
    assert (await keep.ask(users.show(user=ada.user_id))).last_login_at is None


async def test_a_token_a_key_and_a_password_stand_nowhere_in_the_database(keep: Keep, tmp_path: Path) -> None:
    ada = await keep.do(users.register(username="ada", password=PASSWORD), key="register")
    opened = await keep.do(sessions.login(username="ada", password=PASSWORD), key="login")
    guest = await keep.do(sessions.guest_session(), key="guest")
    made = await keep.do(sessions.create_key(user=ada.user_id, name="shard 1", scopes=["*"]), key="key", reason="a server")
    await keep.do(sessions.revoke_all(user=ada.user_id))

    dump = repr(await everything(keep))
    files = b"".join(one.read_bytes() for one in tmp_path.glob("world.db*"))
    for secret in (PASSWORD, opened.token, guest.token, made.key):
        assert secret not in dump
        assert secret.encode() not in files
        assert secret.encode().hex() not in dump


async def test_tokens_do_not_show_in_what_ends_in_logs(keep: Keep) -> None:
    call = sessions.login(username="ada", password=PASSWORD)

    assert PASSWORD not in repr(call)
    with pytest.raises(GameError) as refused:
        await keep.do(call)
    assert PASSWORD not in str(refused.value)


async def test_an_address_and_a_browser_are_sealed_in_the_journal(keep: Keep) -> None:
    guest = await keep.do(sessions.guest_session(ip_address="203.0.113.7", user_agent="Persephone/1.0"))

    dump = await everything(keep)
    assert "203.0.113.7" not in repr(dump["journal"])
    assert "Persephone" not in repr(dump["journal"])
    listed = await keep.ask(sessions.list_sessions(user=guest.user_id))
    assert [(one.ip_address, one.user_agent) for one in listed] == [("203.0.113.7", "Persephone/1.0")]
    assert "token" not in msgspec.json.encode(listed).decode()


async def test_activity_lets_a_session_last_but_never_beyond_thirty_days(timed: Keep, clock: ManualClock) -> None:
    await timed.do(users.register(user="ada", username="ada", password=PASSWORD))
    opened = await timed.do(sessions.open_session(user="ada"))

    for _ in range(3 * 30 + 2):
        clock.move(7.9 * HOUR)
        try:
            touched = await timed.do(sessions.touch(user="ada", session_id=opened.session_id))
        except sessions.SessionNotFound:
            break
        assert touched.expires_at == min(clock.now_ms() + 8 * HOUR * 1000, opened.absolute_expires_at)
        assert await timed.ask(sessions.by_token(token=opened.token)) is not None

    assert clock.now_ms() >= opened.absolute_expires_at
    assert await timed.ask(sessions.by_token(token=opened.token)) is None


async def test_a_session_without_activity_ends_after_eight_hours(timed: Keep, clock: ManualClock) -> None:
    await register(timed)
    opened = await timed.do(sessions.open_session(user="ada"))

    clock.move(8 * HOUR - 0.001)
    assert await timed.ask(sessions.by_token(token=opened.token)) is not None
    clock.move(0.001)

    assert await timed.ask(sessions.by_token(token=opened.token)) is None
    assert await timed.ask(sessions.list_sessions(user="ada")) == []
    with pytest.raises(sessions.SessionNotFound):
        await timed.do(sessions.touch(user="ada", session_id=opened.session_id))


async def test_activity_within_a_minute_writes_nothing(timed: Keep, clock: ManualClock) -> None:
    await register(timed)
    opened = await timed.do(sessions.open_session(user="ada"))
    before = await everything(timed)

    clock.move(59)
    assert (await timed.do(sessions.touch(user="ada", session_id=opened.session_id))).expires_at == opened.expires_at
    assert await everything(timed) == before
    clock.move(1)
    assert (await timed.do(sessions.touch(user="ada", session_id=opened.session_id))).expires_at == opened.expires_at + 60_000


async def test_a_revoked_session_is_over_at_once_and_for_good(keep: Keep) -> None:
    await register(keep)
    one, two, three = [await keep.do(sessions.open_session(user="ada")) for _ in range(3)]

    assert (await keep.do(sessions.revoke(user="ada", session_id=one.session_id))).sessions == 1
    assert (await keep.do(sessions.revoke(user="ada", session_id=one.session_id))).sessions == 0
    assert await keep.ask(sessions.by_token(token=one.token)) is None
    assert (await keep.do(sessions.revoke_all(user="ada", but=three.session_id))).sessions == 1
    assert await keep.ask(sessions.by_token(token=two.token)) is None
    assert await keep.ask(sessions.by_token(token=three.token)) is not None
    with pytest.raises(sessions.SessionNotFound):
        await keep.do(sessions.touch(user="ada", session_id=one.session_id))
    with pytest.raises(sessions.SessionNotFound):
        await keep.do(sessions.revoke(user="ada", session_id="another"))


async def test_nobody_ends_another_users_session(keep: Keep) -> None:
    await register(keep, "ada")
    await register(keep, "bob")
    opened = await keep.do(sessions.open_session(user="ada"))

    with pytest.raises(sessions.SessionNotFound):
        await keep.do(sessions.revoke(user="bob", session_id=opened.session_id))

    assert await keep.ask(sessions.by_token(token=opened.token)) is not None


async def test_one_session_too_many_ends_the_one_idle_longest(timed: Keep, clock: ManualClock) -> None:
    await register(timed)
    opened = []
    for _ in range(timed.settings.sessions_per_user):
        opened.append(await timed.do(sessions.open_session(user="ada")))
        clock.move(1)
    clock.move(60)
    await timed.do(sessions.touch(user="ada", session_id=opened[0].session_id))

    await timed.do(sessions.open_session(user="ada"))

    assert await timed.ask(sessions.by_token(token=opened[0].token)) is not None
    assert await timed.ask(sessions.by_token(token=opened[1].token)) is None
    still_open = await timed.ask(sessions.list_sessions(user="ada"))
    assert len(still_open) == timed.settings.sessions_per_user


async def test_rows_of_ended_sessions_do_not_pile_up(keep: Keep) -> None:
    await register(keep)

    for _ in range(50):
        opened = await keep.do(sessions.open_session(user="ada"))
        await keep.do(sessions.revoke(user="ada", session_id=opened.session_id))

    assert len(await keep.reader.all(sessions.Session, "ada")) <= 2 * keep.settings.sessions_per_user + 1


async def test_a_switched_off_account_cannot_log_in_and_its_sessions_are_over(keep: Keep) -> None:
    ada = (await keep.do(users.register(username="ada", password=PASSWORD))).user_id
    opened = await keep.do(sessions.login(username="ada", password=PASSWORD))
    key = await keep.do(sessions.create_key(user=ada, name="shard", scopes=["*"]))

    await keep.do(switch(user=ada, is_active=False))

    assert await keep.ask(sessions.by_token(token=opened.token)) is None
    assert await keep.ask(sessions.by_key(key=key.key)) is None
    with pytest.raises(sessions.AccountInactive):
        await keep.do(sessions.login(username="ada", password=PASSWORD))
    with pytest.raises(sessions.AccountInactive):
        await keep.do(sessions.open_session(user=ada))
    with pytest.raises(sessions.BadCredentials):
        await keep.do(sessions.login(username="ada", password="wrong horse"))
    await keep.do(switch(user=ada))
    assert await keep.ask(sessions.by_token(token=opened.token)) is not None


async def test_a_deleted_account_looks_like_no_account(keep: Keep) -> None:
    ada = (await keep.do(users.register(username="ada", password=PASSWORD))).user_id
    opened = await keep.do(sessions.login(username="ada", password=PASSWORD))

    await keep.do(switch(user=ada, gone=True))

    assert await keep.ask(sessions.by_token(token=opened.token)) is None
    with pytest.raises(sessions.BadCredentials):
        await keep.do(sessions.login(username="ada", password=PASSWORD))
    with pytest.raises(users.UserNotFound):
        await keep.do(sessions.open_session(user=ada))


async def test_a_password_that_changes_during_a_login_lets_nobody_in(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = (await keep.do(users.register(username="ada", password=PASSWORD))).user_id
    verify = users.verify_password

    async def slowly(stored: str | None, password: str, cost: users.Cost) -> bool:
        good = await verify(stored, password, cost)
        await keep.do(set_hash(user=ada, password_hash=await users.hash_password("another horse")))
        return good

    monkeypatch.setattr(users, "verify_password", slowly)
    with pytest.raises(sessions.BadCredentials):
        await keep.do(sessions.login(username="ada", password=PASSWORD))

    assert await keep.ask(sessions.list_sessions(user=ada)) == []


async def test_a_login_brings_an_old_hash_up_to_date(keep: Keep) -> None:
    ada = (await keep.do(users.register(username="ada", password=PASSWORD))).user_id
    old = argon2.PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    await keep.do(set_hash(user=ada, password_hash=old))

    await keep.do(sessions.login(username="ada", password=PASSWORD))

    stored = await keep.reader.get(users.User, ada)
    assert stored is not None
    assert stored.password_hash is not None
    assert stored.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    await keep.do(sessions.login(username="ada", password=PASSWORD))


async def test_a_guests_session_ends_with_the_guest(timed: Keep, clock: ManualClock) -> None:
    guest = await timed.do(sessions.guest_session(client_type="TUI"))

    assert guest.username.startswith("guest_")
    assert guest.absolute_expires_at == guest.guest_expires_at == clock.now_ms() + 24 * HOUR * 1000
    for _ in range(3):
        clock.move(7.9 * HOUR)
        await timed.do(sessions.touch(user=guest.user_id, session_id=guest.session_id))
    found = await timed.ask(sessions.by_token(token=guest.token))
    assert found is not None
    assert (found.is_guest, found.client_type) == (True, "tui")
    key = await timed.do(sessions.create_key(user=guest.user_id, name="a bot", scopes=["*"]))
    clock.move(0.31 * HOUR)
    assert await timed.ask(sessions.by_token(token=guest.token)) is None
    assert await timed.ask(sessions.by_key(key=key.key)) is None
    with pytest.raises(sessions.AccountInactive):
        await timed.do(sessions.open_session(user=guest.user_id))


async def test_a_guest_and_the_session_are_made_together_or_not_at_all(keep: Keep) -> None:
    await keep.do(sessions.guest_session(user="g1"))
    before = await everything(keep)

    with pytest.raises(GameError):
        await keep.do(sessions.guest_session(user="g1"))
    with pytest.raises(GameError):
        await keep.do(sessions.guest_session(user="g2"), sessions.touch(user="g1", session_id="none"))

    assert await everything(keep) == before


async def test_many_guests_at_once_have_tokens_of_their_own(keep: Keep) -> None:
    answers = await asyncio.gather(*(keep.do(sessions.guest_session()) for _ in range(20)), return_exceptions=True)

    opened = [one for one in answers if isinstance(one, sessions.OpenedForGuest)]
    assert all(isinstance(one, sessions.OpenedForGuest | NameTaken) for one in answers)
    assert len({one.token for one in opened}) == len({one.user_id for one in opened}) == len(opened) >= 18
    for one in opened:
        found = await keep.ask(sessions.by_token(token=one.token))
        assert found is not None
        assert found.user_id == one.user_id


async def test_a_token_that_was_never_given_finds_nothing(keep: Keep) -> None:
    await register(keep)
    opened = await keep.do(sessions.open_session(user="ada"))
    stored = (await keep.reader.all(sessions.Session, "ada"))[0].token_hash

    for token in ("", "gks_", opened.token[:-1], opened.token + "x", opened.token.upper(), stored, "' OR 1=1 --", "a\0b", "\ud800"):
        try:
            assert await keep.ask(sessions.by_token(token=token)) is None
            assert await keep.ask(sessions.by_key(key=token)) is None
        except GameError as error:
            assert isinstance(error, InvalidArgument)  # noqa: PT017 - refused is as good as not found
    assert await keep.ask(sessions.by_key(key=opened.token)) is None
    with pytest.raises(InvalidArgument):
        sessions.by_token(token="x" * 129)


async def test_an_api_key_is_found_by_its_secret_until_it_is_revoked(timed: Keep, clock: ManualClock) -> None:
    await timed.do(users.register(user="ada", username="ada", password=PASSWORD))
    made = await timed.do(sessions.create_key(user="ada", name="shard 1", scopes=["items.*", "characters.move_to", "items.*"]))

    assert made.key.startswith("gkk_")
    found = await timed.ask(sessions.by_key(key=made.key))
    assert found is not None
    assert (found.user_id, found.key_id, found.name) == ("ada", made.key_id, "shard 1")
    assert (found.scopes, found.last_used_at, found.revoked_at) == (["characters.move_to", "items.*"], None, None)
    await timed.do(sessions.touch_key(user="ada", key_id=made.key_id))
    clock.move(30)
    await timed.do(sessions.touch_key(user="ada", key_id=made.key_id))
    assert [one.last_used_at for one in await timed.ask(sessions.list_keys(user="ada"))] == [clock.now_ms() - 30_000]

    await timed.do(sessions.revoke_key(user="ada", key_id=made.key_id), reason="leaked")
    await timed.do(sessions.revoke_key(user="ada", key_id=made.key_id), reason="leaked")

    assert await timed.ask(sessions.by_key(key=made.key)) is None
    assert [one.revoked_at for one in await timed.ask(sessions.list_keys(user="ada"))] == [clock.now_ms()]
    with pytest.raises(sessions.ApiKeyNotFound):
        await timed.do(sessions.revoke_key(user="ada", key_id="another"))


async def test_a_user_has_a_bounded_number_of_api_keys(keep: Keep) -> None:
    await register(keep)
    for number in range(sessions.MAX_API_KEYS):
        await keep.do(sessions.create_key(user="ada", name=f"key {number}", scopes=[]))

    with pytest.raises(sessions.TooManyApiKeys) as refused:
        await keep.do(sessions.create_key(user="ada", name="one more", scopes=[]))

    assert refused.value.facts == {"limit": sessions.MAX_API_KEYS}


OUT_OF_BOUNDS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"client_type": "Ma\u0142y"}, "/client_type"),
    ({"client_type": ""}, "/client_type"),
    ({"client_type": "x" * 33}, "/client_type"),
    ({"client_type": "a\n"}, "/client_type"),
    ({"client_type": 5}, "/client_type"),
    ({"ip_address": "1" * 46}, "/ip_address"),
    ({"user_agent": "a\0b"}, "/user_agent"),
    ({"user_agent": "x" * 513}, "/user_agent"),
    ({"token": "gks_mine"}, "/token"),
    ({"user": "a b"}, "/user"),
)


async def test_arguments_out_of_bounds_are_refused_by_path_and_change_nothing(keep: Keep) -> None:
    before = await everything(keep)

    for arguments, path in OUT_OF_BOUNDS:
        with pytest.raises(InvalidArgument) as refused:
            await keep.do(sessions.guest_session(**arguments))
        assert refused.value.facts["path"] == path

    assert await everything(keep) == before


BAD_SCOPES: list[Any] = [
    ["Items.*"],
    ["items"],
    ["*.*"],
    ["items.grant "],
    ["items.*\n"],
    [5],
    "items.*",
    ["x." + "y" * 64],
    ["*"] * 65,
]


@pytest.mark.parametrize("scopes", BAD_SCOPES)
def test_scopes_that_mean_nothing_are_refused(scopes: Any) -> None:
    with pytest.raises(InvalidArgument):
        sessions.create_key(user="ada", name="shard", scopes=scopes)


async def test_live_sessions_of_everybody_are_listed_the_newest_first(timed: Keep, clock: ManualClock) -> None:
    for name in ("ada", "bob", "cyd", "dee"):
        await register(timed, name)
        clock.move(1)
    opened = []
    for name, more in (("ada", {}), ("bob", {"ip_address": "192.0.2.7"}), ("ada", {"long_lived": True}), ("cyd", {}), ("dee", {})):
        opened.append((await timed.do(sessions.open_session(user=name, client_type="web", **more))).session_id)
        clock.move(1)
    await timed.do(sessions.revoke_all(user="cyd"))
    await timed.do(switch(user="dee", is_active=False))

    first = await timed.ask(sessions.list_live(limit=2))
    rest = await timed.ask(sessions.list_live(limit=2, cursor=first.next_cursor))
    theirs = await timed.ask(sessions.list_live(user="ada", limit=1))

    assert [one.session_id for one in (*first.items, *rest.items)] == [opened[2], opened[1], opened[0]]
    assert rest.next_cursor is None
    assert (first.items[1].ip_address, first.items[1].client_type) == ("192.0.2.7", "web")
    assert first.items[1].username == (await timed.ask(users.show(user="bob"))).username
    assert [one.session_id for one in theirs.items] == [opened[2]]
    last = await timed.ask(sessions.list_live(user="ada", limit=1, cursor=theirs.next_cursor))
    assert [one.session_id for one in last.items] == [opened[0]]

    clock.move(HOUR)
    assert opened[2] in {one.session_id for one in (await timed.ask(sessions.list_live())).items}, "it can be refreshed"
    clock.move(8 * HOUR)
    assert [one.session_id for one in (await timed.ask(sessions.list_live())).items] == [opened[2]]


async def test_a_session_of_nobody_is_not_opened(keep: Keep) -> None:
    with pytest.raises(OwnerNotFound):
        await keep.do(sessions.open_session(user="nobody"))


async def test_a_character_without_a_world_is_refused_by_the_table(keep: Keep) -> None:
    await register(keep)
    opened = await keep.do(sessions.open_session(user="ada"))

    for character_id, world_id in (("c", None), (None, "w")):
        with pytest.raises(ConstraintViolated):
            await keep.do(spoil(user="ada", session_id=opened.session_id, character_id=character_id, world_id=world_id))

    await keep.do(spoil(user="ada", session_id=opened.session_id, character_id="c", world_id="w"))


def test_the_declared_access_is_what_the_surfaces_enforce() -> None:
    expected: dict[Any, str] = {
        sessions.login: "public",
        sessions.guest_session: "public",
        sessions.open_session: "server",
        sessions.touch: "server",
        sessions.touch_key: "server",
        sessions.by_token: "server",
        sessions.by_key: "server",
        sessions.revoke: "server",
        sessions.revoke_all: "server",
        sessions.list_sessions: "player",
        sessions.create_key: "operator",
        sessions.revoke_key: "operator",
        sessions.list_keys: "operator",
    }

    assert {one: one.access for one in expected} == expected
