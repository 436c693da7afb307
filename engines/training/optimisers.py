"""The optimisers of the training command: Muon for normalised filters, AdamW for all else."""

import torch

from engines.backbones.tiny import NormalisedConv2d, TinyDenoiser


def make_optimizers(denoiser: TinyDenoiser) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon over the filters of normalised convolutions and AdamW over the rest; rates are set at each step."""
    filters = [module.filters for module in normalised(denoiser)]
    among_filters = {id(rows) for rows in filters}
    others = [weight for weight in denoiser.parameters() if id(weight) not in among_filters]
    return (
        torch.optim.Muon(filters, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, betas=(0.9, 0.99), weight_decay=0.0, fused=True),
    )


def normalised(denoiser: TinyDenoiser) -> list[NormalisedConv2d]:
    """The normalised convolutions of a network in training."""
    return [module for module in denoiser.modules() if isinstance(module, NormalisedConv2d)]


def renormalise(denoiser: TinyDenoiser) -> None:
    """Bring all stored filters back to unit mean square, so that the learning rate keeps its meaning."""
    for module in normalised(denoiser):
        module.renormalise()
