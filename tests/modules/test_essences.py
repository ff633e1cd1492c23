"""Essences: bonds, confluences, awakenings and ranks; and the defects of the game that they come from, none of which may return."""

import asyncio
import doctest
import random
from collections.abc import Sequence
from itertools import combinations, permutations
from types import ModuleType
from typing import Any

import msgspec
import pytest

import gamekeeper
from gamekeeper import packs
from gamekeeper.errors import OwnerLeased, VersionConflict
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import command
from gamekeeper.kernel.verify import verify
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, content, essences, items
from gamekeeper.modules.essences import definitions, rules
from tests.abuse.test_raw_sql import Refused
from tests.crash.raw import raw
from tests.modules.scene import LOGS, adds_up, pack, people

folder = packs.built_in("essence")
assert folder is not None


def essence_pack() -> content.Pack:
    """The pack that comes with the house."""
    assert folder is not None
    return content.read_pack(folder)


def chosen(loaded: content.Pack) -> list[essences.EssenceDefinition]:
    """The essences that may be chosen."""
    return [one for one in loaded.of(essences.EssenceDefinition) if not one.confluence]


async def seekers(keep: Keep, *names: str, carrying: Sequence[str] = ("ember", "gale", "bell")) -> list[str]:
    """Characters who carry essences."""
    if essences.EssenceDefinition not in keep.runner.definitions or not keep.runner.definitions[essences.EssenceDefinition]:
        await keep.do(content.load_pack(pack=essence_pack()))
        await keep.do(content.load_pack(pack=pack(LOGS)))
    made = await people(keep, *names)
    for one in made if carrying else ():
        await carry(keep, one, *(f"{name}_essence" for name in carrying))
    return made


async def carry(keep: Keep, who: str, *things: str) -> None:
    """Give somebody one of each of these."""
    await keep.do(items.grant_many(holder=who, items=[items.Line(one, 1) for one in things], source="test"))


async def bond_three(keep: Keep, who: str) -> None:
    """Bond what `seekers` carry."""
    for essence, attribute in (("ember", "power"), ("gale", "speed"), ("bell", "spirit")):
        await keep.do(essences.bond.call({"character": who, "essence": essence, "attribute": attribute}))


async def attributes(keep: Keep, who: str) -> dict[str, tuple[int, int]]:
    """Each attribute's own value and what is added to it."""
    sheet = await keep.ask(essences.show(character=who, parts=["attributes"]))
    assert sheet.attributes is not None
    return {one.attribute: (one.base, one.bonus) for one in sheet.attributes}


async def held(keep: Keep, who: str) -> list[essences.HeldEssence]:
    """The essences of somebody, with their abilities."""
    found = (await keep.ask(essences.show(character=who, parts=["essences", "abilities"]))).essences
    assert found is not None
    return found


@command(touches=[characters.Character], module="essence_tests")
def appoint(ctx: Context, *, character: characters.CharacterId, rank: characters.Rank) -> None:
    """Give a character a rank without asking for anything."""
    ctx.change(characters.alive(ctx, character), rank=rank)


# The content


def test_every_three_essences_of_the_pack_become_something_and_every_confluence_can_be_had() -> None:
    loaded = essence_pack()
    known, base = loaded.of(essences.Confluence), chosen(loaded)
    by_id = {one.id: one for one in loaded.of(essences.EssenceDefinition)}
    recipes = [frozenset(one.essences) for one in known if one.essences]
    met: set[str] = set()

    for three in combinations(base, 3):
        for bound in permutations(essences.ATTRIBUTES, 3):
            found = essences.confluence_of(dict(zip(bound, three, strict=True)), known)
            assert found is not None, [one.id for one in three]
            assert by_id[found.gives].confluence
            met.add(found.id)
            if frozenset(one.id for one in three) in recipes:
                assert set(found.essences) == {one.id for one in three}

    assert met == {one.id for one in known}
    assert len(base) >= 12
    assert len(recipes) == len(set(recipes)) >= 8
    assert all(len(one.pool) + 1 >= essences.ABILITIES and one.description for one in by_id.values())
    described = [one.description for essence in by_id.values() for one in (essence.ability, *essence.pool)]
    assert all(described)
    assert len(set(described)) == len(described)
    stones = loaded.of(essences.AwakeningStone)
    assert all(any(not stone.tags or {*stone.tags} & {*one.tags} for one in essence.pool) for essence in base for stone in stones)


