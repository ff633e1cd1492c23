"""A small valley in the manner of RuneScape: chop, fish, cook, shop, bank, fight, die, recover and run errands.

    python runescape_like.py            watch two players whose moves are written below
    python runescape_like.py play       play yourself; the world is kept in runescape_like.db and goes on where you left it

The items, skills, NPCs, stores and quests come from the pack `runescape`. What this file adds is three commands, and each of them does
all that it does or nothing: no fish without its experience, no kill without its loot.
"""

import asyncio
import inspect
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta, Struct

import gamekeeper
from gamekeeper import packs
from gamekeeper.errors import GameError
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import command
from gamekeeper.kernel.verify import verify
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import banks, characters, combat, content, items, npcs, quests, skills, stores, worlds

Word = Annotated[str, Meta(max_length=64)]
WORLD: Final = "kestrel-vale"
PURSE: Final = 150
CARRIED: Final = ("inventory", "equipment", "pouch")


class Work(Struct, frozen=True):
    """What one does with one's hands: a tool and things go in, a thing and experience come out."""

    skill: str
    xp: int
    gives: str | None = None
    takes: tuple[str, ...] = ()
    tool: str | None = None
    level: int = 1


WORKS: Final = {
    "chop_alder": Work("woodcutting", 25, "alder_logs", tool="bronze_hatchet"),
    "chop_stoneoak": Work("woodcutting", 38, "stoneoak_logs", tool="bronze_hatchet", level=15),
    "net_brooklings": Work("fishing", 10, "raw_brookling", tool="river_net"),
    "cook_brookling": Work("cooking", 30, "brookling", takes=("raw_brookling",)),
    "light_fire": Work("firemaking", 40, None, takes=("alder_logs",), tool="flint_and_steel"),
    "bury": Work("prayer", 5, None, takes=("bones",)),
}


class NoSuchWork(GameError):
    """Nobody in the valley knows how to do that."""

    code = "NO_SUCH_WORK"
    work: str


class Peaceful(GameError):
    """Nobody fights them here."""

    code = "PEACEFUL"
    npc: str


class Defeated(GameError):
    """The other one was still standing at the end."""

    code = "DEFEATED"
    npc: str


class Won(Struct, frozen=True):
    """What a fight brought."""

    kills: int
    loot: list[npcs.Loot]
    attack: int


# What the game itself may do

TRAINS: Final = (characters.Character, skills.CharacterSkill, skills.SkillLevelUp, items.Holding, items.ItemMovement)


@command(touches=TRAINS, access="player")
def work(ctx: Context, *, character: characters.CharacterId, work: Word) -> skills.Gained:
    """Do a piece of work: what goes in leaves the world, what comes out enters it, and the skill grows.

    Raises: CHARACTER_NOT_FOUND, NO_SUCH_WORK, SKILL_TOO_LOW, ITEM_NOT_FOUND, INSUFFICIENT_QUANTITY, INVENTORY_FULL.
    """
    characters.alive(ctx, character)
    known = WORKS.get(work)
    if known is None:
        raise NoSuchWork(work=work)
    skills.require(ctx, character, {known.skill: known.level})
    if known.tool and all(row.item_id != known.tool or row.container == "bank:0" for row in ctx.rows(items.Holding, character)):
        raise items.ItemNotFound(item=known.tool, container="inventory")
    for item in known.takes:
        for parcel in items.take(ctx, character, item, 1):
            items.burn(ctx, parcel, sink=known.skill)
    if known.gives:
        items.mint(ctx, character, known.gives, 1, source=known.skill)
    return skills.add(ctx, character, known.skill, known.xp)


