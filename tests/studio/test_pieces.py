"""What the Studio is made of: how values are shown, what it asks of the database, and the files that it carries."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from gamekeeper.keep import Keep
from gamekeeper.kernel.journal import Changed
from gamekeeper.modules import characters, content, items, users
from gamekeeper.studio import queries, shown
from gamekeeper.studio.asking import DAY_MS
from gamekeeper.studio.assets import FOLDER
from gamekeeper.studio.charts import Day, chart_of

VENDOR = FOLDER / "vendor"
STUDIO = FOLDER.parent


def test_vendored_files_are_those_that_their_list_names() -> None:
    rows = re.findall(r"^\| `([^`]+)` .*`([0-9a-f]{64})` \|$", (VENDOR / "README.md").read_text(), re.MULTILINE)
    assert {name: hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() for name, _ in rows} == dict(rows)
    listed = {name for name, _ in rows} | {"README.md", "htmx.LICENSE", "uplot.LICENSE"}
    assert {file.name for file in VENDOR.iterdir()} == listed


@pytest.mark.parametrize("file", sorted(Path(STUDIO / "templates").glob("*.html")), ids=lambda file: file.name)
def test_templates_hold_no_inline_code_and_no_foreign_address(file: Path) -> None:
    text = file.read_text()
    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=|javascript:|https?://|\|\s*safe", text)


@pytest.mark.parametrize("file", [*FOLDER.glob("*.js"), *FOLDER.glob("*.css")], ids=lambda file: file.name)
def test_our_scripts_and_styles_ask_nobody_else(file: Path) -> None:
    assert not re.search(r"https?://(?!www\.w3\.org)|@import|innerHTML|eval\(", file.read_text())


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain", "plain"),
        ("Zoë 雪 ✦", "Zoë 雪 ✦"),
        ("a\nb\tc", "a⟨U+000A⟩b⟨U+0009⟩c"),
        ("\u202eevil\u2066\u200d\ufeff", "⟨U+202E⟩evil⟨U+2066⟩⟨U+200D⟩⟨U+FEFF⟩"),
        ("\u3164\u115f\u00a0\u2800", "⟨U+3164⟩⟨U+115F⟩⟨U+00A0⟩⟨U+2800⟩"),
        ("\U000e0041", "⟨U+E0041⟩"),
    ],
)
def test_what_cannot_be_seen_is_shown_as_its_code_point(text: str, seen: str) -> None:
    assert shown.shown(text) == seen


def test_integers_of_any_size_are_shown_exactly() -> None:
    assert shown.number(2**63 - 1) == "9,223,372,036,854,775,807"
    assert shown.as_json({"n": 2**63 - 1}) == '{"n": 9223372036854775807}'


def test_a_change_shows_only_what_differs() -> None:
    view = shown.change_view(Changed("holdings", ["ada", "inventory", 3], {"quantity": 5}, {"slot": 3, "quantity": 7, "item_id": "arrow"}))
    assert (view.verb, view.key) == ("changed", "inventory · 3")
    assert [(field.name, field.before, field.after) for field in view.fields] == [("quantity", "5", "7")]


def test_what_is_sealed_says_so() -> None:
    assert shown.value_text({"sealed": "AAAA"}) == "sealed: a person's own"
    assert shown.value_text({"sha256": "00"}) == "digest of a secret"


def test_days_without_a_flow_are_drawn_as_nothing() -> None:
    day = DAY_MS
    chart = chart_of([Day(0, 10, 4), Day(3 * day, 0, 6)])
    assert chart.days == [0, day, 2 * day, 3 * day]
    assert (chart.came, chart.went, chart.there) == ([10, 0, 0, 0], [4, 0, 0, 6], [6, 6, 6, 0])
    assert chart_of([]).days == []


async def test_characters_are_listed_the_newest_first_by_the_beginning_of_their_names(keep: Keep) -> None:
    made = {name: (await keep.do(characters.create(name=name))).character_id for name in ("Ada", "Adam", "Bob", "ADELE", "Zoë")}
    await keep.do(characters.delete(character=made["Adam"]))

    first = await queries.newest_characters(keep.reader, prefix="aD", limit=2)
    second = await queries.newest_characters(keep.reader, prefix="aD", limit=2, cursor=first.next_cursor)
    everyone = await queries.newest_characters(keep.reader, prefix="", limit=50)

    assert [row.name for row in (*first.items, *second.items)] == ["ADELE", "Adam", "Ada"]
    assert second.next_cursor is None
    assert [row.name for row in everyone.items] == ["Zoë", "ADELE", "Bob", "Adam", "Ada"]
    assert (await queries.newest_characters(keep.reader, prefix="a%", limit=5)).items == []
    assert (await queries.newest_characters(keep.reader, prefix="\u202e", limit=5)).items == []


async def test_holders_pieces_and_days_of_an_item(keep: Keep) -> None:
    pack = content.read_pack(Path(content.__file__).parent / "starter")
    await keep.do(content.load_pack(pack=pack))
    ada, bob = [(await keep.do(characters.create(name=name))).character_id for name in ("Ada", "Bob")]
    for holder, quantity in ((ada, 5), (bob, 2**31 - 1)):
        await keep.do(items.grant(holder=holder, item="coins", quantity=quantity, source="loot", container="pouch"))
    await keep.do(items.use_up(holder=bob, item="coins", quantity=7, sink="shop", container="pouch"))
    hammer = (await keep.do(items.grant(holder=ada, item="wheelwrights_hammer", quantity=1, source="boss"))).item_uids[0]

    assert [(one.holder_id, one.held) for one in await queries.holders(keep.reader, item="coins")] == [(bob, 2**31 - 8), (ada, 5)]
    assert [(day.came, day.went) for day in await queries.days(keep.reader, item="coins")] == [(2**31 + 4, 7)]
    assert [row.item_uid for row in await queries.pieces(keep.reader, item="wheelwrights_hammer")] == [hammer]
    piece = await queries.piece(keep.reader, uid=hammer)
    assert piece is not None
    assert piece.holder_id == ada
    assert await queries.piece(keep.reader, uid="none") is None


async def test_owners_of_every_kind_are_named_at_once(keep: Keep) -> None:
    ada = (await keep.do(characters.create(name="Ada"))).character_id
    user = (await keep.do(users.create_guest())).user_id

    found = await queries.labels(keep, [ada, user, "content", "nobody", "mint:loot"])

    assert (found[ada].kind, found[ada].name, found[ada].room) == ("character", "Ada", "characters")
    assert found[user].room == "users"
    assert found["content"].name is None
    assert set(found) == {ada, user, "content"}
    assert [row.user_id for row in await queries.newest_users(keep.reader, limit=5)] == [user]