def test_the_recipe_comes_before_the_tag_and_the_tag_before_the_strongest_attribute() -> None:
    loaded = {one.id: one for one in essence_pack().of(essences.EssenceDefinition)}
    wild = [loaded[name] for name in ("ember", "thorn", "gale")]
    known = [
        essences.Confluence(id="a_tag", gives="graft", tag="wild"),
        essences.Confluence(id="b_tag", gives="last_star", tag="wild", priority=5),
        essences.Confluence(id="by_power", gives="standing_stone", attribute="power"),
        essences.Confluence(id="exact", gives="storm_forge", essences=("thorn", "gale", "ember")),
    ]
    bound = dict(zip(essences.ATTRIBUTES, wild, strict=False))

    def found(*among: essences.Confluence, of: Any = bound) -> str | None:
        one = essences.confluence_of(of, among)
        return None if one is None else one.id

    assert found(*known) == "exact"
    assert found(*known[:3]) == "b_tag"
    # Ember gives 5 to power, thorn 1 to speed, gale 2 to spirit.
    assert (found(known[2]), found(essences.Confluence(id="x", gives="graft", attribute="speed"))) == ("by_power", None)
    # A tag counts only if all three have it.
    assert found(*known[:3], of={**bound, "speed": loaded["bell"]}) == "by_power"


def test_a_pack_that_contradicts_itself_is_refused_with_every_fault() -> None:
    one = essence_pack().of(essences.EssenceDefinition)[0]
    replace = msgspec.structs.replace

    assert [path for path, _ in replace(one, confluence=True, pool=one.pool[:2]).contradictions()] == ["item", "pool"]
    assert [path for path, _ in replace(one, pool=(*one.pool, one.ability)).contradictions()] == ["pool.5.name"]
    assert [path for path, _ in essences.Confluence(id="a", gives="b", tag="c", attribute="power").contradictions()] == [""]
    assert [path for path, _ in essences.Confluence(id="a", gives="b", essences=("b", "c", "c")).contradictions()] == ["essences", "gives"]
    named = list(essences.Confluence(id="a", gives="b", essences=("c", "d", "e")).references())
    assert named[0] == ("gives", "essence", "b")
    assert len(named) == 4


@pytest.mark.parametrize("module", [definitions, rules, packs], ids=lambda module: str(module.__name__))
def test_the_examples_in_the_rules_are_true(module: ModuleType) -> None:
    """Damage, experience, levels, ranks and the sizes of inventories."""
    failed, tried = doctest.testmod(module)

    assert failed == 0
    assert tried > 0


# The way of a character


