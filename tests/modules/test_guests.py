"""Guests: they come with everything or nothing, stay by one command, and go without taking their characters along."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import argon2
import pytest
from sqlalchemy import select

import gamekeeper
from gamekeeper.errors import AlreadyExists, GameError, InvalidArgument, NameTaken
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.commands import BELONGS_TO
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import RECORDS, shape
from gamekeeper.kernel.store.schema import all_tables, claims, owners, table
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import characters, guests, items, people, sessions, users, worlds
from tests.modules import scene

PASSWORD = "correct horse battery"
SECRET_KEY = "a key for tests, long enough for the keep"
DAY = 24 * 60 * 60
HASH = "$argon2id$v=19$m=19456,t=2,p=1$c29tZSBzYWx0$c29tZSBoYXNo"


async def everything(keep: Keep) -> dict[str, list[list[Any]]]:
    """All rows of all tables, to see that nothing has changed, or that something stands nowhere."""
    return {one.name: sorted([list(row) for row in await keep.store.fetch(select(one), {})], key=repr) for one in all_tables()}


async def is_as_written(keep: Keep) -> None:
    """What `gamekeeper verify` would say."""
    report = await verify(keep)
    assert report.problems == []


async def character_of(keep: Keep, character: str) -> characters.Character:
    """A character's row, whoever it belongs to."""
    row = await keep.reader.get(characters.Character, character)
    assert row is not None
    return row


@pytest.fixture
async def later(database_url: str, clock: ManualClock, timed: Keep) -> AsyncIterator[Keep]:
    """A second keep on the same database, whose clock is a day ahead."""
    async with gamekeeper.open(database_url, clock=ManualClock(clock.now_ms() + DAY * 1000), allow_unsafe_postgres=True) as keep:
        yield keep


