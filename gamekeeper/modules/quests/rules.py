"""The rules of quests: where a character stands in one, what an event changes, and what is missing for a start."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from .definitions import COUNTED, QuestDefinition, Requirements, Stage
from .records import Counters, QuestProgress

State = Literal["not_started", "in_progress", "ready_to_complete", "completed"]


class Missing(Struct, frozen=True):
    """What a character lacks to start a quest: quests to complete, levels to reach, and how many of which items."""

    quests: list[str] = []
    skills: dict[str, int] = {}
    items: dict[str, int] = {}

    @property
    def nothing(self) -> bool:
        """Whether the quest can be started."""
        return not (self.quests or self.skills or self.items)


def stage_at(stages: Sequence[Stage], current: str | None, counters: Mapping[str, int]) -> Stage | None:
    """Give the stage at which a character is; None when all are done.

    Stages may have changed since the character was last heard of: one that has become shorter may be done, and where the current
    one is gone, it is at the first that is not done.

    >>> talk = Stage(id="talk", type="dialogue", npc="miller")
    >>> rats = Stage(id="rats", type="kill", target="rat", count=10)
    >>> stage_at([talk, rats], "rats", {"talk": 1, "rats": 3}).id, stage_at([talk, rats], "rats", {"talk": 1, "rats": 10})
    ('rats', None)
    >>> stage_at([talk, rats], "gone", {"talk": 1, "gone": 5}).id
    'rats'
    """
    ids = [stage.id for stage in stages]
    first = ids.index(current) if current in ids else 0
    return next((stage for stage in stages[first:] if counters.get(stage.id, 0) < stage.count), None)


def counted(stage: Stage, counters: Counters, count: int) -> Counters:
    """Give the counters after something was done so often, never beyond what the stage asks for.

    >>> counted(Stage(id="rats", type="kill", target="rat", count=10), {"rats": 8}, 5)
    {'rats': 10}
    """
    return {**counters, stage.id: min(counters.get(stage.id, 0) + count, stage.count)}


def put_at(stages: Sequence[Stage], stage: str) -> Counters:
    """Give the counters of a character that has just come to a stage: those before it are done.

    >>> talk = Stage(id="talk", type="dialogue", npc="miller")
    >>> rats = Stage(id="rats", type="kill", target="rat", count=10)
    >>> put_at([rats, talk], "talk"), put_at([rats, talk], "rats")
    ({'rats': 10}, {})
    """
    ids = [one.id for one in stages]
    return {one.id: one.count for one in stages[: ids.index(stage)]}


def state_of(definition: QuestDefinition | None, row: QuestProgress | None) -> State:
    """Give how a character stands to a quest; that it is ready is worked out here and stored nowhere."""
    if row is None or row.status != "in_progress":
        return "not_started" if row is None else row.status
    ready = definition is not None and stage_at(definition.stages, row.current_stage, row.stage_progress) is None
    return "ready_to_complete" if ready else "in_progress"


def may_start(definition: QuestDefinition, row: QuestProgress | None) -> bool:
    """Whether a quest may be started, requirements apart."""
    return row is None or row.status == "not_started" or (row.status == "completed" and definition.replayable)


def done(rows: Iterable[QuestProgress]) -> set[str]:
    """Give the quests that a character has completed, also those that it is doing once more."""
    return {row.quest_id for row in rows if row.times_completed > 0}


def missing(wanted: Requirements, completed: Collection[str], level: Callable[[str], int], held: Mapping[str, int]) -> Missing:
    """Give what is missing for a start.

    >>> from .definitions import ItemAmount
    >>> wanted = Requirements(quests=("flour",), skills={"cooking": 5}, items=(ItemAmount("coins", 10),))
    >>> missing(wanted, ["flour"], {"cooking": 3}.get, {"coins": 4})
    Missing(quests=[], skills={'cooking': 5}, items={'coins': 6})
    """
    return Missing(
        [quest for quest in wanted.quests if quest not in completed],
        {skill: needed for skill, needed in sorted(wanted.skills.items()) if level(skill) < needed},
        {one.item: one.quantity - held.get(one.item, 0) for one in wanted.items if held.get(one.item, 0) < one.quantity},
    )


def progress_text(stage: Stage, count: int, name: str | None = None) -> str:
    """Say how far a stage is.

    >>> progress_text(Stage(id="rats", type="kill", target="cellar_rat", count=10), 3)
    '3 of 10 cellar rat'
    >>> progress_text(Stage(id="rats", type="kill", target="cellar_rat", count=10, label="rats"), 3)
    '3 of 10 rats'
    >>> progress_text(Stage(id="ask", type="dialogue", npc="old_marta", description="Ask Marta about the well."), 0)
    'Ask Marta about the well.'
    """
    if stage.count == 1 and stage.type not in COUNTED and stage.description:
        return stage.description
    what = stage.label or name or (stage.about or "").replace("_", " ")
    return f"{min(count, stage.count)} of {stage.count} {what}"
