"""How a text is told: what stands in double braces is replaced by the value of that name."""

import re
from collections.abc import Mapping
from typing import Final

from gamekeeper.errors import InvalidArgument

PLACE: Final = re.compile(r"\{\{\s*([a-z][a-z0-9_]{0,63})\s*\}\}")
LEFT_OVER: Final = re.compile(r"\{\{|\}\}")


def placeholders(text: str) -> list[str]:
    """Give the names in a text's double braces, each once, in their order.

    >>> placeholders("{{name}}, you are level {{ level }}. Well done, {{name}}!")
    ['name', 'level']
    """
    return list(dict.fromkeys(PLACE.findall(text)))


def broken(text: str) -> bool:
    """Tell whether a text has double braces that enclose no name.

    >>> broken("Hello {{name}}"), broken("Hello {{name}"), broken("Hello {{Your Name}}")
    (False, True, True)
    """
    return LEFT_OVER.search(PLACE.sub("", text)) is not None


def told(text: str, values: Mapping[str, str | int]) -> str:
    """Give a text with a value for each of its names; a value is put in as it is, and nothing in it is replaced again.

    >>> told("{{name}}, {{days}} days!", {"name": "Ada {{days}}", "days": 7})
    'Ada {{days}}, 7 days!'

    Raises: INVALID_ARGUMENT for a name without a value.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise InvalidArgument(path=f"/values/{match[1]}", problem="the text needs a value for it")
        return str(values[match[1]])

    return PLACE.sub(value, text)
