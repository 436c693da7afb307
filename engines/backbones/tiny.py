"""The embedded denoiser: a small residual UNet on 4x4-rearranged pixels, built for two CPU cores.

It takes [noisy, source, memory] on channels like the large backbones, and the instruction code as a per-channel
scale and shift of every block (FiLM; Perez et al. 2018). No normalisation layers: on a CPU they cost as much as a
convolution at these widths, and their statistics tie a pixel's edit to the rest of the picture.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.backbones.layers import (
    AFTER_SILU,
    Convolution,
    NormalisedConv2d,
    PlainConv2d,
    closed_gate,
    cropped_like,
    modulated_blocks,
    modulation,
    opened,
    pixel_norm,
    run_blocks,
    unit_linear,
)
from engines.backbones.parts import Eraser, Field, Figure
from engines.backbones.regions import Defocus, Hue

__all__ = [
    "Eraser",
    "Field",
    "Figure",
    "NormalisedConv2d",
    "PlainConv2d",
    "TinyConfig",
    "TinyDenoiser",
]


NOBODY = -10.0
"""Logit of a person's share where nobody asks for people."""
_ASKED = 0.05
_NARROW = 0.4
_SURE = 5.0


@dataclass(frozen=True)
class TinyConfig:
    """Shape of the network; saved beside the weights.

    Attributes:
        latent_channels: Channels of one latent; the input has three of them.
        code_length: Length of the instruction code.
        widths: Channels at strides 1, 2 and 4 of the latent.
        context_width: Channels at stride 8, which sees most of a picture: what is person and what is background.
        context_blocks: Residual blocks there.
        blocks: Residual blocks at each of these, on the way down (the last is the middle).
        decoder_blocks: Residual blocks on the way up at strides 1 and 2.
        condition_width: Width of the embedding of code and noise level.
        detail_width: Channels of the head that works at twice the latent's resolution.
        figure_families: Where in the code the weights of families stand that leave people as they are.
        figure_ramp: Shares of a person at which a pixel begins to be kept, and is kept, by those of them that the
            trunk edits; those of ``defocus_families`` keep just the share.
        hue_families: Where the weights of the two families stand that go by a named colour, giving it another one and
            keeping it alone in colour; none for a network without a part for them.
        defocus_families: Where the weights of the two families stand that blur what is behind people and put a wall
            there; likewise.
        eraser_widths: Channels at strides 2, 4 and 8 of the part that takes balloons out of the source.
        eraser_families: Where in the code the weights of families stand that ask for it.
        field_width: Channels of the part that draws what falls and rises from the noise.
        field_families: Where in the code the weights of families stand that need it.
    """

    latent_channels: int = 48
    code_length: int = 106
    widths: tuple[int, int, int] = (64, 128, 192)
    context_width: int = 192
    context_blocks: int = 3
    blocks: tuple[int, int, int] = (1, 1, 3)
    decoder_blocks: tuple[int, int] = (1, 1)
    condition_width: int = 192
    detail_width: int = 64
    figure_families: tuple[int, ...] = (43, 44, 45, 46, 47)
    figure_ramp: tuple[float, float] = (0.3, 0.95)
    hue_families: tuple[int, ...] = (41, 42)
    defocus_families: tuple[int, ...] = (43, 46)
    eraser_widths: tuple[int, int, int] = (32, 48, 64)
    eraser_families: tuple[int, ...] = (48,)
    field_width: int = 40
    field_families: tuple[int, ...] = (39, 40, 49)

    @property
    def code_families(self) -> int:
        """How many family weights lead the code; each has an amount, and two colours end it."""
        return (self.code_length - 6) // 2


