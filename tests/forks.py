"""Processes of our own that begin in a hundredth of a second: forked from one that has imported the package already.

A fresh Python needs most of a second for its imports, and some tests begin and kill dozens. What is forked is a process like any other:
it has its own memory, descriptors and threads, does not know the test, and dies of the same signals.
"""

import contextlib
import functools
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from gamekeeper.keep import import_modules

ROOT = Path(__file__).parents[1]


class Forked:
    """A process that runs `python -m MODULE ARGUMENT ...` in the root of the repository, between two descriptors."""

    def __init__(self, module: str, *arguments: str, stdin: int, stdout: int) -> None:
        self.returncode: int | None = None
        self._channel, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(_parent(), [b"!"], [theirs.fileno(), stdin, stdout])
        self._channel.sendall(json.dumps([module, arguments, dict(os.environ)]).encode())
        self._channel.shutdown(socket.SHUT_WR)
        self._told = self._channel.makefile("rb")
        self.pid = int(self._told.readline())

    def wait(self, timeout_seconds: float | None = None) -> int:
        """Wait for its end: the exit code, or the negative number of the signal that it died of."""
        if self.returncode is None:
            self._channel.settimeout(timeout_seconds)
            self.returncode = int(self._told.readline())
            self._told.close()
            self._channel.close()
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, if it runs still."""
        self.send_signal(signal.SIGKILL)


@functools.cache
def _parent() -> socket.socket:
    """The process that forks; it ends when this one does, whose end of the socket then closes."""
    ours, theirs = socket.socketpair()
    with theirs:
        subprocess.Popen([sys.executable, "-m", __name__], cwd=ROOT, stdin=theirs.fileno(), env={**os.environ, "PYTHONPATH": str(ROOT)})
    return ours


def _main() -> None:
    """Import, and fork whenever asked to."""
    import_modules()
    for name in ("gamekeeper.kernel.store.sqlite", "gamekeeper.kernel.store.postgres"):
        __import__(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those between
    orders = socket.socket(fileno=os.dup(0))
    while True:
        _, descriptors, _, _ = socket.recv_fds(orders, 1, 3)
        if not descriptors:
            return
        if os.fork() == 0:
            break
        for one in descriptors:
            os.close(one)
    orders.close()
    module, arguments = _begin(*descriptors)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _begin(channel: int, stdin: int, stdout: int) -> tuple[str, list[str]]:
    """Fork once more, and stay as the one who waits for the child and tells how it ended; the child goes on to what it shall run."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    asked = socket.socket(fileno=channel)
    module, arguments, environment = json.loads(asked.makefile("rb").read())
    if child := os.fork():
        os.close(stdin)
        os.close(stdout)
        os.close(0)
        _tell_the_end(asked, child)
    asked.close()
    for one, place in ((stdin, 0), (stdout, 1)):
        os.dup2(one, place)
        os.close(one)
    os.environ.clear()
    os.environ.update(environment)
    return module, arguments


def _tell_the_end(asked: socket.socket, child: int) -> NoReturn:
    asked.sendall(b"%d\n" % child)
    _, status = os.waitpid(child, 0)
    asked.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


if __name__ == "__main__":
    _main()
