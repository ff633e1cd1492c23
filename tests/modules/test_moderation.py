"""Moderation: who may ban whom, that a ban holds everywhere and at once, and what people did."""

import asyncio
import io
import re
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import func, select

import gamekeeper
from gamekeeper.errors import InvalidArgument
from gamekeeper.keep import Keep, import_modules
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.commands import COMMANDS
from gamekeeper.kernel.store import postgres, sqlite
from gamekeeper.kernel.store.schema import compiled, journal, table
from gamekeeper.modules import characters, moderation, people, sessions, users, worlds
from gamekeeper.modules.moderation import queries
from tests.crash.raw import raw

PASSWORD = "correct horse battery"
HOUR = 3_600
SPAM = "spam in the market"


@pytest.fixture
async def timed(database_url: str, clock: ManualClock) -> AsyncIterator[Keep]:
    """A keep whose time stands still, with a player and staff of each role, each called as their role is."""
    async with gamekeeper.open(database_url, create=True, clock=clock, allow_unsafe_postgres=True) as keep:
        for role in ("player", "moderator", "admin"):
            await keep.do(users.create_guest(user=role))
        await keep.do(users.set_role(user="moderator", role="moderator"))
        await keep.do(users.set_role(user="admin", role="admin"))
        yield keep


async def banned_until(keep: Keep, user: str) -> int | None:
    """What the user's row says."""
    row = await keep.reader.get(users.User, user)
    assert row is not None
    return row.banned_until


async def count(keep: Keep, **where: str) -> int:
    """Entries of the journal."""
    statement = select(func.count()).select_from(journal)
    for name, value in where.items():
        statement = statement.where(journal.c[name] == value)
    return int((await keep.store.fetch(statement, {}))[0][0])


# Bans


async def test_abuse_76_a_ban_ends_sessions_and_keys_until_it_expires_by_itself(timed: Keep, clock: ManualClock) -> None:
    opened = [await timed.do(sessions.open_session(user="player")) for _ in range(2)]
    key = await timed.do(sessions.create_key(user="player", name="a bot", scopes=["*"]))

    given = await timed.do(moderation.ban(user="player", reason=SPAM, preset="hour"), actor="player:moderator")

    assert (given.banned_until, given.sessions_ended) == (clock.now_ms() + HOUR * 1000, 2)
    assert [await timed.ask(sessions.by_token(token=one.token)) for one in opened] == [None, None]
    assert await timed.ask(sessions.by_key(key=key.key)) is None
    with pytest.raises(users.Banned) as refused:
        await timed.do(sessions.open_session(user="player"))
    assert refused.value.until == given.banned_until
    assert await timed.ask(moderation.ban_in_force(user="player")) == moderation.BanInForce(given.banned_until, SPAM)

    clock.move(HOUR - 0.001)
    with pytest.raises(users.Banned):
        await timed.do(sessions.open_session(user="player"))
    clock.move(0.001)

    again = await timed.do(sessions.open_session(user="player"))
    assert await timed.ask(sessions.by_token(token=again.token)) is not None
    assert await timed.ask(sessions.by_token(token=opened[0].token)) is None
    assert await timed.ask(sessions.by_key(key=key.key)) is not None
    assert await timed.ask(moderation.ban_in_force(user="player")) is None


async def test_abuse_73_only_who_knows_the_password_learns_of_a_ban(timed: Keep) -> None:
    ada = (await timed.do(users.register(username="ada", password=PASSWORD))).user_id
    await timed.do(moderation.ban(user=ada, reason=SPAM, preset="permanent"))

    with pytest.raises(sessions.BadCredentials) as wrong:
        await timed.do(sessions.login(username="ada", password="wrong horse battery"))
    with pytest.raises(users.Banned) as right:
        await timed.do(sessions.login(username="ada", password=PASSWORD))

    assert wrong.value.facts == {}
    assert right.value.facts == {"until": None}


