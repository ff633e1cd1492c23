"""The examples are played as a reader would play them: as a script, and on both databases."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SERVERS
from tests.servers import TemporaryPostgres

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.py") if path.stem != "__init__")


@pytest.fixture(scope="module")
def durable_postgres(request: pytest.FixtureRequest) -> Iterator[TemporaryPostgres]:
    """A PostgreSQL with fsync: an example opens its world as a game would, and such a keep takes no other."""
    with TemporaryPostgres(fsync=True) as server:
        request.config.stash[SERVERS]["PostgreSQL"] = f"{server.version}, {server.binaries.origin}"
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database that loses nothing, on each engine in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/world.db"
        return
    server: TemporaryPostgres = request.getfixturevalue("durable_postgres")
    url = server.create_database()
    yield url
    server.drop_database(url)


def run(folder: Path, *arguments: str, typed: str = "") -> str:
    """Run Python in a folder, with the repository to import from, and type something; gives what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, input=typed, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_as_a_script(name: str, tmp_path: Path) -> None:
    told = run(tmp_path, str(ROOT / "examples" / f"{name}.py"))

    assert "entries, 0 problems" in told
    assert list(tmp_path.iterdir()) == []  # it leaves nothing behind


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_plays_on_either_database(name: str, database_url: str, tmp_path: Path) -> None:
    code = f"import asyncio, examples.{name} as game; print(*asyncio.run(game.play({database_url!r})), sep='\\n')"

    assert "entries, 0 problems" in run(tmp_path, "-c", code)


def test_the_commands_of_an_example_stand_on_every_surface(tmp_path: Path) -> None:
    code = (
        "import json\n"
        "from gamekeeper.kernel.commands import COMMANDS\n"
        "from gamekeeper.server import openapi\n"
        "before = [name for name in COMMANDS if name.startswith('fishing_derby.')]\n"
        "paths = openapi.document(['examples.fishing_derby'])['paths']\n"
        "after = [name for name in COMMANDS if name.startswith('fishing_derby.')]\n"
        "print(json.dumps([before, after, [path for path in paths if '/fishing_derby/' in path]]))\n"
    )

    before, commands, paths = json.loads(run(tmp_path, "-c", code))

    assert before == []
    assert commands == ["fishing_derby.open_lake", "fishing_derby.cast_line", "fishing_derby.sell_catch"]
    assert paths == ["/v1/" + name.replace(".", "/") for name in commands] + ["/v1/fishing_derby/catches"]


def test_the_mud_is_played_by_hand_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    script = str(ROOT / "examples" / "essence_mud.py")

    run(tmp_path, script, "play", typed="Wren\ntake ember\nbond ember to power\ngo north\nfight with ember\nquit\n")
    told = run(tmp_path, script, "play", typed="Wren\nsheet\nfight with ember\ngo up\nbond ember to speed\n")

    assert "The Windy Yard" in told.splitlines()[0]
    assert "A rag hound lies still" in told.splitlines()[0]
    assert "Ember (Cinder Lash 0). power 15. Carried: 1 Hearth stone, 100 Brass pennies. Health 82." in told
    assert "Nothing that wants to fight is here." in told
    assert "There is no way in that direction." in told
    assert "The character holds this essence already." in told
    assert "entries, 0 problems" in told
