"""The embedded denoiser: a small residual UNet on 4x4-rearranged pixels, built for two CPU cores.

It takes [noisy, source, memory] on channels like the large backbones, and the instruction code as a per-channel
scale and shift of every block (FiLM; Perez et al. 2018). No normalisation layers: on a CPU they cost as much as a
convolution at these widths, and their statistics tie a pixel's edit to the rest of the picture.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


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
        figure_widths: Channels at strides 2, 4 and 8 of the part that tells people from the background.
        figure_families: Where in the code the weights of families stand that leave people as they are.
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
    figure_widths: tuple[int, int, int] = (64, 96, 128)
    figure_families: tuple[int, ...] = (43, 44, 45, 46, 47)
    eraser_widths: tuple[int, int, int] = (32, 48, 64)
    eraser_families: tuple[int, ...] = (48,)
    field_width: int = 40
    field_families: tuple[int, ...] = (39, 40, 49)

    @property
    def code_families(self) -> int:
        """How many family weights lead the code; each has an amount, and two colours end it."""
        return (self.code_length - 6) // 2


class NormalisedConv2d(nn.Module):
    """A convolution whose filters, bias included, always have the norm ``gain``.

    Magnitude-preserving layers of EDM2 (Karras et al. 2024, Sec. 2.3): activations keep their size in training, and
    since a bias can never outgrow its filter, no unit can be silenced for good. Once trained, the filters are
    constants, and a plain convolution with :meth:`effective` does the same.

    Attributes:
        filters: (outputs, inputs * size^2 + 1), one filter a row, its bias last: a matrix, as Muon wants it.
    """

    def __init__(self, inputs: int, outputs: int, size: int, *, stride: int = 1, gain: float = 1.0) -> None:
        super().__init__()
        self.stride, self.padding, self.gain = stride, size // 2, gain
        self._shape = (outputs, inputs, size, size)
        self.filters = nn.Parameter(torch.randn(outputs, inputs * size * size + 1))
        nn.init.zeros_(self.filters[:, -1])

    def effective(self, filters: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Filters (outputs, inputs, size, size) and biases (outputs,) as used; of an average, if one is given."""
        filters = self.filters if filters is None else filters
        rows = self.gain * filters / (torch.linalg.vector_norm(filters, dim=1, keepdim=True) + 1e-4)
        return rows[:, :-1].reshape(self._shape), rows[:, -1]

    @torch.no_grad()
    def renormalise(self) -> None:
        """Bring the stored filters back to unit mean square, so that the learning rate keeps its meaning."""
        self.filters.div_(self.filters.square().mean(dim=1, keepdim=True).sqrt())

    def forward(self, x: Tensor) -> Tensor:
        """Convolve by the effective filters."""
        weight, bias = self.effective()
        return F.conv2d(x, weight, bias, self.stride, self.padding)


class PlainConv2d(nn.Conv2d):
    """The same convolution after training; ``gain`` is in its weights already."""

    def __init__(self, inputs: int, outputs: int, size: int, *, stride: int = 1, gain: float = 1.0) -> None:
        super().__init__(inputs, outputs, size, stride=stride, padding=size // 2)


Convolution = type[NormalisedConv2d] | type[PlainConv2d]

_AFTER_SILU = 1 / 0.596
"""Makes up for what SiLU takes from a unit normal (EDM2, Eq. 81)."""
_BRANCH = 0.5
"""Size of a residual branch beside its trunk."""


def _modulation(film: nn.Linear, condition: Tensor) -> tuple[Tensor, Tensor]:
    """Per-channel factor in (0, 2) and shift in (-1, 1), each (B, C, 1, 1)."""
    scale, shift = torch.tanh(film(condition))[:, :, None, None].chunk(2, 1)
    return 1 + scale, shift


def _linear(inputs: int, outputs: int, *, inputs_norm: float, gain: float = 1.0) -> nn.Linear:
    """A linear layer that starts with outputs of unit size, so that each family has its own modulation at once.

    PyTorch's own start makes them some hundred times smaller: every family then pulls at the same channels.
    """
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=gain / inputs_norm)
    nn.init.zeros_(layer.bias)
    return layer


def _gate(condition_width: int, width: int) -> nn.Linear:
    """Per-channel factors for what is joined to a trunk, which start at zero: each family opens what it needs."""
    gate = nn.Linear(condition_width, width)
    nn.init.zeros_(gate.weight)
    nn.init.zeros_(gate.bias)
    return gate


