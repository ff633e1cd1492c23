"""XP: what awards are worth, the ledger that they are written in, corrections, and that no row of it can be changed unseen."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from itertools import permutations
from math import floor
from typing import Any, Final

import msgspec
import pytest

from gamekeeper.errors import InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import command
from gamekeeper.kernel.verify import Problem, verify
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, content, xp
from gamekeeper.modules.xp import Modifier
from gamekeeper.modules.xp.queries import ledgers_differ
from tests.crash.raw import Raw, raw
from tests.modules import scene

DOCUMENTED: Final = (5_000, 9_000, 9_500, 10_000, 10_500, 11_000, 11_500, 12_000, 12_500, 15_000, 17_500, 20_000, 22_500, 25_000, 30_000)
"""Every multiplier that the documents of the fitness game name."""


@command(
    touches=[characters.Character, *xp.TOUCHES], prepare=xp.with_award, prepares_again=xp.PREPARES_AGAIN, access="server", module="xp_tests"
)
def award(
    ctx: Context,
    *,
    character: characters.CharacterId,
    source: xp.Source,
    source_id: xp.SourceId,
    base: int,
    modifiers: tuple[Modifier, ...] = (),
) -> xp.Awarded:
    """Award as a game's own module would."""
    characters.alive(ctx, character)
    if ctx.found is not None:
        return xp.paid_before(ctx.found, source, source_id, base)
    return xp.record(ctx, character, source, source_id, base, modifiers)


@command(touches=[characters.Character, *xp.TOUCHES], access="server", module="xp_tests")
def award_unseen(ctx: Context, *, character: characters.CharacterId, ids: list[str], base: int) -> list[xp.Awarded]:
    """Award several at once without looking for earlier ones."""
    return [xp.record(ctx, character, "QUEST_COMPLETION", one, base) for one in ids]


def quest(character: str, source_id: str, base: int, *modifiers: Modifier) -> Any:
    """An award for a quest."""
    return award(character=character, source="QUEST_COMPLETION", source_id=source_id, base=base, modifiers=modifiers)


# What an award is worth


def test_every_documented_multiplier_of_every_base_is_exact() -> None:
    lower = 0
    for multiplier in DOCUMENTED:
        exact = Fraction(multiplier, 10_000)
        for base in range(1, 2_501):
            paid = xp.apply(base, [Modifier("STREAK_BONUS", multiplier)])[0].xp_after
            assert paid == floor(base * exact)
            lower += multiplier == 11_500 and int(base * 1.15) < paid
    assert lower == 47, "which binary fractions get wrong"


def test_bonuses_come_before_penalties_and_each_step_is_rounded_down() -> None:
    """In the order in which they came, whatever else stands between them."""
    streak, title, debuff = Modifier("STREAK_BONUS", 11_500), Modifier("TITLE_PASSIVE", flat=3), Modifier("DEBUFF_PENALTY", 9_000)
    for order in permutations([streak, title, debuff]):
        steps = xp.apply(25, order)
        bonuses = [one for one in order if one is not debuff]
        assert [one.type for one in steps] == [*(one.type for one in bonuses), "DEBUFF_PENALTY"]
        assert [one.order for one in steps] == [1, 2, 3]
        exact = 25
        for one in (*bonuses, debuff):
            exact = floor(exact * Fraction(one.multiplier_bp, 10_000)) + one.flat
        assert steps[-1].xp_after == exact
        assert [one.xp_before for one in steps] == [25, *(one.xp_after for one in steps[:-1])]
    assert xp.apply(2, [Modifier("DEBUFF_PENALTY", flat=-10)])[-1].xp_after == 0


