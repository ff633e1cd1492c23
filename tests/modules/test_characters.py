"""Characters: names, slots, sheets, and a place that no client can jump to."""

import asyncio
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from gamekeeper.errors import AlreadyExists, ConstraintViolated, GameError, InvalidArgument, NameTaken, OwnerNotFound
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.commands import command
from gamekeeper.kernel.records import shape
from gamekeeper.kernel.store.schema import all_tables
from gamekeeper.kernel.verify import verify
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, sessions, users, worlds
from tests.crash.raw import raw


@command(touches=[characters.CharacterVital], module="test_characters")
def overheal(ctx: Context, *, character: characters.CharacterId, current: int) -> None:
    """Write what no command of the module writes."""
    row = ctx.get(characters.CharacterVital, character, "health")
    assert row is not None
    ctx.change(row, current=current)


@command(touches=[characters.Character], module="test_characters")
def hand_over(ctx: Context, *, character: characters.CharacterId, user: str | None) -> None:
    """Give a character to another user, as a command of accounts will."""
    ctx.change(characters.alive(ctx, character), user_id=user)


async def everything(keep: Keep) -> dict[str, list[list[Any]]]:
    """All rows of all tables, to see that nothing has changed."""
    return {one.name: sorted([list(row) for row in await keep.store.fetch(select(one), {})], key=repr) for one in all_tables()}


@pytest.fixture
async def user(keep: Keep) -> str:
    """A user without characters."""
    return (await keep.do(users.create_guest(user="ann"))).user_id


@pytest.fixture
async def ada(keep: Keep, user: str) -> str:
    """A character of that user."""
    return (await keep.do(characters.create(user=user, character="ada", name="Ada Lovelace"))).character_id


async def test_a_new_character_is_whole(timed: Keep, clock: ManualClock) -> None:
    await timed.do(users.create_guest(user="ann"))
    made = await timed.do(characters.create(user="ann", name="Ada Lovelace"))

    sheet = await timed.ask(characters.show(character=made.character_id))
    assert (sheet.character.name, sheet.character.user_id, sheet.character.world_id) == ("Ada Lovelace", "ann", "world")
    assert (sheet.character.rank, sheet.character.is_guest_created, sheet.character.created_at) == ("normal", True, clock.now_ms())
    assert sheet.location == characters.CharacterLocation(made.character_id, "world", "spawn", clock.now_ms())
    assert [(one.vital, one.current, one.maximum) for one in sheet.vitals] == [
        ("health", 10_000, 10_000),
        ("mana", 5_000, 5_000),
        ("stamina", 10_000, 10_000),
    ]
    assert (sheet.attributes, sheet.settings) == ([], {})


async def test_a_name_is_unique_in_its_world_and_free_in_another(keep: Keep, user: str) -> None:
    first = await keep.do(characters.create(user=user, name="Ada Lovelace"))
    await keep.do(worlds.create_world(world="other", name="Other"))

    for name in ("ada lovelace", "ADA LOVELACE", "Ada L\u00f6velace", "Ada Iove1ace"):
        with pytest.raises(NameTaken):
            await keep.do(characters.create(user=user, name=name))
    other = await keep.do(characters.create(user=user, name="Ada Lovelace", world_id="other"))

    found = await keep.ask(characters.find(name="ADA LOVELACE"))
    elsewhere = await keep.ask(characters.find(name="ada lovelace", world_id="other"))
    assert found is not None
    assert elsewhere is not None
    assert (found.character_id, elsewhere.character_id) == (first.character_id, other.character_id)
    assert await keep.ask(characters.find(name="Ada", world_id="third")) is None


async def test_of_many_who_want_a_name_at_once_one_gets_it(keep: Keep, user: str) -> None:
    calls = [keep.do(characters.create(user=one, name="Ada")) for one in (user, None, user, None, None)]

    answers = await asyncio.gather(*calls, return_exceptions=True)

    assert sorted(type(one).__name__ for one in answers) == ["Created"] + ["NameTaken"] * 4
    assert len((await keep.ask(characters.list_characters())).items) == 1


