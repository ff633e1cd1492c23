"""Everything that is kept of one person, as one archive to hand out."""

import io
import zipfile
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Protocol

import msgspec
from cryptography.exceptions import InvalidTag

from gamekeeper.errors import StoreUnavailable
from gamekeeper.kernel import history
from gamekeeper.kernel.batch import Runner
from gamekeeper.kernel.commands import BELONGINGS, COMMANDS
from gamekeeper.kernel.journal import Changed
from gamekeeper.kernel.reading import StoreReader
from gamekeeper.kernel.records import RECORDS, Record, shape
from gamekeeper.kernel.store.base import LoadRequest, Store, TryAgain, Unreachable

from . import emails
from .authority import PLAYER
from .errors import UserNotFound
from .records import User

PAGE: Final = 200
ABOUT: Final = "about.json"
_ENCODE: Final = msgspec.json.Encoder().encode


class Exportable(Protocol):
    """An open keep, as far as exporting needs it."""

    store: Store
    runner: Runner
    reader: StoreReader


async def export_person(keep: Exportable, user: str) -> bytes:
    """Give a ZIP archive of all that is kept of a person: rows of the user and of what is theirs alone, and the journal of both.

    `about.json` names the owners, `records/TABLE.json` holds their rows, `journal/OWNER.jsonl` an entry a line, the newest first.
    What was sealed is opened. Passwords, tokens and their hashes are left out, and of others there are at most ids: who acted
    stands as `player`, `server` or `operator`, and commands that began elsewhere are without their arguments.

    Raises: USER_NOT_FOUND, STORE_UNAVAILABLE.
    """
    owners = await _owners(keep, user)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr(ABOUT, _ENCODE({"user_id": user, "exported_at": keep.reader.now_ms(), "owners": owners}))
        for name, record in sorted(RECORDS.items()):
            rows = [_row(keep, record, row) for id, kind in owners.items() for row in await _rows(keep, record, id, kind)]
            if rows:
                out.writestr(f"records/{name}.json", _ENCODE(rows))
        data_keys = await _data_keys(keep, list(owners))
        for id in owners:
            lines = [_ENCODE(_Opener(keep, user, data_keys).entry(entry)) async for entry in _journal(keep, id)]
            out.writestr(f"journal/{id}.jsonl", b"".join(line + b"\n" for line in lines))
    return archive.getvalue()


async def _owners(keep: Exportable, user: str) -> dict[str, str]:
    """Give the ids of the user and of what is theirs alone, each with its kind."""
    root = await keep.reader.root(user)
    if root is None or root.kind != "user":
        raise UserNotFound(id=user)
    owners = {user: root.kind}
    for kind, find in sorted(BELONGINGS.items()):
        owners.update(dict.fromkeys(await find(keep.reader, user), kind))
    return owners


async def _rows(keep: Exportable, record: type[Record], owner: str, kind: str) -> list[Record]:
    return await keep.reader.all(record, owner) if shape(record).owner_kind in ("", kind) else []


def _row(keep: Exportable, record: type[Record], row: Record) -> dict[str, Any]:
    values: dict[str, Any] = msgspec.to_builtins(row)
    if record is User and values["email_sealed"] is not None:
        values["email"] = keep.runner.keys.open(emails.PURPOSE, values["email_sealed"])
    return {name: value for name, value in values.items() if name not in shape(record).secret}


async def _data_keys(keep: Exportable, owners: list[str]) -> dict[str, bytes | None]:
    try:
        roots = (await keep.store.load(LoadRequest(owners=owners))).roots
    except (Unreachable, TryAgain) as error:
        raise StoreUnavailable(problem=str(error)) from error
    return {id: root.data_key for id, root in roots.items()}


async def _journal(keep: Exportable, owner: str) -> AsyncIterator[history.HistoryEntry]:
    cursor: str | None = None
    while True:
        page = await history.timeline(owner=owner, limit=PAGE, cursor=cursor).run(keep.reader)
        for entry in page.items:
            yield entry
        cursor = page.next_cursor
        if cursor is None:
            return


class _Opener:
    """Opens what was sealed with the person's keys, and leaves out what tells of others."""

    def __init__(self, keep: Exportable, user: str, data_keys: Mapping[str, bytes | None]) -> None:
        self._sealer = keep.runner.sealer
        self._user = user
        self._data_keys = data_keys

    def entry(self, entry: history.HistoryEntry) -> dict[str, Any]:
        theirs = entry.origin_id in self._data_keys
        own = entry.actor == PLAYER + self._user
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
        made = shape(record)
        shown = {name: value for name, value in image.items() if name not in made.secret}
        return {name: self._open(owner, value) if name in made.personal else value for name, value in shown.items()}

    def _open(self, owner: str, value: Any) -> Any:
        try:
            return self._sealer.unseal(self._data_keys.get(owner), value)
        except (InvalidTag, ValueError):
            # Sealed by a key that the keep no longer has; verifying names such rows.
            return None