async def test_of_two_bans_the_longer_one_holds_and_both_are_kept(timed: Keep, clock: ManualClock) -> None:
    start = clock.now_ms()
    await timed.do(moderation.ban(user="player", reason="long", until=start + 9 * HOUR * 1000), actor="player:moderator")
    clock.move(1)
    shorter = await timed.do(moderation.ban(user="player", reason="short", preset="hour"), actor="player:admin")

    assert shorter.banned_until == await banned_until(timed, "player") == start + 9 * HOUR * 1000
    listed = await timed.ask(moderation.bans_of(user="player"))
    assert [(one.reason, one.in_force) for one in listed] == [("short", True), ("long", True)]
    told = await timed.ask(moderation.ban_in_force(user="player"))
    assert told is not None
    assert told.reason == "long"
    clock.move(2 * HOUR)
    assert [one.in_force for one in await timed.ask(moderation.bans_of(user="player"))] == [False, True]

    lifted = await timed.do(moderation.unban(user="player", reason="appealed"), actor="player:moderator")

    assert (lifted.bans, await banned_until(timed, "player")) == (1, None)
    row = (await timed.ask(moderation.bans_of(user="player")))[1]
    moderator = (await timed.ask(users.show(user="moderator"))).username
    assert (row.in_force, row.lifted_by, row.lifted_by_id, row.lift_reason) == (False, moderator, "moderator", "appealed")
    await timed.do(sessions.open_session(user="player"))
    with pytest.raises(moderation.NotBanned):
        await timed.do(moderation.unban(user="player", reason="again"), actor="player:moderator")


async def test_abuse_81_nobody_bans_notes_or_frees_their_equals_their_betters_or_themselves(timed: Keep) -> None:
    await timed.do(users.create_guest(user="colleague"))
    await timed.do(users.set_role(user="colleague", role="moderator"))
    for target in ("colleague", "admin"):
        await timed.do(moderation.ban(user=target, reason="by an operator", preset="hour"), actor="operator:local")
    before = await count(timed)

    pairs = [("moderator", "moderator"), ("moderator", "colleague"), ("moderator", "admin"), ("admin", "admin"), ("player", "colleague")]
    for actor, target in [*pairs, ("player", "player")]:
        for call in (
            moderation.ban(user=target, reason=SPAM, preset="hour"),
            moderation.unban(user=target, reason=SPAM),
            moderation.add_note(user=target, text=SPAM),
        ):
            with pytest.raises(users.RoleTooLow):
                await timed.do(call, actor=f"player:{actor}")

    assert await count(timed) == before


async def test_abuse_81_banned_staff_neither_ban_nor_free_themselves(timed: Keep) -> None:
    await timed.do(moderation.ban(user="moderator", reason="sold bans", preset="day"), actor="player:admin")

    for target in ("player", "moderator"):
        with pytest.raises(users.RoleTooLow):
            await timed.do(moderation.ban(user=target, reason=SPAM, preset="hour"), actor="player:moderator")
        with pytest.raises(users.RoleTooLow):
            await timed.do(moderation.unban(user=target, reason=SPAM), actor="player:moderator")


UNREADABLE = ["", "   ", "\u200b", "\u2800 \u3164", "a\u202eb", "x" * 501, "a\x00b", "\U0001d160" * 300]
"""The last one is longer once normalized."""


async def test_abuse_82_a_ban_has_a_reason_that_can_be_read(timed: Keep) -> None:
    await timed.do(users.create_guest(user="banned"))
    await timed.do(moderation.ban(user="banned", reason="a first one", preset="hour"))

    for reason in UNREADABLE:
        for target, make in (("player", lambda **words: moderation.ban(preset="hour", **words)), ("banned", moderation.unban)):
            with pytest.raises(InvalidArgument) as refused:
                await timed.do(make(user=target, reason=reason))
            assert refused.value.path == "/reason"


async def test_a_reason_stands_on_one_line(timed: Keep) -> None:
    await timed.do(moderation.ban(user="player", reason="  spam\r\n[ERROR] forged\tline ", preset="hour"))

    assert [one.reason for one in await timed.ask(moderation.bans_of(user="player"))] == ["spam [ERROR] forged line"]


async def test_abuse_82_a_double_click_bans_once(timed: Keep) -> None:
    call = moderation.ban(user="player", reason=SPAM, preset="hour")

    first, second = await asyncio.gather(*(timed.do(call, key="click", actor="player:moderator") for _ in range(2)))

    assert first == second
    (kept,) = await timed.ask(moderation.bans_of(user="player"))
    assert kept.in_force


