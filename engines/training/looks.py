"""Exact targets of the art styles, screens and gradings: :mod:`engines.training.targets` has the rest.

Each look is ``(pictures, amount, rgb) -> edited`` as there. Patterns (dots, hatching, scan lines, panes of glass) are
counted from the upper left corner and repeat within 16 pixels, the stride of the embedded network: a convolution
knows where it is only up to its stride.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from engines.training.filters import (
    colour_map,
    gaussian_blur,
    gradient,
    guided_filter,
    luma,
    saturate,
    scaled,
    shift,
    soft_steps,
)

PATTERN_PERIOD = 16


def _colour(x: Tensor, red: float, green: float, blue: float) -> Tensor:
    return x.new_tensor([red, green, blue]).view(1, 3, 1, 1)


def _grid(x: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column of every pixel's centre, (1, 1, H, 1) and (1, 1, 1, W), in the lengths of the filters."""
    height, width = x.shape[-2:]
    rows = torch.arange(height, device=x.device, dtype=x.dtype) + 0.5
    columns = torch.arange(width, device=x.device, dtype=x.dtype) + 0.5
    return rows.view(1, 1, -1, 1) / scaled(1), columns.view(1, 1, 1, -1) / scaled(1)


def _edges(x: Tensor, sigma: float, threshold: float, width: float) -> Tensor:
    """Soft mask in [0, 1] of where the luma changes by more than ``threshold`` a pixel, (B, 1, H, W)."""
    dx, dy = gradient(gaussian_blur(luma(x), sigma))
    return torch.sigmoid(((dx**2 + dy**2 + 1e-8).sqrt() - threshold) / width)