async def test_a_user_has_ten_slots_in_a_world_however_fast_they_are_taken(keep: Keep, user: str) -> None:
    names = [f"Ada {chr(97 + number) * 2}" for number in range(13)]

    answers = await asyncio.gather(*(keep.do(characters.create(user=user, name=one)) for one in names), return_exceptions=True)

    full = [one for one in answers if isinstance(one, characters.CharacterSlotsFull)]
    assert [one.facts for one in full] == [{"world_id": "world", "limit": 10}] * 3
    listed = await keep.ask(characters.list_of_user(user=user))
    assert len(listed) == 10
    await keep.do(worlds.create_world(world="other", name="Other"))
    await keep.do(characters.create(user=user, name="Ada", world_id="other"))
    await keep.do(characters.create(name="Nobody"))


async def test_a_deleted_character_frees_its_slot_but_not_its_name(keep: Keep, user: str, ada: str) -> None:
    for number in range(9):
        await keep.do(characters.create(user=user, name=f"Other {chr(97 + number) * 2}"))
    before = await keep.reader.get(characters.Character, ada)
    assert before is not None

    await keep.do(characters.delete(character=ada), reason="asked for")

    with pytest.raises(NameTaken):
        await keep.do(characters.create(user=user, name="Ada Lovelace"))
    await keep.do(characters.create(user=user, name="Grace Hopper"))
    with pytest.raises(characters.CharacterSlotsFull):
        await keep.do(characters.create(user=user, name="One More"))
    row = await keep.reader.get(characters.Character, ada)
    assert row is not None
    assert row.tombstoned_at is not None
    assert (row.user_id, row.name) == (user, "Ada Lovelace")


async def test_a_deleted_character_is_not_there_for_anybody(keep: Keep, user: str, ada: str) -> None:
    opened = await keep.do(sessions.open_session(user=user))
    await keep.do(characters.delete(character=ada))
    before = await everything(keep)

    for call in (
        characters.rename(character=ada, name="Bob"),
        characters.move_to(character=ada, x=1.0),
        characters.set_vitals(character=ada, vitals={"health": 1}),
        characters.set_attribute(character=ada, attribute="power", base=1),
        characters.set_setting(character=ada, name="a", value=1),
        characters.select(user=user, session_id=opened.session_id, character=ada),
        characters.delete(character=ada),
    ):
        with pytest.raises(characters.CharacterNotFound) as refused:
            await keep.do(call)
        assert refused.value.facts == {"id": ada}

    with pytest.raises(characters.CharacterNotFound):
        await keep.ask(characters.show(character=ada))
    assert await keep.ask(characters.find(name="Ada Lovelace")) is None
    assert await keep.ask(characters.list_of_user(user=user)) == []
    assert (await keep.ask(characters.list_characters())).items == []
    assert await everything(keep) == before


async def test_a_character_that_never_was_is_not_found(keep: Keep) -> None:
    with pytest.raises(OwnerNotFound):
        await keep.do(characters.rename(character="nobody", name="Bob"))
    with pytest.raises(OwnerNotFound):
        await keep.do(characters.delete(character="nobody"))
    with pytest.raises(characters.CharacterNotFound):
        await keep.ask(characters.show(character="nobody"))
    with pytest.raises(OwnerNotFound):
        await keep.do(characters.create(user="nobody", name="Bob"))
    assert await keep.ask(characters.find(name="Bob")) is None


async def test_a_renamed_character_gives_its_old_name_back(keep: Keep, user: str, ada: str) -> None:
    renamed = await keep.do(characters.rename(character=ada, name="Countess Lovelace"))

    assert (renamed.before, renamed.after) == ("Ada Lovelace", "Countess Lovelace")
    await keep.do(characters.create(user=user, name="Ada Lovelace"))
    with pytest.raises(NameTaken):
        await keep.do(characters.rename(character=ada, name="ada lovelace"))
    found = await keep.ask(characters.find(name="Countess Lovelace"))
    assert found is not None
    assert found.character_id == ada


