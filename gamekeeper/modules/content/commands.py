"""Loading content."""

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from gamekeeper.kernel.commands import command
from gamekeeper.kernel.store.base import CONTENT_OWNER
from gamekeeper.kernel.workingset import Context

from .errors import DefinitionTaken
from .packs import Pack, digest_of
from .records import ContentId, ContentPack, Definition
from .rules import Named, difference, drafted, refuse_to_remove_what_is_named, refuse_unknown_references


class Changes(Struct, frozen=True):
    """How many definitions of a kind came, changed, went and stayed."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0


class PackLoaded(Struct, frozen=True):
    """How many definitions came, changed, went and stayed: in all, and of each kind."""

    added: int
    changed: int
    removed: int
    unchanged: int
    kinds: dict[str, Changes]


@command(touches=[Definition, ContentPack], access="operator")
def load_pack(ctx: Context, *, content: ContentId = CONTENT_OWNER, pack: Pack) -> PackLoaded:
    """Make a pack's definitions the ones in force; loading the same pack again changes nothing.

    Definitions of the same pack that it no longer holds are removed, of whatever kind. What players hold of them stays as it is.

    Raises: DEFINITION_TAKEN, REFERENCE_UNKNOWN, DEFINITION_NEEDED, INVALID_ARGUMENT.
    """
    new = drafted(pack)
    rows = {(row.kind, row.id): row for row in ctx.rows(Definition, content)}
    others = {named: row for named, row in rows.items() if row.pack_id != pack.id}
    for kind, id in new:
        if (kind, id) in others:
            raise DefinitionTaken(of_kind=kind, id=id, pack=others[kind, id].pack_id)
    refuse_unknown_references(new, others)
    before = {named: row.body for named, row in rows.items() if row.pack_id == pack.id}
    come, changed, gone = difference(before, {named: one.body for named, one in new.items()})
    refuse_to_remove_what_is_named(set(gone), others.values())
    for kind, id in come + changed:
        ctx.put(Definition(content, kind, id, new[kind, id].body, pack.id))
    for named in gone:
        ctx.delete(rows[named])
    _note_version(ctx, content, pack)
    return _counted(come, changed, gone, new)


def _note_version(ctx: Context, content: str, pack: Pack) -> None:
    known, digest = ctx.get(ContentPack, content, pack.id), pack.digest or digest_of(pack)
    if known is None or (known.version, known.title, known.digest) != (pack.version, pack.title, digest):
        ctx.put(ContentPack(content, pack.id, pack.version, pack.title, digest, ctx.now))


def _counted(come: Iterable[Named], changed: Iterable[Named], gone: Iterable[Named], new: Iterable[Named]) -> PackLoaded:
    added, altered, removed, held = (Counter(kind for kind, _ in some) for some in (come, changed, gone, new))
    kinds = {
        kind: Changes(added[kind], altered[kind], removed[kind], held[kind] - added[kind] - altered[kind])
        for kind in sorted(held.keys() | removed.keys())
    }
    total = held.total() - added.total() - altered.total()
    return PackLoaded(added.total(), altered.total(), removed.total(), total, kinds)
