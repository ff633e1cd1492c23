"""What may be asked of NPCs."""

from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query
from gamekeeper.modules import content

from .records import BankDefinition, NpcDefinition
from .rules import known_npc


@query
async def show(read: Reader, *, npc: content.DefinitionId) -> NpcDefinition:
    """Show an NPC with all that is said of it; what it drops is for the game to tell.

    Raises: NPC_NOT_FOUND.
    """
    return known_npc(read.definitions(NpcDefinition), npc)


@query
async def list_npcs(
    read: Reader, *, kind: content.Label | None = None, limit: PageLimit = 50, cursor: Cursor | None = None
) -> Page[NpcDefinition]:
    """List the NPCs, of one kind or of all, in the order of their ids."""
    found = read.definitions(NpcDefinition)
    return content.page_of({id: one for id, one in found.items() if kind in (None, one.kind)}, limit, cursor)


@query(access="public")
async def list_banks(read: Reader, *, limit: PageLimit = 50, cursor: Cursor | None = None) -> Page[BankDefinition]:
    """List the places at which characters reach their bank, in the order of their ids."""
    return content.page_of(read.definitions(BankDefinition), limit, cursor)
