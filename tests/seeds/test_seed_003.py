"""Seed 003, a MUD on SQLite: each of its tables in the seed's order, what its foreign keys and triggers mean, and its notes.

By plain SQL too: what a row can hold is refused by the table, and what only other rows can tell is found by `verify`.
"""

import hashlib
import re
from typing import Any

import apsw
import pytest
from sqlalchemy import select

import gamekeeper
from gamekeeper.errors import NameTaken
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.records import shape
from gamekeeper.kernel.store.schema import all_tables, compiled
from gamekeeper.kernel.store.sqlite import DIALECT
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import characters, chat, guests, items, sessions, users
from gamekeeper.modules.characters import queries as of_characters
from gamekeeper.modules.guests import queries as of_guests
from gamekeeper.modules.sessions import queries as of_sessions
from gamekeeper.modules.users import queries as of_users
from tests.crash.raw import file_of, raw
from tests.modules import scene
from tests.seeds.rows import doubled, found, refused, row_of

PASSWORD = "correct horse battery"
ADDRESS = "ada.lovelace@example.com"
DAY = 24 * 60 * 60


# users


async def test_users_table_has_the_columns_and_defaults_of_the_seed(keep: Keep, clock: ManualClock) -> None:
    start = clock.now_ms()
    ada = (await keep.do(users.register(username="Ada_L", password=PASSWORD, email=ADDRESS))).user_id
    row = await row_of(keep, users.User, ada)

    assert (row.user_id, row.username, row.role, row.is_active, row.is_guest) == (ada, "Ada_L", "player", True, False)
    assert row.password_hash.startswith("$argon2id$")
    assert (row.guest_expires_at, row.last_login_at, row.tombstoned_at) == (None, None, None)
    assert (row.account_origin, row.created_at) == ("registered", start)
    clock.move(5)
    await keep.do(sessions.login(username="ada_l", password=PASSWORD))
    assert (await row_of(keep, users.User, ada)).last_login_at == start + 5_000
    guest = await row_of(keep, users.User, (await keep.do(users.create_guest())).user_id)
    assert re.fullmatch(r"guest_\d{5}", guest.username)
    assert (guest.is_guest, guest.account_origin, guest.guest_expires_at) == (True, "visitor", clock.now_ms() + DAY * 1000)
    assert (guest.password_hash, guest.email_hash) == (None, None)


async def test_users_table_refuses_by_raw_sql_what_no_user_can_be(keep: Keep, database_url: str) -> None:
    await keep.do(users.create_guest(user="ann"), users.create_guest(user="eve"))
    impossible = ["username = NULL", "username_key = NULL", "role = NULL", "role = 'king'", "is_active = NULL", "is_active = 2"]
    impossible += ["is_guest = NULL", "is_guest = 5", "account_origin = NULL", "created_at = NULL", "created_at = -1", "user_id = 'eve'"]

    await refused(keep, database_url, "users", (f"UPDATE users SET {one} WHERE user_id = 'ann'" for one in impossible))


async def test_users_username_is_unique_by_command_and_by_raw_sql(keep: Keep, database_url: str) -> None:
    name = (await keep.do(users.create_guest(user="ann"))).username
    key = (await row_of(keep, users.User, "ann")).username_key
    await refused(keep, database_url, "claims", (f"INSERT INTO claims SELECT kind, key, 'eve', {at} FROM claims" for at in ("at", "0")))
    async with raw(database_url) as database:
        await doubled(database, users.User, "ann", "thief")
        assert ("thief", "users") in await found(keep)
        await database.rows("DELETE FROM users WHERE user_id = 'thief'")
        assert await found(keep) == set()

        # Without its claim the name could be had by somebody else.
        await database.rows("DELETE FROM claims WHERE kind = ? AND key = ?", users.USERNAME_CLAIM, key)
        assert await keep.ask(users.find(username=name)) is None
        assert await found(keep) == {("ann", "claims")}


