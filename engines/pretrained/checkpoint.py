"""What a folder of pretrained weights holds, read from its configurations and headers alone.

Everything that can be wrong with a checkpoint (parts missing, another architecture, damaged files) is found here,
before a single weight is read.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError, safe_open

from engines.backbones.expansion import INPUTS
from engines.model import ModelError
from engines.prediction import prediction_type

BackboneName = Literal["sd15", "sd35"]

_DIFFUSERS_STEM, _TRANSFORMERS_STEM = "diffusion_pytorch_model", "model"
_VARIANTS = (None, "fp16")


@dataclass(frozen=True)
class BackboneKind:
    """The parts of one family of checkpoints, named as diffusers names them.

    Attributes:
        name: As on the command line.
        model_name: What an RFDM made of it is called.
        denoiser: Folder of the network.
        denoiser_class: Its class in diffusers.
        text: Folders of the text encoders.
        optional_text: Those of them that may be missing.
        tokenizers: Folders of the tokenizers; the n-th is needed where the n-th encoder is there.
    """

    name: BackboneName
    model_name: str
    denoiser: str
    denoiser_class: str
    text: tuple[str, ...]
    optional_text: tuple[str, ...] = ()
    tokenizers: tuple[str, ...] = ("tokenizer",)


SD15 = BackboneKind("sd15", "rfdm1.5", "unet", "UNet2DConditionModel", ("text_encoder",))
SD35 = BackboneKind(
    "sd35",
    "rfdm3.5",
    "transformer",
    "SD3Transformer2DModel",
    ("text_encoder", "text_encoder_2", "text_encoder_3"),
    ("text_encoder_3",),
    ("tokenizer", "tokenizer_2", "tokenizer_3"),
)
KINDS: tuple[BackboneKind, ...] = (SD15, SD35)


@dataclass(frozen=True)
class Component:
    """One network of a checkpoint.

    Attributes:
        folder: Where it lies.
        config: Its ``config.json``.
        weights: Its safetensors files.
        indices: The files that list sharded weights.
        variant: In the files' names, as "fp16"; None where they have none.
        parameters: Numbers in them.
        stored_bytes: What the files weigh.
    """

    folder: Path
    config: Mapping[str, Any]
    weights: tuple[Path, ...]
    indices: tuple[Path, ...]
    variant: str | None
    parameters: int
    stored_bytes: int


@dataclass(frozen=True)
class Checkpoint:
    """A whole folder: a stock checkpoint or an RFDM made of one.

    Attributes:
        folder: Where it lies.
        index: Its ``model_index.json``.
        kind: Which family it is of.
        components: Its networks, by folder name.
        channels: Channels of one latent.
        inputs: Which of [noisy, source, memory] the stored network takes.
    """

    folder: Path
    index: Mapping[str, Any]
    kind: BackboneKind
    components: Mapping[str, Component]
    channels: int
    inputs: tuple[str, ...]

    @property
    def denoiser(self) -> Component:
        """The network that is run for every step."""
        return self.components[self.kind.denoiser]

    @property
    def is_rfdm(self) -> bool:
        """Whether it is an RFDM folder, not a stock checkpoint."""
        return self.index.get("_class_name") == "RFDMEditor"

    @property
    def text_parameters(self) -> int:
        """Parameters of all text encoders."""
        return sum(self.components[name].parameters for name in self.kind.text if name in self.components)

    @property
    def stored_bytes(self) -> int:
        """What all weight files weigh."""
        return sum(component.stored_bytes for component in self.components.values())


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a folder's configurations and headers.

    Raises:
        ModelError: It is no checkpoint that can be used here; one line says why.
    """
    index = _read_json(folder / "model_index.json")
    kind = _kind(folder, index)
    components = {kind.denoiser: read_component(folder / kind.denoiser)}
    components["vae"] = read_component(folder / "vae")
    for encoder, tokenizer in zip(kind.text, kind.tokenizers, strict=True):
        if encoder in kind.optional_text and not (folder / encoder).is_dir():
            continue
        components[encoder] = read_component(folder / encoder, _TRANSFORMERS_STEM)
        if not any((folder / tokenizer / name).is_file() for name in _TOKENIZER_FILES):
            raise ModelError(f"{folder} has no tokenizer: {folder / tokenizer} is missing or empty")
    if not (folder / "scheduler" / "scheduler_config.json").is_file():
        raise ModelError(f"{folder} has no scheduler/scheduler_config.json")
    try:
        prediction_type(_read_json(folder / "scheduler" / "scheduler_config.json"))
    except ValueError as error:
        raise ModelError(f"{folder}: {error}") from error
    channels, inputs = _inputs(folder, kind, components)
    return Checkpoint(folder, index, kind, components, channels, inputs)


_TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "spiece.model")


def _kind(folder: Path, index: Mapping[str, Any]) -> BackboneKind:
    if index.get("_class_name") == "RFDMEditor" and "backbone" not in index:
        raise ModelError(f"{folder} is a model like rfdm-tiny, not a Stable Diffusion checkpoint")
    for kind in KINDS:
        if (folder / kind.denoiser).is_dir():
            return kind
    raise ModelError(
        f"{folder} is a {index.get('_class_name', 'model of no named class')}:"
        " neither a UNet (Stable Diffusion 1.5, InstructPix2Pix) nor a transformer (Stable Diffusion 3.5) is in it"
    )


def read_component(folder: Path, stem: str = _DIFFUSERS_STEM) -> Component:
    """Read the configuration and headers of one network.

    Args:
        folder: Where it lies.
        stem: What its weight files' names begin with; diffusers' where left out.

    Raises:
        ModelError: Something is missing or damaged.
    """
    config = _read_json(folder / "config.json")
    for variant in _VARIANTS:
        files = _weight_files(folder, stem, variant)
        if files:
            break
    else:
        others = sorted(path.name for path in folder.glob("*.bin"))
        instead = f"; {others[0]} is in a format that can run code and is not read" if others else ""
        raise ModelError(f"{folder} has no safetensors weights{instead}")
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        raise ModelError(f"{folder} lacks {', '.join(missing)}")
    return Component(
        folder,
        config,
        files,
        tuple(sorted(folder.glob("*.safetensors.index*.json"))),
        variant,
        sum(_parameters(path) for path in files),
        sum(path.stat().st_size for path in files),
    )


def _weight_files(folder: Path, stem: str, variant: str | None) -> tuple[Path, ...]:
    """The files that ought to be there, as one or as listed in an index."""
    tag = f".{variant}" if variant else ""
    whole, listed = folder / f"{stem}{tag}.safetensors", folder / f"{stem}.safetensors.index{tag}.json"
    if whole.is_file():
        return (whole,)
    if listed.is_file():
        shards = _read_json(listed).get("weight_map")
        if not isinstance(shards, dict) or not all(isinstance(name, str) for name in shards.values()):
            raise ModelError(
                f"{listed} does not tell in which files the weights are: its weight_map is wrong"
            )
        return tuple(folder / name for name in sorted(set(shards.values())))
    return ()


def _parameters(path: Path) -> int:
    try:
        with safe_open(path, "pt") as tensors:
            total = 0
            for name in tensors.keys():  # noqa: SIM118  # it is no mapping
                count = 1
                for size in tensors.get_slice(name).get_shape():
                    count *= size
                total += count
            return total
    except (SafetensorError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path} is damaged or incomplete: {reason}") from error


def _inputs(
    folder: Path, kind: BackboneKind, components: Mapping[str, Component]
) -> tuple[int, tuple[str, ...]]:
    config = components[kind.denoiser].config
    named = config.get("_class_name")
    if named != kind.denoiser_class:
        raise ModelError(
            f"{folder / kind.denoiser} is a {named}, {kind.model_name} is a {kind.denoiser_class}"
        )
    for extra in ("addition_embed_type", "class_embed_type", "time_cond_proj_dim"):
        if config.get(extra) is not None:
            raise ModelError(
                f"{folder / kind.denoiser} wants more than a picture and a text ({extra} = {config[extra]},"
                " as SDXL has it): only Stable Diffusion 1.5 and its like can be used"
            )
    channels = components["vae"].config.get("latent_channels")
    taken = config.get("in_channels")
    if not isinstance(taken, int) or not isinstance(channels, int) or min(taken, channels) < 1:
        raise ModelError(
            f"{folder}: the configurations do not tell the network's and the autoencoder's channels"
        )
    given = config.get("out_channels") or taken
    if channels != given or taken not in {channels, 2 * channels, 3 * channels}:
        raise ModelError(
            f"{folder}: the network takes {taken} and gives {given} channels, the autoencoder has {channels};"
            " wanted are one, two or three latents in and one out"
        )
    width = components[kind.text[0]].config.get("hidden_size")
    if kind is SD15 and config.get("cross_attention_dim") != width:
        raise ModelError(
            f"{folder}: the network reads text of width {config.get('cross_attention_dim')},"
            f" the text encoder gives {width}"
        )
    return channels, INPUTS[: taken // channels]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{path} does not exist") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} is not a configuration")
    return value
