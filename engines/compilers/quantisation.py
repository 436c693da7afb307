"""Eight-bit convolutions: which range each one's input has, measured once and stored beside the weights.

Post-training quantisation in its plainest form (Krishnamoorthi 2018): weights symmetric for each filter, activations
by one measured range for each convolution. Only the ranges are stored; the weights are rounded when a program is
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
_WEIGHTS_FILE = "diffusion_pytorch_model.safetensors"

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
)
"""Convolutions next to the pixels: rounding there shows in the picture, and they are a small part of the work."""


@dataclass(frozen=True)
class ActivationRange:
    """The values a convolution's input took, 0 included."""

    low: float
    high: float


ActivationRanges = Mapping[str, ActivationRange]
"""By the convolution's name in the denoiser."""


@torch.inference_mode()
def measure_ranges(
    program: FrameProgram, samples: Iterable[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]
) -> dict[str, ActivationRange]:
    """Run the program on calibration frames and note what goes into each convolution that may be rounded.

    Args:
        program: In float32.
        samples: Inputs of ``FrameProgram.forward``; each is run a second time with its own output as memory.

    Raises:
        ValueError: There is no sample.
    """
    seen: dict[str, ActivationRange] = {}

    def note(name: str, x: Tensor) -> None:
        low, high = min(0.0, float(x.amin())), max(0.0, float(x.amax()))
        before = seen.get(name, ActivationRange(0.0, 0.0))
        seen[name] = ActivationRange(min(before.low, low), max(before.high, high))

    with ExitStack() as hooks:
        for name, module in program.predict.denoiser.named_modules():
            if isinstance(module, nn.Conv2d) and name not in KEPT_EXACT:
                handle = module.register_forward_pre_hook(
                    lambda _, arguments, name=name: note(name, arguments[0])
                )
                hooks.callback(handle.remove)
        for pictures, memory, noise, code, strength in samples:
            _, latent = program(pictures, memory, noise, code, strength)
            program(pictures, latent, noise, code, strength)
    if not seen:
        raise ValueError("there is no frame to calibrate on")
    return seen


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


def _digest(denoiser_folder: Path) -> str:
    return hashlib.sha256((denoiser_folder / _WEIGHTS_FILE).read_bytes()).hexdigest()
