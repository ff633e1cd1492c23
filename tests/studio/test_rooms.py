"""Every room, in a browser: it shows what is there, fits the window, and breaks no policy."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from gamekeeper.modules import characters
from tests.studio.conftest import Open, Operator, at_work
from tests.studio.world import World

pytestmark = pytest.mark.asyncio(loop_scope="package")

ROOMS = {
    "home": "/",
    "characters": "/characters",
    "character": "/characters/{ada}",
    "a character's forms": "/characters/{ada}?form=grant",
    "a deleted character": "/characters/{gone}",
    "a hostile character": "/characters/{mallory}",
    "users": "/users",
    "a user": "/users/{user}",
    "a user with a form that is filled in": "/users/{user}?form=kick&session_id=all&back=sessions",
    "a banned user": "/users/{troll}?form=ban",
    "a user who leaves": "/users/{leaving}?form=erase",
    "sessions": "/sessions",
    "sessions of one": "/sessions?user=Rowan",
    "sessions of nobody": "/sessions?user=nobody_of_this_name",
    "bans": "/moderation?state=all",
    "notes": "/moderation/notes",
    "activity": "/moderation/activity",
    "chat": "/chat",
    "chat of nobody": "/chat?author=nobody",
    "a message": "/chat/world/{said}",
    "a whisper": "/chat/world/{whispered}",
    "an owner without a room": "/owners/{user}",
    "a world": "/owners/world",
    "items": "/items",
    "an item": "/items/wheelwrights_hammer?holders=1",
    "an unknown item": "/items/old_relic?holders=1",
    "a unique piece": "/pieces/{hammer}",
    "trades": "/trades",
    "a completed trade": "/trades/{traded}",
    "an open trade": "/trades/{offered}",
    "economy": "/economy",
    "journal": "/journal",
    "jobs": "/jobs",
    "a job": "/jobs/purge_guests?form=run",
}

CONTRASTS = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const rgba = (colour) => {
    if (!known.has(colour)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      known.set(colour, [...canvas.getImageData(0, 0, 1, 1).data]);
    }
    return known.get(colour);
  };
  const over = (top, below) => top.slice(0, 3).map((one, i) => (one * top[3] + below[i] * (255 - top[3])) / 255);
  const grounds = new Map([[null, [255, 255, 255]]]);
  const ground = (node) => {
    if (!grounds.has(node)) grounds.set(node, over(rgba(getComputedStyle(node).backgroundColor), ground(node.parentElement)));
    return grounds.get(node);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((one) => (one /= 255) <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!own || !node.checkVisibility({ visibilityProperty: true })) continue;
    if (node.closest(".unseen, .skip, svg, option, noscript")) continue;
    const below = ground(node);
    const style = getComputedStyle(node);
    const text = over(rgba(style.color), below);
    const [high, low] = [light(text), light(below)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) found.push(`${ratio.toFixed(2)} ${node.className || node.tagName}: ${node.textContent.slice(0, 30)}`);
  }
  return found;
}
"""

NAMELESS = """
() => [...document.querySelectorAll("a, button, input:not([type=hidden]), select, textarea, summary")]
  .filter((node) => node.checkVisibility())
  .filter((node) => !(node.textContent.trim() || node.getAttribute("aria-label") || node.title || (node.labels && node.labels.length)))
  .map((node) => node.outerHTML)
"""


def path_of(room: str, world: World) -> str:
    """The address of a room."""
    return ROOMS[room].format(**{name: getattr(world, name) for name in world.__struct_fields__})


async def look(operator: Operator, room: str) -> None:
    """Visit a room and look for what must not be there."""
    assert await operator.visit(path_of(room, operator.studio.world)) == 200
    assert await operator.overflow() <= 0, f"{room} scrolls sideways"
    assert await operator.page.evaluate("window.violations") == []
    assert await operator.page.evaluate("window.owned") is None
    assert await operator.page.evaluate(NAMELESS) == []
    for entry in (await operator.page.locator(".entry summary").all())[:3]:
        await entry.click()
    assert await operator.overflow() <= 0, f"{room} scrolls sideways with its entries open"
    assert await operator.page.evaluate(CONTRASTS) == [], room


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_room_renders_within_its_window_with_enough_contrast(studio: Open, browser: Browser, width: int, scheme: Any) -> None:
    async with at_work(studio, browser, viewport={"width": width, "height": 844}, color_scheme=scheme) as operator:
        for room in ROOMS:
            await look(operator, room)
        operator.check()


