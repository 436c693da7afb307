"""That the program runs and says what it promises to; never how fast."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.live.schedule import plan

ROOT = Path(__file__).parents[3]
PROMISED = {"edited_fps", "server_p95_ms", "glass_to_glass_p50_ms", "receipt_frames", "memory_growth"}


def benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.live", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)


@pytest.mark.parametrize("client", ["aiortc", pytest.param("chromium", marks=pytest.mark.browser)])
def test_a_short_run_prints_its_figures_as_json_alone(client: str) -> None:
    finished = benchmark("--seconds", "3", "--client", client, "--size", "320x240", "--json")

    assert finished.returncode == 0, finished.stderr
    figures = json.loads(finished.stdout)
    assert figures.keys() >= PROMISED
    assert figures["edited_fps"] > 0
    assert figures["server_p95_ms"] > 0
    assert figures["glass_to_glass_p50_ms"] > 0
    assert figures["receipt_frames"] is None or figures["receipt_frames"] >= 0
    assert figures["memory_growth"] is None
    assert figures["conditions"]["client"] == client
    assert figures["conditions"]["camera_size"] == "320x240"


def test_a_clip_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    finished = benchmark("--seconds", "3", "--clip", str(tmp_path / "missing.mp4"))
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert len(finished.stderr.splitlines()) == 1


def test_a_model_that_is_none_is_named() -> None:
    finished = benchmark("--seconds", "3", "--model", "no-such-model")
    assert finished.returncode == 1
    assert "no-such-model" in finished.stderr


@pytest.mark.parametrize("seconds", [1, 3, 60, 600])
def test_instructions_change_well_before_a_run_ends(seconds: float) -> None:
    schedule = plan("turn it into a pencil sketch", seconds)
    assert 2 <= len(schedule.changes) <= 12
    assert len({change.text for change in schedule.changes}) == len(schedule.changes)
    assert all(0 < change.at_s <= seconds * 13 / 14 for change in schedule.changes)
