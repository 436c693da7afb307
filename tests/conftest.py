"""Settings for every test, and a second try for live media."""

import os
import signal
from collections.abc import Iterator

import pytest

# Before a test imports OpenVINO by itself; see there for why.
import engines.compilers  # noqa: F401

# Set before torch is first loaded; see server/__init__.py for why.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# A shell starts what it runs in the background deaf to Ctrl-C, which some tests press.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whatever a test's servers keep is not kept among this user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFTERIMAGE_DATA", str(tmp_path_factory.mktemp("data")))
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a test of live media try again: it runs against the clock of a machine that may be shared.

    A rerun is shown in the report; a test that fails for a reason fails every time.
    """
    for item in items:
        if "tests/server" in item.nodeid or "tests/e2e" in item.nodeid:
            item.add_marker(pytest.mark.flaky(reruns=2, reruns_delay=1))
