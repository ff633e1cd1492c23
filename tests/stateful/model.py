"""What items do, said a second time: plain dictionaries in memory, written from the rules and not from the code.

A command of the model changes it and gives nothing, or raises `No` with the code that the caller must see and changes nothing.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

ROOM = {"inventory": 28, "equipment": 11, "pouch": 16, "bank": 480, "ground": 10_000}
WORN_AT = {"arrow": "arrows", "helm": "helmet", "crown": "helmet"}
STACK = {"coins": 2**31 - 1, "arrow": 100}
"""How high things pile up; what is not here lies alone."""
UNIQUE = {"crown"}
CURRENCY = {"coins"}
KNOWN = {"coins", "arrow", "logs", "helm", "crown", "cell_key"}
BOUND = {"cell_key"}

Place = tuple[str, int]


class No(Exception):
    """Refused, with the code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Pile:
    """Some of one thing in one place."""

    item: str
    count: int
    uid: str | None = None
    marks: dict[str, Any] = field(default_factory=dict)

    def like(self, other: "Pile") -> bool:
        """Whether two piles may become one."""
        return self.item == other.item and self.item in STACK and not self.uid and not other.uid and repr(self.marks) == repr(other.marks)

    def part(self, count: int) -> "Pile":
        """A pile like this one, of another size."""
        return Pile(self.item, count, self.uid, self.marks)


