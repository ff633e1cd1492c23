"""`gamekeeper version`."""

import gamekeeper

from .options import Json, answer


def version(*, json: Json = False) -> None:
    """Print the version."""
    if json:
        answer("version", {"version": gamekeeper.__version__})
    else:
        print(gamekeeper.__version__)
