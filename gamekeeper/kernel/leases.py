"""Leases: the fenced right of this process to act for an owner, as it knows of it."""

from __future__ import annotations

from msgspec import Struct


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

    def grant(self, lease: Lease) -> None:
        """Hold a lease."""
        self.held[lease.owner] = lease
        self.lost.discard(lease.owner)

    def lose(self, owner: str) -> None:
        """The lease is another's now, or nobody's."""
        if self.held.pop(owner, None) is not None:
            self.lost.add(owner)

    def drop(self, owner: str) -> None:
        """The lease was given back."""
        self.held.pop(owner, None)
        self.lost.discard(owner)

    def live(self, owner: str, monotonic: float) -> bool:
        """Whether the lease is held and, by this process's clock, not over."""
        lease = self.held.get(owner)
        return lease is not None and monotonic < lease.ends_at
