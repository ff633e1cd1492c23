"""The examples in the docstrings of the package are true."""

import doctest
import importlib
import io
import pkgutil
from pathlib import Path

import gamekeeper

NEED_A_DATABASE: frozenset[str] = frozenset()
"""Modules whose examples only a database can try: none so far."""


def test_every_example_of_the_package_is_tried_and_true() -> None:
    names = [one.name for one in pkgutil.walk_packages(gamekeeper.__path__, "gamekeeper.") if not one.name.endswith("__main__")]
    assert {*names} >= NEED_A_DATABASE
    finder, tried = doctest.DocTestFinder(), 0
    for name in {"gamekeeper", *names} - NEED_A_DATABASE:
        module = importlib.import_module(name)
        examples = [one for one in finder.find(module) if one.examples]
        written = Path(str(module.__file__)).read_text(encoding="utf-8").count(">>> ")
        # A docstring that no object holds, as those of commands and constants, would never be tried.
        assert sum(len(one.examples) for one in examples) == written, f"{name} has examples where they are not found"
        for example in examples:
            said = io.StringIO()
            failed, _ = doctest.DocTestRunner(verbose=False).run(example, out=said.write)
            assert not failed, said.getvalue()
            tried += len(example.examples)
    assert tried > 150
