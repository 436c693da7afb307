import numpy as np
import pytest

from benchmarks.fidelity import psnr_db


def test_a_constant_error_has_a_known_psnr() -> None:
    target = np.full((8, 6, 3), 100, np.uint8)

    assert psnr_db(target + np.uint8(5), target) == pytest.approx(20 * np.log10(255 / 5), abs=1e-4)


def test_like_pictures_have_the_ceiling_of_the_clips_measure() -> None:
    picture = np.arange(8 * 6 * 3, dtype=np.uint8).reshape(8, 6, 3)

    assert psnr_db(picture, picture) == 60


def test_pictures_of_two_shapes_are_not_compared() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        psnr_db(np.zeros((8, 6, 3), np.uint8), np.zeros((6, 8, 3), np.uint8))
