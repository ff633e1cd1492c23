"""What packs may define of metrics: what is measured of a character's days, and what follows from it."""

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta

from gamekeeper.modules import content, predicates

from . import rules

Type = Literal["number", "boolean"]
Merge = Literal["max", "sum", "last"]
Fed = Literal["minutes", "count", "done"]
_BOUNDS = Meta(ge=0, le=1_000_000_000, description="a number with at most three decimals")
Bound = Annotated[int, _BOUNDS] | Annotated[float, _BOUNDS]
Unit = Annotated[str, Meta(max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]


@content.defines("metric")
class MetricDefinition(content.Defined, frozen=True, kw_only=True):
    """Something that is measured of each day, or, with `met`, a mark that a day has when its other metrics are so."""

    name: content.Label
    description: str = ""
    unit: Unit = ""
    """What is counted, in words that stand behind a number: `hours of sleep`. When left out: the name."""
    type: Type = "number"
    merge: Merge = "max"
    """How a day's value follows from what several sources report: the highest, the sum, or what was said last."""
    minimum: Bound = 0
    maximum: Bound = 1_000_000
    workouts: Fed | None = None
    """What each workout adds of itself: its minutes, one, or that there was one."""
    met: predicates.Condition | None = None

    def __post_init__(self) -> None:
        """Bring the condition into its normal form."""
        predicates.settle(self, "met")

    @property
    def words(self) -> str:
        """What it counts."""
        return self.unit or self.name.lower()

    @property
    def low(self) -> int:
        """The least value, in thousandths."""
        return round(self.minimum * rules.THOUSAND)

    @property
    def high(self) -> int:
        """The greatest value, in thousandths."""
        return round(self.maximum * rules.THOUSAND) if self.type == "number" else rules.THOUSAND

    def contradictions(self) -> Iterator[content.Flaw]:
        """Give what in the definition excludes something else in it.

        >>> dict(MetricDefinition(id="alcohol_free", name="No alcohol", type="boolean", merge="sum", minimum=2, maximum=1).contradictions())
        {'minimum': 'is more than `maximum`, 1', 'merge': 'what is so or not has no sum'}
        >>> mark = {"type": "streak", "days": 5}
        >>> dict(MetricDefinition(id="streak", name="Streak", type="boolean", met=mark).contradictions())
        {'id': 'a metric that is there without a definition', 'met': 'a mark follows from metrics of its own day only'}
        """
        if self.id in predicates.BUILT_IN:
            yield "id", "a metric that is there without a definition"
        for field in ("minimum", "maximum"):
            if rules.thousandths(getattr(self, field)) is None:
                yield field, "has more than three decimals"
        if self.minimum > self.maximum:
            yield "minimum", f"is more than `maximum`, {self.maximum}"
        if self.type == "boolean" and self.merge == "sum":
            yield "merge", "what is so or not has no sum"
        if self.workouts is not None and (self.workouts == "done") != (self.type == "boolean"):
            yield "workouts", "only `done` is for what is so or not, and for nothing else"
        if self.met is None:
            return
        if self.type != "boolean":
            yield "type", "a mark is boolean"
        if self.workouts is not None:
            yield "workouts", "a mark follows from its condition"
        forms = [one for one in predicates.nodes(self.met) if not isinstance(one, predicates.Compound | predicates.Not)]
        measured = [one.metric for one in forms if isinstance(one, predicates.Numeric | predicates.Boolean)]
        if len(measured) < len(forms) or any(one in predicates.BUILT_IN or one.startswith(predicates.OF_QUESTS) for one in measured):
            yield "met", "a mark follows from metrics of its own day only"

    def references(self) -> Iterator[content.Reference]:
        """Give the metrics that its condition names."""
        yield from predicates.references(self.met, "met")

    def needs(self) -> Iterator[content.Reference]:
        """Give the metrics without which a mark is not known."""
        yield from predicates.references(self.met, "met")
