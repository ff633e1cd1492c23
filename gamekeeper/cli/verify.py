"""`gamekeeper verify`."""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from gamekeeper.config import Settings

from .failures import Exit, warn
from .options import NO_WORDS, World, answer
from .terminal import is_terminal, live

if TYPE_CHECKING:
    from gamekeeper.kernel.verify import Problem, Report

SHOWN: Final = 20
"""How many wrong rows are named; --json names all."""
Progress = Callable[[str, int], None]


def verify(*, world: World = NO_WORDS) -> int:
    """Recompute every chain, row and balance of a world, and name the first that are not as they were written.

    Raises: STORE_UNAVAILABLE, INVALID_ARGUMENT.
    """
    report = asyncio.run(_verified(world.settings()))
    if world.json:
        answer("verify", {"ok": report.ok, **msgspec.to_builtins(report)})
    elif report.ok:
        print(f"OK: {_looked_at(report)} are as they were written ({report.seconds:.1f} s).")
    else:
        _name(report)
    return Exit.OK if report.ok else Exit.INTEGRITY


async def _verified(settings: Settings) -> "Report":
    from gamekeeper.keep import open_keep
    from gamekeeper.kernel.verify import verify as verify_keep

    async with open_keep(settings) as keep:
        with _progress() as progress:
            return await verify_keep(keep, progress=progress)


@contextlib.contextmanager
def _progress() -> Iterator[Progress | None]:
    """Show how far it is on the standard error, if people look at that."""
    if not is_terminal(sys.stderr):
        yield None
        return
    console = live(sys.stderr)
    with console.status("opening") as status:
        yield lambda what, count: status.update(f"{what} {count:,}" if count else what)


def _looked_at(report: "Report") -> str:
    return f"{report.owners:,} owners, {report.entries:,} journal entries and {report.rows:,} rows"


def _name(report: "Report") -> None:
    print(f"WRONG: {len(report.problems):,} problems in {_looked_at(report)} ({report.seconds:.1f} s).")
    for problem in report.problems[:SHOWN]:
        print("  " + line_of(problem))
    if len(report.problems) > SHOWN:
        print(f"  and {len(report.problems) - SHOWN:,} more; --json names all")
    warn("If every owner is wrong, the secret_key is not the one that the world began with.")


def line_of(problem: "Problem") -> str:
    """Give a problem as one line: which check, where, what.

    >>> from gamekeeper.kernel.verify import Problem
    >>> line_of(Problem("chain", "entry 3 is missing", owner="ada", seq=3, table="journal"))
    'chain: ada, entry 3, journal: entry 3 is missing'
    """
    where = [problem.owner, None if problem.seq is None else f"entry {problem.seq}", problem.table]
    key = "/".join(map(str, problem.key)) if problem.key else None
    return f"{problem.check}: {', '.join(one for one in (*where, key) if one)}: {problem.message}"
