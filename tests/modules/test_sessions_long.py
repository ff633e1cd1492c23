"""Sessions that last for weeks: refresh tokens, of which the last one is good, and what a copy of another one does."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select

import gamekeeper
from gamekeeper.errors import ConstraintViolated, GameError
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.store.schema import all_tables
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import moderation, sessions, users

PASSWORD = "correct horse battery"
MINUTE = 60
DAY = 24 * 60 * MINUTE
CLIENT = sessions.Client("TUI", "203.0.113.7", None)


async def _tokens(_read: Reader, _arguments: object) -> Prepared:
    return Prepared(found=sessions.new_tokens(long_lived=True))


@command(touches=[users.User, sessions.Session, sessions.RefreshToken], prepare=_tokens, module="test_sessions_long")
def open_long(ctx: Context, *, user: users.UserId) -> sessions.Opened:
    """Open a long-lived session without a password."""
    return sessions.open_for(ctx, users.alive(ctx, user), ctx.found, CLIENT)


@command(touches=[users.User], module="test_sessions_long")
def stay(ctx: Context, *, user: users.UserId) -> None:
    """Let a guest last, without a password, which would cost the tests time."""
    ctx.change(users.alive(ctx, user), is_guest=False, guest_expires_at=None)


@command(touches=[users.User], module="test_sessions_long")
def void_sessions(ctx: Context, *, user: users.UserId) -> None:
    """End all sessions of a user as a new password does."""
    ctx.change(users.alive(ctx, user), sessions_valid_from=ctx.now)


@command(touches=[users.User], module="test_sessions_long")
def ban(ctx: Context, *, user: users.UserId) -> None:
    """Ban a user."""
    ctx.change(users.alive(ctx, user), banned_until=ctx.now + 10**12)


@command(touches=[sessions.Session], module="test_sessions_long")
def spoil(ctx: Context, *, user: users.UserId, session_id: str) -> None:
    """Give a session a client type that no command of the module writes."""
    row = ctx.get(sessions.Session, user, session_id)
    assert row is not None
    ctx.change(row, client_type="TUI")


@pytest.fixture
async def timed(database_url: str, clock: ManualClock) -> AsyncIterator[Keep]:
    """A keep whose time stands still, with a user who lasts."""
    async with gamekeeper.open(database_url, create=True, clock=clock, allow_unsafe_postgres=True) as keep:
        await keep.do(users.create_guest(user="ada"), stay(user="ada"))
        yield keep


async def is_open(keep: Keep, token: str | None) -> bool:
    """Whether a session's token is good."""
    return token is not None and await keep.ask(sessions.by_token(token=token)) is not None


async def refresh(keep: Keep, token: str | None) -> sessions.Refreshed:
    """Refresh, and have a look at what is promised of it."""
    assert token is not None
    told = await keep.do(sessions.refresh(refresh_token=token))
    assert told.reused == (told.token is None) == (told.refresh_token is None)
    return told


async def refuses(keep: Keep, token: str | None) -> bool:
    """Whether a refresh token is worth nothing."""
    try:
        return (await refresh(keep, token)).reused
    except sessions.RefreshTokenInvalid:
        return True


