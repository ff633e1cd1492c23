"""What may be done with essences and abilities."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from gamekeeper.kernel.commands import command
from gamekeeper.kernel.records import JsonObject, Quantity
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, content, items

from . import rules
from .definitions import (
    CHOSEN,
    ESSENCES,
    TOP_LEVEL,
    Ability,
    AbilitySlot,
    Attribute,
    AwakenedSlot,
    AwakeningStone,
    Confluence,
    EssenceDefinition,
    EssenceSlot,
    RankGate,
)
from .errors import (
    AbilityNotFound,
    AbilityNotMastered,
    AbilitySlotFilled,
    AttributeAlreadyBound,
    ConfluenceNotReady,
    EssenceAlreadyBonded,
    EssenceNotChosen,
    EssenceNotFound,
    HighestRank,
    MaxEssencesReached,
    NoAbilityLeft,
    NoConfluence,
    RankGateClosed,
    RankTooLow,
    StoneUnfit,
    UnknownEssence,
    UnknownStone,
)
from .records import CharacterAbility, CharacterEssence, InventoryExpansion

MAX_EXPANSION = 100
Expansion = Annotated[int, Meta(ge=0, le=MAX_EXPANSION, description="the expansion level of an inventory")]


class Bonded(Struct, frozen=True):
    """The essence that a character has now, and what came with it."""

    slot: int
    essence: str
    attribute: Attribute
    bonus: int
    rank_bonded: characters.Rank
    ability: str


class Awakened(Struct, frozen=True):
    """The ability that a stone has awakened."""

    essence_slot: int
    slot: int
    ability: str


class AbilityTrained(Struct, frozen=True):
    """What came of training; `gained` is less than was given where the highest level was reached."""

    gained: int
    level: int
    xp: int


class Risen(Struct, frozen=True):
    """The rank before and after."""

    before: characters.Rank
    after: characters.Rank


class Expanded(Struct, frozen=True):
    """The expansion level of an inventory, and the slots that it gives."""

    level: int
    slots: int


# Essences

_OF_A_BOND = (characters.Character, CharacterEssence, CharacterAbility, characters.CharacterAttribute)


@command(touches=[*_OF_A_BOND, items.Holding, items.ItemMovement], access="player")
def bond(ctx: Context, *, character: characters.CharacterId, essence: content.DefinitionId, attribute: Attribute) -> Bonded:
    """Bind an essence to an attribute for good: its first ability and its bonus come with it, and its item is used up if it has one.

    Raises: CHARACTER_NOT_FOUND, UNKNOWN_ESSENCE, ESSENCE_NOT_CHOSEN, MAX_ESSENCES_REACHED, ESSENCE_ALREADY_BONDED,
    ATTRIBUTE_ALREADY_BOUND, ITEM_NOT_FOUND, SHEET_FULL.
    """
    row = characters.alive(ctx, character)
    definition = known_essence(ctx, essence)
    if definition.confluence:
        raise EssenceNotChosen(essence=essence)
    held = held_essences(ctx, character)
    if len(held) >= CHOSEN:
        raise MaxEssencesReached(held=len(held), limit=CHOSEN)
    for one in held.values():
        if one.essence_type == essence:
            raise EssenceAlreadyBonded(essence=essence, slot=one.slot)
        if one.attribute_bound == attribute:
            raise AttributeAlreadyBound(attribute=attribute, slot=one.slot)
    if definition.item is not None:
        use_up(ctx, character, definition.item, sink="bonding")
    return bind(ctx, row, len(held) + 1, definition, attribute)


@command(touches=_OF_A_BOND, access="player")
def form_confluence(ctx: Context, *, character: characters.CharacterId) -> Bonded:
    """Let the three chosen essences form the fourth: by their recipe, else by a tag that all share, else by the strongest attribute.

    It is bound to the attribute that is left.

    Raises: CHARACTER_NOT_FOUND, CONFLUENCE_NOT_READY, MAX_ESSENCES_REACHED, UNKNOWN_ESSENCE, NO_CONFLUENCE, ESSENCE_ALREADY_BONDED,
    SHEET_FULL.
    """
    row = characters.alive(ctx, character)
    held = held_essences(ctx, character)
    if len(held) >= ESSENCES:
        raise MaxEssencesReached(held=len(held), limit=ESSENCES)
    if len(held) < CHOSEN:
        raise ConfluenceNotReady(held=len(held), needed=CHOSEN)
    bound = {one.attribute_bound: known_essence(ctx, one.essence_type) for one in held.values()}
    confluence = rules.confluence_of(bound, ctx.definitions(Confluence).values())
    if confluence is None:
        raise NoConfluence(essences=sorted(one.id for one in bound.values()))
    for one in held.values():
        if one.essence_type == confluence.gives:
            raise EssenceAlreadyBonded(essence=confluence.gives, slot=one.slot)
    return bind(ctx, row, ESSENCES, known_essence(ctx, confluence.gives), rules.attribute_left(bound))


# Abilities


@command(touches=[characters.Character, CharacterEssence, CharacterAbility, items.Holding, items.ItemMovement], access="player")
def awaken(
    ctx: Context,
    *,
    character: characters.CharacterId,
    essence_slot: EssenceSlot,
    stone: content.DefinitionId,
    slot: AwakenedSlot | None = None,
) -> Awakened:
    """Use a stone up to awaken another ability of an essence, in the slot that is named or in the next one that the stone opens.

    Raises: CHARACTER_NOT_FOUND, UNKNOWN_STONE, ESSENCE_NOT_FOUND, UNKNOWN_ESSENCE, STONE_UNFIT, ABILITY_SLOT_FILLED,
    NO_ABILITY_LEFT, ITEM_NOT_FOUND.
    """
    characters.alive(ctx, character)
    fit = ctx.definitions(AwakeningStone).get(stone)
    if fit is None:
        raise UnknownStone(stone=stone)
    essence = held_essence(ctx, character, essence_slot)
    held = {one.slot: one.ability_name for one in ctx.rows(CharacterAbility, character) if one.essence_slot == essence_slot}
    free = slot_for(fit, slot, essence_slot, held)
    choice = rules.awakenable(known_essence(ctx, essence.essence_type), fit, held.values())
    if not choice:
        raise NoAbilityLeft(essence=essence.essence_type, stone=stone)
    use_up(ctx, character, fit.item, sink="awakening")
    ability = ctx.random.choice(choice)
    ctx.put(CharacterAbility(character, essence_slot, free, ability.name, ctx.now, awakened=True))
    return Awakened(essence_slot, free, ability.name)


@command(touches=[characters.Character, CharacterAbility], access="server")
def train_ability(
    ctx: Context, *, character: characters.CharacterId, essence_slot: EssenceSlot, slot: AbilitySlot, xp: Quantity
) -> AbilityTrained:
    """Give an ability experience; at the highest level of its rank no more counts.

    Raises: CHARACTER_NOT_FOUND, ABILITY_NOT_FOUND.
    """
    characters.alive(ctx, character)
    return train(ctx, character, essence_slot, slot, xp)


@command(touches=[characters.Character, CharacterAbility], access="player")
def rank_up_ability(ctx: Context, *, character: characters.CharacterId, essence_slot: EssenceSlot, slot: AbilitySlot) -> Risen:
    """Raise an ability of the highest level to the next rank, where it begins at level 0; it never passes its character's rank.

    Raises: CHARACTER_NOT_FOUND, ABILITY_NOT_FOUND, HIGHEST_RANK, RANK_TOO_LOW, ABILITY_NOT_MASTERED.
    """
    of = characters.alive(ctx, character)
    row = held_ability(ctx, character, essence_slot, slot)
    above = rules.next_rank(row.current_rank)
    if above is None:
        raise HighestRank(rank=row.current_rank)
    if not rules.below(row.current_rank, of.rank):
        raise RankTooLow(rank=of.rank)
    if row.level < TOP_LEVEL:
        raise AbilityNotMastered(level=row.level, needed=TOP_LEVEL)
    ctx.change(row, current_rank=above, level=0, xp=0)
    return Risen(row.current_rank, above)


@command(touches=[characters.Character, CharacterAbility], access="server")
def set_ability_metadata(
    ctx: Context, *, character: characters.CharacterId, essence_slot: EssenceSlot, slot: AbilitySlot, metadata: JsonObject
) -> None:
    """Keep what a game wants to remember of an ability, in place of what it kept before.

    Raises: CHARACTER_NOT_FOUND, ABILITY_NOT_FOUND.
    """
    characters.alive(ctx, character)
    ctx.change(held_ability(ctx, character, essence_slot, slot), metadata=metadata)


# Ranks and room


@command(touches=[characters.Character, CharacterEssence, CharacterAbility], access="player")
def rank_up(ctx: Context, *, character: characters.CharacterId) -> Risen:
    """Raise a character to the next rank, if it has what that asks for: the first asks for the confluence.

    Raises: CHARACTER_NOT_FOUND, HIGHEST_RANK, RANK_GATE_CLOSED.
    """
    row = characters.alive(ctx, character)
    above = rules.next_rank(row.rank)
    if above is None:
        raise HighestRank(rank=row.rank)
    gate = ctx.definitions(RankGate).get(above) or rules.GATES[above]
    abilities = list(ctx.rows(CharacterAbility, character))
    essences, lower = rules.lacking(gate, row.rank, len(held_essences(ctx, character)), abilities)
    if essences or lower:
        raise RankGateClosed(rank=above, essences=essences, abilities=lower)
    ctx.change(row, rank=above, updated_at=ctx.now)
    return Risen(row.rank, above)


@command(touches=[characters.Character, InventoryExpansion, items.Holding], access="server")
def expand_inventory(ctx: Context, *, character: characters.CharacterId, level: Expansion | None = None) -> Expanded:
    """Give a character's inventory the slots of an expansion level; without one, the lowest that loses nothing it has.

    A level that is given may also be lower than before, as long as nothing lies in the slots that go.

    Raises: CHARACTER_NOT_FOUND, INVENTORY_IN_USE.
    """
    characters.alive(ctx, character)
    base, step = ctx.settings.expansion_base_slots, ctx.settings.expansion_step_slots
    before = ctx.get(InventoryExpansion, character)
    if level is None:
        level = max(0 if before is None else before.level, rules.level_for(items.slots_in_use(ctx, character), base, step))
    slots = rules.slots_at(level, base, step)
    items.resize_inventory(ctx, character, slots)
    after = InventoryExpansion(character, level)
    if after != before:
        ctx.put(after)
    return Expanded(level, slots)


# What the commands have in common, and other modules build on


def train(ctx: Context, character: str, essence_slot: int, slot: int, xp: int) -> AbilityTrained:
    """Give an ability experience; whoever calls it touches `CharacterAbility`.

    Raises: ABILITY_NOT_FOUND.
    """
    row = held_ability(ctx, character, essence_slot, slot)
    level, rest, gained = rules.trained(row.current_rank, row.level, row.xp, xp)
    if gained:
        ctx.change(row, level=level, xp=rest)
    return AbilityTrained(gained, level, rest)


def effect_of(ctx: Context, character: str, essence_slot: int, slot: int) -> Ability:
    """Tell what an ability does; one that no pack defines any more does nothing. Whoever calls it touches both records of essences.

    Raises: ESSENCE_NOT_FOUND, ABILITY_NOT_FOUND.
    """
    essence, name = held_essence(ctx, character, essence_slot), held_ability(ctx, character, essence_slot, slot).ability_name
    known = ctx.definitions(EssenceDefinition).get(essence.essence_type)
    choices = () if known is None else (known.ability, *known.pool)
    return next((one for one in choices if one.name == name), Ability(name=name))


def attribute_of(ctx: Context, character: str, attribute: Attribute) -> int:
    """Give an attribute with all that is added to it; whoever calls it touches `CharacterAttribute`."""
    row = ctx.get(characters.CharacterAttribute, character, attribute)
    return rules.FIRST_ATTRIBUTE if row is None else row.base + row.bonus


def known_essence(ctx: Context, essence: str) -> EssenceDefinition:
    """Give an essence's definition.

    Raises: UNKNOWN_ESSENCE.
    """
    definition = ctx.definitions(EssenceDefinition).get(essence)
    if definition is None:
        raise UnknownEssence(essence=essence)
    return definition


def held_essences(ctx: Context, character: str) -> dict[int, CharacterEssence]:
    """Give a character's essences by their slots."""
    return {one.slot: one for one in ctx.rows(CharacterEssence, character)}


