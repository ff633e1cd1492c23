"""A small game of its own on Gamekeeper: characters fish a lake that runs dry, and sell their catch.

It declares two records and three commands in this one file. They are journaled, verified, idempotent and fenced like
Gamekeeper's own, and they stand on every surface: run this file, or, in the folder that it lies in,

    GAMEKEEPER_MODULES=fishing_derby gamekeeper dev

and find POST /v1/fishing_derby/cast_line in /v1/openapi.json.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

import gamekeeper
from gamekeeper.errors import GameError
from gamekeeper.kernel.commands import command
from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.queries import Reader, query
from gamekeeper.kernel.records import Amount, EpochMs, Key, OwnedBy, Quantity, Record
from gamekeeper.kernel.verify import verify
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, content, items, users

LakeId = Annotated[Id, OwnedBy("lake")]
NewLakeId = Annotated[Id, OwnedBy("lake", creates=True)]
Grams = Annotated[int, Meta(ge=1, le=100_000)]

LUCK = 3
"""One cast in this many is in vain."""


class Lake(Record, table="derby_lakes"):
    """A lake and the fish that are left in it."""

    lake_id: Key[LakeId]
    name: Annotated[str, Meta(min_length=1, max_length=60)]
    fish_left: Amount


class Catch(Record, table="derby_catches", append_only=True):
    """A fish that was caught: a ledger, so it is never changed."""

    lake_id: Key[LakeId]
    catch_id: Key[Id]
    character_id: Id
    weight_grams: Grams
    at: EpochMs


class LakeEmpty(GameError):
    """No fish is left in the lake."""

    code = "LAKE_EMPTY"
    lake: str


class Cast(Struct, frozen=True):
    """What a cast brought: the weight of a fish, or nothing."""

    weight_grams: int | None


@command(touches=[Lake])
def open_lake(ctx: Context, *, lake: NewLakeId | None = None, name: str, fish: Quantity) -> Lake:
    """Make a lake with fish in it."""
    made = Lake(ctx.create_owner("lake", lake), name, fish)
    ctx.put(made)
    return made


@command(touches=[characters.Character, Lake, Catch, items.Holding, items.ItemMovement], access="player")
def cast_line(ctx: Context, *, character: characters.CharacterId, lake: LakeId) -> Cast:
    """Cast a line; a fish comes out of the lake and into the inventory, or neither happens.

    Raises: CHARACTER_NOT_FOUND, LAKE_EMPTY, INVENTORY_FULL.
    """
    characters.alive(ctx, character)
    water = ctx.get(Lake, lake)
    if water is None or water.fish_left == 0:
        raise LakeEmpty(lake=lake)
    if ctx.random.randrange(LUCK) == 0:
        return Cast(None)
    ctx.change(water, fish_left=water.fish_left - 1)
    weight = ctx.random.randint(200, 4_000)
    ctx.append(Catch(lake, ctx.new_id(), character, weight, ctx.now))
    items.mint(ctx, character, "derby_trout", 1, source="lake")
    return Cast(weight)


@command(touches=[characters.Character, items.Holding, items.ItemMovement], access="player")
def sell_catch(ctx: Context, *, character: characters.CharacterId, quantity: Quantity) -> int:
    """Sell fish for coins: the fish are burned, the coins minted, in one command.

    Raises: CHARACTER_NOT_FOUND, ITEM_NOT_FOUND, INSUFFICIENT_QUANTITY, INVENTORY_FULL.
    """
    characters.alive(ctx, character)
    for parcel in items.take(ctx, character, "derby_trout", quantity):
        items.burn(ctx, parcel, sink="market")
    items.mint(ctx, character, "coins", 5 * quantity, source="market", container="pouch")
    return 5 * quantity


@query(access="public")
async def catches(read: Reader, *, lake: LakeId) -> list[Catch]:
    """List what was caught in a lake."""
    return await read.all(Catch, lake)


PACK = content.pack_of(
    content.ItemDefinition(id="derby_trout", name="Derby trout", kind="fish", stackable=True, value=5),
    content.ItemDefinition(id="coins", name="Coins", kind="currency", stackable=True, value=1),
    id="fishing_derby",
    version="1",
    title="Fishing derby",
)


async def play(url: str) -> list[str]:
    """Play a derby of two, and tell it."""
    told: list[str] = []
    async with gamekeeper.open(url, create=True) as keep:
        await keep.do(content.load_pack(pack=PACK), actor="operator:derby")
        user = await keep.do(users.create_guest())
        names = ("Maro Reed", "Ila Finn")
        anglers = [(await keep.do(characters.create(user=user.user_id, name=name))).character_id for name in names]
        lake = (await keep.do(open_lake(name="Mirror Lake", fish=8))).lake_id

        for turn in range(60):
            angler = turn % 2
            try:
                # The key makes a retry after a lost connection harmless: one cast, one fish.
                cast = await keep.do(cast_line(character=anglers[angler], lake=lake), key=f"cast-{turn}")
            except LakeEmpty:
                told.append("The lake is empty.")
                break
            if cast.weight_grams:
                told.append(f"{names[angler]} lands {cast.weight_grams} g.")

        for name, angler_id in zip(names, anglers, strict=True):
            fish = await keep.ask(items.held(holder=angler_id, item="derby_trout"))
            if fish:
                told.append(
                    f"{name} sells {fish} fish for {await keep.do(sell_catch(character=angler_id, quantity=fish), key=name)} coins."
                )
        report = await verify(keep)
        told.append(f"{report.entries} journal entries, {len(report.problems)} problems.")
    return told


def main() -> None:
    """Play in a folder that goes away, or at the URL given."""
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{Path(folder) / 'derby.db'}"
        print("\n".join(asyncio.run(play(url))))


if __name__ == "__main__":
    main()
