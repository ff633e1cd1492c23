"""Gathering: questions of many callers about rows of one type, put to the database together.

Who asks while earlier questions are on their way waits until one of these is answered, and asks together with all others who wait. So what
a flood of commands looks up before it begins costs a few round trips, and an answer is never older than its question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from gamekeeper.kernel.recall import own
from gamekeeper.kernel.records import Record, shape
from gamekeeper.kernel.store.base import LoadRequest, LoadResult

AT_ONCE: Final = 2
"""Questions about a type that are on their way at the most before others wait for them."""
FEW: Final = 16
"""Who asks of more owners than that waits for nobody, and lets nobody wait for so much."""

ByOwner = dict[str, list[Any]]


class _Round:
    """Those who ask together next."""

    def __init__(self) -> None:
        self.owners: set[str] = set()
        self.answer: asyncio.Future[ByOwner] = asyncio.get_running_loop().create_future()


class Gathering:
    """Reads all rows of a type that some owners have."""

    def __init__(self, load: Callable[[LoadRequest], Awaitable[LoadResult]]) -> None:
        self._load = load
        self._asking: dict[type[Record], int] = {}
        self._next: dict[type[Record], _Round] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def rows(self, record: type[Record], owners: Sequence[str]) -> ByOwner:
        """Give the rows by owner, whose values nobody else holds; of an owner without rows there is nothing, of others there may be."""
        if len(owners) > FEW:
            return await self._ask(record, owners)
        if self._asking.get(record, 0) < AT_ONCE:
            return await self._ask_now(record, owners)
        coming = self._next.get(record)
        if coming is None:
            coming = self._next[record] = _Round()
        coming.owners.update(owners)
        # Whoever gives up takes nobody else's answer along.
        found = await asyncio.shield(coming.answer)
        return {owner: own(record, found[owner]) for owner in owners if owner in found}

    async def _ask_now(self, record: type[Record], owners: Sequence[str]) -> ByOwner:
        self._asking[record] = self._asking.get(record, 0) + 1
        try:
            return await self._ask(record, owners)
        finally:
            self._asking[record] -= 1
            coming = self._next.pop(record, None)
            if coming is not None:
                task = asyncio.create_task(self._ask_for_all(record, coming))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _ask_for_all(self, record: type[Record], coming: _Round) -> None:
        try:
            found = await self._ask_now(record, sorted(coming.owners))
        except BaseException as error:  # noqa: BLE001 - it is told to all who wait
            coming.answer.set_exception(error)
            # It may be that all of them have given up.
            coming.answer.exception()
        else:
            coming.answer.set_result(found)

    async def _ask(self, record: type[Record], owners: Sequence[str]) -> ByOwner:
        rows = (await self._load(LoadRequest(tables={record: list(owners)}))).tables[record]
        found: ByOwner = {}
        for row in rows:
            found.setdefault(shape(record).key_of(row)[0], []).append(row)
        return found