@command(touches=(*TRAINS, combat.NpcKill), access="player")
def fight(ctx: Context, *, character: characters.CharacterId, npc: content.DefinitionId) -> Won:
    """Fight an NPC to the end; the kill, its loot and the experience come together.

    Raises: CHARACTER_NOT_FOUND, NPC_NOT_FOUND, PEACEFUL, DEFEATED, INVENTORY_FULL.
    """
    characters.alive(ctx, character)
    foe = npcs.known_npc(ctx.definitions(npcs.NpcDefinition), npc)
    if not foe.health:
        raise Peaceful(npc=npc)
    mine, worn = skills.levels(ctx, character), bonuses(ctx, character)
    attack, defense = mine["attack"] + worn.get("attack", 0), mine["defense"] + worn.get("defense", 0)
    strength, health, left = mine["strength"] + worn.get("strength", 0), mine["constitution"], foe.health
    while left > 0:
        if ctx.random.randrange(attack + foe.stats["defense"]) < attack:
            left -= ctx.random.randint(1, 1 + strength // 8)
        if left > 0 and ctx.random.randrange(foe.stats["attack"] + defense) < foe.stats["attack"]:
            health -= ctx.random.randint(1, 1 + foe.stats["strength"] // 8)
        if health <= 0:
            raise Defeated(npc=npc)
    loot = npcs.roll_drops(foe, ctx.random)
    for one in loot:
        pouch = items.is_currency(items.known(ctx, one.item))
        items.mint(ctx, character, one.item, one.quantity, source="loot", container="pouch" if pouch else "inventory")
    gained = [skills.add(ctx, character, skill, foe.xp * 4) for skill in ("attack", "constitution")]
    return Won(combat.count_kills(ctx, character, npc), loot, gained[0].level)


def bonuses(ctx: Context, character: str) -> dict[str, int]:
    """Add up what is worn."""
    known = ctx.definitions(content.ItemDefinition)
    total: dict[str, int] = {}
    for row in ctx.rows(items.Holding, character):
        if row.container == "equipment" and row.item_id in known:
            for name, amount in known[row.item_id].bonuses.items():
                total[name] = total.get(name, 0) + amount
    return total


# What players say


VERBS: Final = ["work", "fight", "recover", "prices", "buy", "sell", "wear", "deposit", "withdraw", "start", "tell", "finish", "sheet"]


class Player(Struct):
    """Somebody at a keyboard. What can be said are the names of methods."""

    keep: Keep
    id: str

    async def say(self, line: str) -> str:
        """Do what a line asks for; a refusal is an answer too."""
        verb, *words = line.split() or ["?"]
        if verb not in VERBS:
            return self.help()
        try:
            return str(await getattr(self, verb)(*words))
        except (TypeError, ValueError):
            return f"Say: {usage(verb)}."
        except GameError as error:
            return f"{error.message} ({error.code})"

    def help(self) -> str:
        """Tell what can be said, and about what."""
        known = self.keep.reader.definitions
        names = {
            "Works": WORKS,
            "Stores": known(stores.StoreDefinition),
            "Foes": [id for id, one in known(npcs.NpcDefinition).items() if one.health],
            "Quests": known(quests.QuestDefinition),
        }
        about = [f"{title}: {', '.join(sorted(those))}." for title, those in names.items()]
        return "\n".join([f"You can say: {'; '.join(map(usage, VERBS))}; quit.", *about])

    async def work(self, name: str, times: str = "1") -> str:
        gained: skills.Gained | None = None
        gives = (known.gives if (known := WORKS.get(name)) else None) or "nothing"
        for _ in range(int(times)):
            # The errand counts in the same transaction as the fish that it asks for.
            gained, _ = await self.keep.do(
                work(character=self.id, work=name), quests.progress(character=self.id, type="gather", target=gives)
            )
        return f"{times} x {name}: {gained.skill} is {gained.level}." if gained else "Nothing done."

    async def fight(self, npc: str, times: str = "1") -> str:
        kills: list[Won] = []
        try:
            for _ in range(int(times)):
                won, _ = await self.keep.do(fight(character=self.id, npc=npc), quests.progress(character=self.id, type="kill", target=npc))
                kills.append(won)
        except Defeated:
            died = await self.keep.do(combat.die(character=self.id, killed_by=npc))
            return f"{len(kills)} x {npc}, and then it got you. {died.item_count} things lie in your gravestone."
        except items.InventoryFull:
            return f"{len(kills)} x {npc}, and your bag is full."
        return f"{len(kills)} x {npc}. Attack is {kills[-1].attack if kills else 'as before'}."

    async def recover(self) -> str:
        found = await self.keep.do(combat.recover(character=self.id))
        return f"You take {found.taken} things out of your gravestone."

    async def prices(self, store: str) -> str:
        shown = await self.keep.ask(stores.show(world=WORLD, store=store))
        return f"{shown.name}: " + ", ".join(
            f"{one.item} {one.sells_at} ({'any' if one.stock is None else one.stock})" for one in shown.offers
        )

    async def buy(self, store: str, item: str, quantity: str = "1") -> str:
        bought = await self.keep.do(stores.buy(character=self.id, world=WORLD, store=store, item=item, quantity=int(quantity)))
        return f"{quantity} {item} for {bought.price} coins."

    async def sell(self, store: str, item: str, quantity: str = "1") -> str:
        sold = await self.keep.do(stores.sell(character=self.id, world=WORLD, store=store, item=item, quantity=int(quantity)))
        return f"{quantity} {item} sold for {sold.price} coins."

    async def wear(self, item: str) -> str:
        slot = next(
            (row.slot for row in await self.keep.ask(items.inventory(holder=self.id, container="inventory")) if row.item == item), 0
        )
        await self.keep.do(items.equip(character=self.id, slot=slot))
        return f"You put on: {item}."

    async def deposit(self) -> str:
        return f"{(await self.keep.do(banks.deposit_inventory(character=self.id))).quantity} things into the bank."

    async def withdraw(self, item: str, quantity: str = "1", noted: str = "") -> str:
        got = await self.keep.do(banks.withdraw(character=self.id, item=item, quantity=int(quantity), as_note=noted == "noted"))
        return f"{got.quantity} {item} out of the bank."

    async def start(self, quest: str) -> str:
        return str((await self.keep.do(quests.start(character=self.id, quest=quest))).dialogue)

    async def tell(self, quest: str, stage: str) -> str:
        step = await self.keep.do(quests.advance(character=self.id, quest=quest, stage=stage))
        return f"Done. Next: {step.next_stage or 'nothing, it is finished'}."

    async def finish(self, quest: str) -> str:
        paid = await self.keep.do(quests.complete(character=self.id, quest=quest))
        return f"Finished: {', '.join(f'{one.quantity} {one.item}' for one in paid.items)}; {paid.quest_points} quest points."

    async def sheet(self) -> str:
        sheet = await self.keep.ask(skills.sheet(character=self.id))
        trained = ", ".join(f"{one.skill} {one.level}" for one in sheet.skills if one.xp)
        held = ", ".join(
            f"{row.quantity} {row.item}" for row in await self.keep.ask(items.inventory(holder=self.id)) if row.container in CARRIED
        )
        return f"Combat {sheet.combat_level}, {trained}. You have {held}."


def usage(verb: str) -> str:
    """Give a verb with its words; those in brackets may be left out."""
    words = list(inspect.signature(getattr(Player, verb)).parameters.values())[1:]
    return " ".join([verb, *(one.name.upper() if one.default is one.empty else f"[{one.name.upper()}]" for one in words)])


SCRIPT: Final = {
    "Edda Marsh": """
        prices kestrel_general; buy kestrel_general bronze_hatchet; work chop_alder 6; work chop_stoneoak; buy rod_and_reed river_net
        start brooklings_for_the_watch; work net_brooklings 5; work cook_brookling 5; tell brooklings_for_the_watch bring
        finish brooklings_for_the_watch; deposit; withdraw alder_logs 5 noted; sell kestrel_general alder_logs_noted 5; sheet""",
    "Joss Weir": """
        buy anvil_row bronze_sword; wear bronze_sword; buy anvil_row iron_sword; wear iron_sword; fight marsh_rat 18; deposit
        withdraw iron_sword; wear iron_sword; fight marsh_rat 5; fight drowned_castellan; recover; work bury 2; sheet""",
}


async def enter(keep: Keep, name: str) -> Player:
    """Let somebody into the valley; who is new finds a purse."""
    if await keep.version(WORLD) is None:
        folder = packs.built_in("runescape")
        assert folder is not None
        await keep.do(content.load_pack(pack=content.read_pack(folder)), worlds.create_world(world=WORLD, name="Kestrel Vale"))
    known = await keep.ask(characters.find(name=name))
    if known is not None:
        return Player(keep, known.character_id)
    id = (await keep.do(characters.create(name=name))).character_id
    await keep.do(items.grant(holder=id, item="coins", quantity=PURSE, source="starter", container="pouch"), key=f"purse:{id}")
    return Player(keep, id)


async def play(url: str) -> list[str]:
    """Let the script play, and tell it."""
    told: list[str] = []
    async with gamekeeper.open(url, create=True) as keep:
        for name, lines in SCRIPT.items():
            player = await enter(keep, name)
            told += [f"{name}: {line.strip()} - {await player.say(line)}" for line in lines.replace("\n", ";").split(";") if line.strip()]
        flows = await keep.ask(items.economy())
        told += [f"{one.quantity} {one.item} went to {one.account}." for one in flows.sinks if one.item == "coins"]
        report = await verify(keep)
        told.append(f"{report.entries} journal entries, {len(report.problems)} problems.")
    return told


def typed() -> str:
    """Give a line that is typed; `quit` at the end of the input."""
    try:
        return input("> ")
    except EOFError:
        return "quit"


async def by_hand(name: str) -> None:
    """Play until somebody quits, or the input ends."""
    async with gamekeeper.open("sqlite:///runescape_like.db", create=True) as keep:
        player = await enter(keep, name)
        print(player.help())
        while (line := await asyncio.to_thread(typed)) != "quit":
            print(await player.say(line))


def main() -> None:
    """Play by hand, or let the script play in a folder that goes away."""
    if sys.argv[1:2] == ["play"]:
        asyncio.run(by_hand(input("Your name: ")))
        return
    with tempfile.TemporaryDirectory() as folder:
        print("\n".join(asyncio.run(play(f"sqlite:///{Path(folder) / 'valley.db'}"))))


if __name__ == "__main__":
    main()
