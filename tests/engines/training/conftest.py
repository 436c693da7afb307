import itertools

import pytest


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step takes a tenth of a second, whatever the machine."""
    ticks = itertools.count()
    monkeypatch.setattr("engines.training.parts.time.monotonic", lambda: next(ticks) / 10)
