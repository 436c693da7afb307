import numpy as np

from server.camera.picture import BACKGROUND, slate


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
