"""Rules the memory could follow instead of its own, each a stream's state that behaves otherwise in one respect."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from engines.codecs import PatchCodec
from engines.compilers.choose import eager_compiler
from engines.editor import Editor
from engines.memory import EditState
from engines.model import load_parts
from engines.program import frame_program

_CODEC = PatchCodec(2)
_CELL = _CODEC.downscale
_REACH = 4
_BLOCK = 9


@dataclass(eq=False)
class Interval(EditState):
    """Another key-frame interval; None remembers nothing."""

    own_interval: int | None = 3

    def remember(self, latent: Tensor, interval: int | None, magnitude: float | None = None) -> bool:
        """As the base, with the state's own interval."""
        if self.own_interval is None:
            return False
        return super().remember(latent, self.own_interval, magnitude)


class NoCuts(EditState):
    """Never notices a cut."""

    def arrive(
        self, camera: NDArray[np.uint8], asked: tuple[str, ...], latent_shape: tuple[int, int, int]
    ) -> None:
        """As the base, without the frame before."""
        self.previous = None
        super().arrive(camera, asked, latent_shape)


@dataclass(eq=False)
class Reanchored(EditState):
    """Empties the memory every so many frames, at once or fading it away before."""

    every: int = 24
    fade: int = 0
    anchored_now: bool = field(default=False, init=False)
    _key: Tensor | None = field(default=None, init=False)

    def arrive(
        self, camera: NDArray[np.uint8], asked: tuple[str, ...], latent_shape: tuple[int, int, int]
    ) -> None:
        """As the base; then the memory is what is left of it."""
        super().arrive(camera, asked, latent_shape)
        left = self.every - self.frames_since_anchor
        self.anchored_now = left <= 0
        if self.anchored_now:
            self.anchor()
            self._key = None
        elif self._key is not None and self.memory is not None and left <= self.fade:
            self.memory = self._key * (left / (self.fade + 1))

    def remember(self, latent: Tensor, interval: int | None, magnitude: float | None = None) -> bool:
        """As the base; a fading memory is not replaced."""
        if self._key is not None and self.every - self.frames_since_anchor <= self.fade:
            self.frames_since_anchor += 1
            return False
        key_frame = super().remember(latent, interval, magnitude)
        if key_frame:
            self._key = latent
        return key_frame


Flow = Callable[[Tensor, Tensor], Tensor]
"""Luma of the key frame's source and of the present one, each (h, w) at a quarter of the picture's size, to where
each present cell was then: (2, h, w) of x and y in cells."""


@dataclass(eq=False)
class Compensated(EditState):
    """Moves the memory along with the source before it is used."""

    flow: Flow = field(kw_only=True)
    _key: Tensor | None = field(default=None, init=False)
    _key_luma: Tensor | None = field(default=None, init=False)
    _now: Tensor | None = field(default=None, init=False)

    def arrive(
        self, camera: NDArray[np.uint8], asked: tuple[str, ...], latent_shape: tuple[int, int, int]
    ) -> None:
        """As the base; then the key frame as it would look from here."""
        super().arrive(camera, asked, latent_shape)
        self._now = coarse_luma(camera)
        if self.memory is None:
            self._key = None
        elif self._key is not None and self._key_luma is not None:
            self.memory = moved(self._key, self.flow(self._key_luma, self._now))

    def remember(self, latent: Tensor, interval: int | None, magnitude: float | None = None) -> bool:
        """As the base; keeps the key frame unmoved."""
        key_frame = super().remember(latent, interval, magnitude)
        if key_frame:
            self._key, self._key_luma = latent, self._now
        return key_frame


def coarse_luma(picture: NDArray[np.uint8]) -> Tensor:
    """(H / 4, W / 4) mean grey of an (H, W, 3) picture, in [0, 1]."""
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    return F.avg_pool2d(pixels, _CELL)[0].mean(0) / 255


