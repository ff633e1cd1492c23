"""The rules of the house that no tool checks, each as a function that names what breaks it. test_house.py holds the house to them."""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping
from inspect import Parameter, getdoc, signature
from pathlib import Path
from typing import Any, get_type_hints

from gamekeeper.errors import GameError
from gamekeeper.kernel.commands import Operation
from gamekeeper.kernel.records import Record, owned_by, shape
from scripts.write_docs import code_of, documentation

Rule = Callable[[Path], Iterator[str]]

# Files


def files(root: Path, *endings: str) -> list[Path]:
    """The files that are ours: in a checkout all that git does not ignore."""
    if (root / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root, check=True, capture_output=True, text=True
        ).stdout.split("\0")
        found = [root / name for name in listed if name]
    else:
        found = [path for path in root.rglob("*") if path.is_file()]
    return sorted(path for path in found if path.exists() and (not endings or path.name.endswith(endings)))


TEXTS = (".py", ".md", ".toml", ".yml", ".yaml", ".sql", ".html", ".css", ".js", ".json", ".ts", "Makefile")
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
MACHINE = re.compile(r"(?<![\w.~>-])/(?:home|Users|root|mnt|work|private)/\w|\b[A-Z]:\\\\?Users\b")


def unfinished(root: Path) -> Iterator[str]:
    """What is left to be done is done, or written down elsewhere."""
    yield from _lines(root, UNFINISHED)


def machine_paths(root: Path) -> Iterator[str]:
    """Nothing names a folder of the machine that it was written on."""
    yield from _lines(root, MACHINE)


def _lines(root: Path, pattern: re.Pattern[str]) -> Iterator[str]:
    for path in files(root, *TEXTS):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if pattern.search(line):
                yield f"{path.relative_to(root)}:{number}: {line.strip()[:80]}"


MAX_LINES = 500
MAX_TEST_LINES = 800
"""A test's file is a list of cases, of which nobody reads more than one at a time."""
LONG_FILES: Mapping[str, str] = {}


def too_long(root: Path) -> Iterator[str]:
    """A file of more than 500 lines has a reason, in LONG_FILES."""
    for path in files(root, ".py"):
        name = path.relative_to(root).as_posix()
        most = MAX_TEST_LINES if name.startswith("tests/") else MAX_LINES
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > most and name not in LONG_FILES:
            yield f"{name} has {lines} lines"


NAMES_OF_NOTHING = {"utils", "util", "helpers", "helper", "common", "manager", "base", "data", "info", "misc"}
NAMED_FOR_WHAT_THEY_HOLD = {"gamekeeper/kernel/store/base.py"}
"""What every store has in common is called so."""


def names_of_nothing(root: Path) -> Iterator[str]:
    """A file is named for what it holds."""
    for path in files(root, ".py"):
        name = path.relative_to(root).as_posix()
        if path.stem in NAMES_OF_NOTHING and name not in NAMED_FOR_WHAT_THEY_HOLD:
            yield name


# SQL

SQL_PACKAGES = {"sqlalchemy", "asyncpg", "apsw", "sqlite3", "psycopg", "alembic"}
SQL_ROOMS = (
    "gamekeeper/kernel/store/",
    "gamekeeper/kernel/verify.py",
    "gamekeeper/kernel/history.py",
    "gamekeeper/kernel/retrying.py",  # one statement: whether a write of unknown outcome stands in the journal
    "gamekeeper/kernel/standings.py",
    "gamekeeper/kernel/boards.py",
    "gamekeeper/jobs/queries.py",
    "gamekeeper/migrations/",
    "gamekeeper/importers/",
    "gamekeeper/studio/queries.py",
)
SQL_IN_SLICE = re.compile(r"gamekeeper/modules/\w+/queries\.py")
STATEMENT = re.compile(r"\s*(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM|CREATE\s+TABLE|ALTER\s+TABLE)\b", re.DOTALL)


def sql_elsewhere(root: Path) -> Iterator[str]:
    """SQL stands in the store, in a slice's queries.py, and in the few files named here."""
    for path in files(root, ".py"):
        name = path.relative_to(root).as_posix()
        if not name.startswith("gamekeeper/") or name.startswith(SQL_ROOMS) or SQL_IN_SLICE.fullmatch(name):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                for module in modules:
                    if module.partition(".")[0] in SQL_PACKAGES:
                        yield f"{name}:{node.lineno} imports {module}"
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and STATEMENT.match(node.value):
                yield f"{name}:{node.lineno} holds SQL"


# The kernel

NOUNS = {
    *("achievement", "boss", "character", "coin", "dungeon", "essence", "gold", "guild", "holding", "inventory", "item", "loot", "monster"),
    *("npc", "potion", "prayer", "quest", "skill", "spell", "sword", "trade", "weapon", "world", "xp"),
}
OTHER_SENSES = {"character", "item", "world", "skill", "trade", "gold"}
"""Words that prose may use for something else: characters of a text, items of a list. In names they count, but for `item` alone."""
PLAIN_NAMES = {"item", "items", "nonitem"}
EXAMPLE = re.compile(r"^( {4,}|\s*>>>|\s*\.\.\.)")


