"""Rows in Redis: what a process has read of a character, other processes need not read again.

Redis is trusted with nothing. An entry says of which state of which owner it is: the version and epoch of the root row, and the
head of the journal's hash chain, which tells two histories apart also after a backup was restored. A key made of the keep's secret
authenticates all of it. Who reads an entry has read the root row, too, and takes nothing that is of another state.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from gamekeeper.kernel.clock import Clock
from gamekeeper.kernel.recall import Held, State
from gamekeeper.kernel.records import Record, shape
from gamekeeper.kernel.store.redis_line import TIMEOUT_SECONDS, RedisLine

TTL_SECONDS: Final = 300
MOST_BYTES: Final = 256 * 1024
"""Larger tables stay out."""
_PREFIX: Final = "gamekeeper/rows"


class _Entry(Struct, frozen=True, array_like=True):
    mac: bytes
    version: int
    epoch: int
    head: bytes
    rows: bytes


class RedisRows(RedisLine):
    """Tables of owners behind one URL, shared by all processes that name it and have the same secret."""

    without = "characters are read from the database"

    def __init__(self, url: str, clock: Clock, secret: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        super().__init__(url, clock, timeout_seconds=timeout_seconds)
        self._key = hmac.digest(secret.encode(), b"gamekeeper/rows", "sha256")

    async def read(self, owner: str, records: Sequence[type[Record]]) -> tuple[Held, int]:
        """Give the tables that are there and authentic, each with the state that it is of, and how many were not authentic."""
        if not records:
            return {}, 0

        async def read() -> list[Any]:
            return list(await self._redis.mget([_name(owner, record) for record in records]))

        entries = [(record, data) for record, data in zip(records, await self._ask(read) or [], strict=False) if data is not None]
        opened = {record: self._opened(owner, record, data) for record, data in entries}
        found: Held = {record: entry for record, entry in opened.items() if entry is not None}
        return found, len(opened) - len(found)

    async def write(self, owner: str, state: State, tables: Mapping[type[Record], Sequence[Any]]) -> None:
        """Keep tables for a while."""
        entries = {}
        for record, rows in tables.items():
            packed = msgspec.msgpack.encode([shape(record).row_of(row) for row in rows])
            if len(packed) <= MOST_BYTES:
                mac = self._mac(owner, record, state, packed)
                entries[_name(owner, record)] = msgspec.msgpack.encode(_Entry(mac, state.version, state.epoch, state.head, packed))
        if not entries:
            return

        async def write() -> None:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for name, entry in entries.items():
                    pipeline.set(name, entry, ex=TTL_SECONDS)
                await pipeline.execute()

        await self._ask(write)

    def _opened(self, owner: str, record: type[Record], data: bytes) -> tuple[State, list[Any]] | None:
        try:
            entry = msgspec.msgpack.decode(data, type=_Entry)
        except msgspec.DecodeError:
            return None
        state = State(entry.version, entry.epoch, entry.head)
        if not hmac.compare_digest(entry.mac, self._mac(owner, record, state, entry.rows)):
            return None
        make = shape(record).from_row
        return state, [make(row) for row in msgspec.msgpack.decode(entry.rows)]

    def _mac(self, owner: str, record: type[Record], state: State, rows: bytes) -> bytes:
        # The columns are part of it: a process of another release has nothing to do with these rows.
        columns = [(field.name, field.kind, field.nullable) for field in shape(record).fields]
        said = (owner, shape(record).spec.table, columns, state.version, state.epoch, state.head, hashlib.sha256(rows).digest())
        return hmac.digest(self._key, msgspec.msgpack.encode(said), "sha256")


def _name(owner: str, record: type[Record]) -> str:
    return f"{_PREFIX}/{owner}/{shape(record).spec.table}"