async def test_a_character_may_write_its_own_name_in_another_way(keep: Keep, ada: str) -> None:
    await keep.do(characters.rename(character=ada, name="ADA Lovelace"))
    await keep.do(characters.rename(character=ada, name="ADA Lovelace"))

    assert (await keep.ask(characters.show(character=ada))).character.name == "ADA Lovelace"


BAD_NAMES = [
    ("A", "too_short"),
    ("a" * 41, "too_long"),
    (" Ada", "edge"),
    ("Ada ", "edge"),
    ("Ada  L", "repeated"),
    ("Ada\u200bL", "invisible"),
    ("\u202eadA", "invisible"),
    ("Ada\tL", "invisible"),
    ("Ada\u2028L", "invisible"),
    ("\u0410da L", "scripts"),
    ("Ada_L", "character"),
    ("System", "reserved"),
    ("S y s t e m", "reserved"),
]


@pytest.mark.parametrize(("name", "problem"), [pytest.param(name, problem, id=ascii(name)) for name, problem in BAD_NAMES])
async def test_a_name_that_could_deceive_is_refused_and_changes_nothing(keep: Keep, ada: str, name: str, problem: str) -> None:
    before = await everything(keep)

    for call in (characters.create(name=name), characters.rename(character=ada, name=name)):
        with pytest.raises(users.NameInvalid) as refused:
            await keep.do(call)
        assert refused.value.facts == {"problem": problem}

    assert await everything(keep) == before


@pytest.mark.parametrize("name", ["D'Artagnan", "Jean-Luc St. John", "\u041c\u0430\u0448\u0430 \u0418", "Bo 2"])
async def test_names_that_people_have_are_welcome(keep: Keep, name: str) -> None:
    assert (await keep.do(characters.create(name=name))).name == name


BAD_ARGUMENTS: list[tuple[dict[str, Any], str]] = [
    ({"name": "a\0b"}, "/name"),
    ({"name": "a" * 121}, "/name"),
    ({"name": 7}, "/name"),
    ({"name": None}, "/name"),
    ({"name": "Ada", "rank": "diamond"}, "/rank"),
    ({"name": "Ada", "world_id": "../x"}, "/world_id"),
    ({"name": "Ada", "world_id": "a" * 65}, "/world_id"),
    ({"name": "Ada", "character": "a\n"}, "/character"),
    ({"name": "Ada", "user": 5}, "/user"),
]


@pytest.mark.parametrize(("arguments", "path"), BAD_ARGUMENTS)
async def test_arguments_out_of_bounds_are_refused_by_path_and_change_nothing(keep: Keep, arguments: dict[str, Any], path: str) -> None:
    before = await everything(keep)

    with pytest.raises(InvalidArgument) as refused:
        await keep.do(characters.create(**arguments))

    assert refused.value.facts["path"] == path
    assert await everything(keep) == before


BAD_PLACES: list[dict[str, Any]] = [
    {"x": math.nan},
    {"y": math.inf},
    {"z": -math.inf},
    {"x": 10**400},
    {"x": "1"},
    {"x": True},
    {"x": [1]},
    {"room_id": ""},
    {"room_id": "a" * 65},
    {"room_id": "a\0"},
    {"room_id": "two words"},
    {"rotation": {"qx": math.nan}},
    {"rotation": {"qx": 0.0, "roll": 1.0}},
    {"rotation": [0, 0, 0, 1]},
    {"teleport": True},
]


@pytest.mark.parametrize("place", BAD_PLACES, ids=repr)
async def test_a_place_that_is_none_is_refused_and_changes_nothing(keep: Keep, ada: str, place: dict[str, Any]) -> None:
    before = await everything(keep)

    with pytest.raises(InvalidArgument):
        await keep.do(characters.move_to(character=ada, **place))

    assert await everything(keep) == before


