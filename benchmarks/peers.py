"""The ORM peers: Node programs that use Drizzle the way its users do."""

import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from . import world
from .contestants import NodePeer, nothing_to_check
from .goals import Store
from .stages import Stage, sqlite_path

FOLDER = Path(__file__).parent / "peers"

VARIANTS: dict[Store, dict[str, tuple[str, ...]]] = {
    "postgresql": {
        "W1": ("plain", "prepared"),
        "W2": ("plain", "prepared"),
        "W3": ("loop", "batch"),
        "W4": ("plain",),
        "W5": ("plain",),
    },
    "sqlite": {
        "W1": ("plain", "prepared"),
        "W2": ("plain", "prepared"),
        "W3": ("loop", "batch", "prepared loop"),
        "W4": ("plain", "prepared"),
        "W5": ("plain",),
    },
}
"""On PostgreSQL a Drizzle transaction has its own connection, for which nothing can be prepared beforehand."""


def missing() -> str | None:
    """Why the Node peers cannot run, after an attempt to install them; None if they can."""
    if not shutil.which("node"):
        return "node is not installed"
    if (FOLDER / "node_modules" / "better-sqlite3" / "build" / "Release").exists():
        return None
    npm = shutil.which("npm")
    if not npm:
        return "npm is not installed"
    # better-sqlite3 compiles its SQLite, about 90 seconds.
    done = subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=FOLDER, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return None if done.returncode == 0 else f"npm ci failed: {done.stderr.strip()[-400:]}"


def drizzle_peers(workload: str, stage: Stage) -> Iterator[NodePeer]:
    """The variants of Drizzle that take part in a workload."""
    node = shutil.which("node") or "node"
    for variant in VARIANTS[stage.store].get(workload, ()):
        market = workload == "W4"
        url = stage.hot("drizzle") if market else stage.world("drizzle")
        command: dict[str, str | int | float] = {
            "workload": workload,
            "variant": variant,
            "url": sqlite_path(url) if stage.store == "sqlite" else url,
            "characters": world.characters(),
            "dirty": world.DIRTY,
            "hot": world.HOT,
            "stacks": world.STACKS,
        }
        yield NodePeer(
            name=f"Drizzle {variant}",
            program=f"drizzle_{stage.store}.mjs",
            node=node,
            command=command,
            serial=stage.store == "sqlite",
            check=partial(stage.check_hot, url) if market else nothing_to_check,
        )
