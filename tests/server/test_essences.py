"""A bond over HTTP: its answer is a success or a code, and never an exception."""

from gamekeeper import packs
from gamekeeper.keep import Keep
from gamekeeper.modules import characters, content, essences, items
from tests.server.conftest import Caller


async def test_a_bond_is_answered_with_its_result_or_with_a_problem_that_has_a_code(keep: Keep, ada: Caller, bob: Caller) -> None:
    folder = packs.built_in("essence")
    assert folder is not None
    await keep.do(content.load_pack(pack=content.read_pack(folder)))
    mine = (await keep.do(characters.create(user=ada.user, name="Ada"))).character_id
    lines = [items.Line(f"{name}_essence", 1) for name in ("ember", "gale", "bell", "tide")]
    await keep.do(items.grant_many(holder=mine, items=lines, source="test"))

    made = await ada.do("essences.bond", {"character": mine, "essence": "ember", "attribute": "power"}, idempotency_key="bond")
    again = await ada.do("essences.bond", {"character": mine, "essence": "ember", "attribute": "power"}, idempotency_key="bond")
    assert made.status_code == 200
    assert (
        again.json()
        == made.json()
        == {
            "slot": 1,
            "essence": "ember",
            "attribute": "power",
            "bonus": 5,
            "rank_bonded": "normal",
            "ability": "Cinder Lash",
        }
    )
    for essence, attribute in (("gale", "speed"), ("bell", "spirit")):
        assert (await ada.do("essences.bond", {"character": mine, "essence": essence, "attribute": attribute})).status_code == 200

    refused = {
        (409, "MAX_ESSENCES_REACHED"): await ada.do("essences.bond", {"character": mine, "essence": "tide", "attribute": "recovery"}),
        (404, "UNKNOWN_ESSENCE"): await ada.do("essences.bond", {"character": mine, "essence": "moonbeam", "attribute": "recovery"}),
        (422, "INVALID_ARGUMENT"): await ada.do("essences.bond", {"character": mine, "essence": "tide", "attribute": "luck"}),
        (403, "NOT_ALLOWED"): await bob.do("essences.bond", {"character": mine, "essence": "tide", "attribute": "recovery"}),
    }
    for (status, code), answer in refused.items():
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert "Traceback" not in answer.text
    full = refused[409, "MAX_ESSENCES_REACHED"].json()
    assert (full["held"], full["limit"], full["title"]) == (3, 3, essences.MaxEssencesReached(held=3, limit=3).message)

    shown = await ada.ask("essences.show", {"character": mine, "parts": ["essences"]})
    assert [one["name"] for one in shown.json()["essences"]] == ["Ember", "Gale", "Bell"]
    assert shown.json()["attributes"] is None
