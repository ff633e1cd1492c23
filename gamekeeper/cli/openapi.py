"""`gamekeeper openapi`."""

import sys

import msgspec

from .options import NO_WORDS, World


def openapi(*, world: World = NO_WORDS) -> None:
    """Print the OpenAPI document of the HTTP API, with the modules that the settings name; needs no database."""
    from gamekeeper.server.openapi import document

    text = msgspec.json.encode(document(world.settings().modules))
    # With --json it is one line, as everywhere; people and diffs like it indented.
    sys.stdout.write((text if world.json else msgspec.json.format(text, indent=2)).decode() + "\n")
