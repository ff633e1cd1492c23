"""`gamekeeper dev`: from an empty folder to a living world."""

import asyncio
import os
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Parameter

import gamekeeper
from gamekeeper.config import FILE, Settings

from .failures import redacted, warn
from .local import KEYS, LocalKeys, read_keys, write_keys, write_settings
from .mossbrook import PEOPLE, TITLE, id_of
from .options import NO_WORDS, Flag, World, answer
from .terminal import HEAD, KEY, LINK, PLAIN, QUIET, Line, show

if TYPE_CHECKING:
    from .founding import Begun

SOMEBODY: Final = PEOPLE[0][0]
ANOTHER_KEY: Final = "gamekeeper key create NAME --scope server"


def dev(
    *,
    port: Annotated[int | None, Parameter(help="Where to listen on 127.0.0.1 (8420); if it is taken, the next free one.")] = None,
    empty: Annotated[bool, Flag, Parameter(help="Leave a new world empty: no content, no village.")] = False,
    world: World = NO_WORDS,
) -> None:
    """Start a world in this folder, made and filled if it is new."""
    # World and settings hold what is nobody else's business: hashes of passwords, the secret key.
    os.umask(0o077)
    written = None if world.config is not None else write_settings(world.url)
    settings = world.settings(host="127.0.0.1", port=port)
    # All of the heavy imports at once, now that what is cheap to refuse was not refused.
    from .serving import address_of, listen, run_server

    with listen(settings.port) as listening:
        address = address_of(listening)
        if settings.port and not address.endswith(f":{settings.port}"):
            warn(f"Port {settings.port} is taken; this world is at {address}.")
        begun = asyncio.run(_begin(settings, empty=empty))
        keys = _keep_keys(begun, address)

        def told(_address: str, link: str | None) -> None:
            if world.json:
                answer("dev", _facts(settings, begun, keys, address, link))
            else:
                show(_announcement(settings, begun, keys, address, link, new=written is not None))

        run_server(settings, told, sockets=[listening], log_level="warning")
    if not world.json:
        warn("Saved and closed.")


async def _begin(settings: Settings, *, empty: bool) -> "Begun":
    from gamekeeper.keep import open_keep

    from .founding import begin

    async with open_keep(settings, create=True) as keep:
        return await begin(keep, empty=empty)


def _keep_keys(begun: "Begun", address: str) -> LocalKeys | None:
    """Put new keys where local tools find them; of old ones note where their server is now."""
    keys = read_keys() if begun.keys is None else LocalKeys(address, begun.keys.server, begun.keys.operator)
    if keys is not None and (begun.keys is not None or keys.url != address):
        keys = LocalKeys(address, keys.server, keys.operator)
        write_keys(keys)
    return keys


def _facts(settings: Settings, begun: "Begun", keys: LocalKeys | None, address: str, link: str | None) -> dict[str, Any]:
    return {
        "database": redacted(settings.url),
        "api": address,
        "openapi": f"{address}/v1/openapi.json",
        "studio": link,
        "founded": begun.founded,
        "keys": begun.keys,
        "keys_file": None if keys is None else str(KEYS),
        "python": python_lines(address) if keys is not None and begun.lives else None,
    }


def python_lines(address: str) -> list[str]:
    """Give three lines of Python that load somebody of this world, whom a fresh Python can run in this folder."""
    where = f"{address}/v1/characters/show?character={id_of(SOMEBODY)}"
    return [
        "import json, urllib.request as web",
        f'key = json.load(open("{KEYS.as_posix()}"))["server"]',
        f'print(json.load(web.urlopen(web.Request("{where}", headers={{"Authorization": "Bearer " + key}}))))',
    ]


def _announcement(settings: Settings, begun: "Begun", keys: LocalKeys | None, address: str, link: str | None, *, new: bool) -> list[Line]:
    name = TITLE if begun.lives else "a world"
    made = f" ({FILE} and a secret key were written)" if new else ""
    lines: list[Line] = [[(f"Gamekeeper {gamekeeper.__version__}", HEAD), (f" keeps {name} in {redacted(settings.url)}{made}", PLAIN)], []]
    lines.append([("  API         ", QUIET), (address, LINK), (f"   described in {address}/v1/openapi.json", QUIET)])
    if link is not None:
        lines.append([("  Studio      ", QUIET), (link, LINK), ("   once, within ten minutes", QUIET)])
    lines += _about_keys(begun, keys)
    if keys is not None and begun.lives:
        lines += [[], [(f"Load {SOMEBODY} with Python, in this folder:", PLAIN)], []]
        lines += [[("  " + line, PLAIN)] for line in python_lines(address)]
    lines += [[], [("gamekeeper demo", HEAD), (" in this folder brings it to life. Ctrl-C stops, and saves.", PLAIN)], []]
    return lines


def _about_keys(begun: "Begun", keys: LocalKeys | None) -> list[Line]:
    if begun.keys is not None:
        told = "told only now; kept with an operator's key in"
        return [[("  Server key  ", QUIET), (begun.keys.server, KEY), (f"   {told} {KEYS}, for tools in this folder", QUIET)]]
    if keys is not None:
        return [[("  Server key  ", QUIET), (f"was printed at the first start, and is in {KEYS}; another: {ANOTHER_KEY}", QUIET)]]
    return [[("  Server key  ", QUIET), (f"none is known here; make one: {ANOTHER_KEY}", PLAIN)]]
