"""Sessions that are over, and tokens that are good no longer."""

from gamekeeper.modules import accounts, sessions, users

from .declare import job
from .runs import Run

USERS = 100
"""Users whose rows one commit takes."""


@job("forget_sessions", cron="7 * * * *", quiet=True)
async def forget_sessions(run: Run) -> None:
    """Delete sessions that ended 30 days ago, with their refresh tokens."""
    more = True
    while more:
        done = await run.do(sessions.forget_ended(limit=USERS, dry_run=run.dry_run))
        run.done(done.sessions, users=done.users)
        more = done.users == USERS and not run.dry_run


@job("forget_tokens", cron="17 * * * *", quiet=True)
async def forget_tokens(run: Run) -> None:
    """Delete what ran out of the tokens sent by mail and the codes for logging in by a provider."""
    more = True
    while more:
        tokens, codes = await run.do(
            users.forget_verifications(limit=USERS, dry_run=run.dry_run), accounts.forget_codes(limit=USERS, dry_run=run.dry_run)
        )
        run.done(tokens.tokens + codes.codes, verifications=tokens.tokens, codes=codes.codes)
        more = (tokens.more or codes.more) and not run.dry_run
