"""The owner cache: least recently used, bounded by rows, and never trusted without the owner's version.

An entry says what the database held at a version. Every write checks that version under the owner's lock, so a stale
entry costs a reload and can decide nothing. Leased owners with unsaved checkpoints are never dropped.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container

from gamekeeper.kernel.workingset import OwnerState


class OwnerCache:
    """Owners by id, at most `max_rows` rows in all."""

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows
        self._entries: OrderedDict[str, OwnerState] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self.busy: Container[str] = ()
        """owners of the batches that run now, which must find what they have loaded"""
        self.rows = 0
        self.hits = 0
        self.misses = 0

    def get(self, owner: str) -> OwnerState | None:
        """The entry, now the most recently used one."""
        state = self._entries.get(owner)
        if state is None:
            self.misses += 1
            return None
        self.hits += 1
        self._entries.move_to_end(owner)
        return state

    def peek(self, owner: str) -> OwnerState | None:
        """The entry, without counting as a use."""
        return self._entries.get(owner)

    def put(self, state: OwnerState, pinned: Container[str] = ()) -> None:
        """Keep an entry; the oldest ones that are not pinned make room."""
        size = state.size()
        self.rows += size - self._sizes.get(state.id, 0)
        self._sizes[state.id] = size
        self._entries[state.id] = state
        self._entries.move_to_end(state.id)
        if self.rows > self._max_rows:
            self._shrink(pinned)

    def drop(self, owner: str) -> None:
        """Forget an entry."""
        if self._entries.pop(owner, None) is not None:
            self.rows -= self._sizes.pop(owner)

    def _shrink(self, pinned: Container[str]) -> None:
        too_many, going = self.rows - self._max_rows, []
        # It ends where there is room again: a full cache loses a few with each batch, and nobody looks at all the others for that.
        for owner, state in self._entries.items():
            if too_many <= 0:
                break
            if owner not in pinned and owner not in self.busy and not state.dirty:
                too_many -= self._sizes[owner]
                going.append(owner)
        for owner in going:
            self.drop(owner)

    def __len__(self) -> int:
        return len(self._entries)
