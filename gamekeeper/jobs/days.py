"""Days that are over where their characters live."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from gamekeeper.errors import GameError, Kind
from gamekeeper.modules import dailies, evening

from .declare import job
from .runs import Run, RunStopped, told

AT_ONCE = evening.MOST_CHARACTERS
"""Characters of one command."""
AHEAD: Final = 2
"""Commands at once: while one is being written, the characters of the next are read and judged."""
OF_THE_WORLD: Final = frozenset({Kind.STALE, Kind.MISMATCH, Kind.BUSY, Kind.TOO_OFTEN, Kind.UNAVAILABLE})
"""What is no fault of a character."""


@job("close_days", cron="*/5 * * * *", quiet=True)
async def close_days(run: Run) -> None:
    """Close the days that are over, each once and in order: quests, streaks, debuffs, bosses and titles."""
    closing = set[asyncio.Task[None]]()
    try:
        async for due in _pages(run):
            if run.dry_run:
                run.done(len(due))
                continue
            closing.add(asyncio.create_task(_close(run, due)))
            if len(closing) == AHEAD:
                ended, closing = await asyncio.wait(closing, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.gather(*ended)
        await asyncio.gather(*closing)
    finally:
        # What was begun is ended before the run is.
        await asyncio.gather(*closing, return_exceptions=True)


async def _pages(run: Run) -> AsyncIterator[list[str]]:
    """Give the characters that are due, page by page."""
    cursor: str | None = None
    while True:
        page = await run.keep.ask(dailies.due(limit=AT_ONCE, cursor=cursor))
        if page.items:
            yield [one.character_id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return


async def _close(run: Run, due: list[str]) -> None:
    """Close the days of some characters; where one of them cannot be closed, the others are all the same."""
    try:
        closed = await run.do(evening.close_days(characters=due))
    except RunStopped:
        raise
    except Exception as error:
        if isinstance(error, GameError) and error.kind in OF_THE_WORLD:
            raise
        if len(due) == 1:
            run.done(0, failed=1, last_failed=due[0], last_error=told(error))
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
