"""Bots that play: guests who gather, equip, use up, drop, pick up and trade, each by the commands that a player has."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from msgspec import Struct

from .api import Api, Problem

GIVEN: Final = (
    "Ash",
    "Birch",
    "Clover",
    "Dew",
    "Elm",
    "Fern",
    "Gorse",
    "Hazel",
    "Ivy",
    "Juniper",
    "Linden",
    "Moss",
    "Nettle",
    "Rowan",
    "Tansy",
)
SURNAMES: Final = ("Quickhand", "Lightfoot", "Farwalker", "of the Hollow", "Nightherd", "Stillwater", "Burr", "Thrushwood", "o' Wisp")
NAME_TRIES: Final = 20
GATHERED: Final = 5
"""How many of a thing that stacks are gathered at once, at the most."""
FULL: Final = 20
"""Slots of an inventory that may be taken before a bot banks instead of gathering."""
HEAPS: Final = 500
"""Heaps on the ground that are remembered."""
COOLDOWN_SECONDS: Final = 3.5
"""How long to wait between two requests for a trade; the server insists on 3."""
ODDS: Final = (8, 2, 3, 2, 2, 6)
"""How often a bot gathers, equips, uses up, drops, picks up and trades."""
CANCELLED: Final = 0.1
"""How often a bot thinks better of a trade."""


class Thing(Struct, frozen=True):
    """What a bot knows of an item."""

    id: str
    stackable: bool
    tradeable: bool
    wearable: bool


class Game(Struct, frozen=True):
    """What all bots share."""

    api: Api
    server_key: str
    world: str
    things: dict[str, Thing]
    heaps: list[int]
    """slots of the ground in which somebody let something fall"""
    bots: "list[Bot]"


class Bot:
    """One guest with one character."""

    def __init__(self, game: Game, number: int, luck: random.Random) -> None:
        self.game = game
        self.luck = luck
        self.number = number
        self.busy = asyncio.Lock()
        """held while the bot acts, so that a trade has it to itself"""
        self.plays = False
        self.wanted = False
        """whether it is in a trade, or about to be"""
        self.token = self.user = self.session = self.character = ""
        self._may_ask_at = 0.0

    async def arrive(self) -> None:
        """Register as a guest, make a character and enter the world."""
        opened = await self.game.api.do("sessions.guest_session", client_type="demo")
        self.token, self.user, self.session = opened["token"], opened["user_id"], opened["session_id"]
        self.character = await self._make_character()
        await self._do("characters.select", user=self.user, session_id=self.session, character=self.character)

    async def _make_character(self) -> str:
        for _ in range(NAME_TRIES):
            name = f"{self.luck.choice(GIVEN)} {self.luck.choice(SURNAMES)} {_letters(self.luck.randrange(26**3))}"
            try:
                made = await self._do("characters.create", user=self.user, world_id=self.game.world, name=name)
            except Problem as problem:
                if problem.code != "NAME_TAKEN":
                    raise
            else:
                return str(made["character_id"])
        raise Problem("NAME_TAKEN", "no free name was found for a bot")

    async def leave(self) -> None:
        """End the session, once nobody trades with this bot."""
        async with self.busy:
            self.plays = False
        await self._do("people.log_out", user=self.user, session_id=self.session)

    async def play(self, stop: asyncio.Event) -> None:
        """Do one thing after another until told to stop. That the world says no to some of it is part of the game."""
        acts: Sequence[Callable[[], Awaitable[None]]] = (self.gather, self.equip, self.use_up, self.drop, self.pick_up, self.trade)
        self.plays = True
        while not stop.is_set():
            act = self.luck.choices(acts, ODDS)[0]
            try:
                if act == self.trade:
                    await self.trade()
                else:
                    async with self.busy:
                        await act()
            except Problem:
                continue

    # What a bot does

    async def gather(self) -> None:
        """Find something new, or make room for it."""
        carried = await self._carried()
        if len(carried) >= FULL:
            await self._bank(carried)
            return
        thing = self.luck.choice(list(self.game.things.values()))
        quantity = self.luck.randint(1, GATHERED) if thing.stackable else 1
        await self._serve("items.grant", holder=self.character, item=thing.id, quantity=quantity, source="gather")

    async def _bank(self, carried: list[dict[str, Any]]) -> None:
        for row in self.luck.sample(carried, len(carried) // 2):
            place = {"from_container": "inventory", "from_slot": row["slot"], "to_container": "bank:0"}
            await self._do("items.move", holder=self.character, **place)

    async def equip(self) -> None:
        """Put something on."""
        row = self._one_of([row for row in await self._carried() if self._knows(row) and self.game.things[row["item"]].wearable])
        if row is not None:
            await self._do("items.equip", character=self.character, slot=row["slot"])

    async def use_up(self) -> None:
        """Eat, burn or break something."""
        row = self._one_of(await self._carried())
        if row is not None:
            await self._serve("items.use_up", holder=self.character, item=row["item"], quantity=1, sink="used")

    async def drop(self) -> None:
        """Let something fall."""
        row = self._one_of(await self._carried())
        if row is not None and len(self.game.heaps) < HEAPS:
            fallen = await self._do("items.drop", character=self.character, world=self.game.world, slot=row["slot"])
            self.game.heaps.append(fallen["slot"])

    async def pick_up(self) -> None:
        """Take something from the ground."""
        if self.game.heaps:
            slot = self.game.heaps.pop(self.luck.randrange(len(self.game.heaps)))
            try:
                await self._do("items.pick_up", character=self.character, world=self.game.world, slot=slot)
            except Problem as problem:
                if problem.code == "LOOT_PROTECTED":
                    self.game.heaps.append(slot)
                raise

    async def trade(self) -> None:
        """Trade with another bot that has nothing else to do."""
        now = asyncio.get_running_loop().time()
        others = [one for one in self.game.bots if one is not self and one.plays and not one.wanted]
        if self.wanted or not others or now < self._may_ask_at:
            return
        self._may_ask_at = now + COOLDOWN_SECONDS
        other = self.luck.choice(others)
        self.wanted = other.wanted = True
        try:
            # The lower number first, so that bots never wait for each other in a circle.
            first, second = sorted((self, other), key=lambda one: one.number)
            async with first.busy, second.busy:
                if other.plays:
                    await self._trade_with(other)
        finally:
            self.wanted = other.wanted = False

    async def _trade_with(self, other: "Bot") -> None:
        trade = (await self._do("trades.request", initiator=self.character, receiver=other.character))["trade_id"]
        try:
            await self._agree(other, trade)
        except Problem:
            # Nobody waits in a trade that came to nothing.
            await self._do("trades.cancel", character=self.character, trade=trade)
            raise

    async def _agree(self, other: "Bot", trade: str) -> None:
        await other._do("trades.respond", character=other.character, trade=trade, accept=True)
        state: dict[str, Any] = {}
        for side in (self, other):
            state = await side._do("trades.offer", character=side.character, trade=trade, items=await side._offer())
        if self.luck.random() < CANCELLED:
            await other._do("trades.cancel", character=other.character, trade=trade)
            return
        for _screen in ("offer", "confirm"):
            revision = state["revision"]
            for side in (self, other):
                state = await side._do("trades.accept", character=side.character, trade=trade, revision=revision)
        self.game.api.tally.trades += state["status"] == "completed"

    async def _offer(self) -> list[dict[str, Any]]:
        rows = [row for row in await self._carried() if self._knows(row) and self.game.things[row["item"]].tradeable]
        chosen = self.luck.sample(rows, min(len(rows), self.luck.randint(0, 3)))
        return [{"slot": row["slot"], "quantity": self.luck.randint(1, row["quantity"]), "item": row["item"]} for row in chosen]

    # How a bot does it

    async def _carried(self) -> list[dict[str, Any]]:
        rows = await self.game.api.ask("items.inventory", self.token, holder=self.character, container="inventory")
        return list(rows)

    def _knows(self, row: dict[str, Any]) -> bool:
        return row["item"] in self.game.things

    def _one_of(self, rows: list[dict[str, Any]]) -> dict[str, Any] | None:
        return self.luck.choice(rows) if rows else None

    async def _do(self, name: str, /, **arguments: Any) -> Any:
        return await self.game.api.do(name, self.token, **arguments)

    async def _serve(self, name: str, /, **arguments: Any) -> Any:
        """What only a game server may do: value comes and goes by its word, not by a player's."""
        return await self.game.api.do(name, self.game.server_key, **arguments)


def _letters(number: int) -> str:
    """Give three letters for a number, so that many may bear one name.

    >>> _letters(0), _letters(26**3 - 1)
    ('Aaa', 'Zzz')
    """
    high, low = divmod(number, 26)
    return (chr(97 + high // 26) + chr(97 + high % 26) + chr(97 + low)).capitalize()
