"""Flights: batches on their way, and what the next batch may build on them.

A batch that has run in memory knows how its owners will stand when its write is in. The next batch runs over that while
the write is under way, and is written itself only when the one before stands; if that one falls, it runs again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from gamekeeper.kernel.submissions import Plan, Submission
from gamekeeper.kernel.workingset import OwnerState


class Flight:
    """A batch from its collection to its last answer."""

    __slots__ = ("below", "over", "plan", "stands", "submissions", "turns")

    def __init__(self, submissions: Sequence[Submission], turns: set[str], below: Iterable[Flight]) -> None:
        loop = asyncio.get_running_loop()
        self.submissions = submissions
        self.turns = turns
        """its owners and idempotency keys"""
        self.below = tuple(below)
        """the flights whose owners it takes over before they have landed"""
        self.plan: Plan | None = None
        """what is being written, once others may build on it"""
        self.stands: asyncio.Future[bool] = loop.create_future()
        """whether that plan was written as it is"""
        self.over: asyncio.Future[None] = loop.create_future()

    @property
    def open(self) -> bool:
        """Whether others may build on it now."""
        return self.plan is not None and not self.stands.done()

    def settle(self, stands: bool) -> None:
        """Say whether its plan stands; the first word counts."""
        if not self.stands.done():
            self.stands.set_result(stands)

    def end(self) -> None:
        """Say that all of its callers have their answers."""
        self.settle(False)
        if not self.over.done():
            self.over.set_result(None)

    async def ground(self) -> bool:
        """Wait for the flights below; whether all of them stand. If one fell, it has ended in another way by then."""
        stood = True
        for flight in self.below:
            if not await asyncio.shield(flight.stands):
                await asyncio.shield(flight.over)
                stood = False
        self.below = ()
        return stood

    def ahead(self) -> dict[str, OwnerState] | None:
        """How owners will stand when the flights below do; None when that cannot be told of one of them."""
        states: dict[str, OwnerState] = {}
        for flight in self.below:
            if flight.stands.done() and flight.stands.result():
                continue  # it stands, and the cache says what it left
            for owner in self.turns & flight.turns:
                state = _after(flight.plan, owner) if flight.open and flight.plan is not None else None
                if state is None:
                    return None
                states[owner] = state
        return states


def _after(plan: Plan, owner: str) -> OwnerState | None:
    draft = plan.drafts.get(owner)
    if draft is None or draft.created or draft.erased:
        return None
    now = draft.state
    version = now.version + 1 if draft.changed else now.version
    state = OwnerState(owner, now.kind, version, now.epoch, now.holder, draft.head, draft.seq, now.data_key)
    state.tables = {**now.tables, **draft.tables}
    state.keyed = {**now.keyed, **draft.keyed}
    # What only memory holds is the same for both: checkpoints wait while an owner is in flight.
    state.dirty, state.dirty_since, state.images, state.degraded = now.dirty, now.dirty_since, now.images, now.degraded
    return state


class Airspace:
    """Who is in flight: which owners and keys the next batch must leave alone, and which it may build on."""

    def __init__(self) -> None:
        self.busy: dict[str, int] = {}
        """owners and keys by how many flights and holds are on them"""
        self.flights: set[Flight] = set()
        self._last: dict[str, Flight] = {}
        self.wanted: dict[str, int] = {}
        """owners that somebody waits to hold"""
        self._freed = asyncio.Event()

    def blocked(self) -> set[str]:
        """The turns that no other batch may take now. Two batches may be on an owner, and a retry waits for the first try to end."""
        last = self._last
        blocked = {turn for turn, count in self.busy.items() if count > 1 or turn not in last or ":" in turn or not last[turn].open}
        blocked.update(self.wanted)
        return blocked

    def take_off(self, submissions: Sequence[Submission]) -> Flight:
        """Begin a flight, over those that are on the same owners."""
        turns = {turn for submission in submissions for turn in submission.turns}
        flight = Flight(submissions, turns, {self._last[turn] for turn in turns if turn in self._last})
        _count(self.busy, turns)
        for turn in turns:
            self._last[turn] = flight
        self.flights.add(flight)
        return flight

    def land(self, flight: Flight) -> None:
        """End a flight."""
        flight.end()
        self.flights.discard(flight)
        for turn in flight.turns:
            if self._last[turn] is flight:
                del self._last[turn]
        self.let_go(flight.turns)

    async def hold(self, owners: set[str]) -> None:
        """Wait until nothing flies on these owners, and keep batches off them; `let_go` ends it."""
        _count(self.wanted, owners)  # or one flight would follow the other for ever
        try:
            while not self.busy.keys().isdisjoint(owners):
                self._freed.clear()
                await self._freed.wait()
        finally:
            _uncount(self.wanted, owners)
        _count(self.busy, owners)

    def hold_free(self, owners: Iterable[str]) -> set[str]:
        """Hold those of the owners that nothing flies on; gives them."""
        free = {owner for owner in owners if owner not in self.busy}
        _count(self.busy, free)
        return free

    def let_go(self, turns: Iterable[str]) -> None:
        """End a hold."""
        _uncount(self.busy, turns)
        self._freed.set()

    def building(self) -> int:
        """How many flights wait for others below them."""
        return sum(1 for flight in self.flights if flight.below)

    def writing(self) -> int:
        """How many flights wait for nobody."""
        return len(self.flights) - self.building()

    def callers(self) -> int:
        """How many submissions are in flight."""
        return sum(len(flight.submissions) for flight in self.flights)


def _count(counts: dict[str, int], names: Iterable[str]) -> None:
    for name in names:
        counts[name] = counts.get(name, 0) + 1


def _uncount(counts: dict[str, int], names: Iterable[str]) -> None:
    for name in names:
        left = counts[name] - 1
        if left:
            counts[name] = left
        else:
            del counts[name]
