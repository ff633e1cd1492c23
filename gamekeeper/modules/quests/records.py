"""What is stored of quests: how far a character is in each, and what it did when."""

from typing import Literal

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.records import Amount, EpochMs, JsonObject, Key, Record
from gamekeeper.modules import characters, content, xp

QuestId = content.DefinitionId
StageId = content.DefinitionId
Status = Literal["not_started", "in_progress", "completed"]
Action = Literal["started", "progressed", "completed", "abandoned"]
Counters = dict[StageId, Amount]


class QuestProgress(
    Record,
    table="quest_progress",
    value=True,
    checks=(
        "status <> 'completed' OR (times_completed > 0 AND completed_at IS NOT NULL)",
        "status <> 'in_progress' OR started_at IS NOT NULL",
    ),
):
    """How far a character is in a quest; without a row it has not been started. That it is ready to be completed is never stored.

    `stage_progress` counts by stage. `lent` is what the quest handed over at its start and has not got back.
    """

    character_id: Key[characters.CharacterId]
    quest_id: Key[QuestId]
    status: Status
    current_stage: StageId | None = None
    stage_progress: Counters = {}
    lent: Counters = {}
    started_at: EpochMs | None = None
    completed_at: EpochMs | None = None
    times_completed: Amount = 0


class QuestAuditLog(
    Record,
    table="quest_audit_log",
    append_only=True,
    indexes=(("character_id", "at"), ("quest_id", "at")),
):
    """Something that a character did in a quest; a stage that was finished is `progressed`. Nothing deletes it."""

    character_id: Key[characters.CharacterId]
    entry_id: Key[Id]
    quest_id: QuestId
    action: Action
    quest_points_awarded: xp.Points
    stage_id: StageId | None
    stage_progress: Counters
    metadata: JsonObject
    command_id: Id
    at: EpochMs
