"""What is stored of days: where a character is in the calendar, its quests of a day or a week, and what each day came to."""

from typing import Annotated, Literal

from msgspec import Meta

from gamekeeper.kernel.records import Amount, EpochMs, Key, Record
from gamekeeper.modules import characters, content, days, xp

Status = Literal["ACTIVE", "COMPLETED", "FAILED", "EXPIRED"]
"""Whether a quest can still be done, is done, was given up, or was not done in time."""
TemplateId = content.DefinitionId
Progress = Annotated[int, Meta(ge=0, le=10_000, description="how much is done, in basis points")]
Zone = Annotated[str, Meta(min_length=1, max_length=64)]


class DayState(Record, table="character_days", value=True, indexes=(("next_close_at", "character_id"),)):
    """Where a character is in the calendar. Its days follow each other without a gap, and each is evaluated once, in order.

    `timezone` is the zone that the last day ended in, `next_close_at` when the next one is due.
    `broken_streak` is the streak that broke at `broken_at`: from `broken_day` on so many `broken_days` were missed, and each takes a grace
    token to mend.
    """

    character_id: Key[characters.CharacterId]
    timezone: Zone
    last_closed: days.Day
    next_close_at: EpochMs
    broken_streak: Amount = 0
    broken_at: EpochMs | None = None
    broken_day: days.Day | None = None
    broken_days: Amount = 0


class QuestLog(
    Record,
    table="quest_logs",
    loads="key",
    value=True,
    checks=("status <> 'COMPLETED' OR completed_at IS NOT NULL", "status = 'COMPLETED' OR xp_awarded = 0"),
):
    """A character's quest of one day; of a quest of the week `day_date` is the Monday."""

    character_id: Key[characters.CharacterId]
    day_date: Key[days.Day]
    template_id: Key[TemplateId]
    status: Status = "ACTIVE"
    progress: Progress = 0
    completed_at: EpochMs | None = None
    xp_awarded: xp.Xp = 0


class DailyLog(
    Record,
    table="daily_logs",
    loads="key",
    value=True,
    checks=("core_completed <= core_total", "NOT all_completed OR core_completed = core_total", "NOT debuff_triggered OR evaluated"),
):
    """What a day came to. Before it is `evaluated` it is what was reached so far."""

    character_id: Key[characters.CharacterId]
    day_date: Key[days.Day]
    core_completed: Amount = 0
    core_total: Amount = 0
    all_completed: bool = False
    debuff_triggered: bool = False
    evaluated: bool = False
    grace_used: bool = False
    """Whether a grace token was spent on it."""
    streak: Amount = 0
    """The streak at the end of the day."""
