"""Start a network in training from a trained one with fewer families: what it knows stays, the new starts fresh."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from engines.backbones.tiny import NormalisedConv2d, TinyDenoiser
from engines.families import FAMILIES

_COLOUR_AND_LEVEL = 4
"""Red, green and blue, and the noise level, at the end of the first version's condition."""


class WarmStartError(ValueError):
    """The trained model cannot start this network; the message is one line."""


@torch.no_grad()
def warm_start(denoiser: TinyDenoiser, folder: Path) -> tuple[str, ...]:
    """Take over a saved denoiser's weights in place; the network then edits the families it shares just as that did.

    A plain convolution's rows, divided by their norm, are the normalised filters they came from. The first version's
    code had one amount for all families, so each old family's amount starts with that column.

    Args:
        denoiser: A network of normalised convolutions.
        folder: A ``denoiser`` folder, or a model folder that holds one.

    Returns:
        Names of the tensors that have no forerunner and start fresh.

    Raises:
        WarmStartError: The folder holds no denoiser, or one whose shapes do not fit; both are named.
    """
    if (folder / "denoiser").is_dir():
        folder = folder / "denoiser"
    try:
        trained = load_file(folder / "diffusion_pytorch_model.safetensors")
        code_length = json.loads((folder / "config.json").read_text())["code_length"]
    except (OSError, ValueError, KeyError) as error:
        raise WarmStartError(f"{folder} holds no trained denoiser: {error}") from error
    convolutions = {
        name: module for name, module in denoiser.named_modules() if isinstance(module, NormalisedConv2d)
    }
    state = denoiser.state_dict()
    fresh = []
    for name, value in state.items():
        owner = name.removesuffix(".filters")
        if owner in convolutions and f"{owner}.weight" in trained:
            rows = torch.cat(
                [trained[f"{owner}.weight"].float().flatten(1), trained[f"{owner}.bias"].float()[:, None]], 1
            )
            _copy(value, rows, name)
            convolutions[owner].renormalise()
        elif name == "condition.0.weight" and code_length != denoiser.config.code_length:
            _widen(value, trained[name].float(), code_length)
        elif name in trained:
            _copy(value, trained[name].float(), name)
        else:
            fresh.append(name)
    return tuple(fresh)


def _copy(value: Tensor, trained: Tensor, name: str) -> None:
    if value.shape != trained.shape:
        raise WarmStartError(
            f"{name} is {tuple(trained.shape)} in the trained model and {tuple(value.shape)} here"
        )
    value.copy_(trained)


def _widen(value: Tensor, trained: Tensor, code_length: int) -> None:
    """Columns: families, amounts, rgb, rgb of the things meant, noise level; of old families, amount, rgb, level."""
    old, new = code_length - _COLOUR_AND_LEVEL, len(FAMILIES)
    if not 0 < old <= new or value.shape[0] != trained.shape[0]:
        raise WarmStartError(
            f"condition.0.weight is {tuple(trained.shape)} in the trained model and {tuple(value.shape)} here"
        )
    value[:, :old] = trained[:, :old]
    value[:, new : new + old] = trained[:, old : old + 1]
    value[:, 2 * new : 2 * new + 3] = trained[:, old + 1 : old + 4]
    value[:, -1] = trained[:, -1]
