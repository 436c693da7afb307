import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from engines.metrics import (
    error_accumulation,
    excess,
    mean_absolute_change,
    psnr_db,
    ssim,
    structural_distance,
    temporal_consistency,
    video_distance,
)


def noise(seed: int, count: int = 1, size: int = 24) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def grey_levels(*levels: float) -> Tensor:
    return torch.tensor(levels).view(-1, 1, 1, 1).expand(-1, 3, 16, 16)


def test_a_constant_error_has_a_known_psnr() -> None:
    target = torch.full((2, 3, 8, 8), 0.5)

    torch.testing.assert_close(psnr_db(target + 0.1, target), torch.full((2,), 20.0))


def test_identical_pictures_have_a_finite_psnr() -> None:
    target = torch.rand(1, 3, 8, 8)

    assert psnr_db(target, target).item() == 60


@pytest.mark.parametrize(
    "measure", [psnr_db, ssim, structural_distance, mean_absolute_change, video_distance]
)
def test_pictures_of_different_shapes_are_refused(measure: object) -> None:
    assert callable(measure)
    with pytest.raises(ValueError, match="shapes differ"):
        measure(torch.zeros(1, 3, 16, 16), torch.zeros(2, 3, 16, 16))


def test_ssim_is_that_of_scikit_image() -> None:
    first, second = noise(0, size=40), noise(1, size=40) * 0.5 + 0.2
    luma = [
        (p[0] * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0).numpy() for p in (first, second)
    ]
    _, similarity = structural_similarity(  # type: ignore[no-untyped-call]
        *luma, data_range=1.0, gaussian_weights=True, use_sample_covariance=False, full=True
    )

    assert ssim(first, second).item() == pytest.approx(np.mean(similarity[5:-5, 5:-5]), abs=1e-5)


def test_identical_pictures_have_no_structural_distance() -> None:
    torch.testing.assert_close(structural_distance(noise(0, 2), noise(0, 2)), torch.zeros(2))


def test_constant_pictures_differ_by_their_luminance_term_alone() -> None:
    expected = (2 * 0.2 * 0.8 + 1e-4) / (0.2**2 + 0.8**2 + 1e-4)

    assert ssim(grey_levels(0.2), grey_levels(0.8)).item() == pytest.approx(expected, abs=1e-5)


def test_a_picture_smaller_than_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="window of 11"):
        ssim(torch.zeros(1, 3, 10, 16), torch.zeros(1, 3, 10, 16))


def test_temporal_consistency_is_the_mean_step_between_frames() -> None:
    clip = grey_levels(0.1, 0.2, 0.4)

    assert temporal_consistency(clip, mean_absolute_change) == pytest.approx(0.15)


def test_error_accumulation_is_the_mean_distance_to_the_first_frame() -> None:
    clip = grey_levels(0.1, 0.2, 0.4)

    assert error_accumulation(clip, mean_absolute_change) == pytest.approx(0.2)


def test_a_still_clip_has_neither_flicker_nor_drift() -> None:
    clip = noise(3).expand(5, -1, -1, -1)

    assert temporal_consistency(clip) == pytest.approx(0, abs=1e-6)
    assert error_accumulation(clip) == pytest.approx(0, abs=1e-6)


def test_flicker_around_a_value_shows_in_consistency_more_than_in_accumulation() -> None:
    flicker = grey_levels(0.2, 0.4, 0.2, 0.4, 0.2)
    ramp = grey_levels(0.2, 0.25, 0.3, 0.35, 0.4)

    assert temporal_consistency(flicker, mean_absolute_change) > temporal_consistency(
        ramp, mean_absolute_change
    )
    assert error_accumulation(flicker, mean_absolute_change) < error_accumulation(ramp, mean_absolute_change)


def test_video_distance_is_the_mean_over_frames() -> None:
    clip, targets = grey_levels(0.1, 0.5), grey_levels(0.1, 0.3)

    assert video_distance(clip, targets, mean_absolute_change) == pytest.approx(0.1)


def test_a_clip_that_moves_as_its_target_has_no_excess() -> None:
    targets = grey_levels(0.1, 0.2, 0.4)

    assert excess(temporal_consistency, targets + 0.3, targets, mean_absolute_change) == pytest.approx(
        0, abs=1e-6
    )
    assert excess(error_accumulation, targets * 2, targets, mean_absolute_change) == pytest.approx(0.2)


@pytest.mark.parametrize("measure", [temporal_consistency, error_accumulation])
def test_one_frame_has_no_temporal_measure(measure: object) -> None:
    assert callable(measure)
    with pytest.raises(ValueError, match="two frames, not 1"):
        measure(noise(0))
