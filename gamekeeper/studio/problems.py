"""What went wrong lately: the warnings that the program logged since it began."""

from __future__ import annotations

import logging
from collections import deque
from typing import Final

from msgspec import Struct

KEPT: Final = 50
LONGEST: Final = 500


class Problem(Struct, frozen=True):
    """One line of the log."""

    at: int
    level: str
    source: str
    text: str


class Problems(logging.Handler):
    """Remembers the last warnings and errors of the `gamekeeper` loggers."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._kept: deque[Problem] = deque(maxlen=KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        """Remember a line."""
        try:
            text = record.getMessage()
            if record.exc_info is not None and record.exc_info[1] is not None:
                text += f": {type(record.exc_info[1]).__name__}"
        except (TypeError, ValueError):
            text = str(record.msg)
        if logging.lastResort is not None and not logging.getLogger().handlers:
            # Without us a program that set up no logging would show it on stderr.
            logging.lastResort.handle(record)
        self._kept.append(Problem(int(record.created * 1000), record.levelname.lower(), record.name, text[:LONGEST]))

    def newest(self, count: int) -> list[Problem]:
        """The last lines, the newest first."""
        return list(self._kept)[-count:][::-1]


PROBLEMS: Final = Problems()


def listen() -> None:
    """Begin to remember; a second time changes nothing."""
    logging.getLogger("gamekeeper").addHandler(PROBLEMS)