@pytest.fixture
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords hashed in no time, for tests of many at once."""
    monkeypatch.setattr(argon2.PasswordHasher, "hash", lambda *_: HASH)


# Arriving


async def test_a_guest_plays_at_once_with_a_name_of_two_words(timed: Keep, clock: ManualClock) -> None:
    await timed.do(worlds.create_world(world="mossbrook", name="Mossbrook"))
    ada = await timed.do(guests.create(name="Ada Lovelace", world_id="mossbrook", client_type="Web"))

    shown = await timed.ask(users.show(user=ada.user_id))
    assert (shown.username, shown.is_guest, shown.guest_expires_at) == (ada.username, True, clock.now_ms() + DAY * 1000)
    assert (shown.account_origin, shown.role, shown.has_password) == ("visitor", "player", False)
    found = await timed.ask(sessions.by_token(token=ada.token))
    assert found is not None
    assert (found.user_id, found.session_id, found.client_type) == (ada.user_id, ada.session_id, "web")
    sheet = await timed.ask(characters.show(character=ada.character_id))
    assert (sheet.character.user_id, sheet.character.name, sheet.character.world_id) == (ada.user_id, "Ada Lovelace", "mossbrook")
    assert sheet.character.is_guest_created
    assert sheet.location is not None
    assert len(sheet.vitals) == 3
    await timed.do(characters.select(user=ada.user_id, session_id=ada.session_id, character=ada.character_id))
    await is_as_written(timed)


async def test_a_guest_s_session_may_be_long_lived_and_ends_with_the_guest(timed: Keep, clock: ManualClock, quick_hashes: None) -> None:
    ada = await timed.do(guests.create(name="Ada Lovelace", long_lived=True))
    bea = await timed.do(sessions.guest_session(long_lived=True))
    for one in (ada, bea):
        assert (one.expires_at, one.refreshable_until) == (clock.now_ms() + 900_000, one.guest_expires_at)

    refreshed = await timed.do(sessions.refresh(refresh_token=ada.refresh_token or ""))
    assert (refreshed.session_id, refreshed.refreshable_until) == (ada.session_id, ada.guest_expires_at)
    upgrade = guests.upgrade(user=ada.user_id, username="ada_l", password=PASSWORD, session_id=ada.session_id, long_lived=True)
    stays = await timed.do(upgrade)
    with pytest.raises(sessions.RefreshTokenInvalid):
        await timed.do(sessions.refresh(refresh_token=refreshed.refresh_token or ""))
    clock.move(DAY)
    assert (await timed.do(sessions.refresh(refresh_token=stays.refresh_token or ""))).token
    with pytest.raises(sessions.RefreshTokenInvalid):
        await timed.do(sessions.refresh(refresh_token=bea.refresh_token or ""))
    assert (await timed.do(guests.create(name="Eve"))).refresh_token is None


async def test_a_name_that_cannot_be_had_leaves_no_guest_no_session_and_no_trace(keep: Keep) -> None:
    await keep.do(characters.create(name="Ada Lovelace"))
    before = await everything(keep)

    for name, error in (("ADA LOVELACE", NameTaken), ("Admin", users.NameInvalid), ("Ad\u200ba", users.NameInvalid), ("", InvalidArgument)):
        with pytest.raises(error):
            await keep.do(guests.create(name=name))

    assert await everything(keep) == before


async def test_of_many_guests_who_want_a_name_at_once_one_comes(keep: Keep) -> None:
    answers = await asyncio.gather(*(keep.do(guests.create(name="Ada")) for _ in range(8)), return_exceptions=True)

    assert sorted(type(one).__name__ for one in answers) == ["Arrived"] + ["NameTaken"] * 7
    assert len((await keep.ask(users.list_users())).items) == 1
    assert len(await keep.store.fetch(select(claims), {})) == 2
    await is_as_written(keep)


async def test_a_number_that_another_guest_took_meanwhile_is_no_matter(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await keep.do(guests.create(name="Ada"))
    looked_up = users.free_guest_name
    told = [first.username]

    async def outrun(read: Reader) -> str:
        return told.pop() if told else await looked_up(read)

    monkeypatch.setattr(users, "free_guest_name", outrun)
    second = await keep.do(guests.create(name="Grace"))

    assert told == []
    assert second.username != first.username


async def test_a_guests_token_stands_nowhere_in_the_database(keep: Keep) -> None:
    ada = await keep.do(guests.create(name="Ada", ip_address="203.0.113.7"), key="once")
    stayed = await keep.do(guests.upgrade(user=ada.user_id, username="ada", password=PASSWORD), key="again")

    dump = await everything(keep)
    for secret in (ada.token, stayed.token, PASSWORD):
        assert secret not in repr(dump)
    assert "203.0.113.7" not in repr(dump["journal"])


# Staying


async def test_a_guest_who_stays_keeps_what_they_have_and_logs_in_by_name(timed: Keep, clock: ManualClock) -> None:
    await scene.stock(timed)
    ada = await timed.do(guests.create(name="Ada Lovelace"))
    await timed.do(items.grant(holder=ada.character_id, item="coins", quantity=25, source="starter"))
    before = await timed.ask(characters.show(character=ada.character_id)), await timed.ask(items.inventory(holder=ada.character_id))

    stayed = await timed.do(guests.upgrade(user=ada.user_id, username="Ada_L", password=PASSWORD))

    assert (ada.absolute_expires_at, stayed.absolute_expires_at) == (ada.guest_expires_at, clock.now_ms() + 30 * DAY * 1000)
    clock.move(2 * DAY)
    assert (await timed.do(sessions.login(username="ada_l", password=PASSWORD))).user_id == ada.user_id
    shown = await timed.ask(users.show(user=ada.user_id))
    assert (shown.username, shown.is_guest, shown.guest_expires_at, shown.account_origin) == ("Ada_L", False, None, "visitor")
    assert before == (
        await timed.ask(characters.show(character=ada.character_id)),
        await timed.ask(items.inventory(holder=ada.character_id)),
    )
    assert await timed.ask(users.find(username=ada.username)) is None
    assert (await timed.do(guests.purge())).guests == 0
    await scene.adds_up(timed)
    await is_as_written(timed)


async def test_abuse_75_after_an_upgrade_only_the_new_token_is_worth_something(keep: Keep) -> None:
    ada = await keep.do(guests.create(name="Ada", client_type="unity", ip_address="203.0.113.7", user_agent="Game/1.0"))
    planted = await keep.do(sessions.open_session(user=ada.user_id))
    await keep.do(characters.select(user=ada.user_id, session_id=ada.session_id, character=ada.character_id))

    stayed = await keep.do(guests.upgrade(user=ada.user_id, username="ada_l", password=PASSWORD, session_id=ada.session_id))

    for token in (ada.token, planted.token):
        assert await keep.ask(sessions.by_token(token=token)) is None
    found = await keep.ask(sessions.by_token(token=stayed.token))
    assert found is not None
    assert found.session_id not in (ada.session_id, planted.session_id)
    assert (found.is_guest, found.client_type, found.character_id, found.world_id) == (False, "unity", ada.character_id, "world")
    (own,) = await keep.ask(sessions.list_sessions(user=ada.user_id))
    assert (own.session_id, own.ip_address, own.user_agent) == (stayed.session_id, "203.0.113.7", "Game/1.0")


REFUSED_UPGRADES: list[tuple[dict[str, Any], type[GameError]]] = [
    ({"username": "grace_h"}, NameTaken),
    ({"username": "Gr\u00e2ce_H"}, NameTaken),
    ({"username": "guest_12345"}, users.NameInvalid),
    ({"username": "admin"}, users.NameInvalid),
    ({"password": "password1"}, users.PasswordRefused),
    ({"password": "short"}, InvalidArgument),
    ({"session_id": "nobodys"}, sessions.SessionNotFound),
    ({"email": "no address"}, users.EmailInvalid),
    ({"role": "admin"}, InvalidArgument),
    ({"user": "nobody"}, users.UserNotFound),
]


async def test_an_upgrade_that_is_refused_changes_nothing(keep: Keep, quick_hashes: None) -> None:
    await keep.do(users.register(username="grace_h", password=PASSWORD))
    ada = await keep.do(guests.create(name="Ada"))
    before = await everything(keep)

    for arguments, error in REFUSED_UPGRADES:
        with pytest.raises(error):
            await keep.do(guests.upgrade(**{"user": ada.user_id, "username": "ada_l", "password": PASSWORD, **arguments}))

    assert await everything(keep) == before


async def test_a_full_user_is_no_guest_and_keeps_the_password(keep: Keep, quick_hashes: None) -> None:
    ada = await keep.do(users.register(username="ada_l", password=PASSWORD))
    before = await everything(keep)

    with pytest.raises(guests.NotAGuest) as refused:
        await keep.do(guests.upgrade(user=ada.user_id, username="ada_2", password="another one, longer"))

    assert refused.value.facts == {"id": ada.user_id}
    assert await everything(keep) == before


async def test_an_upgrade_sent_again_with_its_key_is_answered_and_not_done_again(database_url: str, quick_hashes: None) -> None:
    async with gamekeeper.open(database_url, create=True, secret_key=SECRET_KEY, allow_unsafe_postgres=True) as keep:
        ada = await keep.do(guests.create(name="Ada"))
        call = guests.upgrade(user=ada.user_id, username="ada_l", password=PASSWORD)
        first = await keep.do(call, key="stay")

        assert await keep.do(call, key="stay") == first


async def test_an_address_given_with_an_upgrade_waits_to_be_verified(database_url: str, quick_hashes: None) -> None:
    async with gamekeeper.open(database_url, create=True, secret_key=SECRET_KEY, allow_unsafe_postgres=True) as keep:
        ada = await keep.do(guests.create(name="Ada"))
        await keep.do(guests.upgrade(user=ada.user_id, username="ada_l", password=PASSWORD, email="Ada@Example.com"))

        sent = await keep.do(users.request_email_verification(user=ada.user_id, email="ada@example.com"))
        assert sent.address == "ada@example.com"
        assert not (await keep.ask(users.show(user=ada.user_id))).email_verified
        await is_as_written(keep)


@pytest.mark.parametrize("keeps", [1, 2])
async def test_abuse_20_fifty_upgrades_at_once_make_one_account(timed: Keep, database_url: str, quick_hashes: None, keeps: int) -> None:
    await scene.stock(timed)
    ada = await timed.do(guests.create(name="Ada Lovelace"))
    await timed.do(items.grant(holder=ada.character_id, item="coins", quantity=25, source="starter"))
    held = await timed.ask(items.inventory(holder=ada.character_id))
    async with gamekeeper.open(database_url, clock=timed.clock, allow_unsafe_postgres=True) as other:
        asked = [(timed, other)[number % keeps] for number in range(50)]

        answers = await asyncio.gather(
            *(one.do(guests.upgrade(user=ada.user_id, username=f"ada_{number:02}", password=PASSWORD)) for number, one in enumerate(asked)),
            return_exceptions=True,
        )

    assert sorted(type(one).__name__ for one in answers) == ["NotAGuest"] * 49 + ["Opened"]
    (user,) = (await timed.ask(users.list_users())).items
    winner = next(number for number, one in enumerate(answers) if isinstance(one, sessions.Opened))
    assert (user.user_id, user.username, user.is_guest) == (ada.user_id, f"ada_{winner:02}", False)
    names = [row[0] for row in await timed.store.fetch(select(claims.c.key).where(claims.c.kind == users.USERNAME_CLAIM), {})]
    assert names == [users.fold(user.username)]
    (_,) = await timed.ask(sessions.list_sessions(user=ada.user_id))
    assert [one.character_id for one in await timed.ask(characters.list_of_user(user=ada.user_id))] == [ada.character_id]
    assert await timed.ask(items.inventory(holder=ada.character_id)) == held
    await scene.adds_up(timed)
    await is_as_written(timed)


# Leaving


async def test_a_guest_whose_time_is_over_cannot_act_before_the_purge(timed: Keep, clock: ManualClock) -> None:
    ada = await timed.do(guests.create(name="Ada"))
    clock.move(DAY)

    assert await timed.ask(sessions.by_token(token=ada.token)) is None
    with pytest.raises(sessions.AccountInactive):
        await timed.do(sessions.open_session(user=ada.user_id))
    with pytest.raises(sessions.AccountInactive):
        await timed.do(guests.upgrade(user=ada.user_id, username="ada_l", password=PASSWORD))


async def test_guest_purge_unlinks_characters_and_deletes_the_user(timed: Keep, clock: ManualClock) -> None:
    """Seed 003: the user row is deleted and related characters are unlinked (`ON DELETE SET NULL`) rather than deleted."""
    await scene.stock(timed)
    ada = await timed.do(guests.create(name="Ada Lovelace"))
    await timed.do(worlds.create_world(world="other", name="Other"))
    second = await timed.do(characters.create(user=ada.user_id, name="Ada King", world_id="other"))
    gone = await timed.do(characters.create(user=ada.user_id, name="Ada Byron"))
    await timed.do(characters.delete(character=gone.character_id))
    await timed.do(items.grant(holder=ada.character_id, item="coins", quantity=25, source="starter"))
    mine = [ada.character_id, second.character_id, gone.character_id]
    before = [await character_of(timed, one) for one in mine]
    sheet = await timed.ask(characters.show(character=ada.character_id))
    held = await timed.ask(items.inventory(holder=ada.character_id))
    clock.move(DAY)

    done = await timed.do(guests.purge(), actor="operator:test")

    assert done == guests.Purged(guests=1, characters=3, sessions=1, more=False)
    assert await timed.reader.get(users.User, ada.user_id) is None
    with pytest.raises(users.UserNotFound):
        await timed.ask(users.show(user=ada.user_id))
    for was, one in zip(before, mine, strict=True):
        row = await character_of(timed, one)
        assert row.user_id is None
        assert row.updated_at == clock.now_ms()
        assert (row.name, row.world_id, row.created_at, row.is_guest_created, row.tombstoned_at) == (
            *(was.name, was.world_id, was.created_at, was.is_guest_created),
            was.tombstoned_at,
        )
    after = await timed.ask(characters.show(character=ada.character_id))
    assert (after.location, after.vitals) == (sheet.location, sheet.vitals)
    assert await timed.ask(items.inventory(holder=ada.character_id)) == held
    await scene.adds_up(timed)
    await is_as_written(timed)


async def test_nothing_of_a_purged_guest_is_left_but_a_journal_that_names_nobody(database_url: str, clock: ManualClock) -> None:
    async with gamekeeper.open(database_url, create=True, clock=clock, secret_key=SECRET_KEY, allow_unsafe_postgres=True) as keep:
        ada = await keep.do(guests.create(name="Ada", ip_address="203.0.113.7", user_agent="Game/1.0"))
        await keep.do(users.set_email(user=ada.user_id, email="ada@example.com"))
        sent = await keep.do(users.request_email_verification(user=ada.user_id, email="ada@example.com"))
        await keep.do(users.verify_email(token=sent.token))
        await keep.do(users.request_deletion(user=ada.user_id))
        await keep.do(sessions.create_key(user=ada.user_id, name="key", scopes=["*"]))
        clock.move(DAY)

        await keep.do(guests.purge())

        for name, record in RECORDS.items():
            if shape(record).owner_kind == "user":
                rows = table(record)
                assert await keep.store.fetch(select(rows).where(rows.c[shape(record).owner_field] == ada.user_id), {}) == [], name
        assert await keep.store.fetch(select(claims).where(claims.c.owner_id == ada.user_id), {}) == []
        ((data_key,),) = await keep.store.fetch(select(owners.c.data_key).where(owners.c.id == ada.user_id), {})
        assert data_key is None
        dump = repr(await everything(keep))
        for personal in ("203.0.113.7", "Game/1.0", "ada@example.com"):
            assert personal not in dump
        await is_as_written(keep)


async def test_a_purge_takes_only_guests_whose_time_is_over(timed: Keep, clock: ManualClock, quick_hashes: None) -> None:
    full = await timed.do(users.register(username="grace_h", password=PASSWORD))
    stayed = await timed.do(guests.create(name="Ada"))
    await timed.do(guests.upgrade(user=stayed.user_id, username="ada_l", password=PASSWORD))
    erased = await timed.do(guests.create(name="Mary"))
    await timed.do(users.request_deletion(user=erased.user_id))
    while (await timed.do(people.erase(user=erased.user_id, early=True))).more:
        pass
    clock.move(DAY - 1)
    fresh = await timed.do(guests.create(name="Joan"))
    clock.move(1)
    before = await everything(timed)

    done = await timed.do(guests.purge())

    assert done == guests.Purged(guests=0, characters=0, sessions=0, more=False)
    assert await everything(timed) == before
    assert await timed.ask(sessions.by_token(token=fresh.token)) is not None
    assert (await timed.ask(users.show(user=full.user_id))).username == "grace_h"


async def test_a_dry_run_says_who_would_go_and_changes_nothing(timed: Keep, clock: ManualClock) -> None:
    ada = await timed.do(guests.create(name="Ada"))
    clock.move(1)
    grace = await timed.do(guests.create(name="Grace"))
    clock.move(DAY)
    before = await everything(timed)

    told = await timed.do(guests.purge(dry_run=True))

    assert told == guests.Purged(guests=2, characters=2, sessions=2, more=False, guest_ids=[ada.user_id, grace.user_id])
    assert await everything(timed) == before


async def test_purges_go_on_from_run_to_run(timed: Keep, clock: ManualClock) -> None:
    for name in ("Ada", "Grace", "Mary"):
        await timed.do(guests.create(name=name))
    clock.move(DAY)

    runs = [await timed.do(guests.purge(limit=2)) for _ in range(3)]

    assert [(one.guests, one.more) for one in runs] == [(2, True), (1, False), (0, False)]


async def test_a_guest_with_more_characters_than_one_purge_takes_goes_with_a_later_one(
    timed: Keep, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gamekeeper.modules.guests.rules.MAX_CHARACTERS", 2)
    ada = await timed.do(guests.create(name="Ada"))
    for world in ("other", "third"):
        await timed.do(worlds.create_world(world=world, name="Far"))
        await timed.do(characters.create(user=ada.user_id, name="Ada", world_id=world))
    clock.move(1)
    await timed.do(guests.create(name="Grace"))
    clock.move(DAY)

    runs = [await timed.do(guests.purge()) for _ in range(3)]

    assert [(one.guests, one.characters, one.more) for one in runs] == [(0, 2, True), (2, 2, False), (0, 0, False)]
    assert await timed.ask(characters.list_of_user(user=ada.user_id)) == []
    await is_as_written(timed)


async def test_a_character_made_while_a_purge_looks_is_not_left_behind(
    timed: Keep, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await timed.do(guests.create(name="Ada"))
    clock.move(DAY)
    looked_up = characters.some_of_user

    async def outrun(read: Reader, user: str, limit: int) -> tuple[str, ...]:
        found = await looked_up(read, user, limit)
        await timed.do(characters.create(user=user, name="Grace"))
        return found

    with monkeypatch.context() as patched:
        patched.setattr("gamekeeper.modules.guests.leaving.characters.some_of_user", outrun)
        first = await timed.do(guests.purge())
    second = await timed.do(guests.purge())

    assert [(one.guests, one.characters, one.more) for one in (first, second)] == [(0, 1, True), (1, 1, False)]
    assert await timed.ask(characters.list_of_user(user=ada.user_id)) == []


async def test_two_purges_at_once_do_nothing_twice(timed: Keep, later: Keep, clock: ManualClock) -> None:
    made = [await timed.do(guests.create(name=f"Ada {chr(97 + number) * 2}")) for number in range(5)]
    clock.move(DAY)

    runs = await asyncio.gather(*(one.do(guests.purge()) for one in (timed, later, timed, later)))

    assert [sum(counts) for counts in zip(*((one.guests, one.characters, one.sessions) for one in runs), strict=True)] == [5, 5, 5]
    assert (await timed.ask(users.list_users())).items == []
    assert [(await character_of(timed, one.character_id)).user_id for one in made] == [None] * 5
    await is_as_written(timed)


async def test_of_an_upgrade_and_a_purge_exactly_one_wins(timed: Keep, later: Keep, quick_hashes: None) -> None:
    for number in range(6):
        ada = await timed.do(guests.create(name=f"Ada {chr(97 + number) * 2}"))
        upgrading = timed.do(guests.upgrade(user=ada.user_id, username=f"ada_{number}", password=PASSWORD))
        purging = later.do(guests.purge())

        # Who begins has a head start; each gets it in turn.
        calls: list[Any] = [upgrading, purging] if number % 2 else [purging, upgrading]
        answers: list[Any] = await asyncio.gather(*calls, return_exceptions=True)
        upgraded, purged = answers if number % 2 else answers[::-1]

        character = await character_of(timed, ada.character_id)
        if purged.guests:
            assert isinstance(upgraded, users.UserNotFound)
            assert await timed.reader.get(users.User, ada.user_id) is None
            assert character.user_id is None
            assert await timed.ask(users.find(username=f"ada_{number}")) is None
        else:
            assert isinstance(upgraded, sessions.Opened)
            assert await timed.ask(sessions.by_token(token=upgraded.token)) is not None
            assert character.user_id == ada.user_id
    await is_as_written(timed)


async def test_abuse_21_a_farm_of_guests_brings_nothing_out_of_nowhere(timed: Keep, clock: ManualClock) -> None:
    await scene.stock(timed)
    (main,) = await scene.people(timed, "Main")
    farmed = []
    for number in range(3):
        ada = await timed.do(guests.create(name=f"Ada {chr(97 + number) * 2}"))
        farmed.append(ada.character_id)
        await timed.do(items.grant(holder=ada.character_id, item="coins", quantity=25, source="starter"), key=f"starter {ada.character_id}")
        await timed.do(items.give(giver=ada.character_id, receiver=main, item="coins", quantity=20))
        clock.move(DAY)
        assert (await timed.do(guests.purge())).guests == 1

    assert await scene.totals(timed, [main, *farmed], "coins") == [60, 5, 5, 5]
    await scene.adds_up(timed)


async def test_abuse_24_a_purged_guests_character_is_nobodys_to_claim(timed: Keep, clock: ManualClock) -> None:
    await scene.stock(timed)
    ada = await timed.do(guests.create(name="Ada Lovelace"))
    await timed.do(items.grant(holder=ada.character_id, item="crown", quantity=1, source="test"))
    clock.move(DAY)
    await timed.do(guests.purge())

    thief = await timed.do(guests.create(name="Mallory"))
    for name in ("Ada Lovelace", "ADA LOVELACE", "Ada Iove1ace"):
        with pytest.raises(NameTaken):
            await timed.do(characters.create(user=thief.user_id, name=name))
        with pytest.raises(NameTaken):
            await timed.do(characters.rename(character=thief.character_id, name=name))
        with pytest.raises(NameTaken):
            await timed.do(guests.create(name=name))
    for make in (users.create_guest(user=ada.user_id), guests.create(user=ada.user_id, name="Eve")):
        with pytest.raises(AlreadyExists):
            await timed.do(make)
    with pytest.raises(AlreadyExists):
        await timed.do(characters.create(user=thief.user_id, character=ada.character_id, name="Eve"))
    with pytest.raises(characters.CharacterNotYours):
        await timed.do(characters.select(user=thief.user_id, session_id=thief.session_id, character=ada.character_id))
    assert await BELONGS_TO["character"](timed.reader, ada.character_id) == ()
    assert await scene.totals(timed, [ada.character_id, thief.character_id], "crown") == [1, 0]


async def test_operators_see_who_waits_to_be_forgotten(timed: Keep, clock: ManualClock) -> None:
    made = []
    for name in ("Ada", "Grace", "Mary"):
        made.append(await timed.do(guests.create(name=name)))
        clock.move(0 if name == "Ada" else 1)
    assert (await timed.ask(guests.list_expired())).items == []
    clock.move(DAY)

    first = await timed.ask(guests.list_expired(limit=2))
    second = await timed.ask(guests.list_expired(limit=2, cursor=first.next_cursor))

    assert [one.user_id for one in first.items + second.items] == [one.user_id for one in made]
    assert [one.username for one in first.items] == [one.username for one in made[:2]]
    assert second.next_cursor is None
