"""Parts of the embedded network with features of their own: people, what goes, what falls and rises.

Each is trained before the rest and stands still from then on (:mod:`engines.training.parts`).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.backbones.layers import (
    AFTER_SILU,
    Convolution,
    PlainBlock,
    cropped_like,
    modulated_blocks,
    pixel_norm,
    run_blocks,
    unit_linear,
)
from engines.backbones.selfie import SELFIE_SIZE, SelfieSegmentation

_FIELD_CONDITION = 64


class Figure(nn.Module):
    """Tells people from the background by the source alone, in a grid twice as fine as the latent's.

    It begins as MediaPipe's network, goes on with mattes before the rest is trained, and then stands still. All
    pictures are brought to its one size: it takes larger ones for closer people.
    """

    def __init__(self) -> None:
        super().__init__()
        self.net = SelfieSegmentation()

    def forward(self, source: Tensor) -> Tensor:
        """Logits of the person's share of each pixel of half the picture's resolution.

        Args:
            source: Latent of the source frame, (B, C, h, w).

        Returns:
            (B, 4, h, w): the 2x2 such pixels of each place of the latent.
        """
        squares = F.pixel_shuffle(source, 2)
        half_size = squares.shape[-2:]
        pictures = squares.reshape(-1, 3, source.shape[1] // 12, *half_size).mean(2)
        logits = self.net(_resized((pictures + 1) / 2, SELFIE_SIZE))
        return F.pixel_unshuffle(_resized(logits, half_size), 2)


def _resized(pictures: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    return F.interpolate(pictures, size, mode="bilinear", align_corners=False)


class _PatchUNet(nn.Module):
    """A small residual UNet that looks at latents of rearranged pixels, and answers in a grid twice as fine."""

    def __init__(self, channels: int, widths: tuple[int, int, int], conv: Convolution, outputs: int) -> None:
        super().__init__()
        w0, w1, w2 = widths
        self.stem = conv(channels, w0, 3, stride=2)
        self.down0 = PlainBlock(w0, conv)
        self.reduce0 = conv(w0, w1, 3, stride=2)
        self.down1 = nn.Sequential(PlainBlock(w1, conv), PlainBlock(w1, conv))
        self.reduce1 = conv(w1, w2, 3, stride=2)
        self.middle = nn.Sequential(*(PlainBlock(w2, conv) for _ in range(3)))
        self.enlarge1 = conv(w2, 4 * w1, 1)
        self.up1 = PlainBlock(w1, conv)
        self.enlarge0 = conv(w1, 4 * w0, 1)
        self.up0 = PlainBlock(w0, conv)
        self.out = conv(w0, 4 * outputs, 3)

    def forward(self, source: Tensor) -> Tensor:
        """(B, C, h, w) to (B, outputs, h, w)."""
        x0 = self.down0(self.stem(source))
        x1 = self.down1(self.reduce0(x0))
        x2 = cropped_like(F.pixel_shuffle(self.enlarge1(self.middle(self.reduce1(x1))), 2), x1)
        x1 = self.up1(x1 + x2)
        x0 = self.up0(x0 + cropped_like(F.pixel_shuffle(self.enlarge0(x1), 2), x0))
        return cropped_like(F.pixel_shuffle(self.out(pixel_norm(x0)), 2), source)


class Eraser(nn.Module):
    """Finds balloons in the source and guesses what is behind them, in a grid twice as fine as the latent's."""

    def __init__(self, channels: int, widths: tuple[int, int, int], conv: Convolution) -> None:
        super().__init__()
        self.net = _PatchUNet(channels, widths, conv, outputs=16)

    def forward(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Look at a source.

        Args:
            source: Latent of the source frame, (B, C, h, w); h and w multiples of 4.

        Returns:
            Logits of a balloon being in front, (B, 4, h, w), and the latent of what is behind, (B, C, h, w).
        """
        seen = self.net(source)
        copies = source.shape[1] // 12
        colours = [seen[:, first : first + 4].repeat(1, copies, 1, 1) for first in (4, 8, 12)]
        return seen[:, :4], torch.cat(colours, 1)


class Field(nn.Module):
    """Draws what falls or rises, snow, rain and balloons, from the noise and the instruction alone.

    Like :class:`Figure` it has features of its own and is trained first: noise is free, so it sees more of it than
    all pictures together.
    """

    def __init__(self, channels: int, code_length: int, width: int, conv: Convolution) -> None:
        super().__init__()
        self.embed = nn.Sequential(
            unit_linear(code_length, _FIELD_CONDITION, inputs_norm=1.0),
            nn.SiLU(),
            unit_linear(
                _FIELD_CONDITION, _FIELD_CONDITION, inputs_norm=_FIELD_CONDITION**0.5, gain=AFTER_SILU
            ),
            nn.SiLU(),
        )
        self.stem = conv(channels, width, 3)
        self.blocks = modulated_blocks(width, 2, _FIELD_CONDITION, conv)
        self.out = conv(width, channels + channels // 3, 1, gain=4.0)

    def forward(self, noise: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        """Draw the field.

        Args:
            noise: ε, (B, C, h, w).
            code: Instruction code, (B, code_length).

        Returns:
            How much each pixel is covered, in [0, 1], and by what latent colour, each (B, C, h, w).
        """
        x = run_blocks(self.blocks, self.stem(noise), self.embed(code.to(noise.dtype)))
        drawn = self.out(pixel_norm(x))
        colours = noise.shape[1]
        cover = torch.sigmoid(drawn[:, colours:] - 2).repeat(1, 3, 1, 1)
        return cover, drawn[:, :colours]
