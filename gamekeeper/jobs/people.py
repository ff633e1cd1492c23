"""People who have asked to be forgotten."""

from gamekeeper.modules import people, users

from .declare import job
from .runs import Run

NAMES = 100
"""Names that one commit gives back."""


@job("erase_people", cron="27 * * * *", quiet=True)
async def erase_people(run: Run) -> None:
    """Erase the people whose 30 days for thinking it over have passed."""
    more = True
    while more:
        done = await run.do(people.erase_due(dry_run=run.dry_run))
        run.done(done.users, characters=done.characters, messages=done.messages, sessions=done.sessions, accounts=done.accounts)
        more = done.more and not run.dry_run


@job("release_names", cron="37 3 * * *", quiet=True)
async def release_names(run: Run) -> None:
    """Give back the names of people who were erased 90 days ago."""
    more = True
    while more:
        done = await run.do(users.release_held_names(limit=NAMES, dry_run=run.dry_run))
        run.done(done.names)
        more = done.names == NAMES and not run.dry_run
