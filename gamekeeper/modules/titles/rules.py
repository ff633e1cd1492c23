"""The decisions of titles: when one is earned and lost, and what an active one is worth."""

from collections.abc import Callable, Mapping
from typing import Literal

from gamekeeper.modules import predicates, xp

from .records import ALL_OF_IT, TitleDefinition, UserTitle


def is_owned(row: UserTitle | None) -> bool:
    """Say whether a title is had, and not lost.

    >>> is_owned(None), is_owned(UserTitle("c", "calm", 5)), is_owned(UserTitle("c", "calm", 5, revoked_at=7, revoked_by="STAFF"))
    (False, True, False)
    """
    return row is not None and row.revoked_at is None


Stays = Callable[[predicates.Predicate], bool]
"""Says whether what is met now can be relied on: while a day goes on, what is not to be more than something cannot."""


def due(definition: TitleDefinition, row: UserTitle | None, facts: predicates.Facts, stays: Stays) -> Literal["earn", "lose"] | None:
    """Say what becomes of a title, as far as anybody knows.

    What staff have given only staff take away, and what they have taken no condition gives back. As long as what a title is lost for
    goes on, it is not earned, however much was done before.
    """
    if row is not None and row.revoked_at is None:
        lost = row.earned_by != "STAFF" and is_lost(definition, facts)
        return "lose" if lost and stays(definition.lost_if) else None
    if row is not None and row.revoked_by == "STAFF":
        return None
    earned = predicates.judge(definition.condition, facts).met
    return "earn" if earned and stays(definition.condition) and not is_lost(definition, facts) else None


def is_lost(definition: TitleDefinition, facts: predicates.Facts) -> bool:
    """Say whether what a title is lost for is so now."""
    return definition.can_regress and definition.lost_if is not None and predicates.judge(definition.lost_if, facts).met


def active_of(definitions: Mapping[str, TitleDefinition], progress: xp.CharacterProgress | None) -> TitleDefinition | None:
    """Give the title that a character bears; one that content has forgotten does nothing."""
    title = None if progress is None else progress.active_title_id
    return None if title is None else definitions.get(title)


def modifiers_of(active: TitleDefinition | None) -> list[xp.Modifier]:
    """Give what an active title adds to awards.

    >>> said = {"id": "calm", "name": "Calm", "description": "-", "system_message": "-", "condition": {"type": "STREAK_DAYS", "days": 3}}
    >>> def bonus(type):
    ...     (one,) = modifiers_of(TitleDefinition(**said, passive_type=type, passive_value=500))
    ...     return one.multiplier_bp, one.flat, one.reason
    >>> bonus("PERCENT_XP_BONUS"), bonus("FLAT_XP_BONUS")
    ((10500, 0, 'title Calm'), (10000, 500, 'title Calm'))
    """
    reason = "" if active is None else f"title {active.name}"
    match active:
        case TitleDefinition(passive_type="PERCENT_XP_BONUS", passive_value=value):
            return [xp.Modifier("TITLE_PASSIVE", multiplier_bp=xp.ONE_BP + value, reason=reason)]
        case TitleDefinition(passive_type="FLAT_XP_BONUS", passive_value=value):
            return [xp.Modifier("TITLE_PASSIVE", flat=value, reason=reason)]
    return []


def debuff_share_of(active: TitleDefinition | None) -> int:
    """Give how much of a debuff counts for who bears a title, in basis points."""
    reduces = active is not None and active.passive_type == "DEBUFF_REDUCTION"
    return ALL_OF_IT - active.passive_value if active is not None and reduces else ALL_OF_IT


def stat_bonus_of(active: TitleDefinition | None) -> dict[str, int]:
    """Give what an active title adds to attributes, by their names."""
    if active is None or active.passive_type != "STAT_BONUS" or active.passive_stat is None:
        return {}
    return {active.passive_stat.lower(): active.passive_value}
