"""Checkpoints from the Hugging Face hub: only what is needed of one, and a clear line where it cannot be had."""

import errno
import os
import shutil
from collections.abc import Set
from fnmatch import fnmatch
from pathlib import Path

from engines.install import install_extra
from engines.model import ModelError
from engines.pretrained.checkpoint import KINDS
from engines.pretrained.needs import gigabytes

_FOLDERS = sorted({*(name for kind in KINDS for name in (kind.denoiser, *kind.text, *kind.tokenizers))})
PATTERNS = (
    "model_index.json",
    *(
        f"{folder}/{files}"
        for folder in (*_FOLDERS, "scheduler", "vae")
        for files in ("*.json", "*.txt", "spiece.model", "*.safetensors")
    ),
)
"""Files of a repository that any backbone reads; code and pickled weights are never among them."""


COMPONENT_PATTERNS = ("config.json", "*.safetensors", "*.safetensors.index.json")


def download(repository: str, left_out: Set[str] = frozenset()) -> Path:
    """The folder of a repository's checkpoint, downloaded unless it is there already.

    Args:
        repository: As owner/name.
        left_out: Folders of it that are not wanted.

    Raises:
        ModelError: It cannot be had; one line says why and what to do.
    """
    patterns = tuple(pattern for pattern in PATTERNS if pattern.partition("/")[0] not in left_out)
    return _download(repository, patterns, "model_index.json")


def download_component(repository: str) -> Path:
    """The folder of a repository that is a single network, as an autoencoder; see :func:`download`."""
    return _download(repository, COMPONENT_PATTERNS, "config.json")


def _download(repository: str, patterns: tuple[str, ...], marker: str) -> Path:
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError as error:
        raise ModelError(
            f"{repository} is not a folder, and fetching it needs the package huggingface_hub:"
            f" {install_extra('backbones')}"
        ) from error
    try:
        planned = huggingface_hub.snapshot_download(repository, allow_patterns=list(patterns), dry_run=True)
        wanted = _wanted({file.filename: file.file_size or 0 for file in planned})
        if marker not in wanted:
            raise ModelError(f"{repository} on the hub is nothing that diffusers saved: it has no {marker}")
        missing = sum(
            file.file_size or 0 for file in planned if file.will_download and file.filename in wanted
        )
        _check_disk(repository, missing, Path(huggingface_hub.constants.HF_HUB_CACHE))
        return Path(huggingface_hub.snapshot_download(repository, allow_patterns=sorted(wanted)))
    except (errors.HfHubHTTPError, OSError) as error:
        # A dry run says of every failure that it failed, and has the reason as its cause.
        reason = error.__cause__ if isinstance(error, errors.DryRunError) else error
        return _without_hub(repository, reason)


def _without_hub(repository: str, reason: BaseException | None) -> Path:
    """What an earlier download left, where the hub cannot be reached; a clear line where it refuses."""
    from huggingface_hub import errors

    if isinstance(reason, errors.GatedRepoError):
        raise ModelError(
            f"{repository} is gated: accept its licence on its page on the hub, then sign in with `hf auth login`"
        ) from reason
    if isinstance(reason, errors.RepositoryNotFoundError):
        raise ModelError(
            f"no model {repository!r}: no such folder here, and on the hub it does not exist or is private"
            " (`hf auth login` signs in)"
        ) from reason
    if isinstance(reason, OSError) and reason.errno == errno.ENOSPC:
        raise ModelError(f"no space is left on the disk for {repository}") from reason
    if isinstance(reason, PermissionError):
        raise ModelError(f"{repository} cannot be stored: {_first_line(reason)}") from reason
    if isinstance(reason, errors.HfHubHTTPError):
        raise ModelError(f"the hub refused {repository}: {_first_line(reason)}") from reason
    return _kept(repository, reason)


def _kept(repository: str, reason: BaseException | None) -> Path:
    import huggingface_hub
    from huggingface_hub import errors

    try:
        return Path(huggingface_hub.snapshot_download(repository, local_files_only=True))
    except (errors.LocalEntryNotFoundError, OSError):
        raise ModelError(
            f"{repository} is neither a folder here nor downloaded yet, and the hub cannot be reached"
        ) from reason


def _wanted(sizes: dict[str, int]) -> set[str]:
    """Of each component its plain weights, or else its half-precision ones; never several sets of the same."""
    chosen = {name for name in sizes if not name.endswith((".safetensors", ".safetensors.index.json"))}
    chosen = {name for name in chosen if not fnmatch(name, "*.safetensors.index.*.json")}
    folders = {os.path.dirname(name) for name in sizes}
    for folder in folders:
        weights = {name for name in sizes if os.path.dirname(name) == folder} - chosen
        for tag in ("", ".fp16"):
            found = {name for name in weights if _is_of_variant(os.path.basename(name), tag)}
            if any(name.endswith(".safetensors") for name in found):
                chosen |= found
                break
    return chosen


def _is_of_variant(name: str, tag: str) -> bool:
    """Whether a weight file is of the plain set (no tag) or of the tagged one; others, as non_ema, are of neither."""
    return any(
        fnmatch(name, pattern)
        for stem in ("model", "diffusion_pytorch_model")
        for pattern in (
            f"{stem}{tag}.safetensors",
            f"{stem}{tag}-[0-9]*-of-[0-9]*.safetensors",
            f"{stem}-[0-9]*-of-[0-9]*{tag}.safetensors",
            f"{stem}.safetensors.index{tag}.json",
        )
    )


def _check_disk(repository: str, needed: int, cache: Path) -> None:
    existing = next(folder for folder in (cache, *cache.parents) if folder.is_dir())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise ModelError(
            f"{repository} needs {gigabytes(needed)} on the disk, {gigabytes(free)} are free below {existing}"
        )


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
