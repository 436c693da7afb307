"""The embedded network with branches: a part runs only where a code of the batch asks for it.

What a code does not ask for, :class:`engines.backbones.tiny.TinyDenoiser` computes and does not use; here it is not
computed. Compilers get branches that tracing keeps, training gets plain ones.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from engines.backbones.tiny import NOBODY, TinyDenoiser, total

Step = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""One step of the network: what is there, a latent, shares and codes, to what is there then."""
Branch = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
"""The same behind how much of it each code asks for."""
_BARELY = 0.02
"""Below it a family is spread over a code by its looseness in training, and not asked for."""


class BranchingDenoiser(nn.Module):
    """Predicts as the network it is made of, with which it shares its weights.

    Args:
        denoiser: The network.
        branch: Makes a branch of a step: :func:`traceable_branch`, for compilers, or :func:`row_branch`, to train.
    """

    def __init__(self, denoiser: TinyDenoiser, branch: Callable[[TinyDenoiser, Step], Branch]) -> None:
        super().__init__()
        self.denoiser = own = denoiser
        self.clear = branch(own, lambda source, _, __, code: own.cleared(source, code))
        self.see = branch(own, lambda _, source, __, code: own.people(source, code))
        self.recolour = branch(own, lambda edited, source, _, code: own.recoloured(edited, source, code))
        self.defocus = branch(own, own.defocused)
        self.fall = branch(
            own, lambda edited, noise, share, code: own.fallen(edited, noise, share[:, 0, 0, 0], code)
        )

    @property
    def code_length(self) -> int:
        """Length of the instruction codes it takes."""
        return self.denoiser.code_length

    def forward(self, noisy: Tensor, source: Tensor, memory: Tensor, sigma: Tensor, code: Tensor) -> Tensor:
        """Predict the clean latent; as :meth:`TinyDenoiser.forward`."""
        own, config = self.denoiser, self.denoiser.config
        shares = source[:, : _shares(own)]
        source = self.clear(total(code, config.eraser_families), source, source, shares, code)
        nobody = torch.full_like(shares, NOBODY)
        figure = self.see(total(code, config.figure_families), nobody, source, shares, code)
        edited = own.trunk(noisy, source, memory, sigma, code, figure)
        edited = self.recolour(total(code, config.hue_families), edited, source, figure, code)
        edited = self.defocus(total(code, config.defocus_families), edited, source, figure, code)
        edited = own.spared(edited, source, figure, code)
        falling = own.falling(sigma, code)
        share = falling[:, None, None, None].expand_as(figure)
        shown: Tensor = self.fall(falling, edited, noisy - memory, share, code)
        return shown


def row_branch(denoiser: TinyDenoiser, step: Step) -> Branch:
    """A branch that runs for those of a batch alone that ask for it, as gradients do."""

    def branch(asked: Tensor, present: Tensor, latent: Tensor, shares: Tensor, code: Tensor) -> Tensor:
        rows = (asked > _BARELY).nonzero().flatten()
        if len(rows) == 0:
            return present
        changed = step(present[rows], latent[rows], shares[rows], code[rows])
        return present.index_copy(0, rows, changed.to(present.dtype))

    return branch


class _Part(nn.Module):
    """One step of the network as a module, which tracing needs; the network is held for its weights."""

    def __init__(self, denoiser: TinyDenoiser, step: Step) -> None:
        super().__init__()
        self.denoiser, self._step = denoiser, step

    def forward(self, present: Tensor, latent: Tensor, shares: Tensor, code: Tensor) -> Tensor:
        return self._step(present, latent, shares, code)


class _IfAsked(nn.Module):
    """Runs a part where any of a batch asks for it; else what is present stays."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, asked: Tensor, present: Tensor, latent: Tensor, shares: Tensor, code: Tensor) -> Tensor:
        if bool((asked != 0).any()):
            present = self.part(present, latent, shares, code)
        return present


def traceable_branch(denoiser: TinyDenoiser, step: Step) -> torch.jit.ScriptModule:
    """A branch that tracing keeps: it is to be compiled, not to be trained.

    In a transition or a batch whatever one of the codes asks for runs.
    """
    latent, code = (
        torch.zeros(1, denoiser.config.latent_channels, 16, 16),
        torch.zeros(1, denoiser.code_length),
    )
    shares = latent[:, : _shares(denoiser)]
    part = torch.jit.trace(  # type: ignore[no-untyped-call]
        _Part(denoiser, step), (latent, latent, shares, code), check_trace=False
    )
    scripted: torch.jit.ScriptModule = torch.jit.script(_IfAsked(part))
    return scripted


def _shares(denoiser: TinyDenoiser) -> int:
    """Channels of what has one value for every 2x2 pixels."""
    return denoiser.config.latent_channels // 12
