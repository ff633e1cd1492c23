"""What the engine asks of a database, and nothing that only one of them knows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from msgspec import Struct

from gamekeeper.kernel.ranks import Place, RankChange
from gamekeeper.kernel.rates import Bucket, Taken
from gamekeeper.kernel.records import Record

CONTENT_OWNER = "content"
"""The owner of all definitions; every write answers its version, so that a process notices new content."""


class ConstraintBroken(Exception):
    """The database refused a row; the transaction is gone."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


class OutcomeUnknown(Exception):
    """The connection broke during a write: it may have been committed or not."""


class TryAgain(Exception):
    """A deadlock, a serialization failure or a lock timeout; nothing was written."""


class Unreachable(Exception):
    """The database cannot be reached, or refused to do any work; nothing was written."""


class Guard(Struct, frozen=True, array_like=True):
    """What must still be true of an owner when the batch is written.

    `version` -1 takes any; `hold` means that the lease of this epoch has not expired by the database's clock.
    """

    owner: str
    version: int
    epoch: int
    hold: bool


class RootRow(Struct, frozen=True, array_like=True):
    """An owner's root row as loaded; `leased` is the database's own judgement by its clock."""

    id: str
    kind: str
    version: int
    epoch: int
    holder: str | None
    expires_at: int | None
    leased: bool
    head: bytes
    seq: int
    data_key: bytes | None


class LoadRequest(Struct):
    """What a batch needs to know."""

    owners: list[str] = []
    tables: dict[type[Record], list[str]] = {}
    keyed: dict[type[Record], list[tuple[Any, ...]]] = {}
    answers: list[tuple[str, str]] = []
    claims: list[tuple[str, str]] = []


class LoadResult(Struct):
    """What the database said, all from one moment."""

    roots: dict[str, RootRow] = {}
    tables: dict[type[Record], list[Any]] = {}
    keyed: dict[type[Record], list[Any]] = {}
    answers: dict[tuple[str, str], tuple[bytes, str | None]] = {}
    claims: dict[tuple[str, str], str] = {}


class Entry(Struct, frozen=True, gc=False):
    """A row of the journal. `arguments`, `result` and `owners` stand on the row of the origin owner only."""

    owner_id: str
    seq: int
    command_id: str
    at: int
    command: str
    actor: str
    reason: str | None
    origin_id: str
    owners: str | None
    arguments: str | None
    result: str | None
    idempotency_key: str | None
    changes: str
    hash: bytes


class Answer(Struct, frozen=True):
    """What a caller was told under a key."""

    actor: str
    key: str
    request_hash: bytes
    response: str | None
    at: int


class WriteSet(Struct):
    """Everything that a batch writes, guarded by what it read."""

    guards: list[Guard] = []
    roots: list[tuple[str, int, bytes, int]] = []
    """id, new version, new head, new journal sequence"""
    erased_roots: list[tuple[str, int, bytes, int]] = []
    """the same of owners whose data key is destroyed; no root stands in both"""
    new_roots: list[tuple[str, str, int, bytes, int, bytes | None]] = []
    """id, kind, version, head, journal sequence, data key"""
    deletes: dict[type[Record], list[tuple[Any, ...]]] = {}
    upserts: dict[type[Record], list[Record]] = {}
    inserts: dict[type[Record], list[Record]] = {}
    """rows that must be new: those of append-only tables, and those that a command adds without having looked for them"""
    journal: list[Entry] = []
    answers: list[Answer] = []
    claims: list[tuple[str, str, str, int]] = []
    releases: list[tuple[str, str]] = []
    ranks: list[RankChange] = []
    """what is added to the counts of ranked rows; never without rows that change"""
    rank_sweeps: list[Place] = []
    """counts that are deleted if they are 0; none of them is in `ranks`"""
    ready: Any = None
    """what the store has made of it ahead of its turn"""

    def empty(self) -> bool:
        """Whether there is nothing to write; the guards are checked all the same."""
        return not (
            self.roots
            or self.new_roots
            or self.deletes
            or self.upserts
            or self.inserts
            or self.journal
            or self.answers
            or self.claims
            or self.releases
            or self.erased_roots
        )


