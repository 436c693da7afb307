from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.live.clip import (
    ClipError,
    Picture,
    astronaut,
    back_and_forth,
    read_clip,
    write_y4m,
)
from tests.server.clips import make_clip


def test_the_photographs_loop_moves_and_has_no_cut() -> None:
    frames = astronaut(60, 160, 120)
    steps = [difference(frame, after) for frame, after in zip(frames, [*frames[1:], frames[0]], strict=True)]
    assert all(frame.shape == (120, 160, 3) for frame in frames)
    assert min(steps) > 1.0
    assert max(steps) < 3 * np.median(steps)


def test_back_and_forth_shows_every_turning_point_once() -> None:
    frames = [np.full((2, 2, 3), value, np.uint8) for value in (1, 2, 3)]
    assert [int(frame[0, 0, 0]) for frame in back_and_forth(frames)] == [1, 2, 3, 2]


def test_a_camera_file_holds_the_frames_at_their_rate(tmp_path: Path) -> None:
    frames = astronaut(3, 64, 48)

    with av.open(str(write_y4m(tmp_path / "camera.y4m", frames))) as container:
        stream = container.streams.video[0]
        read = [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in container.decode(stream)]

    assert stream.average_rate == 30
    assert len(read) == 3
    assert all(difference(a, b) < 4 for a, b in zip(frames, read, strict=True))


def test_a_video_file_is_cut_to_the_views_shape(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", count=5, size=(192, 128))
    frames = read_clip(clip, 3, 64, 64)
    assert [frame.shape for frame in frames] == [(64, 64, 3)] * 3


def test_what_is_no_clip_is_refused_in_one_line(tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("not a video")
    for path in (text, tmp_path / "missing.mp4"):
        with pytest.raises(ClipError, match=path.name):
            read_clip(path, 3, 64, 64)


def difference(a: Picture, b: Picture) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())