async def test_a_move_changes_what_is_said_and_leaves_the_rest(timed: Keep, clock: ManualClock) -> None:
    await timed.do(characters.create(character="ada", name="Ada"))
    await timed.do(characters.move_to(character="ada", x=1.5, y=-0.0, z=3, rotation=characters.Rotation(qy=1.0, qw=0.0)))
    clock.move(5)
    going = characters.move_to(character="ada", room_id="tavern", world_id="other", z=-4.25)
    async with timed.lease("ada"):
        await timed.do(characters.move_to(character="ada", world_id="world"))  # nobody need have made it
        with pytest.raises(worlds.WorldNotFound):  # also where only memory would know of it
            await timed.do(going)
    assert (await timed.ask(characters.show(character="ada"))).location.z == 3  # type: ignore[union-attr]
    await timed.do(worlds.create_world(world="other", name="Other"))
    await timed.do(going)

    location = (await timed.ask(characters.show(character="ada"))).location
    assert location == characters.CharacterLocation(
        character_id="ada",
        world_id="other",
        room_id="tavern",
        updated_at=clock.now_ms(),
        x=1.5,
        y=0.0,
        z=-4.25,
        qy=1.0,
        qw=0.0,
    )
    assert math.copysign(1, location.y) == 1


async def test_under_a_lease_a_place_is_kept_in_memory_and_saved_at_its_end(keep: Keep, ada: str) -> None:
    async with keep.lease(ada):
        await keep.do(characters.set_setting(character=ada, name="a", value=1))
        for step in range(20):
            await keep.do(characters.move_to(character=ada, x=float(step)))
            await keep.do(characters.set_vitals(character=ada, vitals={"health": 9_000 - step}))
        sheet = await keep.ask(characters.show(character=ada))
        assert sheet.location is not None
        assert (sheet.location.x, sheet.vitals[0].current) == (19.0, 8_981)

    location = (await keep.store.fetch(select(*_columns("character_locations", "x")), {}))[0][0]
    health = {row[0]: row[1] for row in await keep.store.fetch(select(*_columns("character_vitals", "vital", "current")), {})}["health"]
    assert (location, health) == (19.0, 8_981)


def _columns(name: str, *columns: str) -> list[Any]:
    one = next(one for one in all_tables() if one.name == name)
    return [one.c[column] for column in columns]


async def test_vitals_stay_between_nothing_and_their_maximum(keep: Keep, ada: str) -> None:
    await keep.do(characters.set_vitals(character=ada, vitals={"health": 2_500}, maximums={"mana": 3_000, "prayer": 100}))

    sheet = await keep.ask(characters.show(character=ada))
    assert {one.vital: (one.current, one.maximum) for one in sheet.vitals} == {
        "health": (2_500, 10_000),
        "mana": (3_000, 3_000),
        "prayer": (100, 100),
        "stamina": (10_000, 10_000),
    }
    before = await everything(keep)
    for vitals, maximums in (({"health": 10_001}, {}), ({"health": 1, "luck": 1}, {}), ({"mana": 500}, {"mana": 400})):
        with pytest.raises(characters.VitalOutOfRange):
            await keep.do(characters.set_vitals(character=ada, vitals=vitals, maximums=maximums))
    for bad in ({"health": -1}, {"health": 1.5}, {"health": "1"}, {"Health": 1}, {"": 1}, {"health": 10**13}, {"a\0": 1}):
        with pytest.raises(InvalidArgument):
            characters.set_vitals(character=ada, vitals=bad)  # type: ignore[arg-type]
    assert await everything(keep) == before


async def test_a_vital_above_its_maximum_is_refused_by_the_table(keep: Keep, ada: str) -> None:
    for current in (10_001, -1):
        with pytest.raises(ConstraintViolated):
            await keep.do(overheal(character=ada, current=current))


async def test_a_sheet_is_bounded(keep: Keep, ada: str) -> None:
    with pytest.raises(characters.SheetFull) as refused:
        await keep.do(characters.set_vitals(character=ada, maximums={f"v{number}": 1 for number in range(30)}))
    assert refused.value.facts == {"table": "character_vitals", "limit": 32}
    assert len((await keep.ask(characters.show(character=ada))).vitals) == 3
    for number in range(64):
        await keep.do(characters.set_attribute(character=ada, attribute=f"a{number}", base=number))
    with pytest.raises(characters.SheetFull):
        await keep.do(characters.set_attribute(character=ada, attribute="one_more", base=1))
    await keep.do(characters.set_attribute(character=ada, attribute="a0", base=7))


