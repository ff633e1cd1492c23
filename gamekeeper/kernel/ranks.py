"""Ranks: how many rows stand above a score, kept as counts, so that nobody counts a million rows to tell a player's place.

The scores of a board are counted in buckets of 1, 128, 128 squared ... up to the largest score that the field allows. A rank is
the sum of a few hundred counts at the most: on each level, of the buckets to the right of the score's own within the next larger
one. A batch adds what it changed to the counts in its own transaction, so they are exact in every snapshot; `verify` counts the
rows again and compares.

Each count is kept in several shards, by the row's owner, so that batches of different processes seldom wait for one another.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Final

from gamekeeper.kernel.records import Record, Shape, shape

STEP_BITS: Final = 7
"""Each bucket holds 2 to this power of the next smaller ones."""
SHARDS: Final = 4
WIDTH: Final = 1 << STEP_BITS

Place = tuple[str, int, int, int]
"""board, level, bucket, shard"""
RankChange = tuple[str, int, int, int, int]
"""the same, and what is added to the count"""


def levels_of(largest: int) -> int:
    """Give how many sizes of buckets a board with this largest score needs.

    >>> levels_of(127), levels_of(128), levels_of(200_000_000)
    (1, 2, 4)
    """
    return max(1, -(-largest.bit_length() // STEP_BITS))


def levels(record: type[Record]) -> int:
    """Give how many sizes of buckets the boards of a ranked record have."""
    made = shape(record)
    if made.spec.ranked is None:
        raise TypeError(f"{made.spec.table} is not ranked")
    largest = next(field.maximum for field in made.fields if field.name == made.spec.ranked.score)
    return levels_of(int(largest or 0))


def board(record: type[Record], within: Sequence[str]) -> str:
    """Give the name under which a board's counts are kept."""
    return ":".join((shape(record).spec.table, *within))


class Counts:
    """What a batch adds to the counts."""

    def __init__(self) -> None:
        self.net: dict[Place, int] = {}

    def change(self, made: Shape, before: Any, after: Any) -> None:
        """Count a row's way from one place on the boards to another; None is nowhere."""
        ranked_of = made.ranked_of
        if ranked_of is None:
            return
        was, now = before and ranked_of(before), after and ranked_of(after)
        if was == now:
            return
        owner = made.key_of(after if before is None else before)[0]
        shard, count = zlib.crc32(owner.encode()) % SHARDS, levels(made.record)
        for place, by in ((was, -1), (now, 1)):
            if place is not None:
                self._add(place[0], place[1], shard, count, by)

    def _add(self, name: str, score: int, shard: int, count: int, by: int) -> None:
        net = self.net
        for level in range(count):
            place = (name, level, score >> (level * STEP_BITS), shard)
            left = net.get(place, 0) + by
            if left:
                net[place] = left
            else:
                # Buckets that hold both the old and the new score stay as they are, and so do all larger ones.
                del net[place]

    def changes(self) -> list[RankChange]:
        """Give what is added, in one order for all processes, so that none of them waits in a circle."""
        return [(*place, by) for place, by in sorted(self.net.items())]
