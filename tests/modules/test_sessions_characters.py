"""What a session plays: the four rules that a database's triggers once held, by the table where it can and by commands elsewhere."""

import apsw
import asyncpg
import pytest

from gamekeeper.keep import Keep
from gamekeeper.modules import characters, sessions, users, worlds
from tests.crash.raw import raw

Refused = (apsw.ConstraintError, asyncpg.IntegrityConstraintViolationError)


@pytest.fixture
async def opened(keep: Keep) -> sessions.Opened:
    """A session of Ann, who has a character in each of two worlds."""
    await keep.do(users.create_guest(user="ann"), users.create_guest(user="eve"))
    await keep.do(characters.create(user="ann", character="ash", name="Ash"))
    await keep.do(worlds.create_world(world="under", name="Under"))
    await keep.do(characters.create(user="ann", character="elm", name="Elm", world_id="under"))
    return await keep.do(sessions.open_session(user="ann"))


async def played(keep: Keep, opened: sessions.Opened) -> tuple[str | None, str | None]:
    """The character and the world of a session."""
    found = await keep.ask(sessions.by_token(token=opened.token))
    assert found is not None
    return found.character_id, found.world_id


IMPOSSIBLE = (
    "character_id = 'ash'",
    "world_id = 'world'",
    "expires_at = absolute_expires_at + 1",
    "refreshable_until = absolute_expires_at + 1",
    "client_type = 'TUI'",
    "role = 'king'",
)


async def test_the_table_itself_refuses_what_no_session_can_be(keep: Keep, database_url: str, opened: sessions.Opened) -> None:
    """The first rule, a character if and only if a world, is a CHECK."""
    assert await played(keep, opened) == (None, None)
    async with raw(database_url) as database:
        before = await database.rows("SELECT * FROM sessions")

        for columns in IMPOSSIBLE:
            with pytest.raises(Refused):
                await database.rows(f"UPDATE sessions SET {columns}")

        assert await database.rows("SELECT * FROM sessions") == before


async def test_the_world_follows_the_character(keep: Keep, opened: sessions.Opened) -> None:
    await keep.do(characters.select(user="ann", session_id=opened.session_id, character="ash"))
    assert await played(keep, opened) == ("ash", "world")
    await keep.do(characters.select(user="ann", session_id=opened.session_id, character="elm"))
    assert await played(keep, opened) == ("elm", "under")

    await keep.do(characters.unselect(user="ann", session_id=opened.session_id))

    assert await played(keep, opened) == (None, None)


async def test_a_session_plays_only_what_is_there_and_its_users_own(keep: Keep, opened: sessions.Opened) -> None:
    """The other three rules look at other rows, which no CHECK can: the commands hold them, under the locks of both owners."""
    await keep.do(characters.create(character="nobodys", name="Nobody"))
    await keep.do(characters.create(user="eve", character="eves", name="Eves"))
    await keep.do(characters.create(user="ann", character="gone", name="Gone"))
    await keep.do(characters.delete(character="gone"))
    ended = await keep.do(sessions.open_session(user="ann"))
    await keep.do(sessions.revoke(user="ann", session_id=ended.session_id))
    theirs = await keep.do(sessions.open_session(user="eve"))

    for character, refusal in (
        ("nobodys", characters.CharacterNotYours),
        ("eves", characters.CharacterNotYours),
        ("gone", characters.CharacterNotFound),
        ("never", characters.CharacterNotFound),
    ):
        with pytest.raises(refusal):
            await keep.do(characters.select(user="ann", session_id=opened.session_id, character=character))
    for session in (ended, theirs):
        with pytest.raises(sessions.SessionNotFound):
            await keep.do(characters.select(user="ann", session_id=session.session_id, character="ash"))

    assert await played(keep, opened) == (None, None)


async def test_a_deleted_character_is_played_in_no_session(keep: Keep, opened: sessions.Opened) -> None:
    other = await keep.do(sessions.open_session(user="ann"))
    for one in (opened, other):
        await keep.do(characters.select(user="ann", session_id=one.session_id, character="ash"))

    await keep.do(characters.delete(character="ash"))

    assert [await played(keep, one) for one in (opened, other)] == [(None, None), (None, None)]