def nouns_in_kernel(root: Path) -> Iterator[str]:
    """The kernel knows nothing of games. An example may: the indented lines of a docstring, and its doctests."""
    for path in files(root, ".py"):
        name = path.relative_to(root).as_posix()
        if not name.startswith("gamekeeper/kernel/"):
            continue
        source = path.read_text(encoding="utf-8")
        for line, word in (*_names(ast.parse(source)), *_prose(source)):
            yield f"{name}:{line}: {word}"


def _words(name: str) -> set[str]:
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return {part.lower().removesuffix("s") if part.lower() not in NOUNS else part.lower() for part in parts}


def _names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        found = [getattr(node, field, None) for field in ("id", "attr", "arg", "name")]
        for name in found:
            if isinstance(name, str) and name not in PLAIN_NAMES and _words(name) & NOUNS:
                yield getattr(node, "lineno", 0), name


def _prose(source: str) -> Iterator[tuple[int, str]]:
    nouns = NOUNS - OTHER_SENSES
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in (tokenize.COMMENT, tokenize.STRING):
            continue
        for offset, line in enumerate(token.string.splitlines()):
            example = token.string.lstrip("rbf").startswith('"""') and EXAMPLE.match(line)
            for word in () if example and offset else re.findall(r"[A-Za-z]+", line):
                if _words(word) & nouns:
                    yield token.start[0] + offset, word


# Slices

SLICE = {"__init__.py", "records.py", "rules.py", "commands.py", "queries.py", "errors.py"}
EXCEPTIONS: Mapping[str, tuple[set[str], set[str]]] = {
    # what a kind is, and the first one; what may be wrong with a definition; reading packs from files touches no database
    "content": ({"kinds.py", "items.py", "configs.py", "flaws.py", "packs.py"}, set()),
    "banks": ({"vault.py"}, set()),  # what lies where, and moving it
    "essences": ({"definitions.py"}, set()),  # what packs may define of them
    "quests": ({"definitions.py"}, set()),  # what packs may define of them
    "metrics": ({"definitions.py", "facts.py"}, set()),  # what packs may define of them; what predicates ask
    "guests": ({"leaving.py"}, {"records.py"}),  # they are users for a while; what is taken off whoever goes
    "items": ({"heaps.py", "moves.py"}, set()),  # the functions that other modules build on; what lies on the ground
    # who may act on whom; proofs of who somebody is; leaving; addresses; threads that hash
    "users": ({"authority.py", "credentials.py", "deletion.py", "emails.py", "passwords.py"}, set()),
    "people": ({"archive.py"}, {"records.py", "errors.py"}),  # what is kept of a person stands in other modules; an archive of it
    "sheets": (set(), {"records.py", "rules.py", "commands.py", "errors.py"}),  # what other modules keep of a character, read at once
    "xp": ({"modifiers.py", "chain.py"}, set()),  # what an award is worth; what its hash is of
    "seasons": ({"closing.py"}, set()),  # when one is closed, and what comes of it
    "sessions": ({"api_keys.py", "refreshing.py"}, set()),  # keys of programs; sessions that last for weeks
    "dailies": ({"definitions.py", "calendars.py", "closing.py"}, set()),  # what packs define; what is looked up first; days
    "evening": (set(), {"records.py", "rules.py", "queries.py", "errors.py"}),  # one command over what other modules keep
    "narrative": (set(), {"commands.py"}),  # it is content, and told as it stands there
    "days": (set(), {"records.py", "commands.py", "queries.py", "errors.py"}),  # arithmetic, and nothing is stored
    "predicates": ({"dialects.py", "fields.py"}, {"commands.py", "queries.py"}),  # what may be written; they are part of other things
    "characters": ({"boards.py"}, set()),  # how boards show them
    # what others must be able to end when they let a character go
    "plays": ({"leaving.py"}, {"commands.py", "queries.py", "errors.py"}),
    "presence": (set(), {"records.py", "errors.py"}),  # what it tells of stands in plays
    "states": ({"upgrading.py"}, set()),  # old forms of many documents at once
    "progress": (set(), {"records.py"}),  # what it writes stands in the modules below it
    "npcs": (set(), {"commands.py"}),  # they are content, and what happens to them is the game's
    "worlds": (set(), {"rules.py"}),  # nothing is decided yet
}
"""By module: files that it has beside the usual ones, and usual ones that it has no need of."""


def slices_differ(root: Path) -> Iterator[str]:
    """Each folder in modules has the same files, or a declared exception."""
    for folder in slices(root):
        more, fewer = EXCEPTIONS.get(folder.name, (set(), set()))
        have = {path.name for path in folder.iterdir() if path.suffix == ".py"}
        yield from (f"{folder.name} lacks {name}" for name in sorted(SLICE - fewer - have))
        yield from (f"{folder.name} has {name}, which is not among a slice's files" for name in sorted(have - SLICE - more))
        yield from (f"{folder.name} is excused from {name} and has it" for name in sorted(have & fewer))


