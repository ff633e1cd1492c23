"""Sheets: a whole character in one round trip, and nothing of it that was not asked for."""

from typing import Any, get_args

import msgspec
import pytest

from gamekeeper.config import settings_from
from gamekeeper.errors import InvalidArgument, VersionConflict
from gamekeeper.keep import Keep, import_modules, make_store
from gamekeeper.kernel.clock import SystemClock
from gamekeeper.kernel.store.base import LoadRequest
from gamekeeper.modules import banks, characters, content, essences, items, prayer, quests, sheets, skills, xp
from tests.kernel.instruments import Watched, WatchedKeep
from tests.modules import scene

PACK = scene.pack(
    xp.CurveDefinition(id="runescape", name="RuneScape", formula="runescape"),
    *(skills.SkillDefinition(id=id, name=id.title()) for id in ("prayer", "attack")),
    prayer.PrayerDefinition(id="bark", name="Bark", drain=3),
    quests.QuestDefinition(id="chore", name="Firewood", stages=(quests.Stage(id="fetch", type="gather", target="logs", count=3),)),
    essences.EssenceDefinition(
        id="ember",
        name="Ember",
        item="crown",
        bonuses=essences.Bonuses(power=5, speed=2, spirit=3, recovery=1),
        ability=essences.Ability(name="Spark"),
        pool=tuple(essences.Ability(name=name, tags=(name.lower(),)) for name in ("Coat", "Coal", "Smoke", "Ash")),
    ),
    id="sheets",
)


async def heroine(keep: Keep) -> str:
    """Ada, who has something of everything."""
    await scene.stock(keep)
    await keep.do(content.load_pack(pack=PACK))
    (ada,) = await scene.people(keep, "Ada")
    lines = [items.Line("crown", 1), items.Line("arrow", 7), items.Line("logs", 2), items.Line("coins", 9, "pouch")]
    await keep.do(items.grant_many(holder=ada, items=lines, source="test"))
    await keep.do(essences.bond(character=ada, essence="ember", attribute="power"))
    await keep.do(banks.deposit(character=ada, item="logs"))
    await keep.do(skills.gain(character=ada, skill="attack", xp=100))
    await keep.do(quests.start(character=ada, quest="chore"))
    await keep.do(prayer.activate(character=ada, prayer="bark"))
    await keep.do(characters.set_setting(character=ada, name="hints", value={"shown": True}))
    return ada


async def test_a_whole_character_is_what_its_parts_are_each_for_itself(keep: Keep) -> None:
    ada = await heroine(keep)

    whole = await keep.ask(sheets.whole(character=ada))

    assert whole.version == await keep.version(ada)
    sheet = await keep.ask(characters.show(character=ada))
    assert (whole.character, whole.location, whole.vitals) == (sheet.character, sheet.location, sheet.vitals)
    assert (whole.attributes, whole.settings) == (sheet.attributes, {"hints": {"shown": True}})
    assert whole.attributes
    assert whole.skills == await keep.ask(skills.sheet(character=ada))
    assert whole.items == await keep.ask(items.inventory(holder=ada))
    assert [(row.container, row.item, row.quantity) for row in whole.items or []] == [
        ("bank:0", "logs", 2),
        ("inventory", "arrow", 7),
        ("pouch", "coins", 9),
    ]
    assert whole.essences == (await keep.ask(essences.show(character=ada))).essences
    assert [[one.name for one in each.abilities or []] for each in whole.essences or []] == [["Spark"]]
    assert [(row.quest_id, row.status) for row in whole.quests or []] == [("chore", "in_progress")]
    assert [row.prayer_id for row in whole.prayers or []] == ["bark"]

    # What memory is ahead of the database in is on the sheet; and the version holds a change off that the sheet does not know.
    async with keep.lease(ada):
        await keep.do(characters.move_to(character=ada, room_id="mill", x=3.0))
        moved = await keep.ask(sheets.whole(character=ada, parts=["location"]))
        assert moved.location is not None
        assert (moved.location.room_id, moved.location.x) == ("mill", 3.0)
    await keep.do(items.use_up(holder=ada, item="arrow", quantity=1, sink="shooting"))
    with pytest.raises(VersionConflict):
        await keep.do(items.use_up(holder=ada, item="arrow", quantity=6, sink="shooting"), expect_version=whole.version)

    await keep.do(characters.delete(character=ada))
    for gone in (ada, "nobody"):
        with pytest.raises(characters.CharacterNotFound):
            await keep.ask(sheets.whole(character=gone))
    for bad in ([], ["journal"], ["items"] * (len(sheets.EVERYTHING) + 1)):
        with pytest.raises(InvalidArgument):
            sheets.whole.check({"character": ada, "parts": bad})


async def test_one_round_trip_reads_what_is_asked_for_and_no_other_table(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_from({"url": database_url, "allow_unsafe_postgres": True})
    import_modules(settings.modules)
    keep = WatchedKeep(settings, Watched(make_store(settings)), SystemClock())
    keep.watched = keep.store  # type: ignore[assignment]
    await keep.start(create=True)
    try:
        ada = await heroine(keep)
        asked: list[set[str]] = []

        async def note(request: LoadRequest) -> None:
            asked.append({record.__name__ for record in request.tables})

        async def no_other(*_: Any, **__: Any) -> None:
            raise AssertionError("a sheet needs no statement of its own")

        keep.watched.before["load"] = note
        monkeypatch.setattr(keep.watched, "fetch", no_other, raising=False)
        keep.forget()
        some: dict[sheets.Part, set[str]] = {
            "location": {"CharacterLocation"},
            "skills": {"CharacterSkill"},
            "items": {"Holding"},
            "essences": {"CharacterEssence"},
            "abilities": {"CharacterEssence", "CharacterAbility"},
            "quests": {"QuestProgress"},
        }
        for part, records in some.items():
            keep.runner.cache.drop(ada)
            sheet = await keep.ask(sheets.whole(character=ada, parts=[part]))
            shown = {name for name in msgspec.structs.asdict(sheet) if getattr(sheet, name) is not None}
            assert shown == {"character", "version", "essences" if part == "abilities" else part}
            assert asked.pop() == {"Character"} | records

        keep.runner.cache.drop(ada)
        await keep.ask(sheets.whole(character=ada))

        assert keep.watched.calls == {"load": len(some) + 1}, "one load a question, and nothing else"
        # One for each part, the character, and its progress, which names the title that adds to its attributes.
        assert len(asked.pop()) == len(get_args(sheets.Part)) + 2
    finally:
        monkeypatch.undo()
        await keep.close()
