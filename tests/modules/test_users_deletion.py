"""Being forgotten: asked for, thought over, done for good - and nothing that others rely on breaks."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select

import gamekeeper
from gamekeeper.errors import NameTaken
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.store.schema import all_tables, claims, owners
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import characters, items, people, sessions, users
from gamekeeper.modules.users import commands as user_commands
from tests.modules import scene

PASSWORD = "correct horse battery"
KEY = "k" * 32
DAY = 86_400


@pytest.fixture
async def keyed(database_url: str, clock: ManualClock) -> AsyncIterator[Keep]:
    """A keep with a key for people's data, whose time stands still."""
    async with gamekeeper.open(
        database_url, create=True, clock=clock, secret_key=KEY, keep_emails=True, allow_unsafe_postgres=True
    ) as keep:
        yield keep


async def texts(keep: Keep) -> dict[str, str]:
    """All that stands in each table, in lower case."""
    return {one.name: repr([list(row) for row in await keep.store.fetch(select(one), {})]).lower() for one in all_tables()}


async def join(keep: Keep, name: str = "Persephone") -> str:
    """A user of whom there is something to forget."""
    user = (await keep.do(users.register(username=name, password=PASSWORD, email=f"{name}@example.com"))).user_id
    sent = await keep.do(users.request_email_verification(user=user, email=f"{name}@example.com"))
    await keep.do(users.verify_email(token=sent.token))
    await keep.do(users.set_profile(user=user, name=f"{name} of Enna", image=f"https://example.com/{name}.png"))
    return user


async def test_who_asks_by_letter_is_forgotten_without_a_password(keyed: Keep, clock: ManualClock) -> None:
    user = await join(keyed)
    asked = await keyed.do(users.request_deletion_for(user=user), actor="operator:desk", reason="letter of 3 May")
    clock.move(1)
    assert await keyed.do(users.request_deletion(user=user, password=PASSWORD)) == asked
    await keyed.do(people.erase(user=user, early=True), actor="operator:desk")
    assert (await verify(keyed)).ok


async def test_after_thirty_days_nothing_is_left_that_names_the_person(keyed: Keep, clock: ManualClock) -> None:
    user = await join(keyed)
    await keyed.do(users.request_reset(username="persephone"))
    opened = await keyed.do(sessions.open_session(user=user, user_agent="Persephone's phone"))
    asked = await keyed.do(users.request_deletion(user=user, password=PASSWORD), actor=f"player:{user}")
    assert asked.due_at == clock.now_ms() + 30 * DAY * 1000
    assert (await verify(keyed)).ok

    clock.move(30 * DAY)
    assert await keyed.ask(users.list_due_for_erasure()) == [users.Leaving(user)]
    await keyed.do(people.erase(user=user), actor="operator:job")

    for name, text in (await texts(keyed)).items():
        assert "persephone" not in text, name
        assert "of enna" not in text, name
    row = await keyed.reader.get(users.User, user)
    assert row is not None
    assert row.username.startswith("deleted_")
    assert (row.name, row.image, row.email_hash, row.email_sealed, row.password_hash) == (None, None, None, None, None)
    assert (row.is_active, row.email_verified, row.tombstoned_at, row.role) == (False, False, clock.now_ms(), "player")
    assert await keyed.reader.all(users.Verification, user) == []
    root = (await keyed.store.fetch(select(owners).where(owners.c.id == user), {}))[0]
    assert root[-1] is None
    assert await keyed.ask(sessions.by_token(token=opened.token)) is None
    assert await keyed.ask(users.list_due_for_erasure()) == []
    assert (await verify(keyed)).problems == []
    with pytest.raises(users.UserNotFound):
        await keyed.do(users.cancel_deletion(user=user))
    # The address is free again, and of the name no more is held than what it hashes to.
    assert {row[0] for row in await keyed.store.fetch(select(claims), {})} == {users.HELD_CLAIM}


