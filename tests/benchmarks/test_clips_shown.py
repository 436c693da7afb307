"""Figures say which clip they were measured with, also where nobody named one."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks import roundtrip
from benchmarks.live import aiortc_client, clip
from benchmarks.live.__main__ import load_clip
from tests.server.clips import make_clip

SIZE = (64, 48)


@pytest.fixture
def webcam(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "webcam.mp4", count=3, size=(96, 64))


def test_the_live_benchmark_names_what_it_took(
    tmp_path: Path, webcam: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clip, "MEDIA_CLIP", webcam)
    assert load_clip(None, SIZE)[1] == "webcam.mp4"
    monkeypatch.setattr(clip, "MEDIA_CLIP", tmp_path / "absent.mp4")
    assert load_clip(None, SIZE)[1] == "the astronaut photograph under a moving window"


def test_the_round_trip_names_what_it_took(webcam: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roundtrip, "MEDIA_CLIP", webcam)
    names = [roundtrip.clip(name, *SIZE)[1] for name in ("media", "photo", str(webcam))]

    assert names == ["webcam.mp4", "the astronaut photograph under a moving window", "webcam.mp4"]


def test_the_round_trips_conditions_have_the_name(webcam: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[object] = []

    class Server:
        def __init__(self, settings: Mapping[str, str]) -> None:
            assert settings

        def __enter__(self) -> "Server":
            return self

        def __exit__(self, *_: object) -> None:
            pass

    async def run(
        server: object, codec: str, pictures: Sequence[np.ndarray], seconds: float
    ) -> roundtrip.Row:
        return roundtrip.Row(codec, 42.0, 41.0, len(pictures), 30.0, 2.0, 5.0, "h264", "libx264")

    def print_rows(conditions: Mapping[str, object], rows: object, *, json_alone: bool) -> None:
        printed.append(conditions["clip"])

    # Set by the program, and another test's afterwards.
    monkeypatch.setattr(aiortc_client, "BROWSER_BITRATE_BPS", aiortc_client.BROWSER_BITRATE_BPS)
    monkeypatch.setattr(roundtrip, "ServerProcess", Server)
    monkeypatch.setattr(roundtrip, "run", run)
    monkeypatch.setattr(roundtrip, "print_rows", print_rows)
    monkeypatch.setattr(roundtrip, "MEDIA_CLIP", webcam)
    assert roundtrip.main(["--clip", "media", "--codec", "VP8", "--size", "64x48"]) == 0

    assert printed == ["webcam.mp4"]