def _pixel_norm(x: Tensor) -> Tensor:
    """Every pixel's channels brought to unit mean square (EDM2, Eq. 30): a trunk cannot grow from block to block."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-4)


class _Block(nn.Module):
    """x + conv(silu(film(conv(x)))), on a trunk of unit size."""

    def __init__(self, width: int, condition_width: int, conv: Convolution) -> None:
        super().__init__()
        self.first = conv(width, width, 3)
        self.film = _linear(condition_width, 2 * width, inputs_norm=condition_width**0.5, gain=_AFTER_SILU)
        self.second = conv(width, width, 3, gain=_BRANCH * _AFTER_SILU)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        factor, shift = _modulation(self.film, condition)
        x = _pixel_norm(x)
        branch: Tensor = self.second(F.silu(self.first(x) * factor + shift))
        return x + branch


class _PlainBlock(nn.Module):
    """x + conv(silu(conv(x))), on a trunk of unit size: the same whatever the instruction."""

    def __init__(self, width: int, conv: Convolution) -> None:
        super().__init__()
        self.first = conv(width, width, 3, gain=_AFTER_SILU)
        self.second = conv(width, width, 3, gain=_BRANCH * _AFTER_SILU)

    def forward(self, x: Tensor) -> Tensor:
        x = _pixel_norm(x)
        branch: Tensor = self.second(F.silu(self.first(x)))
        return x + branch


class Figure(nn.Module):
    """Tells people from the background by the source alone, in a grid twice as fine as the latent's.

    It has features of its own: shared with fifty edits they were learned ten times slower, since few pictures have
    mattes. It is trained first, on mattes alone, and then stands still.
    """

    def __init__(
        self, channels: int, widths: tuple[int, int, int], conv: Convolution, outputs: int = 4
    ) -> None:
        super().__init__()
        w0, w1, w2 = widths
        self.stem = conv(channels, w0, 3, stride=2)
        self.down0 = _PlainBlock(w0, conv)
        self.reduce0 = conv(w0, w1, 3, stride=2)
        self.down1 = nn.Sequential(_PlainBlock(w1, conv), _PlainBlock(w1, conv))
        self.reduce1 = conv(w1, w2, 3, stride=2)
        self.middle = nn.Sequential(*(_PlainBlock(w2, conv) for _ in range(3)))
        self.enlarge1 = conv(w2, 4 * w1, 1)
        self.up1 = _PlainBlock(w1, conv)
        self.enlarge0 = conv(w1, 4 * w0, 1)
        self.up0 = _PlainBlock(w0, conv)
        self.out = conv(w0, 4 * outputs, 3)

    def forward(self, source: Tensor) -> Tensor:
        """Logits of the person's share of each pixel of half the picture's resolution.

        Args:
            source: Latent of the source frame, (B, C, h, w); h and w multiples of 4.

        Returns:
            (B, 4, h, w): the 2x2 such pixels of each place of the latent.
        """
        x0 = self.down0(self.stem(source))
        x1 = self.down1(self.reduce0(x0))
        x2 = _like(F.pixel_shuffle(self.enlarge1(self.middle(self.reduce1(x1))), 2), x1)
        x1 = self.up1(x1 + x2)
        x0 = self.up0(x0 + _like(F.pixel_shuffle(self.enlarge0(x1), 2), x0))
        return _like(F.pixel_shuffle(self.out(_pixel_norm(x0)), 2), source)


class Eraser(nn.Module):
    """Finds balloons in the source and guesses what is behind them, in a grid twice as fine as the latent's."""

    def __init__(self, channels: int, widths: tuple[int, int, int], conv: Convolution) -> None:
        super().__init__()
        self.net = Figure(channels, widths, conv, outputs=16)

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
            _linear(code_length, _FIELD_CONDITION, inputs_norm=1.0),
            nn.SiLU(),
            _linear(_FIELD_CONDITION, _FIELD_CONDITION, inputs_norm=_FIELD_CONDITION**0.5, gain=_AFTER_SILU),
            nn.SiLU(),
        )
        self.stem = conv(channels, width, 3)
        self.blocks = _blocks(width, 2, _FIELD_CONDITION, conv)
        self.out = conv(width, channels + channels // 3, 1, gain=4.0)

    def forward(self, noise: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        """Draw the field.

        Args:
            noise: ε, (B, C, h, w).
            code: Instruction code, (B, code_length).

        Returns:
            How much each pixel is covered, in [0, 1], and by what latent colour, each (B, C, h, w).
        """
        x = _run(self.blocks, self.stem(noise), self.embed(code.to(noise.dtype)))
        drawn = self.out(_pixel_norm(x))
        colours = noise.shape[1]
        cover = torch.sigmoid(drawn[:, colours:] - 2).repeat(1, 3, 1, 1)
        return cover, drawn[:, :colours]


_FIELD_CONDITION = 64


def _total(code: Tensor, indices: Iterable[int]) -> Tensor:
    """Sum of some of a code's numbers, (B,); one by one, which every compiler takes as it is."""
    total = torch.zeros_like(code[:, 0])
    for index in indices:
        total = total + code[:, index]
    return total


def _like(enlarged: Tensor, other: Tensor) -> Tensor:
    """Without the row or column that an odd side was rounded up by on the way down."""
    return enlarged[..., : other.shape[-2], : other.shape[-1]]


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
        self.film = _linear(condition_width, 4 * width, inputs_norm=condition_width**0.5, gain=_AFTER_SILU)
        self.mix = conv(width, width, 1, gain=_AFTER_SILU)
        self.out = nn.Conv2d(width, source_channels // 4, 3, padding=1)
        nn.init.zeros_(self.out.weight)

    def forward(self, trunk: Tensor, source: Tensor, condition: Tensor) -> Tensor:
        (factor, mix_factor), (shift, mix_shift) = (
            part.chunk(2, 1) for part in _modulation(self.film, condition)
        )
        hidden = F.pixel_shuffle(self.expand(_pixel_norm(trunk)), 2) + self.source(F.pixel_shuffle(source, 2))
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
            _linear(config.code_length + 1, condition_width, inputs_norm=1.0),
            nn.SiLU(),
            _linear(condition_width, condition_width, inputs_norm=condition_width**0.5, gain=_AFTER_SILU),
            nn.SiLU(),
        )
        self.stem = conv(3 * channels, w0, 1)
        self.field = Field(channels, config.code_length, config.field_width, conv)
        self.eraser = Eraser(channels, config.eraser_widths, conv)
        self.figure = Figure(channels, config.figure_widths, conv)
        self.matte = conv(4, w0, 1)
        self.matte_gate = _gate(condition_width, w0)
        self.down0 = _blocks(w0, config.blocks[0], condition_width, conv)
        self.reduce0 = conv(w0, w1, 3, stride=2)
        self.down1 = _blocks(w1, config.blocks[1], condition_width, conv)
        self.reduce1 = conv(w1, w2, 3, stride=2)
        self.middle = _blocks(w2, config.blocks[2], condition_width, conv)
        self.reduce2 = conv(w2, config.context_width, 3, stride=2)
        self.context = _blocks(config.context_width, config.context_blocks, condition_width, conv)
        self.enlarge2 = conv(config.context_width, 4 * w2, 1)
        self.context_gate = _gate(condition_width, w2)
        self.enlarge1 = conv(w2, 4 * w1, 1)
        self.up1 = _blocks(w1, config.decoder_blocks[1], condition_width, conv)
        self.enlarge0 = conv(w1, 4 * w0, 1)
        self.up0 = _blocks(w0, config.decoder_blocks[0], condition_width, conv)
        self.detail = _DetailHead(w0, channels, config.detail_width, condition_width, conv)
        self.bypass = nn.Linear(condition_width, 12)
        nn.init.zeros_(self.bypass.weight)
        nn.init.zeros_(self.bypass.bias)

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
        condition = self.condition(torch.cat([code, sigma[:, None]], 1).to(noisy.dtype))
        source = self._cleared(source, code)
        x0 = self.stem(torch.cat([noisy, source, memory], 1))
        figure = self.figure(source)
        matte = torch.tanh(0.5 * figure)
        x0 = x0 + _opened(self.matte_gate, condition) * self.matte(matte)
        x0 = _run(self.down0, x0, condition)
        x1 = _run(self.down1, self.reduce0(x0), condition)
        x2 = self.middle[0](self.reduce1(x1), condition)
        x2 = _run(self.middle[1:], x2 + self._surroundings(x2, condition), condition)
        x1 = _run(self.up1, x1 + F.pixel_shuffle(self.enlarge1(x2), 2), condition)
        x0 = _run(self.up0, x0 + F.pixel_shuffle(self.enlarge0(x1), 2), condition)
        detail: Tensor = self.detail(x0, source, condition)
        edited = self._colour(source, condition) + detail
        edited = edited + self._spared(figure, code) * (source - edited)
        cover, colour = self.field(noisy - memory, code)
        shown: Tensor = edited + self._falling(sigma, code) * cover * (colour - edited)
        return shown

    def _cleared(self, source: Tensor, code: Tensor) -> Tensor:
        """The source without balloons where they are to go, before all else that is asked."""
        asked = _total(code, self.config.eraser_families).clamp(0, 1)[:, None, None, None]
        found, behind = self.eraser(source)
        # Shares are made in float32 and used in the type of all else.
        gone = asked * ((torch.sigmoid(found.float()) - 0.15) / 0.5).clamp(0, 1).to(source.dtype)
        cleared: Tensor = source + gone.repeat(1, self.config.latent_channels // 4, 1, 1) * (behind - source)
        return cleared

    def _spared(self, figure: Tensor, code: Tensor) -> Tensor:
        """How much of each pixel is surely person and stays the source, (B, C, h, w); the trunk has the rim."""
        asked = _total(code, self.config.figure_families)
        # A second edit is for people too.
        others = code[:, : self.config.code_families].sum(1) - asked
        alone = (asked - others).clamp(0, 1)[:, None, None, None]
        inside = ((torch.sigmoid(figure.float()) - 0.6) / 0.35).clamp(0, 1).to(figure.dtype)
        # Every value is that of 2x2 pixels, in each of the three colours.
        spared: Tensor = (alone * inside).repeat(1, self.config.latent_channels // 4, 1, 1)
        return spared

    def _falling(self, sigma: Tensor, code: Tensor) -> Tensor:
        """How much of the field is to be seen, (B, 1, 1, 1): all at the first level, where its noise is the noise."""
        asked = _total(code, self.config.field_families)
        # Below the first level the noisy latent shows already what falls.
        seen: Tensor = (asked * ((sigma - 0.98) * 50).clamp(0, 1).to(asked.dtype)).clamp(0, 1)
        return seen[:, None, None, None]

    def _surroundings(self, x2: Tensor, condition: Tensor) -> Tensor:
        context = _run(self.context, self.reduce2(x2), condition)
        enlarged = _like(F.pixel_shuffle(self.enlarge2(context), 2), x2)
        return _opened(self.context_gate, condition) * enlarged

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


def _opened(gate: nn.Linear, condition: Tensor) -> Tensor:
    opened: Tensor = gate(condition)[:, :, None, None]
    return opened


def _blocks(width: int, count: int, condition_width: int, conv: Convolution) -> nn.ModuleList:
    return nn.ModuleList(_Block(width, condition_width, conv) for _ in range(count))


def _run(blocks: Iterable[nn.Module], x: Tensor, condition: Tensor) -> Tensor:
    for block in blocks:
        x = block(x, condition)
    return x


def plain_weights(trained: TinyDenoiser, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a network in training as those of the plain network that does the same.

    Args:
        trained: A network of normalised convolutions; only its structure is used.
        weights: Its state, or an average of its states.
    """
    plain = dict(weights)
    for name, module in trained.named_modules():
        if isinstance(module, NormalisedConv2d):
            weight, bias = module.effective(plain.pop(f"{name}.filters"))
            plain[f"{name}.weight"], plain[f"{name}.bias"] = weight, bias
    return plain


def save_denoiser(denoiser: TinyDenoiser, weights: Mapping[str, Tensor], folder: Path) -> None:
    """Write ``config.json`` and ``diffusion_pytorch_model.safetensors`` (float16) as diffusers lays them out."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"_class_name": "TinyDenoiser", **asdict(denoiser.config)}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    half = {name: value.detach().to("cpu", torch.float16).contiguous() for name, value in weights.items()}
    path = folder / "diffusion_pytorch_model.safetensors"
    save_file(half, path, metadata={"format": "pt"})
    # safetensors writes for the owner alone; a model is for whoever may read its folder.
    path.chmod(0o644)


def load_denoiser(folder: Path) -> TinyDenoiser:
    """Read what :func:`save_denoiser` wrote, as float32 in evaluation mode.

    Raises:
        OSError: A file is missing.
        ValueError: The configuration names another class or unknown fields.
        RuntimeError: The weights do not fit the configuration; torch names each tensor.
    """
    stored = json.loads((folder / "config.json").read_text())
    if stored.pop("_class_name", None) != "TinyDenoiser":
        raise ValueError(f"{folder} does not hold a TinyDenoiser")
    fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in stored.items()}
    try:
        config = TinyConfig(**fields)
    except TypeError as error:
        raise ValueError(f"{folder / 'config.json'}: {error}") from error
    denoiser = TinyDenoiser(config)
    denoiser.load_state_dict(load_file(folder / "diffusion_pytorch_model.safetensors"))
    return denoiser.float().eval()
