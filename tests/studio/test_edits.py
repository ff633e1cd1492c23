"""Edits: a form is a command, done once, with a name and a reason; a refusal keeps what was typed."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, expect

from gamekeeper.kernel import history
from gamekeeper.modules import characters, items
from tests.studio.conftest import Open, Operator, at_work

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def somebody(studio: Open, name: str) -> str:
    """A new character."""
    return (await studio.keep.do(characters.create(name=name))).character_id


async def fill(operator: Operator, form: str, **fields: str) -> None:
    """Open a form, fill it in and send it."""
    edit = operator.page.locator(f".edits details:has(form[action$='/{form}'])")
    if await edit.get_attribute("open") is None:
        await edit.locator("summary").click()
    for name, value in fields.items():
        field = edit.locator(f"[name={name}]")
        if await field.evaluate("node => node.tagName") == "SELECT":
            await field.select_option(value)
        else:
            await field.fill(value)
    await edit.locator("button").click()


@pytest.mark.parametrize("script", [True, False])
async def test_granting_renaming_and_removing_stand_in_the_timeline(studio: Open, browser: Browser, script: Any) -> None:
    id = await somebody(studio, "Nell" if script else "Nils")
    async with at_work(studio, browser, java_script_enabled=script) as operator:
        page = operator.page
        await operator.visit(f"/characters/{id}")

        await fill(operator, "grant", item="coins", quantity="1,500", container="pouch", reason="lost in the flood")
        await expect(page.locator(".notice")).to_contain_text("Granted 1,500 \u00d7 coins.")
        await expect(page.locator(".bag-pouch")).to_contain_text("1,500")
        await fill(operator, "remove", item="coins", quantity="300", container="pouch", reason="counted twice")
        await expect(page.locator(".notice")).to_contain_text("Removed 300 \u00d7 coins.")
        await fill(operator, "rename", name="Nell Marsh" if script else "Nils Marsh", reason="asked by mail")
        await expect(page.locator("h1")).to_contain_text("Marsh")

        await expect(page.locator(".entry .command").first).to_have_text("characters.rename")
        top = await page.locator(".entry").first.inner_text()
        assert "asked by mail" in top
        assert "operator:tess" in top
        operator.check()
    entries = (await studio.keep.ask(history.timeline(owner=id))).items
    assert [(entry.command, entry.actor, entry.reason) for entry in entries[:3]] == [
        ("characters.rename", "operator:tess", "asked by mail"),
        ("items.use_up", "operator:tess", "counted twice"),
        ("items.grant", "operator:tess", "lost in the flood"),
    ]
    assert entries[2].arguments["source"] == "operator"
    assert await studio.keep.ask(items.held(holder=id, item="coins")) == 1200


@pytest.mark.parametrize("script", [True, False])
async def test_a_refusal_is_shown_in_place_and_keeps_what_was_typed(studio: Open, browser: Browser, script: Any) -> None:
    id = await somebody(studio, "Orla" if script else "Otto")
    async with at_work(studio, browser, java_script_enabled=script) as operator:
        page = operator.page
        await operator.visit(f"/characters/{id}")

        await fill(operator, "remove", item="coins", quantity="7", container="pouch", reason='a "quoted" <b>reason</b>')

        await expect(page.locator(".edits .error")).to_contain_text("ITEM_NOT_FOUND")
        form = page.locator("form[action$='/remove']")
        assert await form.locator("[name=item]").input_value() == "coins"
        assert await form.locator("[name=quantity]").input_value() == "7"
        assert await form.locator("[name=container]").input_value() == "pouch"
        assert await form.locator("[name=reason]").input_value() == 'a "quoted" <b>reason</b>'
        assert await page.locator(".edits .error").is_visible()
        operator.check()
    assert len((await studio.keep.ask(history.timeline(owner=id))).items) == 1


@pytest.mark.parametrize(
    ("form", "fields", "code"),
    [
        ("rename", {"name": "Ada Thornfield", "reason": "as she is"}, "NAME_TAKEN"),
        ("rename", {"name": "admin", "reason": "for fun"}, "NAME_INVALID"),
        ("rename", {"name": "Pia\u202e", "reason": "for fun"}, "NAME_INVALID"),
        ("rename", {"name": "Pia", "reason": "  x "}, "INVALID_ARGUMENT"),
        ("grant", {"item": "moon", "quantity": "1", "reason": "she wished"}, "UNKNOWN_ITEM"),
        ("grant", {"item": "Not an id!", "quantity": "1", "reason": "she wished"}, "INVALID_ARGUMENT"),
        ("grant", {"item": "hatchet", "quantity": "29", "reason": "a lot"}, "INVENTORY_FULL"),
        ("grant", {"item": "hatchet", "quantity": "0", "reason": "nothing"}, "INVALID_ARGUMENT"),
        ("grant", {"item": "hatchet", "quantity": "-1", "reason": "less"}, "INVALID_ARGUMENT"),
        ("grant", {"item": "hatchet", "quantity": "1e3", "reason": "a lot"}, "INVALID_ARGUMENT"),
        ("grant", {"item": "hatchet", "quantity": "9223372036854775807", "reason": "a lot"}, "INVALID_ARGUMENT"),
        ("grant", {"item": "hatchet", "quantity": "1", "container": "pouch", "reason": "as coin"}, "CONTAINER_INVALID"),
    ],
)
async def test_every_refusal_names_its_code_and_changes_nothing(
    studio: Open, browser: Browser, form: str, fields: dict[str, str], code: str
) -> None:
    before = await studio.keep.version(studio.world.bob)
    async with at_work(studio, browser) as operator:
        await operator.visit(f"/characters/{studio.world.bob}")
        # The browser's own checks are not the ones that count.
        await operator.page.evaluate("for (const form of document.forms) form.noValidate = true")
        await fill(operator, form, **fields)
        await expect(operator.page.locator(".edits .error .code")).to_have_text(code)
        operator.check()
    assert await studio.keep.version(studio.world.bob) == before


async def test_a_form_sent_twice_is_done_once(studio: Open, browser: Browser) -> None:
    id = await somebody(studio, "Quinn")
    async with at_work(studio, browser, java_script_enabled=False) as operator:
        for _ in range(2):
            await operator.visit(f"/characters/{id}")
        page = operator.page
        token = await page.locator("form[action$='/grant'] [name=csrf]").get_attribute("value")
        form: dict[str, Any] = {
            "csrf": token or "",
            "key": "the-same",
            "item": "hatchet",
            "quantity": "1",
            "container": "inventory",
            "reason": "twice",
        }
        answers = [
            await operator.context.request.post(f"{studio.url}/characters/{id}/grant", form=form, headers={"origin": studio.url[:-7]})
            for _ in range(2)
        ]
        assert [answer.status for answer in answers] == [200, 200]
        other = await operator.context.request.post(
            f"{studio.url}/characters/{id}/grant", form={**form, "quantity": "2"}, headers={"origin": studio.url[:-7]}
        )
        assert other.status == 409
        assert "IDEMPOTENCY_KEY_REUSED" in await other.text()
    assert await studio.keep.ask(items.held(holder=id, item="hatchet")) == 1


async def test_an_operator_edits_a_character_in_play_and_the_page_says_so(studio: Open, browser: Browser) -> None:
    id = await somebody(studio, "Runa")
    async with studio.keep.lease(id), at_work(studio, browser) as operator:
        await operator.visit(f"/characters/{id}")
        assert "in play" in await operator.text(".person")
        await fill(operator, "grant", item="hatchet", quantity="1", reason="while she plays")
        await expect(operator.page.locator(".notice")).to_contain_text("Granted")
        assert await studio.keep.ask(items.held(holder=id, item="hatchet")) == 1


async def test_a_deleted_character_is_shown_and_not_edited(studio: Open, browser: Browser) -> None:
    async with at_work(studio, browser) as operator:
        assert await operator.visit(f"/characters/{studio.world.gone}") == 200
        assert "deleted" in await operator.text("h1 ~ .tag >> nth=1")
        assert await operator.page.locator(".edits").count() == 0