async def test_who_thinks_better_of_it_stays(keyed: Keep, clock: ManualClock) -> None:
    user = await join(keyed, "ada")
    for password in (None, "wrong horse"):
        with pytest.raises(users.PasswordWrong):
            await keyed.do(users.request_deletion(user=user, password=password))
    first = await keyed.do(users.request_deletion(user=user, password=PASSWORD))
    clock.move(DAY)
    assert await keyed.do(users.request_deletion(user=user, password=PASSWORD)) == first
    await keyed.do(sessions.login(username="ada", password=PASSWORD))

    await keyed.do(users.cancel_deletion(user=user))
    await keyed.do(users.cancel_deletion(user=user))
    clock.move(40 * DAY)

    for early in (False, True):
        with pytest.raises(users.DeletionNotDue) as refused:
            await keyed.do(people.erase(user=user, early=early))
        assert refused.value.facts == {"due_at": None}
    assert await keyed.store.fetch(select(claims).where(claims.c.kind == users.HELD_CLAIM), {}) == []
    again = await keyed.do(users.request_deletion(user=user, password=PASSWORD))
    with pytest.raises(users.DeletionNotDue) as refused:
        await keyed.do(people.erase(user=user))
    assert refused.value.facts == {"due_at": again.due_at}
    await keyed.do(people.erase(user=user, early=True), actor="operator:desk", reason="a letter of the 3rd")
    assert (await verify(keyed)).ok


async def test_abuse_79_a_name_freed_by_leaving_is_held_for_ninety_days(keyed: Keep, clock: ManualClock) -> None:
    user = await join(keyed, "Moderata")
    await keyed.do(users.request_deletion(user=user, password=PASSWORD))
    await keyed.do(people.erase(user=user, early=True))

    clock.move(90 * DAY - 1)
    assert await keyed.do(users.release_held_names()) == users.Released(0)
    for look_alike in ("Moderata", "MODERATA", "M0derata"):
        with pytest.raises(NameTaken):
            await keyed.do(users.register(username=look_alike, password=PASSWORD))
    clock.move(1)
    assert await keyed.do(users.release_held_names()) == users.Released(1)
    assert await keyed.do(users.release_held_names()) == users.Released(0)

    await keyed.do(users.register(username="Moderata", password=PASSWORD))
    assert (await verify(keyed)).ok


async def test_abuse_79_nobody_is_quick_enough_to_take_the_name_of_who_is_erased(keyed: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    user = await join(keyed, "Moderata")
    await keyed.do(users.request_deletion(user=user, password=PASSWORD))
    look = user_commands.refuse_held_name

    async def look_at_the_last_moment(read: Reader, username_key: str) -> None:
        try:
            await look(read, username_key)
        finally:
            await keyed.do(people.erase(user=user, early=True))

    monkeypatch.setattr(user_commands, "refuse_held_name", look_at_the_last_moment)
    with pytest.raises(NameTaken):
        await keyed.do(users.register(username="moderata", password=PASSWORD))


async def test_without_a_key_the_name_is_held_by_a_digest(keep: Keep) -> None:
    user = (await keep.do(users.register(username="Persephone", password=PASSWORD))).user_id
    await keep.do(users.request_deletion(user=user, password=PASSWORD))
    await keep.do(people.erase(user=user, early=True))

    assert "persephone" not in (await texts(keep))["claims"]
    with pytest.raises(NameTaken):
        await keep.do(users.register(username="Persephone", password=PASSWORD))


async def test_abuse_99_deleting_a_person_breaks_no_ledger(keyed: Keep) -> None:
    await scene.stock(keyed)
    ada, bob = (await keyed.do(users.create_guest(user="u-1"))).user_id, (await keyed.do(users.create_guest(user="u-2"))).user_id
    first, second = [
        (await keyed.do(characters.create(user=user, name=name))).character_id for user, name in ((ada, "Reed"), (bob, "Sedge"))
    ]
    await keyed.do(items.grant(holder=first, item="coins", quantity=100, source="test"), key="grant")
    await keyed.do(items.give(giver=first, receiver=second, item="coins", quantity=40), actor=f"player:{ada}", key="give")
    before = (await scene.totals(keyed, [first, second], "coins"), (await verify(keyed)).entries)

    await keyed.do(users.request_deletion(user=ada))
    await keyed.do(people.erase(user=ada, early=True))

    report = await verify(keyed)
    assert report.problems == []
    assert (await scene.totals(keyed, [first, second], "coins"), report.entries) == (before[0], before[1] + 3)
    await scene.adds_up(keyed)
