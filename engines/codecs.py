"""Codecs: pixels to the normalised latent in which flow and memory live, and back."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from engines.fields import Fields

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, AutoencoderTiny


class Codec(Protocol):
    """Turns pixels in [-1, 1] into latents of unit-like scale and back."""

    downscale: int
    channels: int

    def encode(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) pixels to (B, channels, H / downscale, W / downscale) latents."""
        ...

    def decode(self, latent: Tensor) -> Tensor:
        """Latents back to (B, 3, H, W) pixels in [-1, 1]."""
        ...

    def limit(self, latent: Tensor) -> Tensor:
        """The latent brought back to what :meth:`encode` can give, if that is bounded."""
        ...


class PatchCodec:
    """Rearranges squares of pixels into channels by repeated halving: lossless, and free beside any learned codec.

    Halving twice is not the same as a single step of 4: after it, one ``pixel_shuffle`` by 2 gives the picture at
    half its resolution with every pixel in its place, which is what a head between the two scales needs.
    """

    def __init__(self, halvings: int) -> None:
        self._halvings = halvings
        self.downscale = 2**halvings
        self.channels = 3 * self.downscale**2

    def encode(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, 3 downscale^2, H / downscale, W / downscale)."""
        for _ in range(self._halvings):
            pixels = F.pixel_unshuffle(pixels, 2)
        return pixels

    def decode(self, latent: Tensor) -> Tensor:
        """The exact inverse of :meth:`encode`."""
        for _ in range(self._halvings):
            latent = F.pixel_shuffle(latent, 2)
        return latent

    def planes(self, latent: NDArray[np.float32]) -> NDArray[np.float32]:
        """A single latent (C, h, w) decoded without PyTorch, whose threads cost more than they help between frames.

        Returns:
            (3, H, W), a copy.
        """
        height, width = latent.shape[1:]
        halves = (2,) * self._halvings
        squares = latent.reshape(3, *halves, *halves, height, width).transpose(
            0, *self._down(), *self._right(), -2, -1
        )
        planes = np.empty((3, height, *halves, width, *halves), np.float32)
        # Place by place of a square, since copied at once whole runs are two pixels long, for four times the time.
        for place in np.ndindex(*halves, *halves):
            down, right = place[: self._halvings], place[self._halvings :]
            planes[:, :, *down, :, *right] = squares[:, *place]
        return planes.reshape(3, height * self.downscale, width * self.downscale)

    def squares(self, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        """The exact inverse of :meth:`planes`."""
        height, width = (side // self.downscale for side in planes.shape[1:])
        halves = (2,) * self._halvings
        split = planes.reshape(3, height, *halves, width, *halves)
        return split.transpose(np.argsort(self._places())).reshape(self.channels, height, width)

    def _places(self) -> tuple[int, ...]:
        """The latent's axes, every square split by halves, in the order in which a picture has them."""
        return (0, 2 * self._halvings + 1, *self._down(), 2 * self._halvings + 2, *self._right())

    def _down(self) -> range:
        """The axes that lead down in a square, the longest step first."""
        return range(2 * self._halvings - 1, 0, -2)

    def _right(self) -> range:
        """The axes that lead right."""
        return range(2 * self._halvings, 0, -2)

    def limit(self, latent: Tensor) -> Tensor:
        """Clamped to [-1, 1]: a pixel out of range would be fed back by the memory."""
        return latent.clamp(-1, 1)


class AutoencoderCodec(nn.Module):
    """A learned autoencoder of diffusers, of either kind; scale and shift are applied here and nowhere else.

    Latents are z' = (z - shift) * scale, of unit-like variance, so that a network expanded from one checkpoint sees
    source and memory at the scale it knows the noisy latent at.

    Args:
        autoencoder: An AutoencoderKL or AutoencoderTiny (TAESD), 4 or 16 channels.
    """

    def __init__(self, autoencoder: "AutoencoderKL | AutoencoderTiny") -> None:
        super().__init__()
        config = autoencoder.config
        self.autoencoder = autoencoder
        self.channels: int = config.latent_channels
        widths = config.get("block_out_channels") or config["encoder_block_out_channels"]
        self.downscale: int = 2 ** (len(widths) - 1)
        self.scale = float(config.scaling_factor)
        self.shift = float(config.get("shift_factor") or 0.0)

    def encode(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] to (B, channels, H / downscale, W / downscale), the mean of a spread."""
        encoded = self.autoencoder.encode(pixels)
        # A draw from the spread would flicker from frame to frame.
        z: Tensor = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
        return (z - self.shift) * self.scale

    def decode(self, latent: Tensor) -> Tensor:
        """Latents to (B, 3, H, W) pixels, about [-1, 1]."""
        pixels: Tensor = self.autoencoder.decode(latent / self.scale + self.shift, return_dict=False)[0]
        return pixels

    def limit(self, latent: Tensor) -> Tensor:
        """As it is: a learned latent has no bounds."""
        return latent


def load_autoencoder(folder: Path, dtype: torch.dtype, variant: str | None = None) -> AutoencoderCodec:
    """Read an autoencoder folder of diffusers.

    Raises:
        OSError: A file is missing.
        ValueError: It holds another kind of autoencoder, or a weight is missing.
    """
    from engines.pretrained.weights import load_whole

    kind = _autoencoder_kind(folder)
    return AutoencoderCodec(load_whole(kind, folder, torch_dtype=dtype, variant=variant).eval())


def outline_autoencoder(folder: Path, variant: str | None = None) -> AutoencoderCodec:
    """What :func:`load_autoencoder` would give, on the "meta" device and without a weight read.

    Raises:
        OSError: A file is missing.
        ValueError: It holds another kind of autoencoder, or configuration and weights do not fit.
    """
    from engines.pretrained.weights import outline_whole

    outlined = outline_whole(_autoencoder_kind(folder), folder, variant)
    Fields(folder / "config.json", outlined.config).positive("scaling_factor")
    return AutoencoderCodec(outlined)


def _autoencoder_kind(folder: Path) -> "type[AutoencoderKL | AutoencoderTiny]":
    from diffusers import AutoencoderKL

    from engines.pretrained.tiny_autoencoder import AutoencoderTiny

    name = AutoencoderKL.load_config(folder).get("_class_name")
    kinds: tuple[type[AutoencoderKL | AutoencoderTiny], ...] = (AutoencoderKL, AutoencoderTiny)
    for kind in kinds:
        if name == kind.__name__:
            return kind
    raise ValueError(f"{name} is not an autoencoder that can be used: AutoencoderKL or AutoencoderTiny")
