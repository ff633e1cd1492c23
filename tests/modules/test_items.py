"""Items: what moves, what must not, and that it always adds up."""

import asyncio
import random
from typing import Any

import pytest

from gamekeeper.errors import GameError, InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.kernel import gate
from gamekeeper.kernel.queries import Ask
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import characters, content, items, worlds
from tests.crash.raw import raw
from tests.modules.scene import ALL, ARROW, adds_up, fill, lying, pack, people, stock, totals, unique_id

# Granting and using up


async def test_a_grant_fills_like_stacks_first_and_then_free_slots(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    await keep.do(items.grant(holder=ada, item="arrow", quantity=90, source="loot"))

    made = await keep.do(items.grant(holder=ada, item="arrow", quantity=150, source="loot"))

    assert made.slots == [0, 1, 2]
    assert await lying(keep, ada) == {0: ("arrow", 100), 1: ("arrow", 100), 2: ("arrow", 40)}
    await adds_up(keep)


async def test_what_cannot_be_stacked_takes_a_slot_each(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")

    made = await keep.do(items.grant(holder=ada, item="logs", quantity=3, source="loot"))

    assert (made.slots, made.item_uids) == ([0, 1, 2], [])
    await adds_up(keep)


async def test_unique_items_get_an_id_each_and_a_movement_each(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")

    made = await keep.do(items.grant(holder=ada, item="crown", quantity=2, source="loot", metadata={"gem": "ruby"}))

    assert len(set(made.item_uids)) == 2
    for uid in made.item_uids:
        (only,) = (await keep.ask(items.provenance(item_uid=uid))).items
        assert (only.from_id, only.from_container, only.to_id, only.quantity) == ("mint:loot", "", ada, 1)


@pytest.mark.parametrize("item", ["arrow", "logs", "crown"])
async def test_a_grant_that_does_not_fit_changes_nothing(keep: Keep, item: str) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    await fill(keep, ada, 27)
    before = await lying(keep, ada)

    with pytest.raises(items.InventoryFull) as refused:
        await keep.do(items.grant(holder=ada, item=item, quantity=2 if item != "arrow" else 101, source="loot"))

    assert (refused.value.facts["free"], refused.value.facts["needed"]) == (1, 2)
    assert await lying(keep, ada) == before
    await adds_up(keep)


async def test_only_defined_items_are_made(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")

    with pytest.raises(items.UnknownItem):
        await keep.do(items.grant(holder=ada, item="moonbeam", quantity=1, source="loot"))


async def test_using_up_takes_from_several_stacks_and_says_what_is_missing(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    await keep.do(items.grant(holder=ada, item="arrow", quantity=250, source="loot"))

    await keep.do(items.use_up(holder=ada, item="arrow", quantity=220, sink="shooting"))
    with pytest.raises(items.InsufficientQuantity) as refused:
        await keep.do(items.use_up(holder=ada, item="arrow", quantity=31, sink="shooting"))
    with pytest.raises(items.ItemNotFound):
        await keep.do(items.use_up(holder=ada, item="logs", quantity=1, sink="fire"))

    assert (refused.value.facts["held"], refused.value.facts["needed"]) == (30, 31)
    assert await lying(keep, ada) == {2: ("arrow", 30)}
    (balance,) = await keep.ask(items.conservation())
    assert (balance.minted, balance.burned, balance.held, balance.difference) == (250, 220, 30, 0)


async def test_metadata_keeps_stacks_apart_and_is_kept_on_every_path(keep: Keep) -> None:
    await stock(keep)
    ada, bob = await people(keep, "Ada", "Bob")
    (world,) = [(await keep.do(worlds.create_world(name="Mossbrook"))).world_id]
    fine = {"fletcher": "Cid", "charges": 1}
    await keep.do(items.grant(holder=ada, item="arrow", quantity=5, source="loot"))
    await keep.do(items.grant(holder=ada, item="arrow", quantity=7, source="loot", metadata=fine))
    await keep.do(items.grant(holder=ada, item="arrow", quantity=1, source="loot", metadata={"fletcher": "Cid", "charges": True}))
    assert await lying(keep, ada) == {0: ("arrow", 5), 1: ("arrow", 7), 2: ("arrow", 1)}

    await keep.do(items.move(holder=ada, from_container="inventory", from_slot=1, to_container="bank:3", to_slot=9))
    await keep.do(items.move(holder=ada, from_container="bank:3", from_slot=9, to_container="inventory"))
    await keep.do(items.equip(character=ada, slot=1))
    await keep.do(items.unequip(character=ada, equip_slot="arrows"))
    heap = await keep.do(items.drop(character=ada, world=world, slot=1))
    await keep.do(items.pick_up(character=ada, world=world, slot=heap.slot))
    await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=7))
    await keep.do(items.give(giver=bob, receiver=ada, item="arrow", quantity=7))

    found = {row.slot: row.metadata for row in await keep.ask(items.inventory(holder=ada))}
    assert found == {0: {}, 1: fine, 2: {"fletcher": "Cid", "charges": True}}
    await adds_up(keep)


# Slots


async def test_a_move_merges_swaps_or_takes_an_empty_slot(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    await keep.do(items.grant_many(holder=ada, items=[items.Line("arrow", 60), items.Line("logs", 1)], source="loot"))
    go: dict[str, Any] = {"holder": ada, "from_container": "inventory", "to_container": "inventory"}

    await keep.do(items.move(**go, from_slot=0, to_slot=5, quantity=20))
    assert await lying(keep, ada) == {0: ("arrow", 40), 1: ("logs", 1), 5: ("arrow", 20)}
    await keep.do(items.move(**go, from_slot=5, to_slot=1))
    assert await lying(keep, ada) == {0: ("arrow", 40), 1: ("arrow", 20), 5: ("logs", 1)}
    await keep.do(items.move(**go, from_slot=1, to_slot=0))
    assert await lying(keep, ada) == {0: ("arrow", 60), 5: ("logs", 1)}
    with pytest.raises(items.SlotOccupied):
        await keep.do(items.move(**go, from_slot=0, to_slot=5, quantity=1))
    with pytest.raises(items.InvalidSlot):
        await keep.do(items.move(**go, from_slot=0, to_slot=28))
    with pytest.raises(items.SlotEmpty):
        await keep.do(items.move(**go, from_slot=9, to_slot=8))
    assert len((await keep.ask(items.movements(holder=ada))).items) == 2, "slots of one container are no movement"
    await adds_up(keep)


async def test_a_stack_moved_onto_itself_stays_what_it_is(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    await keep.do(items.grant(holder=ada, item="arrow", quantity=40, source="loot"))

    moved = await keep.do(items.move(holder=ada, from_container="inventory", from_slot=0, to_container="inventory", to_slot=0))
    with pytest.raises(items.StacksDiffer):
        await keep.do(items.merge(holder=ada, container="inventory", from_slot=0, to_slot=0))

    assert moved.quantity == 0
    assert await lying(keep, ada) == {0: ("arrow", 40)}


async def test_the_bank_holds_480_over_all_tabs(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    await keep.do(items.grant(holder=ada, item="logs", quantity=479, source="loot", container="bank:0"))
    await keep.do(items.grant(holder=ada, item="logs", quantity=2, source="loot"))

    await keep.do(items.move(holder=ada, from_container="inventory", from_slot=0, to_container="bank:9", to_slot=479))
    with pytest.raises(items.InventoryFull):
        await keep.do(items.move(holder=ada, from_container="inventory", from_slot=1, to_container="bank:1", to_slot=0))
    with pytest.raises(items.InventoryFull):
        await keep.do(items.move(holder=ada, from_container="inventory", from_slot=1, to_container="bank:1"))
    await keep.do(items.move(holder=ada, from_container="bank:9", from_slot=479, to_container="bank:2", to_slot=0))

    assert await lying(keep, ada, "bank:2") == {0: ("logs", 1)}
    await adds_up(keep)


async def test_the_pouch_takes_one_stack_of_each_currency_and_nothing_else(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    await keep.do(items.grant(holder=ada, item="coins", quantity=100, source="loot"))
    await keep.do(items.grant(holder=ada, item="logs", quantity=1, source="loot"))
    go: dict[str, Any] = {"holder": ada, "from_container": "inventory", "to_container": "pouch"}

    await keep.do(items.move(**go, from_slot=0, to_slot=3, quantity=40))
    await keep.do(items.move(**go, from_slot=0, quantity=10))
    with pytest.raises(items.ContainerInvalid):
        await keep.do(items.move(**go, from_slot=1))
    with pytest.raises(items.SlotOccupied):
        await keep.do(items.move(holder=ada, from_container="pouch", from_slot=0, to_container="inventory", to_slot=1))
    with pytest.raises(items.StackOverflow):
        await keep.do(items.grant(holder=ada, item="coins", quantity=2**31 - 1, source="loot", container="pouch"))

    assert await lying(keep, ada, "pouch") == {0: ("coins", 50)}
    await adds_up(keep)


@pytest.mark.parametrize("container", ["equipment", "gravestone", "ground", "escrow"])
async def test_nothing_is_moved_by_hand_where_commands_of_its_own_rule(keep: Keep, container: Any) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    await keep.do(items.grant(holder=ada, item="logs", quantity=1, source="loot"))

    with pytest.raises(items.ContainerInvalid):
        await keep.do(items.move(holder=ada, from_container="inventory", from_slot=0, to_container=container, to_slot=0))
    with pytest.raises(items.ContainerInvalid):
        await keep.do(items.move(holder=ada, from_container=container, from_slot=0, to_container="inventory", to_slot=0))


async def test_a_move_to_another_container_is_a_movement(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    await keep.do(items.grant(holder=ada, item="arrow", quantity=40, source="loot"))

    await keep.do(items.move(holder=ada, from_container="inventory", from_slot=0, to_container="bank:1", quantity=15))

    newest = (await keep.ask(items.movements(holder=ada))).items[0]
    assert (newest.from_id, newest.from_container, newest.to_id, newest.to_container) == (ada, "inventory", ada, "bank:1")
    assert newest.quantity == 15
    await adds_up(keep)


# Equipment


async def test_equipping_swaps_with_what_is_worn(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    await keep.do(items.grant_many(holder=ada, items=[items.Line("helm", 1), items.Line("logs", 1)], source="loot"))
    crown = await keep.do(items.grant(holder=ada, item="crown", quantity=2, source="loot"))
    helmet = content.EQUIPMENT_SLOTS.index("helmet")

    await keep.do(items.equip(character=ada, slot=0))
    await keep.do(items.equip(character=ada, slot=2))
    await keep.do(items.equip(character=ada, slot=3))
    with pytest.raises(items.NotEquippable):
        await keep.do(items.equip(character=ada, slot=1))

    assert await lying(keep, ada, "equipment") == {helmet: ("crown", 1)}
    held = {(row.container, row.slot): row.item_uid for row in await keep.ask(items.inventory(holder=ada)) if row.item_uid}
    assert held == {("equipment", helmet): crown.item_uids[1], ("inventory", 3): crown.item_uids[0]}
    assert (await lying(keep, ada))[2] == ("helm", 1)
    await adds_up(keep)


async def test_two_unique_items_swap_slots(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    made = await keep.do(items.grant(holder=ada, item="crown", quantity=2, source="loot"))

    await keep.do(items.move(holder=ada, from_container="inventory", from_slot=0, to_container="inventory", to_slot=1))

    assert [row.item_uid for row in await keep.ask(items.inventory(holder=ada))] == made.item_uids[::-1]


async def test_worn_ammunition_is_topped_up_as_far_as_it_fits(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    await keep.do(items.grant(holder=ada, item="arrow", quantity=70, source="loot"))
    await keep.do(items.equip(character=ada, slot=0))
    await keep.do(items.grant(holder=ada, item="arrow", quantity=50, source="loot"))

    moved = await keep.do(items.equip(character=ada, slot=0))

    assert moved.quantity == 30
    assert await lying(keep, ada) == {0: ("arrow", 20)}
    await adds_up(keep)


async def test_taking_off_needs_room(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    await keep.do(items.grant(holder=ada, item="helm", quantity=1, source="loot"))
    await keep.do(items.equip(character=ada, slot=0))
    await fill(keep, ada)

    with pytest.raises(items.InventoryFull):
        await keep.do(items.unequip(character=ada, equip_slot="helmet"))
    with pytest.raises(items.SlotEmpty):
        await keep.do(items.unequip(character=ada, equip_slot="boots"))

    assert await keep.ask(items.held(holder=ada, item="helm")) == 1


# The ground


async def test_what_is_dropped_lies_in_heaps_and_is_picked_up_once(keep: Keep) -> None:
    await stock(keep)
    ada, bob = await people(keep, "Ada", "Bob")
    world = (await keep.do(worlds.create_world(name="Mossbrook"))).world_id
    await keep.do(items.grant(holder=ada, item="arrow", quantity=50, source="loot"))

    first = await keep.do(items.drop(character=ada, world=world, slot=0, quantity=20))
    second = await keep.do(items.drop(character=ada, world=world, slot=0))
    assert (first.slot, second.slot, second.quantity) == (0, 1, 30)
    outcomes = await asyncio.gather(
        *(keep.do(items.pick_up(character=who, world=world, slot=0)) for who in (ada, bob, ada, bob)), return_exceptions=True
    )

    assert sum(isinstance(one, items.Placed) for one in outcomes) == 1
    assert sum(isinstance(one, items.SlotEmpty) for one in outcomes) == 3
    assert sum(await totals(keep, [ada, bob, world], "arrow")) == 50
    await adds_up(keep)


async def test_what_is_untradeable_is_picked_up_only_by_who_dropped_it(keep: Keep) -> None:
    await stock(keep)
    ada, bob = await people(keep, "Ada", "Bob")
    world = (await keep.do(worlds.create_world(name="Mossbrook"))).world_id
    await keep.do(items.grant(holder=ada, item="cell_key", quantity=1, source="quest"))
    await keep.do(items.drop(character=ada, world=world, slot=0))

    with pytest.raises(items.UntradeableItem):
        await keep.do(items.pick_up(character=bob, world=world, slot=0))
    await keep.do(items.pick_up(character=ada, world=world, slot=0))

    assert await totals(keep, [ada, bob, world], "cell_key") == [1, 0, 0]


# Others


async def test_giving_too_many_changes_nothing(keep: Keep) -> None:
    await stock(keep)
    ada, bob = await people(keep, "Ada", "Bob")
    await keep.do(items.grant(holder=ada, item="arrow", quantity=5, source="test"))

    with pytest.raises(items.InsufficientQuantity) as refused:
        await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=6))

    assert (refused.value.facts["held"], refused.value.facts["needed"]) == (5, 6)
    assert await totals(keep, [ada, bob], "arrow") == [5, 0]


async def test_what_is_untradeable_is_not_given(keep: Keep) -> None:
    await stock(keep)
    ada, bob = await people(keep, "Ada", "Bob")
    await keep.do(items.grant(holder=ada, item="cell_key", quantity=1, source="quest"))

    with pytest.raises(items.UntradeableItem):
        await keep.do(items.give(giver=ada, receiver=bob, item="cell_key", quantity=1))


async def test_the_dead_get_nothing_by_hand(keep: Keep) -> None:
    await stock(keep)
    ada, bob = await people(keep, "Ada", "Bob")
    await keep.do(items.grant(holder=ada, item="arrow", quantity=5, source="test"))
    await keep.do(characters.delete(character=bob))

    with pytest.raises(characters.CharacterNotFound):
        await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=1))


async def test_a_swap_works_with_both_inventories_full(keep: Keep) -> None:
    await stock(keep)
    ada, bob = await people(keep, "Ada", "Bob")
    for who, item in ((ada, "helm"), (bob, "crown")):
        await fill(keep, who, 27)
        await keep.do(items.grant(holder=who, item=item, quantity=1, source="test"))
    uid = await unique_id(keep, bob)

    done = await keep.do(items.swap(first=ada, second=bob, first_gives="helm", first_quantity=1, second_gives="crown", second_quantity=1))

    assert (done.first_slots, done.second_slots) == ([27], [27])
    assert await unique_id(keep, ada) == uid
    await adds_up(keep)


async def test_provenance_tells_a_unique_item_s_way(keep: Keep) -> None:
    await stock(keep)
    ada, bob = await people(keep, "Ada", "Bob")
    world = (await keep.do(worlds.create_world(name="Mossbrook"))).world_id
    (uid,) = (await keep.do(items.grant(holder=ada, item="crown", quantity=1, source="boss"))).item_uids
    await keep.do(items.give(giver=ada, receiver=bob, item="crown", quantity=1))
    await keep.do(items.drop(character=bob, world=world, slot=0))
    await keep.do(items.pick_up(character=bob, world=world, slot=0))
    await keep.do(items.use_up(holder=bob, item="crown", quantity=1, sink="melted"))

    way = await keep.ask(items.provenance(item_uid=uid))

    assert [(one.from_id, one.to_id) for one in way.items] == [
        ("mint:boss", ada),
        (ada, bob),
        (bob, world),
        (world, bob),
        (bob, "burn:melted"),
    ]


async def test_movements_come_newest_first_in_pages(keep: Keep) -> None:
    await stock(keep)
    ada, bob = await people(keep, "Ada", "Bob")
    for quantity in (1, 2, 3):
        await keep.do(items.grant(holder=ada, item="arrow", quantity=quantity, source="test"), reason="for the test")
    await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=4))

    first = await keep.ask(items.movements(holder=ada, limit=3))
    second = await keep.ask(items.movements(holder=ada, limit=3, cursor=first.next_cursor))

    assert [one.quantity for one in first.items + second.items] == [4, 3, 2, 1]
    assert second.next_cursor is None
    assert second.items[0].reason == "for the test"
    assert [one.quantity for one in (await keep.ask(items.movements(holder=bob))).items] == [4]


async def test_the_economy_names_its_sources_and_sinks(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    await keep.do(items.grant(holder=ada, item="arrow", quantity=50, source="loot"))
    await keep.do(items.grant(holder=ada, item="coins", quantity=9, source="quest"))
    await keep.do(items.use_up(holder=ada, item="arrow", quantity=20, sink="shooting"))

    found = await keep.ask(items.economy())

    assert found.items == [items.ItemBalance("arrow", 50, 20, 30, 0), items.ItemBalance("coins", 9, 0, 9, 0)]
    assert found.sources == [items.Flow("mint:loot", "arrow", 50), items.Flow("mint:quest", "coins", 9)]
    assert found.sinks == [items.Flow("burn:shooting", "arrow", 20)]
    assert type(found.items[0].minted) is int


async def test_an_item_that_nobody_defines_any_more_is_kept_and_moved_but_neither_made_nor_merged(keep: Keep) -> None:
    await stock(keep)
    ada, bob = await people(keep, "Ada", "Bob")
    await keep.do(items.grant(holder=ada, item="arrow", quantity=100, source="loot"))
    await keep.do(content.load_pack(pack=pack(*(one for one in ALL if one is not ARROW), version="2")))

    await keep.do(items.split(holder=ada, container="inventory", slot=0, quantity=40, to_slot=5))
    await keep.do(items.move(holder=ada, from_container="inventory", from_slot=5, to_container="bank:0"))
    with pytest.raises(items.UnknownItem):
        await keep.do(items.grant(holder=ada, item="arrow", quantity=1, source="loot"))
    with pytest.raises(items.UntradeableItem):
        await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=1))
    await keep.do(items.move(holder=ada, from_container="bank:0", from_slot=0, to_container="inventory"))

    assert await lying(keep, ada) == {0: ("arrow", 60), 1: ("arrow", 40)}
    await adds_up(keep)


async def test_a_unique_item_never_merges_not_even_when_its_definition_becomes_stackable(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    (uid,) = (await keep.do(items.grant(holder=ada, item="crown", quantity=1, source="loot"))).item_uids
    common = content.ItemDefinition(id="crown", name="Crown", stackable=True)
    await keep.do(content.load_pack(pack=pack(*(one for one in ALL if one.id != "crown"), common, version="2")))

    await keep.do(items.grant(holder=ada, item="crown", quantity=5, source="loot"))
    with pytest.raises(items.StacksDiffer):
        await keep.do(items.merge(holder=ada, container="inventory", from_slot=1, to_slot=0))

    held = {row.slot: (row.quantity, row.item_uid) for row in await keep.ask(items.inventory(holder=ada))}
    assert held == {0: (1, uid), 1: (5, None)}
    await adds_up(keep)


# Abuse, by the numbers of the checklist


async def test_abuse_28_nobody_trades_with_oneself(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    await keep.do(items.grant(holder=ada, item="arrow", quantity=50, source="loot"))

    with pytest.raises(items.SelfTrade):
        await keep.do(items.give(giver=ada, receiver=ada, item="arrow", quantity=50))
    with pytest.raises(items.SelfTrade):
        await keep.do(items.swap(first=ada, second=ada, first_gives="arrow", first_quantity=1, second_gives="arrow", second_quantity=2))

    assert await totals(keep, [ada], "arrow") == [50]


async def test_abuse_29_swaps_in_a_circle_neither_deadlock_nor_dupe(keep: Keep) -> None:
    await stock(keep)
    three = await people(keep, "Ada", "Bob", "Cid")
    for who in three:
        await keep.do(items.grant(holder=who, item="arrow", quantity=90, source="loot"))
        await keep.do(items.grant(holder=who, item="coins", quantity=90, source="loot"))

    await asyncio.wait_for(
        asyncio.gather(
            *(
                keep.do(
                    items.swap(
                        first=three[i % 3],
                        second=three[(i + 1) % 3],
                        first_gives="arrow",
                        first_quantity=1,
                        second_gives="coins",
                        second_quantity=1,
                    )
                )
                for i in range(60)
            )
        ),
        timeout=30,
    )

    assert await totals(keep, three, "arrow") == [90, 90, 90]
    assert await totals(keep, three, "coins") == [90, 90, 90]
    await adds_up(keep)


@pytest.mark.parametrize(
    "quantity",
    [-5, 0, 2**53, 2**63, 10**30, 0.5, 1e3, "5", True, float("nan"), float("inf"), -0.0, None],
    ids=lambda value: f"{type(value).__name__} {value}",
)
@pytest.mark.parametrize("verb", ["grant", "use_up", "give", "split", "drop"])
def test_abuse_41_to_44_a_quantity_is_an_integer_from_1_to_2_53(verb: str, quantity: Any) -> None:
    said: dict[str, dict[str, Any]] = {
        "grant": {"holder": "ada", "item": "arrow", "source": "loot"},
        "use_up": {"holder": "ada", "item": "arrow", "sink": "fire"},
        "give": {"giver": "ada", "receiver": "bob", "item": "arrow"},
        "split": {"holder": "ada", "container": "inventory", "slot": 0},
        "drop": {"character": "ada", "world": "w", "slot": 0},
    }
    if (verb, quantity) == ("drop", None):
        return  # without a quantity it is the whole stack

    with pytest.raises(InvalidArgument):
        getattr(items, verb).call({**said[verb], "quantity": quantity})


async def test_abuse_43_the_largest_quantities_fit_or_are_refused(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    most = 2**31 - 1

    for _ in range(28):
        await keep.do(items.grant(holder=ada, item="coins", quantity=most, source="loot"))
    for quantity in (1, 2**31, 2**53 - 1):
        with pytest.raises(items.InventoryFull):
            await keep.do(items.grant(holder=ada, item="coins", quantity=quantity, source="loot"))
    for container in ("gravestone", "escrow", "ground"):
        with pytest.raises(items.InventoryFull):
            await keep.do(items.grant(holder=ada, item="crown", quantity=2**53 - 1, source="loot", container=container))

    assert await totals(keep, [ada], "coins") == [28 * most]
    await adds_up(keep)


@pytest.mark.parametrize("quantity", [1, 2, 2**53 - 1])
async def test_abuse_45_a_split_leaves_something_on_both_sides(keep: Keep, quantity: int) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    await keep.do(items.grant(holder=ada, item="arrow", quantity=1, source="loot"))

    with pytest.raises(items.InsufficientQuantity):
        await keep.do(items.split(holder=ada, container="inventory", slot=0, quantity=quantity))

    assert await lying(keep, ada) == {0: ("arrow", 1)}


async def test_abuse_45_splits_and_merges_that_race_keep_the_sum(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    await keep.do(items.grant(holder=ada, item="arrow", quantity=100, source="loot"))
    dice = random.Random(45)

    def any_step() -> Any:
        one, other, quantity = dice.randrange(6), dice.randrange(6), dice.randrange(1, 60)
        if dice.random() < 0.5:
            return keep.do(items.merge(holder=ada, container="inventory", from_slot=one, to_slot=other))
        return keep.do(items.split(holder=ada, container="inventory", slot=one, quantity=quantity, to_slot=other))

    outcomes = await asyncio.gather(*(any_step() for _ in range(200)), return_exceptions=True)

    assert all(isinstance(one, items.Moved | items.Placed | GameError) for one in outcomes)
    assert any(isinstance(one, items.Placed) for one in outcomes)
    assert await totals(keep, [ada], "arrow") == [100]
    await adds_up(keep)


async def test_abuse_46_a_merge_over_the_largest_stack_leaves_the_rest(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    await keep.do(items.grant(holder=ada, item="arrow", quantity=160, source="loot"))
    await keep.do(items.split(holder=ada, container="inventory", slot=0, quantity=30, to_slot=7))

    moved = await keep.do(items.merge(holder=ada, container="inventory", from_slot=1, to_slot=0))
    assert moved.quantity == 30
    with pytest.raises(items.StackOverflow):
        await keep.do(items.merge(holder=ada, container="inventory", from_slot=7, to_slot=0))

    assert await lying(keep, ada) == {0: ("arrow", 100), 1: ("arrow", 30), 7: ("arrow", 30)}
    await adds_up(keep)


@pytest.mark.parametrize(
    "document",
    [
        b'{"holder":"ada","item":"arrow","quantity":1,"quantity":1000,"source":"loot"}',
        b'{"holder":"ada","item":"arrow","quantity":1,"source":"loot","metadata":{"a":1,"a":2}}',
    ],
)
def test_abuse_47_a_key_that_stands_twice_is_refused(document: bytes) -> None:
    with pytest.raises(gate.InvalidJson) as refused:
        gate.parse(document)

    assert refused.value.problem == "duplicate_key"


@pytest.mark.parametrize(
    "item", ["Arrow", "ARROW", "arr\u043ew", "\uff41rrow", "arrow ", " arrow", "arrow\n", "arrow\0", "a\u0301rrow", "", "a" * 65]
)
def test_abuse_48_an_item_has_one_spelling(item: str) -> None:
    with pytest.raises(InvalidArgument):
        items.grant(holder="ada", item=item, quantity=1, source="loot")


async def test_abuse_49_an_item_that_is_listed_twice_counts_twice(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    line = items.Line("arrow", 60)

    made = await keep.do(items.grant_many(holder=ada, items=[line, line], source="loot"))

    assert [one.slots for one in made] == [[0], [0, 1]]
    assert await lying(keep, ada) == {0: ("arrow", 100), 1: ("arrow", 20)}
    await adds_up(keep)


async def test_abuse_50_a_list_has_an_end(keep: Keep) -> None:
    line = items.Line("arrow", 1)

    for lines in ([], [line] * 101):
        with pytest.raises(InvalidArgument):
            items.grant_many(holder="ada", items=lines, source="loot")


async def test_a_long_walk_of_any_commands_adds_up(keep: Keep) -> None:
    await stock(keep)
    three = await people(keep, "Ada", "Bob", "Cid")
    world = (await keep.do(worlds.create_world(name="Mossbrook"))).world_id
    dice = random.Random(7)

    def any_step() -> Any:
        one, other = dice.sample(three, 2)
        item, quantity, slot = dice.choice(ALL).id, dice.randrange(1, 40), dice.randrange(28)
        container: Any = dice.choice(["inventory", "inventory", "bank:0", "bank:4", "pouch"])
        steps: list[Any] = [
            items.grant(holder=one, item=item, quantity=quantity, source="walk"),
            items.use_up(holder=one, item=item, quantity=quantity, sink="walk"),
            items.give(giver=one, receiver=other, item=item, quantity=quantity),
            items.drop(character=one, world=world, slot=slot),
            items.pick_up(character=one, world=world, slot=dice.randrange(5)),
            items.equip(character=one, slot=slot),
            items.unequip(character=one, equip_slot=dice.choice(["helmet", "arrows"])),
            items.move(
                holder=one,
                from_container=dice.choice([container, "inventory"]),
                from_slot=dice.randrange(6),
                to_container=container,
                to_slot=dice.randrange(6),
                quantity=dice.choice([None, quantity]),
            ),
            items.swap(first=one, second=other, first_gives=item, first_quantity=1, second_gives="coins", second_quantity=quantity),
        ]
        return keep.do(dice.choice(steps))

    for _ in range(6):
        outcomes = await asyncio.gather(*(any_step() for _ in range(50)), return_exceptions=True)
        assert [one for one in outcomes if isinstance(one, BaseException) and not isinstance(one, GameError)] == []
        assert [one for one in outcomes if isinstance(one, GameError) and one.code == "CONSTRAINT_VIOLATED"] == []

    await adds_up(keep)


async def test_having_nothing_is_another_thing_than_not_being_there(keep: Keep) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    world = (await keep.do(worlds.create_world(name="Empty"))).world_id
    assert [await keep.ask(items.inventory(holder=one)) for one in (ada, world)] == [[], []]
    assert (await keep.ask(items.held(holder=ada, item="arrow")), await keep.ask(items.inventory_size(holder=ada))) == (0, 28)
    questions: list[Ask[Any]] = [
        items.inventory(holder="nobody"),
        items.inventory(holder="nobody", container="pouch"),
        items.held(holder="nobody", item="arrow"),
        items.inventory_size(holder="nobody"),
    ]
    for question in questions:
        with pytest.raises(characters.CharacterNotFound):
            await keep.ask(question)
    # The deleted are still there, with what they had.
    await keep.do(items.grant(holder=ada, item="arrow", quantity=5, source="test"), characters.delete(character=ada))
    assert await keep.ask(items.held(holder=ada, item="arrow")) == 5


async def test_verify_finds_what_was_made_out_of_nothing(keep: Keep, database_url: str) -> None:
    await stock(keep)
    (ada,) = await people(keep, "Ada")
    await keep.do(items.grant(holder=ada, item="arrow", quantity=5, source="test"))
    assert (await verify(keep)).problems == []

    async with raw(database_url) as database:
        await database.rows("UPDATE holdings SET quantity = 9 WHERE holder_id = ?", ada)

    found = {(problem.check, problem.message) for problem in (await verify(keep)).problems}
    assert ("items.conservation", "minted 5, burned 0, held 9") in found
    assert ("items.balances", "movements give 5, held are 9") in found
