"""How values are shown: nothing that a player wrote acts, hides or turns the text around it.

Everything that a template prints goes through `shown`, also without being asked (Jinja's `finalize`). Characters that
cannot be seen stand as their code point, so that a name with a right-to-left override looks like what it is.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import msgspec
from markupsafe import Markup, escape
from msgspec import Struct

from gamekeeper.kernel.commands import COMMANDS
from gamekeeper.kernel.history import HistoryEntry
from gamekeeper.kernel.journal import Changed

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANK: Final = frozenset(
    "\u00a0\u00ad\u034f\u115f\u1160\u17b4\u17b5\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u2800"
    "\u3000\u3164\uffa0"
)
"""Letters and spaces that look like nothing, or like the plain space."""
MOST_ARGUMENTS: Final = 5
"""Arguments that stand in an entry's first line."""
LONGEST_ARGUMENT: Final = 48
TIMES: Final = frozenset({"at", "since", "until"})
"""Fields that are times, besides those whose name ends with `_at`."""
OLDEST_TIME: Final = 10**11
"""Smaller numbers are no times of a game: this is 1973."""


def shown(value: Any) -> Any:
    """A value as a template prints it.

    >>> shown("Ada\\u202e"), shown(7), shown(None)
    ('Ada⟨U+202E⟩', 7, '')
    """
    if value is None:
        return ""
    if type(value) is not str or (value.isascii() and value.isprintable()):
        return value
    return "".join(letter if _seen(letter) else f"⟨U+{ord(letter):04X}⟩" for letter in value)


def _seen(letter: str) -> bool:
    return unicodedata.category(letter) not in _UNSEEN and letter not in _BLANK


def lines(text: str) -> Markup:
    """A text of several lines, each on its own; everything else in it as `shown` gives it.

    >>> lines("a<\\nb\\u202e")
    Markup('a&lt;<br>b⟨U+202E⟩')
    """
    return Markup("<br>").join(shown(line) for line in text.split("\n"))


def typed(value: Any) -> Markup:
    """A text as it was typed, for the value of an input: escaped, and otherwise left alone."""
    return escape("" if value is None else str(value))


def as_json(value: Any) -> str:
    """A value as JSON in one line; a text stands without quotes unless it could be taken for something else.

    >>> as_json("a b"), as_json("12"), as_json(""), as_json({"a": 1})
    ('a b', '"12"', '""', '{"a": 1}')
    """
    if isinstance(value, str) and value == value.strip() and not _reads_as_json(value):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def _reads_as_json(text: str) -> bool:
    if not text or text[0] in '{["':
        return True
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def number(value: int) -> str:
    """A number with its thousands apart, exact however large it is.

    >>> number(9223372036854775807)
    '9,223,372,036,854,775,807'
    """
    return f"{value:,}"


def points(hundredths: int) -> str:
    """Hundredths as points.

    >>> points(10000), points(9950)
    ('100', '99.5')
    """
    whole, rest = divmod(hundredths, 100)
    return f"{whole:,}" + (f".{rest:02d}".rstrip("0") if rest else "")


def times(basis_points: int) -> str:
    """A multiplier in basis points as people say it.

    >>> [ascii(times(one)) for one in (11500, 9000, 30000)]
    ["'\\\\xd7 1.15'", "'\\\\xd7 0.9'", "'\\\\xd7 3'"]
    """
    whole, rest = divmod(basis_points, 10_000)
    return f"\u00d7 {whole:,}" + (f".{rest:04d}".rstrip("0") if rest else "")


def signed(value: int) -> str:
    """A change of a number, with its sign.

    >>> signed(1200), ascii(signed(-5)), signed(0)
    ('+1,200', "'\\\\u22125'", '0')
    """
    return f"{value:+,}".replace("-", "\u2212") if value else "0"


def pretty(value: Any) -> str:
    """A value as JSON in several lines, for people who read or write it.

    >>> pretty({"a": [1]})
    '{\\n  "a": [\\n    1\\n  ]\\n}'
    """
    return json.dumps(value, ensure_ascii=False, indent=2)


def time(at: int | None) -> Markup:
    """A time: UTC here, and local once the page's script has read it."""
    if at is None:
        return Markup('<span class="quiet">never</span>')
    try:
        moment = datetime.fromtimestamp(at / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return Markup("{}").format(at)
    iso = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    text = moment.strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(iso, text)


def short(id: str) -> str:
    """The end of a long id, which is the part that differs.

    >>> short("0190c2a0-0000-7000-8000-000000000001"), short("ada")
    ('…00000001', 'ada')
    """
    return id if len(id) <= 12 else "…" + id[-8:]


class Difference(Struct, frozen=True):
    """One field of a changed row; None where there was nothing."""

    name: str
    before: str | Markup | None
    after: str | Markup | None


class ChangeView(Struct, frozen=True):
    """One changed row as it is shown: what it is, what happened to it, and the fields that differ."""

    table: str
    key: str
    verb: str
    fields: list[Difference]


def change_view(change: Changed) -> ChangeView:
    """A changed row. Of a row that was there before and after the journal keeps as `before` only what differs."""
    before, after = change.before, change.after
    key = " · ".join(as_json(part) for part in change.key[1:])
    if before is None and after is not None and set(after) == {"sha256"}:
        return ChangeView(change.table, key, "appended", [])
    verb = "added" if before is None else "removed" if after is None else "changed"
    row = (after or {}) if before is None else before
    # Whose row it is has been said.
    names = [name for at, (name, value) in enumerate(row.items()) if at or value != change.key[0]]
    return ChangeView(change.table, key, verb, [Difference(name, _side(before, name), _side(after, name)) for name in names])


_ABSENT: Final = object()


def _side(row: Mapping[str, Any] | None, name: str) -> str | Markup | None:
    if row is None or name not in row:
        return None
    value = row[name]
    if (name.endswith("_at") or name in TIMES) and type(value) is int and value > OLDEST_TIME:
        return time(value)
    return value_text(value)


def value_text(value: Any) -> str:
    """A field's value; what is sealed or digested says so instead of showing letters that mean nothing."""
    if isinstance(value, dict) and set(value) == {"sealed"}:
        return "sealed: a person's own"
    if isinstance(value, dict) and set(value) == {"sha256"}:
        return "digest of a secret"
    return as_json(value)


def in_short(entry: HistoryEntry, but: str) -> list[tuple[str, str]]:
    """The arguments that fit an entry's first line: not the owner whose timeline it is, and nothing that is as it always is."""
    return arguments_in_short(entry.command, entry.arguments, but)


def arguments_in_short(command: str, arguments: Mapping[str, Any], but: str) -> list[tuple[str, str]]:
    """The same, of a command's arguments alone."""
    usual = _defaults(command)
    found = []
    for name, value in arguments.items():
        if value == but or value in (None, {}, [], usual.get(name, _ABSENT)):
            continue
        found.append((name, _in_short(value)))
    return found[:MOST_ARGUMENTS]


def _in_short(value: Any) -> str:
    if isinstance(value, list):
        return "1 entry" if len(value) == 1 else f"{len(value)} entries"
    text = value_text(value)
    return text if len(text) <= LONGEST_ARGUMENT else text[:LONGEST_ARGUMENT] + "…"


@cache
def _defaults(command: str) -> dict[str, Any]:
    known = COMMANDS.get(command)
    return {} if known is None else {field.name: field.default for field in msgspec.structs.fields(known.arguments)}
