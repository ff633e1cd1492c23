"""Leases: the fenced right of this process to act for an owner, as it knows of it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from msgspec import Struct

LOG = logging.getLogger("gamekeeper.leases")


class Lease(Struct, frozen=True):
    """A lease held here. `epoch` fences every write; `ends_at` is this process's own, earlier, judgement of the end."""

    owner: str
    epoch: int
    ends_at: float
    """seconds of the monotonic clock"""


class LeaseTable:
    """What this process holds, and what it held and lost."""

    def __init__(self, holder: str) -> None:
        self.holder = holder
        self.held: dict[str, Lease] = {}
        # Lost leases refuse commands until the program has taken notice by acquiring or releasing.
        self.lost: set[str] = set()
        self.closing: set[str] = set()
        """being saved for the last time: nothing more is kept in memory alone"""
        self.on_lost: list[Callable[[str], None]] = []
        self.on_foreign_change: list[Callable[[str], None]] = []

    def grant(self, lease: Lease) -> None:
        """Hold a lease."""
        self.held[lease.owner] = lease
        self.lost.discard(lease.owner)

    def lose(self, owner: str) -> None:
        """The lease is another's now, or nobody's."""
        if self.held.pop(owner, None) is not None:
            self.lost.add(owner)
            _tell(self.on_lost, owner)

    def changed_by_others(self, owner: str) -> None:
        """Somebody else's command changed an owner that is leased here."""
        _tell(self.on_foreign_change, owner)

    def drop(self, owner: str) -> None:
        """The lease was given back."""
        self.held.pop(owner, None)
        self.lost.discard(owner)

    def live(self, owner: str, monotonic: float) -> bool:
        """Whether the lease is held and, by this process's clock, not over."""
        lease = self.held.get(owner)
        return lease is not None and monotonic < lease.ends_at


def _tell(listeners: list[Callable[[str], None]], owner: str) -> None:
    for listener in listeners:
        try:
            listener(owner)
        except Exception:
            LOG.exception("a listener failed for %s", owner)