async def test_abuse_56_experience_that_overflows_and_multipliers_that_cannot_be_are_refused(keep: Keep) -> None:
    (ada,) = await scene.people(keep, "Ada")
    hostile: list[tuple[Any, type[Exception]]] = [
        (Modifier("STREAK_BONUS", -1), xp.ModifierRefused),
        (Modifier("STREAK_BONUS", xp.MAX_MULTIPLIER_BP + 1), xp.ModifierRefused),
        (Modifier("STREAK_BONUS", 1.15), xp.ModifierRefused),  # type: ignore[arg-type]
        (Modifier("STREAK_BONUS", float("nan")), xp.ModifierRefused),  # type: ignore[arg-type]
        (Modifier("STREAK_BONUS", True), xp.ModifierRefused),
        (Modifier("TITLE_PASSIVE", flat=xp.MAX_FLAT + 1), xp.ModifierRefused),
        (Modifier("TITLE_PASSIVE", 20_000, flat=1), xp.ModifierRefused),
    ]
    for modifier, error in hostile:
        with pytest.raises(error):
            xp.apply(100, [modifier])
    with pytest.raises(xp.ModifierRefused):
        xp.apply(100, [Modifier("STREAK_BONUS")] * (xp.MAX_MODIFIERS + 1))
    with pytest.raises(xp.XpOverflow):
        xp.apply(100, [Modifier("DUNGEON_MULTIPLIER", xp.MAX_MULTIPLIER_BP)] * 10)

    for base, refused in ((-5, InvalidArgument), (xp.MAX_XP + 1, xp.XpOverflow), (2**53 - 1, xp.XpOverflow)):
        with pytest.raises(refused):
            await keep.do(quest(ada, "q", base))
    await keep.do(quest(ada, "all", xp.MAX_XP))
    with pytest.raises(xp.XpOverflow):
        await keep.do(quest(ada, "one more", 1))
    with pytest.raises(xp.XpOverflow):
        await keep.do(xp.correct(character=ada, amount=1, reason="one more"))
    now = await keep.ask(xp.progress(character=ada))
    assert (now.total_xp, now.level, now.xp_seq) == (xp.MAX_XP, 1_000, 1)


# The ledger


async def test_the_story_of_a_ledger(keep: Keep) -> None:
    """Awards, a level that is reached with them, retries, corrections, and every page of it."""
    ada, bob = await scene.people(keep, "Ada", "Bob")
    assert (await keep.ask(xp.progress(character=ada))).level == 1
    first = await keep.do(quest(ada, "run", 100, Modifier("DEBUFF_PENALTY", 9_000, reason="tired"), Modifier("STREAK_BONUS", 11_500)))
    assert (first.seq, first.base_xp, first.final_xp, first.total_xp, first.level) == (1, 100, 103, 103, 1)
    second = await keep.do(quest(ada, "swim", 177))
    assert (second.total_xp_before, second.total_xp, second.level_before, second.level, second.steps) == (103, 280, 1, 2, [])
    await keep.do(quest(bob, "run", 7))  # what one is paid for, another may be too

    assert await keep.do(quest(ada, "run", 100)) == first, "a retry answers as the first time"
    with pytest.raises(xp.SourceIdReused) as reused:
        await keep.do(quest(ada, "run", 1_000))
    assert (reused.value.source_id, reused.value.base_xp) == ("run", 100)

    down = await keep.do(xp.correct(character=ada, amount=-200, reason="counted twice", correction_id="c1"), actor="operator:eve")
    assert (down.final_xp, down.total_xp, down.level_before, down.level) == (-200, 80, 2, 1)
    assert await keep.do(xp.correct(character=ada, amount=-200, reason="counted twice", correction_id="c1")) == down
    with pytest.raises(xp.SourceIdReused):
        await keep.do(xp.correct(character=ada, amount=-20, reason="counted twice", correction_id="c1"))
    more = await keep.do(xp.correct(character=ada, amount=-1_000, reason="all of it"))
    assert (more.base_xp, more.final_xp, more.total_xp) == (-1_000, -80, 0), "no more than there is, and that is what stands there"

    page = await keep.ask(xp.ledger(character=ada, limit=3))
    assert [one.seq for one in page.items] == [4, 3, 2]
    rest = await keep.ask(xp.ledger(character=ada, limit=3, cursor=page.next_cursor))
    assert ([one.seq for one in rest.items], rest.next_cursor) == ([1], None)
    events = [*page.items, *rest.items]
    assert sum(one.final_xp for one in events) == (await keep.ask(xp.progress(character=ada))).total_xp == 0
    assert (events[1].event_source, events[1].description) == ("MANUAL_ADJUSTMENT", "counted twice")

    shown = await keep.ask(xp.breakdown(character=ada, seq=1))
    assert [(one.order, one.type, one.xp_before, one.xp_after, one.reason) for one in shown.steps] == [
        (1, "STREAK_BONUS", 100, 115, ""),
        (2, "DEBUFF_PENALTY", 115, 103, "tired"),
    ]
    assert (shown.replayed, shown.hash_matches, shown.event) == (103, True, events[-1])
    with pytest.raises(xp.XpEventNotFound):
        await keep.ask(xp.breakdown(character=ada, seq=5))
    found = await keep.ask(xp.audit(character=ada))
    assert (found.events, found.total_xp, found.fault) == (4, 0, None)
    await keep.do(characters.delete(character=bob))
    with pytest.raises(characters.CharacterNotFound):
        await keep.do(quest(bob, "run", 7))
    assert (await verify(keep)).problems == [], "the ledger of a character that is gone stands"


