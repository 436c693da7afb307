"""A model on disk: a diffusers-style folder, what it says of itself, and its parts loaded."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engines.backbones.tiny_folder import load_denoiser
from engines.codecs import Codec, PatchCodec
from engines.conditioning import InstructionEncoder
from engines.families import EXAMPLES, FAMILIES, LABELS
from engines.fields import Fields
from engines.guidance import GuidanceScales
from engines.prediction import PredictionType
from engines.schedules import PlainFlow, Schedule

FORMAT_VERSION = 1
SHIPPED_MODELS = Path(__file__).parent / "models"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class ModelError(RuntimeError):
    """A model cannot be used; the message is one line for the person who named it."""


@dataclass(frozen=True)
class Family:
    """One thing the model was taught, as the page shows it."""

    name: str
    label: str
    examples: tuple[str, ...]


@dataclass(frozen=True)
class ModelDescription:
    """What a loaded model is and how it runs here.

    Attributes:
        name: As asked for, e.g. "rfdm-tiny".
        version: Of the weights.
        families: What it was taught; empty where any text is an instruction.
        steps: Sampler steps for a frame.
        evaluations: Network evaluations for a frame, guidance branches included.
        compiler: What runs it.
        precision: The floating-point type it runs in.
        device: Where it runs.
        size_multiple: Both sides of a picture are multiples of this, in pixels.
        short_side: At which frames are edited unless the server is told otherwise, in pixels.
    """

    name: str
    version: str
    families: tuple[Family, ...]
    steps: int
    evaluations: int
    compiler: str
    precision: str
    device: str
    size_multiple: int = 16
    short_side: int = 256


def taught_families() -> tuple[Family, ...]:
    """The families of the embedded model."""
    return tuple(Family(name, LABELS[name], EXAMPLES[name]) for name in FAMILIES)


@dataclass(frozen=True, eq=False)
class ModelParts:
    """The parts of a loaded model folder.

    Attributes:
        name: Of the model.
        version: Of its weights.
        key_frame_interval: Frames between two key frames; None where the weights never learned to use a memory.
        denoiser: Called as (noisy, source, memory, timestep, code), with a ``code_length``.
        codec: Pixels to latents and back.
        instruction_encoder: Text to codes of that length.
        schedule: Noise levels it was trained at.
        prediction: What the denoiser predicts.
        steps: Sampler steps for a frame unless told otherwise.
        guidance: Scales of the three branches, None where one evaluation is a prediction.
        silence: The code of no instruction, for guidance; zeros where it is None.
        families: What it was taught; empty where any text is an instruction.
        size_multiple: Both sides of a picture are multiples of this, in pixels.
        short_side: At which frames are edited unless told otherwise, in pixels.
    """

    name: str
    version: str
    key_frame_interval: int | None
    denoiser: nn.Module
    codec: Codec
    instruction_encoder: InstructionEncoder
    schedule: Schedule = field(default_factory=PlainFlow)
    prediction: PredictionType = "sample"
    steps: int = 1
    guidance: GuidanceScales | None = None
    silence: Tensor | None = None
    families: tuple[Family, ...] = field(default_factory=taught_families)
    size_multiple: int = 16
    short_side: int = 256


def models_folder() -> Path:
    """Where models that were not shipped are looked for by name: below ``XDG_DATA_HOME``."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "afterimage" / "models"


def find_model(name: str | Path) -> Path:
    """The folder of a model by its name, its path or its id on the Hugging Face hub.

    Weights that are only on the hub are downloaded, to where its own tools keep them.

    Raises:
        ModelError: There is no such model, or it cannot be had; one line says why.
    """
    for folder in (SHIPPED_MODELS / name, models_folder() / name, Path(name)):
        if (folder / "model_index.json").is_file():
            return folder
    if Path(name).is_dir():
        raise ModelError(f"{name} is no model folder: it has no model_index.json")
    if not Path(name).exists() and HUB_ID.fullmatch(str(name)):
        # Imported here: the embedded model needs no hub.
        from engines.pretrained.hub import download

        return download(str(name))
    known = sorted(
        path.parent.name
        for folder in (SHIPPED_MODELS, models_folder())
        for path in folder.glob("*/model_index.json")
    )
    raise ModelError(
        f"no model {str(name)!r}: neither installed ({', '.join(known) or 'none'}), nor a model folder,"
        " nor an id on the hub as owner/name"
    )


