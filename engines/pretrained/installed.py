"""Which models are on this machine: shipped, installed by name, given by folder, downloaded from the hub."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch

from engines.model import (
    SHIPPED_MODELS,
    ModelError,
    embedded_index,
    is_embedded,
    models_folder,
    read_index,
)
from engines.pretrained.checkpoint import read_checkpoint
from engines.pretrained.index import index_of
from engines.pretrained.needs import Needs, Room, needs_of

_EMBEDDED_COPIES = 4
"""The embedded model is stored in half precision; float32 weights and a compiled program of them lie in memory."""


@dataclass(frozen=True)
class InstalledModel:
    """One model as its headers describe it.

    Attributes:
        name: What `--model` takes.
        version: Of its weights; empty where they cannot be used.
        kind: "embedded", "rfdm1.5", "rfdm3.5", or those with "stock" before; empty where it cannot be used.
        folder: Where it lies.
        stored_bytes: What it weighs on disk.
        needs: Memory it takes on the device asked about; None where it cannot be used.
        trained_inputs: Those of [noisy, source, memory] that it has learned to use.
        problem: Why it cannot be used, empty where it can.
    """

    name: str
    version: str
    kind: str
    folder: Path
    stored_bytes: int
    needs: Needs | None
    trained_inputs: tuple[str, ...]
    problem: str = ""

    def fits(self, room: Room) -> bool:
        """Whether there is memory for it."""
        return self.needs is not None and self.needs.device <= room.device and self.needs.host <= room.host


def installed_models(device: torch.device, folders: Iterable[Path] = ()) -> Iterator[InstalledModel]:
    """Every model here, shipped ones first.

    Args:
        device: What their needs are counted for.
        folders: Further folders of models, or model folders; one without any is told of.
    """
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    for place in (SHIPPED_MODELS, models_folder()):
        for folder in _models_in(place):
            yield _describe(folder, folder.name, device, dtype)
    for place in folders:
        found = _models_in(place)
        for folder in found:
            yield _describe(folder, folder.name, device, dtype)
        if not found:
            why = "no model_index.json is in it" if place.is_dir() else "it is no folder"
            yield InstalledModel(str(place), "", "", place, 0, None, (), why)
    for name, folder in _downloaded():
        yield _describe(folder, name, device, dtype)


def _models_in(place: Path) -> list[Path]:
    """The model folders that a place is or has."""
    found = {*place.glob("model_index.json"), *place.glob("*/model_index.json")}
    return sorted(path.parent for path in found)


def _describe(folder: Path, name: str, device: torch.device, dtype: torch.dtype) -> InstalledModel:
    stored = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    try:
        index = read_index(folder)
        if is_embedded(index):
            needs = Needs(device=0, host=_EMBEDDED_COPIES * stored)
            inputs = ("noisy", "source", "memory")
            version = embedded_index(folder, index).version
            return InstalledModel(name, version, "embedded", folder, stored, needs, inputs)
        checkpoint = read_checkpoint(folder)
        settings = index_of(checkpoint, name)
        needs = needs_of(checkpoint, dtype, device, settings.short_side)
    except (ModelError, OSError) as error:
        return InstalledModel(name, "", "", folder, stored, None, (), str(error).splitlines()[0])
    kind = checkpoint.kind.model_name if checkpoint.is_rfdm else f"stock, {checkpoint.kind.model_name}"
    return InstalledModel(name, settings.version, kind, folder, stored, needs, settings.trained_inputs)


def _downloaded() -> Iterator[tuple[str, Path]]:
    """Repositories in the hub's cache that hold a checkpoint, the newest revision of each."""
    if find_spec("huggingface_hub") is None:
        return
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = sorted(scan_cache_dir().repos, key=lambda found: found.repo_id)
    except CacheNotFound:
        return
    for repository in repositories:
        revisions = sorted(repository.revisions, key=lambda found: found.last_modified, reverse=True)
        if revisions and (revisions[0].snapshot_path / "model_index.json").is_file():
            yield repository.repo_id, revisions[0].snapshot_path
