"""How far somebody has come, seasons and content: what an operator sees of them, and what is put right there."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect
from starlette.applications import Starlette
from starlette.routing import Mount

import gamekeeper
from gamekeeper.kernel import history
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import characters, content, seasons, titles, xp
from gamekeeper.studio import make_studio
from tests.studio.conftest import Open, Operator, at_work, serving
from tests.studio.progress_world import DAY, START, live
from tests.studio.test_edits import fill
from tests.studio.test_rooms import CONTRASTS, NAMELESS
from tests.studio.world import World

pytestmark = pytest.mark.asyncio(loop_scope="package")

PAGES = {
    "/characters/{ada}/progress": ("6,359", "Streak bonus", "Lamplighter", "9 of 14 days in a row", "boss", "up"),
    "/characters/{bob}/progress?form=correct-xp": ("<b>a fault</b> of the server", "correction"),
    "/characters/{ada}/progress/1": ("+5,000", "boss:before", "an old score", "As it was written", "it is the first one"),
    "/characters/{ada}/progress/49": ("Streak bonus", "\u00d7 1.1", "streak of 8 days", "+17", "in the journal"),
    "/characters/{ada}/days": ("The Easy Chair", "Day 2 of 7", "Feed the fire", "4,200 of 10,000", "Europe/Berlin", "perfect", "watch"),
    "/characters/{ada}/days?day=2027-01-17": ("2027-01-17", "completed", "verified", "17,000"),
    "/characters/{gone}/progress": ("Nothing was ever paid",),
    "/characters/{gone}/days": ("No day has begun",),
    "/seasons": ("The Spring of Tests", "on", "day 11 of 11"),
    "/seasons/spring_of_tests?form=close": ("rank 1", "+500", "best 50 in 100", "Ada", "6,359", "It is not over yet"),
    "/seasons/spring_of_tests?around=aDA": ("Ada", "Bob"),
    "/seasons/spring_of_tests?around=nobody": ("There is no character",),
    "/leaderboard": ("Ada", "6,359"),
    "/leaderboard?around=ada": ("Ada", "6,359"),
    "/leaderboard/week": ("2027-01-18", "Ada"),
    "/leaderboard/week?week=2026-12-01": ("Not kept",),
    "/packs": ("The Ninth Hour", "1.0.0", "3 bosses", "8 titles"),
    "/packs/solo?before=1&after=1&form=activate": ("in force", "Nothing differs"),
    "/definitions?kind=boss": ("The Easy Chair", "the_easy_chair"),
    "/definitions/title.even_keel?form=edit": ('"rarity": "UNCOMMON"', "gamekeeper content load", "1.0.0"),
    "/configs": ("xp_modifiers", "a pack"),
    "/configs/xp_modifiers?form=set": ('"weekend_bp": 11000',),
}
WIDE = {
    "/characters/{ada}/progress",
    "/characters/{ada}/progress/49",
    "/characters/{ada}/days",
    "/seasons/spring_of_tests?form=close",
    "/packs/solo?before=1&after=1&form=activate",
    "/definitions/title.even_keel?form=edit",
}
"""What has two columns, or a table of its own, in a wide window."""


@pytest_asyncio.fixture(loop_scope="package", scope="module")
async def played(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Open, ManualClock]]:
    """A Studio of a world in which Ada and Bob have lived some days, and somebody is gone who has not."""
    clock = ManualClock(START)
    path = tmp_path_factory.mktemp("progress") / "world.db"
    async with gamekeeper.open(f"sqlite:///{path}", create=True, clock=clock) as keep:
        ada, bob = await live(keep, clock)
        gone = (await keep.do(characters.create(name="Edda"))).character_id
        await keep.do(characters.delete(character=gone))
        app = make_studio(keep)
        async with serving(Starlette(routes=[Mount("/studio", app=app)])) as origin:
            world = World(ada, bob, gone, *[""] * (len(World.__struct_fields__) - 3))
            yield Open(keep, world, app, f"{origin}/studio"), clock


@pytest.mark.parametrize("width", [1280, 390])
async def test_every_page_shows_what_is_kept_and_fits_its_window(played: tuple[Open, ManualClock], browser: Browser, width: int) -> None:
    studio, _ = played
    scheme: Any = "light" if width > 1000 else "dark"
    async with at_work(studio, browser, viewport={"width": width, "height": 844}, color_scheme=scheme) as operator:
        for path, words in PAGES.items():
            if width > 1000 and path not in WIDE:
                continue
            where = path.format(ada=studio.world.ada, bob=studio.world.bob, gone=studio.world.gone)
            assert await operator.visit(where) == 200, path
            text = await operator.text()
            assert [word for word in words if word not in text] == [], path
            assert await operator.overflow() <= 0, path
            assert await operator.page.evaluate(NAMELESS) == [], path
            assert await operator.page.evaluate(CONTRASTS) == [], path
            assert await operator.page.evaluate("window.violations") == [], path
            if "{gone}" in path:
                assert await operator.page.locator("form.edit").count() == 0
        rail = operator.page.locator(".rail a")
        rows = {one["y"] for one in [await link.bounding_box() for link in await rail.all()] if one is not None}
        assert len(rows) == (2 if width < 1000 else await rail.count())
        operator.check()


async def test_a_ledger_is_read_page_by_page_and_leads_to_every_command_and_what_is_not_there_says_so(
    played: tuple[Open, ManualClock], browser: Browser
) -> None:
    studio, _ = played
    async with at_work(studio, browser) as operator:
        page = operator.page
        await operator.visit(f"/characters/{studio.world.ada}/progress")
        assert await page.locator(".chart canvas").count() == 1
        found: list[str] = []
        while True:
            found += [" ".join(one.split()) for one in await page.locator("#ledger tbody th a").all_inner_texts()]
            if not await page.locator("#ledger a[rel=next]").count():
                break
            async with page.expect_navigation():
                await page.click("#ledger a[rel=next]")
        progress = await studio.keep.ask(xp.progress(character=studio.world.ada))
        assert (len(found), len(set(found))) == (progress.xp_seq, progress.xp_seq)
        await page.click("text=boss:before")
        await page.click("text=in the journal")
        assert "progress.award_xp" in await operator.text("h1")
        for id, leads_to in (("even_keel", "/definitions/title.even_keel"), ("spring_of_tests", "/seasons/spring_of_tests")):
            await operator.visit(f"/find?q={id}")
            assert page.url == studio.url + leads_to
        for path in ("progress/0", "progress/999", "progress/x", "days?day=2027-02-30", "days?day=later"):
            assert await operator.visit(f"/characters/{studio.world.ada}/{path}") in (400, 404), path
        for path in ("/seasons/none", "/packs/none", "/packs/solo?before=1&after=9", "/definitions/title.none", "/configs/none"):
            assert await operator.visit(path) == 404, path
        operator.check()


async def _retype(operator: Operator, field: str, before: str, after: str) -> None:
    area = operator.page.locator(f"textarea[name={field}]")
    await area.fill((await area.input_value()).replace(before, after))


async def test_experience_titles_configuration_and_definitions_are_put_right_with_a_reason(
    played: tuple[Open, ManualClock], browser: Browser
) -> None:
    studio, _ = played
    keep, bob = studio.keep, studio.world.bob
    async with at_work(studio, browser) as operator:
        page = operator.page
        notice = page.locator("main > .notice")
        await operator.visit(f"/characters/{bob}/progress")
        await fill(operator, "correct-xp", amount="+1,200", reason="the watch was wrong")
        await expect(notice).to_contain_text("+1,200 XP: level 4 with 1,200 now.")
        await fill(operator, "correct-xp", amount="-5000", reason="no, it was right")
        await expect(notice).to_contain_text("-1,200 XP: level 1 with 0 now. There was no more to be taken.")
        await fill(operator, "correct-xp", amount="much", reason="not a number")
        await expect(page.locator(".edits .error")).to_contain_text("INVALID_ARGUMENT")
        await fill(operator, "award-title", title="cold_anvil", reason="won a wager")
        await expect(page.locator(".earned", has_text="Cold Anvil")).to_contain_text("given by hand")
        await fill(operator, "revoke-title", title="cold_anvil", reason="the wager was off")
        await expect(page.locator(".earned", has_text="Cold Anvil")).to_contain_text("taken by hand")

        await operator.visit("/configs/xp_modifiers?form=set")
        await _retype(operator, "value", "11000", "15000")
        await fill(operator, "set", reason="a feast")
        await expect(page.locator("h1 + .tag")).to_have_text("set by an operator")
        await operator.visit(f"/characters/{studio.world.ada}/progress")
        assert "\u00d7 1.5" in await operator.text(".left")
        await operator.visit("/configs/xp_modifiers")
        await page.locator("summary", has_text="Let the packs").click()
        await page.check("[name=confirm]")
        await fill(operator, "reset", reason="the feast is over")
        await expect(notice).to_contain_text("What the packs say counts again.")

        await operator.visit("/definitions/title.even_keel?form=edit")
        await _retype(operator, "body", '"name": "Even Keel"', '"name": ""')
        await fill(operator, "edit", version="1.0.1", reason="no name at all")
        await expect(page.locator(".edits .error")).to_contain_text("INVALID_ARGUMENT")
        await _retype(operator, "body", '"name": ""', '"name": "Steady Keel"')
        await fill(operator, "edit", reason="a better name")
        await expect(notice).to_contain_text("Version 2 is in force: 0 new, 1 changed, 0 removed.")
        assert (await keep.ask(titles.list_titles())).items[2].name == "Steady Keel"
        await page.evaluate("document.querySelector('[name=number]').value = 1")
        await fill(operator, "edit", reason="from an old page")
        await expect(page.locator(".edits .error")).to_contain_text("PACK_HAS_CHANGED")
        await operator.visit("/packs/solo")
        await page.click("text=What it has changed")
        assert "1 changed" in await operator.text("#told h2")
        assert " ".join((await operator.text("#told .diff")).split()) == "name before: Even Keel→ after: Steady Keel"
        await page.locator("summary", has_text="Roll back").click()
        await page.check("[name=confirm]")
        await fill(operator, "rollback", reason="the old one was better")
        await expect(notice).to_contain_text("Version 1 is in force")
        await fill(operator, "activate", number="7", reason="there is none")
        await expect(page.locator(".edits .error")).to_contain_text("PACK_VERSION_NOT_FOUND")
        operator.check()
    for owner, expected in (
        (bob, ["titles.revoke", "titles.award", "xp.correct", "xp.correct"]),
        (
            content.CONTENT_OWNER,
            ["content.rollback_pack", "content.load_pack", "content.reset_config", "content.set_config"],
        ),
    ):
        entries = (await keep.ask(history.timeline(owner=owner))).items[:4]
        assert [(one.command, one.actor) for one in entries] == [(name, "operator:tess") for name in expected]
    assert (await verify(keep)).problems == []


async def test_a_season_is_rehearsed_and_closed_once_it_is_over(played: tuple[Open, ManualClock], browser: Browser) -> None:
    studio, clock = played
    keep = studio.keep
    async with at_work(studio, browser) as operator:
        page = operator.page
        await operator.visit("/seasons")
        await page.click("text=The Spring of Tests")
        await page.locator("summary", has_text="Dry run").click()
        await page.click("form[action$='/dry-run'] button")
        told = " ".join((await operator.text("#told")).split())
        assert "2 take part, 500 XP would be won" in told
        assert "1 Ada 6,359 +500 XP, even_keel" in told
        assert (await keep.ask(seasons.show(season="spring_of_tests"))).closing_at is None
        await fill(operator, "start", reason="nobody runs jobs here")
        await expect(page.locator("main > .notice")).to_contain_text("It is on.")

        async def close(reason: str) -> None:
            await page.click("summary:text-is('Close')")
            await page.check("form[action$='/close'] [name=confirm]")
            await fill(operator, "close", reason=reason)

        await close("too early")
        await expect(page.locator(".edits .error")).to_contain_text("SEASON_STILL_ON")
    clock.move(2 * DAY)
    async with at_work(studio, browser) as operator:
        page = operator.page
        await operator.visit("/seasons/spring_of_tests")
        await close("it is over")
        await expect(page.locator("main > .notice")).to_contain_text("The close has begun")
        await expect(page.locator("h1 + .tag")).to_have_text("closed")
        standing = " ".join((await operator.text("#board table")).split())
        assert "1 Ada 6,359 +500 XP, even_keel 2 Bob 138" in standing
        await page.locator("summary", has_text="Disqualify").click()
        await page.check("[name=confirm]")
        await fill(operator, "disqualify", character=studio.world.bob, reason="shook the watch")
        await expect(page.locator("main > .notice")).to_contain_text("138 XP no longer count")
        await expect(page.locator("#board tr", has_text="Bob")).to_contain_text("disqualified")
        await fill(operator, "reinstate", character=studio.world.bob, reason="it was his dog")
        await expect(page.locator("main > .notice")).to_contain_text("On the board again, with 138 XP.")
        await operator.visit("/journal")
        assert "The Spring of Tests" in await page.locator(".entry", has_text="seasons.close_step").first.inner_text()
        operator.check()
    assert (await verify(keep)).problems == []


async def test_an_award_that_somebody_has_changed_in_the_database_says_so(played: tuple[Open, ManualClock], browser: Browser) -> None:
    studio, _ = played
    with sqlite3.connect(studio.keep.settings.url.removeprefix("sqlite:///")) as database:
        triggers = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ('xp_events', 'xp_modifiers')")
        for (name,) in triggers.fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute("UPDATE xp_modifiers SET xp_after = xp_after + 1 WHERE character_id = ? AND event_seq = 49", [studio.world.ada])
        database.execute("UPDATE xp_events SET description = 'nothing' WHERE character_id = ? AND seq = 1", [studio.world.ada])
    async with at_work(studio, browser) as operator:
        for seq, said in ((1, "The hash is another one."), (49, "The steps cannot be gone through again.")):
            await operator.visit(f"/characters/{studio.world.ada}/progress/{seq}")
            verdict = await operator.text(".verdict")
            assert "Not as it was written." in verdict
            assert said in verdict
        operator.check()