async def test_users_row_that_is_deleted_by_raw_sql_takes_nothing_along(keep: Keep, database_url: str) -> None:
    """The seed's `ON DELETE`: sessions are worth nothing without their user, and history survives."""
    await keep.do(users.create_guest(user="ann"))
    await keep.do(characters.create(user="ann", character="ash", name="Ash Tree"))
    opened = await keep.do(sessions.open_session(user="ann"))
    await keep.do(chat.say(character="ash", message="I was here"))

    async with raw(database_url) as database:
        await database.rows("DELETE FROM users WHERE user_id = 'ann'")

    assert await keep.ask(sessions.by_token(token=opened.token)) is None
    assert (await keep.ask(characters.show(character="ash"))).character.name == "Ash Tree"
    assert [one.message for one in (await keep.ask(chat.room_history(character="ash"))).items] == ["I was here"]
    assert ("ann", "users") in await found(keep)


# characters


async def test_characters_table_has_the_columns_and_defaults_of_the_seed(keep: Keep, clock: ManualClock) -> None:
    await scene.stock(keep)
    await keep.do(users.create_guest(user="ann"))
    await keep.do(characters.create(user="ann", character="ash", name="Ash"))
    await keep.do(characters.create(character="elm", name="Elm"))

    ash, elm = [await row_of(keep, characters.Character, one) for one in ("ash", "elm")]
    assert (ash.user_id, ash.is_guest_created, ash.created_at, ash.updated_at) == ("ann", True, clock.now_ms(), clock.now_ms())
    assert (elm.user_id, elm.is_guest_created) == (None, False)
    assert await keep.ask(items.inventory(holder="ash")) == [], "the seed's '[]'"
    await keep.do(items.grant(holder="ash", item="arrow", quantity=5, source="loot"))
    clock.move(1)
    await keep.do(characters.rename(character="ash", name="Ash Tree"))
    ash = await row_of(keep, characters.Character, "ash")
    assert (ash.created_at, ash.updated_at) == (clock.now_ms() - 1_000, clock.now_ms())
    assert await scene.lying(keep, "ash") == {0: ("arrow", 5)}


async def test_characters_name_is_unique_in_a_world_and_may_hold_spaces(keep: Keep, database_url: str, clock: ManualClock) -> None:
    """The third note: "names with spaces (e.g., first + last) are supported"."""
    ada = (await keep.do(characters.create(name="Ada King Lovelace"))).character_id
    assert (await row_of(keep, characters.Character, ada)).name == "Ada King Lovelace"
    for taken in ("Ada King Lovelace", "ADA KING LOVELACE"):
        with pytest.raises(NameTaken):
            await keep.do(characters.create(name=taken))
    there = (await keep.do(characters.create(name="Ada King Lovelace", world_id="under"))).character_id
    for world, expected in (("world", ada), ("under", there)):  # never the other world's
        one = await keep.ask(characters.find(world_id=world, name="ada king lovelace"))
        assert one is not None
        assert one.character_id == expected
    await keep.do(chat.say(character=ada, message="hello"))
    assert [one.author for one in (await keep.ask(chat.room_history(character=ada))).items] == ["Ada King Lovelace"]

    attacks = [f"UPDATE characters SET {one} = NULL" for one in ("name", "world_id", "name_key")]
    await refused(keep, database_url, "characters", attacks)
    async with raw(database_url) as database:
        await doubled(database, characters.Character, ada, "thief")
        assert {("thief", "characters"), ("thief", "claims")} <= await found(keep)
        await database.rows("DELETE FROM characters WHERE character_id = 'thief'")
        await database.rows("DELETE FROM claims WHERE kind = 'character_name:under'")
        assert await found(keep) == {(there, "claims")}


