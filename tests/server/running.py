"""A server in a process of its own, on a port of loopback that was free."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parents[2]
CODE = """
import json, sys
from gamekeeper.config import settings_from
from gamekeeper.server import Limits, serve
words = json.loads(sys.argv[1])
limits = Limits(**words.pop("limits"))
serve(settings_from(words), create=True, limits=limits, log_level="warning", on_start=lambda keep, address: print(address, flush=True))
print("closed", flush=True)
"""


class Running:
    """`with Running(url) as server:` and `server.address`."""

    def __init__(self, url: str, *, limits: dict[str, Any] | None = None, **settings: Any) -> None:
        words = {"url": url, "port": 0, "modules": ["tests.server.game"], "allow_unsafe_postgres": True, "limits": limits or {}, **settings}
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", CODE, json.dumps(words)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        self.address = ""

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.address.rpartition(":")[2])

    def stop(self, sent: signal.Signals = signal.SIGTERM, timeout_seconds: float = 30) -> tuple[int, str, str]:
        """Send a signal and wait: the exit code, and what was still said."""
        self.process.send_signal(sent)
        out, err = self.process.communicate(timeout=timeout_seconds)
        return self.process.returncode, out, err

    def __enter__(self) -> "Running":
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.address = self.process.stdout.readline().strip()
        if not self.address:
            raise RuntimeError(self.process.stderr.read())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
