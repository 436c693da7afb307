"""More inputs for a pretrained network: [noisy] or [noisy, source] becomes [noisy, source, memory]."""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from torch import Tensor, nn

if TYPE_CHECKING:
    from diffusers import ModelMixin

Network = TypeVar("Network", bound="ModelMixin")

INPUTS = ("noisy", "source", "memory")
"""What an RFDM network sees, in the order of its input channels."""


def expand_input_weight(weight: Tensor, channels: int, scales: Sequence[float] = ()) -> Tensor:
    """The first convolution's weight with all of :data:`INPUTS`; what was not there starts at zero.

    With zeros the network does what it did before, whatever the new inputs hold, and training moves on from there
    (InstructPix2Pix, Brooks et al. 2023, Sec. 3.2).

    Args:
        weight: (out, k channels, kh, kw), k of 1 to 3.
        channels: Channels of one latent.
        scales: Factor for the weights of each input present, ones where left out. A checkpoint whose source was
            not normalised (InstructPix2Pix) takes a normalised one after its weights are scaled by the reciprocal.

    Returns:
        (out, 3 channels, kh, kw) in the weight's own type.

    Raises:
        ValueError: The weight does not hold 1 to 3 whole latents.
    """
    present, rest = divmod(weight.shape[1], channels)
    if rest or not 1 <= present <= len(INPUTS):
        raise ValueError(
            f"a network of {weight.shape[1]} input channels cannot become one of {len(INPUTS)} latents of {channels}"
        )
    expanded = weight.new_zeros(weight.shape[0], len(INPUTS) * channels, *weight.shape[2:])
    for index in range(present):
        part = slice(index * channels, (index + 1) * channels)
        scale = scales[index] if index < len(scales) else 1.0
        expanded[:, part] = (weight[:, part].float() * scale).to(weight.dtype)
    return expanded


def expand_convolution(conv: nn.Conv2d, channels: int, scales: Sequence[float] = ()) -> nn.Conv2d:
    """A first convolution that takes all of :data:`INPUTS`; see :func:`expand_input_weight`."""
    expanded = copy.deepcopy(conv)
    expanded.in_channels = len(INPUTS) * channels
    expanded.weight = nn.Parameter(expand_input_weight(conv.weight.detach(), channels, scales))
    return expanded


def expand_input(network: Network, first: str, channels: int, scales: Sequence[float] = ()) -> Network:
    """The same diffusers network with all of :data:`INPUTS` on its input; one that has them is left as it is.

    Args:
        network: Of diffusers, with its configuration.
        first: Name of its first convolution.
        channels: Channels of one latent.
        scales: As for :func:`expand_input_weight`.

    Raises:
        ValueError: Its channels are not 1 to 3 latents.
    """
    taken = len(INPUTS) * channels
    if network.config.in_channels != taken:
        conv = network.get_submodule(first)
        assert isinstance(conv, nn.Conv2d)
        network.set_submodule(first, expand_convolution(conv, channels, scales))
        # An output left to follow the input (`out_channels: null`) must not grow with it.
        network.register_to_config(in_channels=taken, out_channels=channels)
    return network
