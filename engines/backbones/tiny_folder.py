"""The embedded denoiser's folder, a configuration and float16 weights as diffusers lays them out."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engines.backbones.layers import NormalisedConv2d
from engines.backbones.tiny import TinyConfig, TinyDenoiser

_CONFIG, _WEIGHTS = "config.json", "diffusion_pytorch_model.safetensors"


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
    """Write the configuration of a denoiser and weights that fit it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"_class_name": "TinyDenoiser", **asdict(denoiser.config)}
    (folder / _CONFIG).write_text(json.dumps(config, indent=2) + "\n")
    half = {name: value.detach().to("cpu", torch.float16).contiguous() for name, value in weights.items()}
    path = folder / _WEIGHTS
    save_file(half, path, metadata={"format": "pt"})
    # safetensors writes for the owner alone; a model is for whoever may read its folder.
    path.chmod(0o644)


def load_denoiser(folder: Path) -> TinyDenoiser:
    """Read what :func:`save_denoiser` wrote, as float32 in evaluation mode.

    Raises:
        OSError: A file is missing.
        ValueError: The configuration names another class or unknown fields, or is of an older version.
        RuntimeError: The weights do not fit the configuration; torch names each tensor.
    """
    stored = json.loads((folder / _CONFIG).read_text())
    if stored.pop("_class_name", None) != "TinyDenoiser":
        raise ValueError(f"{folder} does not hold a TinyDenoiser")
    fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in stored.items()}
    if "figure_widths" in fields:
        raise ValueError(
            f"{folder} is of rfdm-tiny 6 or older, which told people by another network;"
            f" `afterimage train --media DIR --from {folder}` makes one of this version of it"
        )
    try:
        config = TinyConfig(**fields)
    except TypeError as error:
        raise ValueError(f"{folder / _CONFIG}: {error}") from error
    denoiser = TinyDenoiser(config)
    denoiser.load_state_dict(load_file(folder / _WEIGHTS))
    return denoiser.float().eval()
