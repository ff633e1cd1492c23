"""What tests of the progress system share: days that a character has lived, without waiting for them."""

from typing import Annotated

from msgspec import Meta

from gamekeeper import packs
from gamekeeper.kernel.commands import command
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, content, days, metrics, titles, xp
from tests.modules import scene

FRIDAY = "2027-01-15"
"""The day that it is by the tests' clock, at eight in the morning."""
YESTERDAY = "2027-01-14"
DAY_SECONDS = 86_400


def part_of_pack(*names: str) -> tuple[content.Defined, ...]:
    """The definitions of some files of the pack `solo`."""
    read = [content.read_pack(packs.FOLDER / "solo" / f"{name}.toml") for name in names]
    return tuple(one for pack in read for some in pack.definitions.values() for one in some)


TITLES = scene.pack(*part_of_pack("metrics", "titles"), id="solo")


@command(touches=[characters.Character, *metrics.TOUCHES, *titles.TOUCHES], module="solo_tests")
def live(
    ctx: Context,
    *,
    character: characters.CharacterId,
    until: days.Day = YESTERDAY,
    count: Annotated[int, Meta(ge=0, le=1000)] = 1,
    met: dict[str, bool] = {},  # noqa: B006 - copied for every call
    amounts: dict[str, int] = {},  # noqa: B006 - copied for every call
    events: dict[str, int] = {},  # noqa: B006 - copied for every call
    streak: int | None = None,
    debuff_until: int | None = None,
) -> titles.Checked:
    """Close so many days up to one, all alike, and check what titles follow, as the end of a day does."""
    characters.alive(ctx, character)
    for back in range(count - 1, -1, -1):
        day = days.after(until, -back)
        metrics.close_day(ctx, character, day, met)
        for name, value in amounts.items():
            metrics.add_day(ctx, character, day, {name: value * metrics.THOUSAND})
    for event, times in events.items():
        metrics.count_event(ctx, character, event, until, times)
    progress = ctx.get(xp.CharacterProgress, character) or xp.CharacterProgress(character)
    said = {"current_streak": streak, "debuff_active_until": debuff_until}
    ctx.change(progress, **{name: value for name, value in said.items() if value is not None})
    return titles.check(ctx, character, metrics.Facts(ctx, character, until), final=True)
