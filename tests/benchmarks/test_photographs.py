from importlib.metadata import files

import numpy as np

from benchmarks.photographs import UNSEEN, unseen_photographs
from benchmarks.reels import load_reels
from benchmarks.upsampling import photographs

TRAINED_ON = {"brick", "coffee", "rocket"}


def test_the_model_was_trained_on_none_of_them() -> None:
    assert TRAINED_ON.isdisjoint(UNSEEN)


def test_they_come_with_the_package() -> None:
    carried = {path.stem for path in files("scikit-image") or () if path.parent.name == "data"}

    assert {"astronaut", "chelsea", "motorcycle_left", "motorcycle_right", "motorcycle_disp"} <= carried
    assert all(
        picture.dtype == np.uint8 and picture.shape[2:] == (3,) for picture in unseen_photographs().values()
    )


def test_the_benchmarks_of_the_shipped_model_all_take_them() -> None:
    pictures = unseen_photographs()

    assert [reel.name for reel in load_reels(None, 32, 2)] == list(pictures)
    for (shown, matte), picture in zip(photographs(None, 8), pictures.values(), strict=True):
        assert np.array_equal(np.asarray(shown), picture)
        assert matte is None
