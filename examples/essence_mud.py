"""A small text MUD on Gamekeeper: find essences, bond them, fight with what they give you, and rise.

    python essence_mud.py            watch a game that is played by a script
    python essence_mud.py play       play one yourself; it is kept in essence_mud.db, and goes on where you left it

Nothing here saves: every command is kept when it is answered, and where you stand is written down beside it every few seconds.
"""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import cast

from msgspec import Struct

import gamekeeper
from gamekeeper import packs
from gamekeeper.errors import GameError
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import command
from gamekeeper.kernel.records import Amount, Key, Record
from gamekeeper.kernel.verify import verify
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, content, essences, items, worlds


class Foe(Record, table="mud_foes"):
    """What lurks in a room, and how much of it is left."""

    room_id: Key[worlds.WorldId]
    name: str
    level: Amount
    health: Amount
    strength: Amount
    resistance: Amount
    loot: items.ItemId


class Room(Struct, frozen=True):
    """A place. Its ground is that of a world of its own, so that two rooms never wait for each other."""

    text: str
    exits: dict[str, str]
    things: tuple[str, ...] = ()
    foe: tuple[str, int, int, int, int, str] | None = None
    """the fields of `Foe` behind the room"""


HOUND, COUNTER = ("rag hound", 1, 30, 8, 1, "hearth_stone"), ("jar counter", 4, 90, 14, 4, "keystone")
ROOMS = {
    "gate": Room("The Open Gate: a gate without a wall.", {"north": "yard", "east": "belfry"}, ("ember_essence", "rough_stone")),
    "yard": Room("The Windy Yard: washing lines, no washing.", {"south": "gate", "down": "cellar"}, ("gale_essence",), HOUND),
    "belfry": Room("The Belfry: the bell is gone, and still rings at noon.", {"west": "gate"}, ("bell_essence",)),
    "cellar": Room("The Cellar: jars, and something that counts them.", {"up": "yard"}, (), COUNTER),
}


class NoExit(GameError):
    """There is no way in that direction."""

    code = "NO_EXIT"
    direction: str


class DifferentLocations(GameError):
    """The one who acts and what is acted upon are not in the same place."""

    code = "DIFFERENT_LOCATIONS"


class NothingToFight(GameError):
    """Nothing that wants to fight is here."""

    code = "NOTHING_TO_FIGHT"


class Blow(Struct, frozen=True):
    """An exchange of blows, and what is left of both."""

    told: str
    health: int
    foe_health: int


# What may be done that Gamekeeper does not know: one function each, which either happens wholly or not at all.


@command(touches=[Foe])
def lurk(ctx: Context, *, room: worlds.WorldId) -> None:
    """Let what lurks in a room lurk there."""
    foe = ROOMS[room].foe
    if foe is not None:
        ctx.put(Foe(room, *foe))


