"""An edit made small, shown at the camera's own resolution: joint upsampling guided by the full-size source.

Between a small source s and its edit e there is, around every pixel, a line e = a s + b (least squares over a small
window, the guided filter's model: He et al. 2010; with its coefficients upsampled in place of the picture, as in
He & Sun 2015, "Fast Guided Filter"). The same line applied to the full-size source gives the edit the detail that
was lost on the way down, and none where the edit has taken it away: there the slope is 0.

Only luma is done so. Video leaves with half the colour resolution anyway (4:2:0), which is about what the edit has.

In NumPy, for one thread: PyTorch would share every operation out among threads of its own, which then wait, at full
speed, for the cores that the editor has.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NOISE_VARIANCE = 1e-5 * 255**2
"""Variance of luma, in squared 8-bit levels, below which a window is taken for flat: what rounding and the small
picture's own noise leave. Ten times as much takes real detail for noise: 1 dB less with the model's own edits."""

BICUBIC_FAMILIES = frozenset(
    {
        "blueprint",
        "blur",
        "cartoon",
        "neon_edges",
        "night_vision",
        "painting",
        "pencil_sketch",
        "posterize",
        "relief",
        "thermal",
        "vhs",
        "xray",
    }
)
"""Families enlarged without the source's detail: by ``python -m benchmarks.upsampling`` they lose by it. Their looks
are soft or draw lines of their own."""

_LUMA_601 = tuple(np.float32(weight / 255) for weight in (65.481, 128.553, 24.966))
_BLACK, _HALF = np.float32(16), np.float32(0.5)
_ROWS = 32
"""Of the full size at a time: more of them leave the processor's cache between two operations."""


Luma = NDArray[np.uint8] | NDArray[np.float32]


def studio_luma(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Luma of an (H, W, 3) RGB picture as video carries it (ITU-R BT.601, 16 to 235), (H, W) float32."""
    # Colour by colour: a product of matrices may wake the threads of a library.
    red, green, blue = (picture[..., index] * weight for index, weight in enumerate(_LUMA_601))
    red += green
    red += blue
    red += _BLACK
    return red


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
    lines = _local_line(_floats(small_source), _floats(small_edit))
    columns = _neighbours(lines.shape[2], source.shape[1])
    lines = _between(lines.take(columns.first, 2), lines.take(columns.second, 2), columns.share)
    rows = _neighbours(lines.shape[1], source.shape[0])
    edit = np.empty(source.shape, np.uint8)
    for top in range(0, len(source), _ROWS):
        here = slice(top, top + _ROWS)
        slope, offset = _between(
            lines.take(rows.first[here], 1), lines.take(rows.second[here], 1), rows.share[here, None]
        )
        slope *= source[here]
        slope += offset
        slope += _HALF
        edit[here] = slope.clip(0, 255, out=slope)
    return edit


def _floats(plane: Luma) -> NDArray[np.float32]:
    return np.asarray(plane, np.float32)


def _local_line(s: NDArray[np.float32], e: NDArray[np.float32]) -> NDArray[np.float32]:
    """Slope of the line around every pixel, and what it leaves to the edit there: e = slope * s + offset exactly."""
    mean_s, mean_e, mean_ss, mean_se = _window_mean(np.stack([s, e, s * s, s * e]))
    slope = (mean_se - mean_s * mean_e) / (mean_ss - mean_s * mean_s + np.float32(NOISE_VARIANCE))
    # Every pixel lies in nine windows; the mean of their slopes is surer than its own where the edit is drawn.
    slope = _window_mean(slope[None])[0]
    return np.stack([slope, e - slope * s])


def _window_mean(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of every 3 x 3 window, edges replicated: the smallest window there is gives the sharpest result."""
    padded = np.pad(planes, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = padded[:, :-2] + padded[:, 1:-1]
    rows += padded[:, 2:]
    means = rows[..., :-2] + rows[..., 1:-1]
    means += rows[..., 2:]
    means /= np.float32(9)
    return means


class _Neighbours(NamedTuple):
    """Of every place of a long row the two nearest of a short one, and how far it is on the way to the second."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    share: NDArray[np.float32]


def _neighbours(short: int, long: int) -> _Neighbours:
    places = (np.arange(long, dtype=np.float32) + _HALF) * np.float32(short / long) - _HALF
    places = places.clip(0)
    first = places.astype(np.intp)
    return _Neighbours(first, np.minimum(first + 1, short - 1), places - first.astype(np.float32))


def _between(
    first: NDArray[np.float32], second: NDArray[np.float32], share: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The share of the way from one to the other, in the memory of both."""
    second -= first
    second *= share
    first += second
    return first