async def test_a_character_bonds_three_forms_the_fourth_and_rises(keep: Keep) -> None:
    (ada,) = await seekers(keep, "Ada")

    first = await keep.do(essences.bond(character=ada, essence="ember", attribute="power"))
    with pytest.raises(essences.RankGateClosed) as shut:
        await keep.do(essences.rank_up(character=ada))
    with pytest.raises(essences.ConfluenceNotReady):
        await keep.do(essences.form_confluence(character=ada))
    await keep.do(essences.bond(character=ada, essence="gale", attribute="speed"))
    await keep.do(essences.bond(character=ada, essence="bell", attribute="spirit"))
    await carry(keep, ada, "tide_essence")
    with pytest.raises(essences.MaxEssencesReached) as full:
        await keep.do(essences.bond(character=ada, essence="tide", attribute="recovery"))
    fourth = await keep.do(essences.form_confluence(character=ada))
    with pytest.raises(essences.MaxEssencesReached):
        await keep.do(essences.form_confluence(character=ada))
    risen = await keep.do(essences.rank_up(character=ada))

    assert first == essences.Bonded(1, "ember", "power", 5, "normal", "Cinder Lash")
    assert (shut.value.rank, shut.value.essences, shut.value.abilities) == ("iron", 3, 0)
    assert (full.value.held, full.value.limit) == (3, 3)
    assert (fourth.slot, fourth.essence, fourth.attribute, fourth.bonus) == (4, "storm_forge", "recovery", 4)
    assert risen == essences.Risen("normal", "iron")
    assert await attributes(keep, ada) == {"power": (10, 5), "recovery": (10, 4), "speed": (10, 6), "spirit": (10, 5)}
    for one in await held(keep, ada):
        (only,) = one.abilities or []
        assert (only.slot, only.rank, only.level, only.xp, only.awakened, one.rank_bonded) == (1, "normal", 0, 0, False, "normal")
    assert await keep.ask(items.held(holder=ada, item="ember_essence")) == 0
    assert await keep.ask(items.held(holder=ada, item="tide_essence")) == 1
    sinks = {(flow.account, flow.item) for flow in (await keep.ask(items.economy())).sinks}
    assert sinks == {("burn:bonding", f"{name}_essence") for name in ("ember", "gale", "bell")}
    await adds_up(keep)


async def test_abilities_awaken_are_trained_and_rise_below_their_character(keep: Keep) -> None:
    (ada,) = await seekers(keep, "Ada")
    await bond_three(keep, ada)
    await keep.do(essences.form_confluence(character=ada))
    await keep.do(items.grant(holder=ada, item="rough_stone", quantity=3, source="test"))
    await carry(keep, ada, "keystone", "keystone", "whetted_stone")
    of: dict[str, Any] = {"character": ada, "essence_slot": 1}

    second = await keep.do(essences.awaken(**of, stone="rough"))
    with pytest.raises(essences.AbilitySlotFilled):
        await keep.do(essences.awaken(**of, stone="rough", slot=2))
    with pytest.raises(essences.StoneUnfit):
        await keep.do(essences.awaken(**of, stone="keystone", slot=3))
    fifth = await keep.do(essences.awaken(**of, stone="keystone"))
    with pytest.raises(essences.AbilitySlotFilled):
        await keep.do(essences.awaken(**of, stone="keystone"))
    await keep.do(essences.awaken(character=ada, essence_slot=4, stone="whetted"))  # storm forge has one ability left to attack with
    await carry(keep, ada, "whetted_stone")
    with pytest.raises(essences.NoAbilityLeft):
        await keep.do(essences.awaken(character=ada, essence_slot=4, stone="whetted"))
    with pytest.raises(essences.UnknownStone):
        await keep.do(essences.awaken(**of, stone="moonbeam"))

    assert (second.slot, fifth.slot) == (2, 5)
    assert [await keep.ask(items.held(holder=ada, item=one)) for one in ("rough_stone", "keystone", "whetted_stone")] == [2, 1, 1]
    assert [(one.slot, one.awakened) for one in (await held(keep, ada))[0].abilities or []] == [(1, False), (2, True), (5, True)]
    await adds_up(keep)

    trained = await keep.do(essences.train_ability(**of, slot=1, xp=350))
    assert trained == essences.AbilityTrained(350, 2, 50)
    with pytest.raises(essences.RankTooLow):
        await keep.do(essences.rank_up_ability(**of, slot=1))
    await keep.do(essences.rank_up(character=ada))
    with pytest.raises(essences.AbilityNotMastered):
        await keep.do(essences.rank_up_ability(**of, slot=1))
    trained = await keep.do(essences.train_ability(**of, slot=1, xp=1_000_000))
    assert trained == essences.AbilityTrained(100 * (1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9) - 350, 9, 0)
    assert await keep.do(essences.rank_up_ability(**of, slot=1)) == essences.Risen("normal", "iron")
    with pytest.raises(essences.RankTooLow):
        await keep.do(essences.rank_up_ability(**of, slot=1))
    with pytest.raises(essences.AbilityNotFound):
        await keep.do(essences.train_ability(**of, slot=4, xp=1))
    await keep.do(essences.set_ability_metadata(**of, slot=1, metadata={"colour": "blue"}))

    first = ((await held(keep, ada))[0].abilities or [])[0]
    assert (first.rank, first.level, first.xp, first.metadata, first.base) == ("iron", 0, 0, {"colour": "blue"}, 9)
    with pytest.raises(essences.RankGateClosed) as shut:
        await keep.do(essences.rank_up(character=ada))
    assert (shut.value.rank, shut.value.essences, shut.value.abilities) == ("bronze", 0, 3)
    await keep.do(appoint(character=ada, rank="diamond"))
    with pytest.raises(essences.HighestRank):
        await keep.do(essences.rank_up(character=ada))


