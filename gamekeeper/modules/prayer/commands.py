"""What may be done with prayer.

Points drain with every tick, so these commands are of the checkpoint class: under a lease they are answered from memory, and
what memory holds is saved when the lease is given back. The level and what is worn are rows of value, which such commands
do not touch: they are read before, as they are at that moment.
"""

from typing import Annotated, Protocol

from msgspec import Meta, Struct

from gamekeeper.errors import RateLimited
from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, content, items, skills, xp

from . import rules
from .errors import NoPrayerPoints, TooManyPrayers, UnknownPrayer
from .records import ActivePrayer, PrayerDebt, PrayerDefinition, PrayerId, PrayerPace

TOUCHED = (characters.Character, characters.CharacterVital, ActivePrayer)

Ticks = Annotated[int, Meta(ge=1, le=1_000_000, description="how many ticks of 600 ms have passed")]
Points = Annotated[int, Meta(ge=1, le=10**12, description="hundredths of a point, at least 1")]


class PrayerState(Struct, frozen=True):
    """How a character stands: points and their maximum in hundredths, and the prayers that it says."""

    points: int
    maximum: int
    active: list[str]


class Drained(Struct, frozen=True):
    """What ticks have cost in hundredths, and what is left; where nothing is left, the prayers that went out."""

    drained: int
    points: int
    maximum: int
    went_out: list[str]


class Ability(Struct, frozen=True):
    """What rows of value say of a character: its level in prayer, and the prayer bonus of what it wears."""

    level: int
    bonus: int = 0


class _OfCharacter(Protocol):
    """The argument that the preparations need."""

    character: str


async def _level(read: Reader, arguments: _OfCharacter) -> Prepared:
    return Prepared(found=Ability(await level_now(read, arguments.character)))


async def _level_and_bonus(read: Reader, arguments: _OfCharacter) -> Prepared:
    worn = await read.all(items.Holding, arguments.character)
    bonus = rules.bonus_of(worn, read.definitions(content.ItemDefinition))
    return Prepared(found=Ability(await level_now(read, arguments.character), bonus))


async def level_now(read: Reader, character: str) -> int:
    """Give a character's level in prayer."""
    row = await read.get(skills.CharacterSkill, character, rules.PRAYER)
    return rules.level_of(row, read.definitions(skills.SkillDefinition), read.definitions(xp.CurveDefinition))


@command(touches=(*TOUCHED, PrayerPace), prepare=_level, durability="checkpoint", access="player")
def activate(ctx: Context, *, character: characters.CharacterId, prayer: PrayerId) -> PrayerState:
    """Begin to say a prayer; those that it excludes end. One that is said already goes on.

    Raises: CHARACTER_NOT_FOUND, UNKNOWN_PRAYER, SKILL_TOO_LOW, NO_PRAYER_POINTS, TOO_MANY_PRAYERS, RATE_LIMITED.
    """
    points = _points(ctx, character)
    known = ctx.definitions(PrayerDefinition)
    wanted = known.get(prayer)
    if wanted is None:
        raise UnknownPrayer(prayer=prayer)
    if ctx.found.level < wanted.level:
        raise skills.SkillTooLow(character=character, skill=rules.PRAYER, level=ctx.found.level, needed=wanted.level)
    if points.current == 0:
        raise NoPrayerPoints(character=character)
    if ctx.get(ActivePrayer, character, prayer) is None:
        _keep_pace(ctx, character)
        for row in ctx.rows(ActivePrayer, character):
            other = known.get(row.prayer_id)
            if other is not None and rules.exclude(wanted, other):
                ctx.delete(row)
        if len(list(ctx.rows(ActivePrayer, character))) >= rules.MAX_ACTIVE:
            raise TooManyPrayers(character=character, limit=rules.MAX_ACTIVE)
        ctx.put(ActivePrayer(character, prayer, ctx.now))
    return _state(ctx, points)


