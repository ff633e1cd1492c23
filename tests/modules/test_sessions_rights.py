"""What a session is worth: settings, roles, kicks, other ids after more rights, keys of programs, and what is forgotten."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import argon2
import pytest

import gamekeeper
from gamekeeper.errors import InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import moderation, people, sessions, users

PASSWORD = "correct horse battery"
DAY = 86_400
CLIENT = sessions.Client("web", "203.0.113.7", "Persephone/1.0")


async def _tokens(_read: Reader, _arguments: object) -> Prepared:
    return Prepared(found=sessions.new_tokens())


async def _long_lived(_read: Reader, _arguments: object) -> Prepared:
    return Prepared(found=sessions.new_tokens(long_lived=True))


@command(touches=[users.User, sessions.Session], prepare=_tokens, module="test_sessions_rights")
def rotated(ctx: Context, *, user: users.UserId, session_id: Id) -> sessions.Opened:
    """Rotate a session as a command does that gives its user more rights."""
    return sessions.rotate(ctx, users.alive(ctx, user), session_id, ctx.found)


@command(touches=[users.User, sessions.Session, sessions.RefreshToken], prepare=_long_lived, module="test_sessions_rights")
def open_long(ctx: Context, *, user: users.UserId) -> sessions.Opened:
    """Open a long-lived session."""
    return sessions.open_for(ctx, users.alive(ctx, user), ctx.found, CLIENT)


@command(touches=[sessions.Session], module="test_sessions_rights")
def play(ctx: Context, *, user: users.UserId, session_id: Id) -> None:
    """Play some character in a session."""
    ctx.change(sessions.in_force(ctx, user, session_id), character_id="ash", world_id="world")


@command(touches=[users.User], module="test_sessions_rights")
def ban(ctx: Context, *, user: users.UserId) -> None:
    """Ban a user."""
    ctx.change(users.alive(ctx, user), banned_until=ctx.now + 1000)


@asynccontextmanager
async def opened_with(url: str, clock: ManualClock, **settings: Any) -> AsyncIterator[Keep]:
    """A keep with settings of its own, whose time stands still."""
    async with gamekeeper.open(url, create=True, clock=clock, allow_unsafe_postgres=True, **settings) as keep:
        yield keep


@pytest.fixture
async def timed(database_url: str, clock: ManualClock) -> AsyncIterator[Keep]:
    """A keep whose time stands still."""
    async with opened_with(database_url, clock, secret_key="k" * 32) as keep:
        yield keep


async def role_of(keep: Keep, token: str) -> str | None:
    """The role that a token gives; None when it is worth nothing."""
    found = await keep.ask(sessions.by_token(token=token))
    return None if found is None else found.role


async def guests(keep: Keep, *names: str) -> None:
    """Users without a password."""
    await keep.do(*(users.create_guest(user=name) for name in names))


# Settings


async def test_an_operator_sets_how_long_sessions_last_and_how_many_there_are(database_url: str, clock: ManualClock) -> None:
    words = {"session_minutes": 10, "session_days": 1, "sessions_per_user": 1, "access_minutes": 2, "refresh_idle_days": 3}
    async with opened_with(database_url, clock, **words, long_session_days=2) as keep:
        await keep.do(users.register(user="ada", username="ada", password=PASSWORD))
        first = await keep.do(sessions.open_session(user="ada"))
        assert (first.expires_at, first.absolute_expires_at) == (clock.now_ms() + 600_000, clock.now_ms() + DAY * 1000)
        clock.move(60)
        assert (await keep.do(sessions.touch(user="ada", session_id=first.session_id))).expires_at == clock.now_ms() + 600_000

        second = await keep.do(open_long(user="ada"))

        assert await role_of(keep, first.token) is None
        assert (second.expires_at, second.refreshable_until) == (clock.now_ms() + 120_000, clock.now_ms() + 2 * DAY * 1000)
        third = await keep.do(sessions.open_session(user="ada"))
        assert await role_of(keep, second.token) is None
        assert second.refresh_token is not None
        with pytest.raises(sessions.RefreshTokenInvalid):
            await keep.do(sessions.refresh(refresh_token=second.refresh_token))
        assert [one.session_id for one in await keep.ask(sessions.list_sessions(user="ada"))] == [third.session_id]


# Logging in by address


async def test_a_user_logs_in_by_a_verified_address(timed: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    await timed.do(users.register(user="ada", username="ada", password=PASSWORD, email="Ada@Example.com"))
    sent = await timed.do(users.request_email_verification(user="ada", email="ada@example.com"))
    with pytest.raises(sessions.BadCredentials):
        await timed.do(sessions.login(username="ada@example.com", password=PASSWORD))
    await timed.do(users.verify_email(token=sent.token))

    assert (await timed.do(sessions.login(username=" ADA@example.com", password=PASSWORD))).user_id == "ada"

    work: list[bool] = []
    verify = argon2.PasswordHasher.verify

    def spy(self: argon2.PasswordHasher, hash: str | bytes, password: str | bytes) -> bool:
        work.append(True)
        return verify(self, hash, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", spy)
    for name in ("ada@example.com", "bob@example.com", "ada@", "@", "ada"):
        with pytest.raises(sessions.BadCredentials) as refused:
            await timed.do(sessions.login(username=name, password="wrong horse"))
        assert refused.value.facts == {}
    assert len(work) == 5


async def test_an_address_that_was_given_up_during_a_login_lets_nobody_in(timed: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    await timed.do(users.register(user="ada", username="ada", password=PASSWORD, email="ada@example.com"))
    sent = await timed.do(users.request_email_verification(user="ada", email="ada@example.com"))
    await timed.do(users.verify_email(token=sent.token))
    verify = users.verify_password

    async def slowly(stored: str | None, password: str, cost: users.Cost) -> bool:
        good = await verify(stored, password, cost)
        monkeypatch.undo()
        await timed.do(users.set_email(user="ada", email="other@example.com", password=PASSWORD))
        return good

    monkeypatch.setattr(users, "verify_password", slowly)
    with pytest.raises(sessions.BadCredentials):
        await timed.do(sessions.login(username="ada@example.com", password=PASSWORD))


async def test_without_keys_an_address_finds_nobody(keep: Keep) -> None:
    with pytest.raises(sessions.BadCredentials):
        await keep.do(sessions.login(username="ada@example.com", password=PASSWORD))


# Roles, bans, kicks


async def test_abuse_76_a_lower_role_counts_at_once_and_a_higher_one_from_the_next_login(timed: Keep) -> None:
    await guests(timed, "ada")
    before = await timed.do(sessions.open_session(user="ada"))

    await timed.do(users.set_role(user="ada", role="moderator"))

    assert await role_of(timed, before.token) == "player"
    after = await timed.do(sessions.open_session(user="ada"))
    assert await role_of(timed, after.token) == "moderator"
    await timed.do(users.set_role(user="ada", role="worldbuilder"))
    assert await role_of(timed, after.token) == "worldbuilder"
    await timed.do(users.set_role(user="ada", role="player"))
    assert (await role_of(timed, before.token), await role_of(timed, after.token)) == ("player", "player")


async def test_abuse_76_a_ban_is_seen_at_the_next_look(timed: Keep, clock: ManualClock) -> None:
    await guests(timed, "ada")
    opened = await timed.do(sessions.open_session(user="ada"))
    made = await timed.do(sessions.create_key(user="ada", name="bot", scopes=["*"]))

    await timed.do(ban(user="ada"))

    assert await role_of(timed, opened.token) is None
    assert await timed.ask(sessions.by_key(key=made.key)) is None
    with pytest.raises(users.Banned) as refused:
        await timed.do(sessions.open_session(user="ada"))
    assert refused.value.facts == {"until": clock.now_ms() + 1000}
    clock.move(1)
    assert await role_of(timed, opened.token) == "player"


async def test_staff_kick_users_of_lower_roles(timed: Keep) -> None:
    await guests(timed, "ada", "mia", "max")
    await timed.do(users.set_role(user="mia", role="moderator"), users.set_role(user="max", role="moderator"))
    one, two, three = [await timed.do(sessions.open_session(user="ada")) for _ in range(3)]

    kicked = await timed.do(moderation.kick(user="ada", session_id=one.session_id), actor="player:mia", reason="spam")

    assert kicked.sessions == 1
    assert [await role_of(timed, each.token) for each in (one, two)] == [None, "player"]
    assert (await timed.do(moderation.kick(user="ada"), actor="player:mia", reason="spam")).sessions == 2
    assert await role_of(timed, three.token) is None
    for actor, user in (("player:mia", "max"), ("player:mia", "mia"), ("player:ada", "max")):
        with pytest.raises(users.RoleTooLow):
            await timed.do(moderation.kick(user=user), actor=actor, reason="spam")
    with pytest.raises(sessions.SessionNotFound):
        await timed.do(moderation.kick(user="ada", session_id="another"), actor="player:mia", reason="spam")
    assert (await timed.do(moderation.kick(user="mia"), actor="operator:local", reason="spam")).sessions == 0


async def test_abuse_75_after_more_rights_the_session_has_another_id_and_token(timed: Keep) -> None:
    await guests(timed, "ada")
    fixed = await timed.do(sessions.open_session(user="ada", client_type="TUI", ip_address="203.0.113.7"))
    await timed.do(play(user="ada", session_id=fixed.session_id))
    await timed.do(users.set_role(user="ada", role="moderator"))

    new = await timed.do(rotated(user="ada", session_id=fixed.session_id))

    assert await role_of(timed, fixed.token) is None
    assert fixed.session_id != new.session_id
    found = await timed.ask(sessions.by_token(token=new.token))
    assert found is not None
    assert (found.role, found.client_type, found.character_id, found.world_id) == ("moderator", "tui", "ash", "world")
    with pytest.raises(sessions.SessionNotFound):
        await timed.do(rotated(user="ada", session_id=fixed.session_id))


# Keys of programs


async def test_abuse_87_a_leaked_key_is_replaced_and_worth_nothing(timed: Keep) -> None:
    await guests(timed, "ada")
    leaked = await timed.do(sessions.create_key(user="ada", name="shard 1", scopes=["items.*", "characters.move_to"]))

    made = await timed.do(sessions.rotate_key(user="ada", key_id=leaked.key_id), reason="leaked")

    assert await timed.ask(sessions.by_key(key=leaked.key)) is None
    found = await timed.ask(sessions.by_key(key=made.key))
    assert found is not None
    assert (found.name, found.scopes) == ("shard 1", ["characters.move_to", "items.*"])
    with pytest.raises(sessions.ApiKeyNotFound):
        await timed.do(sessions.rotate_key(user="ada", key_id=leaked.key_id), reason="leaked")


async def test_abuse_87_a_key_that_is_changed_as_a_habit_works_on_for_a_while(timed: Keep, clock: ManualClock) -> None:
    await guests(timed, "ada")
    old = await timed.do(sessions.create_key(user="ada", name="shard 1", scopes=["*"]))
    new = await timed.do(sessions.rotate_key(user="ada", key_id=old.key_id, overlap_seconds=3600), reason="a habit")

    # A second rotation never lets the first key last longer.
    clock.move(1800)
    await timed.do(sessions.rotate_key(user="ada", key_id=old.key_id, overlap_seconds=3600), reason="a habit")
    assert await timed.ask(sessions.by_key(key=old.key)) is not None
    clock.move(1800)

    assert await timed.ask(sessions.by_key(key=old.key)) is None
    assert await timed.ask(sessions.by_key(key=new.key)) is not None
    with pytest.raises(InvalidArgument):
        sessions.rotate_key(user="ada", key_id=new.key_id, overlap_seconds=8 * DAY)


# Forgetting


async def test_long_ended_sessions_are_forgotten_some_users_at_a_time(timed: Keep, clock: ManualClock) -> None:
    await guests(timed, "ada", "bob", "eve")
    await asyncio.gather(*(timed.do(sessions.open_session(user=name)) for name in ("ada", "ada", "bob", "eve")))
    clock.move((sessions.KEPT_DAYS - 1) * DAY)
    assert await timed.do(sessions.forget_ended()) == sessions.Forgotten(0, 0)
    clock.move(3 * DAY)
    await timed.do(users.register(user="ann", username="ann", password=PASSWORD))
    kept = await timed.do(open_long(user="ann"))

    assert await timed.do(sessions.forget_ended(dry_run=True)) == sessions.Forgotten(3, 4)
    assert await timed.do(sessions.forget_ended(limit=2)) != sessions.Forgotten(0, 0)
    assert (await timed.do(sessions.forget_ended(limit=2))).users == 1
    assert await timed.do(sessions.forget_ended()) == sessions.Forgotten(0, 0)

    assert [len(await timed.reader.all(sessions.Session, name)) for name in ("ada", "bob", "eve", "ann")] == [0, 0, 0, 1]
    assert kept.refresh_token is not None
    clock.move(6 * DAY)
    assert (await timed.do(sessions.refresh(refresh_token=kept.refresh_token))).token is not None
    clock.move(40 * DAY)
    assert await timed.do(sessions.forget_ended()) == sessions.Forgotten(1, 1)
    assert await timed.reader.all(sessions.RefreshToken, "ann") == []


async def test_nothing_is_left_of_the_sessions_of_who_is_erased(timed: Keep) -> None:
    await timed.do(users.register(user="ada", username="ada", password=PASSWORD))
    await timed.do(open_long(user="ada"))
    await timed.do(sessions.create_key(user="ada", name="bot", scopes=["*"]))
    await timed.do(users.request_deletion(user="ada", password=PASSWORD))

    await timed.do(people.erase(user="ada", early=True))

    for record in (sessions.Session, sessions.RefreshToken, sessions.ApiKey):
        assert await timed.reader.all(record, "ada") == []


def test_the_declared_access_is_what_the_surfaces_enforce() -> None:
    expected: dict[Any, str] = {
        sessions.refresh: "public",
        moderation.kick: "moderator",
        sessions.rotate_key: "operator",
        sessions.forget_ended: "operator",
    }

    assert {one: one.access for one in expected} == expected


@pytest.mark.parametrize("role", ["moderator", "admin", "superuser"])
async def test_a_game_servers_key_opens_no_session_of_staff(keep: Keep, role: users.Role) -> None:
    staff = (await keep.do(users.create_guest())).user_id
    assert (await keep.do(sessions.open_session(user=staff), actor="server:key")).user_id == staff
    await keep.do(users.set_role(user=staff, role=role))

    with pytest.raises(users.RoleTooLow):
        await keep.do(sessions.open_session(user=staff), actor="server:key")
    assert (await keep.do(sessions.open_session(user=staff), actor="operator:cli")).user_id == staff
