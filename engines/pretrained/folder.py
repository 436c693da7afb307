"""An RFDM folder on disk: written whole or not at all, the parts that stay as they are copied."""

import json
import shutil
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from engines.model import ModelError
from engines.pretrained.checkpoint import Checkpoint, Component
from engines.pretrained.index import RfdmIndex
from engines.unfinished import unfinished_folder

Told = Callable[[str, int], None]
"""Called with a part and what it weighs in bytes."""


def untold(part: str, size: int) -> None:
    """Tell nobody."""


def write_folder(
    checkpoint: Checkpoint,
    codec: Component,
    index: RfdmIndex,
    target: Path,
    write_denoiser: Callable[[Path], None],
    left_out: Set[str] = frozenset(),
    told: Told = untold,
) -> None:
    """Write an RFDM folder, whole or not at all.

    Args:
        checkpoint: Whose text encoders, tokenizers and scheduler it takes.
        codec: Its autoencoder.
        index: What it says of itself.
        target: The folder; must not exist.
        write_denoiser: Writes the network into a folder.
        left_out: Parts of the checkpoint that it does not take.
        told: Called with each part before it is written, and what it weighs in bytes.

    Raises:
        ModelError: It cannot be written.
    """
    kind, folder = checkpoint.kind, checkpoint.folder
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with unfinished_folder(target.parent, target.name) as part:
            for encoder in kind.text:
                if encoder in checkpoint.components and encoder not in left_out:
                    told(encoder, checkpoint.components[encoder].stored_bytes)
                    _copy_component(checkpoint.components[encoder], part / encoder)
            for name in (*kind.tokenizers, "scheduler"):
                if (folder / name).is_dir() and name not in left_out:
                    shutil.copytree(folder / name, part / name, copy_function=shutil.copyfile)
            _copy_component(codec, part / "vae")
            told(kind.denoiser, checkpoint.denoiser.stored_bytes)
            write_denoiser(part / kind.denoiser)
            stored = index.to_json(checkpoint) | {"vae": ["diffusers", codec.config["_class_name"]]}
            written = {name: value for name, value in stored.items() if name not in left_out}
            write_json(part / "model_index.json", written)
            # The folder was made for its owner alone; a model is for whoever may read its surroundings.
            part.chmod(0o755)
            part.rename(target)
    except OSError as error:
        # A copy that fails midway names both of its files.
        read = error.filename if error.filename2 is None else None
        unread = read is not None and Path(read).is_relative_to(folder)
        fault = f"{read} cannot be read" if unread else f"{target} cannot be written"
        raise ModelError(f"{fault}: {error.strerror or error}") from error
    except SafetensorError as error:
        raise ModelError(f"{target} cannot be written: {str(error).splitlines()[0]}") from error


def _copy_component(component: Component, target: Path) -> None:
    target.mkdir()
    for path in (component.folder / "config.json", *component.indices, *component.weights):
        shutil.copyfile(path, target / path.name)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a configuration as diffusers does."""
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
