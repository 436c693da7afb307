"""What the page's own figures are turned into, with snapshots in place of a browser."""

from typing import Any

import psutil
import pytest

from benchmarks.live import chromium_client
from benchmarks.live.chromium_client import PageError
from benchmarks.live.schedule import Schedule

FRAMES = {"in": 90, "edited": 88, "passed": 0, "repeated": 2, "dropped": {}}
LIVE: dict[str, Any] = {
    "state": "live",
    "trouble": None,
    "reconnects": 0,
    "receipts": [],
    "glassToGlass": None,
    "displayedFps": None,
    "stats": {"frames": FRAMES},
}


class SnapshotPage:
    """A page that shows one snapshot after the other, the last for good."""

    def __init__(self, *snapshots: dict[str, Any]) -> None:
        self._snapshots = list(snapshots)

    def evaluate(self, script: str) -> dict[str, Any]:
        if script != "window.afterimage":
            return {}
        return self._snapshots.pop(0) if len(self._snapshots) > 1 else self._snapshots[0]

    def wait_for_timeout(self, _: float) -> None:
        """Time stands still here."""


@pytest.mark.parametrize(
    "lost",
    [
        {"stats": None, "state": "waiting", "trouble": "connection-lost"},
        {"reconnects": 1, "stats": {"frames": FRAMES | {"edited": None}}},
    ],
)
def test_a_connection_that_is_lost_on_the_way_is_said_to_be(lost: dict[str, Any]) -> None:
    page: Any = SnapshotPage(LIVE, LIVE | lost)
    with pytest.raises(PageError, match="lost its connection while it was measured: it is"):
        chromium_client._measure(page, psutil.Process(), Schedule("any", 0.0, 0.01, ()))
