"""Everything that is kept of one person, as one archive to hand out."""

import zipfile
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Final, Protocol

import msgspec
from cryptography.exceptions import InvalidTag

from gamekeeper.errors import StoreUnavailable
from gamekeeper.kernel import history
from gamekeeper.kernel.batch import Runner
from gamekeeper.kernel.commands import BELONGINGS, COMMANDS
from gamekeeper.kernel.journal import Changed
from gamekeeper.kernel.keyring import KeyRing
from gamekeeper.kernel.reading import StoreReader
from gamekeeper.kernel.records import RECORDS, Record, shape
from gamekeeper.kernel.store.base import LoadRequest, Store, TryAgain, Unreachable
from gamekeeper.modules import accounts, chat, users

from . import rules
from .queries import rows_of

ABOUT: Final = "about.json"
SEALED: Final[Mapping[tuple[str, str], tuple[str, Callable[[KeyRing, str], str | None]]]] = {
    ("users", "email_sealed"): ("email", users.open_email),
    ("accounts", "subject_sealed"): ("subject", accounts.open_subject),
}
"""By table and column: what was sealed by the key ring, under which name it is handed out, and how it is opened."""

_ENCODE: Final = msgspec.json.Encoder().encode


class Writable(Protocol):
    """Where an archive goes: a file or a pipe, for nothing is read back."""

    def write(self, data: bytes, /) -> int:
        """Take some bytes."""
        ...

    def flush(self) -> None:
        """Pass on what was taken."""
        ...

    def close(self) -> None:
        """End it; an export leaves that to whoever opened it."""
        ...


class Exportable(Protocol):
    """An open keep, as far as exporting needs it."""

    store: Store
    runner: Runner
    reader: StoreReader


async def export(keep: Exportable, user: str, file: Writable) -> None:
    """Write a ZIP archive of all that is kept of a person into a file, row by row, however much it is.

    `about.json` names the user and what is theirs alone, `records/TABLE.json` holds the rows of these owners, `journal/OWNER.jsonl`
    an entry a line, the newest first, `chat/written.jsonl` what they said and `chat/received.jsonl` what was whispered to them, the
    oldest first. What was sealed is opened. Passwords, tokens and their hashes are left out. Of others there are the names under
    which they spoke and ids of their characters, and none of users: who acted stands as `player`, `server` or `operator`, and
    commands that began elsewhere are without their arguments.

    Raises: USER_NOT_FOUND, STORE_UNAVAILABLE.
    """
    owners = await _owners(keep, user)
    data_keys = await _data_keys(keep, list(owners))
    opener = _Opener(keep, user, data_keys)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(ABOUT, _ENCODE({"user_id": user, "exported_at": keep.reader.now_ms(), "owners": owners}))
        for name, record in sorted(RECORDS.items()):
            await _write_list(archive, f"records/{name}.json", _records(keep, record, owners, opener))
        for id in owners:
            await _write_lines(archive, f"journal/{id}.jsonl", _journal(keep, id, opener))
        await _write_lines(archive, "chat/written.jsonl", chat.written(keep.reader, user))
        heard = [chat.received(keep.reader, id) for id, kind in owners.items() if kind == "character"]
        await _write_lines(archive, "chat/received.jsonl", _chained(heard))


async def _write_list(archive: zipfile.ZipFile, name: str, values: AsyncIterator[Any]) -> None:
    """Write a JSON list; there is no file for an empty one."""
    first = await anext(values, None)
    if first is None:
        return
    with archive.open(name, "w") as out:
        out.write(b"[" + _ENCODE(first))
        async for value in values:
            out.write(b",\n" + _ENCODE(value))
        out.write(b"]")


async def _write_lines(archive: zipfile.ZipFile, name: str, values: AsyncIterator[Any]) -> None:
    with archive.open(name, "w") as out:
        async for value in values:
            out.write(_ENCODE(value) + b"\n")


async def _chained(parts: Iterable[AsyncIterator[Any]]) -> AsyncIterator[Any]:
    for part in parts:
        async for value in part:
            yield value


