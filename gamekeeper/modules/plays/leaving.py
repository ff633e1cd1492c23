"""Beginning and ending play: the functions that other modules build on."""

from typing import Final

from gamekeeper.kernel.records import Record
from gamekeeper.kernel.workingset import Context

from . import rules
from .records import Activity, EndReason, PlaySession, Presence

TOUCHES: Final[tuple[type[Record], ...]] = (Presence, Activity, PlaySession)
"""What a command touches that begins or ends play."""
UNWATCHED: Final = frozenset({"timeout", "crash", "replaced"})
"""Reasons that are told late: until when somebody really played, only the last activity says."""


def is_open(row: Presence | None, *, play_session_id: str | None = None, server_id: str | None = None) -> bool:
    """Tell whether a play session is open; with an id, this one; with a server, one there."""
    return (
        row is not None
        and row.play_session_id is not None
        and play_session_id in (None, row.play_session_id)
        and server_id in (None, row.server_id)
    )


def last_active(row: Presence, activity: Activity | None) -> int:
    """Give when somebody who plays was last heard of; the beginning of the session counts."""
    return max(row.since or 0, 0 if activity is None else activity.last_active_at)


def begin(ctx: Context, character: str, world: str, server: str) -> tuple[Presence, PlaySession | None]:
    """Let a character be played from now on; give its presence, and the play session that ended with it.

    Whoever calls it touches `TOUCHES`.
    """
    ended = leave(ctx, character, "replaced")
    row = ctx.get(Presence, character) or Presence(character)
    begun = ctx.change(row, play_session_id=ctx.new_id(), world_id=world, server_id=server, since=ctx.now)
    ctx.put(Activity(character, ctx.now))
    return begun, ended


def leave(ctx: Context, character: str, reason: EndReason, *, last_heard: int = 0) -> PlaySession | None:
    """End a character's play session, if one is open, and give it; whoever calls it touches `TOUCHES`, and names the character.

    It ends now. Where nobody can know that it went on until now, it ends at its last activity; and so it does, as a `timeout`,
    where nothing was heard for too long, whoever comes upon it first.

    last_heard: a last activity that was looked up, if it is later than what is known here.
    """
    row = ctx.get(Presence, character)
    if row is None or row.play_session_id is None or row.world_id is None or row.server_id is None or row.since is None:
        return None
    timeout, activity = rules.timeout_ms(ctx.settings), ctx.get(Activity, character)
    last = max(last_active(row, activity), last_heard)
    if rules.is_over(last, ctx.now, timeout) and reason != "crash":
        reason = "timeout"
    ended_at = rules.end_of(last, ctx.now, timeout, unwatched=reason in UNWATCHED)
    made = PlaySession(
        character_id=character,
        play_session_id=row.play_session_id,
        world_id=row.world_id,
        server_id=row.server_id,
        started_at=row.since,
        ended_at=ended_at,
        reason=reason,
        playtime=rules.seconds_between(row.since, ended_at),
    )
    ctx.add(made)
    if activity is not None:
        ctx.delete(activity)
    ctx.put(
        Presence(
            character,
            last_seen_at=max(ended_at, row.last_seen_at or 0),
            playtime=row.playtime + made.playtime,
            play_sessions=row.play_sessions + 1,
        )
    )
    return made