async def test_a_chosen_theme_is_kept_and_beats_that_of_the_system(studio: Open, browser: Browser) -> None:
    async with at_work(studio, browser, color_scheme="light") as operator:
        ground = "getComputedStyle(document.documentElement).backgroundColor"
        day = await operator.page.evaluate(ground)
        await operator.page.click("#theme")
        night = await operator.page.evaluate(ground)
        await operator.visit("/economy")

        assert night != day
        assert await operator.page.evaluate(ground) == night
        await operator.page.click("#theme")
        assert await operator.page.evaluate(ground) == day
        operator.check()


async def test_the_keyboard_reaches_everything(studio: Open, browser: Browser) -> None:
    async with at_work(studio, browser) as operator:
        await operator.visit(f"/characters/{studio.world.ada}")
        keyboard = operator.page.keyboard
        await keyboard.press("Tab")
        assert await operator.page.evaluate("document.activeElement.className") == "skip"
        await keyboard.press("Enter")
        assert await operator.page.evaluate("document.activeElement.id") == "main"

        await operator.page.locator(".entry summary").first.focus()
        await keyboard.press("Enter")
        assert await operator.page.locator(".entry details[open]").count() == 1
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert await operator.page.evaluate(outline) == "solid"

        await keyboard.press("/")
        assert await operator.page.evaluate("document.activeElement.id") == "search"
        await keyboard.type("bob")
        await keyboard.press("Enter")
        await operator.page.wait_for_url("**/characters?q=bob")
        assert "Bob of the Mill" in await operator.text("table")
        operator.check()


@pytest.mark.parametrize(
    ("text", "leads_to"),
    [("ada", "/characters/"), ("traded", "/trades/"), ("hammer", "/pieces/"), ("user", "/users/"), ("coins", "/items/")],
)
async def test_the_search_field_finds_what_an_id_names(studio: Open, browser: Browser, text: str, leads_to: str) -> None:
    wanted = getattr(studio.world, text, text)
    async with at_work(studio, browser) as operator:
        await operator.visit(f"/find?q={wanted}")
        assert operator.page.url == f"{studio.url}{leads_to}{wanted}"


async def test_home_refreshes_itself(studio: Open, browser: Browser) -> None:
    async with at_work(studio, browser) as operator:
        await operator.visit("/")
        await studio.keep.do(characters.create(name="Newcomer"))
        await expect(operator.page.locator("#live")).to_contain_text("Newcomer", timeout=10_000)
        await expect(operator.page.locator("#live time:not([data-local])")).to_have_count(0)
        operator.check()


async def test_a_character_shows_all_that_it_has(studio: Open, browser: Browser) -> None:
    async with at_work(studio, browser) as operator:
        await operator.visit(f"/characters/{studio.world.ada}")
        text = await operator.text()
        for part in (
            "Ada Thornfield",
            "Rowan",
            "mill/upper",
            "64.5",
            "Iron longsword",
            "Lake sapphire",
            "350",
            "unique",
            "unknown",
            "agility",
        ):
            assert part in text, part
        assert await operator.page.locator(".bag-inventory .slot").count() == 28
        assert await operator.page.locator(".bag-equipment .slot").count() == 11
        assert await operator.page.locator(".bag-equipment .full").count() == 6


async def test_a_timeline_goes_on_in_place_and_is_filtered_by_its_address(studio: Open, browser: Browser) -> None:
    async with at_work(studio, browser) as operator:
        await operator.visit(f"/characters/{studio.world.ada}")
        assert await operator.page.locator(".entry").count() == 25
        await operator.page.click("text=Older entries")
        await expect(operator.page.locator(".entry")).to_have_count(50)
        await expect(operator.page.locator(".entry summary").nth(25)).to_be_focused()

        await operator.page.select_option("#command", "items.equip")
        await operator.page.wait_for_url("**command=items.equip*")
        assert await operator.page.locator(".entry").count() == 6
        assert set(await operator.page.locator(".entry .command").all_inner_texts()) == {"items.equip"}
        operator.check()


