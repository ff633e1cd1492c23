"""Days that are over where their characters live."""

from typing import Final

from gamekeeper.errors import GameError, Kind
from gamekeeper.modules import dailies, evening

from .declare import job
from .runs import Run

AT_ONCE = evening.MOST_CHARACTERS
"""Characters of one command."""
OF_THE_WORLD: Final = frozenset({Kind.STALE, Kind.MISMATCH, Kind.BUSY, Kind.TOO_OFTEN, Kind.UNAVAILABLE})
"""What is no fault of a character."""


@job("close_days", cron="*/5 * * * *", quiet=True)
async def close_days(run: Run) -> None:
    """Close the days that are over, each once and in order: quests, streaks, debuffs, bosses and titles."""
    cursor: str | None = None
    while True:
        page = await run.keep.ask(dailies.due(limit=AT_ONCE, cursor=cursor))
        due = [one.character_id for one in page.items]
        if run.dry_run:
            run.done(len(due))
        elif due:
            await _close(run, due)
        cursor = page.next_cursor
        if cursor is None:
            return


async def _close(run: Run, due: list[str]) -> None:
    """Close the days of some characters; where one of them cannot be closed, the others are all the same."""
    try:
        closed = await run.do(evening.close_days(characters=due))
    except GameError as error:
        if error.kind in OF_THE_WORLD:
            raise
        if len(due) == 1:
            run.done(0, failed=1, last_failed=due[0], last_error=str(error))
            return
        for half in (due[: len(due) // 2], due[len(due) // 2 :]):
            await _close(run, half)
    else:
        run.done(
            closed.characters,
            days=closed.days,
            quests_completed=closed.quests_completed,
            debuffs=closed.debuffs,
            phases_judged=closed.phases_judged,
            titles_earned=closed.titles_earned,
            titles_revoked=closed.titles_revoked,
        )
