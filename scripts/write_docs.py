"""Write what follows from declarations in docs/: in modules.md, errors.md and settings.md, below a mark.

    python -m scripts.write_docs

A house test compares them with what this gives, so they cannot fall behind the code.
"""

import importlib
import inspect as python_inspect
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, inspect

import gamekeeper
from gamekeeper import config
from gamekeeper.errors import GameError, Kind
from gamekeeper.keep import BUILT_IN, import_modules
from gamekeeper.kernel import history
from gamekeeper.kernel.commands import COMMANDS, Command, Operation
from gamekeeper.kernel.queries import QUERIES
from gamekeeper.kernel.records import RECORDS, Record, shape
from gamekeeper.modules import content
from gamekeeper.server.problems import STATUS, HttpError
from gamekeeper.server.routes import path_of
from scripts.describe import FieldText, arguments_of, fields_of, structs_in, type_text

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
MARK = "<!-- From here on written by `make docs` from the declarations; edit those instead. -->"

RAISES = re.compile(r"^\s*Raises:\s*(.+?)\s*\Z", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"\b[A-Z][A-Z0-9_]{2,}\b")

ACCESS = {
    "public": "anyone",
    "player": "a player for what is theirs, game servers, operators",
    "server": "game servers and operators",
    "moderator": "moderators and above, of users below them",
    "admin": "admins and above, of users below them",
    "operator": "operators only",
}


# Modules


def modules_page() -> str:
    """Give what docs/modules.md says of each module."""
    import_modules()
    names = [*BUILT_IN, "jobs", history.timeline.module]
    parts = ["\n".join(f"- [{name}](#{name}): {_promise(name)}" for name in names)]
    for name in names:
        parts += _module(name)
    return "\n\n".join(parts) + "\n"


def _package(module: str) -> Any:
    """Give a module's package; the kernel's queries have none."""
    return sys.modules.get(f"gamekeeper.modules.{module}") or sys.modules.get(f"gamekeeper.{module}")


def _promise(module: str) -> str:
    package = _package(module)
    text = "what may be asked of the kernel's journal" if package is None else first_line(package)
    return text.partition(": ")[2] or text


def first_line(documented: Any) -> str:
    """Give the first line of a docstring."""
    return (python_inspect.getdoc(documented) or "").partition("\n")[0]


def _module(name: str) -> Iterator[str]:
    commands = [one for one in ours(COMMANDS.values()) if one.module == name]
    queries = [one for one in ours(QUERIES.values()) if one.module == name]
    folders = (f"gamekeeper.modules.{name}.", f"gamekeeper.{name}.")
    records = [one for one in ours(RECORDS.values()) if one.__module__.startswith(folders)]
    yield f"## {name}"
    package = _package(name)
    yield "What may be asked of the kernel's journal." if package is None else first_line(package)
    kinds = [one for one in content.KINDS.values() if one.type.__module__.startswith(f"gamekeeper.modules.{name}.")]
    if kinds:
        yield f"### Definitions of {name}"
        for kind in kinds:
            yield from _kind(kind)
    if records:
        yield f"### Records of {name}"
        for record in records:
            yield from _record(record)
    if commands:
        yield f"### Commands of {name}"
        for command in commands:
            yield from _operation(command)
    if queries:
        yield f"### Queries of {name}"
        for query in queries:
            yield from _operation(query)
    yield from _structs(name, [*commands, *queries])


def ours(declared: Iterable[Any]) -> list[Any]:
    """Leave out what a game or a test has declared in this process."""
    return [one for one in declared if one.__module__.startswith("gamekeeper.")]


def _record(record: type[Record]) -> Iterator[str]:
    spec = shape(record).spec
    words = [f"table `{spec.table}`"]
    if spec.value:
        words.append("of value")
    if spec.append_only:
        words.append("append-only")
    if spec.durability == "checkpoint":
        words.append("checkpoint class")
    if spec.loads == "key":
        words.append("read by key")
    words += [f"unique: {', '.join(names)}" for names in spec.unique]
    yield f"#### {record.__name__}"
    yield f"{first_paragraph(record)} ({'; '.join(words)})"
    yield _table(("field", "type", "default", "notes"), [(f"`{one.name}`", one.kind, one.default, one.notes) for one in fields_of(record)])


