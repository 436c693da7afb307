"""``afterimage convert``: a stock checkpoint becomes an RFDM folder, its network taking [noisy, source, memory].

Weights go through memory a shard at a time, and the folder appears under its name only when it is whole.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from engines.backbones.expansion import INPUTS, expand_input_weight
from engines.interrupts import ended_as_interrupted
from engines.model import HUB_ID, SHIPPED_MODELS, ModelError, find_model, models_folder
from engines.pretrained.checkpoint import (
    KINDS,
    SD15,
    Checkpoint,
    Component,
    read_checkpoint,
    read_component,
)
from engines.pretrained.folder import Told, untold, write_folder, write_json
from engines.pretrained.index import index_of
from engines.pretrained.loading import check_loadable, input_scales
from engines.pretrained.needs import gigabytes
from engines.unfinished import remove_abandoned

SHARD_BYTES = 2_000_000_000
T5 = frozenset({"text_encoder_3", "tokenizer_3"})
"""Parts of SD 3.5 that weigh more than all others together and that it can do without."""
_STEM = "diffusion_pytorch_model"
_DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


@dataclass(frozen=True)
class Conversion:
    """What is made of what.

    Attributes:
        source: A stock checkpoint's folder.
        target: The RFDM folder to write.
        made_from: What the source was asked for by.
        wanted: The model it is to become, None for whichever it can.
        codec: Folder of another autoencoder to put in the place of the checkpoint's own.
        dtype: To store the network in; as it is where None.
        without_t5: Leave SD 3.5's third text encoder out.
        shard_bytes: Largest file of the network.
    """

    source: Path
    target: Path
    made_from: str
    wanted: str | None = None
    codec: Path | None = None
    dtype: torch.dtype | None = None
    without_t5: bool = False
    shard_bytes: int = SHARD_BYTES


def convert(conversion: Conversion, told: Told = untold) -> Checkpoint:
    """Write the RFDM folder; returns what was written, read back.

    Args:
        conversion: What is made of what.
        told: As of :func:`engines.pretrained.folder.write_folder`.

    Raises:
        ModelError: The checkpoint cannot be converted or the folder not be written; nothing is left half-written.
    """
    checkpoint = read_checkpoint(conversion.source)
    if checkpoint.is_rfdm:
        raise ModelError(f"{conversion.source} is an RFDM folder already")
    becomes = checkpoint.kind.model_name
    if conversion.wanted not in (None, becomes):
        raise ModelError(f"{conversion.source} can become {becomes}, not {conversion.wanted}")
    codec = checkpoint.components["vae"] if conversion.codec is None else read_component(conversion.codec)
    if codec.config.get("latent_channels") != checkpoint.channels:
        raise ModelError(
            f"{conversion.codec} has latents of {codec.config.get('latent_channels')} channels,"
            f" {becomes} has {checkpoint.channels}"
        )
    index = replace(index_of(checkpoint, conversion.made_from), name=conversion.target.name, version="1")
    left_out: Set[str] = frozenset()
    if conversion.without_t5:
        if not checkpoint.kind.optional_text:
            raise ModelError(f"{becomes} has no T5 that could be left out")
        index, left_out = replace(index, t5_tokens=0), T5
    _check_target(conversion.target, checkpoint, codec, conversion.dtype, left_out)
    check_loadable(checkpoint, codec, left_out)

    def write_denoiser(folder: Path) -> None:
        _write_denoiser(checkpoint, folder, conversion)

    write_folder(checkpoint, codec, index, conversion.target, write_denoiser, left_out, told)
    return read_checkpoint(conversion.target)


def _check_target(
    target: Path, checkpoint: Checkpoint, codec: Component, dtype: torch.dtype | None, left_out: Set[str]
) -> None:
    if target.exists():
        raise ModelError(f"{target} exists already")
    existing = next(folder for folder in target.absolute().parents if folder.is_dir())
    denoiser = checkpoint.denoiser
    stored = denoiser.stored_bytes if dtype is None else denoiser.parameters * dtype.itemsize
    text = [checkpoint.components[name] for name in checkpoint.kind.text if name in checkpoint.components]
    copied = [codec, *(encoder for encoder in text if encoder.folder.name not in left_out)]
    needed = stored + sum(component.stored_bytes for component in copied)
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise ModelError(
            f"{target} would take {gigabytes(needed)} on the disk, {gigabytes(free)} are free below {existing}"
        )


def _write_denoiser(checkpoint: Checkpoint, target: Path, conversion: Conversion) -> None:
    """The network's tensors one after another, the first convolution expanded, in files of limited size."""
    target.mkdir()
    component, channels = checkpoint.denoiser, checkpoint.channels
    config = {**component.config, "in_channels": len(INPUTS) * channels, "out_channels": channels}
    write_json(target / "config.json", config)
    first = "conv_in.weight" if checkpoint.kind is SD15 else "pos_embed.proj.weight"
    shards: list[list[str]] = []
    shard: dict[str, Tensor] = {}
    for name, stored in _tensors(component):
        tensor = expand_input_weight(stored, channels, input_scales(checkpoint)) if name == first else stored
        if conversion.dtype is not None and tensor.is_floating_point():
            tensor = tensor.to(conversion.dtype)
        if shard and sum(each.nbytes for each in shard.values()) + tensor.nbytes > conversion.shard_bytes:
            shards.append(_save(shard, target / f"{len(shards)}.part"))
            shard = {}
        shard[name] = tensor
    shards.append(_save(shard, target / f"{len(shards)}.part"))
    _name_shards(target, shards)