class Model:
    """Who has what where."""

    def __init__(self, equipment: tuple[str, ...]) -> None:
        self.equipment = equipment
        self.has: dict[str, dict[Place, Pile]] = {}
        self.dropped_by: dict[Place, str] = {}

    @contextmanager
    def whole(self) -> Iterator[None]:
        """All or nothing."""
        has, dropped_by = copy.deepcopy(self.has), dict(self.dropped_by)
        try:
            yield
        except No:
            self.has, self.dropped_by = has, dropped_by
            raise

    # Where things lie

    def pile(self, who: str, container: str, slot: int) -> Pile:
        """What lies there."""
        try:
            return self.has[who][container, slot]
        except KeyError:
            raise No("SLOT_EMPTY") from None

    def room(self, who: str, container: str) -> int:
        """How many more piles fit; the tabs of a bank share one room."""
        kind = container.split(":")[0]
        return ROOM[kind] - sum(name.split(":")[0] == kind for name, _ in self.has[who])

    def lay_free(self, who: str, container: str, pile: Pile) -> None:
        """Into the first free slot."""
        slot = next(slot for slot in range(ROOM["ground"]) if (container, slot) not in self.has[who])
        self.has[who][container, slot] = pile

    def remove(self, who: str, place: Place, count: int) -> Pile:
        """Take some of a pile away."""
        pile = self.has[who][place]
        if count == pile.count:
            del self.has[who][place]
        else:
            self.has[who][place] = pile.part(pile.count - count)
        return pile.part(count)

    def piles_of(self, who: str, container: str, item: str) -> list[Place]:
        """Where somebody has a thing, the first slots first."""
        return sorted(place for place, pile in self.has[who].items() if place[0] == container and pile.item == item)

    def collect(self, who: str, container: str, item: str, count: int) -> list[Pile]:
        """Take a number of a thing, from the first slots on."""
        places = self.piles_of(who, container, item)
        if not places:
            raise No("ITEM_NOT_FOUND")
        if sum(self.has[who][place].count for place in places) < count:
            raise No("INSUFFICIENT_QUANTITY")
        taken = []
        for place in places:
            if count:
                part = min(count, self.has[who][place].count)
                taken.append(self.remove(who, place, part))
                count -= part
        return taken

    def stow(self, who: str, container: str, pile: Pile) -> None:
        """Put a pile where it belongs: onto like ones first, then into free slots."""
        if container == "equipment":
            raise No("CONTAINER_INVALID")
        if container == "pouch":
            if pile.item not in CURRENCY or pile.marks or pile.uid:
                raise No("CONTAINER_INVALID")
            if sum(self.has[who][place].count for place in self.piles_of(who, container, pile.item)) + pile.count > STACK[pile.item]:
                raise No("STACK_OVERFLOW")
        left, most = pile.count, STACK.get(pile.item, 1)
        for place in self.piles_of(who, container, pile.item):
            there = self.has[who][place]
            if left and there.like(pile) and there.count < most:
                part = min(left, most - there.count)
                self.has[who][place] = there.part(there.count + part)
                left -= part
        if -(-left // most) > self.room(who, container):
            raise No("INVENTORY_FULL")
        while left:
            part = min(left, most)
            self.lay_free(who, container, pile.part(part))
            left -= part

    # What may be done

    def grant(self, who: str, item: str, count: int, container: str, marks: dict[str, Any], uids: Callable[[int], list[str]]) -> None:
        """New things; of unique ones each has an id of its own."""
        if item not in KNOWN:
            raise No("UNKNOWN_ITEM")
        if item not in UNIQUE:
            return self.stow(who, container, Pile(item, count, None, marks))
        if container in ("equipment", "pouch"):
            raise No("CONTAINER_INVALID")
        if count > self.room(who, container):
            raise No("INVENTORY_FULL")
        for uid in uids(count):
            self.lay_free(who, container, Pile(item, 1, uid, marks))
        return None

    def use_up(self, who: str, item: str, count: int, container: str) -> None:
        """Things go out of the world."""
        self.collect(who, container, item, count)

    def move(self, who: str, source: str, slot: int, target: str, to_slot: int | None, count: int | None) -> None:
        """A pile, or some of it, to another place."""
        for container in (source, target):
            if container in ("equipment", "ground"):
                raise No("CONTAINER_INVALID")
        pile = self.pile(who, source, slot)
        count = self.enough(pile, count)
        if to_slot is None or target == "pouch":
            return self.stow(who, target, self.remove(who, (source, slot), count))
        if to_slot >= ROOM[target.split(":")[0]]:
            raise No("INVALID_SLOT")
        return self.shift(who, (source, slot), count, (target, to_slot))

    def enough(self, pile: Pile, count: int | None) -> int:
        """The number asked for; all of it when none was said."""
        if count is not None and count > pile.count:
            raise No("INSUFFICIENT_QUANTITY")
        return pile.count if count is None else count

    def shift(self, who: str, source: Place, count: int, target: Place) -> None:
        """Into a free place, onto a like pile, or the two change places."""
        if source == target:
            return
        mine, there = self.has[who][source], self.has[who].get(target)
        whole = count == mine.count
        if there is None:
            moved = self.remove(who, source, count)
            if not self.room(who, target[0]):
                raise No("INVENTORY_FULL")
            self.has[who][target] = moved
            return
        most = STACK.get(mine.item, 1)
        if mine.like(there) and there.count < most:
            part = min(count, most - there.count)
            self.remove(who, source, part)
            self.has[who][target] = there.part(there.count + part)
            return
        if mine.like(there) and not whole:
            raise No("STACK_OVERFLOW")
        if not whole or source[0] == "pouch":
            raise No("SLOT_OCCUPIED")
        self.has[who][source], self.has[who][target] = there, mine

    def split(self, who: str, container: str, slot: int, count: int, to_slot: int | None) -> None:
        """Two piles out of one."""
        if container in ("equipment", "ground", "pouch"):
            raise No("CONTAINER_INVALID")
        pile = self.pile(who, container, slot)
        if count >= pile.count:
            raise No("INSUFFICIENT_QUANTITY")
        if not self.room(who, container):
            raise No("INVENTORY_FULL")
        if to_slot is None:
            self.lay_free(who, container, self.remove(who, (container, slot), count))
            return
        if to_slot >= ROOM[container.split(":")[0]]:
            raise No("INVALID_SLOT")
        if (container, to_slot) in self.has[who]:
            raise No("SLOT_OCCUPIED")
        self.has[who][container, to_slot] = self.remove(who, (container, slot), count)

    def merge(self, who: str, container: str, slot: int, to_slot: int) -> None:
        """One pile out of two, as far as it goes."""
        if container in ("equipment", "ground", "pouch"):
            raise No("CONTAINER_INVALID")
        mine, there = self.pile(who, container, slot), self.pile(who, container, to_slot)
        if slot == to_slot or not mine.like(there):
            raise No("STACKS_DIFFER")
        part = min(mine.count, STACK[mine.item] - there.count)
        if not part:
            raise No("STACK_OVERFLOW")
        self.remove(who, (container, slot), part)
        self.has[who][container, to_slot] = there.part(there.count + part)

    def equip(self, who: str, slot: int) -> None:
        """Put on; what was worn comes back into the slot."""
        pile = self.pile(who, "inventory", slot)
        if pile.item not in WORN_AT:
            raise No("NOT_EQUIPPABLE")
        self.shift(who, ("inventory", slot), pile.count, ("equipment", self.equipment.index(WORN_AT[pile.item])))

    def unequip(self, who: str, worn_at: str) -> None:
        """Take off."""
        place = ("equipment", self.equipment.index(worn_at))
        self.stow(who, "inventory", self.remove(who, place, self.pile(who, *place).count))

    def give(self, giver: str, receiver: str, item: str, count: int) -> None:
        """From one to another."""
        if giver == receiver:
            raise No("SELF_TRADE")
        self.may_change_hands(item)
        for pile in self.collect(giver, "inventory", item, count):
            self.stow(receiver, "inventory", pile)

    def may_change_hands(self, item: str) -> None:
        """Not what is bound, nor what nobody knows."""
        if item in BOUND or item not in KNOWN:
            raise No("UNTRADEABLE_ITEM")

    def swap(self, first: str, second: str, gives: str, count: int, gets: str, price: int) -> None:
        """Both at once."""
        if first == second:
            raise No("SELF_TRADE")
        self.may_change_hands(gives)
        self.may_change_hands(gets)
        ours, theirs = self.collect(first, "inventory", gives, count), self.collect(second, "inventory", gets, price)
        for who, piles in ((first, theirs), (second, ours)):
            for pile in piles:
                self.stow(who, "inventory", pile)

    def drop(self, who: str, world: str, container: str, slot: int, count: int | None) -> None:
        """Onto the ground, as a heap of its own."""
        if container not in ("inventory", "equipment"):
            raise No("CONTAINER_INVALID")
        pile = self.pile(who, container, slot)
        taken = self.remove(who, (container, slot), self.enough(pile, count))
        before = set(self.has[world])
        self.lay_free(world, "ground", taken)
        (place,) = set(self.has[world]) - before
        self.dropped_by[place] = who

    def pick_up(self, who: str, world: str, slot: int) -> None:
        """A whole heap; what is bound only by the one who dropped it."""
        pile = self.pile(world, "ground", slot)
        if self.dropped_by["ground", slot] != who:
            self.may_change_hands(pile.item)
        del self.has[world]["ground", slot], self.dropped_by["ground", slot]
        self.stow(who, "inventory", pile)
