"""What may be asked of narrative."""

from typing import Annotated

from msgspec import Meta, Struct

from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query
from gamekeeper.modules import content

from .errors import NarrativeNotFound
from .records import Category, NarrativeDefinition
from .rules import told

MAX_VALUE = 500
Value = Annotated[str, Meta(max_length=MAX_VALUE)] | int
Values = Annotated[dict[content.DefinitionId, Value], Meta(max_length=32)]


class Told(Struct, frozen=True):
    """A text with all of its values."""

    narrative: str
    category: Category
    text: str


@query
async def tell(read: Reader, *, narrative: content.DefinitionId, values: Values | None = None) -> Told:
    """Tell a text, with a value for each `{{name}}` in it; values that it has no place for are left out.

    Raises: NARRATIVE_NOT_FOUND, INVALID_ARGUMENT.
    """
    found = read.definitions(NarrativeDefinition).get(narrative)
    if found is None or not found.is_active:
        raise NarrativeNotFound(narrative=narrative)
    return Told(narrative, found.category, told(found.content, values or {}))


@query
async def list_texts(
    read: Reader,
    *,
    category: Category | None = None,
    active_only: bool = True,
    limit: PageLimit = 50,
    cursor: Cursor | None = None,
) -> Page[NarrativeDefinition]:
    """List the texts of one category or of all, in the order of their keys."""
    found = read.definitions(NarrativeDefinition)
    shown = {id: one for id, one in found.items() if category in (None, one.category) and (one.is_active or not active_only)}
    return content.page_of(shown, limit, cursor)
