"""Edits that only a small part of the embedded network makes, each as a network of its own.

A named colour and what is out of focus are composed from the source (:mod:`engines.backbones.regions`): asked for
alone, at their whole weight, nothing that the trunk makes is seen, and the trunk is four fifths of a frame's work.
They are programs beside the whole one, not branches of it: inside a branch OpenVINO computes no convolution in eight
bits, which costs every other edit more than a branch around the trunk could save.
"""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from engines.backbones.tiny import TinyDenoiser


class _Shortcut(nn.Module):
    """Predicts with the weights of the network it is given."""

    def __init__(self, denoiser: TinyDenoiser) -> None:
        super().__init__()
        self.denoiser = denoiser

    @property
    def code_length(self) -> int:
        """Length of the instruction codes it takes."""
        return self.denoiser.code_length


class Recolouring(_Shortcut):
    """Gives things of a named colour another one, or keeps them alone in colour."""

    def forward(self, noisy: Tensor, source: Tensor, memory: Tensor, sigma: Tensor, code: Tensor) -> Tensor:
        """Predict the clean latent; as :meth:`TinyDenoiser.forward`."""
        return self.denoiser.recoloured(source, source, code)


class Defocusing(_Shortcut):
    """Blurs what is behind people, or puts a wall there."""

    def forward(self, noisy: Tensor, source: Tensor, memory: Tensor, sigma: Tensor, code: Tensor) -> Tensor:
        """Predict the clean latent; as :meth:`TinyDenoiser.forward`."""
        figure = self.denoiser.people(source, code)
        return self.denoiser.spared(
            self.denoiser.defocused(source, source, figure, code), source, figure, code
        )


def shortcuts(denoiser: TinyDenoiser) -> Mapping[str, nn.Module]:
    """The network's shortcuts by name."""
    made: dict[str, nn.Module] = {}
    if denoiser.hue is not None:
        made["recolouring"] = Recolouring(denoiser)
    if denoiser.defocus is not None:
        made["defocusing"] = Defocusing(denoiser)
    return made


def shortcut(denoiser: TinyDenoiser, code: Tensor) -> str | None:
    """The shortcut that predicts what the network does for all of these codes, (B, code_length); None without one."""
    config = denoiser.config
    names = {
        _shortcut_of(weights, config.hue_families, config.defocus_families)
        for weights in code[:, : config.code_families].tolist()
    }
    return names.pop() if len(names) == 1 else None


def _shortcut_of(weights: Sequence[float], hue: Sequence[int], defocus: Sequence[int]) -> str | None:
    asked = [family for family, weight in enumerate(weights) if weight]
    if len(asked) != 1 or weights[asked[0]] != 1:
        return None
    if asked[0] in hue:
        return "recolouring"
    return "defocusing" if asked[0] in defocus else None
