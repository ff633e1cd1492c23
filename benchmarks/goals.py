"""The workloads, and the goals that performance.md sets for them."""

from dataclasses import dataclass
from typing import Literal

Store = Literal["postgresql", "sqlite"]
STORES: tuple[Store, ...] = ("postgresql", "sqlite")

LIMIT = "limit"
BY_HAND = "by hand"
PLAIN, PREPARED = "Drizzle plain", "Drizzle prepared"
LOOP, BATCH, PREPARED_LOOP = "Drizzle loop", "Drizzle batch", "Drizzle prepared loop"


@dataclass(frozen=True, slots=True)
class Workload:
    """What is done, by how many tasks, and what one operation is."""

    title: str
    operation: str
    tasks: tuple[int, ...]


WORKLOADS: dict[str, Workload] = {
    "W1": Workload("load a whole character", "one character of 1 + 13 + 28 + 4 + 40 rows", (1, 8, 64)),
    "W2": Workload("save one character", "15 fields of one character, durable", (1, 8, 64)),
    "W3": Workload("save 1,000 dirty characters", "1,000 characters in one transaction", (1,)),
    "W4": Workload("contested trade", "one swap between two of 20 hot characters; the limit is a plain one-way transfer", (64,)),
    "W5": Workload("XP award", "one award with two bonuses through the ledger; the limit is one raw insert into it", (64,)),
    "W10": Workload("one trade, idle engine", "one swap by the only caller; the limit is one round trip", (1,)),
}


def goal(workload: str, store: Store, tasks: int, rival: str) -> float | None:
    """The ratio ours / rival that performance.md asks for, or None where it asks for nothing.

    >>> goal("W2", "postgresql", 64, PLAIN), goal("W2", "postgresql", 64, PREPARED)
    (12.0, None)
    """
    if workload == "W2" and store == "postgresql" and rival == PLAIN:
        return {1: 2.0, 8: 4.0, 64: 12.0}.get(tasks)
    return _GOALS.get((workload, store), {}).get(rival)


_GOALS: dict[tuple[str, Store], dict[str, float]] = {
    ("W1", "postgresql"): {PLAIN: 8.0, LIMIT: 0.85},
    ("W3", "postgresql"): {BATCH: 10.0, LOOP: 25.0, LIMIT: 0.5},
    ("W4", "postgresql"): {PLAIN: 12.0, LIMIT: 1.0},
    ("W5", "postgresql"): {PLAIN: 10.0},
    ("W10", "postgresql"): {BY_HAND: 1 / 1.3},
    ("W1", "sqlite"): {PLAIN: 2.5},
    ("W2", "sqlite"): {PLAIN: 1.3},
    ("W3", "sqlite"): {LOOP: 10.0, BATCH: 10.0},
    ("W4", "sqlite"): {PLAIN: 2.5},
    ("W5", "sqlite"): {PLAIN: 2.5},
    ("W10", "sqlite"): {BY_HAND: 1 / 1.3},
}
"""Goals name 'Drizzle' as it is normally used, hence the plain one; the prepared one stands beside it without a goal."""
