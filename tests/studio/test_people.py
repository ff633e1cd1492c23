"""The rooms for people: what they list, and what their forms do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.async_api import Browser, expect
from sqlalchemy import select

from gamekeeper.kernel import history
from gamekeeper.kernel.store.schema import journal
from gamekeeper.modules import moderation, sessions, users
from tests.studio.conftest import Open, at_work
from tests.studio.test_edits import fill

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def guest(studio: Open, *clients: str) -> users.Guest:
    """A new guest, logged in by some clients."""
    made = await studio.keep.do(users.create_guest())
    for client in clients:
        await studio.keep.do(sessions.open_session(user=made.user_id, client_type=client, ip_address="198.51.100.9"))
    return made


async def last(studio: Open, user: str) -> tuple[str, str, str | None]:
    """The last command about a user, who did it, and why."""
    entry = (await studio.keep.ask(history.timeline(owner=user, limit=1))).items[0]
    return entry.command, entry.actor, entry.reason


@pytest.mark.parametrize("script", [True, False])
async def test_sessions_are_found_by_user_and_ended_one_by_one_or_all_at_once(studio: Open, browser: Browser, script: Any) -> None:
    ida = await guest(studio, "web", "unity", "tui")
    async with at_work(studio, browser, java_script_enabled=script) as operator:
        page = operator.page
        await operator.visit("/sessions")
        await page.fill("#user", ida.username.upper())
        await page.click("text=Filter")
        rows = page.locator("tbody tr")
        await expect(rows).to_have_count(3)
        assert "198.51.100.9" in await rows.filter(has_text="unity").inner_text()

        await rows.filter(has_text="unity").locator("text=End").click()
        await fill(operator, "kick", reason="left it open in the library")
        await expect(page.locator(".notice")).to_have_text("1 session ended.")
        await page.wait_for_url("**/sessions")
        assert await last(studio, ida.user_id) == ("moderation.kick", "operator:tess", "left it open in the library")
        assert {one.client_type for one in await studio.keep.ask(sessions.list_sessions(user=ida.user_id))} == {"web", "tui"}

        await operator.visit(f"/sessions?user={ida.user_id}")
        await page.click("text=End all of this user")
        await fill(operator, "kick", reason="asked by mail")
        await expect(page.locator(".notice")).to_have_text("2 sessions ended.")
        assert await studio.keep.ask(sessions.list_sessions(user=ida.user_id)) == []
        operator.check()


async def test_a_link_to_a_session_that_is_over_ends_no_other(studio: Open, browser: Browser) -> None:
    ida = await guest(studio, "web", "tui")
    first, second = await studio.keep.ask(sessions.list_sessions(user=ida.user_id))
    await studio.keep.do(sessions.revoke(user=ida.user_id, session_id=first.session_id))
    async with at_work(studio, browser) as operator:
        await operator.visit(f"/users/{ida.user_id}?form=kick&session_id={first.session_id}")
        await fill(operator, "kick", reason="too late")
        await expect(operator.page.locator(".notice")).to_contain_text("ended before")
        await operator.visit(f"/users/{ida.user_id}?form=kick")
        await operator.page.evaluate("for (const form of document.forms) form.noValidate = true")
        await fill(operator, "kick", reason="nothing chosen")
        await expect(operator.page.locator(".edits .error .code")).to_have_text("INVALID_ARGUMENT")
        operator.check()
    assert [one.session_id for one in await studio.keep.ask(sessions.list_sessions(user=ida.user_id))] == [second.session_id]


async def test_somebody_is_banned_and_freed_from_the_room_moderation(studio: Open, browser: Browser) -> None:
    ida = await guest(studio, "web")
    why = 'Sold gold, and said "so what" <i>twice</i>'
    async with at_work(studio, browser) as operator:
        page = operator.page
        await operator.visit("/moderation")
        await page.fill("#user", "nobody_at_all")
        await page.click("text=Go on")
        await expect(page.locator(".error")).to_contain_text("There is no user")
        await page.fill("#user", ida.username)
        await page.click("text=Go on")
        # The browser's own checks are not the ones that count; the page that is asked for must be there to lose them.
        await expect(page.locator("form[action$='/ban']")).to_have_count(1)
        await page.evaluate("for (const form of document.forms) form.noValidate = true")
        await fill(operator, "ban", length="week", reason=why)
        await expect(page.locator(".edits .error")).to_contain_text("/confirm")
        assert await page.locator("form[action$='/ban'] [name=reason]").input_value() == why
        assert await page.locator("form[action$='/ban'] [name=length]").input_value() == "week"
        assert await studio.keep.ask(moderation.bans_of(user=ida.user_id)) == []

        await page.check("form[action$='/ban'] [name=confirm]")
        await page.click("form[action$='/ban'] button")
        await expect(page.locator(".notice")).to_contain_text("1 session ended.")
        row = page.locator("tbody tr").filter(has_text=ida.username)
        assert why in await row.inner_text()
        (given,) = await studio.keep.ask(moderation.bans_of(user=ida.user_id))
        assert (given.reason, given.banned_by, given.expires_at) == (why, "operator:tess", given.created_at + 7 * 86_400_000)
        assert await last(studio, ida.user_id) == ("moderation.ban", "operator:tess", None)

        await row.locator("text=Unban").click()
        await fill(operator, "unban", reason="it was a brother")
        await expect(page.locator(".notice")).to_have_text("1 ban was lifted.")
        await expect(row).to_have_count(0)
        await page.select_option("#state", "past")
        await page.wait_for_url("**state=past*")
        assert "it was a brother" in await row.inner_text()
        operator.check()
    written = repr([list(one) for one in await studio.keep.store.fetch(select(journal), {})])
    assert "so what" not in written, "the reason is the person's own, and the journal keeps it sealed"
    assert "it was a brother" not in written


async def test_a_ban_ends_when_it_was_said_to_and_one_that_makes_no_sense_is_refused(studio: Open, browser: Browser) -> None:
    ida = await guest(studio)
    until = datetime(2999, 1, 2, 3, 4, tzinfo=UTC)
    async with at_work(studio, browser) as operator:
        await operator.visit(f"/users/{ida.user_id}?form=ban")
        for length, end, reason, problem in (
            ("until", "2020-01-01T00:00", "in the past", "in the future"),
            ("until", "", "no time", "a day and a time"),
            ("day", "2999-01-01T00:00", "both of them", "not both"),
            ("day", "", " \u200b\u200b\u200b ", "cannot be seen"),
        ):
            await operator.page.evaluate("for (const form of document.forms) form.noValidate = true")
            await operator.page.check("form[action$='/ban'] [name=confirm]")
            await fill(operator, "ban", length=length, until=end, reason=reason)
            await expect(operator.page.locator(".edits .error")).to_contain_text(problem)
        assert await studio.keep.ask(moderation.bans_of(user=ida.user_id)) == []

        await operator.page.check("form[action$='/ban'] [name=confirm]")
        await fill(operator, "ban", length="until", until=f"{until:%Y-%m-%dT%H:%M}", reason="until then")
        await expect(operator.page.locator(".notice")).to_contain_text("Banned until 2999-01-02 03:04 UTC.")
        operator.check()
    (given,) = await studio.keep.ask(moderation.bans_of(user=ida.user_id))
    assert given.expires_at == until.timestamp() * 1000


async def test_a_user_is_noted_raised_and_forgotten(studio: Open, browser: Browser) -> None:
    ida = await guest(studio, "web")
    async with at_work(studio, browser) as operator:
        page = operator.page
        await operator.visit(f"/users/{ida.user_id}")
        await fill(operator, "note", text="Two lines\nof it </textarea>")
        await expect(page.locator(".notice")).to_have_text("The note was added.")
        await fill(operator, "role", role="moderator", reason="helps every evening")
        await expect(page.locator(".notice")).to_contain_text("now moderator")
        assert await last(studio, ida.user_id) == ("users.set_role", "operator:tess", "helps every evening")

        await page.locator("summary", has_text="Ask for deletion").click()
        await page.check("form[action$='/request-deletion'] [name=confirm]")
        await fill(operator, "request-deletion", reason="asked by mail")
        await expect(page.locator(".person")).to_contain_text("wants to be forgotten")
        await fill(operator, "cancel-deletion", reason="thought better of it")
        await expect(page.locator(".notice")).to_contain_text("taken back")
        await page.locator("summary", has_text="Ask for deletion").click()
        await page.check("form[action$='/request-deletion'] [name=confirm]")
        await fill(operator, "request-deletion", reason="asked once more")

        await page.locator("summary", has_text="Erase").click()
        await page.check("form[action$='/erase'] [name=confirm]")
        await fill(operator, "erase", reason="as the law says")
        await expect(page.locator(".edits .error .code")).to_have_text("DELETION_NOT_DUE")
        assert not await page.is_checked("form[action$='/erase'] [name=confirm]"), "every try is confirmed anew"
        await page.check("form[action$='/erase'] [name=early]")
        await page.check("form[action$='/erase'] [name=confirm]")
        await page.click("form[action$='/erase'] button")
        await expect(page.locator(".person")).to_contain_text("gone since")
        assert ida.username not in await operator.text("h1")
        assert "Two lines" not in await operator.text()
        assert await page.locator(".edits form").count() == 0
        operator.check()


async def test_who_asked_by_letter_is_noted_without_a_password(studio: Open, browser: Browser) -> None:
    async with at_work(studio, browser) as operator:
        await operator.visit(f"/users/{studio.world.user}")
        await operator.page.locator("summary", has_text="Ask for deletion").click()
        await operator.page.check("form[action$='/request-deletion'] [name=confirm]")
        await fill(operator, "request-deletion", reason="a letter")
        await operator.page.wait_for_selector("text=wants to be forgotten since")


async def test_the_activity_log_is_filtered_by_user_event_and_day(studio: Open, browser: Browser) -> None:
    async with at_work(studio, browser) as operator:
        page = operator.page
        await operator.visit("/moderation/activity?user=Rowan")
        assert {"LOGIN", "SESSION_START", "USER_BANNED"} <= set(await page.locator(".log b").all_inner_texts())
        await page.select_option("#event", "USER_BANNED")
        await page.wait_for_url("**event=USER_BANNED*")
        # It stands in the chain of the character too, who left a trade by it.
        assert set(await page.locator(".log b").all_inner_texts()) == {"USER_BANNED"}
        assert "operator:tess" in await operator.text(".log")
        await page.locator(".log .when").first.click()
        await page.wait_for_url("**/journal/*")

        await operator.visit("/moderation/activity?until=2000-01-01&since=1999-01-01")
        assert "Nothing like that has happened." in await operator.text(".log")
        await operator.visit("/moderation/activity")
        first = await page.locator(".log .when").first.get_attribute("href")
        await page.click("text=Next page")
        assert await page.locator(".log .when").first.get_attribute("href") != first
        assert await operator.visit("/moderation/activity?since=yesterday") == 400
        operator.check()


async def test_chat_is_read_by_place_and_author_and_around_a_message(studio: Open, browser: Browser) -> None:
    async with at_work(studio, browser) as operator:
        page = operator.page
        await operator.visit("/chat")
        everything = await operator.text(".lines")
        assert "Market day at the mill!" in everything
        assert "It was me." not in everything, "a whisper is in no list"
        await page.select_option("#channel", "yell")
        await page.wait_for_url("**channel=yell*")
        assert await page.locator(".lines .words").all_inner_texts() == ["Market day at the mill!"]

        await operator.visit("/chat?author=bob+of+the+mill")
        assert await page.locator(".lines .line").count() == 2
        await page.locator(".lines .when").last.click()
        await page.wait_for_url("**/chat/world/*")
        assert await operator.text(".marked .words") == "Market day at the mill!"
        assert "Who left the sluice open?" in await operator.text(".lines")
        await page.locator(".line:has-text('Who left the sluice open?') .user a").click()
        await page.wait_for_url(f"**/users/{studio.world.user}")

        await operator.visit("/chat")
        await page.fill("#message-id", studio.world.whispered)
        await page.click("text=Show it")
        assert await page.locator(".lines .words").all_inner_texts() == ["It was me.", "I knew it."]
        assert "Market day" not in await operator.text(".lines")
        operator.check()
