"""The rules of fights: what a day adds to a phase, and what is known at its end."""

from msgspec.structs import replace

from gamekeeper.modules import dailies, metrics, predicates

from .records import PhaseProgress


def with_day(before: PhaseProgress, day: dailies.ClosedDay) -> PhaseProgress:
    """Add a closed day to a phase.

    >>> day = dailies.ClosedDay("c", "2026-03-02", core_completed=4, core_total=4, streak=3, debuff=False, completed=[])
    >>> with_day(PhaseProgress(days=1, core_completed=3, core_total=4), day).core_completed
    7
    """
    return replace(
        before,
        days=before.days + 1,
        core_completed=before.core_completed + day.core_completed,
        core_total=before.core_total + day.core_total,
        perfect_days=before.perfect_days + (0 < day.core_total == day.core_completed),
    )


def given(phase: PhaseProgress, dungeons_cleared: int) -> dict[str, int]:
    """Give what is known of a phase, in thousandths. Where there were no core quests nothing is known of their share.

    >>> given(PhaseProgress(days=7, core_completed=21, core_total=28, perfect_days=3, dungeons_before=2), 3)
    {'perfect_days': 3000, 'dungeon_clears': 1000, 'quest_completion_rate': 750}
    """
    found = {
        predicates.PERFECT_DAYS: phase.perfect_days * metrics.THOUSAND,
        predicates.DUNGEON_CLEARS: (dungeons_cleared - phase.dungeons_before) * metrics.THOUSAND,
    }
    if phase.core_total:
        found[predicates.RATE] = phase.core_completed * metrics.THOUSAND // phase.core_total
    return found
