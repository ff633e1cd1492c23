"""Write a new module: the files of a slice, with one record, one command and one query to begin with.

make module NAME=guilds
"""

import re
import sys
from pathlib import Path

from gamekeeper.keep import BUILT_IN

ROOT = Path(__file__).parents[1]

FILES = {
    "__init__.py": '''"""{Names}: say in one sentence what they are to a game."""

from .commands import create
from .errors import {Name}NotFound
from .queries import show
from .records import New{Name}Id, {Name}, {Name}Id, {Name}Name

__all__ = [
    {all}
]
''',
    "records.py": '''"""What is stored of {names}."""

from typing import Annotated

from msgspec import Meta

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.records import EpochMs, Key, OwnedBy, Record

from .rules import MAX_NAME

{Name}Id = Annotated[Id, OwnedBy("{name}")]
New{Name}Id = Annotated[Id, OwnedBy("{name}", creates=True)]
{Name}Name = Annotated[
    str, Meta(min_length=1, max_length=MAX_NAME, pattern=r"^[^\\x00-\\x1f\\x7f]*(?!\\n)$", description="no control characters")
]


class {Name}(Record, table="{names}"):
    """One {name}, and when it was made."""

    {name}_id: Key[{Name}Id]
    name: {Name}Name
    created_at: EpochMs
''',
    "rules.py": '''"""Arithmetic and decisions about {names}: plain functions, with doctests."""

from typing import Final

MAX_NAME: Final = 64
"""Characters of a name at the most."""


def name_key(name: str) -> str:
    """Give the key under which a name is unique.

    >>> name_key("Reed") == name_key("REED")
    True
    """
    return name.casefold()
''',
    "commands.py": '''"""What may be done with {names}."""

from gamekeeper.kernel.commands import command
from gamekeeper.kernel.workingset import Context

from . import rules
from .records import New{Name}Id, {Name}, {Name}Name


@command(touches=[{Name}])
def create(ctx: Context, *, {name}: New{Name}Id | None = None, name: {Name}Name) -> {Name}:
    """Make a {name}; its name is unique.

    Raises: NAME_TAKEN, ALREADY_EXISTS.
    """
    made = ctx.create_owner("{name}", {name})
    ctx.claim("{name}_name", rules.name_key(name), made)
    row = {Name}(made, name, ctx.now)
    ctx.put(row)
    return row
''',
    "queries.py": '''"""What may be asked of {names}."""

from gamekeeper.kernel.queries import Reader, query

from .errors import {Name}NotFound
from .records import {Name}, {Name}Id


@query
async def show(read: Reader, *, {name}: {Name}Id) -> {Name}:
    """Show a {name}.

    Raises: {NAME}_NOT_FOUND.
    """
    row = await read.get({Name}, {name})
    if row is None:
        raise {Name}NotFound(id={name})
    return row
''',
    "errors.py": '''"""What can go wrong with {names}."""

from gamekeeper.errors import OwnerNotFound


class {Name}NotFound(OwnerNotFound):
    """There is no such {name}."""

    code = "{NAME}_NOT_FOUND"
''',
}
TEST = '''"""{Names}: they are made once and found again."""

import pytest

from gamekeeper.errors import NameTaken
from gamekeeper.keep import Keep
from gamekeeper.modules import {names}


async def test_a_{name}_is_made_and_found_again(keep: Keep) -> None:
    made = await keep.do({names}.create(name="Reed"))

    assert await keep.ask({names}.show({name}=made.{name}_id)) == made
    with pytest.raises(NameTaken):
        await keep.do({names}.create(name="reed"))
    with pytest.raises({names}.{Name}NotFound):
        await keep.ask({names}.show({name}="nowhere"))
'''
NEXT = """\
Three places to edit:
  1. gamekeeper/keep.py            BUILT_IN: where "{names}" stands in the order in which modules build on each other
  2. pyproject.toml                [[tool.importlinter.contracts]] "modules": the same place in its layers, the highest first
  3. make docs                     writes the module into docs/modules.md, and its errors into docs/errors.md
Then make it what you need, and run make check and make test. CONTRIBUTING.md tells the steps."""

IMPORT = re.compile(r"^(from \.\w+ import )(.+)$", re.MULTILINE)


def singular(names: str) -> str:
    """Give the word for one of them.

    >>> singular("guilds"), singular("parties"), singular("bosses"), singular("mail")
    ('guild', 'party', 'boss', 'mail')
    """
    if names.endswith("ies"):
        return names[:-3] + "y"
    if names.endswith(("sses", "xes", "ches", "shes")):
        return names[:-2]
    return names.removesuffix("s")


def filled(template: str, names: str) -> str:
    """Put a module's name into a template."""
    name = singular(names)
    camel = "".join(part.capitalize() for part in name.split("_"))
    offered = sorted(["create", f"{camel}NotFound", "show", f"New{camel}Id", camel, f"{camel}Id", f"{camel}Name"], key=_as_ruff_sorts)
    words = {
        "{Names}": names.replace("_", " ").capitalize(),
        "{names}": names,
        "{Name}": camel,
        "{name}": name,
        "{NAME}": name.upper(),
        "{all}": "\n    ".join(f'"{one}",' for one in offered),
    }
    for word, value in words.items():
        template = template.replace(word, value)
    return IMPORT.sub(lambda found: found[1] + ", ".join(sorted(found[2].split(", "), key=_as_ruff_sorts)), template)


def _as_ruff_sorts(name: str) -> tuple[int, str]:
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def write(folder: Path, names: str) -> None:
    """Write the slice into a folder that is not there yet."""
    folder.mkdir(parents=True)
    for file, template in FILES.items():
        (folder / file).write_text(filled(template, names), encoding="utf-8")


def main(arguments: list[str]) -> str | None:
    """Write the module that is named, and its first test; gives what is wrong."""
    names = arguments[0] if len(arguments) == 1 else ""
    if not re.fullmatch(r"[a-z]+(_[a-z]+)*", names):
        return "name the module in lower case: make module NAME=guilds"
    folder, test = ROOT / "gamekeeper" / "modules" / names, ROOT / "tests" / "modules" / f"test_{names}.py"
    if folder.exists() or test.exists() or names in BUILT_IN:
        return f"there is a module {names} already"
    write(folder, names)
    test.write_text(filled(TEST, names), encoding="utf-8")
    print(f"{folder.relative_to(ROOT)} and {test.relative_to(ROOT)} written.\n\n{NEXT.format(names=names)}")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