async def test_the_hash_of_an_event_is_what_the_documentation_says(keep: Keep, database_url: str) -> None:
    """Reckoned here from the rows by JSON and SHA-256 alone, as anybody can who has an extract of the ledger."""
    (ada,) = await scene.people(keep, "Ada")
    await keep.do(
        quest(ada, "run \u00e9\u2028", 100, Modifier("STREAK_BONUS", 11_000, reason='14 "days"'), Modifier("TITLE_PASSIVE", flat=3))
    )
    await keep.do(xp.correct(character=ada, amount=-7, reason="a\ttab, a \x7f and an \U0001f600"))
    events, modifiers = ([field.name for field in msgspec.structs.fields(one)] for one in (xp.XpEvent, xp.XpModifier))
    previous = ""
    async with raw(database_url) as sql:
        for row in await sql.rows(f"SELECT {', '.join(events)} FROM xp_events ORDER BY seq"):
            quoted = ", ".join(f'"{name}"' for name in modifiers[2:])
            steps = await sql.rows(f'SELECT {quoted} FROM xp_modifiers WHERE event_seq = ? ORDER BY "order"', row[1])
            *columns, digest = row
            assert columns[-1] == previous
            text = json.dumps(["gamekeeper/xp/1", *columns, [list(step) for step in steps]], separators=(",", ":"), ensure_ascii=False)
            previous = sha256(text.encode()).hexdigest()
            assert digest == previous
    assert (await keep.ask(xp.progress(character=ada))).xp_head == previous


async def test_abuse_54_one_source_and_id_asked_for_at_once_is_paid_once(keep: Keep) -> None:
    (ada,) = await scene.people(keep, "Ada")
    answers = await asyncio.gather(*(keep.do(quest(ada, "run", 50)) for _ in range(20)))
    assert len({msgspec.json.encode(one) for one in answers}) == 1
    several = await asyncio.gather(*(keep.do(quest(ada, "swim", base)) for base in (60, 70)), return_exceptions=True)
    assert [type(one) for one in several].count(xp.SourceIdReused) == 1
    with pytest.raises(Exception, match="CONSTRAINT_VIOLATED"):
        await keep.do(award_unseen(character=ada, ids=["dive", "run"], base=50))
    now = await keep.ask(xp.progress(character=ada))
    assert (now.xp_seq, now.total_xp) in {(2, 110), (2, 120)}
    assert (await verify(keep)).problems == []


async def test_abuse_55_a_level_is_reached_once_whatever_is_taken_back_and_given_again(keep: Keep) -> None:
    (ada,) = await scene.people(keep, "Ada")
    await keep.do(quest(ada, "run", 300))
    await keep.do(xp.correct(character=ada, amount=-300, reason="undo"))
    assert (await keep.do(quest(ada, "run", 300))).seq == 1, "the first award again, and nothing is paid"
    assert (await keep.ask(xp.progress(character=ada))).level == 1


