"""What combat leaves behind: kills, deaths, and the gravestones that hold what was lost.

A death is one command: what is lost lies in the gravestone when it is committed, or nobody has died. A gravestone is an owner
of its own with a container of its name, so that no crash can leave anything between a character and its grave.
"""

from collections.abc import Sequence
from typing import Annotated, Protocol

from msgspec import Meta, Struct
from msgspec.structs import replace

from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.ids import Id, new_id
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import MAX_INTEGER, EpochMs
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, content, items, npcs, prayer, trades

from . import queries, rules
from .errors import AlreadyDead, DeathChanged, GravestoneProtected, NoGravestone
from .records import GRAVESTONE, DeathLock, DeathStatus, KilledBy, NpcKill, PlayerDeath, ZoneType

AtOnce = Annotated[int, Meta(ge=1, le=1_000, description="how many of them died, at least 1")]
Kept = Annotated[int, Meta(ge=0, le=rules.MOST_KEPT, description="how many things are kept, instead of what the zone says")]
Gravestones = Annotated[int, Meta(ge=1, le=100, description="how many gravestones at most")]


class Kills(Struct, frozen=True):
    """How often the character has killed NPCs of this kind."""

    npc_id: str
    kill_count: int


class Died(Struct, frozen=True):
    """A death. Without a gravestone nothing was lost; `replaced` is the earlier death whose gravestone fell for this one."""

    death_id: str
    gravestone_id: str | None
    item_count: int
    expires_at: EpochMs | None
    replaced: str | None


class Recovered(Struct, frozen=True):
    """How many things were taken out of a gravestone, and how many are left in it."""

    death_id: str
    taken: int
    left: int


class Expired(Struct, frozen=True):
    """How many gravestones fell, how many things then lay on the ground, and how many gravestones stay for want of room."""

    gravestones: int
    item_count: int
    stayed: int


class Grave(Struct, frozen=True):
    """A gravestone as it was found: whose it is, and the world to whose ground things may fall, if there is one."""

    character_id: str
    death_id: str
    gravestone_id: str
    world_id: str | None = None

    @property
    def owners(self) -> tuple[str, ...]:
        """Everybody whose lock it needs to change it."""
        own = (self.character_id, self.gravestone_id)
        return own if self.world_id is None else (*own, self.world_id)

    @property
    def key(self) -> tuple[type[PlayerDeath], tuple[str, str]]:
        """The row of its death."""
        return PlayerDeath, (self.character_id, self.death_id)


class Dying(Struct, frozen=True):
    """What was found before a death: its id, the gravestone that stands, and the trade that is open."""

    death_id: str
    earlier: Grave | None
    trade: trades.OpenTrade


class _OfCharacter(Protocol):
    """The argument of `die` that its preparation needs."""

    character: str


class _AtGrave(Protocol):
    """The arguments of `recover`."""

    character: str
    gravestone: str | None


class _Sweep(Protocol):
    """The argument of `expire_gravestones` that its preparation needs."""

    limit: int


# Kills


@command(touches=[characters.Character, NpcKill], access="server")
def kill(ctx: Context, *, character: characters.CharacterId, npc: content.DefinitionId, count: AtOnce = 1) -> Kills:
    """Count NPCs that a character has killed.

    Raises: CHARACTER_NOT_FOUND, NPC_NOT_FOUND.
    """
    characters.alive(ctx, character)
    return Kills(npc, count_kills(ctx, character, npc, count))


def count_kills(ctx: Context, character: str, npc: str, count: int = 1) -> int:
    """Count kills within a command of this or another module, which lists `NpcKill` in its touches; give how many there are now.

    Raises: NPC_NOT_FOUND.
    """
    npcs.known_npc(ctx.definitions(npcs.NpcDefinition), npc)
    row = ctx.get(NpcKill, character, npc)
    total = min(count + (0 if row is None else row.kill_count), MAX_INTEGER)
    ctx.put(NpcKill(character, npc, total))
    return total


