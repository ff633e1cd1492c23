"""Entity tags: the owner's version, which If-Match compares, and a digest of the answer, which If-None-Match compares too.

The version alone would not do for If-None-Match: checkpoints raise no version, and an answer may hold what is not the owner's.
"""

import hashlib
from typing import Any, Final, cast

from gamekeeper.kernel.queries import Loaded, Reader, Root
from gamekeeper.kernel.records import Record

DIGEST_BYTES: Final = 8

_READ_NOTHING: Final = frozenset({"definitions", "now_ms"})


def tag_of(version: int, body: bytes) -> bytes:
    """Give the tag of an answer.

    >>> tag_of(17, b"{}")
    b'"v17-01e7b720ff566d53"'
    """
    return b'"v%d-%s"' % (version, hashlib.blake2b(body, digest_size=DIGEST_BYTES).hexdigest().encode())


class NotingReader:
    """A reader that notes the version at which a query loads its owner, so that it need not be asked for again."""

    __slots__ = ("_late", "_owner", "_reader", "version")

    def __init__(self, reader: Reader, owner: str) -> None:
        self._reader = reader
        self._owner = owner
        self._late = False
        self.version: int | None = None

    async def load(self, owner: str, *records: type[Record]) -> Loaded | None:
        """Load, and note."""
        loaded = await self._reader.load(owner, *records)
        if loaded is not None:
            self._note(loaded.root)
        return loaded

    async def root(self, owner: str) -> Root | None:
        """Read a root, and note."""
        root = await self._reader.root(owner)
        if root is not None:
            self._note(root)
        return root

    def _note(self, root: Root) -> None:
        # Only before all else: what is read after it may be newer, which If-Match finds out; the other way round it would not.
        if root.id == self._owner and self.version is None and not self._late:
            self.version = root.version

    def __getattr__(self, name: str) -> Any:
        """Leave the rest to the reader."""
        self._late = self._late or name not in _READ_NOTHING
        return getattr(self._reader, name)

    def as_reader(self) -> Reader:
        """Give itself as what it stands for."""
        return cast("Reader", self)
