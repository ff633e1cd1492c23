"""How much at once, and what of a person's rows tells of others."""

from collections.abc import Mapping
from typing import Any, Final

from gamekeeper.kernel.records import Record, shape
from gamekeeper.modules import moderation

ERASE_LIMIT: Final = 20
"""People whom one run erases unless it is told another number."""
PAGE: Final = 200
"""Rows and entries that an export reads at once."""

OF_OTHERS: Final[Mapping[type[Record], frozenset[str]]] = {
    moderation.UserBan: frozenset({"banned_by_id", "lifted_by_id"}),
    moderation.StaffNote: frozenset({"author_id"}),
}
"""Columns that hold the id of another user: who dealt with somebody is not told to them."""


def handed_out(record: type[Record], values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is secret, and what is of others.

    >>> handed_out(moderation.UserBan, {"ban_id": "b1", "banned_by": "Ada", "banned_by_id": "u1", "reason": "spam"})
    {'ban_id': 'b1', 'reason': 'spam'}
    """
    hidden = shape(record).secret | OF_OTHERS.get(record, frozenset())
    return {name: value for name, value in values.items() if name not in hidden}
