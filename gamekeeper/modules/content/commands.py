"""Loading content."""

from msgspec import Struct

from gamekeeper.kernel.commands import command
from gamekeeper.kernel.store.base import CONTENT_OWNER
from gamekeeper.kernel.workingset import Context

from .errors import DefinitionTaken
from .packs import Pack
from .records import ContentId, ContentPack, Definition
from .rules import bodies, difference

ITEM = "item"
"""The kind of item definitions."""


class PackLoaded(Struct, frozen=True):
    """How many definitions came, changed, went and stayed."""

    added: int
    changed: int
    removed: int
    unchanged: int


@command(touches=[Definition, ContentPack], access="operator")
def load_pack(ctx: Context, *, content: ContentId = CONTENT_OWNER, pack: Pack) -> PackLoaded:
    """Make a pack's definitions the ones in force; loading the same pack again changes nothing.

    Definitions of the same pack that it no longer holds are removed. What players hold of them stays as it is.

    Raises: DEFINITION_TAKEN, INVALID_ARGUMENT.
    """
    new = bodies(pack.items)
    rows = {row.id: row for row in ctx.rows(Definition, content) if row.kind == ITEM}
    for id in new:
        if id in rows and rows[id].pack_id != pack.id:
            raise DefinitionTaken(of_kind=ITEM, id=id, pack=rows[id].pack_id)
    come, changed, gone = difference({id: row.body for id, row in rows.items() if row.pack_id == pack.id}, new)
    for id in come + changed:
        ctx.put(Definition(content, ITEM, id, new[id], pack.id))
    for id in gone:
        ctx.delete(rows[id])
    known = ctx.get(ContentPack, content, pack.id)
    if known is None or (known.version, known.title, known.digest) != (pack.version, pack.title, pack.digest):
        ctx.put(ContentPack(content, pack.id, pack.version, pack.title, pack.digest, ctx.now))
    return PackLoaded(len(come), len(changed), len(gone), len(new) - len(come) - len(changed))