async def test_levels_follow_the_curve_that_is_set(keep: Keep) -> None:
    (ada,) = await scene.people(keep, "Ada")
    short = xp.CurveDefinition(id="solo", name="Short", thresholds=(0, 10, 30))
    await keep.do(content.load_pack(pack=content.pack_of(short, id="curves", version="1", title="Curves")))
    assert (await keep.do(quest(ada, "a", 10))).level == 2
    assert (await keep.do(quest(ada, "b", 1_000))).level == 3, "the last level of the table"
    await keep.do(content.load_pack(pack=content.pack_of(id="curves", version="2", title="Curves")))
    after = await keep.do(quest(ada, "c", 0))
    assert (after.level_before, after.level) == (3, 3), "1,010 points are level 3 of the built-in curve too"
    with pytest.raises(xp.UnknownCurve):
        xp.character_curve({}, "typo")


async def test_the_board_of_all_experience_is_that_of_the_rows(keep: Keep) -> None:
    """Page by page, from any rank on and around everybody; it moves with corrections, and who is deleted loses the name."""
    names = [f"Hunter {one}" for one in "ABCDEFGH"]
    ids = await scene.people(keep, *names)
    points = dict(zip(ids, (300, 100, 100, 700, 0, 100, 20, 20), strict=True))
    for who, amount in points.items():
        await keep.do(quest(who, "q", amount))
    await keep.do(xp.correct(character=ids[3], amount=-600, reason="a mistake"))
    points[ids[3]] = 100
    await keep.do(characters.delete(character=ids[6]))

    order = sorted(ids, key=lambda one: (points[one], one), reverse=True)
    expected = [(1 + sum(points[other] > points[one] for other in ids), one, points[one]) for one in order]
    board = (await keep.ask(xp.leaderboard())).items
    assert [(one.rank, one.character_id, one.total_xp) for one in board] == expected
    assert [(one.name is None, one.level) for one in board] == [(who == ids[6], 2 if points[who] == 300 else 1) for who in order]
    page = await keep.ask(xp.leaderboard(limit=3))
    pages = page.items
    while page.next_cursor is not None:
        page = await keep.ask(xp.leaderboard(limit=3, cursor=page.next_cursor))
        pages += page.items
    assert pages == board
    for rank in range(1, 9):
        first = next((place for place, one in enumerate(board) if one.rank + sum(o.rank == one.rank for o in board) > rank), 8)
        assert (await keep.ask(xp.leaderboard_from(rank=rank, limit=4))).items == board[first : first + 4]
    assert (await keep.ask(xp.leaderboard_from(rank=9))).items == []
    for place, (who, row) in enumerate(zip(order, board, strict=True)):
        alive = who != ids[6]
        assert await keep.ask(xp.leaderboard_place(character=who)) == (row if alive else None)
        around = await keep.ask(xp.leaderboard_around(character=who, each_side=2))
        assert around == (board[max(place - 2, 0) : place + 3] if alive else [])
    await keep.do(characters.set_setting(character=ids[0], name=characters.ANONYMOUS, value=True))
    best = (await keep.ask(xp.leaderboard(limit=1))).items[0]
    assert (best.rank, best.character_id, best.total_xp) == (1, None, 300)
    assert (best.name or "").startswith("Hunter-")
    assert await keep.ask(xp.leaderboard_place(character=ids[0])) == best
    (new,) = await scene.people(keep, "Nobody")
    assert await keep.ask(xp.leaderboard_place(character=new)) is None
    assert (await verify(keep)).problems == []


# Whether verification sees what plain SQL has done


Attack = Callable[[Raw, str], Awaitable[Any]]
TABLES: Final = ("character_progress", "xp_events", "xp_modifiers")


