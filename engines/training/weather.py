"""Targets drawn from the stream's own noise: snow, rain and balloons, and balloons put into a source to be removed.

What falls or rises has to be somewhere, and nothing in the picture says where. Here the noise says it: flakes sit
where the smoothed noise peaks, so the target is a function of picture and noise that a squared error can teach
exactly, and what is seen moves because the noise is moved (``engines.families.NOISE_DRIFT``). Noise planes are
(B, 3, H, W), unit Gaussian: the noise latent with its pixels in their places again.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engines.families import NOISE_DRIFT
from engines.training.filters import luma, saturate

_FLAKES = ((1.4, 2.6, 0.75), (2.4, 2.5, 0.9), (4.0, 2.5, 0.95))
"""Of each plane, far to near: size of the blur in pixels, threshold of the peaks, how much a flake covers."""
_STREAK = (8.0, 0.9)
"""Length and width of the blur that makes a streak of rain, in pixels."""
_BALLOON, _BALLOON_PEAK = 3.0, 3.2
"""Size of the blur and threshold of the peaks that carry a balloon."""
_REACH = 5.0
"""How the nearest peak is found: width in pixels of the bell that weighs the peaks around."""
_FEWER = 0.35
"""How far the thresholds move for one unit of the amount."""


def smooth_noise(plane: Tensor, sigma: float) -> Tensor:
    """A plane of unit noise, (B, 1, H, W), blurred and brought back to unit variance; nothing beyond the edges."""
    return _filter(plane, _bell(plane, sigma, 0.0, 1.0, sigma))


def peak_noise(heights: Tensor) -> Tensor:
    """What to add to noise for balloon peaks that are ``heights`` higher, in standard deviations, (B, 1, H, W)."""
    return _filter(heights, _bell(heights, _BALLOON, 0.0, 1.0, _BALLOON))


def _bell(plane: Tensor, along: float, slope: float, down: float, across: float) -> Tensor:
    """Gaussian of length ``along`` in the direction (down, slope) and width ``across``, of unit sum of squares."""
    norm = math.hypot(down, slope)
    unit_y, unit_x = down / norm, slope / norm
    radius = math.ceil(3 * max(along, across))
    axis = torch.arange(-radius, radius + 1, device=plane.device, dtype=plane.dtype)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    lengthwise, crosswise = y * unit_y + x * unit_x, x * unit_y - y * unit_x
    kernel: Tensor = torch.exp(-0.5 * ((lengthwise / along) ** 2 + (crosswise / across) ** 2))
    return kernel / kernel.square().sum().sqrt()


def _filter(plane: Tensor, kernel: Tensor) -> Tensor:
    # By Fourier transform: these kernels are up to 49 pixels wide.
    height, width = plane.shape[-2:]
    radius = kernel.shape[-1] // 2
    size = (height + 2 * radius, width + 2 * radius)
    spectrum = torch.fft.rfft2(plane, size) * torch.fft.rfft2(kernel, size)
    filtered: Tensor = torch.fft.irfft2(spectrum, size)
    return filtered[..., radius : radius + height, radius : radius + width]


Layer = tuple[Tensor, Tensor]
"""How much a pixel is covered, (B, 1, H, W) in [0, 1], and by what colour, (B, 3, H, W)."""


def snow_layer(amount: Tensor, rgb: Tensor, noise: Tensor) -> Layer:
    """Soft flakes of three sizes, the near ones larger and faster."""
    clear = torch.ones_like(noise[:, :1])
    for index, (sigma, threshold, cover) in enumerate(_FLAKES):
        field = smooth_noise(noise[:, index : index + 1], sigma)
        clear = clear * (1 - cover * torch.sigmoid((field - threshold + _FEWER * (amount - 1)) / 0.14))
    return 1 - clear, noise.new_tensor([0.95, 0.97, 1.0]).view(1, 3, 1, 1).expand_as(noise)


def rain_layer(amount: Tensor, rgb: Tensor, noise: Tensor) -> Layer:
    """Bright slanted streaks, half transparent."""
    clear = torch.ones_like(noise[:, :1])
    for index in (0, 1):
        down, right = NOISE_DRIFT["rain"][index]
        plane = noise[:, index : index + 1]
        field = _filter(plane, _bell(plane, _STREAK[0], right, down, _STREAK[1]))
        clear = clear * (1 - 0.5 * torch.sigmoid((field - 2.4 + _FEWER * (amount - 1)) / 0.16))
    return 1 - clear, noise.new_tensor([0.88, 0.92, 0.97]).view(1, 3, 1, 1).expand_as(noise)


def balloon_layer(amount: Tensor, rgb: Tensor, noise: Tensor) -> Layer:
    """Shining balloons of one colour around the highest peaks of the first plane, the higher the larger."""
    field = smooth_noise(noise[:, :1], _BALLOON)
    peaks = torch.sigmoid((field - _BALLOON_PEAK + _FEWER * (amount - 1)) / 0.08)
    near = _bell(peaks, _REACH, 0.0, 1.0, _REACH)
    near = near / near.amax()
    radius = near.shape[-1] // 2
    axis = torch.arange(-radius, radius + 1, device=noise.device, dtype=noise.dtype)
    mass = _filter(peaks, near) + 1e-3
    # A convolution turns its kernel around, so these point from the middle to the pixel.
    right = _filter(peaks, near * axis.view(1, -1)) / mass
    down = _filter(peaks, near * axis.view(-1, 1)) / mass
    distance = (right**2 + down**2 + 1e-6).sqrt()
    size = mass * torch.exp(distance**2 / (2 * _REACH**2)).clamp(max=50)
    balloon = 6.5 + 4.5 * torch.tanh(size / 18)
    cover = torch.sigmoid((balloon - distance) / 0.6) * torch.sigmoid((size - 3) / 0.3)
    rim = torch.maximum(distance, balloon)
    return cover, _ball(right / rim, down / rim, rgb)


LAYERS: dict[str, Callable[[Tensor, Tensor, Tensor], Layer]] = {
    "snow": snow_layer,
    "rain": rain_layer,
    "add_balloons": balloon_layer,
}
"""Family name -> what it puts before the picture, from amount (B, 1, 1, 1), rgb (B, 3, 1, 1) and noise planes."""


def snow(x: Tensor, amount: Tensor, rgb: Tensor, noise: Tensor) -> Tensor:
    """Falling flakes in slightly colder, flatter light."""
    cold = torch.lerp(x, 0.9 * luma(x) + x.new_tensor([0.05, 0.08, 0.13]).view(1, 3, 1, 1), 0.25)
    return _before(cold, snow_layer(amount, rgb, noise))


def rain(x: Tensor, amount: Tensor, rgb: Tensor, noise: Tensor) -> Tensor:
    """Streaks of rain in dull bluish light."""
    tone = x.new_tensor([0.80, 0.86, 0.92]).view(1, 3, 1, 1)
    dull = torch.lerp(x, saturate(x, 0.7) * tone, (0.9 * amount).clamp(max=1.2))
    return _before(dull, rain_layer(amount, rgb, noise))


def add_balloons(x: Tensor, amount: Tensor, rgb: Tensor, noise: Tensor) -> Tensor:
    """Balloons that rise in front of the picture."""
    return _before(x, balloon_layer(amount, rgb, noise))


def _before(scene: Tensor, layer: Layer) -> Tensor:
    cover, colour = layer
    return torch.lerp(scene, colour, cover)


def _ball(x: Tensor, y: Tensor, rgb: Tensor) -> Tensor:
    """A shiny sphere lit from the upper left; ``x`` and ``y`` are the place on it in radii, (B, 1, H, W)."""
    shade = (0.78 - 0.30 * (x + y) / 2 - 0.18 * (x**2 + y**2)).clamp(0.25, 1.0)
    shine = 0.8 * torch.exp(-((x + 0.38) ** 2 + (y + 0.42) ** 2) / (2 * 0.17**2))
    return torch.lerp(rgb * shade, torch.ones_like(rgb), shine)


@dataclass(frozen=True, eq=False)
class Balloons:
    """Balloons that cross a picture: what is put in front of a source so that there is something to remove.

    Attributes:
        place: Middle of each in the first frame, (N, 2) of x and y in pixels.
        velocity: (N, 2) pixels in a frame.
        radius: (N, 2) half its width and height, in pixels.
        rgb: (N, 3) in [0, 1].
    """

    place: Tensor
    velocity: Tensor
    radius: Tensor
    rgb: Tensor

    @classmethod
    def random(cls, height: int, width: int, generator: torch.Generator) -> "Balloons":
        """A few of any colour, about as many for any size of picture as five for 256x256."""
        count = max(
            1, round(float(5 * height * width / 256**2 * (0.5 + torch.rand((), generator=generator))))
        )
        draw = torch.rand(count, 10, generator=generator)
        value, grey = 0.35 + 0.65 * draw[:, 4:5], 0.45 * draw[:, 5:6] ** 2
        sector = (draw[:, 6:7] * 6 + torch.tensor([5.0, 3.0, 1.0])) % 6
        rgb = value - value * (1 - grey) * torch.minimum(sector, 4 - sector).clamp(0, 1)
        radius = (6 + 9 * draw[:, 7:8]) * torch.cat([1 - 0.15 * draw[:, 8:9], 1 + 0.15 * draw[:, 9:10]], 1)
        size = torch.tensor([width, height])
        return cls(draw[:, :2] * size, (draw[:, 2:4] - torch.tensor([0.5, 0.6])) * 6, radius, rgb)

    def over(self, picture: Tensor, time: float) -> Tensor:
        """The picture (3, H, W) with the balloons in front of it, ``time`` frames after the first."""
        rows = torch.arange(picture.shape[-2], dtype=picture.dtype).view(-1, 1) + 0.5
        columns = torch.arange(picture.shape[-1], dtype=picture.dtype).view(1, -1) + 0.5
        for place, (wide, high), rgb in zip(
            (self.place + time * self.velocity).tolist(), self.radius.tolist(), self.rgb, strict=True
        ):
            x, y = (columns - place[0]) / wide, (rows - place[1]) / high
            distance = (x**2 + y**2).sqrt()
            cover = torch.sigmoid((1 - distance) * wide / 0.6)[None]
            near = distance.clamp(min=1.0)
            ball = _ball((x / near)[None], (y / near)[None], rgb.view(3, 1, 1))
            picture = torch.lerp(picture, ball, cover)
        return picture
