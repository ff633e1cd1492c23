"""What an item is."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, get_args

from msgspec import Meta, structs

from .kinds import Amount, Defined, Flaw, Id, Label, Level, Natural, defines

EquipmentSlot = Literal["weapon", "shield", "helmet", "body", "legs", "boots", "gloves", "cape", "amulet", "ring", "arrows"]
EQUIPMENT_SLOTS: Final[tuple[str, ...]] = get_args(EquipmentSlot)
MAX_STACK: Final = 2**31 - 1

NOTE: Final = "note"
"""The kind of the items that are notes."""
NOTE_SUFFIX: Final = "_noted"
"""What the id of a note ends in, behind the id of what it stands for."""
MAX_ID: Final = 64

Stack = Annotated[int, Meta(ge=1, le=MAX_STACK)]


@defines("item")
class ItemDefinition(Defined, frozen=True, kw_only=True):
    """What every item of one kind has in common."""

    name: Label
    kind: Label = "misc"
    description: str = ""
    stackable: bool = False
    max_stack: Stack = 0
    """When left out: as many as fit if the item is stackable, else 1."""
    noteable: bool = False
    """A bank gives it out as a note too: an item of its own, with the id `<id>_noted`, that stacks and follows from this definition."""
    tradeable: bool = True
    equip_slot: EquipmentSlot | None = None
    two_handed: bool = False
    """Nobody wears it together with a shield."""
    value: Natural = 0
    weight_g: Natural = 0
    heal: Natural = 0
    rarity: Label = "common"
    unique: bool = False
    """Each piece keeps an id for life."""
    requirements: dict[Id, Level] = {}
    bonuses: dict[Id, Amount] = {}
    attributes: dict[str, Any] = {}

    def __post_init__(self) -> None:
        """Resolve the stack size that was left out."""
        if self.max_stack == 0:
            structs.force_setattr(self, "max_stack", MAX_STACK if self.stackable else 1)

    def contradictions(self) -> Iterator[Flaw]:
        """Give what in the definition excludes something else in it.

        >>> dict(ItemDefinition(id="crown", name="Crown", unique=True, stackable=True).contradictions())
        {'stackable': 'a unique item cannot be stackable'}
        >>> dict(ItemDefinition(id="arrow", name="Arrow", stackable=True).contradictions())
        {}
        """
        if not self.stackable and self.max_stack > 1:
            yield "max_stack", "an item that is not stackable has a stack of 1"
        if self.unique and self.stackable:
            yield "stackable", "a unique item cannot be stackable"
        if self.two_handed and self.equip_slot != "weapon":
            yield "two_handed", "only a weapon needs both hands"
        if self.unique and self.noteable:
            yield "noteable", "a unique item cannot be noted: a note would forget which one it was"
        if self.id.endswith(NOTE_SUFFIX):
            yield "id", f"ids that end in {NOTE_SUFFIX} are those of notes, which follow from what is noteable"
        if self.noteable and len(self.id) + len(NOTE_SUFFIX) > MAX_ID:
            yield "noteable", f"the id of its note would have more than {MAX_ID} characters"

    def derived(self) -> Iterator["ItemDefinition"]:
        """Give the note of a noteable item.

        >>> [(note.id, note.stackable, note.value) for note in ItemDefinition(id="log", name="Log", noteable=True, value=4).derived()]
        [('log_noted', True, 4)]
        """
        if self.noteable:
            yield ItemDefinition(
                id=self.id + NOTE_SUFFIX,
                name=f"{self.name[:72]} (noted)",
                kind=NOTE,
                description=self.description,
                stackable=True,
                tradeable=self.tradeable,
                value=self.value,
                rarity=self.rarity,
            )
