"""The optimisers of training: Muon for the filters of normalised convolutions, AdamW for all else."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from engines.backbones.layers import NormalisedConv2d

_RENORMALISE_EVERY = 10


class Optimisers:
    """Muon and AdamW over what of a network learns; either is left out where there is nothing for it.

    Args:
        network: Its parameters, as far as they ask for gradients.
        filter_rate: Muon's peak, for normalised filters.
        learning_rate: AdamW's peak, for all else.
    """

    def __init__(self, network: nn.Module, filter_rate: float, learning_rate: float) -> None:
        self._normalised = [
            module
            for module in network.modules()
            if isinstance(module, NormalisedConv2d) and module.filters.requires_grad
        ]
        filters = [module.filters for module in self._normalised]
        among_filters = {id(rows) for rows in filters}
        others = [
            weight
            for weight in network.parameters()
            if weight.requires_grad and id(weight) not in among_filters
        ]
        self._rated: list[tuple[torch.optim.Optimizer, float]] = []
        if filters:
            muon = torch.optim.Muon(filters, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
            self._rated.append((muon, filter_rate))
        if others:
            adamw = torch.optim.AdamW(others, betas=(0.9, 0.99), weight_decay=0.0, fused=True)
            self._rated.append((adamw, learning_rate))
        self._steps = 0

    def step(self, share: float) -> None:
        """Take a step by the gradients there are, at that share of the peak rates, and forget them."""
        for optimizer, peak in self._rated:
            optimizer.param_groups[0]["lr"] = peak * share
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if self._steps % _RENORMALISE_EVERY == 0:
            # So that the rates keep their meaning.
            for module in self._normalised:
                module.renormalise()
        self._steps += 1

    def state(self) -> list[dict[str, Any]]:
        """What a checkpoint keeps of them."""
        return [optimizer.state_dict() for optimizer, _ in self._rated]

    def load(self, states: Sequence[dict[str, Any]], steps: int) -> None:
        """Go on from what :meth:`state` gave after so many steps.

        Raises:
            ValueError: It is of another number of optimisers or parameters.
        """
        for (optimizer, _), stored in zip(self._rated, states, strict=True):
            optimizer.load_state_dict(stored)
        self._steps = steps