# Death


async def _dying(read: Reader, arguments: _OfCharacter) -> Prepared:
    lock = await read.get(DeathLock, arguments.character)
    trade = await trades.open_trade(read, arguments.character)
    found = Dying(new_id(), None if lock is None else await _grave_of(read, lock), trade)
    keys = [(PlayerDeath, (arguments.character, found.death_id))]
    if found.earlier is not None:
        keys.append(found.earlier.key)
    return Prepared(found=found, owners=(*trade.owners, *(found.earlier.owners if found.earlier else ())), keys=tuple(keys))


async def _grave_of(read: Reader, lock: DeathLock) -> Grave | None:
    if lock.death_id is None or lock.gravestone_id is None:
        return None
    row = await read.get(PlayerDeath, lock.character_id, lock.death_id)
    return None if row is None else Grave(row.character_id, row.death_id, lock.gravestone_id, await queries.ground_of(read, row.world_id))


@command(
    touches=[
        *(characters.Character, characters.CharacterLocation, characters.CharacterVital, prayer.ActivePrayer),
        *(items.Holding, items.ItemMovement, items.GroundDrop, trades.Trade, trades.TradeLock, PlayerDeath, DeathLock),
    ],
    prepare=_dying,
    prepares_again=[DeathChanged, trades.TradeChanged],
    access="server",
)
def die(
    ctx: Context,
    *,
    character: characters.CharacterId,
    zone_type: ZoneType = "safe_area",
    killed_by: KilledBy = "unknown",
    keeps: Kept | None = None,
) -> Died:
    """Let a character die where it is, and rise again: what it loses lies in a gravestone, its prayers end, its vitals are full.

    It keeps `death_keeps` most valuable things, none where it is not safe, and always what is untradeable, the pouch and the bank.
    Of a character only one gravestone stands: if something is lost while one does, what is in the earlier one falls to the ground.
    An open trade is cancelled. A death that is told again within three seconds is refused.

    Raises: CHARACTER_NOT_FOUND, ALREADY_DEAD, DEATH_CHANGED, TRADE_CHANGED.
    """
    characters.alive(ctx, character)
    found: Dying = ctx.found
    lock = _lock(ctx, character, found.earlier)
    wait_ms = lock.died_at + rules.RESPAWN_MS - ctx.now
    if wait_ms > 0:
        raise AlreadyDead(character=character, retry_after_seconds=wait_ms / 1000)
    trades.leave(ctx, character, found.trade, "died")
    prayer.end_all(ctx, character)
    for vital in ctx.rows(characters.CharacterVital, character):
        if vital.current != vital.maximum:
            ctx.change(vital, current=vital.maximum)
    count = rules.kept_in(zone_type, ctx.settings.death_keeps) if keeps is None else keeps
    lost = rules.fallen(ctx.rows(items.Holding, character), ctx.definitions(content.ItemDefinition), count)
    if not lost:
        ctx.put(_death(ctx, character, found.death_id, zone_type, killed_by, "nothing_lost"))
        ctx.put(DeathLock(character, lock.death_id, lock.gravestone_id, ctx.now))
        return Died(found.death_id, None, 0, None, None)
    return _bury(ctx, _death(ctx, character, found.death_id, zone_type, killed_by, "open"), found.earlier, lost)


def _lock(ctx: Context, character: str, found: Grave | None) -> DeathLock:
    """Give a character's lock, if the open death is the one that was found.

    Raises: DEATH_CHANGED.
    """
    lock = ctx.get(DeathLock, character) or DeathLock(character, None, None, -rules.RESPAWN_MS)
    if lock.death_id != (None if found is None else found.death_id):
        raise DeathChanged(character=character)
    return lock


