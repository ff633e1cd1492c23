"""The room Online and the play of a character: who plays where, kept fresh, and what was played before."""

from typing import Any

import pytest
from playwright.async_api import Browser

from gamekeeper.modules import characters, presence
from tests.studio.conftest import Open, at_work
from tests.studio.test_character_tabs import TOO_WIDE
from tests.studio.test_rooms import CONTRASTS, NAMELESS

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest.mark.parametrize("width", [1280, 390])
async def test_who_plays_is_seen_where_and_since_when_and_goes_when_it_ends(studio: Open, browser: Browser, width: int) -> None:
    keep, user = studio.keep, studio.world.user
    scheme: Any = "light" if width > 1000 else "dark"
    ida = (await keep.do(characters.create(name=f"Ida of {width}", user=user))).character_id
    tom = (await keep.do(characters.create(name=f"Tom of {width}"))).character_id
    for _ in range(27):
        await keep.do(presence.start(character=ida, server_id="east-1"))
    await keep.do(presence.start(character=tom, server_id="a-server-of-a-very-long-name.region-7.example:8420"))
    async with at_work(studio, browser, viewport={"width": width, "height": 844}, color_scheme=scheme) as operator:
        page = operator.page

        async def sound() -> None:
            assert await operator.overflow() <= 0, page.url
            assert await page.evaluate(TOO_WIDE) == await page.evaluate(NAMELESS) == await page.evaluate(CONTRASTS) == [], page.url
            assert await page.evaluate("window.violations") == []

        assert await operator.visit("/online") == 200
        text = await operator.text()
        assert [one for one in (f"Ida of {width}", f"Tom of {width}", "east-1", "2 in all") if one not in text] == []
        await sound()
        await page.click("dl >> text=east-1")
        assert (f"Ida of {width}" in await operator.text("table"), f"Tom of {width}" in await operator.text("table")) == (True, False)
        await sound()

        # The part that refreshes itself keeps to what was chosen.
        refreshed = await page.get_attribute("#live", "hx-get") or ""
        assert "server=east-1" in refreshed
        await keep.do(presence.end(character=ida, reason="kick"))
        if width > 1000:
            await page.wait_for_selector("text=Nobody plays there")

        assert await operator.visit(f"/characters/{ida}/play") == 200
        text = await operator.text()
        assert [one for one in ("offline", "27", "kick", "replaced", "east-1 in ") if one not in text] == []
        await sound()
        await page.click("text=Next page")
        assert await page.locator("ul.rows li").count() == 2
        await keep.do(presence.end(character=tom))
        assert await operator.visit("/online") == 200
        assert "Nobody plays." in await operator.text()
        await sound()
        operator.check()
