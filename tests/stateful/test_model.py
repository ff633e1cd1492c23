"""The keep against the model: the same random commands to both, and after every one the same things in the same slots, or the same code."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

import gamekeeper
from gamekeeper import GameError
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import Call
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import content, items, worlds
from tests.modules import scene
from tests.stateful import model
from tests.stateful.model import Model, No

STEPS = 30
LEAST_HITS = 10
"""How often each rule must have come at 60 sequences; a rule that never comes proves nothing."""

PEOPLE = st.integers(0, 2)
CARRIED = st.sampled_from(["coins", "arrow", "logs", "helm", "crown", "cell_key"])
ITEMS = st.one_of(CARRIED, CARRIED, CARRIED, CARRIED, st.just("moonbeam"))
CONTAINERS = st.sampled_from(["inventory", "inventory", "inventory", "bank:0", "bank:3", "pouch", "equipment"])
COUNTS = st.one_of(st.integers(1, 5), st.sampled_from([1, 20, 27, 60, 100, 101, 250]), st.sampled_from([2**31 - 1, 2**31, 2**53 - 1]))
FEW = st.one_of(st.integers(1, 3), st.integers(1, 120))
SLOTS = st.one_of(st.integers(0, 5), st.integers(0, 29), st.sampled_from([480, 2**31 - 1]))
MARKS = st.sampled_from([{}, {}, {}, {"charges": 1}, {"charges": True}])
DATA = st.data()
SETTINGS = settings(stateful_step_count=STEPS, deadline=None, database=None, suppress_health_check=list(HealthCheck))


class ItemsMachine(RuleBasedStateMachine):
    """Three characters and a world, in the keep and in the model."""

    keep: ClassVar[Keep]
    run: ClassVar[Any]
    hits: ClassVar[Counter[str]] = Counter()
    codes: ClassVar[Counter[str]] = Counter()
    sequences: ClassVar[int] = 0

    @initialize()
    def people(self) -> None:
        """New people for every sequence: what was before stays behind."""
        cls = type(self)
        cls.sequences += 1
        self.model = Model(content.EQUIPMENT_SLOTS)
        words = ["Ada", "Bob", "Cyd"]
        self.ids: list[str] = cls.run(scene.people(cls.keep, *(f"{word} {cls.sequences}" for word in words)))
        self.world: str = cls.run(cls.keep.do(worlds.create_world(name="Field"), actor="operator:test")).world_id
        for one in (*self.ids, self.world):
            self.model.has[one] = {}
        for one in self.ids:
            for item, count in (("arrow", 150), ("coins", 40), ("logs", 3)):
                cls.run(cls.keep.do(items.grant(holder=one, item=item, quantity=count, source="starter")))
                self.model.grant(one, item, count, "inventory", {}, lambda _: [])

    def both(self, name: str, call: Call[Any], on_model: Callable[[Any], None]) -> None:
        """Do it here and there; the answer, or the code, must be the same."""
        cls = type(self)
        answer: Any = None
        try:
            answer, said = cls.run(cls.keep.do(call)), "done"
        except GameError as error:
            said = error.code
        try:
            with self.model.whole():
                on_model(answer)
            expected = "done"
        except No as no:
            expected = no.code
        cls.hits[name] += 1
        cls.codes[said] += 1
        event(name)
        event(f"{name}: {said}")
        assert said == expected, f"{name} {call.arguments}: the keep says {said}, the model {expected}"

    def occupied(self, data: Any, owner: str, *containers: str) -> Any:
        """A place, mostly one where something lies."""
        places = sorted(place for place in self.model.has[owner] if not containers or place[0] in containers)
        if places and data.draw(st.integers(0, 9)):
            return data.draw(st.sampled_from(places))
        return data.draw(st.sampled_from(containers) if containers else CONTAINERS), data.draw(SLOTS)

    # The rules

    @rule(who=PEOPLE, item=ITEMS, count=COUNTS, container=CONTAINERS, marks=MARKS)
    def grant(self, who: int, item: str, count: int, container: Any, marks: dict[str, Any]) -> None:
        """New things."""
        one = self.ids[who]
        call = items.grant(holder=one, item=item, quantity=count, source="loot", container=container, metadata=marks)
        self.both("grant", call, lambda answer: self.model.grant(one, item, count, container, marks, lambda _: answer.item_uids))

    @rule(who=PEOPLE, item=ITEMS, count=FEW, container=CONTAINERS)
    def use_up(self, who: int, item: str, count: int, container: Any) -> None:
        """Things go."""
        one = self.ids[who]
        call = items.use_up(holder=one, item=item, quantity=count, sink="fire", container=container)
        self.both("use_up", call, lambda _: self.model.use_up(one, item, count, container))

    @rule(who=PEOPLE, data=DATA, into=CONTAINERS, to_slot=st.one_of(st.none(), SLOTS), count=st.one_of(st.none(), FEW))
    def move(self, who: int, data: Any, into: Any, to_slot: int | None, count: int | None) -> None:
        """Within what one has."""
        one = self.ids[who]
        container, slot = self.occupied(data, one)
        call = items.move(holder=one, from_container=container, from_slot=slot, to_container=into, to_slot=to_slot, quantity=count)
        self.both("move", call, lambda _: self.model.move(one, container, slot, into, to_slot, count))

    @rule(who=PEOPLE, data=DATA, count=FEW, to_slot=st.one_of(st.none(), SLOTS))
    def split(self, who: int, data: Any, count: int, to_slot: int | None) -> None:
        """Two out of one."""
        one = self.ids[who]
        container, slot = self.occupied(data, one)
        call = items.split(holder=one, container=container, slot=slot, quantity=count, to_slot=to_slot)
        self.both("split", call, lambda _: self.model.split(one, container, slot, count, to_slot))

    @rule(who=PEOPLE, data=DATA)
    def merge(self, who: int, data: Any) -> None:
        """One out of two."""
        one = self.ids[who]
        container, slot = self.occupied(data, one)
        pile = self.model.has[one].get((container, slot))
        alike = [place for place, other in self.model.has[one].items() if pile and place[0] == container and other.item == pile.item]
        _, to_slot = data.draw(st.sampled_from(sorted(alike))) if len(alike) > 1 else self.occupied(data, one, container)
        call = items.merge(holder=one, container=container, from_slot=slot, to_slot=to_slot)
        self.both("merge", call, lambda _: self.model.merge(one, container, slot, to_slot))

    @rule(who=PEOPLE, data=DATA)
    def equip(self, who: int, data: Any) -> None:
        """Put on."""
        one = self.ids[who]
        _, slot = self.occupied(data, one, "inventory")
        self.both("equip", items.equip(character=one, slot=slot), lambda _: self.model.equip(one, slot))

    @rule(who=PEOPLE, worn_at=st.sampled_from(["arrows", "helmet", "arrows", "helmet", "boots"]))
    def unequip(self, who: int, worn_at: Any) -> None:
        """Take off."""
        one = self.ids[who]
        self.both("unequip", items.unequip(character=one, equip_slot=worn_at), lambda _: self.model.unequip(one, worn_at))

    @rule(giver=PEOPLE, receiver=PEOPLE, item=ITEMS, count=FEW)
    def give(self, giver: int, receiver: int, item: str, count: int) -> None:
        """To another."""
        one, other = self.ids[giver], self.ids[receiver]
        call = items.give(giver=one, receiver=other, item=item, quantity=count)
        self.both("give", call, lambda _: self.model.give(one, other, item, count))

    @rule(first=PEOPLE, second=PEOPLE, gives=CARRIED, count=FEW, gets=CARRIED, price=FEW)
    def swap(self, first: int, second: int, gives: str, count: int, gets: str, price: int) -> None:
        """Both at once."""
        one, other = self.ids[first], self.ids[second]
        call = items.swap(first=one, second=other, first_gives=gives, first_quantity=count, second_gives=gets, second_quantity=price)
        self.both("swap", call, lambda _: self.model.swap(one, other, gives, count, gets, price))

    @rule(who=PEOPLE, data=DATA, count=st.one_of(st.none(), FEW))
    def drop(self, who: int, data: Any, count: int | None) -> None:
        """To the ground."""
        one = self.ids[who]
        container, slot = self.occupied(data, one)
        call = items.drop(character=one, world=self.world, slot=slot, container=container, quantity=count)
        self.both("drop", call, lambda _: self.model.drop(one, self.world, container, slot, count))

    @rule(who=PEOPLE, data=DATA)
    def pick_up(self, who: int, data: Any) -> None:
        """And up again."""
        one = self.ids[who]
        _, slot = self.occupied(data, self.world, "ground")
        call = items.pick_up(character=one, world=self.world, slot=slot)
        self.both("pick_up", call, lambda _: self.model.pick_up(one, self.world, slot))

    # After every step

    @invariant()
    def the_same_lies_everywhere(self) -> None:
        """What the database holds is what the model holds."""
        if not hasattr(self, "model"):
            return
        cls = type(self)
        for owner, places in self.model.has.items():
            rows = cls.run(cls.keep.reader.all(items.Holding, owner))
            held = {(row.container, row.slot): (row.item_id, row.quantity, row.item_uid, repr(row.metadata)) for row in rows}
            assert held == {place: (pile.item, pile.count, pile.uid, repr(pile.marks)) for place, pile in places.items()}


@contextmanager
def machine(url: str) -> Iterator[type[ItemsMachine]]:
    """A machine of its own over an open keep, with an event loop of its own: Hypothesis calls rules, it does not await them."""
    loop = asyncio.new_event_loop()
    # What falls is everybody's at once, and lies there for as long as the test may take: the model has no clock.
    opened = gamekeeper.open(url, create=True, allow_unsafe_postgres=True, drop_protection_seconds=0, drop_seconds=604_800)

    class Machine(ItemsMachine):
        run = staticmethod(loop.run_until_complete)
        keep = loop.run_until_complete(opened.__aenter__())
        hits: ClassVar[Counter[str]] = Counter()
        codes: ClassVar[Counter[str]] = Counter()
        sequences = 0

    try:
        Machine.run(scene.stock(Machine.keep))
        yield Machine
    finally:
        loop.run_until_complete(opened.__aexit__(None, None, None))
        loop.close()


@pytest.mark.timeout(600)
def test_the_keep_does_what_the_model_does(database_url: str, pytestconfig: pytest.Config) -> None:
    sequences = pytestconfig.getoption("sequences")

    with machine(database_url) as both:
        run_state_machine_as_test(both, settings=settings(SETTINGS, max_examples=sequences, print_blob=True))
        both.run(scene.adds_up(both.keep))
        report = both.run(verify(both.keep))

    print(f"{both.sequences} sequences, {sum(both.hits.values())} steps: {dict(both.hits)}\n{dict(both.codes)}")
    assert report.problems == []
    assert set(both.hits) == {"grant", "use_up", "move", "split", "merge", "equip", "unequip", "give", "swap", "drop", "pick_up"}
    assert min(both.hits.values()) >= LEAST_HITS * sequences // 60
    assert {"done", "SLOT_EMPTY", "ITEM_NOT_FOUND", "INSUFFICIENT_QUANTITY", "CONTAINER_INVALID", "SELF_TRADE"} <= set(both.codes)


def test_the_machine_finds_a_wrong_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a model that thinks arrows pile up to 99 must be found to differ."""
    monkeypatch.setitem(model.STACK, "arrow", 99)

    with machine(f"sqlite:///{tmp_path}/world.db") as both, pytest.raises(AssertionError):
        run_state_machine_as_test(both, settings=settings(SETTINGS, max_examples=10, phases=[Phase.generate]))
