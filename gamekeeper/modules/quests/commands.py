"""What may be done with quests."""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from gamekeeper.kernel.commands import command
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, items, skills, xp

from . import rules
from .definitions import COUNTED, Count, ItemAmount, QuestDefinition, Stage, StageType, Target
from .errors import (
    QuestAlreadyCompleted,
    QuestAlreadyStarted,
    QuestNotComplete,
    QuestNotFound,
    QuestNotStarted,
    RequirementsNotMet,
    StageCounted,
    StageNotCurrent,
    StageNotFound,
)
from .records import Action, QuestAuditLog, QuestId, QuestProgress, StageId

ACCOUNT: Final = "quest"
"""Where what quests hand over comes from, and where what they take back goes."""
CARRIED: Final = frozenset({"inventory", "equipment", "pouch"})
"""Where a character must have what a quest requires: not in a bank, nor on a grave."""
HANDED_TO: Final = ("inventory", "pouch")
"""Where what is handed over lies: coins in the pouch."""

Reason = Annotated[str, Meta(min_length=1, max_length=500, description="why it is done")]


class Started(Struct, frozen=True):
    """A quest that has begun: its first stage, what is said, and what was handed over."""

    quest: str
    stage: str
    dialogue: str
    items: list[ItemAmount]


class Step(Struct, frozen=True):
    """What came of an event for one quest. `next_stage` is null when there is none, and the quest is ready to be completed."""

    quest: str
    stage: str
    count: int
    needed: int
    finished: bool
    next_stage: str | None


class Progressed(Struct, frozen=True):
    """What came of an event, for every quest that it counted for."""

    steps: list[Step]


class Completed(Struct, frozen=True):
    """What a quest has paid, and how many quest points the character has by now."""

    quest: str
    times_completed: int
    quest_points_awarded: int
    quest_points: int
    items: list[ItemAmount]
    xp: list[skills.Gained]


class Abandoned(Struct, frozen=True):
    """What was handed back of what the quest had lent."""

    quest: str
    returned: list[ItemAmount]


# What players do


@command(
    touches=[characters.Character, QuestProgress, QuestAuditLog, skills.CharacterSkill, items.Holding, items.ItemMovement],
    access="player",
)
def start(ctx: Context, *, character: characters.CharacterId, quest: QuestId) -> Started:
    """Begin a quest whose requirements are all met, and hand over what it begins with.

    Raises: CHARACTER_NOT_FOUND, QUEST_NOT_FOUND, QUEST_ALREADY_STARTED, QUEST_ALREADY_COMPLETED, REQUIREMENTS_NOT_MET,
    INVENTORY_FULL, STACK_OVERFLOW, UNKNOWN_ITEM.
    """
    characters.alive(ctx, character)
    definition, row = _known(ctx, quest), ctx.get(QuestProgress, character, quest)
    if row is not None and not rules.may_start(definition, row):
        raise (QuestAlreadyStarted if row.status == "in_progress" else QuestAlreadyCompleted)(quest=quest)
    _require(ctx, character, definition)
    before = row or QuestProgress(character, quest, "not_started")
    # What was lent before and never came back is not lent again, or giving up and starting anew would make things out of nothing.
    due = [(one.item, one.quantity - before.lent.get(one.item, 0)) for one in definition.on_start.items]
    lent = [ItemAmount(item, quantity) for item, quantity in due if quantity > 0]
    _hand_over(ctx, character, quest, lent)
    owed = before.lent | {one.item: before.lent.get(one.item, 0) + one.quantity for one in lent}
    first = definition.stages[0].id
    row = ctx.change(before, status="in_progress", current_stage=first, stage_progress={}, lent=owed, started_at=ctx.now)
    _audit(ctx, row, "started", first, times_completed=row.times_completed)
    return Started(quest, first, definition.on_start.dialogue, lent)


@command(
    touches=[
        *(characters.Character, QuestProgress, QuestAuditLog, xp.CharacterProgress, skills.CharacterSkill, skills.SkillLevelUp),
        *(items.Holding, items.ItemMovement),
    ],
    access="player",
)
def complete(ctx: Context, *, character: characters.CharacterId, quest: QuestId) -> Completed:
    """Complete a quest of which all stages are done: items, experience and quest points are paid with it, or nothing happens at all.

    Coins go into the pouch.

    A replayable quest pays each time, any other one only once, also when staff have put it back.

    Raises: CHARACTER_NOT_FOUND, QUEST_NOT_FOUND, QUEST_NOT_STARTED, QUEST_ALREADY_COMPLETED, QUEST_NOT_COMPLETE, INVENTORY_FULL,
    STACK_OVERFLOW, UNKNOWN_ITEM, UNKNOWN_SKILL, UNKNOWN_CURVE.
    """
    characters.alive(ctx, character)
    definition, row = _known(ctx, quest), _on_it(ctx, character, quest)
    stage = rules.stage_at(definition.stages, row.current_stage, row.stage_progress)
    if stage is not None:
        raise QuestNotComplete(quest=quest, stage=stage.id, count=row.stage_progress.get(stage.id, 0), needed=stage.count)
    pays = definition.replayable or row.times_completed == 0
    things = list(definition.rewards.items) if pays else []
    _hand_over(ctx, character, quest, things)
    gained = [skills.add(ctx, character, skill, amount) for skill, amount in sorted(definition.rewards.xp.items())] if pays else []
    points, total = _award(ctx, character, definition.points if pays else 0)
    row = ctx.change(row, status="completed", current_stage=None, lent={}, completed_at=ctx.now, times_completed=row.times_completed + 1)
    _audit(ctx, row, "completed", None, points=points, times_completed=row.times_completed)
    return Completed(quest, row.times_completed, points, total, things, gained)


