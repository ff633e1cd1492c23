"""How things look: plain text, or with colours where there is a terminal that wants them."""

import os
import sys
from collections.abc import Iterable
from typing import Any, Final, TextIO

Line = Iterable[tuple[str, str]]
"""Pieces of text, each with its style."""
PLAIN: Final = ""
HEAD: Final = "bold"
LINK: Final = "cyan"
KEY: Final = "bold green"
QUIET: Final = "dim"


def is_terminal(stream: TextIO) -> bool:
    """Whether people look at a stream, and it can do more than plain text."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def show(lines: Iterable[Line], stream: TextIO | None = None) -> None:
    """Write lines; colours are left out without a terminal or with NO_COLOR."""
    out = sys.stdout if stream is None else stream
    if is_terminal(out) and not os.environ.get("NO_COLOR"):
        _show_coloured(lines, out)
    else:
        out.writelines("".join(text for text, _ in line) + "\n" for line in lines)
    out.flush()


def _show_coloured(lines: Iterable[Line], out: TextIO) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(file=out, highlight=False, soft_wrap=True)
    for line in lines:
        console.print(Text.assemble(*line))


def live(stream: TextIO) -> Any:
    """Give a rich console on a stream, for what moves."""
    from rich.console import Console

    return Console(file=stream, highlight=False)
