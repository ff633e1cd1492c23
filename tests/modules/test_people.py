"""Whole persons are forgotten: in one commit as far as it goes, and nothing is left over, whoever is cut off or comes between."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec import Struct
from sqlalchemy import select

import gamekeeper
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import RECORDS, shape
from gamekeeper.kernel.store.schema import all_tables, claims, owners, table
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import accounts, characters, chat, guests, items, moderation, people, sessions, users, worlds
from tests.modules import scene

KEY = "a key for tests, long enough for the keep"
DAY = 86_400
MINE = ("persephone", "of enna", "203.0.113.7", "pomegranate", "seen in the garden", "picks flowers")
"""What stands somewhere of her, each in another module."""
STAYS = ("Kore", "I am Kore", "psst")
"""What her character is called and has said."""


@pytest.fixture
async def keep(database_url: str, clock: ManualClock) -> AsyncIterator[Keep]:
    """A keep with a key for people's data, whose time stands still, and a world."""
    async with gamekeeper.open(
        database_url, create=True, clock=clock, secret_key=KEY, keep_emails=True, allow_unsafe_postgres=True
    ) as keep:
        await scene.stock(keep)
        await keep.do(worlds.create_world(world="world", name="World"))
        yield keep


async def everything(keep: Keep) -> dict[str, list[list[Any]]]:
    """All rows of all tables, to see that nothing has changed, or that something stands nowhere."""
    return {one.name: sorted([list(row) for row in await keep.store.fetch(select(one), {})], key=repr) for one in all_tables()}


class Person(Struct, frozen=True):
    """Somebody in many places, and the character of somebody else to whom she has whispered."""

    user: str
    token: str
    mine: str
    gone: str
    other: str


async def person(keep: Keep, clock: ManualClock) -> Person:
    """Persephone: linked, logged in, noted, banned for a while, with two characters, things and something to say."""
    profile = accounts.Profile(username="Persephone", name="P. of Enna", email="persephone@example.com")
    signed = await keep.do(accounts.sign_in(provider="steam", subject="pomegranate", profile=profile, ip_address="203.0.113.7"))
    user = signed.user_id
    await keep.do(accounts.issue_code(provider="steam", subject="pomegranate", challenge=accounts.challenge_of("a verifier")))
    await keep.do(sessions.create_key(user=user, name="bot", scopes=["*"]))
    await keep.do(moderation.add_note(user=user, text="seen in the garden"))
    await keep.do(moderation.ban(user=user, reason="picks flowers", preset="hour"))
    await keep.do(moderation.unban(user=user, reason="picks flowers for others"))
    mine, gone, other = [
        (await keep.do(characters.create(user=owner, name=name))).character_id
        for owner, name in ((user, "Kore"), (user, "Kore the First"), (None, "Hades"))
    ]
    await keep.do(characters.delete(character=gone))
    await keep.do(items.grant(holder=mine, item="coins", quantity=25, source="test"))
    opened = await keep.do(sessions.open_session(user=user, ip_address="203.0.113.7"))
    await keep.do(characters.select(user=user, session_id=opened.session_id, character=mine))
    for number in range(4):
        await keep.do(chat.say(character=mine, message=f"I am Kore, {number}"))
    await keep.do(chat.whisper(character=mine, recipient=other, message="psst"))
    await keep.do(chat.whisper(character=other, recipient=mine, message="yes?"))
    await keep.do(users.request_deletion(user=user))
    clock.move(60)  # until she may speak again
    return Person(user, opened.token, mine, gone, other)


async def named_in_chat(keep: Keep, user: str) -> int:
    """How many messages carry a user's id."""
    messages = table(chat.ChatMessage)
    return len(await keep.store.fetch(select(messages.c.message_id).where(messages.c.user_id == user), {}))


async def is_forgotten(keep: Keep, who: Person) -> None:
    """Nothing is left of a person but a tombstone, bans without words, and a world in which nobody misses anything."""
    dump = await everything(keep)
    for word in MINE:
        assert [name for name, rows in dump.items() if word in repr(rows).lower()] == []
    for record in RECORDS.values():
        if shape(record).owner_kind == "user" and record not in (users.User, moderation.UserBan):
            assert await keep.reader.all(record, who.user) == [], record
    row = await keep.reader.get(users.User, who.user)
    assert row is not None
    assert (row.username[:8], row.is_active, row.email_sealed, row.name) == ("deleted_", False, None, None)
    assert {rest[0] for rest in await keep.store.fetch(select(claims).where(claims.c.owner_id == who.user), {})} == {users.HELD_CLAIM}
    ((data_key,),) = await keep.store.fetch(select(owners.c.data_key).where(owners.c.id == who.user), {})
    assert (data_key, await named_in_chat(keep, who.user)) == (None, 0)
    for id in (who.mine, who.gone):
        character = await keep.reader.get(characters.Character, id)
        assert character is not None
        assert character.user_id is None
    assert all(word in repr(dump) for word in STAYS)
    await scene.adds_up(keep)
    assert (await verify(keep)).problems == []