async def test_content_is_listed_and_what_no_pack_defines_any_more_is_kept_and_shown_by_its_name(keep: Keep) -> None:
    (ada,) = await seekers(keep, "Ada")
    await keep.do(essences.bond(character=ada, essence="ember", attribute="power"))
    first = await keep.ask(essences.essence_definitions(limit=20))
    second = await keep.ask(essences.essence_definitions(limit=20, cursor=first.next_cursor))
    assert [len(first.items), len(second.items), second.next_cursor] == [20, 4, None]
    assert [one.id for one in first.items + second.items] == sorted(one.id for one in essence_pack().of(essences.EssenceDefinition))
    assert len((await keep.ask(essences.stone_definitions())).items) == 5
    assert len((await keep.ask(essences.confluence_definitions())).items) == 20

    await keep.do(content.load_pack(pack=pack(id="essence")))

    (only,) = await held(keep, ada)
    assert (only.essence, only.name, [one.name for one in only.abilities or []]) == ("ember", None, ["Cinder Lash"])
    with pytest.raises(essences.UnknownEssence):
        await keep.do(essences.bond(character=ada, essence="gale", attribute="speed"))


# The defects of the original, by the numbers of tests/seeds/test_seed_001_defects.py


async def test_seed_001_defect_1_a_cache_that_another_process_never_invalidates(keep: Keep) -> None:
    """Its memory cache had no time limit and was right only in the process that wrote."""
    (ada,) = await seekers(keep, "Ada")
    async with gamekeeper.open(keep.settings.url, allow_unsafe_postgres=True) as other:
        await other.do(essences.bond(character=ada, essence="ember", attribute="power"))
        await keep.do(essences.bond(character=ada, essence="gale", attribute="speed"))
        with pytest.raises(essences.EssenceAlreadyBonded):
            await other.do(essences.bond(character=ada, essence="gale", attribute="spirit"))

        for one in (keep, other):
            assert [essence.essence for essence in await held(one, ada)] == ["ember", "gale"]
            assert await attributes(one, ada) == {"power": (10, 5), "speed": (10, 6)}


async def test_seed_001_defect_1_a_cache_without_a_size_limit(keep: Keep) -> None:
    """It kept every character that was ever loaded."""
    people = await seekers(keep, *(f"Ada {letter}" for letter in "abcdefghij"), carrying=())
    async with gamekeeper.open(keep.settings.url, allow_unsafe_postgres=True, cache_rows=12) as small:
        for one in people:
            await small.do(essences.expand_inventory(character=one, level=1))
            assert small.runner.cache.rows <= 12


async def test_seed_001_defect_2_a_refusal_that_commits_an_empty_transaction(keep: Keep) -> None:
    """It returned its failures from inside the transaction, which then was committed."""
    (ada,) = await seekers(keep, "Ada")
    before = await keep.version(ada)

    with pytest.raises(essences.UnknownEssence):
        await keep.do(essences.bond(character=ada, essence="moonbeam", attribute="power"))
    with pytest.raises(items.ItemNotFound):
        await keep.do(essences.bond(character=ada, essence="tide", attribute="power"))
    with pytest.raises(essences.EssenceNotChosen):
        await keep.do(essences.bond(character=ada, essence="storm_forge", attribute="power"))

    assert await keep.version(ada) == before
    assert await held(keep, ada) == []