def held_essence(ctx: Context, character: str, slot: int) -> CharacterEssence:
    """Give the essence in a slot.

    Raises: ESSENCE_NOT_FOUND.
    """
    row = ctx.get(CharacterEssence, character, slot)
    if row is None:
        raise EssenceNotFound(slot=slot)
    return row


def held_ability(ctx: Context, character: str, essence_slot: int, slot: int) -> CharacterAbility:
    """Give the ability in a slot of an essence.

    Raises: ABILITY_NOT_FOUND.
    """
    row = ctx.get(CharacterAbility, character, essence_slot, slot)
    if row is None:
        raise AbilityNotFound(essence_slot=essence_slot, slot=slot)
    return row


def bind(ctx: Context, character: characters.Character, slot: int, definition: EssenceDefinition, attribute: Attribute) -> Bonded:
    """Write an essence, its first ability and its bonus.

    Raises: SHEET_FULL.
    """
    id, bonus = character.character_id, definition.bonuses.of(attribute)
    ctx.put(CharacterEssence(id, slot, definition.id, attribute, character.rank, ctx.now))
    ctx.put(CharacterAbility(id, slot, 1, definition.ability.name, ctx.now))
    characters.add_bonus(ctx, id, attribute, bonus, first_base=rules.FIRST_ATTRIBUTE)
    return Bonded(slot, definition.id, attribute, bonus, character.rank, definition.ability.name)


def slot_for(stone: AwakeningStone, slot: int | None, essence_slot: int, held: Mapping[int, str]) -> int:
    """Give the ability slot that a stone opens.

    Raises: STONE_UNFIT, ABILITY_SLOT_FILLED.
    """
    wanted = sorted(stone.slots) if slot is None else [slot]
    if slot is not None and slot not in stone.slots:
        raise StoneUnfit(stone=stone.id, slot=slot)
    for one in wanted:
        if one not in held:
            return one
    raise AbilitySlotFilled(essence_slot=essence_slot, slot=wanted[-1])


def use_up(ctx: Context, character: str, item: str, *, sink: str) -> None:
    """Let one piece of an item leave the world.

    Raises: ITEM_NOT_FOUND.
    """
    for parcel in items.take(ctx, character, item, 1):
        items.burn(ctx, parcel, sink=sink)
