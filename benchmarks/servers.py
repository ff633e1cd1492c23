"""A PostgreSQL to measure on: the tests' temporary server with fsync on, thrown away after the run."""

import shutil

from tests.servers import TemporaryPostgres

TUNING = {"shared_buffers": "512MB", "max_wal_size": "4GB", "synchronous_commit": "on"}
"""The same for every contestant: the data fits in memory, and no checkpoint falls into one contestant's window only."""


def start_postgresql() -> TemporaryPostgres:
    """Start a durable server."""
    return TemporaryPostgres(fsync=True, settings=TUNING)


def find_pgbench(server: TemporaryPostgres) -> str | None:
    """Find pgbench beside the server's programs, else on the PATH; Debian keeps it in its own package."""
    beside = server.binaries.folder / "pgbench"
    return str(beside) if beside.exists() else shutil.which("pgbench")