async def _owners(keep: Exportable, user: str) -> dict[str, str]:
    """Give the ids of the user and of what is theirs alone, each with its kind."""
    root = await keep.reader.root(user)
    if root is None or root.kind != "user":
        raise users.UserNotFound(id=user)
    owners = {user: root.kind}
    for kind, find in sorted(BELONGINGS.items()):
        owners.update(dict.fromkeys(await find(keep.reader, user), kind))
    return owners


async def _data_keys(keep: Exportable, owners: list[str]) -> dict[str, bytes | None]:
    try:
        roots = (await keep.store.load(LoadRequest(owners=owners))).roots
    except (Unreachable, TryAgain) as error:
        raise StoreUnavailable(problem=str(error)) from error
    return {id: root.data_key for id, root in roots.items()}


async def _records(keep: Exportable, record: type[Record], owners: Mapping[str, str], opener: "_Opener") -> AsyncIterator[dict[str, Any]]:
    made = shape(record)
    for id, kind in owners.items():
        if made.owner_kind not in ("", kind):
            continue
        async for row in rows_of(keep.reader, record, id):
            yield opener.row(made.spec.table, record, msgspec.to_builtins(row))


async def _journal(keep: Exportable, owner: str, opener: "_Opener") -> AsyncIterator[dict[str, Any]]:
    cursor: str | None = None
    while True:
        page = await history.timeline(owner=owner, limit=rules.PAGE, cursor=cursor).run(keep.reader)
        for entry in page.items:
            yield opener.entry(entry)
        cursor = page.next_cursor
        if cursor is None:
            return


class _Opener:
    """Opens what was sealed with the person's keys and the keep's, and leaves out what tells of others."""

    def __init__(self, keep: Exportable, user: str, data_keys: Mapping[str, bytes | None]) -> None:
        self._sealer = keep.runner.sealer
        self._keys = keep.runner.keys
        self._user = user
        self._data_keys = data_keys

    def row(self, table: str, record: type[Record], values: Mapping[str, Any]) -> dict[str, Any]:
        """Give a row, or what the journal has of one."""
        shown: dict[str, Any] = {}
        for name, value in rules.handed_out(record, values).items():
            told, open_sealed = SEALED.get((table, name), (name, None))
            shown[told] = value if open_sealed is None or value is None else open_sealed(self._keys, value)
        return shown

    def entry(self, entry: history.HistoryEntry) -> dict[str, Any]:
        """Give an entry of the journal."""
        theirs = entry.origin_id in self._data_keys
        own = entry.actor == users.PLAYER + self._user
        return {
            "seq": entry.seq,
            "at": entry.at,
            "command": entry.command,
            "actor": entry.actor if own else entry.actor.partition(":")[0],
            "reason": entry.reason,
            "arguments": self._arguments(entry) if theirs else None,
            "result": entry.result if theirs else None,
            "changes": [self._change(entry.owner_id, one) for one in entry.changes],
        }

    def _change(self, owner: str, one: Changed) -> dict[str, Any]:
        before, after = (self._image(owner, one.table, image) for image in (one.before, one.after))
        return {"table": one.table, "key": one.key, "before": before, "after": after}

    def _arguments(self, entry: history.HistoryEntry) -> dict[str, Any]:
        command = COMMANDS.get(entry.command)
        sealed = frozenset[str]() if command is None else {one.name for one in command.hidden if one.personal}
        return {name: self._open(entry.origin_id, value) if name in sealed else value for name, value in entry.arguments.items()}

    def _image(self, owner: str, table: str, image: dict[str, Any] | None) -> dict[str, Any] | None:
        record = RECORDS.get(table)
        if image is None or record is None:
            return image
        personal = shape(record).personal
        opened = {name: self._open(owner, value) if name in personal else value for name, value in image.items()}
        return self.row(table, record, opened)

    def _open(self, owner: str, value: Any) -> Any:
        try:
            return self._sealer.unseal(self._data_keys.get(owner), value)
        except (InvalidTag, ValueError):
            # Sealed by a key that the keep no longer has; verifying names such rows.
            return None