PAST: list[dict[str, Any]] = [
    {"until": 0},
    {"until": 1_000_000_000},  # seconds, where milliseconds are meant
    {"until": None},
    {"until": None, "preset": None},
    {},
    {"until": float("nan")},
    {"until": float("inf")},
    {"until": -1},
    {"until": 2**53},
    {"until": True},
    {"until": "tomorrow"},
    {"preset": "year"},
    {"preset": "hour", "until": 2**52},
]


async def test_abuse_83_a_ban_ends_in_the_future_or_is_called_permanent(timed: Keep, clock: ManualClock) -> None:
    for how_long in (*PAST, {"until": clock.now_ms()}):
        with pytest.raises(InvalidArgument):
            await timed.do(moderation.ban(user="player", reason=SPAM, **how_long))

    assert await timed.ask(moderation.bans_of(user="player")) == []


async def test_lengths_have_names(timed: Keep, clock: ManualClock) -> None:
    lengths: list[tuple[moderation.Preset, int | None]] = [("hour", 1), ("day", 24), ("week", 168), ("month", 720), ("permanent", None)]
    for preset, hours in lengths:
        given = await timed.do(moderation.ban(user="player", reason=preset, preset=preset))
        assert given.banned_until == (None if hours is None else clock.now_ms() + hours * HOUR * 1000)
        told = await timed.ask(moderation.ban_in_force(user="player"))
        assert told == moderation.BanInForce(given.banned_until, preset)


async def test_the_name_of_who_banned_survives_their_account(timed: Keep) -> None:
    name = (await timed.do(users.create_guest(user="brief"))).username
    await timed.do(users.set_role(user="brief", role="moderator"))
    await timed.do(moderation.ban(user="player", reason=SPAM, preset="hour"), actor="player:brief")
    await timed.do(users.request_deletion(user="brief"))
    await timed.do(people.erase(user="brief", early=True))
    await timed.do(moderation.ban(user="player", reason="by a key", preset="hour"), actor="operator:admin")
    await timed.do(moderation.ban(user="player", reason="by a console", preset="hour"), actor="operator:local")

    told = {one.reason: (one.banned_by, one.banned_by_id) for one in await timed.ask(moderation.bans_of(user="player"))}
    assert told[SPAM] == (name, "brief")
    assert told["by a key"] == ((await timed.ask(users.show(user="admin"))).username, "admin")
    assert told["by a console"] == ("operator:local", None)