@command(
    touches=[
        *(characters.Character, characters.CharacterLocation, characters.CharacterVital, characters.CharacterAttribute),
        *(essences.CharacterEssence, essences.CharacterAbility, items.Holding, items.ItemMovement, Foe),
    ],
    access="player",
)
def strike(
    ctx: Context, *, character: characters.CharacterId, room: worlds.WorldId, essence_slot: essences.EssenceSlot, slot: essences.AbilitySlot
) -> Blow:
    """Strike what lurks in a room, and be struck; the last blow brings its loot and experience, at once or not at all.

    Raises: CHARACTER_NOT_FOUND, DIFFERENT_LOCATIONS, NOTHING_TO_FIGHT, ESSENCE_NOT_FOUND, ABILITY_NOT_FOUND, INVENTORY_FULL.
    """
    characters.alive(ctx, character)
    place, foe = ctx.get(characters.CharacterLocation, character), ctx.get(Foe, room)
    if place is None or place.room_id != room:
        raise DifferentLocations
    if foe is None or foe.health == 0:
        raise NothingToFight
    ability = essences.effect_of(ctx, character, essence_slot, slot)
    power = essences.attribute_of(ctx, character, "power")
    dealt = essences.damage(ability.base, power, multiplier_bp=ability.multiplier_bp, resistance=foe.resistance)
    foe = ctx.change(foe, health=max(0, foe.health - dealt))
    vital = ctx.get(characters.CharacterVital, character, "health")
    assert vital is not None
    if foe.health == 0:
        items.mint(ctx, character, foe.loot, 1, source="loot")
        trained = essences.train(ctx, character, essence_slot, slot, essences.experience(80, foe.level))
        told = f"The {foe.name} falls: {foe.loot.replace('_', ' ')}, {trained.gained} experience."
        return Blow(told, vital.current, 0)
    taken = essences.damage(foe.strength, 0, resistance=essences.attribute_of(ctx, character, "recovery") // 5)
    vital = ctx.change(vital, current=max(0, vital.current - 100 * taken))
    return Blow(f"{ability.name} deals {dealt}, the {foe.name} {taken}.", vital.current, foe.health)


# The world and who walks in it


async def found(keep: Keep) -> None:
    """Make the world. Each step has a key, so that a second start finds it as it is and does nothing twice."""
    folder = packs.built_in("essence")
    assert folder is not None
    await keep.do(content.load_pack(pack=content.read_pack(folder)), actor="operator:mud")
    for id, room in ROOMS.items():
        await keep.do(worlds.create_world(world=id, name=id), key=f"room:{id}")
        await keep.do(lurk(room=id), key=f"foe:{id}")
        for thing in room.things:
            await keep.do(items.grant(holder=id, item=thing, quantity=1, source="founding", container="ground"), key=f"{id}:{thing}")


class Player:
    """Somebody at the keyboard, and the character whom they play."""

    def __init__(self, keep: Keep, id: str) -> None:
        self.keep = keep
        self.id = id

    @classmethod
    async def enter(cls, keep: Keep, name: str) -> "Player":
        """Wake a character up, or make it: with an inventory of 20 slots and something in it."""
        known = await keep.ask(characters.find(name=name))
        id = known.character_id if known else (await keep.do(characters.create(name=name))).character_id
        await keep.do(essences.expand_inventory(character=id))
        await keep.do(items.grant(holder=id, item="brass_pennies", quantity=100, source="starter", container="pouch"), key=f"purse:{id}")
        await keep.acquire(id)  # from now on it acts here, and where it stands is in memory first
        player = cls(keep, id)
        if await player.room() not in ROOMS:
            await keep.do(characters.move_to(character=id, room_id="gate"))
        return player

    async def room(self) -> str:
        """Tell in which room the character stands."""
        place = (await self.keep.ask(characters.show(character=self.id))).location
        return "" if place is None else place.room_id

    async def held(self) -> list[essences.HeldEssence]:
        """Give the essences that it has bonded."""
        return (await self.keep.ask(essences.show(character=self.id, parts=["abilities"]))).essences or []

    async def slot_of(self, name: str) -> int:
        """Give the slot of one of its essences."""
        slot = next((one.slot for one in await self.held() if one.essence == name), None)
        if slot is None:
            raise essences.UnknownEssence(essence=name)
        return slot

    async def do(self, line: str) -> str:
        """Do what a line says, and tell what came of it."""
        verb, *words = line.lower().split()[:8] or ["look"]
        if verb not in VERBS:
            return f"You can {', '.join(VERBS)}."
        try:
            return await VERBS[verb](self, [word for word in words if word not in ("to", "with", "the")])
        except GameError as error:
            return error.message
        except IndexError:
            return f"{verb.capitalize()} what?"


async def look(me: Player, _words: list[str]) -> str:
    id = await me.room()
    room, lying = ROOMS[id], await me.keep.ask(items.inventory(holder=id, container="ground"))
    foe = await me.keep.reader.get(Foe, id)
    seen = [room.text, f"Ways lead {', '.join(room.exits)}."]
    seen += [f"Here lies: {one.name}." for one in lying]
    if foe is not None:
        seen.append(f"A {foe.name} stares at you." if foe.health else f"A {foe.name} lies still.")
    return " ".join(seen)


async def go(me: Player, words: list[str]) -> str:
    room = ROOMS[await me.room()]
    if words[0] not in room.exits:
        raise NoExit(direction=words[0])
    await me.keep.do(characters.move_to(character=me.id, room_id=room.exits[words[0]]))
    return await look(me, [])


async def take(me: Player, words: list[str]) -> str:
    room = await me.room()
    for one in await me.keep.ask(items.inventory(holder=room, container="ground")):
        if words[0] in one.item:
            await me.keep.do(items.pick_up(character=me.id, world=room, slot=one.slot))
            return f"You take it: {one.name}."
    return "It is not here."


async def bond(me: Player, words: list[str]) -> str:
    attribute = next((one for one in essences.ATTRIBUTES if one == words[1]), essences.ATTRIBUTES[0])
    made = await me.keep.do(essences.bond(character=me.id, essence=words[0], attribute=attribute))
    return f"The {made.essence} is yours for good: {made.attribute} +{made.bonus}, and {made.ability}."


async def merge(me: Player, _words: list[str]) -> str:
    made = await me.keep.do(essences.form_confluence(character=me.id))
    return f"Three become a fourth: {made.essence.replace('_', ' ')}, {made.attribute} +{made.bonus}, and {made.ability}."


async def awaken(me: Player, words: list[str]) -> str:
    made = await me.keep.do(essences.awaken(character=me.id, essence_slot=await me.slot_of(words[0]), stone=words[1]))
    return f"The stone crumbles. {made.ability} awakens."


async def fight(me: Player, words: list[str]) -> str:
    place, slot, told = await me.room(), await me.slot_of(words[0]), []
    while True:
        blow = await me.keep.do(strike(character=me.id, room=place, essence_slot=slot, slot=1))
        told.append(blow.told)
        if blow.foe_health == 0:
            return " ".join(told)
        if blow.health == 0:
            await me.keep.do(characters.move_to(character=me.id, room_id="gate"))
            return " ".join([*told, "You fall, and wake at the gate.", await rest(me, [])])


async def rest(me: Player, _words: list[str]) -> str:
    await me.keep.do(characters.set_vitals(character=me.id, vitals={"health": characters.FIRST_VITALS["health"]}))
    return "You rest until nothing hurts."


async def rise(me: Player, _words: list[str]) -> str:
    return f"You rise to {(await me.keep.do(essences.rank_up(character=me.id))).after}."


async def sheet(me: Player, _words: list[str]) -> str:
    shown = await me.keep.ask(essences.show(character=me.id))
    powers = [f"{one.name} ({', '.join(f'{a.name} {a.level}' for a in one.abilities or [])})" for one in shown.essences or []]
    numbers = [f"{one.attribute} {one.base + one.bonus}" for one in shown.attributes or []]
    carried = [f"{one.quantity} {one.name}" for one in await me.keep.ask(items.inventory(holder=me.id))]
    health = next(one.current for one in (await me.keep.ask(characters.show(character=me.id))).vitals if one.vital == "health")
    return f"Rank {shown.rank}. {'; '.join(powers)}. {', '.join(numbers)}. Carried: {', '.join(carried)}. Health {health // 100}."


VERBS: dict[str, Callable[[Player, list[str]], Awaitable[str]]] = {
    one.__name__: one for one in (look, go, take, bond, merge, awaken, fight, rest, rise, sheet)
}


# A session: it ends with the keep, and the next one finds everything as it was


async def session(url: str, name: str, lines: AsyncIterator[str], tell: Callable[[str], None]) -> None:
    """Play until the lines end."""
    async with gamekeeper.open(url, create=True) as keep:
        await found(keep)
        player = await Player.enter(keep, name)
        tell(await player.do("look"))
        async for line in lines:
            tell(await player.do(line))
        report = await verify(keep)
        tell(f"{report.entries} journal entries, {len(report.problems)} problems.")


MORNING = "take ember; take rough; bond ember to power; awaken ember with rough; go north; take gale; fight with ember; bond gale to speed"
EVENING = "sheet; go west; go south; go east; take bell; bond bell to spirit; rise; merge; rise; rest; sheet"


async def scripted(lines: Iterable[str]) -> AsyncIterator[str]:
    """Give lines that were written beforehand."""
    for line in lines:
        yield line


async def typed() -> AsyncIterator[str]:
    """Give what is typed, until `quit` or the end of the input."""
    while (line := await asyncio.to_thread(lambda: (print("> ", end="", flush=True), sys.stdin.readline())[1])) not in ("", "quit\n"):
        yield cast("str", line)


async def play(url: str) -> list[str]:
    """Let a script play a morning and, after a restart, an evening; tell all of it."""
    told: list[str] = []
    for lines in (MORNING, EVENING):
        await session(url, "Wren Ashby", scripted(lines.split("; ")), told.append)
    return told


def main() -> None:
    """Play by hand, or let the script play in a folder that goes away."""
    if sys.argv[1:2] == ["play"]:
        asyncio.run(session("sqlite:///essence_mud.db", input("Your name: "), typed(), print))
        return
    with tempfile.TemporaryDirectory() as folder:
        print("\n".join(asyncio.run(play(f"sqlite:///{Path(folder) / 'mud.db'}"))))


if __name__ == "__main__":
    main()
