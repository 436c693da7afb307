import numpy as np
import pytest

from server.camera.picture import BACKGROUND, fit, letterbox, slate


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


def test_a_slate_has_words_on_a_dark_ground_and_keeps_them_inside() -> None:
    drawn = slate((640, 360), "Waiting for the picture, which takes its time to come", "127.0.0.1:8080")
    inked = np.abs(drawn.astype(int) - np.array(BACKGROUND)).max(2) > 40
    columns, rows = np.flatnonzero(inked.any(0)), np.flatnonzero(inked.any(1))
    assert drawn.shape == (360, 640, 3)
    assert 640 * 0.05 < columns[0] < 640 * 0.2
    assert 640 * 0.8 < columns[-1] < 640 * 0.95
    assert len(rows) > 20
    assert not np.array_equal(drawn, slate((640, 360), "The session has ended", "127.0.0.1:8080"))


def test_the_smallest_slate_can_be_drawn() -> None:
    assert slate((2, 2), "words").shape == (2, 2, 3)
