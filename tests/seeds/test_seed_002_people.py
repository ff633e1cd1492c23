"""Seed 002, a fitness game on PostgreSQL: its authentication tables, users, sessions, accounts and verifications, and their notes.

What a user is in the game - level, XP, streaks, titles - belongs to characters here; of that only the four attributes are meant below.
"""

import hashlib
from typing import Any

import pytest

from gamekeeper.errors import InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import accounts, characters, guests, sessions, users
from tests.crash.raw import raw
from tests.seeds.rows import Refused, row_of

DAY = 24 * 60 * 60


async def refuses(url: str, table: str, *columns: str) -> None:
    """See that no row of the table can be changed so."""
    async with raw(url) as database:
        before = await database.rows(f"SELECT * FROM {table}")
        for one in columns:
            with pytest.raises(Refused):
                await database.rows(f"UPDATE {table} SET {one}")
        assert await database.rows(f"SELECT * FROM {table}") == before


async def signed_in(keep: Keep, subject: str = "110", **more: Any) -> accounts.SignedIn:
    """Somebody whom a provider vouches for."""
    return await keep.do(accounts.sign_in(provider="google", subject=subject, **more))


async def test_users_table_has_the_columns_and_defaults_of_the_seed(keep: Keep, clock: ManualClock, database_url: str) -> None:
    profile = accounts.Profile(name="Sung Jin", email="Jin@Example.com", picture="https://example.com/jin.png")
    jin = (await signed_in(keep, profile=profile)).user_id
    row = await row_of(keep, users.User, jin)

    assert (row.name, row.image, row.timezone, row.email_verified) == ("Sung Jin", "https://example.com/jin.png", "UTC", True)
    assert (row.created_at, row.updated_at) == (clock.now_ms(), clock.now_ms())
    found = await users.by_email(keep.reader, "jin@example.com")
    assert found is not None
    assert found.user_id == jin
    guest = await row_of(keep, users.User, (await keep.do(users.create_guest())).user_id)
    assert (guest.name, guest.image, guest.timezone, guest.email_verified, guest.email_hash) == (None, None, "UTC", False, None)
    clock.move(1)
    await keep.do(users.set_timezone(user=jin, timezone="Asia/Seoul"))
    row = await row_of(keep, users.User, jin)
    assert (row.timezone, row.created_at, row.updated_at) == ("Asia/Seoul", clock.now_ms() - 1_000, clock.now_ms())
    with pytest.raises(InvalidArgument):
        await keep.do(users.set_timezone(user=jin, timezone="Asia/Atlantis"))
    await refuses(database_url, "users", "timezone = NULL", "email_verified = NULL", "created_at = NULL", "updated_at = NULL")


async def test_users_email_is_unique_once_it_is_verified(keep: Keep, database_url: str) -> None:
    """By a claim, which `verify` misses when plain SQL has taken it away."""
    profile = accounts.Profile(email="jin@example.com")
    first, second = [(await signed_in(keep, subject, profile=profile)).user_id for subject in ("1", "2")]

    assert [(await row_of(keep, users.User, one)).email_verified for one in (first, second)] == [True, False]
    async with raw(database_url) as database:
        with pytest.raises(Refused):
            await database.rows("INSERT INTO claims SELECT kind, key, ?, at FROM claims WHERE kind = 'email'", second)
        await database.rows("DELETE FROM claims WHERE kind = 'email'")
    assert {(one.owner, one.check) for one in (await verify(keep)).problems} == {(first, "users.emails")}


async def test_users_attributes_are_their_characters(keep: Keep) -> None:
    await keep.do(characters.create(character="jin", name="Sung Jin"))
    for attribute in ("str", "agi", "vit", "disc"):
        await keep.do(characters.set_attribute(character="jin", attribute=attribute, base=10))

    sheet = await keep.ask(characters.show(character="jin"))
    assert {one.attribute: one.base + one.bonus for one in sheet.attributes} == dict.fromkeys(("str", "agi", "vit", "disc"), 10)


async def test_sessions_table_has_a_token_that_is_unique_and_stands_nowhere(keep: Keep, clock: ManualClock, database_url: str) -> None:
    jin = (await signed_in(keep, ip_address="203.0.113.7", user_agent="Hunter/1.0")).user_id
    opened = await keep.do(sessions.open_session(user=jin))
    (first, second) = sorted(await keep.reader.all(sessions.Session, jin), key=lambda one: one.session_id)

    assert (first.user_id, first.ip_address, first.user_agent) == (jin, "203.0.113.7", "Hunter/1.0")
    assert (second.created_at, second.last_activity_at) == (clock.now_ms(), clock.now_ms())
    assert second.expires_at > clock.now_ms()
    assert second.token_hash == hashlib.sha256(opened.token.encode()).hexdigest()
    nulls = [f"{one} = NULL" for one in ("token_hash", "expires_at", "created_at", "last_activity_at", "user_id")]
    await refuses(database_url, "sessions", "token_hash = 'one for both'", *nulls)


