import pytest
import torch

from engines.metrics import psnr_db


def test_a_constant_error_has_a_known_psnr() -> None:
    target = torch.full((2, 3, 8, 8), 0.5)

    torch.testing.assert_close(psnr_db(target + 0.1, target), torch.full((2,), 20.0))


def test_identical_pictures_have_a_finite_psnr() -> None:
    target = torch.rand(1, 3, 8, 8)

    assert psnr_db(target, target).item() == 60


def test_pictures_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        psnr_db(torch.zeros(1, 3, 8, 8), torch.zeros(2, 3, 8, 8))
