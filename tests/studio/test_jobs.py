"""The room of jobs: what is due and what ran, and running something now."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from gamekeeper import jobs
from gamekeeper.modules import users
from tests.studio.conftest import Open, at_work
from tests.studio.test_edits import fill

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_an_operator_looks_runs_and_reads_how_it_went(studio: Open, browser: Browser) -> None:
    @jobs.job("studio_fails", cron="0 0 1 1 *", catch_up="each")
    async def studio_fails(run: jobs.Run) -> None:
        """Fail whenever it is tried."""
        run.done(2, what="<b>half</b>")
        raise users.UserNotFound(id="nobody")

    try:
        await jobs.run_due(studio.keep)
        async with at_work(studio, browser) as operator:
            page = operator.page
            await operator.visit("/jobs")
            row = page.locator("tr", has_text="purge_guests")
            await expect(row).to_contain_text("*/10 * * * *")
            await row.get_by_role("link", name="purge_guests").click()
            await page.locator("summary", has_text="Dry run").click()
            await page.get_by_role("button", name="Look").click()
            await expect(page.locator("#edits [role=status]")).to_contain_text("Nothing was changed.")

            await operator.visit("/jobs/studio_fails")
            await fill(operator, "run", reason="to see it fail")
            await expect(page.locator("main > [role=status]")).to_contain_text("Asked for")
            await expect(page.locator("h1 + .tag")).to_contain_text("asked for by operator:tess")
            (ended,) = await jobs.run_due(studio.keep)
            assert (ended.status, ended.asked_by) == ("failed", "operator:tess")
            await page.reload()
            await expect(page.locator(".rows")).to_contain_text("counted 2, what <b>half</b>, asked for by operator:tess")
            await expect(page.locator(".rows")).to_contain_text("USER_NOT_FOUND")
            await fill(operator, "give-up", reason="as expected")
            await expect(page.locator("main > [role=status]")).to_contain_text("Given up")
            assert (await studio.keep.ask(jobs.show(name="studio_fails"))).failures == 0
            assert await operator.visit("/jobs/nothing") == 404
            operator.check()
    finally:
        del jobs.JOBS["studio_fails"]
