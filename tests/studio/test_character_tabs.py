"""A character's tabs: what it has trained, wears, keeps, is on, has bonded, says and died of; and what an operator puts right there."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from gamekeeper.kernel import history
from gamekeeper.kernel.store.base import LoadRequest
from gamekeeper.modules import banks, characters, combat, content, essences, items, npcs, prayer, quests, skills
from gamekeeper.studio import queries
from tests.studio.conftest import Open, at_work
from tests.studio.test_edits import fill
from tests.studio.test_rooms import CONTRASTS, NAMELESS
from tests.studio.world import PAYLOADS

pytestmark = pytest.mark.asyncio(loop_scope="package")

TOO_WIDE = """
() => [...document.querySelectorAll("main .scroll")].filter((node) => node.scrollWidth > node.clientWidth).map((node) => node.outerHTML)
"""
TABS = ("skills", "equipment", "bank", "quests", "essences", "prayers", "deaths")
RATS = quests.QuestDefinition(
    id="boot_full_of_rats",
    name="A Boot Full of Rats",
    quest_points=1,
    stages=(
        quests.Stage(id="rats", type="kill", target="marsh_rat", count=10, label="marsh rats", description="Thin out the rats."),
        quests.Stage(id="tell", type="dialogue", npc="tilda", description="Show Tilda her net. " * 4),
    ),
)
TOLL = quests.QuestDefinition(id="unpaid_toll", name="Unpaid Toll", stages=(quests.Stage(id="pay", type="dialogue", npc="warden"),))
EMBER = essences.EssenceDefinition(
    id="ember",
    name="Ember",
    bonuses=essences.Bonuses(power=5, speed=2, spirit=3, recovery=1),
    ability=essences.Ability(name="Cinder Lash", description="A whip of sparks from an open hand."),
    pool=tuple(essences.Ability(name=name) for name in ("Banked Heat", "Ashen Coat", "Smoke Step", "Read the Coals")),
)
RPG = content.pack_of(
    *(skills.SkillDefinition(id=id, name=id.capitalize()) for id in ("agility", "moonlore", "prayer")),
    prayer.PrayerDefinition(id="oaken_hide", name="Oaken Hide", description="Bark creeps over the skin.", drain=3),
    npcs.NpcDefinition(id="marsh_rat", name="Marsh rat"),
    RATS,
    TOLL,
    EMBER,
    id="rpg",
    version="1",
    title="A role-playing game",
)


@pytest_asyncio.fixture(loop_scope="package", scope="module")
async def nell(studio: Open) -> str:
    """Somebody who has done a little of everything."""
    keep = studio.keep
    await keep.do(content.load_pack(pack=RPG))
    nell = (await keep.do(characters.create(name="Nell of the Tabs"))).character_id
    await keep.do(skills.gain(character=nell, skill="moonlore", xp=500))
    await keep.do(skills.gain(character=nell, skill="attack", xp=13_034_431))
    for item, quantity in (("goose_arrows", 2_000_000), ("willow_logs", 3), ("mill_loaf", 4)):
        await keep.do(items.grant(holder=nell, item=item, quantity=quantity, source="loot"))
        await keep.do(banks.deposit(character=nell, item=item))
    await keep.do(banks.create_tab(character=nell, from_slot=2))
    await keep.do(quests.start(character=nell, quest="boot_full_of_rats"))
    await keep.do(quests.progress(character=nell, type="kill", target="marsh_rat", count=4))
    await keep.do(combat.kill(character=nell, npc="marsh_rat", count=987))
    await keep.do(essences.bond(character=nell, essence="ember", attribute="power"))
    for _ in range(6):
        await keep.do(items.grant(holder=nell, item="bog_iron", quantity=1, source="loot"))
    await keep.do(combat.die(character=nell, killed_by=PAYLOADS[0], zone_type="wilderness"))
    blade = await keep.do(items.grant(holder=nell, item="iron_longsword", quantity=1, source="shop"))
    await keep.do(items.equip(character=nell, slot=blade.slots[0]))
    await keep.do(prayer.activate(character=nell, prayer="oaken_hide"))
    # What no pack defines any more is shown all the same.
    left = [one for one in RPG.of(skills.SkillDefinition) if one.id != "moonlore"]
    others = (*RPG.of(prayer.PrayerDefinition), *RPG.of(npcs.NpcDefinition))
    smaller = content.pack_of(*left, *others, RATS, TOLL, EMBER, id="rpg", version="2", title="Less of it")
    await keep.do(content.load_pack(pack=smaller))
    return nell


@pytest.mark.parametrize("width", [1280, 390])
async def test_every_tab_shows_what_is_kept_and_fits_its_window(
    studio: Open, browser: Browser, nell: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[LoadRequest] = []
    load = studio.keep.store.load

    async def counted(request: LoadRequest) -> Any:
        loads.append(request)
        return await load(request)

    monkeypatch.setattr(studio.keep.store, "load", counted)
    words = {
        "skills": ("Attack", "13,034,431", "moonlore", "unknown", "untrained", "combat level"),
        "equipment": ("Iron longsword",),
        "bank": ("Goose-feather arrows", "2,000,000", "Main tab", "Tab 1", "Mill loaf"),
        "quests": ("A Boot Full of Rats", "in progress", "4", "Unpaid Toll", "can be started"),
        "essences": ("Ember", "bound to power", "Cinder Lash", "0 of 100 XP"),
        "prayers": ("Oaken Hide", "level 1"),
        "deaths": ("wilderness", "<script>", "Bog iron", "Marsh rat", "987", "What lies in the gravestone"),
    }
    scheme: Any = "light" if width > 1000 else "dark"
    async with at_work(studio, browser, viewport={"width": width, "height": 844}, color_scheme=scheme) as operator:
        for tab in TABS:
            loads.clear()
            assert await operator.visit(f"/characters/{nell}/{tab}") == 200
            assert len(loads) == 1, tab
            page = (await operator.text()).lower()
            assert [word for word in words[tab] if word.lower() not in page] == [], tab
            assert await operator.overflow() <= 0, tab
            assert await operator.page.evaluate(TOO_WIDE) == [], tab
            assert await operator.page.evaluate(NAMELESS) == [], tab
            assert await operator.page.evaluate(CONTRASTS) == [], tab
            assert await operator.page.evaluate("window.violations") == []
            assert await operator.page.locator(".tabs [aria-current]").inner_text() == tab.capitalize()
            for edit in await operator.page.locator(".edits summary").all():
                await edit.click()
            assert await operator.overflow() <= 0, f"{tab} scrolls sideways with its forms open"
            # The same of somebody who has nothing, and of somebody who is deleted.
            assert await operator.visit(f"/characters/{studio.world.gone}/{tab}") == 200
            assert await operator.page.locator("form.edit").count() == 0
            assert await operator.overflow() <= 0, tab
        assert await operator.visit(f"/characters/{nell}/nothing") == 404
        assert await operator.visit("/characters/nobody/skills") == 404
        operator.check()


@pytest.mark.parametrize("width", [1280, 390])
async def test_the_deaths_of_everybody_lead_to_who_died_and_to_what_lies_there(
    studio: Open, browser: Browser, nell: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheme: Any = "light" if width > 1000 else "dark"
    async with at_work(studio, browser, viewport={"width": width, "height": 844}, color_scheme=scheme) as operator:
        page = operator.page
        for path, words in (
            ("/deaths", ("Nell of the Tabs", "<script>", "Bog iron", "wilderness", "gravestone")),
            ("/deaths/gravestones", ("Nell of the Tabs", "wilderness", "6", "Open")),
        ):
            assert await operator.visit(path) == 200
            text = await operator.text()
            assert [word for word in words if word not in text] == [], path
            assert await operator.overflow() <= 0, path
            assert await page.evaluate(TOO_WIDE) == await page.evaluate(NAMELESS) == await page.evaluate(CONTRASTS) == [], path
            assert await page.evaluate("window.violations") == []
        assert await page.locator(".tag.warn").count() == 0
        now = studio.keep.clock.now_ms()
        with monkeypatch.context() as patch:
            patch.setattr(studio.keep.clock, "now_ms", lambda: now + 901_000)
            await page.reload()
            assert await page.locator("tr .tag.warn").inner_text() == "due"
        await page.click("main >> text=Open")
        assert "Bog iron" in await operator.text(".bag-gravestone")
        await page.click(".about >> text=Nell of the Tabs")
        assert page.url.endswith(f"/characters/{nell}")
        await operator.visit("/characters")
        await page.click(".tabs >> text=Deaths")
        await page.click("main >> text=Nell of the Tabs")
        assert page.url.endswith(f"/characters/{nell}/deaths")
        operator.check()


async def test_lists_of_deaths_go_on_page_by_page(studio: Open, nell: str) -> None:
    keep = studio.keep
    mortals = [(await keep.do(characters.create(name=f"Mortal {letter}"))).character_id for letter in "ABC"]
    for mortal in mortals:
        await keep.do(items.grant(holder=mortal, item="bog_iron", quantity=1, source="loot"))
        await keep.do(combat.die(character=mortal, killed_by="marsh_rat", zone_type="wilderness"))
    for ask, expected in ((queries.newest_deaths, [*reversed(mortals), nell]), (queries.standing_gravestones, [nell, *mortals])):
        cursor, found = None, list[str]()
        while not found or cursor is not None:
            part = await ask(keep.reader, limit=1, cursor=cursor)
            found += [one.character_id for one in part.items]
            cursor = part.next_cursor
        assert found == expected


async def test_experience_and_quests_are_put_right_with_a_reason(studio: Open, browser: Browser, nell: str) -> None:
    xp = "1,154"
    async with at_work(studio, browser) as operator:
        page = operator.page
        await operator.visit(f"/characters/{nell}/skills")
        await fill(operator, "set-xp", skill="fishing", xp=xp, reason="a fault of the server")
        await expect(page.locator(".notice")).to_contain_text(f"fishing is level 10 with {xp} XP now.")
        await expect(page.locator("tr:has-text('Fishing')")).to_contain_text(xp)
        await fill(operator, "set-xp", skill="fishing", xp="a lot", reason="too much")
        await expect(page.locator(".edits .error")).to_contain_text("INVALID_ARGUMENT")
        assert await page.locator("form[action$='/set-xp'] [name=xp]").input_value() == "a lot"

        await operator.visit(f"/characters/{nell}/quests")
        await fill(operator, "set-stage", stage="boot_full_of_rats/tell", reason="the last rat got stuck")
        await expect(page.locator(".notice")).to_contain_text("boot_full_of_rats is at the beginning of tell now.")
        await expect(page.locator("tr:has-text('Boot Full')")).to_contain_text("tell")
        await page.locator(".edits summary", has_text="Reset").click()
        await page.check("form[action$='/reset-quest'] [name=confirm]")
        await fill(operator, "reset-quest", quest="boot_full_of_rats", reason="began it by mistake")
        await expect(page.locator(".notice")).to_contain_text("can be begun anew")
        await expect(page.locator("tr:has-text('Boot Full')")).to_contain_text("can be started")
        operator.check()
    await studio.keep.do(quests.start(character=nell, quest="boot_full_of_rats"))
    entries = (await studio.keep.ask(history.timeline(owner=nell))).items[1:4]
    assert [(entry.command, entry.actor) for entry in entries] == [
        (name, "operator:tess") for name in ("quests.reset", "quests.set_stage", "skills.set_xp")
    ]
    assert (entries[0].arguments["reason"], entries[2].reason) == ("began it by mistake", "a fault of the server")
