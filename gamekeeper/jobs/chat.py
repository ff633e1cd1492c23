"""What was said long ago."""

from gamekeeper.modules import chat

from .declare import job
from .runs import Run


@job("prune_chat", cron="47 * * * *", quiet=True)
async def prune_chat(run: Run) -> None:
    """Delete messages older than `chat_days`, if that is set."""
    days = run.keep.settings.chat_days
    more = days is not None
    while more:
        done = await run.do(chat.prune(older_than_hours=24 * (days or 0), dry_run=run.dry_run))
        run.done(done.messages)
        more = done.more and not run.dry_run