class _DetailHead(nn.Module):
    """Turns trunk features and the source into the edit at half the pixel grid.

    Per-pixel curves (a posterize step, a colour map) need many hidden units for each pixel; here every unit sees a
    2x2 square instead of the trunk's 4x4 one, so they are affordable.
    """

    def __init__(
        self, trunk_width: int, source_channels: int, width: int, condition_width: int, conv: Convolution
    ) -> None:
        super().__init__()
        self.expand = conv(trunk_width, 4 * width, 1)
        self.source = conv(source_channels // 4, width, 3, gain=2.0)
        self.film = unit_linear(condition_width, 4 * width, inputs_norm=condition_width**0.5, gain=AFTER_SILU)
        self.mix = conv(width, width, 1, gain=AFTER_SILU)
        self.out = nn.Conv2d(width, source_channels // 4, 3, padding=1)
        nn.init.zeros_(self.out.weight)

    def forward(self, trunk: Tensor, source: Tensor, condition: Tensor) -> Tensor:
        (factor, mix_factor), (shift, mix_shift) = (
            part.chunk(2, 1) for part in modulation(self.film, condition)
        )
        hidden = F.pixel_shuffle(self.expand(pixel_norm(trunk)), 2) + self.source(F.pixel_shuffle(source, 2))
        hidden = self.mix(F.silu(hidden * factor + shift))
        detail: Tensor = self.out(F.silu(hidden * mix_factor + mix_shift))
        return F.pixel_unshuffle(detail, 2)


class TinyDenoiser(nn.Module):
    """Predicts the clean latent from the noisy one, the source, the memory and the instruction code."""

    def __init__(self, config: TinyConfig, conv: Convolution = PlainConv2d) -> None:
        super().__init__()
        self.config = config
        channels, condition_width = config.latent_channels, config.condition_width
        w0, w1, w2 = config.widths
        self.condition = nn.Sequential(
            unit_linear(config.code_length + 1, condition_width, inputs_norm=1.0),
            nn.SiLU(),
            unit_linear(condition_width, condition_width, inputs_norm=condition_width**0.5, gain=AFTER_SILU),
            nn.SiLU(),
        )
        self.stem = conv(3 * channels, w0, 1)
        self.field = Field(channels, config.code_length, config.field_width, conv)
        self.eraser = Eraser(channels, config.eraser_widths, conv)
        self.figure = Figure()
        self.hue = Hue() if config.hue_families else None
        self.defocus = Defocus() if config.defocus_families else None
        self.matte = conv(4, w0, 1)
        self.matte_gate = closed_gate(condition_width, w0)
        self.down0 = modulated_blocks(w0, config.blocks[0], condition_width, conv)
        self.reduce0 = conv(w0, w1, 3, stride=2)
        self.down1 = modulated_blocks(w1, config.blocks[1], condition_width, conv)
        self.reduce1 = conv(w1, w2, 3, stride=2)
        self.middle = modulated_blocks(w2, config.blocks[2], condition_width, conv)
        self.reduce2 = conv(w2, config.context_width, 3, stride=2)
        self.context = modulated_blocks(config.context_width, config.context_blocks, condition_width, conv)
        self.enlarge2 = conv(config.context_width, 4 * w2, 1)
        self.context_gate = closed_gate(condition_width, w2)
        self.enlarge1 = conv(w2, 4 * w1, 1)
        self.up1 = modulated_blocks(w1, config.decoder_blocks[1], condition_width, conv)
        self.enlarge0 = conv(w1, 4 * w0, 1)
        self.up0 = modulated_blocks(w0, config.decoder_blocks[0], condition_width, conv)
        self.detail = _DetailHead(w0, channels, config.detail_width, condition_width, conv)
        self.bypass = nn.Linear(condition_width, 12)
        nn.init.zeros_(self.bypass.weight)
        nn.init.zeros_(self.bypass.bias)

    def branching(self) -> nn.Module:
        """The same network for compilers that can branch: it runs only the parts that a code asks for."""
        # Imported here: it is made of this one.
        from engines.backbones.branches import BranchingDenoiser, traceable_branch

        return BranchingDenoiser(self, traceable_branch)

    def shortcuts(self) -> Mapping[str, nn.Module]:
        """Networks that predict the same for codes that need only a small part of this one, by name."""
        from engines.backbones.shortcuts import shortcuts

        return shortcuts(self)

    def shortcut(self, code: Tensor) -> str | None:
        """Which of them predicts the same for these codes, (B, code_length); None where only the whole one does."""
        from engines.backbones.shortcuts import shortcut

        return shortcut(self, code)

    @property
    def code_length(self) -> int:
        """Length of the instruction codes it takes."""
        return self.config.code_length

    def forward(self, noisy: Tensor, source: Tensor, memory: Tensor, sigma: Tensor, code: Tensor) -> Tensor:
        """Predict the clean latent.

        Args:
            noisy: y^s, (B, C, h, w); h and w multiples of 4.
            source: The source frame's latent, same shape.
            memory: The remembered prediction, same shape, zeros for a stream's first frame.
            sigma: Noise level of each sample, (B,).
            code: Instruction code, (B, code_length).

        Returns:
            The predicted clean latent, (B, C, h, w).
        """
        source = self.cleared(source, code)
        figure = self.people(source, code)
        edited = self.trunk(noisy, source, memory, sigma, code, figure)
        edited = self.recoloured(edited, source, code)
        edited = self.defocused(edited, source, figure, code)
        edited = self.spared(edited, source, figure, code)
        return self.fallen(edited, noisy - memory, self.falling(sigma, code), code)

    def cleared(self, source: Tensor, code: Tensor) -> Tensor:
        """The source without balloons where they are to go, before all else that is asked."""
        if not self.config.eraser_families:
            return source
        asked = total(code, self.config.eraser_families).clamp(0, 1)[:, None, None, None]
        found, behind = self.eraser(source)
        # Shares are made in float32 and used in the type of all else.
        gone = asked * ((torch.sigmoid(found.float()) - 0.15) / 0.5).clamp(0, 1).to(source.dtype)
        cleared: Tensor = source + gone.repeat(1, self.config.latent_channels // 4, 1, 1) * (behind - source)
        return cleared

    def people(self, source: Tensor, code: Tensor) -> Tensor:
        """Logits of the person's share, (B, 4, h, w); of nobody where no edit asks for people."""
        if not self.config.figure_families:
            return torch.full_like(source[:, :4], NOBODY)
        asked = total(code, self.config.figure_families)[:, None, None, None] > _ASKED
        figure: Tensor = self.figure(source)
        return torch.where(asked, figure, torch.full_like(figure, NOBODY))

    def trunk(
        self, noisy: Tensor, source: Tensor, memory: Tensor, sigma: Tensor, code: Tensor, figure: Tensor
    ) -> Tensor:
        """What the shared network makes of the source, (B, C, h, w); ``figure`` tells it who is a person."""
        condition = self.condition(torch.cat([code, sigma[:, None]], 1).to(noisy.dtype))
        x0 = self.stem(torch.cat([noisy, source, memory], 1))
        x0 = x0 + opened(self.matte_gate, condition) * self.matte(torch.tanh(0.5 * figure))
        x0 = run_blocks(self.down0, x0, condition)
        x1 = run_blocks(self.down1, self.reduce0(x0), condition)
        x2 = self.middle[0](self.reduce1(x1), condition)
        x2 = run_blocks(self.middle[1:], x2 + self._surroundings(x2, condition), condition)
        x1 = run_blocks(self.up1, x1 + F.pixel_shuffle(self.enlarge1(x2), 2), condition)
        x0 = run_blocks(self.up0, x0 + F.pixel_shuffle(self.enlarge0(x1), 2), condition)
        detail: Tensor = self.detail(x0, source, condition)
        return self._colour(source, condition) + detail

    def recoloured(self, edited: Tensor, source: Tensor, code: Tensor) -> Tensor:
        """The edit, or where things of a named colour are meant the source with these alone, or all else, changed."""
        if self.hue is None:
            return edited
        recolour, pop = (self._alone(code, (family,)) for family in self.config.hue_families)
        near, painted, grey = self.hue(source, code)
        edited = _instead(edited, source + near * (painted - source), recolour)
        return _instead(edited, grey + near * (source - grey), pop)

    def defocused(self, edited: Tensor, source: Tensor, figure: Tensor, code: Tensor) -> Tensor:
        """The edit, or where they are asked for the background out of focus or a wall, to be put behind people."""
        if self.defocus is None:
            return edited
        blur, wall = self.config.defocus_families
        amount = code[:, self.config.code_families + blur] / code[:, blur].clamp(min=1e-3)
        share = torch.sigmoid(figure.float()).to(source.dtype)
        # Not asked for, the amount is 0; a narrow blur then says which colour is behind the rim of a person.
        behind = self.defocus(source, 1 - share, amount.clamp(min=_NARROW))
        walled = self._wall(source, behind, figure, code)
        edited = _instead(edited, behind, self._alone(code, (blur,)))
        return _instead(edited, walled, self._alone(code, (wall,)))

    def _wall(self, source: Tensor, behind: Tensor, figure: Tensor, code: Tensor) -> Tensor:
        """A wall of the colour to give, so coloured at a person's rim that nothing is left there of what was behind.

        A pixel of share s is s F + (1 - s) B. Before the wall W it has to be s F + (1 - s) W, and since s of the
        source is kept, W + source - B is what is needed here, as far as F can be a colour at all.
        """
        wall = (2 * code[:, -6:-3] - 1).to(source.dtype)
        wall = wall.repeat_interleave(self.config.latent_channels // 3, 1)[:, :, None, None]
        share = _of_pixels(torch.sigmoid(figure.float().clamp(max=_SURE)))
        odds = (share / (1 - share)).to(source.dtype)
        rest = torch.minimum(torch.maximum(source - behind, -odds * (source + 1)), odds * (1 - source))
        return wall + rest

    def spared(self, edited: Tensor, source: Tensor, figure: Tensor, code: Tensor) -> Tensor:
        """The edit, and the source where a pixel is person and the edit is for what is behind."""
        low, high = self.config.figure_ramp
        share = _of_pixels(torch.sigmoid(figure.float()))
        surely = ((share - low) / (high - low)).clamp(0, 1)
        alone = self._alone(code, self.config.figure_families)
        # The trunk has the rim of its own edits.
        inside = (surely + self._alone(code, self.config.defocus_families) * (share - surely)).to(
            figure.dtype
        )
        spared: Tensor = edited + alone * inside * (source - edited)
        return spared

    def falling(self, sigma: Tensor, code: Tensor) -> Tensor:
        """How much of the field is seen, (B,) in [0, 1]: all at the first level, where its noise is the noise."""
        asked = total(code, self.config.field_families)
        # Below the first level the noisy latent shows already what falls. The factor is a constant 0 there, by which
        # OpenVINO would divide the bounds of a clamp that comes after it.
        seen: Tensor = asked.clamp(0, 1) * ((sigma - 0.98) * 50).clamp(0, 1).to(asked.dtype)
        return seen

    def fallen(self, edited: Tensor, noise: Tensor, falling: Tensor, code: Tensor) -> Tensor:
        """The edit behind what falls and rises; as it is where ``falling`` is 0."""
        if not self.config.field_families:
            return edited
        cover, colour = self.field(noise, code)
        shown: Tensor = edited + falling[:, None, None, None] * cover * (colour - edited)
        return shown

    def _alone(self, code: Tensor, families: Iterable[int]) -> Tensor:
        """How much these families and no others are asked for, (B, 1, 1, 1): others may be for what they leave."""
        asked = total(code, families)
        others = code[:, : self.config.code_families].sum(1) - asked
        return (asked - others).clamp(0, 1)[:, None, None, None]

    def _surroundings(self, x2: Tensor, condition: Tensor) -> Tensor:
        context = run_blocks(self.context, self.reduce2(x2), condition)
        enlarged = cropped_like(F.pixel_shuffle(self.enlarge2(context), 2), x2)
        return opened(self.context_gate, condition) * enlarged

    def _colour(self, source: Tensor, condition: Tensor) -> Tensor:
        """An affine colour change the whole picture shares, starting at the identity."""
        # No matrix products on purpose: a compiler rounds their operands to bfloat16, which at 50 dB costs a whole
        # decibel, but leaves sums and products between the last convolution and the picture in float32.
        affine = (self.bypass.weight * condition[:, None]).sum(-1) + self.bypass.bias
        affine = affine.view(-1, 3, 4, 1, 1)
        batch, channels, height, width = source.shape
        pixels = source.view(batch, 3, channels // 3, height * width)
        identity = torch.eye(3, dtype=affine.dtype, device=affine.device).view(1, 3, 3, 1, 1)
        matrix, mixed = affine[:, :, :3] + identity, affine[:, :, 3]
        for index in range(3):
            mixed = mixed + matrix[:, :, index] * pixels[:, index : index + 1]
        colours: Tensor = mixed.reshape(batch, channels, height, width)
        return colours


def _of_pixels(shares: Tensor) -> Tensor:
    """Shares of all numbers of a latent, (B, 48, h, w), by those of 2x2 pixels; repeated, they would make steps."""
    squares = F.pixel_shuffle(shares, 2)
    pixels = F.interpolate(squares, scale_factor=2.0, mode="bilinear", align_corners=False)
    return F.pixel_unshuffle(F.pixel_unshuffle(pixels, 2), 2).repeat(1, 3, 1, 1)


def _instead(edited: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """The edit with so much of another one in its place; at 1 the other to the bit, whatever the edit was."""
    return (1 - share) * edited + share * other


def total(code: Tensor, indices: Iterable[int]) -> Tensor:
    """Sum of some of a code's numbers, (B,); one by one, which every compiler takes as it is."""
    total = torch.zeros_like(code[:, 0])
    for index in indices:
        total = total + code[:, index]
    return total
