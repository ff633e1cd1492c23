"""Narrative: texts of ten categories, told with their values."""

from typing import get_args

import pytest

from gamekeeper.errors import InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.modules import content, narrative
from tests.modules.scene import pack


def text(id: str, words: str, **fields: object) -> content.Defined:
    named = dict.fromkeys(narrative.placeholders(words), "a value")
    return narrative.NarrativeDefinition(id=id, content=words, **{"category": "SYSTEM_MESSAGE", "context": named, **fields})  # type: ignore[arg-type]


async def test_narrative_contents_are_told_by_key_with_their_values(keep: Keep) -> None:
    await keep.do(
        content.load_pack(pack=pack(text("woke", "{{name}} rose on day {{ day }}. {{name}}!"), text("hush", "...", is_active=False)))
    )

    told = await keep.ask(narrative.tell(narrative="woke", values={"name": "{{day}}", "day": 7, "else": "x"}))

    assert told == narrative.Told("woke", "SYSTEM_MESSAGE", "{{day}} rose on day 7. {{day}}!")
    with pytest.raises(InvalidArgument) as refused:
        await keep.ask(narrative.tell(narrative="woke", values={"name": "Ada"}))
    assert refused.value.path == "/values/day"
    for key in ("hush", "nobody"):
        with pytest.raises(narrative.NarrativeNotFound):
            await keep.ask(narrative.tell(narrative=key))


async def test_enum_narrative_category_has_ten_values_and_texts_are_listed_by_it(keep: Keep) -> None:
    categories = get_args(narrative.Category)
    assert len(categories) == 10
    await keep.do(content.load_pack(pack=pack(*(text(one.lower(), "Words.", category=one) for one in categories))))

    for one in categories:
        assert [found.id for found in (await keep.ask(narrative.list_texts(category=one))).items] == [one.lower()]
    assert len((await keep.ask(narrative.list_texts(limit=4))).items) == 4


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"content": "Hello {{Name}}"}, "content"),
        ({"content": "Hello {{name}}"}, "content"),
        ({"content": "Hello", "context": {"name": "who"}}, "context/name"),
        ({"content": "Hello", "category": "GOSSIP"}, "category"),
        ({"content": ""}, "content"),
    ],
)
async def test_a_text_with_a_fault_is_refused_with_its_path(keep: Keep, fields: dict[str, object], path: str) -> None:
    raw = {"id": "greeting", "category": "ONBOARDING", **fields}
    with pytest.raises(InvalidArgument) as refused:
        await keep.do(content.load_pack(pack=content.Pack("scene", "1", "Scene", {"narratives": (raw,)})))
    assert refused.value.path == f"/pack/definitions/narratives/0/{path}"
