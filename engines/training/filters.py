"""Classical picture filters the computed targets are made of.

Pictures are (B, C, H, W) float32 in [0, 1]; lengths are in pixels, or in multiples of them within :func:`pixels_of`.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
import torch.nn.functional as F
from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)
_SCALE: ContextVar[float] = ContextVar("scale", default=1.0)


@contextmanager
def pixels_of(scale: float) -> Iterator[None]:
    """Within it a length of 1 is ``scale`` pixels: the same look, of a picture so many times as large."""
    token = _SCALE.set(scale)
    try:
        yield
    finally:
        _SCALE.reset(token)


def scaled(length: float) -> float:
    """A length in pixels."""
    return _SCALE.get() * length


def luma(pictures: Tensor) -> Tensor:
    """Rec. 601 luma, (B, 1, H, W)."""
    weights = pictures.new_tensor(_LUMA).view(1, 3, 1, 1)
    return (pictures * weights).sum(1, keepdim=True)


def gaussian_blur(pictures: Tensor, sigma: float) -> Tensor:
    """Separable Gaussian, standard deviation in pixels, edges replicated."""
    sigma = scaled(sigma)
    radius = max(1, math.ceil(3 * sigma))
    x = torch.arange(-radius, radius + 1, device=pictures.device, dtype=pictures.dtype)
    kernel = torch.exp(-0.5 * (x / sigma) ** 2)
    kernel = kernel / kernel.sum()
    channels = pictures.shape[1]
    rows = kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
    columns = kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
    padded = F.pad(pictures, (radius, radius, radius, radius), mode="replicate")
    return F.conv2d(F.conv2d(padded, rows, groups=channels), columns, groups=channels)


def box_mean(pictures: Tensor, radius: int) -> Tensor:
    """Mean of the square of side 2 * radius + 1, edges replicated."""
    radius = round(scaled(radius + 0.5) - 0.5)
    padded = F.pad(pictures, (radius,) * 4, mode="replicate")
    return F.avg_pool2d(padded, 2 * radius + 1, stride=1)


def gradient(grey: Tensor) -> tuple[Tensor, Tensor]:
    """Sobel derivatives along x and y, scaled to grey levels per pixel; any number of channels."""
    channels = grey.shape[1]
    sobel = grey.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    kernel = torch.stack([sobel, sobel.T])[:, None].repeat(channels, 1, 1, 1)
    both = F.conv2d(F.pad(grey, (1, 1, 1, 1), mode="replicate"), kernel, groups=channels)
    both = scaled(1) * both
    return both[:, 0::2], both[:, 1::2]


def soft_steps(values: Tensor, levels: int, sharpness: float) -> Tensor:
    """Quantise [0, 1] to ``levels`` plateaus joined by steep but smooth steps."""
    position = values.clamp(0, 1) * (levels - 1)
    low = position.floor().clamp(max=levels - 2)
    share = torch.sigmoid(sharpness * (position - low - 0.5))
    floor = 1 / (1 + math.exp(sharpness / 2))
    return (low + (share - floor) / (1 - 2 * floor)) / (levels - 1)


def colour_map(values: Tensor, stops: tuple[tuple[float, float, float], ...]) -> Tensor:
    """Piecewise linear colours over [0, 1], evenly spaced stops; (B, 1, H, W) to (B, 3, H, W)."""
    table = values.new_tensor(stops)
    position = values.clamp(0, 1) * (len(stops) - 1)
    hats = [(1 - (position - k).abs()).clamp(min=0) for k in range(len(stops))]
    return sum((hat * table[k].view(1, 3, 1, 1) for k, hat in enumerate(hats)), torch.zeros_like(values))


def guided_filter(pictures: Tensor, radius: int, eps: float) -> Tensor:
    """Edge-preserving smoothing guided by the picture's own luma (He et al. 2010)."""
    guide = luma(pictures)
    mean_guide, mean = box_mean(guide, radius), box_mean(pictures, radius)
    covariance = box_mean(guide * pictures, radius) - mean_guide * mean
    variance = box_mean(guide * guide, radius) - mean_guide**2
    slope = covariance / (variance + eps)
    offset = mean - slope * mean_guide
    return box_mean(slope, radius) * guide + box_mean(offset, radius)


def saturate(pictures: Tensor, factor: float | Tensor) -> Tensor:
    """Scale the distance of every colour from its grey; 0 is grey, 1 as it is."""
    grey = luma(pictures)
    return grey + (pictures - grey) * factor


def shift(x: Tensor, dx: int, dy: int) -> Tensor:
    """The picture moved left by ``dx`` and up by ``dy`` pixels, edges replicated."""
    dx, dy = round(scaled(dx)), round(scaled(dy))
    height, width = x.shape[-2:]
    reach = max(abs(dx), abs(dy))
    padded = F.pad(x, (reach,) * 4, mode="replicate")
    return padded[..., reach + dy : reach + dy + height, reach + dx : reach + dx + width]
