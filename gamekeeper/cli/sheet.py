"""A whole character for the command line: read in one round trip, its deaths apart, and written as text."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from gamekeeper.modules import banks, characters, combat, content, essences, items, prayer, quests, skills, xp

from .inside import character_row, moment, plain

if TYPE_CHECKING:
    from gamekeeper.keep import Keep

DEATHS = 10
"""Deaths that are shown, the latest."""
READ = (
    characters.Character,
    characters.CharacterLocation,
    characters.CharacterVital,
    characters.CharacterAttribute,
    characters.CharacterSetting,
    skills.CharacterSkill,
    items.Holding,
    items.InventorySize,
    banks.BankTab,
    banks.BankPlaceholder,
    quests.QuestProgress,
    xp.CharacterProgress,
    essences.CharacterEssence,
    essences.CharacterAbility,
    prayer.ActivePrayer,
    combat.NpcKill,
)


class WholeSheet(Struct, frozen=True):
    """A character with all that it has and has done. Vitals and prayer points are in hundredths."""

    character: characters.Character
    version: int
    location: characters.CharacterLocation | None
    vitals: list[characters.CharacterVital]
    attributes: list[characters.CharacterAttribute]
    settings: dict[str, Any]
    skills: skills.SkillSheet
    equipment: dict[str, items.HeldItem]
    """what is worn, by the place where it is worn"""
    carried: list[items.HeldItem]
    """all other containers but the bank"""
    bank: banks.Bank
    quest_points: int
    quests: list[quests.QuestEntry]
    essences: list[essences.HeldEssence]
    prayer: prayer.PrayerSheet
    kills: list[combat.NpcKill]
    deaths: list[combat.PlayerDeath]


async def read_sheet(keep: "Keep", who: str, realm: str | None) -> WholeSheet:
    """Read a character, also one that is deleted.

    Raises: CHARACTER_NOT_FOUND, NAME_IN_SEVERAL_WORLDS, INVALID_ARGUMENT.
    """
    read = keep.reader
    id = (await character_row(keep, who, realm)).character_id
    loaded = await read.load(id, *READ)
    row = None if loaded is None else loaded.one(characters.Character)
    if loaded is None or row is None:
        raise characters.CharacterNotFound(id=who)
    held = items.held_items(read, loaded.rows(items.Holding))
    progress = loaded.one(xp.CharacterProgress)
    return WholeSheet(
        character=row,
        version=loaded.root.version,
        location=loaded.one(characters.CharacterLocation),
        vitals=loaded.rows(characters.CharacterVital),
        attributes=loaded.rows(characters.CharacterAttribute),
        settings={one.name: one.value for one in loaded.rows(characters.CharacterSetting)},
        skills=skills.sheet_of(read, loaded.rows(skills.CharacterSkill)),
        equipment={_worn_at(one.slot): one for one in held if one.container == "equipment"},
        carried=[one for one in held if one.container != "equipment" and one.container not in items.BANK_TABS],
        bank=banks.bank_of(read, loaded),
        quest_points=0 if progress is None else progress.quest_points,
        quests=quests.log_of(read, loaded),
        essences=essences.essences_of(read, loaded, abilities=True),
        prayer=prayer.sheet_of(read, loaded),
        kills=loaded.rows(combat.NpcKill),
        deaths=(await keep.ask(combat.deaths(character=id, limit=DEATHS))).items,
    )


def _worn_at(slot: int) -> str:
    return content.EQUIPMENT_SLOTS[slot] if slot < len(content.EQUIPMENT_SLOTS) else str(slot)


def written(sheet: WholeSheet) -> Iterator[str]:
    """Give the lines that people read; what there is nothing of is left out."""
    yield from _person(sheet)
    yield from _titled("Skills", _skills(sheet.skills))
    yield from _titled("Equipment", (f"{place}: {_stack(one)}" for place, one in sheet.equipment.items()))
    for container in sorted({one.container for one in sheet.carried}):
        yield from _titled(container.capitalize(), (_stack(one) for one in sheet.carried if one.container == container))
    yield from _titled("Bank", _bank(sheet.bank))
    yield from _titled("Quests", _quests(sheet))
    yield from _titled("Essences", _essences(sheet.essences))
    yield from _titled("Prayers", (f"{one.prayer_id} since {moment(one.activated_at)}" for one in sheet.prayer.active))
    yield from _titled("Kills", (f"{one.npc_id}: {one.kill_count:,}" for one in sheet.kills))
    yield from _titled("Deaths, the latest", map(_death, sheet.deaths))


def _titled(title: str, lines: Iterator[str]) -> Iterator[str]:
    for place, line in enumerate(lines):
        if place == 0:
            yield f"{title}:"
        yield f"  {line}"


def _person(sheet: WholeSheet) -> Iterator[str]:
    row, at = sheet.character, sheet.location
    yield f"{plain(row.name)}  {row.character_id}"
    yield f"  {row.rank}, in {row.world_id}, user {row.user_id or 'nobody'}, version {sheet.version}"
    yield f"  made {moment(row.created_at)}, last login {moment(row.last_login_at)}"
    if row.tombstoned_at is not None:
        yield f"  deleted {moment(row.tombstoned_at)}"
    if at is not None:
        yield f"  at {at.room_id}: {at.x:.1f}, {at.y:.1f}, {at.z:.1f}"
    if sheet.vitals:
        yield "  " + ", ".join(f"{one.vital} {_points(one.current)} of {_points(one.maximum)}" for one in sheet.vitals)
    if sheet.attributes:
        yield "  " + ", ".join(f"{one.attribute} {one.base}" + (f"{one.bonus:+d}" if one.bonus else "") for one in sheet.attributes)


def _points(hundredths: int) -> str:
    """Say hundredths as points.

    >>> _points(9950), _points(10000)
    ('99.5', '100')
    """
    whole, rest = divmod(hundredths, 100)
    return f"{whole:,}" + (f".{rest:02d}".rstrip("0") if rest else "")


def _skills(sheet: skills.SkillSheet) -> Iterator[str]:
    for one in sheet.skills:
        # A skill that no loaded pack defines has no way to go.
        way = f", {one.progress} % of the way to {one.next_level_xp:,}" if one.next_level_xp is not None else ""
        yield f"{one.skill:<16} {one.level:>3}  {one.xp:>13,} XP{way}"
    if sheet.skills:
        yield f"total level {sheet.total_level:,}, total XP {sheet.total_xp:,}, combat level {sheet.combat_level}"


def _stack(one: items.HeldItem) -> str:
    count = "" if one.quantity == 1 else f"{one.quantity:,} "
    return f"{count}{plain(one.name or one.item)} ({one.item})" + (f" {one.item_uid}" if one.item_uid else "")


def _bank(bank: banks.Bank) -> Iterator[str]:
    for tab in bank.tabs:
        if tab.stacks or tab.tab:
            stacks, things = len(tab.stacks), sum(one.quantity for one in tab.stacks)
            yield f"tab {tab.tab}: {stacks:,} stack{'s' * (stacks != 1)}, {things:,} thing{'s' * (things != 1)}"
    yield f"{bank.free_slots:,} slots are free, {bank.placeholder_count:,} are kept for what will come back"


def _quests(sheet: WholeSheet) -> Iterator[str]:
    begun = [one for one in sheet.quests if one.state != "not_started" or one.times_completed]
    for one in begun:
        state = one.state.replace("_", " ")
        yield f"{plain(one.name or one.quest)} ({one.quest}): {state}" + (f", {plain(one.progress)}" if one.progress else "")
    if sheet.quests:
        yield f"{sheet.quest_points:,} points; {sum(one.startable for one in sheet.quests):,} more can be started now"


def _essences(held: list[essences.HeldEssence]) -> Iterator[str]:
    for one in held:
        yield f"{plain(one.name or one.essence)} ({one.essence}): bound to {one.attribute}, at {one.rank_bonded}"
        for ability in one.abilities or ():
            yield f"  {plain(ability.name)}: {ability.rank} {ability.level}, {ability.xp:,} XP"


def _death(one: combat.PlayerDeath) -> str:
    lost = "nothing" if not one.item_count else f"{one.item_count:,} things"
    return f"{moment(one.at)} in {one.room_id} by {plain(one.killed_by)}: lost {lost}, {one.status.replace('_', ' ')}"
