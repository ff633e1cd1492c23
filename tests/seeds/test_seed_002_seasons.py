"""Seed 002, a fitness game on PostgreSQL: its seasons, who takes part in them, and their leaderboards."""

from typing import Final, get_args

import pytest

from gamekeeper.errors import InvalidArgument, NameTaken
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.records import shape
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import characters, content, seasons
from gamekeeper.modules.seasons import SeasonDefinition
from tests.crash.raw import raw
from tests.modules import scene
from tests.modules.test_seasons import START, earn
from tests.seeds.rows import copied, refuses, row_of

DAY: Final = 86_400_000
SPRING: Final = SeasonDefinition(
    id="spring",
    number=1,
    name="Spring",
    theme="Thaw",
    description="The ice goes.",
    starts_at=START,
    ends_at=START + DAY,
    rewards=(seasons.Bracket(to_rank=1, xp=50),),
)
SUMMER: Final = SeasonDefinition(
    id="summer",
    number=2,
    name="Summer",
    theme="Heat",
    description="The river goes.",
    starts_at="2027-02-01T00:00:00Z",
    ends_at="2027-03-01T00:00:00Z",
    multiplier_bp=11_000,
)


@pytest.fixture
async def jin(keep: Keep) -> str:
    """A hunter in a world with two seasons, of which one is on."""
    await keep.do(content.load_pack(pack=scene.pack(SPRING, SUMMER)))
    return (await keep.do(characters.create(name="Jin"))).character_id


async def _ended(keep: Keep, clock: ManualClock) -> None:
    clock.move(DAY / 1000)
    await keep.do(seasons.close(season="spring", reason="it is over"))
    while (await keep.do(seasons.close_step(season="spring"))).more:
        pass


@pytest.mark.usefixtures("jin")
async def test_season_status_enum_of_seed_002(keep: Keep, clock: ManualClock, database_url: str) -> None:
    assert get_args(seasons.SeasonStatus) == ("UPCOMING", "ACTIVE", "ENDED")
    assert (await keep.do(seasons.start(season="summer"))).status == "UPCOMING"
    assert (await keep.do(seasons.start(season="spring"))).status == "ACTIVE"
    await _ended(keep, clock)
    assert [one.status for one in await keep.ask(seasons.list_seasons())] == ["ENDED", "UPCOMING"]
    await refuses(database_url, "UPDATE seasons SET status = 'OVER'", "UPDATE seasons SET status = 'ENDED' WHERE number = 2")
    assert (await verify(keep)).problems == []


@pytest.mark.usefixtures("jin")
async def test_seasons_table_of_seed_002(keep: Keep, database_url: str) -> None:
    """Multipliers are in basis points and times in milliseconds; what is not said is as the seed has it."""
    made = await keep.do(seasons.start(season="summer"))
    assert await row_of(keep, seasons.SeasonState, made.season_id) == made
    assert (made.number, made.name, made.theme, made.description) == (2, "Summer", "Heat", "The river goes.")
    assert (made.starts_at, made.ends_at) == (1_801_440_000_000, 1_803_859_200_000)
    assert (made.status, made.multiplier_bp, SPRING.multiplier_bp) == ("UPCOMING", 11_000, 10_000)
    nothing = [f"UPDATE seasons SET {one} = NULL" for one in ("number", "name", "theme", "description", "starts_at", "ends_at", "status")]
    await refuses(database_url, *nothing, "UPDATE seasons SET multiplier_bp = NULL", "UPDATE seasons SET ends_at = starts_at")


@pytest.mark.usefixtures("jin")
async def test_seasons_number_is_unique_as_in_seed_002(keep: Keep, database_url: str) -> None:
    """Among definitions, among seasons that were started, also such as no pack has any longer, and in the database itself."""
    await keep.do(seasons.start(season="spring"))
    again = SeasonDefinition(
        id="again", number=1, name="A", theme="T", description="D", starts_at=START + 90 * DAY, ends_at=START + 91 * DAY
    )
    with pytest.raises(InvalidArgument, match="season spring has the same"):
        await keep.do(content.load_pack(pack=scene.pack(again, id="more")))
    await keep.do(content.load_pack(pack=scene.pack(again, version="2")))
    with pytest.raises(NameTaken):
        await keep.do(seasons.start(season="again"))
    await refuses(database_url, copied(seasons.SeasonState, season_id="'other'", season="'other'"))


async def test_season_participations_table_of_seed_002(keep: Keep, clock: ManualClock, jin: str, database_url: str) -> None:
    """A character is in a season once; it has no rank until the season is closed."""
    await keep.do(seasons.start(season="spring"))
    clock.move(5)
    await keep.do(earn(people=[jin], points=[70]))
    part = await row_of(keep, seasons.SeasonParticipation, jin, "spring")
    assert (part.character_id, part.season, part.season_xp, part.rank, part.joined_at) == (jin, "spring", 70, None, START + 5_000)
    await refuses(
        database_url,
        copied(seasons.SeasonParticipation),
        "UPDATE season_participations SET rank = 1",
        "UPDATE season_participations SET season_xp = NULL",
        "UPDATE season_participations SET season_xp = -1",
        "UPDATE season_participations SET joined_at = NULL",
    )
    await _ended(keep, clock)
    assert (await row_of(keep, seasons.SeasonParticipation, jin, "spring")).rank == 1
    assert (await verify(keep)).problems == []


async def test_season_leaderboards_table_of_seed_002(keep: Keep, clock: ManualClock, jin: str, database_url: str) -> None:
    """A character stands there once and for good, and `verify` names whoever says something else."""
    other = (await keep.do(characters.create(name="Cha"))).character_id
    await keep.do(seasons.start(season="spring"))
    await keep.do(earn(people=[jin, other], points=[70, 30]))
    await _ended(keep, clock)
    assert shape(seasons.SeasonStanding).spec.indexes[0] == ("season_id", "rank", "character_id")
    columns = "season_id, character_id, rank, total_xp, updated_at"
    async with raw(database_url) as database:
        (root,) = await database.rows("SELECT season_id FROM seasons WHERE number = 1")
        rows = sorted(await database.rows(f"SELECT {columns} FROM season_leaderboards"), key=lambda row: row[2])
        assert [tuple(row) for row in rows] == [(root[0], jin, 1, 70, clock.now_ms()), (root[0], other, 2, 30, clock.now_ms())]
    nothing = [f"UPDATE season_leaderboards SET {one} = NULL" for one in ("rank", "total_xp", "updated_at")]
    await refuses(database_url, copied(seasons.SeasonStanding), *nothing, "UPDATE season_leaderboards SET rank = 0")
    assert (await verify(keep)).problems == []
    async with raw(database_url) as database:
        await database.rows("UPDATE season_participations SET rank = 1 WHERE rank = 2")
    found = {(one.check, one.key[-1]) for one in (await verify(keep)).problems if one.key and one.check == "seasons.standing"}
    assert found == {("seasons.standing", other)}
