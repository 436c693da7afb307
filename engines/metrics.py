"""Measures of an edited clip: how near it is to its exact target, how steady, and how far it wanders from its start.

The temporal measures are those of the RFDM paper (arXiv 2602.06871), each a mean of one distance d between pictures.
The paper takes DreamSim for d (:mod:`engines.learned_metrics` where its weights are present); without any weights
d is :func:`structural_distance`, and the measure is then called by that name, never by the paper's. A moving scene
changes by itself, so a temporal measure is only readable beside the target's own: :func:`excess`.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Distance = Callable[[Tensor, Tensor], Tensor]
"""Two stacks of pictures, each (B, 3, H, W) in [0, 1], to the distance of each pair, (B,)."""

_PSNR_CEILING_DB = 60.0
_LUMA = (0.299, 0.587, 0.114)
_SSIM_WINDOW, _SSIM_SIGMA = 11, 1.5


def psnr_db(pictures: Tensor, targets: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each picture, in decibels.

    Args:
        pictures: (B, 3, H, W) in [0, 1].
        targets: Same shape.

    Returns:
        (B,); identical pictures count as 60 dB, so that a mean stays finite.

    Raises:
        ValueError: The shapes differ.
    """
    _same_shape(pictures, targets)
    error = (pictures.double() - targets.double()).square().mean((1, 2, 3))
    return (-10 * torch.log10(error.clamp(min=1e-12))).clamp(max=_PSNR_CEILING_DB).float()


def ssim(pictures: Tensor, targets: Tensor) -> Tensor:
    """Structural similarity of the luma; Wang et al. (2004), Eq. 13.

    The paper's own constants: Gaussian window of 11 pixels and standard deviation 1.5, K1 = 0.01, K2 = 0.03, full
    windows only. ``skimage.metrics.structural_similarity(gaussian_weights=True, use_sample_covariance=False)`` is the
    same but for the border it leaves.

    Args:
        pictures: (B, 3, H, W) in [0, 1]; H and W at least 11.
        targets: Same shape.

    Returns:
        (B,) in [-1, 1]; 1 for identical pictures.

    Raises:
        ValueError: The shapes differ, or a side is shorter than the window.
    """
    _same_shape(pictures, targets)
    if min(pictures.shape[-2:]) < _SSIM_WINDOW:
        raise ValueError(f"{tuple(pictures.shape[-2:])} is smaller than the window of {_SSIM_WINDOW} pixels")
    # Double precision: the variances are differences of nearly equal numbers.
    a, b = _luma(pictures).double(), _luma(targets).double()
    mean_a, mean_b = _window_mean(a), _window_mean(b)
    variance_a = _window_mean(a * a) - mean_a**2
    variance_b = _window_mean(b * b) - mean_b**2
    covariance = _window_mean(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    similarity = ((2 * mean_a * mean_b + c1) * (2 * covariance + c2)) / (
        (mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)
    )
    return similarity.mean((1, 2, 3)).float()


def structural_distance(pictures: Tensor, targets: Tensor) -> Tensor:
    """(1 - SSIM) / 2, a :data:`Distance` in [0, 1] that needs no weights; 0 for identical pictures.

    Raises:
        ValueError: As :func:`ssim`.
    """
    return (1 - ssim(pictures, targets)) / 2


def mean_absolute_change(pictures: Tensor, targets: Tensor) -> Tensor:
    """Mean absolute difference of all samples, a :data:`Distance` in [0, 1]: what a pop looks like in grey levels."""
    _same_shape(pictures, targets)
    return (pictures - targets).abs().mean((1, 2, 3))


def temporal_consistency(clip: Tensor, distance: Distance = structural_distance) -> float:
    """TempCon: mean distance of each frame to the one before, 1/(T-1) sum_t d(y_t, y_{t-1}); lower is steadier.

    No text at hand spells the paper's formula out; this is the reading that fits its name, its range and its sister
    measure :func:`error_accumulation`.

    Args:
        clip: Frames in order, (T, 3, H, W) in [0, 1].
        distance: The paper's is DreamSim.

    Raises:
        ValueError: There are fewer than two frames.
    """
    return float(distance(*_pairs(clip, clip[:-1])).mean())


def error_accumulation(clip: Tensor, distance: Distance = structural_distance) -> float:
    """ErrAccu: mean distance of the later frames to the first, 1/(T-1) sum_{t>0} d(y_t, y_0).

    The formula is the one published summaries of the paper give. Motion counts as well as error: compare with the
    target's own.

    Args:
        clip: Frames in order, (T, 3, H, W) in [0, 1].
        distance: The paper's is DreamSim.

    Raises:
        ValueError: There are fewer than two frames.
    """
    return float(distance(*_pairs(clip, clip[:1])).mean())


def video_distance(clip: Tensor, targets: Tensor, distance: Distance = structural_distance) -> float:
    """Mean distance to the exact target, 1/T sum_t d(y_t, target_t): ViDreamSim where ``distance`` is DreamSim.

    Args:
        clip: Frames in order, (T, 3, H, W) in [0, 1].
        targets: Their exact edits, same shape.
        distance: What tells two pictures apart.

    Raises:
        ValueError: The shapes differ.
    """
    _same_shape(clip, targets)
    return float(distance(clip, targets).mean())


def excess(
    measure: Callable[[Tensor, Distance], float], clip: Tensor, targets: Tensor, distance: Distance
) -> float:
    """A temporal measure of a clip less the same of its target: 0 where the edit moves just as its target does.

    Args:
        measure: :func:`temporal_consistency` or :func:`error_accumulation`.
        clip: (T, 3, H, W) in [0, 1].
        targets: Same shape.
        distance: Handed to ``measure``.
    """
    return measure(clip, distance) - measure(targets, distance)


def _pairs(clip: Tensor, earlier: Tensor) -> tuple[Tensor, Tensor]:
    if len(clip) < 2:
        raise ValueError(f"a temporal measure needs two frames, not {len(clip)}")
    later = clip[1:]
    return later, earlier.expand_as(later)


def _same_shape(pictures: Tensor, targets: Tensor) -> None:
    if pictures.shape != targets.shape:
        raise ValueError(f"shapes differ: {tuple(pictures.shape)} and {tuple(targets.shape)}")


def _luma(pictures: Tensor) -> Tensor:
    return (pictures * pictures.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def _window_mean(grey: Tensor) -> Tensor:
    offsets = torch.arange(_SSIM_WINDOW, dtype=grey.dtype, device=grey.device) - _SSIM_WINDOW // 2
    weights = torch.exp(-0.5 * (offsets / _SSIM_SIGMA) ** 2)
    weights = weights / weights.sum()
    return F.conv2d(F.conv2d(grey, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1))
