"""Layers of the embedded network: convolutions and blocks that keep the size of what flows through them.

Magnitude-preserving layers of EDM2 (Karras et al. 2024). No normalisation by statistics: on a CPU it costs as much as
a convolution at these widths, and ties a pixel's edit to the rest of the picture.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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

AFTER_SILU = 1 / 0.596
"""Makes up for what SiLU takes from a unit normal (EDM2, Eq. 81)."""
_BRANCH = 0.5
"""Size of a residual branch beside its trunk."""


def modulation(film: nn.Linear, condition: Tensor) -> tuple[Tensor, Tensor]:
    """Per-channel factor in (0, 2) and shift in (-1, 1), each (B, C, 1, 1)."""
    scale, shift = torch.tanh(film(condition))[:, :, None, None].chunk(2, 1)
    return 1 + scale, shift


def unit_linear(inputs: int, outputs: int, *, inputs_norm: float, gain: float = 1.0) -> nn.Linear:
    """A linear layer that starts with outputs of unit size, so that each family has its own modulation at once.

    PyTorch's own start makes them some hundred times smaller: every family then pulls at the same channels.
    """
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=gain / inputs_norm)
    nn.init.zeros_(layer.bias)
    return layer


def closed_gate(condition_width: int, width: int) -> nn.Linear:
    """Per-channel factors for what is joined to a trunk, which start at zero: each family opens what it needs."""
    gate = nn.Linear(condition_width, width)
    nn.init.zeros_(gate.weight)
    nn.init.zeros_(gate.bias)
    return gate


def pixel_norm(x: Tensor) -> Tensor:
    """Every pixel's channels brought to unit mean square (EDM2, Eq. 30): a trunk cannot grow from block to block."""
    # In float32: trunks grow to values whose squares float16 does not hold.
    return x * torch.rsqrt(x.float().square().mean(1, keepdim=True) + 1e-4).to(x.dtype)


class Block(nn.Module):
    """x + conv(silu(film(conv(x)))), on a trunk of unit size."""

    def __init__(self, width: int, condition_width: int, conv: Convolution) -> None:
        super().__init__()
        self.first = conv(width, width, 3)
        self.film = unit_linear(condition_width, 2 * width, inputs_norm=condition_width**0.5, gain=AFTER_SILU)
        self.second = conv(width, width, 3, gain=_BRANCH * AFTER_SILU)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(B, width, h, w), modulated by the embedding (B, condition_width)."""
        factor, shift = modulation(self.film, condition)
        x = pixel_norm(x)
        branch: Tensor = self.second(F.silu(self.first(x) * factor + shift))
        return x + branch


class PlainBlock(nn.Module):
    """x + conv(silu(conv(x))), on a trunk of unit size: the same whatever the instruction."""

    def __init__(self, width: int, conv: Convolution) -> None:
        super().__init__()
        self.first = conv(width, width, 3, gain=AFTER_SILU)
        self.second = conv(width, width, 3, gain=_BRANCH * AFTER_SILU)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) to the same."""
        x = pixel_norm(x)
        branch: Tensor = self.second(F.silu(self.first(x)))
        return x + branch


def cropped_like(enlarged: Tensor, other: Tensor) -> Tensor:
    """Without the row or column that an odd side was rounded up by on the way down."""
    return enlarged[..., : other.shape[-2], : other.shape[-1]]


def opened(gate: nn.Linear, condition: Tensor) -> Tensor:
    """What a gate lets through under a condition, (B, C, 1, 1)."""
    share: Tensor = gate(condition)[:, :, None, None]
    return share


def modulated_blocks(width: int, count: int, condition_width: int, conv: Convolution) -> nn.ModuleList:
    """``count`` blocks of one width."""
    return nn.ModuleList(Block(width, condition_width, conv) for _ in range(count))


def run_blocks(blocks: Iterable[nn.Module], x: Tensor, condition: Tensor) -> Tensor:
    """One block after the other, all under the same condition."""
    for block in blocks:
        x = block(x, condition)
    return x
