"""Seed 003's sessions: their table, its foreign keys, and the four rules that triggers once held.

By plain SQL too: what a row can hold is refused by the table, and what only other rows can tell is found by `verify`.
"""

from typing import Any

import pytest

from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.records import shape
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import characters, guests, sessions
from tests.crash.raw import raw
from tests.seeds.rows import refused, row_of

MINUTE, DAY = 60, 24 * 60 * 60


async def session_of(keep: Keep, opened: sessions.Opened) -> Any:
    """The session's row."""
    return await row_of(keep, sessions.Session, opened.user_id, opened.session_id)


async def test_sessions_table_has_the_columns_and_defaults_of_the_seed(keep: Keep, opened: sessions.Opened, clock: ManualClock) -> None:
    row = await session_of(keep, opened)
    now = clock.now_ms()
    assert (row.user_id, row.character_id, row.world_id, row.client_type) == ("ann", None, None, "unknown")
    assert (row.created_at, row.last_activity_at, row.expires_at) == (now, now, now + 480 * MINUTE * 1000)
    other = await keep.do(sessions.open_session(user="ann", client_type="TUI"))
    assert (await session_of(keep, other)).client_type == "tui"
    assert await keep.ask(sessions.by_token(token=opened.token)) is not None, "there may be several of a user"

    clock.move(10 * MINUTE)
    await keep.do(sessions.touch(user="ann", session_id=opened.session_id))
    row = await session_of(keep, opened)
    assert (row.last_activity_at, row.expires_at) == (clock.now_ms(), clock.now_ms() + 480 * MINUTE * 1000), "activity lets it last on"
    clock.move(480 * MINUTE)
    assert [await keep.ask(sessions.by_token(token=one.token)) for one in (opened, other)] == [None, None]


async def test_sessions_session_id_is_unique_and_no_column_may_be_missing(keep: Keep, opened: sessions.Opened, database_url: str) -> None:
    await keep.do(sessions.open_session(user="ann"))
    names = shape(sessions.Session).names
    columns = ", ".join(f'"{name}"' for name in names)
    attacks = [f"UPDATE sessions SET {one}" for one in ("user_id = NULL", "session_id = NULL", "token_hash = NULL", "created_at = NULL")]
    attacks += ["UPDATE sessions SET token_hash = 'one for both'", f"UPDATE sessions SET session_id = '{opened.session_id}'"]
    elsewhere = columns.replace('"user_id"', "'eve'")
    attacks.append(f"INSERT INTO sessions ({columns}) SELECT {elsewhere} FROM sessions")
    await refused(keep, database_url, "sessions", attacks)


async def test_sessions_end_with_their_user(keep: Keep, clock: ManualClock, database_url: str) -> None:
    """`ON DELETE CASCADE`."""
    ada = await keep.do(guests.create(name="Ada"))
    await keep.do(sessions.open_session(user=ada.user_id))
    clock.move(DAY)
    await keep.do(guests.purge())

    async with raw(database_url) as database:
        assert await database.one("SELECT count(*) FROM sessions") == 0


async def test_sessions_character_id_is_set_null_when_the_character_goes(keep: Keep, opened: sessions.Opened) -> None:
    """`ON DELETE SET NULL`: the session stays open, and plays nobody."""
    await keep.do(characters.select(user="ann", session_id=opened.session_id, character="ash"))
    await keep.do(characters.delete(character="ash"))

    found = await keep.ask(sessions.by_token(token=opened.token))
    assert found is not None
    assert (found.character_id, found.world_id) == (None, None)


async def test_sessions_character_if_and_only_if_world_trigger(keep: Keep, opened: sessions.Opened, database_url: str) -> None:
    columns = ", ".join(f'"{name}"' for name in shape(sessions.Session).names)
    copied = columns.replace('"session_id"', "'second'").replace('"token_hash"', "'second'")
    half = [(copied.replace('"character_id"', "'ash'")), copied.replace('"world_id"', "'world'")]
    attacks = [f"UPDATE sessions SET {one}" for one in ("character_id = 'ash'", "world_id = 'world'")]
    attacks += [f"INSERT INTO sessions ({columns}) SELECT {one} FROM sessions" for one in half]
    await refused(keep, database_url, "sessions", attacks)


@pytest.mark.parametrize(
    ("character", "world", "error"),
    [
        ("nobody", "world", characters.CharacterNotFound),
        ("ivy", "world", characters.CharacterNotYours),
        ("oak", "world", characters.CharacterNotYours),
        ("ash", "under", None),
    ],
    ids=["character_must_exist", "character_must_belong_to_the_user", "character_must_not_be_nobodys", "world_must_be_the_characters"],
)
async def test_sessions_trigger(
    keep: Keep, opened: sessions.Opened, database_url: str, character: str, world: str, error: type[Exception] | None
) -> None:
    """These look at other rows: a command refuses them under both owners' locks, and `verify` finds what plain SQL did."""
    select = characters.select(user="ann", session_id=opened.session_id, character=character)
    if error is None:
        await keep.do(select)
        assert (await session_of(keep, opened)).world_id == "world", "nobody is asked for a world"
    else:
        with pytest.raises(error):
            await keep.do(select)
    assert (await verify(keep)).problems == []

    names = shape(sessions.Session).names
    values = {"session_id": "'second'", "token_hash": "'second'", "character_id": f"'{character}'", "world_id": f"'{world}'"}
    async with raw(database_url) as database:
        await database.rows(
            f"INSERT INTO sessions ({', '.join(names)}) SELECT {', '.join(values.get(one, one) for one in names)} FROM sessions"
        )
        await database.rows("UPDATE sessions SET character_id = ?, world_id = ? WHERE session_id = ?", character, world, opened.session_id)
    told = {tuple(one.key or ()) for one in (await verify(keep)).problems if one.table == "sessions"}
    assert told == {("ann", "second"), ("ann", opened.session_id)}
