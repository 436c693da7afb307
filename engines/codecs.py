"""Codecs: pixels to the normalised latent in which flow and memory live, and back."""

from typing import Protocol

import torch.nn.functional as F
from torch import Tensor


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

    def limit(self, latent: Tensor) -> Tensor:
        """Clamped to [-1, 1]: a pixel out of range would be fed back by the memory."""
        return latent.clamp(-1, 1)