async def test_a_long_session_is_refreshed_every_quarter_of_an_hour(timed: Keep, clock: ManualClock) -> None:
    await timed.do(users.register(user="ann", username="ann", password=PASSWORD))
    opened = await timed.do(sessions.login(username="ann", password=PASSWORD, long_lived=True), key="mine")
    start = clock.now_ms()
    assert opened.refresh_token is not None
    assert opened.refresh_token.startswith(sessions.REFRESH_PREFIX)
    assert (opened.expires_at, opened.absolute_expires_at) == (start + 15 * MINUTE * 1000, start + 90 * DAY * 1000)
    assert opened.refreshable_until == start + 7 * DAY * 1000

    clock.move(14 * MINUTE)
    touched = await timed.do(sessions.touch(user="ann", session_id=opened.session_id))
    assert touched.expires_at == opened.expires_at
    clock.move(MINUTE)
    assert not await is_open(timed, opened.token)
    (listed,) = await timed.ask(sessions.list_sessions(user="ann"))
    assert (listed.session_id, listed.refreshable_until) == (opened.session_id, opened.refreshable_until)
    told = await refresh(timed, opened.refresh_token)

    assert (told.session_id, told.expires_at) == (opened.session_id, clock.now_ms() + 15 * MINUTE * 1000)
    assert told.refreshable_until == clock.now_ms() + 7 * DAY * 1000
    assert await is_open(timed, told.token)
    assert len({opened.token, opened.refresh_token, told.token, told.refresh_token}) == 4
    dump = repr([row for one in all_tables() for row in await timed.store.fetch(select(one), {})])
    for secret in (opened.token, opened.refresh_token, told.token, told.refresh_token):
        assert secret is not None
        assert not any(part in dump for part in secret.removeprefix(sessions.REFRESH_PREFIX).split("."))


async def test_a_long_session_ends_after_ninety_days_and_after_seven_without_a_refresh(timed: Keep, clock: ManualClock) -> None:
    idle = await timed.do(open_long(user="ada"))
    used = await timed.do(open_long(user="ada"))
    token: str | None = used.refresh_token
    ends = used.absolute_expires_at

    for _ in range(12):
        clock.move(7 * DAY - 1)
        told = await refresh(timed, token)
        assert told.refreshable_until == min(clock.now_ms() + 7 * DAY * 1000, ends)
        token = told.refresh_token
    clock.move((ends - clock.now_ms()) / 1000)

    assert await refuses(timed, token)
    assert await refuses(timed, idle.refresh_token)
    assert await timed.ask(sessions.list_sessions(user="ada")) == []


async def test_abuse_75_who_missed_the_answer_gets_the_same_one_for_ten_seconds(timed: Keep, clock: ManualClock) -> None:
    opened = await timed.do(open_long(user="ada"))
    told = await refresh(timed, opened.refresh_token)

    clock.move(sessions.GRACE_SECONDS - 0.001)
    again = await refresh(timed, opened.refresh_token)

    assert again == told
    assert await is_open(timed, told.token)
    assert (await refresh(timed, again.refresh_token)).token != told.token


async def test_abuse_75_a_refresh_token_that_is_used_again_later_ends_the_session(timed: Keep, clock: ManualClock) -> None:
    opened, other = await timed.do(open_long(user="ada")), await timed.do(open_long(user="ada"))
    told = await refresh(timed, opened.refresh_token)
    clock.move(sessions.GRACE_SECONDS)

    again = await refresh(timed, opened.refresh_token)

    assert (again.reused, again.session_id, again.token, again.refresh_token) == (True, opened.session_id, None, None)
    assert not await is_open(timed, told.token)
    assert await refuses(timed, told.refresh_token)
    assert await refuses(timed, opened.refresh_token)
    assert await is_open(timed, other.token)
    assert not await refuses(timed, other.refresh_token)


async def test_abuse_75_a_token_from_far_back_is_known_for_a_copy_though_no_row_remembers_it(timed: Keep, clock: ManualClock) -> None:
    opened = await timed.do(open_long(user="ada"))
    token = opened.refresh_token
    for _ in range(4):
        clock.move(MINUTE)
        token = (await refresh(timed, token)).refresh_token
    assert len(await timed.reader.all(sessions.RefreshToken, "ada")) == 1

    assert (await refresh(timed, opened.refresh_token)).reused

    assert await refuses(timed, token)


async def test_abuse_75_of_fifty_refreshes_at_once_one_leaf_is_left(timed: Keep, clock: ManualClock) -> None:
    opened = await timed.do(open_long(user="ada"))

    told = await asyncio.gather(*(refresh(timed, opened.refresh_token) for _ in range(50)))

    assert len({(one.token, one.refresh_token) for one in told}) == 1
    (family,) = await timed.reader.all(sessions.RefreshToken, "ada")
    assert family.rotations == 1
    clock.move(sessions.GRACE_SECONDS)
    assert not await refuses(timed, told[0].refresh_token)