def _death(ctx: Context, character: str, id: str, zone: ZoneType, killed_by: str, status: DeathStatus) -> PlayerDeath:
    """Give a death at the place where the character is."""
    here = ctx.get(characters.CharacterLocation, character)
    row = characters.alive(ctx, character)
    expires_at = ctx.now + ctx.settings.gravestone_seconds * 1000
    return PlayerDeath(
        character_id=character,
        death_id=id,
        world_id=row.world_id if here is None else here.world_id,
        room_id=characters.SPAWN_ROOM if here is None else here.room_id,
        x=0.0 if here is None else here.x,
        y=0.0 if here is None else here.y,
        z=0.0 if here is None else here.z,
        zone_type=zone,
        killed_by=killed_by,
        items=[],
        item_count=0,
        gravestone_id=None,
        status=status,
        at=ctx.now,
        protected_until=rules.protected_until(zone, ctx.now, expires_at),
        expires_at=expires_at,
        ended_at=None if status == "open" else ctx.now,
    )


def _bury(ctx: Context, death: PlayerDeath, earlier: Grave | None, lost: Sequence[tuple[items.Holding, int]]) -> Died:
    """Lay what is lost into a gravestone; an earlier one falls, and what the ground has no room for comes into the new one."""
    grave = ctx.create_owner(GRAVESTONE)
    parcels = [items.lift(ctx, row, quantity) for row, quantity in lost]
    if earlier is not None:
        _fall(ctx, earlier, _close(ctx, earlier, "replaced"))
        parcels += [items.lift(ctx, row, row.quantity) for row in _inside(ctx, earlier.gravestone_id)]
    for slot, parcel in enumerate(parcels):
        items.put_at(ctx, grave, parcel, GRAVESTONE, slot, reason="death")
    count = sum(parcel.quantity for parcel in parcels)
    ctx.put(replace(death, items=rules.listed(parcels), item_count=count, gravestone_id=grave))
    ctx.put(DeathLock(death.character_id, death.death_id, grave, ctx.now))
    return Died(death.death_id, grave, count, death.expires_at, None if earlier is None else earlier.death_id)


# Gravestones


async def _at_grave(read: Reader, arguments: _AtGrave) -> Prepared:
    """Find a character's own gravestone, or the one that is named.

    Raises: NO_GRAVESTONE.
    """
    grave = await queries.find_grave(read, arguments.character, arguments.gravestone)
    if grave is None:
        raise NoGravestone(character=arguments.character, gravestone=arguments.gravestone)
    found = Grave(grave.character_id, grave.death_id, grave.gravestone_id)
    return Prepared(found=found, owners=found.owners, keys=(found.key,))


@command(
    touches=[characters.Character, items.Holding, items.ItemMovement, PlayerDeath, DeathLock],
    prepare=_at_grave,
    access="player",
)
def recover(ctx: Context, *, character: characters.CharacterId, gravestone: Id | None = None) -> Recovered:
    """Take what lies in a character's own gravestone into the inventory; what does not fit stays there.

    Another's gravestone may be named: nobody takes from it while it is protected, and nobody but its owner what is untradeable.

    Raises: CHARACTER_NOT_FOUND, NO_GRAVESTONE, GRAVESTONE_PROTECTED, INVENTORY_FULL.
    """
    characters.alive(ctx, character)
    grave: Grave = ctx.found
    death = ctx.get(PlayerDeath, grave.character_id, grave.death_id)
    if death is None or death.status != "open":
        raise NoGravestone(character=character, gravestone=grave.gravestone_id)
    if not rules.may_take(death, character, ctx.now):
        raise GravestoneProtected(character=character, gravestone=grave.gravestone_id, protected_until=death.protected_until)
    own = character == grave.character_id
    taken = sum(_take_out(ctx, character, row, own=own) for row in _inside(ctx, grave.gravestone_id))
    left = sum(row.quantity for row in _inside(ctx, grave.gravestone_id))
    if not taken:
        raise items.InventoryFull(holder=character, container="inventory", free=items.free_slots(ctx, character), needed=1)
    if own:
        death = ctx.change(death, recovered_at=ctx.now)
    if not left:
        _close(ctx, grave, "recovered" if own else "looted")
    return Recovered(grave.death_id, taken, left)