def first_paragraph(documented: Any) -> str:
    """Give the first paragraph of a docstring on one line."""
    return " ".join((python_inspect.getdoc(documented) or "").partition("\n\n")[0].split())


def _kind(kind: content.Declared) -> Iterator[str]:
    yield f"#### {kind.kind}"
    yield f"{first_paragraph(kind.type)} (`{kind.type.__name__}`; in packs `{kind.plural}*.toml` or `.json`)"
    yield _table(
        ("field", "type", "default", "notes"), [(f"`{one.name}`", one.kind, one.default, one.notes) for one in fields_of(kind.type)]
    )


def _operation(operation: Operation[Any, Any]) -> Iterator[str]:
    text, codes = documentation(operation)
    yield f"#### {operation.name}"
    yield text
    facts = [f"May be called by: {ACCESS[operation.access]}.", f"HTTP: `{path_of(operation)}`."]
    if isinstance(operation, Command):
        if operation.value:
            facts.append("Of value.")
        if operation.durability == "checkpoint":
            facts.append("Of the checkpoint class.")
    yield " ".join(facts)
    arguments = arguments_of(operation)
    if arguments:
        yield _table(("argument", "type", "default", "meaning"), [_argument(one) for one in arguments])
    answer = type_text(inspect.type_info(operation.result))
    yield f"Answers: {answer}." + (f" Errors: {', '.join(f'`{code}`' for code in codes)}." if codes else "")


def _argument(one: FieldText) -> Sequence[str]:
    return f"`{one.name}`", one.kind, one.default, one.notes


def documentation(operation: Any) -> tuple[str, list[str]]:
    """Split a docstring into its text and the codes of its errors."""
    text = python_inspect.getdoc(operation) or ""
    raises = RAISES.search(text)
    codes = CODE.findall(raises[1]) if raises else []
    return (text[: raises.start()] if raises else text).strip(), list(dict.fromkeys(codes))