def _tensors(component: Component) -> Iterator[tuple[str, Tensor]]:
    for path in component.weights:
        with safe_open(path, "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118  # it is no mapping
                yield name, tensors.get_tensor(name)


def _save(shard: Mapping[str, Tensor], path: Path) -> list[str]:
    save_file({name: tensor.contiguous() for name, tensor in shard.items()}, path, metadata={"format": "pt"})
    # safetensors writes for the owner alone.
    path.chmod(0o644)
    return list(shard)


def _name_shards(folder: Path, shards: list[list[str]]) -> None:
    """Give the files the names diffusers looks for: one file, or numbered ones and their index."""
    if len(shards) == 1:
        (folder / "0.part").rename(folder / f"{_STEM}.safetensors")
        return
    weight_map: dict[str, str] = {}
    total = 0
    for number, names in enumerate(shards):
        path = folder / f"{_STEM}-{number + 1:05}-of-{len(shards):05}.safetensors"
        (folder / f"{number}.part").rename(path)
        total += path.stat().st_size
        weight_map |= dict.fromkeys(names, path.name)
    write_json(
        folder / f"{_STEM}.safetensors.index.json",
        {"metadata": {"total_size": total}, "weight_map": weight_map},
    )


def _find_source(name: str, left_out: Set[str]) -> Path:
    """The checkpoint's folder; of one on the hub only the parts that are wanted are downloaded.

    Raises:
        ModelError: There is none, or it cannot be had.
    """
    here = any((place / name).exists() for place in (SHIPPED_MODELS, models_folder(), Path()))
    if left_out and not here and HUB_ID.fullmatch(name):
        from engines.pretrained.hub import download

        return download(name, left_out)
    return find_model(name)


def _find_codec(name: str) -> Path:
    """The folder of an autoencoder by path, that of a whole checkpoint included, or by its id on the hub.

    Raises:
        ModelError: There is none, or it cannot be had.
    """
    folder = Path(name)
    for found in (folder, folder / "vae"):
        if (found / "config.json").is_file():
            return found
    if folder.exists() or not HUB_ID.fullmatch(name):
        raise ModelError(
            f"no autoencoder {name!r}: neither a folder with its config.json, nor an id on the hub"
        )
    from engines.pretrained.hub import download_component

    return download_component(name)


def main(arguments: list[str]) -> int:
    """Run ``afterimage convert``; 0 on success, 2 where it cannot be done, 130 where it was interrupted."""
    parser = argparse.ArgumentParser(
        prog="afterimage convert",
        description="Make an RFDM folder of a stock checkpoint: its network takes source and memory as well.",
    )
    parser.add_argument("source", metavar="SRC", help="a stock checkpoint's folder, or its id on the hub")
    parser.add_argument("target", metavar="OUT", type=Path, help="the RFDM folder to write; must not exist")
    parser.add_argument("--to", choices=[kind.model_name for kind in KINDS], help="refuse any other")
    parser.add_argument(
        "--codec",
        metavar="FOLDER",
        help="another autoencoder, as madebyollin/taesd: a folder or an id on the hub",
    )
    parser.add_argument("--dtype", choices=_DTYPES, help="store the network in this (default: as it is)")
    parser.add_argument("--without-t5", action="store_true", help="leave SD 3.5's largest text encoder out")
    options = parser.parse_args(arguments)
    try:
        with ended_as_interrupted():
            written = _converted(options)
    except ModelError as error:
        print(f"afterimage convert: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"afterimage convert: interrupted, {options.target} was not written", file=sys.stderr)
        return 130
    index = index_of(written, options.source)
    print(f"wrote {options.target}: {written.kind.model_name}, {gigabytes(written.stored_bytes)}")
    untrained = [name for name in INPUTS if name not in index.trained_inputs]
    print(
        f"untrained yet: {', '.join(untrained)}; "
        f"afterimage train --backbone {written.kind.name} --init {options.target} teaches them"
    )
    if "source" in index.trained_inputs:
        print(f"afterimage serve --model {options.target} runs it as it is")
    return 0


def _converted(options: argparse.Namespace) -> Checkpoint:
    freed = remove_abandoned(options.target.parent)
    if freed:
        print(
            f"removed {gigabytes(freed)} that an ended program had left unfinished in {options.target.parent}"
        )
    codec = None if options.codec is None else _find_codec(options.codec)
    return convert(
        Conversion(
            source=_find_source(options.source, T5 if options.without_t5 else frozenset()),
            target=options.target,
            made_from=options.source,
            wanted=options.to,
            codec=codec,
            dtype=_DTYPES.get(options.dtype),
            without_t5=options.without_t5,
        ),
        _tell,
    )


def _tell(part: str, size: int) -> None:
    print(f"writing {part}, {gigabytes(size)}", file=sys.stderr, flush=True)