async def test_sessions_and_accounts_go_with_their_user(keep: Keep, clock: ManualClock, database_url: str) -> None:
    """`onDelete: 'cascade'`: by the erasing of a user; and a session whose user plain SQL has deleted opens nothing."""
    guest = await keep.do(guests.create(name="Jin"))
    clock.move(DAY)
    await keep.do(guests.purge())
    jin = await signed_in(keep)

    async with raw(database_url) as database:
        assert await database.one("SELECT count(*) FROM sessions WHERE user_id = ?", guest.user_id) == 0
        await database.rows("DELETE FROM users WHERE user_id = ?", jin.user_id)
    assert await keep.ask(sessions.by_token(token=jin.token)) is None
    assert (jin.user_id, "users") in {(one.owner, one.table) for one in (await verify(keep)).problems}


async def test_accounts_table_links_a_provider_once_and_seals_its_tokens(keep: Keep, clock: ManualClock, database_url: str) -> None:
    expiry = clock.now_ms() + 3_600_000
    given = accounts.Tokens(
        access_token="access of a provider",
        refresh_token="refresh of a provider",
        id_token="identity of somebody",
        scope="openid profile",
        access_token_expires_at=expiry,
        refresh_token_expires_at=expiry + 1,
    )
    jin = (await signed_in(keep, tokens=given)).user_id
    (row,) = await keep.reader.all(accounts.Account, jin)

    assert (row.provider_id, row.scope, row.access_token_expires_at, row.refresh_token_expires_at) == (
        *("google", "openid profile"),
        *(expiry, expiry + 1),
    )
    assert (row.created_at, row.updated_at) == (clock.now_ms(), clock.now_ms())
    kept = await keep.ask(accounts.show_tokens(user=jin, provider="google", account_id=row.account_id))
    assert (kept.access_token, kept.refresh_token, kept.id_token) == (given.access_token, given.refresh_token, given.id_token)
    async with raw(database_url) as database:
        stored = repr(await database.rows("SELECT * FROM accounts")) + repr(await database.rows("SELECT * FROM journal"))
        for secret in ("of a provider", "of somebody", "'110'"):
            assert secret not in stored
        with pytest.raises(Refused):
            await database.rows("INSERT INTO accounts SELECT * FROM accounts")
        with pytest.raises(Refused):
            await database.rows("INSERT INTO claims SELECT kind, key, 'thief', at FROM claims WHERE kind = 'account'")
    other = (await signed_in(keep, "111")).user_id
    with pytest.raises(accounts.AccountTaken):
        await keep.do(accounts.link(user=other, provider="google", subject="110"))
    await refuses(database_url, "accounts", "provider_id = NULL", "account_id = NULL", "created_at = NULL", "user_id = NULL")
    async with raw(database_url) as database:
        await database.rows("DELETE FROM claims WHERE kind = 'account' AND owner_id = ?", jin)
    assert {(one.owner, one.check) for one in (await verify(keep)).problems} == {(jin, "accounts.links")}, "it could be linked twice"


async def test_verifications_table_holds_a_digest_that_is_good_once_and_not_for_long(
    keep: Keep, clock: ManualClock, database_url: str
) -> None:
    """The seed keeps `value` in clear: who reads the table could take any account over."""
    jin = (await keep.do(users.create_guest())).user_id
    await keep.do(users.set_email(user=jin, email="jin@example.com"))
    late, good = [await keep.do(users.request_email_verification(user=jin, email="jin@example.com")) for _ in range(2)]
    rows = await keep.reader.all(users.Verification, jin)

    assert {row.value_hash for row in rows} == {hashlib.sha256(one.token.encode()).hexdigest() for one in (late, good)}
    assert {(row.created_at, row.expires_at) for row in rows} == {(clock.now_ms(), clock.now_ms() + DAY * 1000)}
    await refuses(database_url, "verifications", "value_hash = NULL", "expires_at = NULL", "value_hash = 'one for both'", "purpose = 'x'")
    await keep.do(users.verify_email(token=good.token))
    for token in (good.token, late.token):
        clock.move(DAY if token is late.token else 0)
        with pytest.raises(users.TokenInvalid):
            await keep.do(users.verify_email(token=token))