@dataclass
class Attacked:
    """A database without triggers, and a keep that reads it."""

    keep: Keep
    sql: Raw
    rows: dict[str, list[tuple[Any, ...]]]

    async def problems(self) -> list[Problem]:
        """What the check of ledgers says."""
        return await ledgers_differ(self.keep.reader)

    async def restore(self) -> None:
        """Put every row back."""
        for name, rows in self.rows.items():
            await self.sql.rows(f"DELETE FROM {name}")
            for row in rows:
                await self.sql.rows(f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", *row)


@asynccontextmanager
async def attacked(keep: Keep, url: str) -> AsyncIterator[Attacked]:
    """Take the triggers away, and remember the rows."""
    async with raw(url) as sql:
        if sql.sqlite:
            for (name,) in await sql.rows("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
                await sql.rows(f'DROP TRIGGER "{name}"')
        else:
            for table in TABLES[1:]:
                await sql.rows(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        rows = {table: [tuple(row) for row in await sql.rows(f"SELECT * FROM {table}")] for table in TABLES}
        try:
            yield Attacked(keep, sql, rows)
        finally:
            if not sql.sqlite:
                for table in TABLES[1:]:
                    await sql.rows(f"ALTER TABLE {table} ENABLE TRIGGER USER")


EVENT_COLUMNS: Final = {
    "event_source": "'BOSS_DEFEAT'",
    "source_id": "'other'",
    "base_xp": "base_xp + 1",
    "description": "'other'",
    "command_id": "'other'",
    "created_at": "created_at + 1",
    "level_before": "level_before + 1",
    "level_after": "level_after + 1",
    "previous_hash": "'00'",
    "event_hash": "'00'",
}
MODIFIER_COLUMNS: Final = {
    "type": "'TITLE_PASSIVE'",
    "multiplier_bp": "multiplier_bp + 1",
    "flat": "flat + 1",
    "reason": "'other'",
    "xp_before": "xp_before + 1",
    "xp_after": "xp_after + 1",
}
THIRD: Final = "character_id = ? AND seq = 3"
STEPS: Final = "character_id = ? AND event_seq = 3"

ATTACKS: Final[dict[str, tuple[str, int]]] = {
    **{f"event {name}": (f"UPDATE xp_events SET {name} = {value} WHERE {THIRD}", 3) for name, value in EVENT_COLUMNS.items()},
    "event amounts": (f"UPDATE xp_events SET final_xp = final_xp + 1, total_xp_after = total_xp_after + 1 WHERE {THIRD}", 3),
    "event totals": (f"UPDATE xp_events SET total_xp_before = total_xp_before + 1, total_xp_after = total_xp_after + 1 WHERE {THIRD}", 3),
    **{
        f"modifier {name}": (f'UPDATE xp_modifiers SET {name} = {value} WHERE {STEPS} AND "order" = 1', 3)
        for name, value in MODIFIER_COLUMNS.items()
    },
    "modifier gone": (f'DELETE FROM xp_modifiers WHERE {STEPS} AND "order" = 2', 3),
    "modifiers gone": (f"DELETE FROM xp_modifiers WHERE {STEPS}", 3),
    "modifier moved": (f'UPDATE xp_modifiers SET event_seq = 2, "order" = "order" + 2 WHERE {STEPS}', 2),
    "modifier of no event": (f"UPDATE xp_modifiers SET event_seq = 9 WHERE {STEPS}", 3),
    "first gone": ("DELETE FROM xp_events WHERE character_id = ? AND seq = 1", 1),
    "third gone": (f"DELETE FROM xp_events WHERE {THIRD}", 3),
    "last gone": ("DELETE FROM xp_events WHERE character_id = ? AND seq = 5", 5),
    "all gone": ("DELETE FROM xp_events WHERE character_id = ?", 1),
    "total": ("UPDATE character_progress SET total_xp = total_xp + 1 WHERE character_id = ?", 5),
    "level": ("UPDATE character_progress SET level = level + 1 WHERE character_id = ?", 5),
    "head": ("UPDATE character_progress SET xp_head = '00' WHERE character_id = ?", 5),
    "count": ("UPDATE character_progress SET xp_seq = 4 WHERE character_id = ?", 4),
    "row gone": ("DELETE FROM character_progress WHERE character_id = ?", 1),
}


def statement(text: str) -> Attack:
    """Make an attack of one statement."""
    return lambda sql, ada: sql.rows(text, ada)


async def exchange(sql: Raw, ada: str) -> None:
    """Let two events change places."""
    for was, becomes in ((2, 99), (3, 2), (99, 3)):
        for table, column in (("xp_events", "seq"), ("xp_modifiers", "event_seq")):
            await sql.rows(f"UPDATE {table} SET {column} = ? WHERE character_id = ? AND {column} = ?", becomes, ada, was)


async def shorten_whole(sql: Raw, ada: str) -> None:
    """Take the last event away and say in the row that it never was; the journal alone knows better."""
    await sql.rows(
        "UPDATE character_progress SET xp_seq = 4, xp_head = (SELECT event_hash FROM xp_events e WHERE e.character_id = ? AND e.seq = 4),"
        " total_xp = (SELECT total_xp_after FROM xp_events e WHERE e.character_id = ? AND e.seq = 4) WHERE character_id = ?",
        *(ada, ada, ada),
    )
    await sql.rows("DELETE FROM xp_events WHERE character_id = ? AND seq = 5", ada)


async def rewrite(sql: Raw, ada: str) -> None:
    """Give an event a better pay with every hash made anew."""
    names = [field.name for field in msgspec.structs.fields(xp.XpEvent)]
    rows = await sql.rows(f"SELECT {', '.join(names)} FROM xp_events WHERE character_id = ? ORDER BY seq", ada)
    head, gained = "", 0
    for row in rows:
        event = xp.XpEvent(**dict(zip(names, row, strict=True)))
        steps = await sql.rows(f'SELECT * FROM xp_modifiers WHERE {STEPS.replace("3", "?")} ORDER BY "order"', ada, event.seq)
        pays = event.final_xp + 50 * (event.seq == 3)
        made = msgspec.structs.replace(
            event, previous_hash=head, final_xp=pays, total_xp_before=event.total_xp_before + gained, total_xp_after=event.total_xp_before
        )
        gained += pays - event.final_xp
        made = msgspec.structs.replace(made, total_xp_after=made.total_xp_before + pays)
        head = xp.hash_of(made, [xp.XpModifier(*one) for one in steps])
        await sql.rows(
            "UPDATE xp_events SET previous_hash = ?, final_xp = ?, total_xp_before = ?, total_xp_after = ?, event_hash = ?"
            " WHERE character_id = ? AND seq = ?",
            *(made.previous_hash, pays, made.total_xp_before, made.total_xp_after, head, ada, event.seq),
        )
    await sql.rows("UPDATE character_progress SET total_xp = total_xp + 50, xp_head = ? WHERE character_id = ?", head, ada)


async def test_whatever_is_done_to_a_row_of_the_ledger_is_found_and_named(keep: Keep, database_url: str) -> None:
    """Each of these is done to a sound ledger, found, and taken back."""
    ada, bob = sorted(await scene.people(keep, "Ada", "Bob"))
    for who in (ada, bob):
        for number in range(1, 5):
            await keep.do(quest(who, f"q{number}", 90, Modifier("STREAK_BONUS", 11_000), Modifier("WEEKEND_BONUS", 12_000)))
        await keep.do(xp.correct(character=who, amount=-8, reason="too much"))
    async with attacked(keep, database_url) as world:
        assert await world.problems() == []
        scripts: dict[str, tuple[Attack, int]] = {
            "exchanged": (exchange, 2),
            "rewritten": (rewrite, 3),
            **{name: (statement(text), seq) for name, (text, seq) in ATTACKS.items()},
        }
        missed = {}
        for name, (attack, seq) in scripts.items():
            await attack(world.sql, ada)
            problems, own = await world.problems(), await keep.ask(xp.audit(character=ada))
            if [(one.owner, one.seq) for one in problems] != [(ada, seq)] or own.fault is None or own.fault.seq != seq:
                missed[name] = (problems, own)
            await world.restore()
        assert missed == {}
        assert await world.problems() == []

        await shorten_whole(world.sql, ada)
        assert await world.problems() == [], "a shorter ledger is a ledger too"
        assert {(one.owner, one.table) for one in (await verify(keep)).problems} >= {(ada, "xp_events"), (ada, "character_progress")}
        await world.restore()
    assert (await verify(keep)).problems == []
