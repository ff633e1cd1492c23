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


class _Sums:
    """What a close has come to so far."""

    def __init__(self) -> None:
        self.characters = self.days = self.quests_completed = self.debuffs = self.phases_judged = 0
        self.titles_earned = self.titles_revoked = 0

    def add(self, day: dailies.ClosedDay, phase: bosses.Judged | None, checked: titles.Checked) -> None:
        """Add a day; titles are earned and lost by the day itself, or by what it paid."""
        self.days += 1
        self.quests_completed += len(day.completed)
        self.debuffs += day.debuff
        self.titles_earned += len(checked.earned)
        self.titles_revoked += len(checked.revoked)
        for one in day.completed:
            self._pay(one.award)
        if phase is not None:
            self.phases_judged += 1
            for award in phase.awards:
                self._pay(award)

    def _pay(self, award: progress.Awarded) -> None:
        self.titles_earned += len(award.titles_earned)
        self.titles_revoked += len(award.titles_revoked)


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
    sums, closing = _Sums(), dailies.Closing(ctx, ctx.found)
    for character in dict.fromkeys(characters):
        _close(ctx, character, closing, sums)
    return DaysClosed(**vars(sums))


def _close(ctx: Context, character: str, closing: dailies.Closing, sums: _Sums) -> None:
    """Close the due days of one character."""
    due = dailies.due_days(ctx, character, closing) if character in closing.calendars else ()
    sums.characters += bool(due)
    for day in due:
        facts = metrics.Facts(ctx, character, day)
        done = dailies.close_day(ctx, character, day, closing, facts)
        phase = bosses.judge_day(ctx, done)
        given = dailies.share(done.core_completed, done.core_total)
        sums.add(done, phase, titles.check(ctx, character, facts.given(given), final=True))
