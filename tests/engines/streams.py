"""Small real parts for tests of the editor: a denoiser that is quick, an encoder that knows a few words."""

import shutil
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from engines.backbones.tiny import TinyConfig, TinyDenoiser
from engines.backbones.tiny_folder import save_denoiser
from engines.codecs import PatchCodec
from engines.conditioning import Conditioning, instruction_code
from engines.editor import EditRequest
from engines.families import FAMILIES
from engines.memory import EditState
from engines.model import SHIPPED_MODELS, ModelParts, write_index

SMALL = TinyConfig(
    widths=(16, 16, 16),
    blocks=(1, 1, 1),
    condition_width=16,
    detail_width=8,
    context_width=16,
    context_blocks=1,
    field_width=16,
    eraser_widths=(16, 16, 16),
)


class WordEncoder:
    """Understands the families' own names and nothing else."""

    def encode(self, text: str) -> Conditioning:
        known = text in FAMILIES
        family, edits = (text, ((text, 1.0),)) if known else ("unchanged", ())
        return Conditioning(text, instruction_code({family: 1.0}), family, 1.0, known, (), edits)


def small_denoiser() -> TinyDenoiser:
    """Untrained, with every input mattering."""
    torch.manual_seed(0)
    denoiser = TinyDenoiser(SMALL).eval()
    torch.nn.init.normal_(denoiser.detail.out.weight, std=0.3)
    return denoiser


def write_small_model(folder: Path) -> Path:
    """A model folder of a small denoiser that has learned nothing, and the shipped instruction encoder."""
    denoiser, encoder = small_denoiser(), "instruction_encoder"
    save_denoiser(denoiser, denoiser.state_dict(), folder / "denoiser")
    write_index(folder, name="small", version="0", key_frame_interval=3, halvings=2)
    shutil.copytree(SHIPPED_MODELS / "rfdm-tiny" / encoder, folder / encoder)
    return folder


def small_parts(key_frame_interval: int = 3) -> ModelParts:
    """The parts of a model around it."""
    return ModelParts("small", "0", key_frame_interval, small_denoiser(), PatchCodec(2), WordEncoder())


def picture(seed: int, height: int = 64, width: int = 96) -> NDArray[np.uint8]:
    """Noise of one seed: a scene of its own."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def request(picture: NDArray[np.uint8], state: EditState, text: str = "sepia") -> EditRequest:
    """Ask for one edit."""
    return EditRequest(picture, WordEncoder().encode(text), state)
