"""What an item is."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, get_args

from msgspec import Meta, structs

from .kinds import Amount, Defined, Flaw, Id, Label, Level, Natural, defines

EquipmentSlot = Literal["weapon", "shield", "helmet", "body", "legs", "boots", "gloves", "cape", "amulet", "ring", "arrows"]
EQUIPMENT_SLOTS: Final[tuple[str, ...]] = get_args(EquipmentSlot)
MAX_STACK: Final = 2**31 - 1

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
    tradeable: bool = True
    equip_slot: EquipmentSlot | None = None
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
        if self.unique and self.noteable:
            yield "noteable", "a unique item cannot be noted: a note would forget which one it was"