async def test_characters_user_id_is_set_null_when_the_user_goes(keep: Keep, clock: ManualClock, database_url: str) -> None:
    """`ON DELETE SET NULL`: the character, what it has and its history survive."""
    await scene.stock(keep)
    ada = await keep.do(guests.create(name="Ada Lovelace"))
    await keep.do(items.grant(holder=ada.character_id, item="crown", quantity=1, source="loot"))
    async with raw(database_url) as database:
        history = await database.rows("SELECT seq, hash FROM journal WHERE owner_id = ? ORDER BY seq", ada.character_id)
    clock.move(DAY)

    await keep.do(guests.purge())

    row = await row_of(keep, characters.Character, ada.character_id)
    assert (row.user_id, row.name, row.is_guest_created, row.tombstoned_at) == (None, "Ada Lovelace", True, None)
    assert await scene.totals(keep, [ada.character_id], "crown") == [1]
    async with raw(database_url) as database:
        assert (await database.rows("SELECT seq, hash FROM journal WHERE owner_id = ? ORDER BY seq", ada.character_id))[:-1] == history
        assert (await verify(keep)).problems == []
        # Nobody moves a character by plain SQL unseen: neither to a user nor away from one.
        await database.rows("UPDATE characters SET user_id = 'thief' WHERE character_id = ?", ada.character_id)
    assert (ada.character_id, "characters") in await found(keep)


# character_locations


async def test_character_locations_table_has_one_room_for_each_character(keep: Keep, database_url: str, clock: ManualClock) -> None:
    await keep.do(characters.create(character="ash", name="Ash"))
    clock.move(1)
    await keep.do(characters.move_to(character="ash", room_id="tavern"))

    row = await row_of(keep, characters.CharacterLocation, "ash")
    assert (row.room_id, row.world_id, row.updated_at) == ("tavern", "world", clock.now_ms())
    second = ", ".join(f'"{name}"' for name in shape(characters.CharacterLocation).names)
    attacks = [f"UPDATE character_locations SET {one} = NULL" for one in ("room_id", "world_id", "updated_at", "x")]
    attacks.append(f"INSERT INTO character_locations ({second}) SELECT {second} FROM character_locations")
    await refused(keep, database_url, "character_locations", attacks)


async def test_character_locations_go_with_their_character(keep: Keep, database_url: str) -> None:
    """`ON DELETE CASCADE`: a deleted character is nowhere to be met, and a location of nobody is found."""
    await keep.do(characters.create(character="ash", name="Ash"))
    await keep.do(characters.create(character="elm", name="Elm"))
    await keep.do(characters.delete(character="ash"))

    with pytest.raises(characters.CharacterNotFound):
        await keep.ask(characters.show(character="ash"))
    with pytest.raises(characters.CharacterNotFound):
        await keep.do(characters.move_to(character="ash", room_id="tavern"))
    async with raw(database_url) as database:
        await doubled(database, characters.CharacterLocation, "elm", "nobody")
    assert await found(keep) == {("nobody", "character_locations")}


# chat_messages


async def test_chat_messages_table_has_the_columns_of_the_seed(
    keep: Keep, opened: sessions.Opened, database_url: str, clock: ManualClock
) -> None:
    said = await keep.do(chat.say(character="ash", message="Good morning"))
    told = await keep.do(chat.whisper(character="ash", recipient="ivy", message="psst"))

    row, whisper = [await row_of(keep, chat.ChatMessage, "world", one.message_id) for one in (said, told)]
    assert (row.character_id, row.user_id, row.message, row.room) == ("ash", "ann", "Good morning", "spawn")
    assert (row.recipient_character_id, row.at, row.author) == (None, clock.now_ms(), "Ash")
    assert (whisper.recipient_character_id, whisper.recipient, whisper.channel) == ("ivy", "Ivy", "whisper")
    assert [one.message for one in (await keep.ask(chat.room_history(character="ivy"))).items] == ["Good morning"]
    impossible = ("message = NULL", "room = NULL", "at = NULL", "author = NULL", "channel = 'shout'", "recipient = 'x', channel = 'say'")
    await refused(keep, database_url, "chat_messages", [f"UPDATE chat_messages SET {one}" for one in impossible])


