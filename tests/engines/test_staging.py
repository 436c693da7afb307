"""Batches of pictures on their way to the device."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engines.staging import Staging


def pictures(count: int, height: int = 4, width: int = 6) -> list[NDArray[np.uint8]]:
    generator = np.random.default_rng(count)
    return [generator.integers(0, 256, (height, width, 3), np.uint8) for _ in range(count)]


def test_a_single_picture_for_a_processor_is_not_copied() -> None:
    (picture,) = pictures(1)
    batch = Staging(torch.device("cpu")).together([picture])
    picture[0, 0] = 7
    assert batch.shape == (1, 4, 6, 3)
    assert batch[0, 0, 0].tolist() == [7, 7, 7]


def test_a_picture_that_must_not_be_written_is_copied() -> None:
    (picture,) = pictures(1)
    picture.flags.writeable = False
    assert np.array_equal(Staging(torch.device("cpu")).together([picture])[0], picture)


def test_pictures_for_a_gpu_go_through_one_locked_place(monkeypatch: pytest.MonkeyPatch) -> None:
    locked, empty = list[torch.Tensor](), torch.empty

    def locking(size: int, dtype: torch.dtype, pin_memory: bool) -> torch.Tensor:
        assert pin_memory
        locked.append(empty(size, dtype=dtype))
        return locked[-1]

    monkeypatch.setattr(torch, "empty", locking)
    staging = Staging(torch.device("cuda"))
    for count, height in ((4, 4), (1, 4), (2, 8), (3, 4)):
        given = pictures(count, height)
        batch = staging.together(given)
        assert np.array_equal(batch, np.stack(given))
        assert batch.data_ptr() == locked[0].data_ptr()
    staging.together(pictures(9))
    assert len(locked) == 2