class Applied(Struct, frozen=True):
    """Whether a write set went in. If not, nothing did, and `roots` says how the guarded owners stand."""

    ok: bool
    roots: list[RootRow] = []
    content_version: int = 0


class Transaction(Protocol):
    """The slow, certain way: owners locked first, then read, then written."""

    async def lock(self, owners: Sequence[str]) -> None:
        """Lock root rows in id order; a write of another transaction is waited for."""
        ...

    async def load(self, request: LoadRequest) -> LoadResult:
        """Read within the transaction."""
        ...

    async def apply(self, writes: WriteSet) -> Applied:
        """Write within the transaction; it is committed at the end of the block."""
        ...

    async def fetch(self, statement: Any, parameters: dict[str, Any], *, patient: bool = False) -> Sequence[Sequence[Any]]:
        """Run a SQLAlchemy Core statement within the transaction: whoever holds a connection must not wait for a second one.

        After a patient one, no statement timeout ends what this transaction does.
        """
        ...


class LeaseRow(Struct, frozen=True):
    """A lease as granted: the epoch that fences it, and when it ends by the database's clock."""

    owner: str
    epoch: int
    version: int
    expires_at: int
    granted_at: int


class Store(Protocol):
    """A database. Everything it raises is one of this module's exceptions."""

    dialect: str
    overlap: int
    """how many batches are worth running at once"""

    async def open(self, *, create: bool) -> None:
        """Connect, check the settings that durability needs, and make what is missing when asked."""
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...

    async def load(self, request: LoadRequest) -> LoadResult:
        """Read what a batch needs, from one moment, in one round trip."""
        ...

    def prepare(self, writes: WriteSet) -> None:
        """Do ahead of its turn what a write costs before it is sent; it does not change any more."""
        ...

    async def apply(self, writes: WriteSet) -> Applied:
        """Check the guards and write everything, or nothing, in one transaction."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """The slow, certain way."""
        ...

    async def fetch(self, statement: Any, parameters: dict[str, Any], *, patient: bool = False) -> Sequence[Sequence[Any]]:
        """Run a SQLAlchemy Core statement, compiled once. A patient one may read whole tables: no statement timeout ends it."""
        ...

    async def acquire_leases(self, owners: Sequence[str], holder: str, seconds: float) -> list[LeaseRow]:
        """Take the leases that are free, expired or held by the same holder; each take raises the epoch."""
        ...

    async def renew_leases(self, held: Sequence[tuple[str, int]], holder: str, seconds: float) -> list[LeaseRow]:
        """Prolong (owner, epoch) leases that still stand; the missing ones are lost."""
        ...

    async def release_leases(self, held: Sequence[tuple[str, int]], holder: str, successor: str | None, seconds: float) -> None:
        """Give leases back, or hand them to a successor with a new epoch."""
        ...

    async def take_tokens(self, buckets: Sequence[Bucket], now_us: int) -> Taken:
        """Take a token from each bucket, or from none; whoever asks at the same time gets no token twice."""
        ...

    async def buckets_full_at(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        """Tell when these buckets are full again; those that are may be missing."""
        ...

    async def forget_full_buckets(self, now_us: int, most: int) -> int:
        """Delete rows of buckets that are full again, so many at the most; give how many it were."""
        ...

    async def forget_answers(self, keys: Sequence[tuple[str, str]], before: int, *, whole: bool = False) -> int:
        """Drop answers kept under these keys, by actor and key, that are older than a time; give how many it were.

        The keys stay, so that nothing is done a second time, unless they are to be forgotten as a `whole`.
        """
        ...

    async def describe(self) -> dict[str, str]:
        """Names, versions and settings, for people."""
        ...