def global_flow(before: Tensor, now: Tensor) -> Tensor:
    """One shift for the whole picture, by phase correlation (Kuglin and Hines 1975), to a fraction of a cell."""
    height, width = now.shape
    window = torch.outer(torch.hann_window(height), torch.hann_window(width))
    spectra = [torch.fft.rfft2((luma - luma.mean()) * window) for luma in (before, now)]
    cross = spectra[0] * spectra[1].conj()
    # Frequencies the picture does not have would vote with noise.
    strength = cross.abs()
    surface = torch.fft.irfft2(cross / (strength + 0.1 * strength.mean()), s=(height, width))
    peak = int(surface.argmax())
    y, x = divmod(peak, width)
    dy = _signed(y, height) + _vertex([float(surface[(y + d) % height, x]) for d in (-1, 0, 1)])
    dx = _signed(x, width) + _vertex([float(surface[y, (x + d) % width]) for d in (-1, 0, 1)])
    if max(abs(dx) / width, abs(dy) / height) > 0.25:
        dx = dy = 0.0
    return torch.tensor([dx, dy]).view(2, 1, 1).repeat(1, height, width)


def _signed(index: int, size: int) -> int:
    return index - size if index > size // 2 else index


def _vertex(values: list[float]) -> float:
    """Where the parabola through three neighbours peaks, in [-0.5, 0.5]."""
    curvature = values[0] - 2 * values[1] + values[2]
    return 0.0 if curvature >= 0 else max(-0.5, min(0.5, 0.5 * (values[0] - values[2]) / curvature))


def block_flow(before: Tensor, now: Tensor) -> Tensor:
    """A shift for each cell, the whole number of cells whose surroundings match best."""
    padded = F.pad(before[None, None], (_REACH,) * 4, mode="replicate")[0, 0]
    height, width = now.shape
    shifts = [(dx, dy) for dy in range(-_REACH, _REACH + 1) for dx in range(-_REACH, _REACH + 1)]
    shifts.sort(key=lambda shift: abs(shift[0]) + abs(shift[1]))
    differences = torch.stack([
        (padded[_REACH + dy : _REACH + dy + height, _REACH + dx : _REACH + dx + width] - now).abs()
        for dx, dy in shifts
    ])  # fmt: skip
    costs = F.avg_pool2d(differences[None], _BLOCK, 1, _BLOCK // 2, count_include_pad=False)[0]
    # Noise must not move what is still: a shift has to be better by a grey level.
    costs[1:] += 1 / 255
    best = costs.argmin(0)
    return torch.tensor(shifts, dtype=torch.float32)[best].permute(2, 0, 1)


def moved(latent: Tensor, flow: Tensor) -> Tensor:
    """A latent (C, h, w) seen where the flow (2, h, w), in cells, says each present cell was."""
    pixels = _CODEC.decode(latent[None].float())
    _, _, height, width = pixels.shape
    dense = F.interpolate(flow[None] * _CELL, (height, width), mode="bilinear", align_corners=False)[0]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    grid = torch.stack([(x + dense[0] + 0.5) * 2 / width - 1, (y + dense[1] + 0.5) * 2 / height - 1], -1)
    warped = F.grid_sample(pixels, grid[None], padding_mode="border", align_corners=False)
    return _CODEC.encode(warped)[0]


class StillSkipper:
    """Repeats the last edit while the source stands still."""

    def __init__(self, grey_levels: float) -> None:
        self._most = grey_levels
        self._edited: Tensor | None = None

    def is_still(self, picture: NDArray[np.uint8]) -> bool:
        """Whether no cell's mean moved by more than so many grey levels since the last frame that was edited."""
        now = coarse_luma(picture) * 255
        if self._edited is not None and float((now - self._edited).abs().max()) <= self._most:
            return True
        self._edited = now
        return False


@dataclass(frozen=True)
class Start:
    """Where sampling begins: the less moved since the frame before, the less noise.

    Attributes:
        below: Pairs of a motion (mean change of the source, in [0, 1]) and the sigma up to it, rising.
        otherwise: The sigma beyond.
    """

    below: tuple[tuple[float, float], ...]
    otherwise: float

    def sigma(self, motion: float) -> float:
        """The level for a motion."""
        return next((sigma for most, sigma in self.below if motion <= most), self.otherwise)


def starting_at(sigma: float, model: str) -> Editor:
    """The model's editor with its one step taken from another level, in PyTorch."""
    parts = load_parts(model)
    program = frame_program(parts)
    program.alphas, program.sigmas, program.timesteps = [1 - sigma, 1.0], [sigma, 0.0], [sigma, 0.0]
    return Editor(parts, program, eager_compiler(program, torch.device("cpu")), "cpu")
