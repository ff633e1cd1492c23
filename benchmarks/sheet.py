"""The records that the benchmark's game adds to gamekeeper's own, as any game would: a sheet as wide as the peers' table."""

from typing import Annotated

from msgspec import Meta

from gamekeeper.kernel.commands import command
from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.records import Amount, Coordinate, EpochMs, JsonObject, Key, OwnedBy, Record
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, items, titles, xp

SheetId = Annotated[Id, OwnedBy("character")]
NewSheetId = Annotated[Id, OwnedBy("character", creates=True)]
Text = Annotated[str, Meta(max_length=200)]

SKILLS = [
    "attack",
    "strength",
    "defense",
    "constitution",
    "ranged",
    "prayer",
    "woodcutting",
    "mining",
    "fishing",
    "firemaking",
    "cooking",
    "smithing",
    "agility",
]


class Sheet(Record, table="bench_sheets", durability="checkpoint"):
    """What is saved of a character again and again; committed when no lease is held."""

    character_id: Key[SheetId]
    x: Coordinate
    y: Coordinate
    z: Coordinate
    room_id: Text
    health: Amount
    mana: Amount
    stamina: Amount
    coins: Amount
    level: Amount
    total_xp: Amount
    prayer_points: Amount
    active_prayers: Text
    quest_points: Amount
    updated_at: EpochMs


class SheetSkill(Record, table="bench_skills"):
    """A skill."""

    character_id: Key[SheetId]
    skill: Key[Text]
    level: Amount
    xp: Amount


class SheetEssence(Record, table="bench_essences"):
    """An essence."""

    character_id: Key[SheetId]
    slot: Key[Amount]
    essence_type: Text
    attribute_bound: Text
    rank_bonded: Text
    created_at: EpochMs


class SheetAbility(Record, table="bench_abilities"):
    """An ability of an essence."""

    character_id: Key[SheetId]
    essence_slot: Key[Amount]
    slot: Key[Amount]
    ability_name: Text
    current_rank: Text
    awakened: bool
    metadata: JsonObject


@command(touches=[Sheet, SheetSkill, SheetEssence, SheetAbility, items.Holding], module="bench")
def create_sheet(ctx: Context, *, character: NewSheetId) -> None:
    """Make a whole character: 1 + 13 + 28 + 4 + 40 rows."""
    id = ctx.create_owner("character", character)
    ctx.put(Sheet(id, 0.0, 0.0, 0.0, "room_1", 100, 50, 50, 0, 1, 0, 5, '["thick_skin"]', 0, ctx.now))
    for number, skill in enumerate(SKILLS):
        ctx.put(SheetSkill(id, skill, 1 + number, number * 37))
    for slot in range(28):
        metadata = {"enchant": "fire", "level": 3, "durability": 87.5} if slot % 4 == 0 else {}
        ctx.put(items.Holding(id, "inventory", slot, f"item_{slot}", 1_000, None, metadata))
    for slot in range(4):
        ctx.put(SheetEssence(id, slot, f"essence_{slot}", ("power", "speed", "spirit", "recovery")[slot], "normal", ctx.now))
        for ability in range(10):
            metadata = {"cooldown": 12.5, "cost": {"mana": 10}} if ability % 3 == 0 else {}
            ctx.put(SheetAbility(id, slot, ability, f"Ability of essence_{slot} {ability}", "iron", ability % 2 == 0, metadata))


@command(touches=[items.Holding], module="bench")
def create_trader(ctx: Context, *, character: NewSheetId, stacks: Amount, quantity: Amount) -> None:
    """Make a character of the contested trade."""
    id = ctx.create_owner("character", character)
    for slot in range(stacks):
        ctx.put(items.Holding(id, "inventory", slot, f"item_{slot}", quantity))


@command(touches=[Sheet], durability="checkpoint", module="bench")
def save_sheet(  # the fields that the peers save
    ctx: Context,
    *,
    character: SheetId,
    x: Coordinate,
    y: Coordinate,
    z: Coordinate,
    room_id: Text,
    health: Amount,
    mana: Amount,
    stamina: Amount,
    coins: Amount,
    level: Amount,
    total_xp: Amount,
    prayer_points: Amount,
    active_prayers: Text,
    quest_points: Amount,
) -> None:
    """Save fifteen fields of a character."""
    row = Sheet(
        character, x, y, z, room_id, health, mana, stamina, coins, level, total_xp, prayer_points, active_prayers, quest_points, ctx.now
    )
    ctx.put(row)


@command(touches=[characters.Character, xp.CharacterProgress, titles.UserTitle], module="bench")
def create_hero(ctx: Context, *, character: NewSheetId) -> None:
    """Make a character with two bonuses: of fourteen days in a row, and of a title."""
    id = ctx.create_owner("character", character)
    ctx.put(characters.Character(id, None, "bench", "Hero", f"hero {id}", ctx.now, ctx.now))
    ctx.put(xp.CharacterProgress(id, current_streak=14, longest_streak=14, active_title_id=TITLE))
    ctx.put(titles.UserTitle(id, TITLE, ctx.now, "STAFF", is_active=True, active_slot="active"))


TITLE = "steady"
