"""Seed 000, a role-playing game, and the people of seed 001: users, play sessions, user_bans, activity_log, and players."""

from typing import Any

import apsw
import asyncpg
import pytest

from gamekeeper.errors import InvalidArgument, NameTaken
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import accounts, characters, items, moderation, people, sessions, users
from tests.crash.raw import raw
from tests.modules import scene
from tests.seeds.rows import Refused

PASSWORD = "correct horse battery"
HOUR = 60 * 60


@pytest.fixture(autouse=True)
async def people_there(keep: Keep) -> None:
    """A player and a moderator."""
    await keep.do(users.create_guest(user="ann"), users.create_guest(user="mod"))
    await keep.do(users.set_role(user="mod", role="moderator"))


async def test_users_table_is_for_people_whom_a_provider_knows(keep: Keep) -> None:
    """`privyUserId UNIQUE`: one user for each, found again, without a password; roles are one of five, not a list with commas."""
    first, again = [await keep.do(accounts.sign_in(provider="privy", subject="did:privy:1")) for _ in range(2)]

    assert (first.is_new, again.is_new, again.user_id) == (True, False, first.user_id)
    shown = await keep.ask(users.show(user=first.user_id))
    assert (shown.role, shown.has_password, shown.account_origin) == ("player", False, "privy")
    full = await keep.do(accounts.sign_in(provider="privy", subject="did:privy:2"))
    with pytest.raises(accounts.AccountTaken):
        await keep.do(accounts.link(user=full.user_id, provider="privy", subject="did:privy:1"))


async def test_characters_table_gives_a_user_several_characters(keep: Keep) -> None:
    """The seed's `userId` had no foreign key, and its names were anybody's."""
    made = [(await keep.do(characters.create(user="ann", name=f"Ann the {word}"))).character_id for word in ("First", "Second")]

    assert [one.character_id for one in await keep.ask(characters.list_of_user(user="ann"))] == made
    with pytest.raises(users.UserNotFound):
        await keep.do(characters.create(user="nobody", name="Ann the Third"))
    with pytest.raises(NameTaken):
        await keep.do(characters.create(user="mod", name="ann the first"))


async def test_sessions_table_says_who_plays_whom_since_when(keep: Keep, clock: ManualClock) -> None:
    await keep.do(characters.create(user="ann", character="ash", name="Ash"))
    opened = await keep.do(sessions.open_session(user="ann"))
    await keep.do(characters.select(user="ann", session_id=opened.session_id, character="ash"))
    clock.move(5 * 60)
    await keep.do(sessions.touch(user="ann", session_id=opened.session_id))

    (mine,) = await keep.ask(sessions.list_sessions(user="ann"))
    assert (mine.character_id, mine.world_id, mine.last_activity_at - mine.created_at) == ("ash", "world", 5 * 60_000)
    await keep.do(sessions.revoke(user="ann", session_id=opened.session_id))
    assert await keep.ask(sessions.list_sessions(user="ann")) == []
    row = await keep.reader.get(sessions.Session, "ann", opened.session_id)
    assert row is not None
    assert row.revoked_at == clock.now_ms(), "a session that has ended is still there to be looked at"


async def test_user_bans_table_has_a_reason_an_end_and_who_did_it(keep: Keep, clock: ManualClock, database_url: str) -> None:
    opened = await keep.do(sessions.open_session(user="ann"))
    end = clock.now_ms() + HOUR * 1000
    await keep.do(moderation.ban(user="ann", reason="spam", until=end), actor="player:mod")

    (ban,) = await keep.reader.all(moderation.UserBan, "ann")
    assert (ban.banned_by_id, ban.reason, ban.created_at, ban.expires_at) == ("mod", "spam", clock.now_ms(), end)
    assert await keep.ask(sessions.by_token(token=opened.token)) is None
    with pytest.raises(users.Banned):
        await keep.do(sessions.open_session(user="ann"))
    async with raw(database_url) as database:
        for column in ("reason", "created_at", "banned_by"):
            with pytest.raises(Refused):
                await database.rows(f"UPDATE user_bans SET {column} = NULL")
    clock.move(HOUR)
    await keep.do(sessions.open_session(user="ann"))
    await keep.do(moderation.ban(user="ann", reason="again", preset="permanent"), actor="player:mod")
    assert [one.expires_at for one in await keep.reader.all(moderation.UserBan, "ann") if one.reason == "again"] == [None]


