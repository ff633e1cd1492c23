"""How long trades last, and when both sides have agreed."""

from typing import Final, Literal

Side = Literal["initiator", "receiver"]

OFFER_SLOTS: Final = 28
"""How many slots one side may offer."""
REQUEST_TIMEOUT_MS: Final = 30_000
IDLE_TIMEOUT_MS: Final = 300_000
REQUEST_COOLDOWN_MS: Final = 3_000


def is_busy(trade: str | None, until: int, now: int) -> bool:
    """Tell whether a lock still holds its character: an expired trade does not, even before it is closed.

    >>> is_busy("t1", 2000, 1999), is_busy("t1", 2000, 2000), is_busy(None, 0, 0)
    (True, False, False)
    """
    return trade is not None and now < until


def cooldown_left_ms(requested_at: int, now: int) -> int:
    """Give how long to wait before the next request.

    >>> cooldown_left_ms(10_000, 12_999), cooldown_left_ms(10_000, 13_000)
    (1, 0)
    """
    return max(requested_at + REQUEST_COOLDOWN_MS - now, 0)


def both_accept(one: int | None, other: int | None, revision: int) -> bool:
    """Tell whether both sides have accepted just this revision.

    >>> both_accept(3, 3, 3), both_accept(2, 3, 3), both_accept(None, 3, 3)
    (True, False, False)
    """
    return one == other == revision
