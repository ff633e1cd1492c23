"""Skills: gains and their cap, levels, what a character begins with, and who is best."""

import asyncio
import random
from typing import Any, Final

import pytest

from gamekeeper.keep import Keep
from gamekeeper.kernel.queries import Ask
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import characters, content, skills, users, xp
from tests.modules import scene

PUBLISHED: Final = (
    "0 83 174 276 388 512 650 801 969 1154 1358 1584 1833 2107 2411 2746 3115 3523 3973 4470 5018 5624 6291 7028 7842 8740 9730 10824 "
    "12031 13363 14833 16456 18247 20224 22406 24815 27473 30408 33648 37224 41171 45529 50339 55649 61512 67983 75127 83014 91721 101333 "
    "111945 123660 136594 150872 166636 184040 203254 224466 247886 273742 302288 333804 368599 407015 449428 496254 547953 605032 668051 "
    "737627 814445 899257 992895 1096278 1210421 1336443 1475581 1629200 1798808 1986068 2192818 2421087 2673114 2951373 3258594 3597792 "
    "3972294 4385776 4842295 5346332 5902831 6517253 7195629 7944614 8771558 9684577 10692629 11805606 13034431"
)
"""RuneScape's table, level 1 to 99."""


@pytest.fixture
async def skilled(keep: Keep) -> Keep:
    """A keep with three skills."""
    pack = content.pack_of(
        xp.CurveDefinition(id="runescape", name="RuneScape", formula="runescape"),
        xp.CurveDefinition(id="short", name="Short", thresholds=(0, 10, 30), max_xp=50),
        skills.SkillDefinition(id="attack", name="Attack"),
        skills.SkillDefinition(id="constitution", name="Constitution", start_xp=1154),
        skills.SkillDefinition(id="whistling", name="Whistling", curve="short"),
        id="skills",
        version="1",
        title="Skills",
    )
    await keep.do(content.load_pack(pack=pack))
    return keep


async def test_the_table_is_the_published_one_at_every_level() -> None:
    published = [int(word) for word in PUBLISHED.split()]
    assert len(published) == 99
    curve = xp.curve_of(xp.CurveDefinition(id="runescape", name="RuneScape", formula="runescape"))
    assert list(curve.thresholds) == published
    for level, threshold in enumerate(published, 1):
        assert curve.level(threshold) == level
        assert curve.level(threshold - 1) == level - 1


async def test_who_has_trained_nothing_is_as_the_skills_begin(skilled: Keep) -> None:
    (ada,) = await scene.people(skilled, "Ada")
    sheet = await skilled.ask(skills.sheet(character=ada))
    assert {one.skill: (one.level, one.xp) for one in sheet.skills} == {"attack": (1, 0), "constitution": (10, 1154), "whistling": (1, 0)}
    assert (sheet.total_level, sheet.combat_level) == (12, 3)


async def test_a_gain_raises_the_level_and_says_so_once(skilled: Keep) -> None:
    (ada,) = await scene.people(skilled, "Ada")
    first = await skilled.do(skills.gain(character=ada, skill="attack", xp=82))
    second = await skilled.do(skills.gain(character=ada, skill="attack", xp=200), key="kill-7")
    again = await skilled.do(skills.gain(character=ada, skill="attack", xp=200), key="kill-7")
    assert (first.level_before, first.level) == (1, 1)
    assert second == again == skills.Gained("attack", 200, 282, 1, 4)
    ups = (await skilled.ask(skills.level_ups(character=ada))).items
    assert [(one.level_before, one.level, one.xp) for one in ups] == [(1, 4, 282)]


async def test_a_first_gain_adds_to_what_the_skill_begins_with(skilled: Keep) -> None:
    (ada,) = await scene.people(skilled, "Ada")
    assert await skilled.do(skills.gain(character=ada, skill="constitution", xp=1)) == skills.Gained("constitution", 1, 1155, 10, 10)


async def test_the_cap_holds_and_what_is_beyond_it_is_not_counted(skilled: Keep) -> None:
    (ada,) = await scene.people(skilled, "Ada")
    assert await skilled.do(skills.gain(character=ada, skill="whistling", xp=45)) == skills.Gained("whistling", 45, 45, 1, 3)
    assert await skilled.do(skills.gain(character=ada, skill="whistling", xp=45)) == skills.Gained("whistling", 5, 50, 3, 3)
    assert await skilled.do(skills.gain(character=ada, skill="whistling", xp=45)) == skills.Gained("whistling", 0, 50, 3, 3)
    most = await skilled.do(skills.gain(character=ada, skill="attack", xp=xp.MAX_XP))
    assert (most.xp, most.level) == (200_000_000, 99)