async def test_an_attribute_keeps_what_is_not_said(keep: Keep, ada: str) -> None:
    await keep.do(characters.set_attribute(character=ada, attribute="power", base=12))
    await keep.do(characters.set_attribute(character=ada, attribute="power", bonus=-3))

    sheet = await keep.ask(characters.show(character=ada))
    assert sheet.attributes == [characters.CharacterAttribute(ada, "power", 12, -3)]
    for bad in ({"base": 2**53}, {"base": 1.5}, {"attribute": "POWER"}, {"attribute": "power\n"}, {"level": 3}):
        with pytest.raises(InvalidArgument):
            characters.set_attribute(**{"character": ada, "attribute": "power", **bad})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [True, False, 0, "", "r\u00e9d", 1.5, [], {}, [1, [2, None]], {"a": {"b": [1, "x"]}}], ids=repr)
async def test_a_setting_may_be_any_json_value(keep: Keep, ada: str, value: Any) -> None:
    await keep.do(characters.set_setting(character=ada, name="ui.scale", value=value))

    kept = (await keep.ask(characters.show(character=ada))).settings
    assert kept == {"ui.scale": value}
    assert type(kept["ui.scale"]) is type(value)
    await keep.do(characters.set_setting(character=ada, name="ui.scale", value=None))
    await keep.do(characters.set_setting(character=ada, name="ui.scale", value=None))
    assert (await keep.ask(characters.show(character=ada))).settings == {}


BAD_VALUES: list[Any] = [
    "x" * 2049,
    ["x" * 1000] * 5,
    [[[[[[[[[1]]]]]]]]],
    [0] * 300,
    {"__proto__": 1},
    {"k" * 65: 1},
    math.nan,
    2**53,
    "a\0b",
    {"a\0": 1},
    "\ud800",
    {1: 2},
    b"bytes",
    {1, 2},
]


@pytest.mark.parametrize("value", BAD_VALUES, ids=range(len(BAD_VALUES)))
async def test_a_setting_that_is_no_small_json_is_refused_and_changes_nothing(keep: Keep, ada: str, value: Any) -> None:
    before = await everything(keep)

    with pytest.raises((GameError, ValueError)) as refused:
        await keep.do(characters.set_setting(character=ada, name="ui", value=value))

    assert getattr(refused.value, "code", None) in {"SETTING_REFUSED", "INVALID_JSON", "INVALID_ARGUMENT"}
    assert await everything(keep) == before


async def test_settings_are_bounded_in_number(keep: Keep, ada: str) -> None:
    for number in range(128):
        await keep.do(characters.set_setting(character=ada, name=f"s{number}", value=number))

    with pytest.raises(characters.SheetFull):
        await keep.do(characters.set_setting(character=ada, name="one_more", value=1))

    await keep.do(characters.set_setting(character=ada, name="s0", value="changed"))
    for name in ("", "A", "a b", "a\n", "a" * 65, "\u0430"):
        with pytest.raises(InvalidArgument):
            characters.set_setting(character=ada, name=name, value=1)


async def test_a_session_plays_one_of_the_users_own_characters(keep: Keep, user: str, ada: str) -> None:
    await keep.do(users.create_guest(user="eve"))
    opened = await keep.do(sessions.open_session(user=user))
    theirs = await keep.do(sessions.open_session(user="eve"))

    await keep.do(characters.select(user=user, session_id=opened.session_id, character=ada))

    found = await keep.ask(sessions.by_token(token=opened.token))
    assert found is not None
    assert (found.character_id, found.world_id) == (ada, "world")
    assert (await keep.ask(characters.show(character=ada))).character.last_login_at is not None
    with pytest.raises(characters.CharacterNotYours):
        await keep.do(characters.select(user="eve", session_id=theirs.session_id, character=ada))
    with pytest.raises(sessions.SessionNotFound):
        await keep.do(characters.select(user=user, session_id=theirs.session_id, character=ada))
    await keep.do(characters.unselect(user=user, session_id=opened.session_id))
    left = await keep.ask(sessions.by_token(token=opened.token))
    assert left is not None
    assert (left.character_id, left.world_id) == (None, None)