async def test_chat_messages_ids_are_set_null_and_what_was_said_survives(keep: Keep, clock: ManualClock, database_url: str) -> None:
    """`ON DELETE SET NULL` of author, user and recipient; the names of that moment stay, as evidence."""
    await keep.do(characters.create(character="bob", name="Bob"))
    ada = await keep.do(guests.create(name="Ada Lovelace"))
    await keep.do(chat.say(character=ada.character_id, message="Good morning"))
    await keep.do(chat.whisper(character="bob", recipient=ada.character_id, message="psst"))
    clock.move(DAY)
    await keep.do(guests.purge())

    async def rows() -> list[tuple[Any, ...]]:
        async with raw(database_url) as database:
            columns = "author, character_id, user_id, recipient, recipient_character_id, message"
            return sorted(map(tuple, await database.rows(f"SELECT {columns} FROM chat_messages")))

    assert await rows() == [
        ("Ada Lovelace", ada.character_id, None, None, None, "Good morning"),
        ("Bob", "bob", None, "Ada Lovelace", ada.character_id, "psst"),
    ]
    await keep.do(chat.forget_author(character=ada.character_id))
    assert await rows() == [("Ada Lovelace", None, None, None, None, "Good morning"), ("Bob", "bob", None, "Ada Lovelace", None, "psst")]
    assert (await verify(keep)).problems == []


# Notes


async def test_note_email_hash_is_of_an_address_that_stands_nowhere(keep: Keep, database_url: str) -> None:
    """Nullable, keyed, and unique: for whoever has read the mail at the address."""
    for user in ("ann", "eve", "ida"):
        await keep.do(users.create_guest(user=user))
    tokens = []
    for user in ("ann", "eve"):
        await keep.do(users.set_email(user=user, email=ADDRESS.upper()))
        tokens.append((await keep.do(users.request_email_verification(user=user, email=ADDRESS))).token)
    await keep.do(users.verify_email(token=tokens[0]))
    with pytest.raises(users.EmailTaken):
        await keep.do(users.verify_email(token=tokens[1]))

    hashes = [(await row_of(keep, users.User, user)).email_hash for user in ("ann", "ida")]
    assert hashes[1] is None
    assert re.fullmatch(r"\w+:[0-9a-f]{64}", hashes[0])
    assert hashlib.sha256(ADDRESS.encode()).hexdigest() not in hashes[0], "that could be guessed"
    stored = repr([[list(row) for row in await keep.store.fetch(select(one), {})] for one in all_tables()]).lower()
    assert "lovelace" not in stored
    async with raw(database_url) as database:
        await database.rows("DELETE FROM claims WHERE kind = ?", users.EMAIL_CLAIM)
    assert await found(keep) == {("ann", "claims")}


async def test_note_guests_are_purged_and_their_characters_unlinked(keep: Keep, clock: ManualClock, database_url: str) -> None:
    ada = await keep.do(guests.create(name="Ada Lovelace"))
    clock.move(DAY - 1)
    assert (await keep.do(guests.purge())).guests == 0
    clock.move(1)

    assert (await keep.do(guests.purge())).guests == 1

    async with raw(database_url) as database:
        assert await database.one("SELECT count(*) FROM users WHERE user_id = ?", ada.user_id) == 0
        assert await database.rows("SELECT character_id, user_id FROM characters") == [(ada.character_id, None)]
    await keep.do(users.create_guest(user="eve"))
    with pytest.raises(NameTaken):
        await keep.do(characters.create(user="eve", name="Ada Lovelace"))
    assert (await verify(keep)).problems == []


HOT = [
    (of_users.NAMED, "PRIMARY KEY"),
    (of_sessions.BY_TOKEN, "sqlite_autoindex_sessions_2"),
    (of_sessions.WITH_ENDED, "ix_sessions_expires_at"),
    (of_characters.OF_USER, "ix_characters_user_id"),
    (of_characters.NAMED, "ix_characters_world_id_name_key"),
    (of_guests.EXPIRED, "ix_users_guest_expires_at"),
]


async def test_hot_paths_are_answered_by_an_index(sqlite_url: str) -> None:
    """What the real system behind the seed tests by EXPLAIN QUERY PLAN."""
    async with gamekeeper.open(sqlite_url, create=True):
        pass
    database = apsw.Connection(file_of(sqlite_url))
    for statement, index in HOT:
        made = compiled(statement, DIALECT)
        values = {**dict.fromkeys(statement.compile(dialect=DIALECT).params, 1), **made.values}
        plan = "\n".join(row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {made.text}", values))
        assert f"{index} " in plan, plan
        assert "SCAN" not in plan, plan
    database.close()
