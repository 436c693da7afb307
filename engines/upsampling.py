"""An edit made small, shown at the camera's own resolution: joint upsampling guided by the full-size source.

Between a small source s and its edit e there is, around every pixel, a line e = a s + b (least squares over a small
window, the guided filter's model: He et al. 2010; with its coefficients upsampled in place of the picture, as in
He & Sun 2015, "Fast Guided Filter"). The same line applied to the full-size source gives the edit the detail that
was lost on the way down, and none where the edit has taken it away: there the slope is 0.

Only luma is done so. Video leaves with half the colour resolution anyway (4:2:0), which is about what the edit has.
"""

from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

NOISE_VARIANCE = 1e-5 * 255**2
"""Variance of luma, in squared 8-bit levels, below which a window is taken for flat: what rounding and the small
picture's own noise leave. Ten times as much takes real detail for noise: 1 dB less with the model's own edits."""

BICUBIC_FAMILIES = frozenset({"blur", "neon_edges", "relief"})
"""Families that are enlarged without the source's detail: by ``python -m benchmarks.upsampling`` they lose by it, or
gain nothing."""

_LUMA_601 = (65.481 / 255, 128.553 / 255, 24.966 / 255)
_BLACK = 16.0


Luma = NDArray[np.uint8] | NDArray[np.float32]


def studio_luma(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Luma of an (H, W, 3) RGB picture as video carries it (ITU-R BT.601, 16 to 235), (H, W) float32."""
    luma = torch.from_numpy(picture).float() @ torch.tensor(_LUMA_601) + _BLACK
    return np.asarray(luma, np.float32)


def takes_detail(families: Iterable[str]) -> bool:
    """Whether an edit by these families gains by the source's detail."""
    return BICUBIC_FAMILIES.isdisjoint(families)


def guided_luma(source: NDArray[np.uint8], small_source: Luma, small_edit: Luma) -> NDArray[np.uint8]:
    """The edit's luma at the source's full size.

    Args:
        source: Full-size luma of the source, (H, W).
        small_source: Luma of the source as it was edited, (h, w), on the same scale.
        small_edit: Luma of its edit, (h, w), likewise.

    Returns:
        (H, W) uint8.

    Raises:
        ValueError: The two small pictures differ in shape.
    """
    if small_source.shape != small_edit.shape:
        raise ValueError(
            f"an edit of {small_edit.shape} for a source of {small_source.shape}: they must match"
        )
    slope, offset = _local_line(_floats(small_source), _floats(small_edit))
    lines = F.interpolate(
        torch.stack([slope, offset])[None], size=source.shape, mode="bilinear", align_corners=False
    )[0]
    full = torch.addcmul(lines[1], lines[0], _floats(source))
    return full.add_(0.5).clamp_(0, 255).to(torch.uint8).numpy()


def _floats(plane: Luma) -> Tensor:
    # A plane whose rows are padded, or that must not be written, cannot be shared with torch.
    return torch.from_numpy(plane.astype(np.float32))


def _local_line(s: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
    """Slope of the line around every pixel, and what it leaves to the edit there: e = slope * s + offset exactly."""
    mean_s, mean_e, mean_ss, mean_se = _window_mean(torch.stack([s, e, s * s, s * e]))
    slope = (mean_se - mean_s * mean_e) / (mean_ss - mean_s * mean_s + NOISE_VARIANCE)
    # Every pixel lies in nine windows; the mean of their slopes is surer than its own where the edit is drawn.
    slope = _window_mean(slope[None])[0]
    return slope, e - slope * s


def _window_mean(planes: Tensor) -> Tensor:
    """Mean of every 3 x 3 window, edges replicated: the smallest window there is gives the sharpest result."""
    # Six sums of shifted planes; the pooling layer takes ten times as long.
    padded = F.pad(planes[None], (1, 1, 1, 1), mode="replicate")[0]
    rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return (rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]) / 9