async def test_abuse_75_a_refresh_and_a_logout_at_once_leave_nobody_logged_in(timed: Keep) -> None:
    for position in range(4):
        opened = await timed.do(open_long(user="ada"))
        calls: list[Any] = [refresh(timed, opened.refresh_token), timed.do(sessions.revoke(user="ada", session_id=opened.session_id))]
        answers = await asyncio.gather(*(calls if position % 2 else reversed(calls)), return_exceptions=True)

        assert all(isinstance(one, sessions.Refreshed | sessions.Revoked | sessions.RefreshTokenInvalid) for one in answers)
        for one in answers:
            if isinstance(one, sessions.Refreshed):
                assert not await is_open(timed, one.token)
                assert await refuses(timed, one.refresh_token)
        assert not await is_open(timed, opened.token)
        assert await refuses(timed, opened.refresh_token)


async def test_a_sleeping_long_session_is_ended_like_any_other(timed: Keep, clock: ManualClock) -> None:
    first = [await timed.do(open_long(user="ada")) for _ in range(4)]
    clock.move(DAY)

    assert (await timed.do(sessions.revoke(user="ada", session_id=first[0].session_id))).sessions == 1
    assert (await timed.do(moderation.kick(user="ada", session_id=first[1].session_id), reason="spam")).sessions == 1
    assert (await timed.do(sessions.revoke_all(user="ada", but=first[3].session_id))).sessions == 1
    assert [await refuses(timed, one.refresh_token) for one in first] == [True, True, True, False]
    last = await timed.do(open_long(user="ada"))
    await timed.do(void_sessions(user="ada"))

    assert await refuses(timed, last.refresh_token)
    assert await timed.ask(sessions.list_sessions(user="ada")) == []


async def test_a_banned_user_does_not_refresh(timed: Keep) -> None:
    opened = await timed.do(open_long(user="ada"))
    await timed.do(ban(user="ada"))

    with pytest.raises(users.Banned):
        await refresh(timed, opened.refresh_token)

    assert not await is_open(timed, opened.token)


async def test_a_refresh_token_that_was_never_given_ends_nothing(timed: Keep) -> None:
    opened = await timed.do(open_long(user="ada"))
    assert opened.refresh_token is not None
    family = opened.refresh_token.partition(".")[0]

    for token in ("", "gkr_", ".", opened.token, family[:-1], "x" + opened.refresh_token, "' OR 1=1 --"):
        with pytest.raises(GameError):
            await refresh(timed, token)

    assert await is_open(timed, opened.token)
    assert not await refuses(timed, opened.refresh_token)


async def test_a_refresh_keeps_the_session_where_it_is(database_url: str) -> None:
    """Also with keys, and by one process after another."""
    words: dict[str, Any] = {"allow_unsafe_postgres": True, "secret_key": "k" * 32}
    async with gamekeeper.open(database_url, create=True, **words) as keep:
        await keep.do(users.create_guest(user="ada"))
        opened = await keep.do(open_long(user="ada"))
        told = await refresh(keep, opened.refresh_token)
    async with gamekeeper.open(database_url, **words) as keep:
        assert await refresh(keep, opened.refresh_token) == told
        row = await keep.reader.get(sessions.Session, "ada", told.session_id)

    assert row is not None
    assert (row.client_type, row.ip_address) == ("tui", "203.0.113.7")
    assert row.absolute_expires_at == (opened.absolute_expires_at or 0)


async def test_a_client_type_in_capitals_is_refused_by_the_table(keep: Keep) -> None:
    await keep.do(users.create_guest(user="ada"))
    opened = await keep.do(sessions.open_session(user="ada", client_type="Unity"))

    with pytest.raises(ConstraintViolated):
        await keep.do(spoil(user="ada", session_id=opened.session_id))
