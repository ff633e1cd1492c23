"""The fixtures that every test may use, and the promise that CI skips nothing."""

import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import gamekeeper
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from tests.secrecy import Secrecy
from tests.servers import TemporaryPostgres, TemporaryRedis, find_redis
from tests.worlds import SharedDatabase, make_tables

# How long an example takes says nothing but how busy the machine is.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

IN_CI = os.environ.get("CI", "").lower() in {"true", "1"}

SERVERS = pytest.StashKey[dict[str, str]]()
LEFT_OUT = pytest.StashKey[int]()
SECRECY = pytest.StashKey[Secrecy]()
SEARCHED = pytest.StashKey[Counter[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options to pytest's."""
    parser.addoption("--only-sqlite", action="store_true", help="leave out every test that needs PostgreSQL")
    for name, default, what in (
        ("--soak-seconds", 20, "how long the bank trades on each database"),
        ("--days-simulated", 20, "how many days characters live through beside a model of them"),
        ("--days-users", 12, "how many characters do"),
        ("--kills-sqlite", 30, "how often a writer on SQLite is killed"),
        ("--kills-postgres", 10, "how often a writer on PostgreSQL is killed"),
        ("--kills-deeds", 6, "how often a writer is killed that dies, banks and does quests, on each database"),
        ("--server-kills", 5, "how often the PostgreSQL server is killed"),
        ("--storm-seconds", 10, "how long connections to PostgreSQL are broken"),
        ("--hammer-seconds", 5, "how long two processes write the same owners"),
        ("--crash-points", 400, "how many power failures are replayed"),
        ("--fuzz-requests", 2, "how many requests of each sort a machine thinks of for each route"),
        ("--sequences", 60, "how many sequences of commands are compared with the model on each database"),
    ):
        parser.addoption(name, type=int, default=default, help=f"{what} (default {default})")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse what would make CI's answer worth less."""
    config.stash[SERVERS] = {}
    config.stash[LEFT_OUT] = 0
    config.stash[SEARCHED] = Counter[str]()
    config.stash[SECRECY] = Secrecy()
    config.stash[SECRECY].start()
    config.pluginmanager.register(config.stash[SECRECY], "secrecy")
    config.addinivalue_line("markers", "plants_secrets: puts a secret where it must not be, to see that it is found")
    if IN_CI and config.getoption("only_sqlite"):
        raise pytest.UsageError("--only-sqlite is not for CI, where nothing may be left out")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Listen to secrets no longer."""
    if SECRECY in config.stash:
        config.stash[SECRECY].stop()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that `--only-sqlite` leaves out."""
    if not config.getoption("only_sqlite"):
        return
    left_out = [item for item in items if _wants_postgres(item)]
    config.stash[LEFT_OUT] = len(left_out)
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not _wants_postgres(item)]


def _wants_postgres(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    chosen = callspec.params.get("database_url") if callspec else None
    return chosen == "postgresql" or "postgres" in getattr(item, "fixturenames", ())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one in CI."""
    report = yield
    if not hasattr(report, "wasxfail"):  # an expected failure is reported as a skip too
        _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a file that skips itself into a failure in CI."""
    report = yield
    _fail_if_skipped(report)
    return report


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, and in CI nothing may be: {_reason(report)}"


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    longrepr = report.longrepr
    return str(longrepr[2] if isinstance(longrepr, tuple) else longrepr).removeprefix("Skipped: ")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that prints the summary what this one, a worker of it, has started and left out."""
    searched = session.config.stash[SEARCHED]
    searched.update(session.config.stash[SECRECY].told())
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["searched"] = dict(searched)
        session.config.workeroutput["servers"] = session.config.stash[SERVERS]
        session.config.workeroutput["left_out"] = session.config.stash[LEFT_OUT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker says; each of them collects all tests and runs some."""
    told = getattr(node, "workeroutput", {})
    node.config.stash[SERVERS].update(told.get("servers", {}))
    searched = node.config.stash[SEARCHED]
    searched.update(told.get("searched", {}))
    node.config.stash[LEFT_OUT] = max(node.config.stash[LEFT_OUT], told.get("left_out", 0))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say aloud which servers the tests ran on and what they left out."""
    terminalreporter.section("servers and skips")
    started = config.stash[SERVERS]
    for name in ("PostgreSQL", "Redis"):
        terminalreporter.write_line(f"{name}: {started.get(name, 'not started, for no test asked for it')}")
    searched = config.stash[SEARCHED]
    terminalreporter.write_line(
        f"secrets: {searched['secrets']} were issued; {searched['kilobytes'] // 1024} MiB that they might stand in were searched"
        f" in {searched['milliseconds'] / 1000:.1f} s"
    )
    reasons = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", ()))
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"skipped {count}: {reason}")
    if left_out := config.stash[LEFT_OUT]:
        terminalreporter.write_line(f"left out {left_out} by --only-sqlite")
    if not reasons and not left_out:
        terminalreporter.write_line("nothing was skipped")


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[TemporaryPostgres]:
    """A PostgreSQL of our own for the whole run, without fsync, for speed."""
    with TemporaryPostgres(fsync=False) as server:
        request.config.stash[SERVERS]["PostgreSQL"] = f"{server.version}, {server.binaries.origin}"
        request.config.stash[SECRECY].follow(server)
        yield server
        request.config.stash[SECRECY].leave()


@pytest.fixture(scope="session")
def redis_server(request: pytest.FixtureRequest) -> Iterator[TemporaryRedis]:
    """A Redis of our own for the whole run."""
    if not find_redis():
        pytest.skip("no redis-server on the PATH (Debian: apt-get install redis-server)")
    with TemporaryRedis() as server:
        request.config.stash[SERVERS]["Redis"] = f"{server.version}, {server.binaries.origin}"
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables and nothing in them."""
    path = tmp_path_factory.mktemp("template") / "world.db"
    make_tables(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: TemporaryPostgres) -> str:
    """The name of a database with all tables and nothing in them."""
    url = postgres.create_database()
    make_tables(url)
    return url.rsplit("/", 1)[1]


@pytest.fixture(scope="session")
def shared_database(request: pytest.FixtureRequest, postgres: TemporaryPostgres, postgres_template: str) -> Iterator[SharedDatabase]:
    """A database with all tables, for one test after another."""
    shared = SharedDatabase(postgres, postgres_template)
    request.config.stash[SECRECY].shared = shared
    yield shared
    shared.close()


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A file with all tables and nothing in them, of the test's own."""
    shutil.copy(sqlite_template, tmp_path / "world.db")
    return f"sqlite:///{tmp_path}/world.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database with all tables and nothing in them, on each engine in turn."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    shared: SharedDatabase = request.getfixturevalue("shared_database")
    yield shared.url
    shared.empty()


@pytest.fixture
async def keep(database_url: str) -> AsyncIterator[Keep]:
    """An open keep on a fresh database, on each engine in turn."""
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True) as keep:
        yield keep


@pytest.fixture
def clock() -> ManualClock:
    """A clock that only tests move."""
    return ManualClock()


@pytest.fixture
async def timed(database_url: str, clock: ManualClock) -> AsyncIterator[Keep]:
    """A keep whose time stands still, on a fresh database, on each engine in turn."""
    async with gamekeeper.open(database_url, create=True, clock=clock, allow_unsafe_postgres=True) as keep:
        yield keep