def _take_out(ctx: Context, character: str, row: items.Holding, *, own: bool) -> int:
    """Take as much of a stack out of a gravestone as there is room for, and give how much."""
    if not own and not items.tradeable(ctx.definitions(content.ItemDefinition).get(row.item_id)):
        return 0
    part = min(row.quantity, items.room_for(ctx, character, row.item_id, row.metadata))
    if part:
        items.put(ctx, character, items.lift(ctx, row, part), reason="recovered" if own else "looted")
    return part


async def _expired(read: Reader, arguments: _Sweep) -> Prepared:
    rows = await queries.expired(read, arguments.limit)
    grounds = {world: await queries.ground_of(read, world) for world in sorted({row.world_id for row in rows})}
    graves = [Grave(row.character_id, row.death_id, row.gravestone_id, grounds[row.world_id]) for row in rows]
    owners = sorted({owner for grave in graves for owner in grave.owners})
    return Prepared(found=graves, owners=tuple(owners), keys=tuple(grave.key for grave in graves))


@command(
    touches=[items.Holding, items.ItemMovement, items.GroundDrop, PlayerDeath, DeathLock],
    prepare=_expired,
    access="operator",
)
def expire_gravestones(ctx: Context, *, limit: Gravestones = 20, dry_run: bool = False) -> Expired:
    """Let gravestones whose time is over fall, so that what is in them lies on the ground; a dry run only counts them.

    What the ground of a world has no room for, or a world has no ground for, stays where it is for as long again.
    """
    fallen = count = stayed = 0
    for grave in ctx.found:
        death = ctx.get(PlayerDeath, grave.character_id, grave.death_id)
        if death is None or death.status != "open" or death.expires_at > ctx.now:
            continue
        if dry_run:
            fallen, count = fallen + 1, count + sum(row.quantity for row in _inside(ctx, grave.gravestone_id))
            continue
        count += _fall(ctx, grave, death)
        if list(ctx.rows(items.Holding, grave.gravestone_id)):
            until = ctx.now + ctx.settings.gravestone_seconds * 1000
            protected = rules.protected_until(death.zone_type, death.at, until)
            ctx.change(death, expires_at=until, protected_until=protected)
            stayed += 1
        else:
            _close(ctx, grave, "expired")
            fallen += 1
    return Expired(fallen, count, stayed)


def _inside(ctx: Context, gravestone: str) -> Sequence[items.Holding]:
    return rules.in_order(ctx.rows(items.Holding, gravestone))


def _close(ctx: Context, grave: Grave, status: DeathStatus) -> PlayerDeath:
    """End a death, and free its character for the next one."""
    lock, death = ctx.get(DeathLock, grave.character_id), ctx.get(PlayerDeath, grave.character_id, grave.death_id)
    if death is None:
        raise DeathChanged(character=grave.character_id)
    if lock is not None and lock.death_id == grave.death_id:
        ctx.change(lock, death_id=None, gravestone_id=None)
    return ctx.change(death, status=status, ended_at=ctx.now)


def _fall(ctx: Context, grave: Grave, death: PlayerDeath) -> int:
    """Let what is in a gravestone fall to the ground where it stands, heap by heap as far as there is room; give how much did."""
    if grave.world_id is None:
        return 0
    place = items.Place(death.room_id, death.x, death.y, death.z)
    protected = rules.protected_on_ground_seconds(death, ctx.now, ctx.settings.drop_protection_seconds)
    seconds, fell = ctx.settings.death_drop_seconds, 0
    for row in _inside(ctx, grave.gravestone_id)[: items.room_on_ground(ctx, grave.world_id)]:
        items.lay_down(
            ctx,
            grave.world_id,
            items.lift(ctx, row, row.quantity),
            owner=grave.character_id,
            place=place,
            seconds=seconds,
            protected_seconds=protected,
            reason="gravestone",
        )
        fell += row.quantity
    return fell
