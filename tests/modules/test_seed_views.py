"""The views that carry the rows under the names by which the first games' own SQL knows them."""

import json

import pytest

from gamekeeper.keep import Keep
from gamekeeper.modules import banks, characters, content, items, skills, xp
from tests.crash.raw import raw
from tests.modules.scene import ALL, pack, people


async def test_the_views_show_what_is_stored_and_take_nothing(keep: Keep, database_url: str) -> None:
    curve = xp.CurveDefinition(id="runescape", name="RuneScape", formula="runescape")
    trained = [skills.SkillDefinition(id="attack", name="Attack"), skills.SkillDefinition(id="constitution", name="C", start_xp=1154)]
    await keep.do(content.load_pack(pack=pack(*ALL, curve, *trained)))
    ada, bob, gone = await people(keep, "Ada", "Bob", "Gone")
    await keep.do(characters.delete(character=gone))
    await keep.do(items.grant(holder=ada, item="helm", quantity=2, source="test", metadata={"rune": "fire"}))
    await keep.do(items.grant(holder=ada, item="arrow", quantity=150, source="test"))
    await keep.do(items.equip(character=ada, slot=1))
    await keep.do(banks.deposit(character=ada, slot=0))
    await keep.do(banks.deposit(character=ada, item="arrow", quantity=120))
    await keep.do(banks.create_tab(character=ada, from_slot=1, tab=4))
    await keep.do(characters.move_to(character=ada, x=1.5, z=-2.0))
    await keep.do(skills.gain(character=ada, skill="attack", xp=13_034_431))
    async with raw(database_url) as database:
        mark = json.dumps({"rune": "fire"}, separators=(",", ":"))

        carried = await database.rows('SELECT "playerId", "itemId", quantity, "slotIndex", metadata FROM inventory')
        worn = await database.rows('SELECT "playerId", "itemId", quantity, "slotType", metadata FROM equipment')
        kept = await database.rows('SELECT "itemId", quantity, slot, "tabIndex", metadata FROM bank WHERE "playerId" = ? ORDER BY 4', ada)
        assert carried == [(ada, "arrow", 30, 3, "{}")]
        assert worn == [(ada, "helm", 1, "helmet", mark)]
        assert kept == [("helm", 1, 0, 0, mark), ("arrow", 120, 0, 4, "{}")]
        assert len({row[0] for row in await database.rows("SELECT id FROM bank UNION SELECT id FROM inventory")}) == 3

        sheet = 'SELECT name, x, y, z, "attackLevel", "attackXp", "constitutionLevel", "constitutionXp", "runecraftingLevel", "questPoints"'
        rows = await database.rows(f'{sheet}, "combatLevel", health, "maxHealth", "prayerPoints" FROM character_sheet ORDER BY name')
        assert [tuple(row) for row in rows] == [
            ("Ada", 1.5, 0.0, -2.0, 99, 13_034_431, 10, 1154, 1, 0, 35, 100, 100, 1),
            ("Bob", 0.0, 0.0, 0.0, 1, 0, 10, 1154, 1, 0, 3, 100, 100, 1),
        ]
        assert (await keep.ask(skills.sheet(character=ada))).combat_level == 35
        assert await database.one("SELECT name FROM character_sheet WHERE id = ?", bob) == "Bob"
        for change in (
            "UPDATE inventory SET quantity = 1000",
            "DELETE FROM bank",
            "INSERT INTO equipment (\"itemId\") VALUES ('crown')",
            "UPDATE character_sheet SET name = 'Eve'",
        ):
            with pytest.raises(Exception, match=r"view|read-only"):
                await database.rows(change)
