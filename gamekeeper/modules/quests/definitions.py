"""What packs may define of quests: what each asks for, its stages, and what it hands over and pays."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from gamekeeper.kernel.records import Quantity
from gamekeeper.modules import content, xp

Difficulty = Literal["novice", "intermediate", "experienced", "master", "grandmaster"]
StageType = Literal["dialogue", "kill", "gather", "travel", "interact"]
COUNTED: Final[frozenset[StageType]] = frozenset({"kill", "gather"})
"""Stages that count what is done; the others are done or not."""

MAX_STAGES: Final = 100
MAX_PARTS: Final = 64
"""Items, skills or quests that one list of a quest may name."""
MAX_COUNT: Final = 1_000_000

Target = Annotated[
    str,
    Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:\-/]+(?!\n)$", description="what an event is about: an npc, a place ..."),
]
Count = Annotated[int, Meta(ge=1, le=MAX_COUNT, description="how often, at least 1")]
Needed = Annotated[int, Meta(ge=1, le=10_000, description="a level, at least 1")]
Gain = Annotated[int, Meta(ge=1, le=xp.MAX_XP, description="experience points, at least 1")]


class ItemAmount(Struct, frozen=True, forbid_unknown_fields=True):
    """Some of an item."""

    item: content.DefinitionId
    quantity: Quantity = 1


Things = Annotated[tuple[ItemAmount, ...], Meta(max_length=MAX_PARTS)]


class Requirements(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a character must have done, be able to do and carry to start a quest. The items stay with it."""

    quests: Annotated[tuple[content.DefinitionId, ...], Meta(max_length=MAX_PARTS)] = ()
    skills: Annotated[dict[content.DefinitionId, Needed], Meta(max_length=MAX_PARTS)] = {}
    items: Things = ()


class Stage(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A step of a quest: somebody to talk to, so many to kill or to gather, somewhere to go, something to use."""

    id: content.DefinitionId
    type: StageType
    target: Target | None = None
    """What an event must name to count. When left out: the npc of a dialogue, the location of a journey."""
    count: Count = 1
    npc: Target | None = None
    location: Target | None = None
    description: str = ""
    label: str = ""
    """What is counted, in words: `rats`. When left out: the item's name, or the target."""

    @property
    def about(self) -> str | None:
        """What an event must name to count.

        >>> Stage(id="ask", type="dialogue", npc="old_marta").about
        'old_marta'
        """
        if self.target is None:
            return self.npc if self.type == "dialogue" else self.location if self.type == "travel" else None
        return self.target


class OnStart(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a quest begins with. Its items are lent: giving up hands back what is left of them, and they are not lent twice."""

    items: Things = ()
    dialogue: str = ""


class Rewards(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a quest pays, in the moment in which it is completed."""

    quest_points: content.Natural | None = None
    items: Things = ()
    xp: Annotated[dict[content.DefinitionId, Gain], Meta(max_length=MAX_PARTS)] = {}


@content.defines("quest")
class QuestDefinition(content.Defined, frozen=True, kw_only=True):
    """A task in stages, of which each begins when the one before is done."""

    name: content.Label
    description: str = ""
    difficulty: Difficulty = "novice"
    quest_points: content.Natural | None = None
    """May stand here or among the rewards."""
    replayable: bool = False
    """It may be done, and pays, again and again."""
    requirements: Requirements = Requirements()
    start_npc: Target | None = None
    stages: Annotated[tuple[Stage, ...], Meta(min_length=1, max_length=MAX_STAGES)]
    on_start: OnStart = OnStart()
    rewards: Rewards = Rewards()

    @property
    def points(self) -> int:
        """The quest points that it pays."""
        return self.quest_points or self.rewards.quest_points or 0

    def contradictions(self) -> Iterator[content.Flaw]:
        """Give what in the definition excludes something else in it.

        >>> talk = Stage(id="talk", type="dialogue", npc="miller")
        >>> dict(QuestDefinition(id="flour", name="Flour", stages=(talk, talk)).contradictions())
        {'stages.1.id': 'two stages have the same id'}
        """
        if self.quest_points is not None and self.rewards.quest_points not in (None, self.quest_points):
            yield "rewards.quest_points", f"differs from quest_points, which are {self.quest_points}"
        seen: set[str] = set()
        for place, stage in enumerate(self.stages):
            if stage.id in seen:
                yield f"stages.{place}.id", "two stages have the same id"
            seen.add(stage.id)
            if stage.about is None:
                yield f"stages.{place}.target", f"a stage of type {stage.type} names what it is about"
        for place, quest in enumerate(self.requirements.quests):
            if quest == self.id:
                yield f"requirements.quests.{place}", "a quest cannot require itself"
        yield from _twice("requirements.quests", self.requirements.quests)
        for path, things in self._things():
            yield from _twice(path, [one.item for one in things])

    def references(self) -> Iterator[content.Reference]:
        """Give the items, skills and quests that it names."""
        yield from self.needs()
        yield from ((f"requirements.skills.{skill}", "skill", skill) for skill in self.requirements.skills)
        yield from ((f"rewards.xp.{skill}", "skill", skill) for skill in self.rewards.xp)
        for path, things in self._things():
            yield from ((f"{path}.{place}.item", "item", one.item) for place, one in enumerate(things))
        for place, stage in enumerate(self.stages):
            if stage.type == "gather" and stage.target is not None:
                yield f"stages.{place}.target", "item", stage.target

    def needs(self) -> Iterator[content.Reference]:
        """Give the quests that come before it."""
        yield from ((f"requirements.quests.{place}", "quest", quest) for place, quest in enumerate(self.requirements.quests))

    def _things(self) -> Iterator[tuple[str, tuple[ItemAmount, ...]]]:
        yield "requirements.items", self.requirements.items
        yield "on_start.items", self.on_start.items
        yield "rewards.items", self.rewards.items


def _twice(path: str, ids: Iterable[str]) -> Iterator[content.Flaw]:
    seen: set[str] = set()
    for place, id in enumerate(ids):
        if id in seen:
            yield f"{path}.{place}", f"{id} stands twice"
        seen.add(id)
