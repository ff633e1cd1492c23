"""What may be done with characters."""

from typing import Any, Protocol

from msgspec import Struct

from gamekeeper.errors import NameTaken
from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import Coordinate, Integer
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import plays, sessions, users, worlds

from . import queries, rules
from .errors import (
    CharacterChangedHands,
    CharacterNotDeleted,
    CharacterNotFound,
    CharacterNotYours,
    CharacterSlotsFull,
    RestoreTooLate,
)
from .records import (
    Character,
    CharacterAttribute,
    CharacterId,
    CharacterLocation,
    CharacterSetting,
    CharacterSlot,
    CharacterVital,
    GivenName,
    Hundredths,
    JsonValue,
    NewCharacterId,
    RoomId,
    SettingName,
    Word,
)


class Created(Struct, frozen=True):
    """The new character, under its name as it is shown."""

    character_id: str
    name: str


class Renamed(Struct, frozen=True):
    """The name before and after."""

    before: str
    after: str


class Rotation(Struct, frozen=True, forbid_unknown_fields=True):
    """A rotation as a quaternion."""

    qx: Coordinate = 0.0
    qy: Coordinate = 0.0
    qz: Coordinate = 0.0
    qw: Coordinate = 1.0


class _OfCharacter(Protocol):
    """The arguments of a command that names a character."""

    character: str


def alive(ctx: Context, character: str) -> Character:
    """Give a character that is not deleted; whoever calls it lists `Character` in what it touches.

    Raises: CHARACTER_NOT_FOUND.
    """
    row = ctx.get(Character, character)
    if row is None or row.tombstoned_at is not None:
        raise CharacterNotFound(id=character)
    return row


class _IntoWorld(Protocol):
    """The argument of `create` that its preparation needs."""

    world_id: str


async def _into_world(read: Reader, arguments: _IntoWorld) -> Prepared:
    await worlds.require_known(read, arguments.world_id)
    return Prepared()


@command(touches=[users.User, CharacterSlot, Character, CharacterLocation, CharacterVital], prepare=_into_world, access="player")
def create(
    ctx: Context,
    *,
    user: users.UserId | None = None,
    character: NewCharacterId | None = None,
    world_id: Id = worlds.DEFAULT,
    name: GivenName,
) -> Created:
    """Make a character in a world, with full vitals, at its spawn room; one without a user belongs to nobody.

    The world must have been made; only the one called `world` need not be.

    Raises: WORLD_NOT_FOUND, NAME_INVALID, NAME_TAKEN, CHARACTER_SLOTS_FULL, USER_NOT_FOUND, ALREADY_EXISTS.
    """
    row = add(ctx, None if user is None else users.alive(ctx, user), character, world_id, name)
    return Created(row.character_id, row.name)


def add(ctx: Context, owner: users.User | None, character: str | None, world_id: str, name: str) -> Character:
    """Make a character of a user, or of nobody; whoever calls it touches what `create` touches, and knows the world.

    Raises: NAME_INVALID, NAME_TAKEN, CHARACTER_SLOTS_FULL, ALREADY_EXISTS.
    """
    read = users.read_name(name, rules.CHARACTER_NAME_POLICY)
    made = ctx.create_owner("character", character)
    if owner is not None:
        _take_slot(ctx, owner.user_id, made, world_id)
    ctx.claim(rules.name_claim(world_id), read.key, made)
    row = Character(
        character_id=made,
        user_id=None if owner is None else owner.user_id,
        world_id=world_id,
        name=read.shown,
        name_key=read.key,
        created_at=ctx.now,
        updated_at=ctx.now,
        is_guest_created=owner is not None and owner.is_guest,
    )
    ctx.put(row)
    ctx.put(rules.first_location(made, world_id, ctx.now))
    for vital, maximum in rules.FIRST_VITALS.items():
        ctx.put(CharacterVital(made, vital, maximum, maximum))
    return row


def unlink(ctx: Context, user: str, character: str) -> None:
    """Let a user's character belong to nobody: what it has and was, and its name, stay with it, and the slot is free.

    Whoever calls it lists `Character` and `CharacterSlot` in what it touches, and sees to the sessions that play it.
    """
    slot = ctx.get(CharacterSlot, user, character)
    if slot is not None:
        ctx.delete(slot)
    row = ctx.get(Character, character)
    if row is not None and row.user_id == user:
        ctx.change(row, user_id=None, updated_at=ctx.now)


def _take_slot(ctx: Context, user: str, character: str, world_id: str) -> None:
    if rules.slots_taken(ctx.rows(CharacterSlot, user), world_id) >= rules.SLOTS:
        raise CharacterSlotsFull(world_id=world_id, limit=rules.SLOTS)
    ctx.put(CharacterSlot(user, character, world_id))


