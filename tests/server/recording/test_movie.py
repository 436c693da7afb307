from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest

from server.recording.movie import Movie
from server.session.frame import Picture
from tests.server.screen import is_colour

RED, BLACK = (200, 40, 40), (0, 0, 0)


def picture(width: int, height: int, pixel_format: str) -> av.VideoFrame:
    red = av.VideoFrame.from_ndarray(np.full((height, width, 3), RED, np.uint8), format="rgb24")
    return red.reformat(format=pixel_format)


@pytest.mark.parametrize("pixel_format", ["rgb24", "yuv420p"])
def test_a_phone_that_is_turned_is_shown_between_bars(tmp_path: Path, pixel_format: str) -> None:
    movie = Movie(tmp_path / "movie.mp4", picture(320, 240, pixel_format), False, lambda _: None)
    for number, size in enumerate([(320, 240), (240, 320), (160, 128)]):
        movie.write(picture(*size, pixel_format), 3000 * number)
    movie.close()

    with av.open(str(tmp_path / "movie.mp4")) as written:
        wide, tall, small = (
            cast(Picture, frame.to_ndarray(format="rgb24")) for frame in written.decode(video=0)
        )
    assert is_colour(wide, RED)
    assert is_colour(small, RED)
    assert is_colour(tall[:, 75:245], RED)
    assert is_colour(tall[:, :60], BLACK)
    assert is_colour(tall[:, -60:], BLACK)