async def test_several_gains_are_all_or_none(skilled: Keep) -> None:
    (ada,) = await scene.people(skilled, "Ada")
    with pytest.raises(skills.UnknownSkill):
        await skilled.do(skills.gain_many(character=ada, gains={"attack": 100, "juggling": 1}))
    assert (await skilled.ask(skills.sheet(character=ada))).total_xp == 1154
    trained = await skilled.do(skills.gain_many(character=ada, gains={"attack": 13_034_431, "constitution": 13_034_431}))
    assert [one.level for one in trained.gains] == [99, 99]
    assert trained.combat_level == (250 * (1 + 99) + 325 * 100) // 1000


async def test_staff_set_experience_and_the_journal_says_why(skilled: Keep) -> None:
    (ada,) = await scene.people(skilled, "Ada")
    await skilled.do(skills.gain(character=ada, skill="attack", xp=1000))
    back = await skilled.do(skills.set_xp(character=ada, skill="attack", xp=83), actor="operator:mod", reason="a bug paid twice")
    assert back == skills.Gained("attack", -917, 83, 9, 2)
    most = await skilled.do(skills.set_xp(character=ada, skill="whistling", xp=10**9), actor="operator:mod", reason="a wager")
    assert (most.xp, most.level) == (50, 3)
    assert (await verify(skilled)).ok


async def test_gains_at_once_are_not_lost(skilled: Keep) -> None:
    (ada,) = await scene.people(skilled, "Ada")
    await asyncio.gather(*(skilled.do(skills.gain(character=ada, skill="attack", xp=7)) for _ in range(60)))
    assert (await skilled.ask(skills.hiscore(skill="attack", character=ada))) == skills.HiscoreRow(1, ada, "Ada", 5, 420)


async def test_hiscores_are_what_sorting_everybody_would_give(skilled: Keep) -> None:
    dice = random.Random(3)
    ids = await scene.people(skilled, *(f"Hero {one}{other}" for one in "abcde" for other in "abcdef"))
    points = {id: dice.choice((10, 20, 20, 500, 500, dice.randrange(1, 100_000))) for id in ids}
    await asyncio.gather(*(skilled.do(skills.gain(character=id, skill="attack", xp=gained)) for id, gained in points.items()))
    ranks = {id: 1 + sum(other > gained for other in points.values()) for id, gained in points.items()}
    expected = [(gained, id, ranks[id]) for gained, id in sorted(((gained, id) for id, gained in points.items()), reverse=True)]

    def told(rows: list[skills.HiscoreRow]) -> list[tuple[int, str | None, int]]:
        return [(row.xp, row.character_id, row.rank) for row in rows]

    for limit in (1, 4, 25, 26, 30):
        seen, cursor = [], None
        while True:
            page = await skilled.ask(skills.hiscores(skill="attack", limit=limit, cursor=cursor))
            seen += told(page.items)
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == expected, limit

    for place, (_, id, rank) in enumerate(expected):
        for side in (0, 2, 7, 30):
            around = await skilled.ask(skills.hiscores_around(skill="attack", character=id, each_side=side))
            assert told(around) == expected[max(place - side, 0) : place + side + 1]
        jumped = await skilled.ask(skills.hiscores_from(skill="attack", rank=place + 1, limit=3))
        assert told(jumped.items) == expected[rank - 1 : rank + 2]
        assert (jumped.next_cursor is None) == (rank + 2 >= len(expected))
        alone = await skilled.ask(skills.hiscore(skill="attack", character=id))
        assert alone is not None
        assert told([alone]) == [expected[place]]
    assert (await skilled.ask(skills.hiscores_from(skill="attack", rank=31))).items == []
    assert (await verify(skilled)).ok


