"""Memory: how often Python looks for objects that are kept alive only by each other."""

import gc
from typing import Final

MADE_BEFORE_A_LOOK: Final = 50_000


def look_seldom_for_cycles() -> None:
    """Let Python look for cycles only after many objects were made, in a process that is gamekeeper's own or a game server's.

    A batch makes thousands of objects and lets go of them again at its end. By Python's own setting of 700 each batch is walked many times
    while it runs, and all rows in memory with it.
    """
    gc.set_threshold(MADE_BEFORE_A_LOOK, *gc.get_threshold()[1:])
