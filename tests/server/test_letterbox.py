import numpy as np
import pytest

from server.letterbox import fit, letterbox


@pytest.mark.parametrize(
    ("size", "frame", "fitted"),
    [
        ((640, 480), (1280, 720), (960, 720)),
        ((1280, 720), (640, 480), (640, 360)),
        ((336, 256), (336, 256), (336, 256)),
        ((255, 256), (256, 256), (256, 256)),
        ((4000, 2), (640, 480), (640, 2)),
    ],
)
def test_a_picture_fits_as_large_as_its_shape_allows(
    size: tuple[int, int], frame: tuple[int, int], fitted: tuple[int, int]
) -> None:
    assert fit(size, frame) == fitted


def test_bars_are_black_and_the_picture_is_in_the_middle() -> None:
    framed = letterbox(np.full((4, 4, 3), 200, np.uint8), (8, 4))
    assert framed.shape == (4, 8, 3)
    assert framed[:, :, 0].tolist() == [[0, 0, 200, 200, 200, 200, 0, 0]] * 4


def test_a_picture_of_the_right_size_is_not_copied() -> None:
    picture = np.full((4, 8, 3), 200, np.uint8)
    assert letterbox(picture, (8, 4)) is picture