async def test_user_bans_active_follows_from_the_row_and_plain_sql_is_found(keep: Keep, database_url: str) -> None:
    """The seed's `active` could differ from its `expiresAt`."""
    await keep.do(moderation.ban(user="ann", reason="spam", preset="permanent"), actor="player:mod")
    assert [one.user_id for one in (await keep.ask(moderation.active_bans())).items] == ["ann"]
    assert (await verify(keep)).problems == []

    async with raw(database_url) as database:
        await database.rows("DELETE FROM user_bans")
        await database.rows("UPDATE users SET banned_until = NULL")

    assert {(one.owner, one.table) for one in (await verify(keep)).problems} == {("ann", "user_bans"), ("ann", "users")}


async def test_user_bans_outlive_the_moderator(keep: Keep) -> None:
    """`bannedByUserId NOT NULL ... ON DELETE SET NULL` let nobody delete a moderator."""
    name = (await keep.ask(users.show(user="mod"))).username
    await keep.do(moderation.ban(user="ann", reason="spam", preset="permanent"), actor="player:mod")
    await keep.do(users.request_deletion(user="mod"))
    await keep.do(people.erase(user="mod", early=True))

    (ban,) = await keep.reader.all(moderation.UserBan, "ann")
    assert ban.banned_by == name
    with pytest.raises(users.Banned):
        await keep.do(sessions.open_session(user="ann"))


async def test_activity_log_is_read_from_the_journal_by_user_event_and_time(keep: Keep, clock: ManualClock, database_url: str) -> None:
    await scene.stock(keep)
    clock.move(60)
    await keep.do(characters.create(user="ann", character="ash", name="Ash"))
    for event in range(3):
        clock.move(60)
        await keep.do(items.grant(holder="ash", item="arrow", quantity=event + 1, source="loot"))
    clock.move(60)
    opened = await keep.do(sessions.open_session(user="ann"))
    clock.move(60)
    await keep.do(characters.select(user="ann", session_id=opened.session_id, character="ash"))

    async def log(**words: Any) -> list[Any]:
        return (await keep.ask(moderation.activity(user="ann", **words))).items

    # What is done to both the user and the character stands in the books of both.
    assert list({one.command_id: one.event for one in await log()}.values()) == [
        *("SESSION_START", "LOGIN"),
        *["INVENTORY_ITEM_ADDED"] * 3,
        *("CHARACTER_CREATED", "REGISTERED"),
    ]
    added = await log(events=["INVENTORY_ITEM_ADDED"])
    assert [(one.owner_id, one.details["item"], one.details["quantity"]) for one in added] == [("ash", "arrow", n) for n in (3, 2, 1)]
    assert len(await log(events=["INVENTORY_ITEM_ADDED"], since=added[1].at)) == 2
    with pytest.raises(InvalidArgument):
        await keep.ask(moderation.activity(user="ann", limit=1_000_000))
    async with raw(database_url) as database:
        for attack in ("DELETE FROM journal", "UPDATE journal SET command = 'nothing'"):
            with pytest.raises((apsw.Error, asyncpg.PostgresError)):
                await database.rows(attack)


async def test_seed_001_players_table(keep: Keep, clock: ManualClock, database_url: str) -> None:
    """`players(username unique, email unique, password_hash, created_at, last_login)`, and a character's `player_id`."""
    start = clock.now_ms()
    ada = (await keep.do(users.register(username="Ada_L", password=PASSWORD, email="ada@example.com"))).user_id
    with pytest.raises(NameTaken):
        await keep.do(users.register(username="ADA_L", password=PASSWORD, email="other@example.com"))
    clock.move(1)
    await keep.do(sessions.login(username="Ada_L", password=PASSWORD))
    ash = (await keep.do(characters.create(user=ada, name="Ash"))).character_id

    row = await keep.reader.get(users.User, ada)
    assert row is not None
    assert (row.username, row.created_at, row.last_login_at) == ("Ada_L", start, start + 1_000)
    assert row.email_hash is not None
    assert str(row.password_hash).startswith("$argon2id$")
    sheet = await keep.ask(characters.show(character=ash))
    assert (sheet.character.user_id, sheet.character.rank) == (ada, "normal")
    async with raw(database_url) as database:
        for column in ("username", "created_at"):
            with pytest.raises(Refused):
                await database.rows(f"UPDATE users SET {column} = NULL")