def watercolour(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """Flat washes that run to the paper's white, pigment gathered at their rims."""
    wash = guided_filter(guided_filter(x, 3, 0.003), 3, 0.003)
    bands = soft_steps(luma(wash), 6, 6.0)
    wash = saturate(wash * ((bands + 0.1) / (luma(wash) + 0.1)).clamp(max=1.5), 1.25).clamp(0, 1)
    paper = _colour(x, 0.985, 0.97, 0.94)
    light = torch.lerp(wash, paper, 0.22 + 0.40 * luma(wash) ** 2)
    rims = _edges(wash, 1.0, 0.03, 0.008)
    return light * (1 - 0.45 * rims * (1 - 0.6 * wash))


def ink(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """Pen and ink: outlines, hatching in the half-tones, cross-hatching in the shadows."""
    grey = gaussian_blur(luma(x), 1.5)
    rows, columns = _grid(x)
    angle = 2 * math.pi / 8
    falling = 0.5 + 0.5 * torch.cos((columns - rows) * angle)
    rising = 0.5 + 0.5 * torch.cos((columns + rows) * angle)
    # A darker tone makes a wider stroke.
    hatch = torch.sigmoid((falling - 0.35 - 1.3 * grey) * 9)
    cross = torch.sigmoid((rising - 0.75 - 1.9 * grey) * 9)
    black = torch.sigmoid((0.10 - grey) / 0.03)
    outline = _edges(x, 1.0, 0.045, 0.010)
    ink_share = 1 - (1 - 0.85 * hatch) * (1 - 0.85 * cross) * (1 - black) * (1 - outline)
    return torch.lerp(_colour(x, 0.97, 0.955, 0.92), _colour(x, 0.09, 0.08, 0.12), ink_share)


def halftone(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """Comic print: flat bright colours under dots on a 45 degree screen, the darker the larger, and outlines."""
    flat = soft_steps(saturate(gaussian_blur(x, 1.2), 1.5), 4, 9.0)
    tone = gaussian_blur(luma(x), 2.0)
    rows, columns = _grid(x)
    screen = 0.5 + 0.25 * (
        torch.cos((columns + rows) * (2 * math.pi / 8)) + torch.cos((columns - rows) * (2 * math.pi / 8))
    )
    dots = torch.sigmoid((screen - 0.18 - 1.05 * tone) * 14)
    bright = torch.lerp(flat, torch.ones_like(flat), 0.35)
    printed = bright * (1 - dots * (1 - 0.55 * flat))
    return printed * (1 - 0.9 * _edges(x, 1.2, 0.06, 0.012))


def stained_glass(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """Diamond panes of one strong colour each between strips of lead."""
    height, width = x.shape[-2:]
    rows, columns = _grid(x)
    # Diamonds of 16 x 16 between x + y and x - y; each takes the mean colour around its middle.
    up, down = (columns + rows) / PATTERN_PERIOD, (columns - rows) / PATTERN_PERIOD
    middle_row = (up.floor() - down.floor()) * (PATTERN_PERIOD / 2)
    middle_column = (up.floor() + down.floor() + 1) * (PATTERN_PERIOD / 2)
    mean = gaussian_blur(saturate(x, 1.9), 3.0).clamp(0, 1)
    row = (middle_row * scaled(1)).round().long().clamp(0, height - 1)[0, 0]
    column = (middle_column * scaled(1)).round().long().clamp(0, width - 1)[0, 0]
    # Painted glass: a pane keeps some of the drawing in it.
    panes = torch.lerp(mean[:, :, row, column], saturate(gaussian_blur(x, 1.0), 1.9).clamp(0, 1), 0.35)
    nearness = torch.maximum((up - up.floor() - 0.5).abs(), (down - down.floor() - 0.5).abs())
    lead = torch.sigmoid((nearness - 0.455) * 70)
    outline = _edges(x, 1.2, 0.05, 0.010)
    light = panes**0.8 * (1.15 - 0.6 * (nearness - 0.2).clamp(min=0))
    return torch.lerp(light, _colour(x, 0.06, 0.06, 0.07), 1 - (1 - lead) * (1 - 0.9 * outline))


def blueprint(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """White lines on blue paper with a faint grid."""
    dx, dy = gradient(gaussian_blur(luma(x), 0.9))
    lines = (9 * (dx**2 + dy**2 + 1e-8).sqrt() - 0.18).clamp(0, 1)
    rows, columns = _grid(x)
    near_line = torch.minimum((rows % PATTERN_PERIOD - 0.5).abs(), (columns % PATTERN_PERIOD - 0.5).abs())
    grid = 0.16 * (1 - near_line).clamp(min=0)
    tone = 0.10 * gaussian_blur(luma(x), 2.0)
    paper = _colour(x, 0.06, 0.20, 0.48) + tone
    return torch.lerp(paper, _colour(x, 0.90, 0.95, 1.0), (lines + grid).clamp(max=0.95))


def chalk(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """Coloured chalk on a green-black board: strokes along the edges, rubbed chalk in the lights."""
    dx, dy = gradient(gaussian_blur(luma(x), 1.0))
    strokes = (7 * (dx**2 + dy**2 + 1e-8).sqrt() - 0.15).clamp(0, 1)
    rows, columns = _grid(x)
    grain = 0.5 + 0.5 * torch.cos((columns + rows) * (2 * math.pi / 4))
    rubbed = ((gaussian_blur(luma(x), 1.5) - 0.35) / 0.65).clamp(min=0) * (0.35 + 0.3 * grain)
    pigment = torch.lerp(saturate(gaussian_blur(x, 1.5), 1.3), torch.ones_like(x), 0.55).clamp(0, 1)
    board = _colour(x, 0.10, 0.16, 0.14)
    return torch.lerp(board, pigment, (strokes + rubbed).clamp(max=0.92))


def vhs(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """Tape: soft luma with a ringing edge, colour smeared to the right, washed blacks, field lines."""
    grey = luma(x)
    soft = gaussian_blur(grey, 1.0)
    soft = soft + 0.9 * (soft - gaussian_blur(soft, 2.0))
    chroma = gaussian_blur(x - grey, 3.5)
    smeared = shift(chroma, -6, 0)
    rows, _ = _grid(x)
    lines = 1 - 0.14 * (0.5 + 0.5 * torch.cos(rows * (2 * math.pi / 4)))
    picture = soft + 1.6 * smeared + _colour(x, 0.03, -0.02, 0.05)
    return (0.07 + 0.86 * picture) * lines


def crt(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """A picture tube seen from near: scan lines, stripes of red, green and blue phosphor, a glow."""
    rows, columns = _grid(x)
    scan = 0.62 + 0.38 * (0.5 - 0.5 * torch.cos(rows * (2 * math.pi / 4)))
    phase = x.new_tensor([0.0, 1 / 3, 2 / 3]).view(1, 3, 1, 1)
    stripes = 0.78 + 0.22 * torch.cos(2 * math.pi * (columns / 4 - phase))
    glow = gaussian_blur(x, 2.5)
    return 1.3 * x * scan * stripes + 0.22 * glow


def night_vision(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """An image intensifier: bright green, lifted shadows, bloom in the lights, fine lines."""
    grey = luma(x)
    gained = gaussian_blur(grey, 0.8) ** 0.75
    bloom = gaussian_blur(((grey - 0.7) / 0.3).clamp(0, 1), 4.0)
    rows, _ = _grid(x)
    lines = 1 - 0.12 * (0.5 + 0.5 * torch.cos(rows * (2 * math.pi / 4)))
    signal = (gained * 0.9 + 0.4 * bloom).clamp(0, 1) * lines
    return colour_map(signal, ((0.0, 0.04, 0.01), (0.04, 0.30, 0.07), (0.18, 0.68, 0.20), (0.75, 1.0, 0.70)))


def xray(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """A negative on blue film, steeper in the middle, edges lit."""
    grey = gaussian_blur(luma(x), 0.9)
    dx, dy = gradient(grey)
    rim = (4 * (dx**2 + dy**2 + 1e-8).sqrt()).clamp(max=0.5)
    density = torch.sigmoid((0.5 - grey) * 5.5)
    signal = (0.04 + 0.85 * density + 0.7 * rim).clamp(0, 1)
    return colour_map(signal, ((0.0, 0.01, 0.04), (0.10, 0.24, 0.40), (0.48, 0.68, 0.82), (0.95, 1.0, 1.0)))


def teal_orange(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """Cinema grading: shadows to teal, lights to orange, a little more contrast."""
    grey = luma(x)
    curve = grey + 0.25 * (grey - 0.5) * 4 * grey * (1 - grey)
    toned = x + (curve - grey)
    split = torch.lerp(_colour(x, -0.14, 0.03, 0.11), _colour(x, 0.13, 0.02, -0.13), grey)
    return torch.lerp(x, toned + 1.1 * split, amount.clamp(max=1)) + 0.6 * split * (amount - 1).clamp(min=0)


def glow(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """Orton effect: a soft bright copy screened over the picture."""
    soft = gaussian_blur(x, 4.0)
    screened = 1 - (1 - x) * (1 - 0.75 * soft**1.2)
    return torch.lerp(x, screened, (0.85 * amount).clamp(max=1.2))


def faded(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """A print from an old album: lifted warm blacks, dull whites, tired colours."""
    dull = saturate(x, 0.62)
    aged = _colour(x, 0.20, 0.15, 0.14) + dull * _colour(x, 0.76, 0.76, 0.66)
    return torch.lerp(x, aged, (0.9 * amount).clamp(max=1.15))


def sharpen(x: Tensor, amount: Tensor, rgb: Tensor) -> Tensor:
    """Unsharp mask of 1.5 pixels."""
    return x + 1.3 * amount * (x - gaussian_blur(x, 1.5))


LOOKS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "watercolour": watercolour,
    "ink": ink,
    "halftone": halftone,
    "stained_glass": stained_glass,
    "blueprint": blueprint,
    "chalk": chalk,
    "vhs": vhs,
    "crt": crt,
    "night_vision": night_vision,
    "xray": xray,
    "teal_orange": teal_orange,
    "glow": glow,
    "faded": faded,
    "sharpen": sharpen,
}
"""Family name -> its target, before the amount is blended for families that are not graded."""

GRADED_LOOKS = frozenset({"teal_orange", "glow", "faded", "sharpen"})
"""Looks whose recipe reads the amount itself."""
