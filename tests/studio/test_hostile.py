"""What players write never runs in an operator's browser, and never looks like something else."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from gamekeeper.kernel import history
from gamekeeper.modules import characters
from tests.studio.conftest import Open, at_work
from tests.studio.world import PAYLOADS

pytestmark = pytest.mark.asyncio(loop_scope="package")

# In the page at once: to ask for each fold and each click from here takes longer than everything else.
UNFOLD = """
async () => {
  for (const folded of document.querySelectorAll("details:not([open]) > summary")) {
    if (folded.checkVisibility({ visibilityProperty: true })) folded.click();
  }
  await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
}
"""
FOUND = """
() => {
  const html = (selector) => [...document.querySelectorAll(selector)].map((node) => node.outerHTML);
  return {
    owned: window.owned ?? null,
    violations: window.violations,
    strangers: html("main :is(script, iframe, style, base, meta, math, [onload], [onerror], [onfocus], [ontoggle])"),
    links: html("a[href^='javascript:']"),
  };
}
"""


async def test_no_text_of_a_player_runs_anywhere(studio: Open, browser: Browser) -> None:
    world = studio.world
    page_of = await studio.keep.ask(history.timeline(owner=world.mallory, limit=60))
    paths = [f"/characters/{world.mallory}", "/journal", "/", "/trades", "/items", "/items/candlecap?holders=1", "/economy"]
    paths += ["/sessions", "/moderation?state=all", "/moderation/notes", "/moderation/activity", "/chat", f"/chat/world/{world.said}"]
    paths += [f"/users/{world.user}", f"/users/{world.troll}"]
    paths += [f"/journal/{entry.command_id}" for entry in page_of.items]
    paths += [f"/trades/{entry.arguments['trade']}" for entry in page_of.items if entry.command == "trades.offer"]
    async with at_work(studio, browser) as operator:
        for path in paths:
            assert await operator.visit(path) == 200
            await operator.page.evaluate(UNFOLD)
            assert await operator.page.evaluate(FOUND) == {"owned": None, "violations": [], "strangers": [], "links": []}, path
        operator.check()


async def test_what_was_written_is_shown_as_it_was_written(studio: Open, browser: Browser) -> None:
    async with at_work(studio, browser) as operator:
        await operator.visit(f"/characters/{studio.world.mallory}?command=characters.set_setting")
        reasons = await operator.page.locator(".entry .why").all_inner_texts()
        for payload in PAYLOADS[:-1]:
            assert payload in reasons, payload
        assert any("⟨U+202E⟩gnp.exe⟨U+202C⟩⟨U+200B⟩⟨U+0007⟩<b>bold</b>" in reason for reason in reasons)


async def test_a_notice_and_an_error_with_hostile_words_do_not_run(studio: Open, browser: Browser) -> None:
    id = (await studio.keep.do(characters.create(name="Sven"))).character_id
    async with at_work(studio, browser) as operator:
        for payload in PAYLOADS[:6]:
            await operator.visit(f"/characters/{id}?form=rename")
            form = operator.page.locator("form[action$='/rename']")
            await form.locator("[name=name]").fill(payload)
            await form.locator("[name=reason]").fill(payload)
            await form.locator("button").click()
            await expect(operator.page.locator(".edits .error .code")).to_have_text("NAME_INVALID")
            assert await form.locator("[name=name]").input_value() == payload
            assert await operator.page.evaluate("window.owned") is None
        for path in ("/characters", "/items", "/find"):
            for payload in PAYLOADS:
                answer = await operator.context.request.get(studio.url + path, params={"q": payload})
                assert answer.status in (200, 400, 404)
                assert payload not in await answer.text() or "<" not in payload
        operator.check()