async def test_a_deleted_character_leaves_the_sessions_that_played_it(keep: Keep, user: str, ada: str) -> None:
    opened = await keep.do(sessions.open_session(user=user))
    await keep.do(characters.select(user=user, session_id=opened.session_id, character=ada))

    await keep.do(characters.delete(character=ada))

    found = await keep.ask(sessions.by_token(token=opened.token))
    assert found is not None
    assert (found.character_id, found.world_id) == (None, None)


async def test_a_character_that_changed_hands_meanwhile_is_not_deleted(keep: Keep, ada: str) -> None:
    with pytest.raises(characters.CharacterChangedHands):
        await keep.do(hand_over(character=ada, user="another"), characters.delete(character=ada))

    assert (await keep.ask(characters.show(character=ada))).character.user_id == "ann"


async def test_a_character_of_nobody_can_be_deleted(keep: Keep) -> None:
    made = await keep.do(characters.create(name="Nobody"))

    await keep.do(characters.delete(character=made.character_id))

    assert await keep.ask(characters.find(name="Nobody")) is None


async def test_a_user_and_the_first_character_can_be_made_in_one_go(keep: Keep) -> None:
    await keep.do(users.create_guest(user="bea"), characters.create(user="bea", character="bob", name="Bob"))

    assert [one.character_id for one in await keep.ask(characters.list_of_user(user="bea"))] == ["bob"]
    with pytest.raises(NameTaken):
        await keep.do(users.create_guest(user="cyd"), characters.create(user="cyd", name="Bob"))
    with pytest.raises(OwnerNotFound):
        await keep.ask(users.show(user="cyd"))
    with pytest.raises(AlreadyExists):
        await keep.do(characters.create(user="bea", character="bob", name="Robert"))


async def test_characters_are_listed_by_pages_by_world_and_by_the_beginning_of_the_name(keep: Keep) -> None:
    await keep.do(worlds.create_world(world="other", name="Other"))
    for number, name in enumerate(("Ada One", "Bob", "ada two", "Ada Three", "Zed")):
        await keep.do(characters.create(character=f"c{number}", name=name, world_id="other" if name == "Zed" else "world"))

    first = await keep.ask(characters.list_characters(limit=2))
    second = await keep.ask(characters.list_characters(limit=2, cursor=first.next_cursor))
    third = await keep.ask(characters.list_characters(limit=2, cursor=second.next_cursor))
    assert [one.character_id for page in (first, second, third) for one in page.items] == ["c0", "c1", "c2", "c3", "c4"]
    assert third.next_cursor is None
    assert [one.name for one in (await keep.ask(characters.list_characters(prefix="ADA T"))).items] == ["ada two", "Ada Three"]
    assert [one.name for one in (await keep.ask(characters.list_characters(world_id="other"))).items] == ["Zed"]
    for nothing in ("%", "_", "a%", "'"):
        assert (await keep.ask(characters.list_characters(prefix=nothing))).items == []
    for unstorable in ("a\0", "\ud800"):
        with pytest.raises(InvalidArgument):
            characters.list_characters(prefix=unstorable)


@given(st.text(max_size=50) | st.text(alphabet="aA\u00e9l1 '-.\u0430\u0131\u0301\u200d\u2019\u0149", max_size=45))
def test_every_text_is_refused_or_becomes_one_name_and_one_key(text: str) -> None:
    try:
        name = users.read_name(text, characters.CHARACTER_NAME_POLICY)
    except users.NameInvalid:
        return

    assert users.read_name(name.shown, characters.CHARACTER_NAME_POLICY) == name
    assert users.fold(name.key) == name.key == users.lookup_key(text)
    assert 2 <= len(name.shown) <= 40
    assert len(name.key) <= 160


