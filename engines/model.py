"""A model on disk: a diffusers-style folder, what it says of itself, and its parts loaded."""

import json
from dataclasses import dataclass
from pathlib import Path

from engines.backbones.tiny import TinyDenoiser, load_denoiser
from engines.codecs import PatchCodec
from engines.conditioning import InstructionEncoder

FORMAT_VERSION = 1
SHIPPED_MODELS = Path(__file__).parent / "models"


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
        families: What it was taught.
        steps: Sampler steps for a frame.
        evaluations: Network evaluations for a frame, guidance branches included.
        compiler: What runs it.
        precision: The floating-point type it runs in.
        device: Where it runs.
    """

    name: str
    version: str
    families: tuple[Family, ...]
    steps: int
    evaluations: int
    compiler: str
    precision: str
    device: str


@dataclass(frozen=True, eq=False)
class ModelParts:
    """The parts of a model folder, loaded on the CPU."""

    name: str
    version: str
    key_frame_interval: int
    denoiser: TinyDenoiser
    codec: PatchCodec
    instruction_encoder: InstructionEncoder


def find_model(name: str | Path) -> Path:
    """The folder of a shipped model's name or of a path.

    Raises:
        ModelError: There is no such model.
    """
    for folder in (SHIPPED_MODELS / name, Path(name)):
        if (folder / "model_index.json").is_file():
            return folder
    shipped = sorted(path.parent.name for path in SHIPPED_MODELS.glob("*/model_index.json"))
    raise ModelError(
        f"no model {str(name)!r}: neither shipped ({', '.join(shipped) or 'none'}) nor a model folder"
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


def load_parts(name: str | Path) -> ModelParts:
    """Load a model folder onto the CPU.

    Raises:
        ModelError: It does not exist, is of another format or version, or its weights do not fit.
    """
    # Imported here: the encoder reads this module's ModelError.
    from engines.instructions import load_instruction_encoder

    folder = find_model(name)
    try:
        index = json.loads((folder / "model_index.json").read_text())
        if index["_class_name"] != "RFDMEditor" or index["_format_version"] != FORMAT_VERSION:
            raise ModelError(
                f"{folder} is {index['_class_name']} format {index['_format_version']},"
                f" this version reads RFDMEditor format {FORMAT_VERSION}"
            )
        return ModelParts(
            name=index["name"],
            version=index["version"],
            key_frame_interval=index["key_frame_interval"],
            denoiser=load_denoiser(folder / "denoiser"),
            codec=PatchCodec(index["halvings"]),
            instruction_encoder=load_instruction_encoder(folder / "instruction_encoder"),
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if isinstance(error, ModelError):
            raise
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{folder} cannot be loaded: {first_line}") from error
