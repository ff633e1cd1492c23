"""When a play session is over, when it ended, and how long it was. Clocks may go backwards; time played never does."""

from gamekeeper.config import Settings


def timeout_ms(settings: Settings) -> int:
    """Give how long a play session lasts without activity."""
    return settings.play_session_timeout_seconds * 1000


def is_over(last_active_at: int, now: int, timeout: int) -> bool:
    """Tell whether so long nothing was heard that a play session is over, even before anybody ends it.

    >>> is_over(1_000, 300_999, 300_000), is_over(1_000, 301_000, 300_000), is_over(5_000, 1_000, 300_000)
    (False, True, False)
    """
    return now - last_active_at >= timeout


def activity_is_due(last_active_at: int, now: int, settings: Settings) -> bool:
    """Tell whether activity is written: the stored time is older than `play_activity_seconds`, or half the timeout if that is less.

    >>> at = {seconds: activity_is_due(1_000, 1_000 + 1000 * seconds, Settings()) for seconds in (-10, 0, 59, 60)}
    >>> at, activity_is_due(1_000, 16_000, Settings(play_session_timeout_seconds=30))
    ({-10: False, 0: False, 59: False, 60: True}, True)
    """
    step = min(settings.play_activity_seconds * 1000, timeout_ms(settings) // 2)
    return now > last_active_at and now - last_active_at >= step


def end_of(last_active_at: int, now: int, timeout: int, *, unwatched: bool) -> int:
    """Give when a play session ended that is ended now: now, or at its last activity when nobody watched it since then.

    >>> end_of(1_000, 61_000, 300_000, unwatched=False), end_of(1_000, 61_000, 300_000, unwatched=True)
    (61000, 1000)
    >>> end_of(1_000, 900_000, 300_000, unwatched=False), end_of(5_000, 1_000, 300_000, unwatched=False)
    (1000, 5000)
    """
    return last_active_at if unwatched or is_over(last_active_at, now, timeout) else max(now, last_active_at)


def seconds_between(started_at: int, ended_at: int) -> int:
    """Give how long a play session was, in whole seconds.

    >>> seconds_between(1_000, 62_999), seconds_between(5_000, 1_000)
    (61, 0)
    """
    return max(ended_at - started_at, 0) // 1000
