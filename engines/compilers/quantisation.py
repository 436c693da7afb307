"""Eight-bit layers: which range each one's input has, measured once and stored beside the weights.

Post-training quantisation in its plainest form (Krishnamoorthi 2018): weights symmetric for each filter, activations
by one measured range for each layer. Only the ranges are stored; the weights are rounded when a program is
compiled, so a model has one set of weights for every compiler.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engines.model import ModelError
from engines.program import FrameProgram

RANGES_FILE = "activation_ranges.json"

KEPT_EXACT = (
    "stem",
    "matte",
    "field.stem",
    "field.out",
    "detail.source",
    "detail.mix",
    "detail.out",
    "hue.smooth",
    "defocus.enlarge",
    "unet.conv_in",
    "unet.conv_out",
    "transformer.pos_embed.proj",
    "transformer.context_embedder",
    "transformer.proj_out",
)
"""Layers next to the picture: rounding there shows in it, and they are a small part of the work."""
_KEPT_PART = "figure."
"""MediaPipe's thin filters and squeezed channels have most to lose by rounding, and are little of the work too."""


@dataclass(frozen=True)
class ActivationRange:
    """The values a layer's input took, 0 included."""

    low: float
    high: float


ActivationRanges = Mapping[str, ActivationRange]
"""By the layer's name in the denoiser."""


def is_rounded(name: str) -> bool:
    """Whether a denoiser's layer of that name may be rounded to eight bits."""
    return name not in KEPT_EXACT and not name.startswith(_KEPT_PART)


@torch.inference_mode()
def measure_ranges(
    program: FrameProgram, samples: Iterable[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]
) -> dict[str, ActivationRange]:
    """Run the program on calibration frames and note what goes into each layer that may be rounded.

    Those are convolutions, and the linear layers of a transformer's tokens; one of a single vector for a frame, such
    as the timestep's, is no work.

    Args:
        program: In float32.
        samples: Inputs of ``FrameProgram.forward``; each is run a second time with its own output as memory.

    Raises:
        ValueError: There is no sample.
    """
    seen: dict[str, ActivationRange] = {}

    def note(name: str, module: nn.Module, x: Tensor) -> None:
        if isinstance(module, nn.Linear) and x.ndim < 3:
            return
        low, high = min(0.0, float(x.amin())), max(0.0, float(x.amax()))
        before = seen.get(name, ActivationRange(0.0, 0.0))
        seen[name] = ActivationRange(min(before.low, low), max(before.high, high))

    with ExitStack() as hooks:
        for name, module in program.predict.denoiser.named_modules():
            if isinstance(module, nn.Conv2d | nn.Linear) and is_rounded(name):
                handle = module.register_forward_pre_hook(
                    lambda module, arguments, name=name: note(name, module, arguments[0])
                )
                hooks.callback(handle.remove)
        for pictures, memory, noise, code, strength in samples:
            _, latent = program(pictures, memory, noise, code, strength)
            program(pictures, latent, noise, code, strength)
    if not seen:
        raise ValueError("there is no frame to calibrate on")
    return seen


def without_linear(ranges: ActivationRanges, program: FrameProgram) -> dict[str, ActivationRange]:
    """Those ranges that belong to no linear layer of the program's network."""
    layers = dict(program.predict.denoiser.named_modules())
    return {name: known for name, known in ranges.items() if not isinstance(layers.get(name), nn.Linear)}


def save_ranges(ranges: ActivationRanges, denoiser_folder: Path) -> None:
    """Write the ranges beside the weights they were measured on."""
    stored = {
        "weights_sha256": _digest(denoiser_folder),
        "ranges": {name: [value.low, value.high] for name, value in sorted(ranges.items())},
    }
    (denoiser_folder / RANGES_FILE).write_text(json.dumps(stored, indent=2) + "\n")


def load_ranges(denoiser_folder: Path) -> dict[str, ActivationRange] | None:
    """Read what :func:`save_ranges` wrote; None where a model was never calibrated.

    Raises:
        ModelError: The ranges are damaged, or were measured on other weights.
    """
    path = denoiser_folder / RANGES_FILE
    if not path.exists():
        return None
    try:
        stored: dict[str, Any] = json.loads(path.read_text())
        ranges = {name: ActivationRange(low, high) for name, (low, high) in stored["ranges"].items()}
        measured_on = stored["weights_sha256"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    if measured_on != _digest(denoiser_folder):
        raise ModelError(
            f"{path} was measured on other weights: run python -m engines.compilers.calibrate, or delete it"
        )
    return ranges


def denoiser_folder(model: Path) -> Path:
    """Where a model folder's denoiser lies: ``denoiser``, or diffusers' ``unet`` or ``transformer``."""
    named = (model / name for name in ("denoiser", "unet", "transformer"))
    return next((folder for folder in named if folder.is_dir()), model / "denoiser")


def _digest(denoiser_folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(denoiser_folder.glob("*.safetensors")):
        with path.open("rb") as file:
            while chunk := file.read(2**24):
                digest.update(chunk)
    return digest.hexdigest()
