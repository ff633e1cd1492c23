"""The Studio's own files, read once: what is not in the list does not exist."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

FOLDER: Final = Path(__file__).parent / "static"
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FOR_GOOD: Final = "public, max-age=31536000, immutable"


class Asset(Struct, frozen=True):
    """A file and the digest that stands in its address, so that browsers may keep it."""

    content: bytes
    type: str
    digest: str


def read_assets() -> dict[str, Asset]:
    """Read every file that pages may ask for, by its path below `static/`."""
    found: dict[str, Asset] = {}
    for file in sorted(FOLDER.rglob("*")):
        if file.suffix in TYPES:
            content = file.read_bytes()
            name = file.relative_to(FOLDER).as_posix()
            found[name] = Asset(content, TYPES[file.suffix], hashlib.sha256(content).hexdigest()[:16])
    return found


ASSETS: Final = read_assets()


async def serve(request: Request) -> Response:
    """Answer with one of the files."""
    asset = ASSETS.get(request.path_params["name"])
    if asset is None:
        return Response("There is no such file.\n", 404, media_type="text/plain")
    # An address without the current digest may change what it means.
    keep = FOR_GOOD if request.query_params.get("v") == asset.digest else "no-cache"
    return Response(asset.content, headers={"Content-Type": asset.type, "Cache-Control": keep, "ETag": f'"{asset.digest}"'})