@command(touches=[Character], access="player")
def rename(ctx: Context, *, character: CharacterId, name: GivenName) -> Renamed:
    """Give a character another name; the old one is free again.

    Raises: CHARACTER_NOT_FOUND, NAME_INVALID, NAME_TAKEN.
    """
    row = alive(ctx, character)
    read = users.read_name(name, rules.CHARACTER_NAME_POLICY)
    if read.key != row.name_key:
        kind = rules.name_claim(row.world_id)
        ctx.release(kind, row.name_key)
        ctx.claim(kind, read.key, character)
    if read.shown != row.name:
        ctx.change(row, name=read.shown, name_key=read.key, updated_at=ctx.now)
    return Renamed(row.name, read.shown)


class _Going(Protocol):
    """The argument of `move_to` that its preparation needs."""

    world_id: str | None


async def _going(read: Reader, arguments: _Going) -> Prepared:
    if arguments.world_id is not None:
        await worlds.require_known(read, arguments.world_id)
    return Prepared()


@command(touches=[Character, CharacterLocation], durability="checkpoint", prepare=_going)
def move_to(
    ctx: Context,
    *,
    character: CharacterId,
    world_id: Id | None = None,
    room_id: RoomId | None = None,
    x: Coordinate | None = None,
    y: Coordinate | None = None,
    z: Coordinate | None = None,
    rotation: Rotation | None = None,
) -> None:
    """Put a character somewhere; what is not said stays as it is.

    The world must have been made. It is looked up when it is named, so name it only where somebody goes to another one.

    Raises: CHARACTER_NOT_FOUND, WORLD_NOT_FOUND.
    """
    row = alive(ctx, character)
    place = ctx.get(CharacterLocation, character) or rules.first_location(character, row.world_id, ctx.now)
    said: dict[str, Any] = {"world_id": world_id, "room_id": room_id, "x": x, "y": y, "z": z}
    if rotation is not None:
        said.update({name: getattr(rotation, name) for name in Rotation.__struct_fields__})
    # -0.0 equals 0.0 and would be stored in another way.
    fields = {name: 0.0 if value == 0 else value for name, value in said.items() if value is not None}
    ctx.change(place, **fields, updated_at=ctx.now)


@command(touches=[Character, CharacterVital], durability="checkpoint")
def set_vitals(
    ctx: Context, *, character: CharacterId, vitals: dict[Word, Hundredths] | None = None, maximums: dict[Word, Hundredths] | None = None
) -> None:
    """Set vitals, their maximums, or both, in hundredths; those that are not named stay as they are.

    Raises: CHARACTER_NOT_FOUND, VITAL_OUT_OF_RANGE, SHEET_FULL.
    """
    alive(ctx, character)
    currents, maximums = vitals or {}, maximums or {}
    held = {row.vital: row for row in ctx.rows(CharacterVital, character)}
    for vital in sorted({*currents, *maximums}):
        before = held.get(vital)
        if before is None:
            rules.check_room_for("character_vitals", len(held), rules.MAX_VITALS)
        after = rules.changed_vital(character, vital, before, currents.get(vital), maximums.get(vital))
        if after != before:
            ctx.put(after)
        held[vital] = after


@command(touches=[Character, CharacterAttribute])
def set_attribute(
    ctx: Context, *, character: CharacterId, attribute: Word, base: Integer | None = None, bonus: Integer | None = None
) -> None:
    """Set an attribute's own value, what is added to it, or both; what is not said stays as it is, and is 0 when new.

    Raises: CHARACTER_NOT_FOUND, SHEET_FULL.
    """
    alive(ctx, character)
    before = ctx.get(CharacterAttribute, character, attribute)
    if before is None:
        rules.check_room_for("character_attributes", len(list(ctx.rows(CharacterAttribute, character))), rules.MAX_ATTRIBUTES)
    known = before or CharacterAttribute(character, attribute, 0, 0)
    after = CharacterAttribute(character, attribute, known.base if base is None else base, known.bonus if bonus is None else bonus)
    if after != before:
        ctx.put(after)


def add_bonus(ctx: Context, character: str, attribute: str, bonus: int, *, first_base: int = 0) -> CharacterAttribute:
    """Add to what is added to an attribute; one that is new begins with `first_base`. Whoever calls it touches `CharacterAttribute`.

    Raises: SHEET_FULL.
    """
    before = ctx.get(CharacterAttribute, character, attribute)
    if before is None:
        rules.check_room_for("character_attributes", len(list(ctx.rows(CharacterAttribute, character))), rules.MAX_ATTRIBUTES)
        before = CharacterAttribute(character, attribute, first_base)
    after = CharacterAttribute(character, attribute, before.base, before.bonus + bonus)
    ctx.put(after)
    return after


@command(touches=[Character, CharacterSetting], access="player")
def set_setting(ctx: Context, *, character: CharacterId, name: SettingName, value: JsonValue) -> None:
    """Keep a setting of at most 4 KiB; null takes it away.

    Raises: CHARACTER_NOT_FOUND, SETTING_REFUSED, SHEET_FULL.
    """
    alive(ctx, character)
    before = ctx.get(CharacterSetting, character, name)
    if value is None:
        if before is not None:
            ctx.delete(before)
        return
    checked = rules.checked_setting(name, value)
    if before is None:
        rules.check_room_for("character_settings", len(list(ctx.rows(CharacterSetting, character))), rules.MAX_SETTINGS)
    ctx.put(CharacterSetting(character, name, checked))