def slices(root: Path) -> list[Path]:
    """The folders of the modules."""
    folders = sorted(path for path in (root / "gamekeeper" / "modules").iterdir() if path.is_dir())
    return [path for path in folders if any(path.glob("*.py"))]


def front_doors(root: Path) -> Iterator[str]:
    """A front door is one sentence, explicit imports, and `__all__` with every name that they bring in."""
    for folder in slices(root):
        path = folder / "__init__.py"
        if not path.exists():
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        sentence = ast.get_docstring(tree) or ""
        if not sentence.endswith(".") or "\n" in sentence:
            yield f"{folder.name}: the docstring is not one sentence"
        relative = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.level]
        imported = {alias.asname or alias.name for node in relative for alias in node.names}
        offered = next((ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign) and _is_all(node)), None)
        if offered is None:
            yield f"{folder.name}: no __all__"
        elif "*" in imported or imported - set(offered):
            yield f"{folder.name}: imported and not in __all__: {sorted(imported - set(offered))}"


def _is_all(node: ast.Assign) -> bool:
    return any(isinstance(one, ast.Name) and one.id == "__all__" for one in node.targets)


# Declarations


def bad_records(records: Iterable[type[Record]]) -> Iterator[str]:
    """A record's first key is its owner's id, and nothing of value is measured in floats."""
    for record in records:
        made = shape(record)
        if owned_by(get_type_hints(record, include_extras=True)[made.owner_field]) is None:
            yield f"{record.__qualname__}.{made.owner_field} is not the id of an owner"
        if made.spec.value:
            yield from (f"{record.__qualname__}.{field.name} is a float" for field in made.fields if field.kind == "float")
        if not (getdoc(record) or "").partition("\n")[0].endswith("."):
            yield f"{record.__qualname__}: the docstring's first line is not a sentence"


NOT_IMPERATIVE = re.compile(r"(This|These|The|A|An|It|Its|There|Returns?)\b|\w+ing\b(?<!Bring)|\w+[^s'\W]s\b(?<!Focus)", re.ASCII)


def bad_operations(operations: Iterable[Operation[Any, Any]], codes: set[str]) -> Iterator[str]:
    """The first line of a docstring promises in the imperative, arguments have names, and the codes of errors are known."""
    for operation in operations:
        first = (operation.__doc__ or "").strip().partition("\n")[0]
        if not re.match(r"[A-Z].*\.", first) or NOT_IMPERATIVE.match(first):
            yield f"{operation.name}: {first!r} does not promise in the imperative"
        parameters = list(signature(operation.function).parameters.values())[1:]
        yield from (
            f"{operation.name}: {one.name} can be given without its name" for one in parameters if one.kind != Parameter.KEYWORD_ONLY
        )
        yield from (f"{operation.name} raises {code}, which no error has" for code in documentation(operation)[1] if code not in codes)


def bad_errors(errors: Iterable[type[Exception]]) -> Iterator[str]:
    """Each error has a code of its own, in capitals, and a message."""
    seen: dict[str, type[Exception]] = {}
    for error in errors:
        code = str(code_of(error))
        if code in seen:
            yield f"{code} is the code of {seen[code].__qualname__} and of {error.__qualname__}"
        seen[code] = error
        if not re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*", code):
            yield f"{error.__qualname__}: {code!r} is not in capitals"
        own = vars(error).get("__doc__") or ""
        if issubclass(error, GameError) and not own.strip().partition("\n")[0].endswith("."):
            yield f"{error.__qualname__} has no sentence for a message"


# Pages


def dead_links(root: Path) -> Iterator[str]:
    """A link to a file of ours leads to one, and one to a heading leads to that."""
    for path in files(root, ".md"):
        text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            file, _, heading = target.partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            there = path if not file else path.parent / file
            if not there.exists():
                yield f"{path.relative_to(root)}: {target}"
            elif heading and heading not in _headings(there):
                yield f"{path.relative_to(root)}: {target} (no such heading)"


def _headings(path: Path) -> set[str]:
    lines = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


VERB = re.compile(r"(?:`|^|\s)gamekeeper ([a-z]+)(?: ([a-z]+))?(?: ([a-z]+))?", re.MULTILINE)


def unknown_verbs(root: Path, verbs: Iterable[str]) -> Iterator[str]:
    """A page names only such verbs of the command line as there are."""
    known = set(verbs)
    groups = {verb.rpartition(" ")[0] for verb in known if " " in verb}
    for path in files(root, ".md"):
        for verb, *words in VERB.findall(_code(path.read_text(encoding="utf-8"))):
            for word in words:
                verb = f"{verb} {word}" if verb in groups else verb  # noqa: PLW2901 - a group's name goes on with the next word
            if verb not in known:
                yield f"{path.relative_to(root)}: gamekeeper {verb}"


def _code(text: str) -> str:
    return "\n".join([*re.findall(r"`[^`\n]+`", text), *re.findall(r"^```(?:sh|console|bash)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)])