@command(touches=[characters.Character, QuestProgress, QuestAuditLog, items.Holding, items.ItemMovement], access="player")
def abandon(ctx: Context, *, character: characters.CharacterId, quest: QuestId) -> Abandoned:
    """Give a quest up: its stages begin anew next time, and what it had lent goes back as far as it is still carried.

    Raises: CHARACTER_NOT_FOUND, QUEST_NOT_STARTED, QUEST_ALREADY_COMPLETED.
    """
    characters.alive(ctx, character)
    row = _on_it(ctx, character, quest)
    returned = _take_back(ctx, row)
    back = {one.item: one.quantity for one in returned}
    lent = {item: owed - back.get(item, 0) for item, owed in row.lent.items() if owed > back.get(item, 0)}
    _audit(ctx, row, "abandoned", row.current_stage, returned=back)
    _put_back(ctx, row, lent)
    return Abandoned(quest, returned)


# What games tell


@command(touches=[characters.Character, QuestProgress, QuestAuditLog])
def progress(ctx: Context, *, character: characters.CharacterId, type: StageType, target: Target, count: Count = 1) -> Progressed:
    """Let an event count for every quest of a character that is at a stage of its type and target.

    A stage counts no further than it asks, and what is beyond that does not count for the next one. Events that count for nothing
    are no error, so that a game can tell all of them.

    Raises: CHARACTER_NOT_FOUND.
    """
    characters.alive(ctx, character)
    steps = []
    for row in sorted(ctx.rows(QuestProgress, character), key=lambda row: row.quest_id):
        definition = ctx.definitions(QuestDefinition).get(row.quest_id)
        if row.status != "in_progress" or definition is None:
            continue
        stage = rules.stage_at(definition.stages, row.current_stage, row.stage_progress)
        if stage is not None and (stage.type, stage.about) == (type, target):
            steps.append(_count(ctx, row, definition, stage, count))
    return Progressed(steps)


@command(touches=[characters.Character, QuestProgress, QuestAuditLog])
def advance(ctx: Context, *, character: characters.CharacterId, quest: QuestId, stage: StageId) -> Step:
    """Finish the stage at which a character is, when it is one of talking, going or using; naming it lets nobody skip the next.

    Raises: CHARACTER_NOT_FOUND, QUEST_NOT_FOUND, QUEST_NOT_STARTED, QUEST_ALREADY_COMPLETED, STAGE_NOT_FOUND, STAGE_NOT_CURRENT,
    STAGE_COUNTED.
    """
    characters.alive(ctx, character)
    definition, row = _known(ctx, quest), _on_it(ctx, character, quest)
    named = _stage(definition, stage)
    current = rules.stage_at(definition.stages, row.current_stage, row.stage_progress)
    if current is None or current.id != stage:
        raise StageNotCurrent(quest=quest, stage=stage, current=None if current is None else current.id)
    if named.type in COUNTED:
        raise StageCounted(quest=quest, stage=stage, type=named.type)
    return _count(ctx, row, definition, named, named.count)


# What staff put right


@command(touches=[characters.Character, QuestProgress, QuestAuditLog], access="operator")
def set_stage(ctx: Context, *, character: characters.CharacterId, quest: QuestId, stage: StageId, reason: Reason) -> None:
    """Put a character that is on a quest at the beginning of one of its stages; those before it count as done.

    Raises: CHARACTER_NOT_FOUND, QUEST_NOT_FOUND, QUEST_NOT_STARTED, QUEST_ALREADY_COMPLETED, STAGE_NOT_FOUND.
    """
    characters.alive(ctx, character)
    definition, row = _known(ctx, quest), _on_it(ctx, character, quest)
    _stage(definition, stage)
    row = ctx.change(row, current_stage=stage, stage_progress=rules.put_at(definition.stages, stage))
    _audit(ctx, row, "progressed", stage, reason=reason)