async def test_bans_in_force_are_listed_page_by_page(timed: Keep, clock: ManualClock) -> None:
    for number in range(5):
        await timed.do(users.create_guest(user=f"u{number}"))
        await timed.do(moderation.ban(user=f"u{number}", reason=SPAM, preset="hour" if number == 3 else "day"))
    await timed.do(moderation.unban(user="u1", reason="a mistake"))
    clock.move(2 * HOUR)

    found, cursor = [], None
    while True:
        page = await timed.ask(moderation.active_bans(limit=2, cursor=cursor))
        found += [one.user_id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert found == ["u4", "u2", "u0"]


async def test_all_bans_and_notes_are_listed_page_by_page(timed: Keep, clock: ManualClock) -> None:
    for number in range(4):
        await timed.do(users.create_guest(user=f"u{number}"))
        await timed.do(moderation.ban(user=f"u{number}", reason="null", preset="hour" if number == 3 else "permanent"))
        await timed.do(moderation.add_note(user=f"u{number}", text=f"note {number}"), actor="player:moderator")
        clock.move(1)
    await timed.do(moderation.unban(user="u1", reason="null"), actor="player:admin")
    clock.move(2 * HOUR)

    async def listed(state: moderation.BanState | None) -> list[moderation.ListedBan]:
        first = await timed.ask(moderation.list_bans(state=state, limit=2))
        rest = [] if first.next_cursor is None else (await timed.ask(moderation.list_bans(state=state, cursor=first.next_cursor))).items
        return [*first.items, *rest]

    assert [(one.user_id, one.in_force) for one in await listed(None)] == [("u3", False), ("u2", True), ("u1", False), ("u0", True)]
    assert [one.user_id for one in await listed("in_force")] == ["u2", "u0"]
    expired, lifted = await listed("past")
    assert (expired.user_id, expired.lifted_at, lifted.user_id, lifted.lifted_by_id) == ("u3", None, "u1", "admin")
    assert (lifted.reason, lifted.lift_reason) == ("null", "null"), "words are not taken for nothing"
    assert lifted.username == (await timed.ask(users.show(user="u1"))).username

    notes = await timed.ask(moderation.newest_notes(limit=3))
    older = await timed.ask(moderation.newest_notes(cursor=notes.next_cursor))
    assert [(one.user_id, one.text) for one in (*notes.items, *older.items)] == [(f"u{at}", f"note {at}") for at in (3, 2, 1, 0)]
    assert notes.items[0].author_id == "moderator"


# No command after a ban


async def test_a_ban_by_another_process_is_seen_by_the_very_next_transaction(timed: Keep, clock: ManualClock, database_url: str) -> None:
    """The rows are cached here, and nobody looks at the token again: the write itself finds out."""
    opened = await timed.do(sessions.open_session(user="player"))
    await timed.do(users.create_guest(user="other"))
    standing = sessions.require_standing(user="player", session_id=opened.session_id)
    call = sessions.open_session(user="other")
    assert isinstance((await timed.tell(call, standing=standing)).results[0], sessions.Opened)
    before = await count(timed, owner_id="other")

    async with gamekeeper.open(database_url, clock=clock, allow_unsafe_postgres=True) as elsewhere:
        await elsewhere.do(moderation.ban(user="player", reason=SPAM, preset="hour"))
        with pytest.raises(users.Banned):
            await timed.tell(call, standing=standing)
        await elsewhere.do(moderation.unban(user="player", reason="a mistake"))
        with pytest.raises(sessions.SessionNotFound):
            await timed.tell(call, standing=standing)

    assert await count(timed, owner_id="other") == before
    await timed.tell(call, standing=sessions.require_standing(user="player"))


async def test_nothing_of_the_banned_is_committed_after_the_ban(keep: Keep, database_url: str) -> None:
    await keep.do(users.create_guest(user="player"))
    await keep.do(worlds.create_world(world="world", name="World"))
    character = (await keep.do(characters.create(user="player", name="Mallory"))).character_id
    standing = sessions.require_standing(user="player")

    async def act(number: int) -> bool:
        try:
            await keep.tell(characters.set_setting(character=character, name="n", value=number), standing=standing)
        except users.Banned:
            return False
        return True

    async with gamekeeper.open(database_url, allow_unsafe_postgres=True) as elsewhere:
        assert await act(-1)
        storm = [asyncio.ensure_future(act(number)) for number in range(200)]
        await asyncio.sleep(0.005)
        await elsewhere.do(moderation.ban(user="player", reason=SPAM, preset="hour"))
        at_the_ban = await count(keep, owner_id=character)
        storm += [asyncio.ensure_future(act(number)) for number in range(20)]
        done = await asyncio.gather(*storm)

    assert await count(keep, owner_id=character) == at_the_ban
    assert done[-20:] == [False] * 20


async def test_standing_is_no_part_of_a_request_that_is_told_twice(timed: Keep) -> None:
    """Somebody loses the answer, logs in again and asks with the same key."""
    first, second = [await timed.do(sessions.open_session(user="player")) for _ in range(2)]
    told = [
        await timed.tell(
            moderation.add_note(user="player", text="once"),
            sessions.revoke_all(user="admin"),
            key="k",
            standing=sessions.require_standing(user="player", session_id=session),
        )
        for session in (first.session_id, second.session_id)
    ]

    assert [one.replayed for one in told] == [False, True]
    assert told[0].results == told[1].results
    assert [type(one) for one in told[1].results] == [moderation.Noted, sessions.Revoked]
    assert len((await timed.ask(moderation.list_notes(user="player"))).items) == 1


async def test_standing_is_not_there_for_what_is_no_user(timed: Keep) -> None:
    with pytest.raises(users.UserNotFound):
        await timed.do(sessions.require_standing(user="content"))
    with pytest.raises(gamekeeper.errors.OwnerNotFound):
        await timed.do(sessions.require_standing(user="nobody"))
    before = await count(timed)
    await timed.do(sessions.require_standing(user="player"))
    assert await count(timed) == before


# Notes


async def test_notes_are_for_staff_and_stand_nowhere_else(timed: Keep, clock: ManualClock) -> None:
    for number in range(3):
        await timed.do(moderation.add_note(user="player", text=f" suspected\nof number {number} "), actor="player:moderator")
        clock.move(1)
    await timed.do(moderation.ban(user="player", reason=SPAM, preset="hour"), actor="player:moderator")

    first = await timed.ask(moderation.list_notes(user="player", limit=2))
    rest = await timed.ask(moderation.list_notes(user="player", limit=2, cursor=first.next_cursor))
    assert [one.text for one in (*first.items, *rest.items)] == [f"suspected\nof number {number}" for number in (2, 1, 0)]
    assert rest.next_cursor is None
    moderator = (await timed.ask(users.show(user="moderator"))).username
    assert (first.items[0].author, first.items[0].author_id) == (moderator, "moderator")
    await people.export(timed, "player", archive := io.BytesIO())
    export = zipfile.ZipFile(archive)
    told = "\n".join(export.read(name).decode() for name in export.namelist())
    written = repr([list(row) for row in await timed.store.fetch(select(journal), {})])
    for secret in ("suspected", moderator):
        assert secret not in told
        assert secret not in written or secret == moderator  # the moderator's own chain knows the name
    assert SPAM in told
    assert SPAM not in written


async def test_notes_have_an_end(timed: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gamekeeper.modules.moderation.rules.MAX_NOTES", 1)
    await timed.do(moderation.add_note(user="player", text="one"))

    with pytest.raises(moderation.TooManyNotes):
        await timed.do(moderation.add_note(user="player", text="two"))
    with pytest.raises(InvalidArgument):
        await timed.do(moderation.add_note(user="admin", text=" \n "))


async def test_who_is_erased_is_forgotten_by_staff_too(timed: Keep) -> None:
    await timed.do(moderation.add_note(user="player", text="likes cats"))
    await timed.do(moderation.ban(user="player", reason=SPAM, preset="hour"))
    await timed.do(users.request_deletion(user="player"))
    await timed.do(people.erase(user="player", early=True))

    assert (await timed.ask(moderation.list_notes(user="player"))).items == []
    dump = repr([list(row) for record in (moderation.UserBan, moderation.StaffNote) for row in await _rows(timed, record)])
    assert SPAM not in dump
    (kept,) = await timed.ask(moderation.bans_of(user="player"))
    assert kept.in_force


async def _rows(keep: Keep, record: Any) -> Any:
    return await keep.store.fetch(select(table(record)), {})


# The activity log


async def _log(keep: Keep, *, limit: int = 200, **words: Any) -> list[moderation.Activity]:
    """All pages of it."""
    found, cursor = [], None
    while True:
        page = await keep.ask(moderation.activity(limit=limit, cursor=cursor, **words))
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_the_activity_of_a_user_is_theirs_and_their_characters(timed: Keep, clock: ManualClock) -> None:
    start = clock.now_ms()
    await timed.do(worlds.create_world(world="world", name="World"))
    one = (await timed.do(characters.create(user="player", name="Ada"))).character_id
    two = (await timed.do(characters.create(user="player", name="Bea"))).character_id
    await timed.do(characters.create(user="admin", name="Cleo"))
    for _ in range(3):
        clock.move(60)
        opened = await timed.do(sessions.open_session(user="player", ip_address="203.0.113.7"), actor="server:s")
        await timed.do(characters.rename(character=one, name=f"Ada {'abc'[_]}"), actor="player:player")
        await timed.do(characters.rename(character=two, name=f"Bea {'abc'[_]}"), actor="player:player")
        await timed.do(sessions.revoke(user="player", session_id=opened.session_id), actor="player:player")

    whole = await _log(timed, user="player")

    assert [entry.at for entry in whole] == sorted((entry.at for entry in whole), reverse=True)
    assert {entry.owner_id for entry in whole} == {"player", one, two}
    kinds = [entry.event for entry in whole]
    assert {kind: kinds.count(kind) for kind in ("LOGIN", "LOGOUT", "CHARACTER_RENAMED", "REGISTERED")} == {
        "LOGIN": 3,
        "LOGOUT": 3,
        "CHARACTER_RENAMED": 6,
        "REGISTERED": 1,
    }
    assert all("ip_address" not in entry.details for entry in whole)
    everybody = await _log(timed)
    for limit in (1, 2, 5):
        assert await _log(timed, user="player", limit=limit) == whole
        assert await _log(timed, limit=limit) == everybody
    assert {entry.command_id for entry in whole} < {entry.command_id for entry in everybody}
    assert "admin" in {entry.owner_id for entry in everybody}
    renamed = await _log(timed, owner=one, events=["CHARACTER_RENAMED"], limit=2)
    assert [(entry.event, entry.actor, entry.owner_id) for entry in renamed] == [("CHARACTER_RENAMED", "player:player", one)] * 3
    between = await _log(timed, user="player", since=start + 60_000, until=start + 120_000)
    assert sorted(entry.event for entry in between) == ["CHARACTER_RENAMED", "CHARACTER_RENAMED", "LOGIN", "LOGOUT"]


async def test_the_activity_log_goes_back_ninety_days_unless_it_is_asked_for_more(timed: Keep, clock: ManualClock) -> None:
    clock.move(91 * 24 * HOUR)
    await timed.do(moderation.ban(user="player", reason=SPAM, preset="hour"))

    assert [entry.event for entry in await _log(timed, user="player")] == ["USER_BANNED"]
    assert [entry.event for entry in await _log(timed, user="player", since=0)] == ["USER_BANNED", "REGISTERED"]


async def test_the_activity_of_everybody_is_answered_by_an_index_whatever_the_journal_s_size(timed: Keep, database_url: str) -> None:
    made = compiled(queries.of_commands(2), sqlite.DIALECT if timed.store.dialect == "sqlite" else postgres.DIALECT)
    values = {
        **made.values,
        "command_0": "moderation.ban",
        "command_1": "sessions.login",
        "since": 0,
        "until": 10**15,
        "before": "",
        "limit": 51,
    }
    async with raw(database_url) as sql:
        if sql.sqlite:
            text = re.sub(r":(\w+)", lambda found: repr(values[found[1]]), made.text)
            plan = "\n".join(str(row[3]) for row in await sql.rows(f"EXPLAIN QUERY PLAN {text}"))
        else:
            await sql.rows("SET enable_seqscan = off")  # a table of a few rows is read whole, whatever its indexes
            plan = "\n".join(str(row[0]) for row in await sql.rows(f"EXPLAIN {made.text}", *(values[name] for name in made.names)))
    assert "ix_journal_command_at" in plan
    plan = plan.replace("SCAN anon", "")  # the few rows that each kind of command has given
    assert not any(word in plan for word in ("SCAN", "B-TREE", "Seq Scan", "Sort")), plan


async def test_the_activity_log_is_of_a_user_or_of_an_owner(timed: Keep) -> None:
    with pytest.raises(InvalidArgument):
        await timed.ask(moderation.activity(user="player", owner="admin"))
    with pytest.raises(InvalidArgument):
        await timed.ask(moderation.activity(user="player", cursor="WyJhIl0"))
    assert await _log(timed, user="nobody") == []


SEED = {
    *("ITEM_PICKUP", "ITEM_DROP", "NPC_KILLED", "PLAYER_DEATH", "EQUIPMENT_EQUIP", "EQUIPMENT_UNEQUIP", "BANK_DEPOSIT", "BANK_WITHDRAW"),
    *("STORE_BUY", "STORE_SELL", "INVENTORY_ITEM_ADDED", "INVENTORY_ITEM_REMOVED", "XP_GAINED", "LEVEL_UP", "SESSION_START"),
    *("SESSION_END", "TRADE_REQUEST", "TRADE_RESPOND", "TRADE_OFFER", "TRADE_ACCEPT", "TRADE_CANCEL"),
}
"""The events that games of this kind log."""
NO_COMMANDS_YET = {
    *("NPC_KILLED", "PLAYER_DEATH", "STORE_BUY", "STORE_SELL", "XP_GAINED", "LEVEL_UP"),
}


def test_every_event_has_its_commands() -> None:
    import_modules()
    mapped = [name for names in moderation.EVENTS.values() for name in names]

    assert {name for name in mapped if name not in COMMANDS} == set()
    assert len(mapped) == len(set(mapped))
    assert SEED - set(moderation.EVENTS) == NO_COMMANDS_YET