async def test_one_commit_forgets_a_person_and_a_second_one_sees_that_nothing_came_between(keep: Keep, clock: ManualClock) -> None:
    who = await person(keep, clock)
    before = (await verify(keep)).entries

    first = await keep.do(people.erase(user=who.user, early=True), actor="operator:desk", reason="a letter of the 3rd")

    assert first == people.Erased(sessions=3, accounts=1, characters=2, messages=5, more=True)
    assert await keep.ask(sessions.by_token(token=who.token)) is None
    # The user, both characters and the world: all of it is in one commit.
    assert (await verify(keep)).entries == before + 4
    await is_forgotten(keep, who)
    assert [one.user_id for one in await keep.ask(users.list_due_for_erasure())] == [who.user]

    assert await keep.do(people.erase(user=who.user)) == people.Erased(0, 0, 0, 0, more=False)
    assert await keep.ask(users.list_due_for_erasure()) == []
    done = await everything(keep)
    assert await keep.do(people.erase(user=who.user)) == people.Erased(0, 0, 0, 0, more=False)
    assert await everything(keep) == done

    # The history of the room is whole, and the character plays on for whoever gets it.
    heard = (await keep.ask(chat.room_history(character=who.other))).items
    assert [(one.author, one.character_id, one.message) for one in heard] == [("Kore", who.mine, f"I am Kore, {n}") for n in (3, 2, 1, 0)]
    assert await keep.ask(items.held(holder=who.mine, item="coins")) == 25
    again = await keep.do(accounts.sign_in(provider="steam", subject="pomegranate"))
    assert (again.is_new, again.user_id != who.user) == (True, True)