@command(touches=(*TOUCHED, PrayerPace), prepare=_level, durability="checkpoint", access="player")
def deactivate(ctx: Context, *, character: characters.CharacterId, prayer: PrayerId | None = None) -> PrayerState:
    """Cease to say a prayer, or all of them; one that is not said stays so.

    Raises: CHARACTER_NOT_FOUND, RATE_LIMITED.
    """
    points = _points(ctx, character)
    ending = [row for row in ctx.rows(ActivePrayer, character) if prayer in (None, row.prayer_id)]
    if ending:
        _keep_pace(ctx, character)
    for row in ending:
        ctx.delete(row)
    return _state(ctx, points)


@command(touches=TOUCHED, prepare=_level_and_bonus, durability="checkpoint", access="server")
def drain(ctx: Context, *, character: characters.CharacterId, ticks: Ticks = 1) -> Drained:
    """Take the points that the prayers said have cost since the last time; when none are left, all of them go out.

    A tick costs the sum of their drains / (60 + 2 * prayer bonus). What is less than a hundredth is kept for the next time.

    Raises: CHARACTER_NOT_FOUND.
    """
    points = _points(ctx, character)
    known = ctx.definitions(PrayerDefinition)
    said = [row.prayer_id for row in ctx.rows(ActivePrayer, character)]
    cost = sum(known[prayer].drain for prayer in said if prayer in known)
    if not cost:
        return Drained(0, points.current, points.maximum, [])
    debt = ctx.get(PrayerDebt, character) or PrayerDebt(character, 0, rules.RESISTANCE)
    hundredths, spent, per = rules.drained(cost, ticks, ctx.found.bonus, debt.spent, debt.per)
    left = max(points.current - hundredths, 0)
    if left != points.current:
        ctx.change(points, current=left)
    # With the last point the rest of it is gone too.
    after = PrayerDebt(character, spent if left else 0, per)
    if after != debt:
        ctx.put(after)
    return Drained(points.current - left, left, points.maximum, [] if left else end_all(ctx, character))


@command(touches=TOUCHED, prepare=_level, durability="checkpoint", access="server")
def restore(ctx: Context, *, character: characters.CharacterId, points: Points | None = None) -> PrayerState:
    """Give prayer points back, up to the maximum: all of them, as at an altar, or some.

    Raises: CHARACTER_NOT_FOUND.
    """
    row = _points(ctx, character)
    current = row.maximum if points is None else min(row.current + points, row.maximum)
    if current != row.current:
        row = ctx.change(row, current=current)
    return _state(ctx, row)


def end_all(ctx: Context, character: str) -> list[str]:
    """End all prayers of a character and give which; whoever calls it lists `ActivePrayer` in what it touches."""
    rows = list(ctx.rows(ActivePrayer, character))
    for row in rows:
        ctx.delete(row)
    return sorted(row.prayer_id for row in rows)


def _keep_pace(ctx: Context, character: str) -> None:
    """Note that a prayer begins or ends, unless that is too soon after the last time, or too often.

    Raises: RATE_LIMITED.
    """
    settings = ctx.settings
    before = ctx.get(PrayerPace, character) or PrayerPace(character, 0, 0, 0)
    after, early_ms = rules.paced(before, ctx.now, settings.prayer_toggle_ms, settings.prayer_toggles_per_second)
    if early_ms:
        raise RateLimited(retry_after_seconds=early_ms / 1000)
    ctx.put(after)


def _points(ctx: Context, character: str) -> characters.CharacterVital:
    """Give the vital, with the maximum that the level makes; who never prayed has all of it."""
    characters.alive(ctx, character)
    maximum = ctx.found.level * rules.HUNDREDTHS
    row = ctx.get(characters.CharacterVital, character, rules.PRAYER)
    if row is None or row.maximum != maximum:
        current = maximum if row is None else min(row.current, maximum)
        row = characters.CharacterVital(character, rules.PRAYER, current, maximum)
        ctx.put(row)
    return row


def _state(ctx: Context, points: characters.CharacterVital) -> PrayerState:
    said = sorted(row.prayer_id for row in ctx.rows(ActivePrayer, points.character_id))
    return PrayerState(points.current, points.maximum, said)