async def test_an_entry_tells_who_why_and_what_and_leads_to_the_whole_command(studio: Open, browser: Browser) -> None:
    async with at_work(studio, browser) as operator:
        await operator.visit(f"/characters/{studio.world.ada}?command=trades.accept")
        await operator.page.locator(".entry summary").first.click()
        entry = operator.page.locator(".entry").first
        assert "holdings" in await entry.inner_text()
        await entry.locator("text=The whole command").click()
        await operator.page.wait_for_url("**/journal/*")
        owners = await operator.page.locator(".owner-part h2 .owner").all_inner_texts()
        assert {"Ada Thornfield", "Bob of the Mill"} < set(owners)
        assert len(owners) == 3


async def test_a_trade_shows_both_sides_beside_each_other(studio: Open, browser: Browser) -> None:
    async with at_work(studio, browser) as operator:
        await operator.visit(f"/trades/{studio.world.traded}")
        sides = operator.page.locator(".side")
        assert "500" in await sides.nth(0).inner_text()
        assert "The Wheelwright's Hammer" in await sides.nth(1).inner_text()
        left, right = [await sides.nth(at).bounding_box() for at in (0, 1)]
        assert left is not None
        assert right is not None
        assert left["y"] == right["y"]
        assert left["x"] < right["x"]


async def test_the_life_of_a_unique_item_is_told_from_its_making(studio: Open, browser: Browser) -> None:
    async with at_work(studio, browser) as operator:
        await operator.visit(f"/pieces/{studio.world.hammer}")
        legs = [" ".join(text.split()) for text in await operator.page.locator(".way .leg").all_inner_texts()]
        assert legs == ["mint:boss → Bob of the Mill inventory", "Bob of the Mill inventory → Ada Thornfield inventory"]


async def test_what_is_noteable_and_its_note_lead_to_each_other(studio: Open, browser: Browser) -> None:
    async with at_work(studio, browser) as operator:
        await operator.visit("/items?q=willow_logs")
        assert await operator.page.locator("tbody tr:has(.id:text-is('willow_logs')) .tag").all_inner_texts() == ["noteable"]
        await operator.page.click("main >> text=Willow logs (noted)")
        await operator.page.click("main .head >> text=willow_logs")
        assert operator.page.url.endswith("/items/willow_logs")
        await operator.page.click("main .head >> text=willow_logs_noted")
        assert "A note" in await operator.text()


async def test_the_economy_is_drawn_and_stands_in_numbers(studio: Open, browser: Browser) -> None:
    async with at_work(studio, browser) as operator:
        await operator.visit("/economy")
        assert "Everything adds up." in await operator.text(".verdict")
        assert await operator.page.locator(".chart canvas").count() == 1
        await operator.page.click("text=The numbers")
        assert await operator.page.locator(".numbers tbody tr").count() >= 18
        await operator.visit("/economy?item=goose_arrows")
        assert re.search(r"2,14\d,\d{3},\d{3}", await operator.text("table.list >> nth=-1"))
        operator.check()


async def test_lists_go_on_page_by_page_without_a_script(studio: Open, browser: Browser) -> None:
    async with at_work(studio, browser, java_script_enabled=False) as operator:
        await operator.visit("/journal")
        seen = 0
        while True:
            seen += await operator.page.locator(".entry").count()
            older = operator.page.locator("a[rel=next]")
            if not await older.count():
                break
            async with operator.page.expect_navigation():
                await older.click()
        assert seen >= 100
        operator.check()


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/characters/nobody",
        "/trades/none",
        "/items/nothing",
        "/journal/none",
        "/pieces/none",
        "/owners/x",
        "/users/x",
        "/chat/world/x",
    ],
)
async def test_what_is_not_there_says_so(studio: Open, browser: Browser, path: str) -> None:
    async with at_work(studio, browser) as operator:
        assert await operator.visit(path) == 404
        assert await operator.page.locator("h1").inner_text() == "There is no such page"
