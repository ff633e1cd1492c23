"""`gamekeeper bench`."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

import gamekeeper

from .failures import NoBenchmarks


def bench(*arguments: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> int:
    """Run the benchmarks; whatever stands behind the verb is theirs.

    Raises: NO_BENCHMARKS outside of a checkout of the repository.
    """
    checkout = Path(gamekeeper.__file__).resolve().parent.parent
    if not (checkout / "benchmarks" / "__main__.py").is_file():
        raise NoBenchmarks
    return subprocess.run([sys.executable, "-m", "benchmarks", *arguments], cwd=checkout, check=False).returncode
