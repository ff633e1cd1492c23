"""What the tests of the command line share."""

import pytest

from gamekeeper.kernel.records import RECORDS


@pytest.fixture(autouse=True)
def only_our_own_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the games of other tests: a verb run in this process would miss their tables in a world that has none of them."""
    for name, record in list(RECORDS.items()):
        if not record.__module__.startswith("gamekeeper."):
            monkeypatch.delitem(RECORDS, name)
