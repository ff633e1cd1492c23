"""The ledger's chain: what an event's hash is of, and whether a ledger is as it was written.

An event's hash is the SHA-256 of a JSON array without spaces: a word for the form, every column of the event in the declared order but the
hash itself (the hash of the event before is among them), and an array with the columns of each modifier, its event's key left out.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from .modifiers import stepped
from .records import CharacterProgress, XpEvent, XpModifier

FORM: Final = "gamekeeper/xp/1"
_ENCODE = msgspec.json.Encoder().encode


def hash_of(event: XpEvent, modifiers: Sequence[XpModifier]) -> str:
    """Give the hash that an event must have; the one that it has plays no part."""
    return sha256(_ENCODE([FORM, *astuple(event)[:-1], [astuple(one)[2:] for one in modifiers]])).hexdigest()


class LedgerFault(Struct, frozen=True):
    """The first event of a ledger that is not as it was written."""

    seq: int
    problem: str


class Audit:
    """One ledger while it is read from its first event on; after the first fault nothing later can be judged."""

    def __init__(self) -> None:
        self.fault: LedgerFault | None = None
        self.seq = 0
        self.head = ""
        self.total = 0
        self.level = 1

    def event(self, event: XpEvent, modifiers: Sequence[XpModifier]) -> None:
        """Follow the chain by one event."""
        if self.fault is not None:
            return
        if event.seq != self.seq + 1:
            self._fail(self.seq + 1, "the event is missing")
        elif event.previous_hash != self.head or event.event_hash != hash_of(event, modifiers):
            self._fail(event.seq, "the event does not match its hash")
        elif event.total_xp_before != self.total or event.total_xp_after != self.total + event.final_xp:
            self._fail(event.seq, f"the events before add up to {self.total}")
        elif event.level_before != self.level:
            self._fail(event.seq, f"the event before ended at level {self.level}")
        elif event.final_xp != replayed(event, modifiers):
            self._fail(event.seq, "the modifiers do not lead from the base to what was paid")
        else:
            self.seq, self.head, self.total, self.level = event.seq, event.event_hash, event.total_xp_after, event.level_after

    def end(self, progress: CharacterProgress) -> None:
        """Compare the end of the chain with the character's row."""
        if self.fault is not None:
            return
        if progress.xp_seq > self.seq:
            self._fail(self.seq + 1, "the event is missing")
        elif (progress.xp_seq, progress.xp_head) != (self.seq, self.head):
            self._fail(max(progress.xp_seq, 1), "the character's row ends the ledger with another event")
        elif (progress.total_xp, progress.level) != (self.total, self.level):
            self._fail(
                max(self.seq, 1), f"the ledger ends with {self.total} points at level {self.level}, the character's row says otherwise"
            )

    def _fail(self, seq: int, problem: str) -> None:
        self.fault = LedgerFault(seq, problem)


def replayed(event: XpEvent, modifiers: Sequence[XpModifier]) -> int | None:
    """Give what an event's base and modifiers lead to; None when they do not follow from one another."""
    if event.base_xp < 0:  # a correction, which takes no more than there is
        return None if modifiers else max(event.base_xp, -event.total_xp_before)
    xp = event.base_xp
    for order, one in enumerate(modifiers, 1):
        if (one.order, one.xp_before, one.xp_after) != (order, xp, stepped(xp, one.multiplier_bp, one.flat)):
            return None
        xp = one.xp_after
    return xp