def test_what_moves_all_the_time_is_of_the_checkpoint_class_and_value_is_not() -> None:
    kinds = {one: shape(one).spec.durability for one in (characters.CharacterLocation, characters.CharacterVital, characters.Character)}

    assert list(kinds.values()) == ["checkpoint", "checkpoint", "commit"]
    assert (characters.move_to.durability, characters.set_vitals.durability) == ("checkpoint", "checkpoint")


def test_the_declared_access_is_what_the_surfaces_enforce() -> None:
    expected: dict[Any, str] = {
        characters.create: "player",
        characters.rename: "player",
        characters.delete: "player",
        characters.set_setting: "player",
        characters.select: "player",
        characters.unselect: "player",
        characters.show: "player",
        characters.list_of_user: "player",
        characters.move_to: "server",
        characters.set_vitals: "server",
        characters.set_attribute: "server",
        characters.find: "server",
        characters.list_characters: "operator",
    }

    assert {one: one.access for one in expected} == expected


FURTHER = [consonant + vowel for vowel in "aeou" for consonant in "bdfgkmnprst"]
"""Second names that cannot be taken for one another."""


async def test_staff_bring_a_deleted_character_back_as_it_was(timed: Keep, clock: ManualClock, database_url: str) -> None:
    user, other, mia = [(await timed.do(users.create_guest())).user_id for _ in range(3)]
    await timed.do(users.set_role(user=mia, role="moderator"))
    by, why = f"player:{mia}", "a brother did it"
    await timed.do(characters.create(user=user, character="ada", name="Ada"))
    await timed.do(characters.set_setting(character="ada", name="ui.scale", value=2))
    before = await timed.ask(characters.show(character="ada"))
    restore = characters.restore(character="ada")

    async def refused(error: type[GameError], actor: str = by) -> None:
        seen = await everything(timed)
        with pytest.raises(error):
            await timed.do(restore, actor=actor, reason=why)
        assert await everything(timed) == seen

    await refused(characters.CharacterNotDeleted)
    await timed.do(characters.delete(character="ada"))
    with pytest.raises(NameTaken):
        await timed.do(characters.create(user=user, name="Ada"))
    await refused(users.RoleTooLow, f"player:{other}")
    made = [await timed.do(characters.create(user=user, name=f"Ada {word}")) for word in FURTHER[: characters.SLOTS]]
    await refused(characters.CharacterSlotsFull)
    await timed.do(characters.delete(character=made[0].character_id))
    assert await timed.do(restore, actor=by, reason=why) == characters.Created("ada", "Ada")

    after = await timed.ask(characters.show(character="ada"))
    assert after == msgspec.structs.replace(before, character=msgspec.structs.replace(before.character, updated_at=clock.now_ms()))
    mine = await timed.ask(characters.list_of_user(user=user))
    assert len(mine) == characters.SLOTS
    with pytest.raises(characters.CharacterSlotsFull):
        await timed.do(characters.create(user=user, name="One more"))

    # Nobody's comes back as nobody's; not without its name, and not after its time.
    await timed.do(characters.delete(character="ada"), characters.create(character="bob", name="Bob"))
    async with raw(database_url) as database:
        await database.rows("UPDATE claims SET owner_id = 'bob' WHERE key = ? AND owner_id = 'ada'", before.character.name_key)
    await refused(NameTaken)
    async with raw(database_url) as database:
        await database.rows("DELETE FROM claims WHERE key = ?", before.character.name_key)
    await timed.do(restore)
    assert (await timed.ask(characters.find(name="ada"))) is not None
    assert (await verify(timed)).problems == []
    await timed.do(characters.delete(character="ada"), characters.delete(character="bob"))
    clock.move(characters.RESTORE_DAYS * 24 * 3600 - 1)
    assert await timed.do(characters.restore(character="bob")) == characters.Created("bob", "Bob")
    clock.move(1)
    await refused(characters.RestoreTooLate, "operator:test")
    with pytest.raises(characters.CharacterNotFound):
        await timed.do(characters.restore(character="nobody"))