async def test_seed_001_defect_2_a_thousand_bonds_at_once_give_no_fifth_essence_and_lose_no_bonus(keep: Keep) -> None:
    """Without a lock two bonds at once gave five essences, or lost one's attribute."""
    names, loaded = [f"Ada {letter}" for letter in "abcde"], essence_pack()
    bonuses = {one.id: one.bonuses for one in loaded.of(essences.EssenceDefinition)}
    kinds = [one.id for one in chosen(loaded)][:6]
    crowd = await seekers(keep, *names, carrying=kinds)
    tries = [(who, kind, attribute) for who in crowd for kind in kinds for attribute in essences.ATTRIBUTES]
    tries = (tries * 9)[:970]
    random.Random(7).shuffle(tries)

    async with gamekeeper.open(keep.settings.url, allow_unsafe_postgres=True) as other:
        calls = [
            (keep, other)[number % 2].do(essences.bond.call({"character": who, "essence": kind, "attribute": attribute}))
            for number, (who, kind, attribute) in enumerate(tries)
        ]
        calls += [one.do(essences.form_confluence(character=who)) for who in crowd for one in (keep, other)]
        # Meanwhile somebody else writes the very rows that the bonuses go to.
        for who in crowd:
            for attribute in essences.ATTRIBUTES:
                raised = characters.set_attribute.call({"character": who, "attribute": attribute, "base": 11})
                calls.insert(len(calls) // 2, other.do(raised))
        answers = await asyncio.gather(*calls, return_exceptions=True)

    bonded = [one for one in answers if isinstance(one, essences.Bonded)]
    assert len(answers) == 1000
    assert {type(one) for one in answers} <= {
        type(None),
        essences.Bonded,
        essences.MaxEssencesReached,
        essences.EssenceAlreadyBonded,
        essences.AttributeAlreadyBound,
        essences.ConfluenceNotReady,
    }
    total = 0
    for who in crowd:
        mine = await held(keep, who)
        total += len(mine)
        assert 3 <= len(mine) <= 4
        assert len({one.essence for one in mine}) == len({one.attribute for one in mine}) == len(mine)
        assert [len(one.abilities or []) for one in mine] == [1] * len(mine)
        gained = {one.attribute: bonuses[one.essence].of(one.attribute) for one in mine}
        assert await attributes(keep, who) == {one: (11, gained.get(one, 0)) for one in essences.ATTRIBUTES}
    assert len(bonded) == total
    await adds_up(keep)
    assert (await verify(keep)).problems == []


async def test_seed_001_defect_2_the_same_essence_or_attribute_twice(keep: Keep, database_url: str) -> None:
    """Nothing forbade either; now the tables do as well, and there is no fifth slot."""
    (ada,) = await seekers(keep, "Ada")
    await keep.do(essences.bond(character=ada, essence="ember", attribute="power"))
    with pytest.raises(essences.EssenceAlreadyBonded) as same:
        await keep.do(essences.bond(character=ada, essence="ember", attribute="speed"))
    with pytest.raises(essences.AttributeAlreadyBound) as bound:
        await keep.do(essences.bond(character=ada, essence="gale", attribute="power"))
    assert (same.value.slot, bound.value.slot) == (1, 1)

    insert = (
        "INSERT INTO character_essences (character_id, slot, essence_type, attribute_bound, rank_bonded, created_at) "
        "VALUES (?, {}, '{}', '{}', 'normal', 0)"
    )
    async with raw(database_url) as database:
        for slot, kind, attribute in ((2, "ember", "speed"), (2, "gale", "power"), (5, "gale", "speed"), (0, "gale", "speed")):
            with pytest.raises(Refused):
                await database.rows(insert.format(slot, kind, attribute), ada)
        with pytest.raises(Refused):
            await database.rows("UPDATE character_abilities SET level = 10")
        with pytest.raises(Refused):
            await database.rows("UPDATE character_abilities SET slot = 6")


async def test_seed_001_defect_2_a_save_that_writes_the_old_attribute_over_the_bonus(keep: Keep) -> None:
    """A bond did not tell the character's cache, whose next save put the attribute back."""
    (ada,) = await seekers(keep, "Ada")
    await keep.do(characters.set_attribute(character=ada, attribute="power", base=12, bonus=3))
    async with gamekeeper.open(keep.settings.url, allow_unsafe_postgres=True) as other:
        await other.acquire(ada)
        await other.do(characters.set_vitals(character=ada, vitals={"health": 70_00}))  # in the other's memory alone
        with pytest.raises(OwnerLeased):
            await keep.do(essences.bond(character=ada, essence="ember", attribute="power"))
        await keep.do(essences.bond(character=ada, essence="ember", attribute="power"), actor="operator:test")
        await other.flush()
        await other.do(characters.set_attribute(character=ada, attribute="power", base=13))
        await other.release(ada)

    assert await attributes(keep, ada) == {"power": (13, 8)}
    vitals = {one.vital: one.current for one in (await keep.ask(characters.show(character=ada))).vitals}
    assert vitals["health"] == 70_00


async def test_seed_001_defect_3_a_cached_object_that_its_caller_changes(keep: Keep) -> None:
    """What was cached was the caller's own object: whoever changed it changed what others read."""
    (ada,) = await seekers(keep, "Ada")
    await keep.do(essences.bond(character=ada, essence="ember", attribute="power"))
    given = {"colour": ["blue"]}
    await keep.do(essences.set_ability_metadata(character=ada, essence_slot=1, slot=1, metadata=given))

    given["colour"].append("changed by who wrote it")
    sheet = await keep.ask(essences.show(character=ada))
    assert sheet.essences is not None
    assert sheet.essences[0].abilities is not None
    sheet.essences[0].abilities[0].metadata["colour"] = "changed by who read it"
    sheet.essences.clear()
    with pytest.raises(AttributeError):
        sheet.rank = "diamond"  # type: ignore[misc]
    await keep.do(essences.train_ability(character=ada, essence_slot=1, slot=1, xp=10))

    ((only,),) = [one.abilities or [] for one in await held(keep, ada)]
    assert (only.metadata, only.xp) == ({"colour": ["blue"]}, 10)


async def test_seed_001_defect_4_the_last_writer_wins(keep: Keep) -> None:
    """A save wrote all columns, so that of two writers the later one undid the earlier."""
    (ada,) = await seekers(keep, "Ada")
    seen = await keep.version(ada)
    async with gamekeeper.open(keep.settings.url, allow_unsafe_postgres=True) as other:
        await asyncio.gather(
            keep.do(essences.bond(character=ada, essence="ember", attribute="power")),
            other.do(characters.rename(character=ada, name="Ada the Warm")),
            other.do(essences.bond(character=ada, essence="gale", attribute="speed")),
            keep.do(appoint(character=ada, rank="bronze")),
        )
        with pytest.raises(VersionConflict):
            await other.do(essences.bond(character=ada, essence="bell", attribute="spirit"), expect_version=seen)

    row = (await keep.ask(characters.show(character=ada))).character
    assert (row.name, row.rank) == ("Ada the Warm", "bronze")
    assert {one.essence for one in await held(keep, ada)} == {"ember", "gale"}


async def test_seed_001_defect_5_an_expansion_below_zero_that_loses_what_is_held(keep: Keep) -> None:
    """An empty inventory got level -1 and 10 slots, and the level stood on every row of it."""
    ada, bob = await seekers(keep, "Ada", "Bob", carrying=())
    assert await keep.ask(items.inventory_size(holder=ada)) == 28
    assert await keep.do(essences.expand_inventory(character=ada)) == essences.Expanded(0, 20)

    await keep.do(items.grant(holder=ada, item="logs", quantity=20, source="test"))
    with pytest.raises(items.InventoryFull) as full:
        await keep.do(items.grant(holder=ada, item="logs", quantity=1, source="test"))
    assert (full.value.free, full.value.needed) == (0, 1)
    with pytest.raises(items.InvalidSlot):
        await keep.do(items.move(holder=ada, from_container="inventory", from_slot=0, to_container="inventory", to_slot=20))
    assert await keep.do(essences.expand_inventory(character=ada, level=2)) == essences.Expanded(2, 40)
    await keep.do(items.move(holder=ada, from_container="inventory", from_slot=0, to_container="inventory", to_slot=35))
    with pytest.raises(items.InventoryInUse) as used:
        await keep.do(essences.expand_inventory(character=ada, level=1))
    assert (used.value.slots, used.value.needed) == (30, 36)
    assert await keep.do(essences.expand_inventory(character=ada)) == essences.Expanded(2, 40)

    # Who has more than level 0 holds is given the level that holds it.
    await keep.do(items.grant(holder=bob, item="logs", quantity=25, source="test"))
    assert await keep.do(essences.expand_inventory(character=bob)) == essences.Expanded(1, 30)
    assert (await keep.ask(essences.show(character=ada, parts=["inventory"]))).inventory == essences.Room(2, 40)
    await keep.do(items.give(giver=ada, receiver=bob, item="logs", quantity=5))
    with pytest.raises(items.InventoryFull):
        await keep.do(items.give(giver=ada, receiver=bob, item="logs", quantity=1))
    await adds_up(keep)


async def test_seed_001_defect_5_a_batch_of_items_that_never_stacks_and_asks_for_no_room(keep: Keep) -> None:
    """It wrote a row for each item without looking what was there."""
    (ada,) = await seekers(keep, "Ada", carrying=())
    await keep.do(essences.expand_inventory(character=ada, level=0))
    lines = [items.Line("rough_stone", 3), items.Line("rough_stone", 4), items.Line("logs", 19)]

    await keep.do(items.grant_many(holder=ada, items=lines, source="test"))
    with pytest.raises(items.InventoryFull):
        await keep.do(items.grant_many(holder=ada, items=[items.Line("rough_stone", 1), items.Line("logs", 1)], source="test"))

    found = await keep.ask(items.inventory(holder=ada))
    assert [(row.quantity, len(found)) for row in found if row.item == "rough_stone"] == [(7, 20)]


async def test_seed_001_defect_6_a_deletion_that_takes_the_essences_along(keep: Keep) -> None:
    """Its schema and its migration said different things of what a deletion takes along; here it is nothing."""
    (ada,) = await seekers(keep, "Ada")
    await keep.do(essences.bond(character=ada, essence="ember", attribute="power"))

    await keep.do(characters.delete(character=ada))

    with pytest.raises(characters.CharacterNotFound):
        await keep.do(essences.bond(character=ada, essence="gale", attribute="speed"))
    with pytest.raises(characters.CharacterNotFound):
        await keep.ask(essences.show(character=ada))
    assert len(await keep.reader.all(essences.CharacterEssence, ada)) == 1
    assert len(await keep.reader.all(essences.CharacterAbility, ada)) == 1
    assert (await verify(keep)).problems == []


async def test_seed_001_reading_everything_to_show_a_little(keep: Keep) -> None:
    """Only the parts that are asked for are read."""
    (ada,) = await seekers(keep, "Ada")
    await keep.do(essences.bond(character=ada, essence="ember", attribute="power"))

    sheet = await keep.ask(essences.show(character=ada, parts=["essences"]))

    assert (sheet.attributes, sheet.inventory) == (None, None)
    assert [(one.name, one.abilities) for one in sheet.essences or []] == [("Ember", None)]