@command(touches=[users.User, sessions.Session, CharacterSlot, Character], access="player")
def select(ctx: Context, *, user: users.UserId, session_id: Id, character: CharacterId) -> None:
    """Play one of a user's characters in a session; another one of the session leaves.

    Raises: USER_NOT_FOUND, SESSION_NOT_FOUND, CHARACTER_NOT_FOUND, CHARACTER_NOT_YOURS.
    """
    users.alive(ctx, user)
    session = sessions.in_force(ctx, user, session_id)
    row = alive(ctx, character)
    if row.user_id != user:
        raise CharacterNotYours(id=character)
    ctx.change(session, character_id=character, world_id=row.world_id)
    ctx.change(row, last_login_at=ctx.now)


@command(touches=[sessions.Session], access="player")
def unselect(ctx: Context, *, user: users.UserId, session_id: Id) -> None:
    """Play no character in a session any longer; the session stays open.

    Raises: SESSION_NOT_FOUND.
    """
    session = sessions.in_force(ctx, user, session_id)
    if session.character_id is not None:
        ctx.change(session, character_id=None, world_id=None)


async def _with_user(read: Reader, arguments: _OfCharacter) -> Prepared:
    row = await read.get(Character, arguments.character)
    owners = () if row is None or row.user_id is None else (row.user_id,)
    return Prepared(found=owners[0] if owners else None, owners=owners)


@command(touches=[Character, CharacterSlot, sessions.Session, *plays.TOUCHES], prepare=_with_user, access="player")
def delete(ctx: Context, *, character: CharacterId) -> None:
    """Delete a character: its name stays taken, its slot is free, and what it had can still be looked at and given back.

    Whoever plays it plays it no longer.

    Raises: CHARACTER_NOT_FOUND, CHARACTER_CHANGED_HANDS.
    """
    row = alive(ctx, character)
    if row.user_id is not None:
        _let_go(ctx, row.user_id, character)
    plays.leave(ctx, character, "deleted")
    ctx.change(row, tombstoned_at=ctx.now, updated_at=ctx.now)


def _let_go(ctx: Context, user: str, character: str) -> None:
    if user != ctx.found:
        # It changed hands after it was looked up; the new user's rows are not loaded.
        raise CharacterChangedHands(id=character)
    slot = ctx.get(CharacterSlot, user, character)
    if slot is not None:
        ctx.delete(slot)
    for session in list(ctx.rows(sessions.Session, user)):
        if session.character_id == character:
            ctx.change(session, character_id=None, world_id=None)


class _Gone(Struct, frozen=True):
    """A deleted character as it was found: whose it was, and who has its name."""

    user: str | None
    holder: str | None


async def _gone(read: Reader, arguments: _OfCharacter) -> Prepared:
    staff, row = await users.with_actor(read, arguments), await read.get(Character, arguments.character)
    if row is None:
        return staff
    found = _Gone(row.user_id, await queries.name_holder(read, row.world_id, row.name_key))
    return Prepared(found=found, owners=staff.owners if row.user_id is None else (*staff.owners, row.user_id))


@command(touches=[users.User, CharacterSlot, Character], prepare=_gone, access="moderator")
def restore(ctx: Context, *, character: CharacterId) -> Created:
    """Bring back a character that was deleted less than 90 days ago: to its user, to where it was, with its name and all that it had.

    It takes one of the user's slots again. A character that belonged to nobody comes back as nobody's.

    Raises: CHARACTER_NOT_FOUND, CHARACTER_NOT_DELETED, RESTORE_TOO_LATE, CHARACTER_CHANGED_HANDS, NAME_TAKEN, CHARACTER_SLOTS_FULL,
    USER_NOT_FOUND, ROLE_TOO_LOW.
    """
    row = ctx.get(Character, character)
    found: _Gone | None = ctx.found
    if row is None or found is None:
        raise CharacterNotFound(id=character)
    if row.user_id != found.user:
        raise CharacterChangedHands(id=character)
    if row.user_id is not None:
        users.require_authority(ctx, users.alive(ctx, row.user_id), "moderator")
    if row.tombstoned_at is None:
        raise CharacterNotDeleted(id=character)
    until = rules.restorable_until(row.tombstoned_at)
    if ctx.now >= until:
        raise RestoreTooLate(id=character, until=until)
    if row.user_id is not None:
        _take_slot(ctx, row.user_id, character, row.world_id)
    if found.holder is None:
        ctx.claim(rules.name_claim(row.world_id), row.name_key, character)
    elif found.holder != character:
        raise NameTaken(name=row.name)
    ctx.change(row, tombstoned_at=None, updated_at=ctx.now)
    return Created(character, row.name)
