"""Seed 002, a fitness game on PostgreSQL: its ledger of experience, its modifiers, and what stands of a user's progress."""

from typing import Final, get_args

import pytest

from gamekeeper.errors import InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.records import shape
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import characters, xp
from tests.crash.raw import raw
from tests.modules.test_xp import award
from tests.seeds.rows import copied, refuses, row_of

SOURCES: Final = (
    *("QUEST_COMPLETION", "STREAK_BONUS", "BOSS_DEFEAT", "DUNGEON_CLEAR"),
    *("SEASON_BONUS", "TITLE_BONUS", "MANUAL_ADJUSTMENT"),
)
TYPES: Final = ("DEBUFF_PENALTY", "STREAK_BONUS", "WEEKEND_BONUS", "SEASON_MULTIPLIER", "TITLE_PASSIVE", "DUNGEON_MULTIPLIER")


@pytest.fixture
async def jin(keep: Keep) -> str:
    """A hunter."""
    return (await keep.do(characters.create(name="Jin"))).character_id


async def test_xp_event_source_enum_of_seed_002(keep: Keep, jin: str, database_url: str) -> None:
    assert get_args(xp.Source) == SOURCES
    for source in SOURCES:
        await keep.do(award(character=jin, source=source, source_id="one id", base=10))
    page = await keep.ask(xp.ledger(character=jin))
    assert [one.event_source for one in reversed(page.items)] == list(SOURCES)
    with pytest.raises(InvalidArgument):
        await keep.do(award(character=jin, source="GIFT", source_id="2", base=10))  # type: ignore[arg-type]
    await refuses(database_url, copied(xp.XpEvent, seq="seq + 100", event_source="'GIFT'"))
    assert (await verify(keep)).problems == []


async def test_modifier_type_enum_of_seed_002(keep: Keep, jin: str, database_url: str) -> None:
    assert get_args(xp.ModifierType) == TYPES
    modifiers = tuple(xp.Modifier(one, 11_000) for one in TYPES)
    await keep.do(award(character=jin, source="BOSS_DEFEAT", source_id="1", base=100, modifiers=modifiers))
    assert [one.type for one in (await keep.ask(xp.breakdown(character=jin, seq=1))).steps] == list(TYPES)
    for wrong in ({"type": "LUCK"}, {"type": "STREAK_BONUS", "multiplier_bp": 1.15}, {"type": "STREAK_BONUS", "multiplier_bp": -1}):
        with pytest.raises(InvalidArgument):
            await keep.do(award(character=jin, source="BOSS_DEFEAT", source_id="2", base=1, modifiers=[wrong]))  # type: ignore[arg-type]
    await refuses(
        database_url,
        copied(xp.XpModifier, event_seq="event_seq + 100", type="'LUCK'"),
        copied(xp.XpModifier, event_seq="event_seq + 100", multiplier_bp="-1"),
    )


async def test_xp_events_table_of_seed_002(keep: Keep, jin: str, clock: ManualClock, database_url: str) -> None:
    """Every column of the seed; of its id there are two parts, the character and the number of the event."""
    columns = set(shape(xp.XpEvent).names)
    assert columns >= {"event_source", "source_id", "base_xp", "final_xp", "total_xp_before", "total_xp_after", "level_before"}
    assert columns >= {"character_id", "level_after", "event_hash", "created_at"}
    bonus = xp.Modifier("STREAK_BONUS", 11_500, reason="14 days")
    await keep.do(award(character=jin, source="QUEST_COMPLETION", source_id="log-1", base=260, modifiers=(bonus,)))
    clock.move(60)
    await keep.do(award(character=jin, source="BOSS_DEFEAT", source_id="attempt-1", base=2_500))
    second, first = (await keep.ask(xp.ledger(character=jin))).items
    assert (first.event_source, first.source_id, first.base_xp, first.final_xp) == ("QUEST_COMPLETION", "log-1", 260, 299)
    assert (first.total_xp_before, first.total_xp_after, first.level_before, first.level_after) == (0, 299, 1, 2)
    assert (second.total_xp_before, second.total_xp_after, second.level_before, second.level_after) == (299, 2_799, 2, 6)
    assert second.created_at == clock.now_ms() == first.created_at + 60_000
    assert (second.previous_hash, len(second.event_hash)) == (first.event_hash, 64)
    async with raw(database_url) as database:
        before = await database.rows("SELECT * FROM xp_events")
    await refuses(
        database_url,
        "UPDATE xp_events SET final_xp = 1",
        "DELETE FROM xp_events",
        copied(xp.XpEvent, seq="seq + 100", source_id="'other'", final_xp="final_xp + 1"),
        copied(xp.XpEvent, seq="seq + 100", source_id="'other'", base_xp="-1"),
        copied(xp.XpEvent, seq="seq + 100", source_id="NULL"),
    )
    async with raw(database_url) as database:
        assert await database.rows("SELECT * FROM xp_events") == before
    assert (await verify(keep)).problems == []


async def test_xp_modifiers_table_of_seed_002(keep: Keep, jin: str, database_url: str) -> None:
    """The multiplier is an integer in basis points and no float."""
    bonus, penalty = xp.Modifier("WEEKEND_BONUS", 11_000, reason="Saturday"), xp.Modifier("DEBUFF_PENALTY", 9_000, reason="debuff")
    await keep.do(award(character=jin, source="QUEST_COMPLETION", source_id="1", base=25, modifiers=(penalty, bonus)))
    names = ("event_seq", '"order"', "type", "multiplier_bp", "reason", "xp_before", "xp_after")
    async with raw(database_url) as database:
        rows = await database.rows(f'SELECT {", ".join(names)} FROM xp_modifiers ORDER BY "order"')
    assert [tuple(row) for row in rows] == [
        (1, 1, "WEEKEND_BONUS", 11_000, "Saturday", 25, 27),
        (1, 2, "DEBUFF_PENALTY", 9_000, "debuff", 27, 24),
    ]
    await refuses(database_url, "UPDATE xp_modifiers SET xp_after = 1", "DELETE FROM xp_modifiers", copied(xp.XpModifier))


async def test_xp_events_are_unique_by_character_source_and_id(keep: Keep, jin: str, database_url: str) -> None:
    """Seed 002 has no such constraint, and pays a retry twice."""
    await keep.do(award(character=jin, source="DUNGEON_CLEAR", source_id="run-1", base=50))
    await keep.do(award(character=jin, source="QUEST_COMPLETION", source_id="run-1", base=50))
    await refuses(database_url, copied(xp.XpEvent, seq="seq + 100"), copied(xp.XpEvent, source_id="'other'"))
    assert (await keep.ask(xp.progress(character=jin))).total_xp == 100


async def test_game_stats_of_the_users_table_of_seed_002(keep: Keep, jin: str) -> None:
    """They belong to the character here, and begin as the seed says; STR, AGI, VIT and DISC are its attributes."""
    begun = await keep.ask(xp.progress(character=jin))
    assert (begun.level, begun.total_xp, begun.current_streak, begun.longest_streak, begun.perfect_streak) == (1, 0, 0, 0, 0)
    assert (begun.debuff_active_until, begun.active_title_id, begun.grace_tokens) == (None, None, 0)
    await keep.do(award(character=jin, source="TITLE_BONUS", source_id="x", base=2**40))
    assert (await row_of(keep, xp.CharacterProgress, jin)).total_xp == 2**40, "far more than 32 bits hold"
