"""What accelerate keeps for the whole process does not go from one test to another."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _accelerate(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test that does not ask for a GPU trains on the CPU, where there is one too."""
    if request.node.get_closest_marker("gpu") is None:
        monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    _forget()
    yield
    _forget()


def _forget() -> None:
    # Importing it takes a second, which most of these tests need not wait for.
    if "accelerate" in sys.modules:
        from accelerate.state import AcceleratorState

        AcceleratorState._reset_state(reset_partial_state=True)
