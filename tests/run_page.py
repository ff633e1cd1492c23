"""Runs the Python in a Markdown page, as a reader would who tries it from top to bottom.

    python -m tests.run_page docs/concepts.md

The blocks marked `python` of a page are one program: each goes on where the one before ended, `await` works at the top level, and the
working directory is an empty folder. Blocks marked `python file=NAME` are not run but put into that file, one after the other, for later
blocks to import. A block marked `output` that follows a `python` block is what that one prints, to the letter.
"""

import ast
import asyncio
import contextlib
import io
import re
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

FENCE = re.compile(r"^```(\w*)(?: file=(\S+))?[^\n]*\n(.*?)^```[^\S\n]*$", re.MULTILINE | re.DOTALL)


@dataclass
class Block:
    """A `python` block: the line that it begins in, the file that it belongs to, and what it should print, if the page says so."""

    line: int
    code: str
    file: str | None = None
    output: str | None = None


def blocks(text: str) -> list[Block]:
    """Find the Python of a page.

    >>> blocks("```python\\nprint(1)\\n```\\n\\n```output\\n1\\n```\\n")
    [Block(line=2, code='print(1)\\n', file=None, output='1\\n')]
    """
    found: list[Block] = []
    end = -1
    for fence in FENCE.finditer(text):
        language, file, code = fence.groups()
        if language == "python":
            found.append(Block(text.count("\n", 0, fence.start(3)) + 1, code, file))
            end = fence.end()
        elif language == "output" and end >= 0 and not text[end : fence.start()].strip():
            found[-1].output = code
    return found


def problems(path: Path) -> Iterator[str]:
    """Run a page in the working directory, and say which blocks do not do what they should."""
    known: dict[str, Any] = {"__name__": path.stem.replace("-", "_")}
    with asyncio.Runner() as runner:
        for block in blocks(path.read_text(encoding="utf-8")):
            if block.file is not None:
                with Path(block.file).open("a", encoding="utf-8") as file:
                    file.write(block.code + "\n\n")
                continue
            printed = io.StringIO()
            try:
                with contextlib.redirect_stdout(printed):
                    _run(_compiled(path, block), known, runner)
            except Exception as error:  # noqa: BLE001 - whatever it is, the page is wrong
                lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
                yield f"{path}:{lines[-1] if lines else block.line}: {type(error).__name__}: {error}"
                return
            if block.output is not None and printed.getvalue() != block.output:
                yield f"{path}:{block.line}: prints {printed.getvalue()!r}, and not {block.output!r}"


def _compiled(path: Path, block: Block) -> CodeType:
    # Empty lines before it, so that a traceback names the page's own lines.
    source = "\n" * (block.line - 1) + block.code
    code: CodeType = compile(source, str(path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    return code


def _run(code: CodeType, known: dict[str, Any], runner: asyncio.Runner) -> None:
    running = eval(code, known)  # noqa: S307 - the page is our own
    if running is not None:
        runner.run(running)


def main() -> int:
    """Run the pages that are named; the exit code is 1 if one of them is wrong."""
    wrong = 0
    for name in sys.argv[1:]:
        path = Path(name).resolve()
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            sys.path.insert(0, folder)
            for problem in problems(path):
                print(problem)
                wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