@command(touches=[characters.Character, QuestProgress, QuestAuditLog], access="operator")
def reset(ctx: Context, *, character: characters.CharacterId, quest: QuestId, reason: Reason, pays_again: bool = False) -> None:
    """Let a character begin a quest anew, also one that it has completed; what the quest lends is lent again.

    What the quest has paid stays where it is. It pays once more only if that is said, and what requires it stays open.

    Raises: CHARACTER_NOT_FOUND, QUEST_NOT_STARTED.
    """
    characters.alive(ctx, character)
    row = ctx.get(QuestProgress, character, quest)
    if row is None:
        raise QuestNotStarted(quest=quest)
    _audit(ctx, row, "abandoned", row.current_stage, reason=reason, pays_again=pays_again)
    ctx.delete(row)
    if row.times_completed and not pays_again:
        ctx.put(QuestProgress(character, quest, "not_started", times_completed=row.times_completed))


# The parts


def _known(ctx: Context, quest: str) -> QuestDefinition:
    definition = ctx.definitions(QuestDefinition).get(quest)
    if definition is None:
        raise QuestNotFound(quest=quest)
    return definition


def _on_it(ctx: Context, character: str, quest: str) -> QuestProgress:
    row = ctx.get(QuestProgress, character, quest)
    if row is None or row.status == "not_started":
        raise QuestNotStarted(quest=quest)
    if row.status == "completed":
        raise QuestAlreadyCompleted(quest=quest)
    return row


def _stage(definition: QuestDefinition, stage: str) -> Stage:
    found = next((one for one in definition.stages if one.id == stage), None)
    if found is None:
        raise StageNotFound(quest=definition.id, stage=stage)
    return found


def _require(ctx: Context, character: str, definition: QuestDefinition) -> None:
    held: dict[str, int] = {}
    for row in ctx.rows(items.Holding, character):
        if row.container in CARRIED:
            held[row.item_id] = held.get(row.item_id, 0) + row.quantity
    completed = rules.done(ctx.rows(QuestProgress, character))
    lacking = rules.missing(definition.requirements, completed, lambda skill: skills.level(ctx, character, skill), held)
    if not lacking.nothing:
        raise RequirementsNotMet(quest=definition.id, quests=lacking.quests, skills=lacking.skills, items=lacking.items)


def _hand_over(ctx: Context, character: str, quest: str, things: list[ItemAmount]) -> None:
    for one in things:
        container = items.place_for(items.known(ctx, one.item))
        items.mint(ctx, character, one.item, one.quantity, source=ACCOUNT, container=container, reason=f"quest {quest}")


def _take_back(ctx: Context, row: QuestProgress) -> list[ItemAmount]:
    """Take what a quest has lent out of the inventory and the pouch, as far as it is there."""
    returned = []
    for item, owed in sorted(row.lent.items()):
        stacks = [one for one in ctx.rows(items.Holding, row.character_id) if one.item_id == item and one.container in HANDED_TO]
        stacks.sort(key=lambda one: (HANDED_TO.index(one.container), one.slot))
        rest = owed
        for stack in stacks:
            part = min(stack.quantity, rest)
            if part:
                items.burn(ctx, items.lift(ctx, stack, part), sink=ACCOUNT, reason=f"quest {row.quest_id}")
                rest -= part
        if rest < owed:
            returned.append(ItemAmount(item, owed - rest))
    return returned


def _put_back(ctx: Context, row: QuestProgress, lent: dict[str, int]) -> None:
    """Leave of a quest that is given up only what must be remembered of it."""
    if row.completed_at is not None:
        ctx.change(row, status="completed", current_stage=None, stage_progress={}, lent=lent)
    elif row.times_completed or lent:
        ctx.put(QuestProgress(row.character_id, row.quest_id, "not_started", lent=lent, times_completed=row.times_completed))
    else:
        ctx.delete(row)


def _award(ctx: Context, character: str, points: int) -> tuple[int, int]:
    """Add quest points; give how many were added and how many there are."""
    before = ctx.get(xp.CharacterProgress, character) or xp.CharacterProgress(character)
    if points:
        ctx.change(before, quest_points=before.quest_points + points)
    return points, before.quest_points + points


def _count(ctx: Context, row: QuestProgress, definition: QuestDefinition, stage: Stage, count: int) -> Step:
    counters = rules.counted(stage, row.stage_progress, count)
    following = rules.stage_at(definition.stages, stage.id, counters)
    finished, upcoming = following is not stage, None if following is None else following.id
    # The last stage stays the current one: that nothing follows is worked out, not stored.
    row = ctx.change(row, current_stage=upcoming or stage.id, stage_progress=counters)
    if finished:
        _audit(ctx, row, "progressed", stage.id, next_stage=upcoming)
    return Step(row.quest_id, stage.id, counters[stage.id], stage.count, finished, upcoming)


def _audit(ctx: Context, row: QuestProgress, action: Action, stage: str | None, *, points: int = 0, **metadata: Any) -> None:
    # Who did it stands in the journal under the command's id: this row is the player's, and goes into their archive.
    ctx.append(
        QuestAuditLog(
            row.character_id, ctx.new_id(), row.quest_id, action, points, stage, row.stage_progress, metadata, ctx.command_id, ctx.now
        )
    )