async def test_who_is_cut_off_between_two_pages_goes_on_where_they_were(
    keep: Keep, database_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gamekeeper.modules.guests.rules.MAX_MESSAGES", 2)
    monkeypatch.setattr("gamekeeper.modules.guests.rules.MAX_CHARACTERS", 1)
    who = await person(keep, clock)

    assert await keep.do(people.erase(user=who.user, early=True)) == people.Erased(3, 1, 1, 2, more=True)

    # What names the person is gone with the first page; what is left over says only that some tombstone said it.
    dump = repr(await everything(keep)).lower()
    assert [word for word in MINE if word in dump] == []
    assert await named_in_chat(keep, who.user) == 3
    with pytest.raises(users.UserNotFound):
        await keep.do(characters.create(user=who.user, name="Late"))
    # Another process finds it, though the 30 days are not over.
    async with gamekeeper.open(database_url, clock=clock, secret_key=KEY, allow_unsafe_postgres=True) as elsewhere:
        runs = [await elsewhere.do(people.erase_due()) for _ in range(4)]
    assert runs == [
        people.ErasedDue(1, 0, 0, 1, 2, more=True),
        people.ErasedDue(1, 0, 0, 0, 1, more=False),
        *[people.ErasedDue(0, 0, 0, 0, 0, more=False)] * 2,
    ]
    await is_forgotten(keep, who)


async def test_what_comes_between_the_look_and_the_commit_is_not_left_behind(
    keep: Keep, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = await person(keep, clock)
    look = chat.said_by

    async def outrun(read: Reader, user: str, limit: int) -> Any:
        found = await look(read, user, limit)
        await keep.do(chat.say(character=who.mine, message="one more"))
        await keep.do(characters.create(user=user, name="Quick"))
        return found

    with monkeypatch.context() as patched:
        patched.setattr("gamekeeper.modules.guests.leaving.chat.said_by", outrun)
        first = await keep.do(people.erase(user=who.user, early=True))
    second, third = [await keep.do(people.erase(user=who.user)) for _ in range(2)]

    assert (first.characters, first.messages, first.more) == (2, 5, True)
    assert (second.characters, second.messages, second.more) == (1, 1, True)
    assert third == people.Erased(0, 0, 0, 0, more=False)
    assert await keep.ask(characters.list_of_user(user=who.user)) == []
    await is_forgotten(keep, who)


async def test_a_game_server_that_holds_world_and_character_is_no_obstacle(keep: Keep, database_url: str, clock: ManualClock) -> None:
    who = await person(keep, clock)
    async with (
        gamekeeper.open(database_url, clock=clock, secret_key=KEY, allow_unsafe_postgres=True) as server,
        server.lease("world", who.mine),
    ):
        await server.do(characters.move_to(character=who.mine, room_id="tavern"))
        await keep.do(people.erase(user=who.user, early=True), actor="operator:cli")
        said = await server.do(chat.say(character=who.mine, message="still here"))
        row = await server.reader.get(chat.ChatMessage, "world", said.message_id)
        assert row is not None
        assert (row.user_id, row.room) == (None, "tavern")

    await keep.do(people.erase(user=who.user), actor="operator:cli")
    await is_forgotten(keep, who)


async def test_people_are_erased_when_their_time_of_grace_is_over(keep: Keep, clock: ManualClock) -> None:
    for user in ("a", "b", "c", "d"):
        await keep.do(users.create_guest(user=user))
    await keep.do(characters.create(user="a", name="Kore"))
    for user in ("b", "a", "c"):
        await keep.do(users.request_deletion(user=user))
        clock.move(1)
    await keep.do(users.cancel_deletion(user="c"))
    clock.move(30 * DAY - 4)
    assert await keep.do(people.erase_due()) == people.ErasedDue(0, 0, 0, 0, 0, more=False)
    clock.move(3)
    before = await everything(keep)

    assert await keep.do(people.erase_due(limit=1, dry_run=True)) == people.ErasedDue(1, 0, 0, 0, 0, more=True, user_ids=["b"])
    assert await keep.do(people.erase_due(dry_run=True)) == people.ErasedDue(2, 0, 0, 0, 0, more=False, user_ids=["b", "a"])
    assert await everything(keep) == before
    runs = [await keep.do(people.erase_due(limit=1), actor="operator:job") for _ in range(4)]

    assert [(one.users, one.characters, one.more) for one in runs] == [(1, 0, True), (1, 1, True), (1, 0, False), (0, 0, False)]
    rows = [await keep.reader.get(users.User, user) for user in ("a", "b", "c", "d")]
    assert [row is not None and row.tombstoned_at is not None for row in rows] == [True, True, False, False]
    for early in (False, True):
        with pytest.raises(users.DeletionNotDue):
            await keep.do(people.erase(user="c", early=early))
    assert (await verify(keep)).problems == []


async def test_who_thinks_better_of_it_at_the_last_moment_is_not_erased(
    keep: Keep, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep.do(users.create_guest(user="a"))
    await keep.do(users.request_deletion(user="a"))
    clock.move(30 * DAY)
    look = guests.look_up

    async def outrun(read: Reader, ids: list[str]) -> Any:
        found = await look(read, ids)
        await keep.do(users.cancel_deletion(user="a"))
        return found

    monkeypatch.setattr("gamekeeper.modules.people.commands.guests.look_up", outrun)

    assert (await keep.do(people.erase_due())).users == 0
    with pytest.raises(users.DeletionNotDue):
        await keep.do(people.erase(user="a", early=True))
    for nobody in ("nobody", "content"):
        with pytest.raises(users.UserNotFound):
            await keep.do(people.erase(user=nobody, early=True))
    row = await keep.reader.get(users.User, "a")
    assert row is not None
    assert row.tombstoned_at is None


async def test_a_purged_guest_is_taken_off_what_they_said_too(keep: Keep, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gamekeeper.modules.guests.rules.MAX_MESSAGES", 2)
    ada = await keep.do(guests.create(name="Ada"))
    for text in ("one", "two", "three"):
        await keep.do(chat.say(character=ada.character_id, message=text))
    await keep.do(moderation.ban(user=ada.user_id, reason="picks flowers", preset="hour"))
    clock.move(DAY)

    runs = [await keep.do(guests.purge()) for _ in range(3)]

    assert [(one.guests, one.characters, one.more) for one in runs] == [(0, 1, True), (1, 0, False), (0, 0, False)]
    assert await named_in_chat(keep, ada.user_id) == 0
    messages = table(chat.ChatMessage)
    assert {row[0] for row in await keep.store.fetch(select(messages.c.author), {})} == {"Ada"}
    assert "picks flowers" not in repr(await everything(keep))
    assert (await verify(keep)).problems == []
