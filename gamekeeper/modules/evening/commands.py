"""Closing days: one command for many characters, each of which is brought up to its own present."""

from typing import Annotated, Final, Protocol

from msgspec import Meta, Struct

from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import bosses, characters, dailies, metrics, progress, titles

MOST_CHARACTERS: Final = 200
"""Characters of one command: it has all of their rows in memory, and nobody else changes them meanwhile."""

Characters = Annotated[list[characters.CharacterId], Meta(min_length=1, max_length=MOST_CHARACTERS)]


class DaysClosed(Struct, frozen=True):
    """What a close came to: how many days of how many characters, and what came of it."""

    characters: int
    days: int
    quests_completed: int
    debuffs: int
    phases_judged: int
    titles_earned: int
    titles_revoked: int


class _Day(Struct, frozen=True):
    """What the close of one day came to."""

    day: dailies.ClosedDay
    phase: bosses.Judged | None
    titles: titles.Checked

    @property
    def awards(self) -> list[progress.Awarded]:
        """What was paid."""
        return [one.award for one in self.day.completed] + ([] if self.phase is None else self.phase.awards)

    @property
    def earned(self) -> int:
        """How many titles were earned, by the day itself or by what it paid."""
        return len(self.titles.earned) + sum(len(one.titles_earned) for one in self.awards)

    @property
    def revoked(self) -> int:
        """How many titles were lost."""
        return len(self.titles.revoked) + sum(len(one.titles_revoked) for one in self.awards)


class _Closing(Protocol):
    """The arguments of `close_days` that its preparation needs."""

    characters: list[str]


async def _closing(read: Reader, arguments: _Closing) -> Prepared:
    due, keys = await dailies.find_due(read, arguments.characters)
    found, strays = await dailies.with_strays(read, due)
    return Prepared(found=found, keys=(*keys, *strays))


@command(touches=[characters.Character, *dailies.TOUCHES, *bosses.TOUCHES], prepare=_closing, access="operator")
def close_days(ctx: Context, *, characters: Characters) -> DaysClosed:
    """Close the days of characters that are over, each once and in their order; of whom none is due, nothing changes.

    Quests are judged a last time, streaks kept or broken, the phases of bosses won or lost, titles earned or revoked. Characters that were
    deleted are passed over: their days end with them.

    Raises: CHARACTER_NOT_FOUND, XP_OVERFLOW, UNKNOWN_CURVE.
    """
    closed = [_close(ctx, character, ctx.found) for character in dict.fromkeys(characters)]
    every = [day for one in closed for day in one]
    return DaysClosed(
        characters=sum(1 for one in closed if one),
        days=len(every),
        quests_completed=sum(len(one.day.completed) for one in every),
        debuffs=sum(one.day.debuff for one in every),
        phases_judged=sum(one.phase is not None for one in every),
        titles_earned=sum(one.earned for one in every),
        titles_revoked=sum(one.revoked for one in every),
    )


def _close(ctx: Context, character: str, found: dailies.Calendars) -> list[_Day]:
    """Close the due days of one character."""
    closed: list[_Day] = []
    if character not in found.of:
        return closed
    for day in dailies.due_days(ctx, character, found):
        facts = metrics.Facts(ctx, character, day)
        done = dailies.close_day(ctx, character, day, found, facts)
        phase = bosses.judge_day(ctx, done)
        given = dailies.share(done.core_completed, done.core_total)
        closed.append(_Day(done, phase, titles.check(ctx, character, facts.given(given), final=True)))
    return closed