def _structs(name: str, operations: Sequence[Operation[Any, Any]]) -> Iterator[str]:
    found: dict[type[Struct], None] = {}
    for operation in operations:
        hints = python_inspect.get_annotations(operation.function, eval_str=True)
        for hint in hints.values():
            found.update(dict.fromkeys(structs_in(hint)))
    shown = [
        one for one in found if one.__module__.startswith("gamekeeper.") and one.__name__ != "Page" and not issubclass(one, content.Defined)
    ]
    if shown:
        yield f"### What {name} answers and takes"
    for struct in shown:
        rows = [(f"`{one.name}`", one.kind, one.default, one.notes) for one in fields_of(struct)]
        yield f"**`{struct.__name__}`**: {first_paragraph(struct)}"
        yield _table(("field", "type", "default", "notes"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    # A column in which nothing stands is left out.
    kept = [i for i in range(len(head)) if i == 0 or any(row[i] for row in rows)]
    lines = [[head[i] for i in kept], ["---"] * len(kept), *([row[i].replace("|", "\\|") for i in kept] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# Errors


def errors_page() -> str:
    """Give what docs/errors.md says of each kind and code."""
    parts: list[str] = []
    known = [one for one in error_classes() if issubclass(one, GameError)]
    for kind in Kind:
        rows = [_error(one) for one in known if one.kind is kind]
        parts += [f"## {kind.value.replace('_', ' ').capitalize()}", f"HTTP {STATUS[kind]} unless the table says otherwise. {ADVICE[kind]}"]
        parts.append(_table(("code", "HTTP", "meaning", "facts", "what to do"), rows))
    return "\n\n".join(parts) + "\n"


ADVICE = {
    Kind.INVALID: "The request itself is wrong: mend it. Sending it again changes nothing.",
    Kind.UNAUTHENTICATED: "Log in, or show another key.",
    Kind.FORBIDDEN: "The caller may not do this; another one may.",
    Kind.NOT_FOUND: "What is named is not there, or no longer.",
    Kind.REFUSED: "A rule of the game says no. Show it to the player; it may be allowed once the world is another.",
    Kind.STALE: "What the caller knew is out of date: read again, then decide again.",
    Kind.MISMATCH: "The idempotency key belongs to another request: use a new key for a new request.",
    Kind.BUSY: "Nothing was done. Wait as long as the error says, then send the same request again.",
    Kind.TOO_OFTEN: "Nothing was done. Do it less often: wait as long as the error says, then send the same request again.",
    Kind.UNAVAILABLE: "Send the same request again with the same idempotency key; the key makes that harmless.",
    Kind.INTERNAL: "A fault of the program: the log knows more under the request's id.",
}
PARTICULAR = {
    "ALREADY_EXISTS": "Choose another id, or none: then the keep makes one.",
    "CONSTRAINT_VIOLATED": "Only this command failed. A rule that the code should have checked is missing there: report it.",
    "IDEMPOTENCY_KEY_REUSED": "Use a new key. If `problem` says that the answer was not kept, the command was done the first time.",
    "INVALID_JSON": "`path` names the place, `problem` the rule. HTTP 400 for `syntax` and `not_utf8`, 413 for `too_large`.",
    "NAME_TAKEN": "Ask for another name.",
    "OWNER_LEASED": "Send the command to the game server that holds the lease, wait for its end, or act as an operator.",
    "SAVE_FAILING": "Wait until the owner's checkpoint is saved; see the log for why it is not.",
    "STALE_LEASE": "Throw away what this process remembers of the owner, and acquire the lease again before going on.",
    "STORE_UNAVAILABLE": "Retry with the same idempotency key. Without one, look first: the command may have been done.",
    "TIMED_OUT": "Retry with the same idempotency key. Without one, look first: the command may have been done.",
    "VERSION_CONFLICT": "Read the owner again; `current` is its version.",
}
"""What to do about single codes, where their kind does not say enough."""


def error_classes() -> list[type[Exception]]:
    """Find every error of the package that has a code of its own, by code."""
    import_everything()
    found: dict[type[Exception], None] = {}
    for module in list(sys.modules.values()):
        if module.__name__.startswith("gamekeeper.") or module is gamekeeper:
            found.update(dict.fromkeys(one for one in vars(module).values() if _has_code(one)))
    found.pop(GameError, None)
    found.pop(HttpError, None)
    return sorted(found, key=lambda one: (code_of(one), one.__module__, one.__qualname__))


def import_everything() -> None:
    """Import each module of the package, so that all that it declares is known."""
    for module in pkgutil.walk_packages(gamekeeper.__path__, "gamekeeper."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _has_code(one: Any) -> bool:
    is_error = isinstance(one, type) and issubclass(one, Exception)
    return is_error and one.__module__.startswith("gamekeeper.") and isinstance(code_of(one), str)


def code_of(error: type[Exception]) -> Any:
    """Give the code of an error's class."""
    return vars(error).get("code")


def _error(one: type[GameError]) -> Sequence[str]:
    status = str(one.status) if issubclass(one, HttpError) else "command line" if ".cli." in one.__module__ else ""
    annotations = [python_inspect.get_annotations(kind) for kind in reversed(one.__mro__)]
    facts = [name for found in annotations for name, hint in found.items() if "ClassVar" not in str(hint)]
    return (
        f"`{one.code}`",
        "" if status == str(STATUS[one.kind]) else status,
        first_line(one),
        ", ".join(f"`{fact}`" for fact in dict.fromkeys(facts)),
        _advice(one),
    )


def _advice(one: type[Exception]) -> str:
    return PARTICULAR.get(str(code_of(one)), "")


# Settings


def settings_page() -> str:
    """Give the table of docs/settings.md."""
    rows = []
    for one in fields_of(config.Settings):
        default = "" if one.default == "null" else one.default
        rows.append((f"`{one.name}`", f"`{config.PREFIX}{one.name.upper()}`", one.kind.removesuffix(", or null"), default, one.notes))
    return _table(("setting", "environment", "type", "default", "meaning"), rows) + "\n"


# Pages

PAGES = {"modules.md": modules_page, "errors.md": errors_page, "settings.md": settings_page}


def page(name: str) -> str:
    """Give a page as it should be: what somebody wrote above the mark, and what follows from the declarations below it."""
    above, mark, _ = (DOCS / name).read_text(encoding="utf-8").partition(MARK)
    if not mark:
        raise SystemExit(f"docs/{name} has lost the line {MARK}")
    return f"{above}{MARK}\n\n{PAGES[name]()}"


def main() -> None:
    """Write the pages that have changed."""
    for name in PAGES:
        path, text = DOCS / name, page(name)
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"docs/{name} written")


if __name__ == "__main__":
    main()