def write_index(folder: Path, *, name: str, version: str, key_frame_interval: int, halvings: int) -> None:
    """Write ``model_index.json``, which names the parts as diffusers does."""
    index = {
        "_class_name": "RFDMEditor",
        "_format_version": FORMAT_VERSION,
        "name": name,
        "version": version,
        "denoiser": ["engines.backbones.tiny", "TinyDenoiser"],
        "instruction_encoder": ["engines.instructions", "InstructionEncoder"],
        "codec": ["engines.codecs", "PatchCodec"],
        "halvings": halvings,
        "key_frame_interval": key_frame_interval,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


def load_parts(
    name: str | Path,
    device: torch.device | None = None,
    dtype: torch.dtype = torch.float32,
    *,
    runs_on: torch.device | None = None,
) -> ModelParts:
    """Load a model folder.

    Args:
        name: As :func:`find_model` takes it.
        device: Where a large model's weights go, the CPU where it is None; the embedded one's always go there.
        dtype: What a large model's weights are kept in; the embedded one's are float32.
        runs_on: Where a large model's text encoders compute, and engines of its weights run; ``device`` where None.

    Raises:
        ModelError: It does not exist, is of another format or version, or its weights do not fit.
    """
    folder = find_model(name)
    index = read_index(folder)
    if is_embedded(index):
        return _load_embedded(folder, index)
    from engines.pretrained.loading import load_large

    home = device or torch.device("cpu")
    return load_large(folder, str(name), home, dtype, runs_on or home)


def load_networks(name: str | Path, dtype: torch.dtype) -> ModelParts:
    """Load what engines are made of into main memory: of a large model no text encoder, so it takes no instruction.

    Args:
        name: As :func:`find_model` takes it.
        dtype: What a large model's weights are kept in; the embedded one's are float32.

    Raises:
        ModelError: As for :func:`load_parts`.
    """
    folder = find_model(name)
    index = read_index(folder)
    if is_embedded(index):
        return _load_embedded(folder, index)
    from engines.pretrained.loading import load_large_networks

    return load_large_networks(folder, str(name), dtype)


def read_index(folder: Path) -> dict[str, Any]:
    """A model folder's ``model_index.json``.

    Raises:
        ModelError: It cannot be read, or is no model's.
    """
    path = folder / "model_index.json"
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {_first_line(error)}") from error
    if not isinstance(index, dict) or not isinstance(index.get("_class_name"), str):
        raise ModelError(f"{path} is no model's: it holds no object with a _class_name")
    return index


def is_embedded(index: Mapping[str, Any]) -> bool:
    """Whether an index is that of a model like rfdm-tiny, not of a Stable Diffusion backbone."""
    return index["_class_name"] == "RFDMEditor" and "backbone" not in index


@dataclass(frozen=True)
class EmbeddedIndex:
    """What the folder of a model like rfdm-tiny says of itself.

    Attributes:
        name: What the model is called.
        version: Of its weights.
        key_frame_interval: Frames between two key frames.
        halvings: Of the codec.
    """

    name: str
    version: str
    key_frame_interval: int
    halvings: int


def embedded_index(folder: Path, index: Mapping[str, Any]) -> EmbeddedIndex:
    """The fields of an embedded model's index.

    Raises:
        ModelError: It is of another format, or a field is missing or wrong.
    """
    if index.get("_format_version") != FORMAT_VERSION:
        raise ModelError(
            f"{folder} is RFDMEditor format {index.get('_format_version')},"
            f" this version reads RFDMEditor format {FORMAT_VERSION}"
        )
    fields = Fields(folder / "model_index.json", index)
    try:
        return EmbeddedIndex(
            name=fields.text("name"),
            version=fields.text("version"),
            key_frame_interval=fields.whole("key_frame_interval", least=0),
            halvings=fields.whole("halvings", least=0),
        )
    except ValueError as error:
        raise ModelError(str(error)) from error


def _load_embedded(folder: Path, index: Mapping[str, Any]) -> ModelParts:
    # Imported here: the encoder reads this module's ModelError.
    from engines.instructions import load_instruction_encoder

    says = embedded_index(folder, index)
    try:
        return ModelParts(
            name=says.name,
            version=says.version,
            key_frame_interval=says.key_frame_interval,
            denoiser=load_denoiser(folder / "denoiser"),
            codec=PatchCodec(says.halvings),
            instruction_encoder=load_instruction_encoder(folder / "instruction_encoder"),
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{folder} cannot be loaded: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
