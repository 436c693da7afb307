"""Exact targets of the instruction families: what an obedient editor would make of a picture.

Each target is a function of the pixels, for people of their matte and for weather of the noise, so it holds for
every frame of a clip and for any size; lengths are in pixels of a picture whose short side is 256, and a larger one
says by ``scale`` how many of its own those are. Pictures are
(B, 3, H, W) float32 in [0, 1]; ``amount`` is (B, 1, 1, 1), 1 as said plainly, 0.5 for "slightly", 1.5 for "very";
``rgb`` is (B, 3, 1, 1) in [0, 1].

The looks follow their classical recipes but with soft steps in place of hard ones: a threshold that flips on a
grey level's noise would flicker from frame to frame in the target already.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.families import FAMILIES
from engines.training import regions, weather
from engines.training.filters import (
    box_mean,
    colour_map,
    gaussian_blur,
    gradient,
    guided_filter,
    luma,
    pixels_of,
    saturate,
    scaled,
    shift,
    soft_steps,
)
from engines.training.looks import GRADED_LOOKS, LOOKS

Target = Callable[[Tensor, Tensor, Tensor], Tensor]


def edit(
    family: str,
    pictures: Tensor,
    amount: Tensor,
    rgb: Tensor,
    *,
    rgb_of: Tensor | None = None,
    matte: Tensor | None = None,
    noise: Tensor | None = None,
    scale: float = 1.0,
) -> Tensor:
    """The exact edit of ``pictures`` by one family.

    Args:
        family: A name of ``FAMILIES``.
        pictures: (B, 3, H, W) in [0, 1]. For "remove_balloons" these are without balloons already: what is left when
            they are gone.
        amount: (B, 1, 1, 1); families without degrees of their own blend below 1 and stay at 1 above.
        rgb: (B, 3, 1, 1), the colour to give; only families of ``TAKES_RGB`` look at it.
        rgb_of: (B, 3, 1, 1), the colour of the things meant, for families of ``TAKES_RGB_OF``.
        matte: (B, 1, H, W), 1 on the person, for families of ``PEOPLE``.
        noise: Noise planes (B, 3, H, W), for families of ``NOISE_DRIFT``.
        scale: Pixels of these pictures to one of the recipe: how many times as large they are as those it is for.

    Returns:
        (B, 3, H, W) in [0, 1].

    Raises:
        KeyError: The family is unknown.
        ValueError: The family needs a colour, matte or noise that is not given, or is made of noise, which has no
            other scale.
    """
    if family in _FROM_NOISE and scale != 1:
        raise ValueError(f"{family} is made of the noise of each pixel and has no scale but 1, got {scale}")
    with pixels_of(scale):
        if family in _BY_HUE:
            edited = _BY_HUE[family](pictures, amount, rgb, _given(rgb_of, family, "rgb_of"))
        elif family in _BY_MATTE:
            edited = _BY_MATTE[family](pictures, amount, rgb, _given(matte, family, "a matte"))
        elif family in _FROM_NOISE:
            edited = _FROM_NOISE[family](pictures, amount, rgb, _given(noise, family, "noise"))
        else:
            edited = _TARGETS[family](pictures, amount, rgb)
    edited = edited.clamp(0, 1)
    if family not in GRADED:
        edited = torch.lerp(pictures, edited, amount.clamp(max=1.0))
    return edited


def _given(value: Tensor | None, family: str, what: str) -> Tensor:
    if value is None:
        raise ValueError(f"{family} needs {what}")
    return value


def _unchanged(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    return x


def _black_and_white(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    return luma(x).expand_as(x)


def _sepia(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    return luma(x) ** 0.9 * x.new_tensor([1.08, 0.86, 0.64]).view(1, 3, 1, 1)


def _negative(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    return 1 - x


def _pencil_sketch(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """Colour dodge of the grey picture by its own blur: white paper, graphite where it is darker than around."""
    grey = gaussian_blur(luma(x), 0.7)
    dodge = (grey + 0.08) / (gaussian_blur(grey, 3.0) + 0.08)
    lines = (1 - 2.2 * (1 - dodge).clamp(min=0)).clamp(min=0.12)
    shade = 0.82 + 0.18 * gaussian_blur(grey, 2.0).clamp(max=0.6) / 0.6
    return (lines * shade * 0.98).expand_as(x)


def _cartoon(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """Flat colours in soft bands with dark outlines."""
    smooth = guided_filter(guided_filter(x, 3, 0.01), 3, 0.01)
    grey = luma(smooth)
    bands = soft_steps(grey, 6, 5.0)
    flat = saturate(smooth * ((bands + 0.05) / (grey + 0.05)).clamp(max=1.6), 1.4)
    dx, dy = gradient(gaussian_blur(luma(x), 1.2))
    strength = (dx**2 + dy**2 + 1e-8).sqrt()
    outline = torch.sigmoid((strength - 0.06) / 0.014)
    return flat.clamp(0, 1) * (1 - 0.75 * outline)


def _posterize(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    return soft_steps(saturate(gaussian_blur(x, 0.8), 1.3), 4, 14.0)


def _neon_edges(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """Edges of each colour channel glowing on black."""
    dx, dy = gradient(gaussian_blur(x, 1.0))
    edges = (dx**2 + dy**2 + 1e-8).sqrt()
    colour = x / (x.amax(1, keepdim=True) + 0.1)
    lines = (6.0 * edges * (0.4 + 0.8 * colour)).clamp(max=1.2)
    glow = gaussian_blur(lines, 2.5)
    return lines + 0.7 * glow * x.new_tensor([0.9, 0.55, 1.2]).view(1, 3, 1, 1) + 0.02


_THERMAL_STOPS = (
    (0.0, 0.0, 0.12),
    (0.25, 0.0, 0.5),
    (0.65, 0.05, 0.55),
    (0.95, 0.35, 0.15),
    (1.0, 0.75, 0.1),
    (1.0, 1.0, 0.85),
)


def _thermal(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    return colour_map(gaussian_blur(luma(x), 1.2) * 1.05, _THERMAL_STOPS)


def _night(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """Day for night: darker, bluer, flatter colour, and the brightest places left on like lamps."""
    dim = saturate(x, 0.55) ** 1.5 * x.new_tensor([0.24, 0.32, 0.58]).view(1, 3, 1, 1)
    lamps = ((luma(x) - 0.78) / 0.22).clamp(0, 1) ** 2
    glow = gaussian_blur(lamps, 3.0) * x.new_tensor([0.55, 0.45, 0.25]).view(1, 3, 1, 1)
    full = dim + 0.9 * glow
    return torch.where(amount > 1, full * (1 - 0.5 * (amount - 1)), torch.lerp(x, full, amount.clamp(max=1)))


def _sunset(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """Golden-hour light: shadows towards plum, highlights towards orange."""
    grey = luma(x)
    shadows, highlights = x.new_tensor([0.32, 0.10, 0.30]), x.new_tensor([1.0, 0.62, 0.28])
    light = torch.lerp(shadows.view(1, 3, 1, 1), highlights.view(1, 3, 1, 1), grey)
    toned = x * x.new_tensor([1.12, 0.86, 0.62]).view(1, 3, 1, 1)
    return torch.lerp(x, torch.lerp(toned, light, 0.45), (0.85 * amount).clamp(max=1.25))


def _blur(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """Gaussian blur of 3 pixels times the amount, between two neighbouring widths."""
    ladder = [gaussian_blur(x, sigma) for sigma in _BLUR_SIGMAS]
    rung = ((3.0 * amount - _BLUR_SIGMAS[0]) / (_BLUR_SIGMAS[1] - _BLUR_SIGMAS[0])).clamp(0, len(ladder) - 1)
    hats = [(1 - (rung - k).abs()).clamp(min=0) for k in range(len(ladder))]
    return sum((hat * step for hat, step in zip(hats, ladder, strict=True)), torch.zeros_like(x))


_BLUR_SIGMAS = (1.0, 2.0, 3.0, 4.0, 5.0)


def _relief(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """Carved stone lit from the upper left."""
    dx, dy = gradient(gaussian_blur(luma(x), 1.3))
    height = (0.5 + 3.2 * 0.7071 * (dx + dy)).clamp(0.03, 1)
    stone = x.new_tensor([0.98, 0.95, 0.88]).view(1, 3, 1, 1)
    return height * stone + 0.08 * (gaussian_blur(luma(x), 3.0) - 0.5)


def _mosaic(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """Squares of 8 pixels counted from the upper left corner; sides not divisible by 8 end in a smaller square."""
    side = round(scaled(8))
    height, width = x.shape[-2:]
    padded = F.pad(x, (0, -width % side, 0, -height % side), mode="replicate")
    squares = F.avg_pool2d(padded, side)
    return F.interpolate(squares, scale_factor=side, mode="nearest")[..., :height, :width]


def _painting(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """Kuwahara filter with soft choice (Papari et al. 2007): the calmest neighbourhood gives the colour."""
    radius = 2
    total, weights = torch.zeros_like(x), torch.zeros_like(x[:, :1])
    mean = box_mean(x, radius)
    variance = (box_mean(x * x, radius) - mean**2).clamp(min=0).sum(1, keepdim=True)
    weight = 1 / (variance + 4e-4) ** 2
    for dy in (-3, 0, 3):
        for dx in (-3, 0, 3):
            shifted = shift(torch.cat([mean, weight], 1), dx, dy)
            total = total + shifted[:, :3] * shifted[:, 3:]
            weights = weights + shifted[:, 3:]
    return saturate(total / weights, 1.2)


def _tint(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """Duotone from near black over the colour to near white, mixed with the picture."""
    grey = luma(x)
    dark, bright = rgb * 0.08, 0.75 + 0.25 * rgb
    middle = rgb * 0.85
    duotone = torch.where(
        grey < 0.5, torch.lerp(dark, middle, 2 * grey), torch.lerp(middle, bright, 2 * grey - 1)
    )
    return torch.lerp(x, duotone, (0.65 * amount).clamp(max=1))


def _brighter(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    return x ** torch.exp2(-0.7 * amount) + 0.04 * amount


def _darker(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    return x ** torch.exp2(0.45 * amount) * (1 - 0.25 * amount)


def _more_contrast(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    return 0.5 + (x - 0.5) * (1 + 0.6 * amount)


def _less_contrast(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    return 0.5 + (x - 0.5) * (1 - 0.45 * amount)


def _more_saturated(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    return saturate(x, 1 + 0.9 * amount)


def _less_saturated(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    return saturate(x, 1 - 0.5 * amount)


def _warmer(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    return x * (1 + amount * x.new_tensor([0.16, 0.02, -0.26]).view(1, 3, 1, 1))


def _cooler(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    return x * (1 + amount * x.new_tensor([-0.26, -0.03, 0.18]).view(1, 3, 1, 1))


def _fog(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """Haze thicker where the surroundings are bright, as the far parts of a scene usually are; lines stay lines."""
    depth = gaussian_blur(luma(x), 5.0)
    density = (amount * (0.42 + 0.35 * depth)).clamp(max=0.92)
    haze = x.new_tensor([0.80, 0.83, 0.86]).view(1, 3, 1, 1)
    return torch.lerp(x, haze, density)


GRADED = GRADED_LOOKS | frozenset(
    {
        "night",
        "sunset",
        "blur",
        "tint",
        "brighter",
        "darker",
        "more_contrast",
        "less_contrast",
        "more_saturated",
        "less_saturated",
        "warmer",
        "cooler",
        "fog",
        "snow",
        "rain",
        "background_blur",
        "background_dark",
        "background_tint",
        "remove_balloons",
        "add_balloons",
    }
)
"""Families whose recipe reads the amount itself; the others blend with the picture below 1."""

_TARGETS: dict[str, Target] = {
    "unchanged": _unchanged,
    "black_and_white": _black_and_white,
    "sepia": _sepia,
    "negative": _negative,
    "pencil_sketch": _pencil_sketch,
    "cartoon": _cartoon,
    "posterize": _posterize,
    "neon_edges": _neon_edges,
    "thermal": _thermal,
    "night": _night,
    "sunset": _sunset,
    "blur": _blur,
    "relief": _relief,
    "mosaic": _mosaic,
    "painting": _painting,
    "tint": _tint,
    "brighter": _brighter,
    "darker": _darker,
    "more_contrast": _more_contrast,
    "less_contrast": _less_contrast,
    "more_saturated": _more_saturated,
    "less_saturated": _less_saturated,
    "warmer": _warmer,
    "cooler": _cooler,
    "fog": _fog,
    "remove_balloons": _unchanged,
    **LOOKS,
}
_BY_HUE = {"recolour": regions.recolour, "colour_pop": regions.colour_pop}
_BY_MATTE = {
    "background_blur": regions.background_blur,
    "background_dark": regions.background_dark,
    "background_tint": regions.background_tint,
    "background_replace": regions.background_replace,
    "background_grey": regions.background_grey,
}
_FROM_NOISE = {"snow": weather.snow, "rain": weather.rain, "add_balloons": weather.add_balloons}

_DEFINED = {*_TARGETS, *_BY_HUE, *_BY_MATTE, *_FROM_NOISE}
if set(FAMILIES) != _DEFINED:
    raise RuntimeError(f"families without a target or the reverse: {set(FAMILIES) ^ _DEFINED}")
