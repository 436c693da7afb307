"""A small edit takes the detail of its full-size source."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage import data

from engines.upsampling import guided_luma, studio_luma, takes_detail

Luma = NDArray[np.uint8]


@pytest.fixture(scope="module")
def source() -> Luma:
    """A photograph's luma, 480x512, in the range of video."""
    photograph: NDArray[np.uint8] = data.astronaut()  # type: ignore[no-untyped-call]
    return np.asarray(16 + photograph[:480].mean(-1) * 219 / 255, np.uint8)


def small(luma: Luma) -> NDArray[np.float32]:
    return np.asarray(torch.nn.functional.avg_pool2d(torch.from_numpy(luma).float()[None], 2)[0])


def bicubic(luma: NDArray[np.float32]) -> Luma:
    full = torch.nn.functional.interpolate(
        torch.from_numpy(luma)[None, None], scale_factor=2, mode="bicubic", align_corners=False
    )
    return np.asarray(full[0, 0].round().clamp(0, 255).to(torch.uint8))


def error(a: Luma, b: NDArray[Any]) -> float:
    """Mean absolute difference in 8-bit levels."""
    return float(np.abs(a.astype(float) - b).mean())


@given(gain=st.floats(-0.9, 0.9), level=st.floats(90, 160))
def test_any_line_of_the_source_is_followed_at_full_size(source: Luma, gain: float, level: float) -> None:
    crop = source[100:228, 200:328]
    exact = (level + gain * (crop.astype(float) - 125)).clip(0, 255)
    s, e = small(crop), level + gain * (small(crop) - 125)
    # Half a level is what rounding takes where the line is level and lies between two.
    assert error(guided_luma(crop, s, e), exact) < 0.51 + 0.2 * error(bicubic(e), exact)


def test_an_edit_without_the_sources_detail_gets_none(source: Luma) -> None:
    s = small(source)
    flat = np.full_like(s, 120.0)
    assert np.abs(guided_luma(source, s, flat).astype(int) - 120).max() == 0


def test_detail_of_the_edit_alone_stays(source: Luma) -> None:
    """A drawn line the source knows nothing of is not smeared by it."""
    flat = np.full((64, 64), 128, np.uint8)
    edit = np.full((32, 32), 128.0, np.float32)
    edit[:, 16] = 20.0
    drawn = guided_luma(flat, small(flat), edit)
    assert drawn[:, 32:34].max() < 75
    assert drawn[:, :30].min() == 128


@pytest.mark.parametrize("size", [(480, 640), (481, 643), (1080, 1920)])
def test_where_the_source_is_level_the_edit_is_made_larger_bilinearly(size: tuple[int, int]) -> None:
    edit = np.random.default_rng(0).uniform(16, 235, (256, 336)).astype(np.float32)
    level = np.full(size, 128, np.uint8)

    shown = guided_luma(level, np.full_like(edit, 128), edit)

    exact = torch.nn.functional.interpolate(torch.from_numpy(edit)[None, None], size, mode="bilinear")[0, 0]
    assert np.abs(shown - exact.numpy()).max() < 0.51


def test_camera_noise_is_not_taken_for_detail() -> None:
    noise = np.random.default_rng(0).normal(120, 1.5, (128, 128)).round().astype(np.uint8)
    smooth = np.random.default_rng(1).normal(120, 0.25, (64, 64)).astype(np.float32)
    assert guided_luma(noise, small(noise), smooth).std() < 1.0


def test_studio_luma_is_video_black_and_white() -> None:
    assert studio_luma(np.zeros((2, 2, 3), np.uint8))[0, 0] == pytest.approx(16)
    assert studio_luma(np.full((2, 2, 3), 255, np.uint8))[0, 0] == pytest.approx(235)


def test_pictures_of_two_sizes_are_refused(source: Luma) -> None:
    with pytest.raises(ValueError, match="must match"):
        guided_luma(source, np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8))


def test_an_edit_that_loses_by_the_sources_detail_is_left_without() -> None:
    assert takes_detail(["night", "background_blur"])
    assert takes_detail([])
    assert not takes_detail(["night", "relief"])
