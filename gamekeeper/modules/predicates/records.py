"""The normal form of predicates: what definitions store of their conditions, in whatever dialect they were written."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from gamekeeper.modules import content

MAX_DEPTH: Final = 8
MAX_NODES: Final = 64
MAX_NUMBER: Final = 1_000_000_000
MAX_COUNT: Final = 1_000_000
MAX_DAYS: Final = 100_000
MAX_WINDOW: Final = 366
"""The longest window of days; what is counted keeps this many."""
MAX_LEVEL: Final = 10_000

RATE: Final = "quest_completion_rate"
"""The share of a day's core quests that is done, from 0 to 1."""
PERFECT_DAYS: Final = "perfect_days"
DUNGEON_CLEARS: Final = "dungeon_clears"
STREAK: Final = "streak"
PERFECT_STREAK: Final = "perfect_streak"
LEVEL: Final = "level"
BUILT_IN: Final = frozenset({RATE, PERFECT_DAYS, DUNGEON_CLEARS, STREAK, PERFECT_STREAK, LEVEL})
"""Metrics that no pack defines, for they follow from what a character does."""
OF_QUESTS: Final = "quest:"
"""Before the id of a quest template: on how many days its quest was done."""

Op = Literal["gte", "lte", "gt", "lt", "eq", "ne"]
Logic = Literal["and", "or"]
Name = Literal["ACCOUNT_CREATION", "FIRST_QUEST", "CUSTOM"]
Measure = Annotated[str, Meta(pattern=r"^(quest:)?[a-z][a-z0-9_]{0,63}$(?!\n)", description="a metric, or quest: and a quest template")]
EventName = content.DefinitionId
_BOUNDS = Meta(ge=0, le=MAX_NUMBER, description="a number with at most three decimals")
Number = Annotated[int, _BOUNDS] | Annotated[float, _BOUNDS]
Count = Annotated[int, Meta(ge=1, le=MAX_COUNT)]
Days = Annotated[int, Meta(ge=1, le=MAX_DAYS)]


class Form(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="type", tag=str.lower):
    """One of the forms that a predicate has."""


class Numeric(Form, frozen=True):
    """A metric's value of the day, compared with a number."""

    metric: Measure
    op: Op
    value: Number

    @property
    def need(self) -> int:
        """The number in thousandths.

        >>> Numeric("sleep_hours", "gte", 7.5).need
        7500
        """
        return round(self.value * 1000)


class Boolean(Form, frozen=True):
    """Something that is so, or is said not to be, on the day."""

    metric: Measure
    value: bool


class Compound(Form, frozen=True):
    """All of several predicates, or any of them."""

    logic: Logic
    of: Annotated[tuple[Predicate, ...], Meta(min_length=1, max_length=MAX_NODES)]


class Not(Form, frozen=True):
    """The contrary of a predicate; the contrary of the unknown is unknown."""

    of: Predicate


class Streak(Form, frozen=True):
    """So many days in a row."""

    days: Days
    perfect: bool = False


class Cumulative(Form, frozen=True):
    """So much of a metric over all closed days; of what only is so or not, on so many of them."""

    metric: Measure
    count: Count


class Window(Form, frozen=True):
    """On so many of the last days."""

    metric: Measure
    count: Count
    days: Annotated[int, Meta(ge=1, le=MAX_WINDOW)]


class Event(Form, frozen=True):
    """Something that happened so often."""

    event: EventName
    count: Count = 1


class Level(Form, frozen=True):
    """A character's level, or its level in a skill."""

    level: Annotated[int, Meta(ge=1, le=MAX_LEVEL)]
    skill: content.DefinitionId | None = None


class Quest(Form, frozen=True):
    """A quest that is completed."""

    quest: content.DefinitionId


class Item(Form, frozen=True):
    """Items that a character carries."""

    item: content.DefinitionId
    quantity: Annotated[int, Meta(ge=1, le=content.MAX_STACK)] = 1


class Special(Form, frozen=True):
    """What only the program knows; CUSTOM is met once the event that is its key has happened."""

    name: Name
    key: EventName | None = None


Predicate: TypeAlias = (
    Numeric | Boolean | Compound | Not | Streak | Cumulative | Window | Event | Level | Quest | Item | Special  # one normal form
)

FORMS: Final = (Numeric, Boolean, Compound, Not, Streak, Cumulative, Window, Event, Level, Quest, Item, Special)

Condition = Annotated[
    Any,
    Meta(
        description="a condition, in any dialect; what is stored is its normal form",
        extra_json_schema={"oneOf": [{"type": "object"}, {"type": "array"}]},
    ),
]
"""The type of a definition's field that holds a predicate: written in any dialect, it holds a `Predicate` from its construction on.

    class TitleDefinition(content.Defined, frozen=True, kw_only=True):
        condition: predicates.Condition

        def __post_init__(self) -> None:
            predicates.settle(self, "condition")

        def references(self) -> Iterator[content.Reference]:
            yield from predicates.references(self.condition, "condition")

Structs within definitions (the phases of a boss) do the same.
"""
