"""A file system for SQLite that remembers every write and every sync, and can say what a disk may hold after the power went.

Until a file is synced, each of its writes may have reached the disk or not, in any order, and of a larger one only the first
sectors. What was synced is there. (A disk that lies about syncs is another matter.)
"""

import random
from collections.abc import Iterator
from typing import Any

import apsw
from msgspec import Struct

SECTOR_BYTES = 512
NAME = "gamekeeper-power"


class Written(Struct, frozen=True):
    """Bytes at a place of a file."""

    file: str
    offset: int
    data: bytes


class Cut(Struct, frozen=True):
    """A file cut to a length."""

    file: str
    length: int


class Synced(Struct, frozen=True):
    """Everything before is on the disk."""

    file: str


class Deleted(Struct, frozen=True):
    """The file is gone."""

    file: str


class Said(Struct, frozen=True):
    """Somebody was told that this is done."""

    key: str


Event = Written | Cut | Synced | Deleted | Said


class RecordingFile(apsw.VFSFile):
    """A file whose writes are remembered."""

    def __init__(self, events: list[Event], name: Any, flags: Any) -> None:
        self._events = events
        self._name = name if isinstance(name, str | None) else name.filename()
        super().__init__("", name, flags)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - SQLite's names
        """Remember, then write."""
        if self._name is not None:
            self._events.append(Written(self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        """Remember, then cut."""
        if self._name is not None:
            self._events.append(Cut(self._name, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        """Sync, then remember."""
        super().xSync(flags)
        if self._name is not None:
            self._events.append(Synced(self._name))


class RecordingVfs(apsw.VFS):
    """The file system; `close` takes it away again."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        super().__init__(NAME, "")

    def xOpen(self, name: Any, flags: Any) -> RecordingFile:  # noqa: N802
        """Every file is a recording one."""
        return RecordingFile(self.events, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        """Remember, then delete."""
        self.events.append(Deleted(filename))
        super().xDelete(filename, syncdir)

    def close(self) -> None:
        """Let SQLite forget it."""
        self.unregister()


class Wreck(Struct, frozen=True):
    """What a disk may hold after a power cut, and what had been said by then."""

    at: int
    files: dict[str, bytes]
    said: set[str]


class _Disk:
    """What is on the disk for certain, and what is on its way."""

    def __init__(self) -> None:
        self.files: dict[str, bytearray] = {}
        self.pending: dict[str, list[Written | Cut]] = {}
        self.said: set[str] = set()

    def happen(self, event: Event) -> None:
        """The next event."""
        if isinstance(event, Said):
            self.said.add(event.key)
        elif isinstance(event, Deleted):
            self.files.pop(event.file, None)
            self.pending.pop(event.file, None)
        elif isinstance(event, Synced):
            there = self.files.setdefault(event.file, bytearray())
            for one in self.pending.pop(event.file, []):
                _land(there, one)
        else:
            self.pending.setdefault(event.file, []).append(event)

    def wreck(self, at: int, dice: random.Random) -> Wreck:
        """Pull the plug: of what was on its way, nothing, all, or some arrives."""
        files = {name: bytearray(data) for name, data in self.files.items()}
        for name, events in self.pending.items():
            there, mood = files.setdefault(name, bytearray()), dice.random()
            for one in events:
                if mood < 0.3 or (mood < 0.7 and dice.random() < 0.5):
                    continue
                _land(there, _torn(one, dice) if dice.random() < 0.2 else one)
        return Wreck(at, {name: bytes(data) for name, data in files.items()}, set(self.said))


def _land(there: bytearray, event: Written | Cut) -> None:
    end = event.length if isinstance(event, Cut) else event.offset + len(event.data)
    if len(there) < end:
        there.extend(bytes(end - len(there)))
    if isinstance(event, Cut):
        del there[event.length :]
    else:
        there[event.offset : end] = event.data


def _torn(event: Written | Cut, dice: random.Random) -> Written | Cut:
    if isinstance(event, Cut) or len(event.data) <= SECTOR_BYTES:
        return event
    sectors = dice.randrange(1, len(event.data) // SECTOR_BYTES + 1)
    return Written(event.file, event.offset, event.data[: sectors * SECTOR_BYTES])


def wrecks(events: list[Event], first: int, count: int, dice: random.Random) -> Iterator[Wreck]:
    """Power cuts at random moments after the first ones."""
    points = sorted(dice.randrange(first, len(events) + 1) for _ in range(count))
    disk, at = _Disk(), 0
    for point in points:
        while at < point:
            disk.happen(events[at])
            at += 1
        yield disk.wreck(point, dice)
