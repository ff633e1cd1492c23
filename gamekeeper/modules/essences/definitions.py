"""What packs may define of essences: essences with their abilities, awakening stones, confluences, and the gates between ranks."""

from collections.abc import Iterator
from typing import Annotated, Final, Literal, get_args

from msgspec import Meta, Struct

from gamekeeper.modules import characters, content

Attribute = Literal["power", "speed", "spirit", "recovery"]
ATTRIBUTES: Final[tuple[Attribute, ...]] = get_args(Attribute)
RANKS: Final[tuple[characters.Rank, ...]] = get_args(characters.Rank)
"""From the lowest to the highest."""

CHOSEN: Final = 3
"""Essences that a character chooses."""
ESSENCES: Final = CHOSEN + 1
"""Essences that a character may have: those chosen, and their confluence."""
ABILITIES: Final = 5
"""Abilities of one essence: the one that comes with the bond, and those that stones awaken."""
TOP_LEVEL: Final = 9
"""The highest level of an ability within its rank."""

EssenceSlot = Annotated[int, Meta(ge=1, le=ESSENCES, description="1 to 3 for those chosen, 4 for the confluence")]
AbilitySlot = Annotated[int, Meta(ge=1, le=ABILITIES, description="1 for the one that comes with the bond, 2 to 5 for awakened ones")]
AwakenedSlot = Annotated[int, Meta(ge=2, le=ABILITIES, description="2 to 5")]
AbilityLevel = Annotated[int, Meta(ge=0, le=TOP_LEVEL, description="0 to 9 within a rank")]
AbilityName = Annotated[
    str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*(?!\n)$", description="1 to 100 characters, no control characters")
]


Bonus = Annotated[int, Meta(ge=0, le=1_000_000)]


class Bonuses(Struct, frozen=True, forbid_unknown_fields=True):
    """What an essence adds to the attribute that it is bound to."""

    power: Bonus
    speed: Bonus
    spirit: Bonus
    recovery: Bonus

    def of(self, attribute: Attribute) -> int:
        """Give the bonus for one attribute.

        >>> Bonuses(power=3, speed=1, spirit=2, recovery=0).of("spirit")
        2
        """
        return {"power": self.power, "speed": self.speed, "spirit": self.spirit, "recovery": self.recovery}[attribute]


class Ability(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something that an essence lets a character do."""

    name: AbilityName
    description: str = ""
    tags: tuple[content.DefinitionId, ...] = ()
    base: content.Natural = 0
    """What its effect begins with, as `rules.damage` counts."""
    multiplier_bp: content.Natural = 10_000
    """What its effect is multiplied with."""


@content.defines("essence")
class EssenceDefinition(content.Defined, frozen=True, kw_only=True):
    """A power that characters bond for good."""

    name: content.Label
    description: str = ""
    tags: tuple[content.DefinitionId, ...] = ()
    confluence: bool = False
    """It forms of three others, and is never chosen."""
    item: content.DefinitionId | None = None
    """The item that bonding uses up, if it takes one."""
    bonuses: Bonuses
    ability: Ability
    """The one that comes with the bond."""
    pool: tuple[Ability, ...]
    """Those that stones awaken."""

    def contradictions(self) -> Iterator[content.Flaw]:
        """Give what in the definition excludes something else in it."""
        if self.confluence and self.item is not None:
            yield "item", "a confluence forms of essences, not of an item"
        if len(self.pool) < ABILITIES - 1:
            yield "pool", f"{ABILITIES - 1} slots want at least as many abilities"
        names = [self.ability.name]
        for place, one in enumerate(self.pool):
            if one.name in names:
                yield f"pool.{place}.name", "two abilities of an essence have different names"
            names.append(one.name)

    def references(self) -> Iterator[content.Reference]:
        """Give the item that bonding uses up."""
        if self.item is not None:
            yield "item", "item", self.item


@content.defines("awakening_stone")
class AwakeningStone(content.Defined, frozen=True, kw_only=True):
    """What is used up to awaken another ability of an essence."""

    item: content.DefinitionId
    """The item that is used up."""
    slots: tuple[AwakenedSlot, ...] = (2, 3, 4, 5)
    """The ability slots that it can open."""
    tags: tuple[content.DefinitionId, ...] = ()
    """It awakens an ability that has one of these tags; without tags any."""

    def contradictions(self) -> Iterator[content.Flaw]:
        """Give what in the definition excludes something else in it."""
        if not self.slots:
            yield "slots", "a stone opens at least one slot"

    def references(self) -> Iterator[content.Reference]:
        """Give the item that is used up."""
        yield "item", "item", self.item


@content.defines("confluence")
class Confluence(content.Defined, frozen=True, kw_only=True):
    """What three essences become: exactly these three, else three that share a tag, else three of which an attribute is the strongest."""

    gives: content.DefinitionId
    essences: tuple[content.DefinitionId, ...] = ()
    tag: content.DefinitionId | None = None
    attribute: Attribute | None = None
    priority: content.Amount = 0
    """Of several that fit equally well, the one with the highest counts."""

    def contradictions(self) -> Iterator[content.Flaw]:
        """Give what in the definition excludes something else in it."""
        if [bool(self.essences), self.tag is not None, self.attribute is not None].count(True) != 1:
            yield "", "a confluence is of three essences, of a tag, or of an attribute"
        if self.essences and (len(self.essences) != CHOSEN or len(set(self.essences)) != CHOSEN):
            yield "essences", f"expected {CHOSEN} different essences"
        if self.gives in self.essences:
            yield "gives", "a confluence is none of those that it forms of"

    def references(self) -> Iterator[content.Reference]:
        """Give the essences that it forms of, and the one that it is."""
        yield "gives", "essence", self.gives
        for place, one in enumerate(self.essences):
            yield f"essences.{place}", "essence", one


@content.defines("rank_gate")
class RankGate(content.Defined, frozen=True, kw_only=True):
    """What a character must have to reach the rank that it is named after. Where packs say nothing, `rules.GATES` counts."""

    essences: Annotated[int, Meta(ge=0, le=ESSENCES)] = ESSENCES
    """How many; the fourth is the confluence."""
    abilities: Annotated[int, Meta(ge=0, le=ESSENCES * ABILITIES)] = 0
    """How many abilities of the rank that is left, or a higher one."""

    def contradictions(self) -> Iterator[content.Flaw]:
        """Give what in the definition excludes something else in it.

        >>> list(RankGate(id="wood").contradictions())
        [('id', 'expected one of iron, bronze, silver, gold, diamond')]
        """
        if self.id not in RANKS[1:]:
            yield "id", f"expected one of {', '.join(RANKS[1:])}"
