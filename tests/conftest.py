"""Settings for every test, a second try for live media, and who gives way to whom where two run at once."""

import os
import signal
from collections.abc import Iterator

import pytest

# Before a test imports OpenVINO by itself; see there for why.
import engines.compilers  # noqa: F401

BROWSER = "tests/e2e/"
"""Where tests have a server and browsers in common."""
LIVE = (BROWSER, "tests/benchmarks/live/", "tests/deploy/", "tests/docs/", "tests/server/")
"""Where tests start servers and wait for them, more than they compute."""
NICENESS_BESIDE_LIVE = os.nice(0) + 5

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

    A rerun is shown in the report; a test that fails for a reason fails every time. Live tests come first, so that
    several processes begin with them.
    """
    for item in items:
        if item.nodeid.startswith(("tests/server/", BROWSER)):
            item.add_marker(pytest.mark.flaky(reruns=2, reruns_delay=1))
    items.sort(key=lambda item: (not item.nodeid.startswith(BROWSER), not item.nodeid.startswith(LIVE)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """With `-n 3`, one process has the tests with a browser, one the other live ones, and one the rest, file by file.

    Live tests wait more than they compute: three processes keep two cores busy. One that has no live tests left
    shares what the last one still has.
    """
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False
    scheduling = LoadScopeScheduling(config, log)
    scheduling._split_scope = _in_one_process
    return scheduling


def _in_one_process(nodeid: str) -> str:
    if nodeid.startswith(LIVE):
        return "browser" if nodeid.startswith(BROWSER) else "live"
    return nodeid.partition("::")[0]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Beside live tests, which run against the clock, those that compute take what time is left over."""
    if "PYTEST_XDIST_WORKER" in os.environ and not item.nodeid.startswith(LIVE):
        os.nice(NICENESS_BESIDE_LIVE - os.nice(0))