async def test_a_board_on_which_nobody_stands_is_empty_for_everybody(skilled: Keep) -> None:
    (ada,) = await scene.people(skilled, "Ada")
    await skilled.do(skills.gain(character=ada, skill="attack", xp=50))
    for skill, who in (("whistling", ada), ("attack", "nobody")):
        assert await skilled.ask(skills.hiscore(skill=skill, character=who)) is None
        assert await skilled.ask(skills.hiscores_around(skill=skill, character=who)) == []
    assert (await skilled.ask(skills.hiscores(skill="whistling"))).items == []
    assert (await skilled.ask(skills.hiscores_from(skill="whistling", rank=1))).items == []


async def test_hiscores_take_one_statement_each(skilled: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    (ada,) = await scene.people(skilled, "Ada")
    await skilled.do(skills.gain(character=ada, skill="attack", xp=50))
    calls: list[str] = []
    for name in ("fetch", "load"):
        real = getattr(skilled.store, name)

        async def counted(*given: Any, real: Any = real, name: str = name, **named: Any) -> Any:
            calls.append(name)
            return await real(*given, **named)

        monkeypatch.setattr(skilled.store, name, counted)
    questions: tuple[Ask[Any], ...] = (
        skills.hiscore(skill="attack", character=ada),
        skills.hiscores(skill="attack"),
        skills.hiscores_from(skill="attack", rank=1),
        skills.hiscores_around(skill="attack", character=ada),
    )
    for asked in questions:
        calls.clear()
        await skilled.ask(asked)
        assert calls == ["fetch"], asked


async def test_whoever_wants_to_be_anonymous_is_so_on_every_board_and_not_found_by_its_id(skilled: Keep) -> None:
    user = (await skilled.do(users.create_guest())).user_id
    ada = (await skilled.do(characters.create(user=user, name="Ada"))).character_id
    (bob,) = await scene.people(skilled, "Bob")
    for who, points in ((ada, 50), (bob, 40)):
        await skilled.do(skills.gain(character=who, skill="attack", xp=points))
    await skilled.do(characters.set_setting(character=ada, name=characters.ANONYMOUS, value=True))
    hidden = characters.anonymous_name(skilled.reader.keys, "skills:attack", ada)

    shown = [(row.character_id, row.name) for row in (await skilled.ask(skills.hiscores(skill="attack"))).items]
    assert shown == [(None, hidden), (bob, "Bob")]
    assert [row.name for row in await skilled.ask(skills.hiscores_around(skill="attack", character=bob))] == [hidden, "Bob"]
    for actor, found in (("player:somebody", False), ("anonymous:1", False), (f"player:{user}", True), ("server:1", True)):
        mine = await skilled.ask(skills.hiscore(skill="attack", character=ada), actor=actor)
        assert (mine is not None and mine.name == "Ada") is found
        around = await skilled.ask(skills.hiscores_around(skill="attack", character=ada), actor=actor)
        assert [row.name for row in around] == (["Ada", "Bob"] if found else [])


async def test_a_deleted_character_keeps_its_place_but_not_its_name(skilled: Keep) -> None:
    ada, bob = await scene.people(skilled, "Ada", "Bob")
    await skilled.do(skills.gain(character=ada, skill="attack", xp=50))
    await skilled.do(skills.gain(character=bob, skill="attack", xp=40))
    await skilled.do(characters.delete(character=ada))
    assert [(row.rank, row.name) for row in (await skilled.ask(skills.hiscores(skill="attack"))).items] == [(1, None), (2, "Bob")]
    assert await skilled.ask(skills.hiscore(skill="attack", character=ada)) is None
    assert await skilled.ask(skills.hiscores_around(skill="attack", character=ada)) == []
    with pytest.raises(characters.CharacterNotFound):
        await skilled.do(skills.gain(character=ada, skill="attack", xp=1))


@pytest.mark.parametrize(
    ("curve", "path"),
    [
        ({"thresholds": [5, 10]}, "thresholds"),
        ({"thresholds": [0, 10, 10]}, "thresholds.2"),
        ({"thresholds": []}, "thresholds"),
        ({"formula": "solo", "thresholds": [0, 1]}, "thresholds"),
        ({"formula": "runescape", "max_level": 500}, "max_level"),
    ],
)
def test_a_curve_that_makes_no_sense_is_refused_with_its_place(curve: dict[str, object], path: str) -> None:
    made = xp.CurveDefinition(id="odd", name="Odd", **{name: tuple(one) if isinstance(one, list) else one for name, one in curve.items()})  # type: ignore[arg-type]
    assert [flaw[0] for flaw in made.contradictions()] == [path]
