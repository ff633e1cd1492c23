"""Equipment: what it asks of a character's skills, and what needs both hands."""

from typing import Final

import pytest

from gamekeeper.keep import Keep
from gamekeeper.modules import content, items, skills, xp
from tests.modules.scene import adds_up, lying, pack, people

BLADE: Final = content.ItemDefinition(id="blade", name="Blade", equip_slot="weapon", requirements={"attack": 5, "strength": 1})
CLAYMORE: Final = content.ItemDefinition(id="claymore", name="Claymore", equip_slot="weapon", two_handed=True)
BUCKLER: Final = content.ItemDefinition(id="buckler", name="Buckler", equip_slot="shield")
PEBBLE: Final = content.ItemDefinition(id="pebble", name="Pebble")
WEAPON, SHIELD = content.EQUIPMENT_SLOTS.index("weapon"), content.EQUIPMENT_SLOTS.index("shield")


@pytest.fixture
async def armed(keep: Keep) -> Keep:
    """A keep with weapons, and a skill that one of them asks for."""
    curve = xp.CurveDefinition(id="runescape", name="RuneScape", formula="runescape")
    attack = skills.SkillDefinition(id="attack", name="Attack")
    await keep.do(content.load_pack(pack=pack(curve, attack, BLADE, CLAYMORE, BUCKLER, PEBBLE)))
    return keep


async def test_what_asks_for_a_skill_is_worn_from_its_level_on(armed: Keep) -> None:
    (ada,) = await people(armed, "Ada")
    await armed.do(items.grant(holder=ada, item="blade", quantity=1, source="test"))
    await armed.do(skills.gain(character=ada, skill="attack", xp=387))

    with pytest.raises(skills.SkillTooLow) as refused:
        await armed.do(items.equip(character=ada, slot=0))
    assert (refused.value.skill, refused.value.level, refused.value.needed) == ("attack", 4, 5)
    assert await lying(armed, ada) == {0: ("blade", 1)}

    # The last point and the sword in one request: the level counts at once.
    await armed.do(skills.gain(character=ada, skill="attack", xp=1), items.equip(character=ada, slot=0))
    assert await lying(armed, ada, "equipment") == {WEAPON: ("blade", 1)}
    await adds_up(armed)


async def test_two_hands_hold_no_shield(armed: Keep) -> None:
    (ada,) = await people(armed, "Ada")
    await armed.do(skills.gain(character=ada, skill="attack", xp=388))
    lines = [items.Line("blade", 1), items.Line("buckler", 1), items.Line("claymore", 1)]
    await armed.do(items.grant_many(holder=ada, items=lines, source="test"))
    await armed.do(items.equip(character=ada, slot=0), items.equip(character=ada, slot=1))

    await armed.do(items.equip(character=ada, slot=2))
    assert await lying(armed, ada, "equipment") == {WEAPON: ("claymore", 1)}
    assert await lying(armed, ada) == {0: ("buckler", 1), 2: ("blade", 1)}

    await armed.do(items.equip(character=ada, slot=0))
    assert await lying(armed, ada, "equipment") == {SHIELD: ("buckler", 1)}
    await armed.do(items.equip(character=ada, slot=2))
    assert await lying(armed, ada) == {0: ("claymore", 1)}

    # The blade takes the claymore's slot, and for the shield there is none.
    await armed.do(items.grant(holder=ada, item="pebble", quantity=27, source="test"))
    with pytest.raises(items.InventoryFull):
        await armed.do(items.equip(character=ada, slot=0))
    assert await lying(armed, ada, "equipment") == {WEAPON: ("blade", 1), SHIELD: ("buckler", 1)}
    await adds_up(armed)


def test_only_a_weapon_needs_both_hands() -> None:
    hat = content.ItemDefinition(id="hat", name="Hat", equip_slot="helmet", two_handed=True)
    assert [path for path, _ in hat.contradictions()] == ["two_handed"]
