"""Whatever would end a backbone's training late, told before it begins."""

import shutil
import tempfile
from pathlib import Path

import torch
from torch import nn

from engines.backbones.expansion import INPUTS
from engines.pretrained.checkpoint import Checkpoint
from engines.pretrained.loading import size_multiple
from engines.pretrained.needs import gigabytes, room_on
from engines.pretrained.weights import outline_whole
from engines.training.adapters import largest_rank, trained_parameters
from engines.training.loop import TrainingError

_TRAINED_BYTES = 20
"""Of a trained weight: itself, its gradient, two moments and the average, in float32."""
_SHARED = Path("/dev/shm")
_READ_AHEAD = 2
"""Batches that PyTorch has each process read ahead."""


def check_target(target: Path) -> None:
    """See that the model can be written, days before it is.

    Raises:
        TrainingError: It cannot.
    """
    if target.exists():
        raise TrainingError(f"{target} exists already")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise TrainingError(f"{target} cannot be written: {error.strerror}") from error


def check_memory(
    checkpoint: Checkpoint, device: torch.device, half: torch.dtype, *, lora_rank: int, teacher: bool
) -> None:
    """See that the weights fit; what a batch takes beside them, nobody knows before it is run.

    Args:
        checkpoint: What is trained.
        device: Where.
        half: Of the parts that are not.
        lora_rank: Of the adapters, if only those are trained; 0 where every weight is.
        teacher: A frozen copy of the network is kept beside it.

    Raises:
        TrainingError: They do not fit.
    """
    still = checkpoint.text_parameters + checkpoint.components["vae"].parameters
    stored = checkpoint.denoiser.parameters
    frozen = stored * ((1 if lora_rank else 0) + (1 if teacher else 0))
    trained = stored
    if lora_rank:
        trained = trained_parameters(_outline(checkpoint), lora_rank, len(INPUTS) * checkpoint.channels)
    needed = (still + frozen) * half.itemsize + trained * _TRAINED_BYTES
    room = room_on(device)
    free, where = (room.host, "of main memory") if device.type == "cpu" else (room.device, "on the GPU")
    if needed > free:
        instead = "; a lower --lora takes less" if lora_rank else "; --lora RANK trains less"
        raise TrainingError(
            f"training {checkpoint.folder} takes {gigabytes(needed)} {where} before any picture,"
            f" {gigabytes(free)} are free{instead}"
        )


def check_rank(checkpoint: Checkpoint, rank: int) -> None:
    """See that adapters of a rank are smaller than the layers they are on, somewhere at least.

    Raises:
        TrainingError: They are not.
    """
    largest = largest_rank(_outline(checkpoint))
    if rank > largest:
        raise TrainingError(
            f"--lora {rank} is more than the widest layers of {checkpoint.folder} can use: {largest}"
        )


def _outline(checkpoint: Checkpoint) -> nn.Module:
    """The network without weights."""
    # Imported here: it takes seconds, which a wrong folder need not wait for.
    import diffusers

    component = checkpoint.denoiser
    kind = getattr(diffusers, checkpoint.kind.denoiser_class)
    network: nn.Module = outline_whole(kind, component.folder, component.variant)
    return network


def check_crop(crop: int, checkpoint: Checkpoint, downscale: int) -> None:
    """See that the network takes crops of so many pixels.

    Raises:
        TrainingError: It does not.
    """
    multiple = size_multiple(checkpoint, downscale)
    if crop < multiple or crop % multiple:
        raise TrainingError(f"--crop must be a multiple of {multiple} for this network, not {crop}")


def check_shared_memory(workers: int, batch: int, frames: int, crop: int) -> None:
    """See that the processes that read clips can pass them on: where it is full they are waited for without end.

    Args:
        workers: Those processes.
        batch: Clips of a step.
        frames: Of a clip.
        crop: Side of a frame, in pixels.

    Raises:
        TrainingError: A container has too little of it, 64 MB where nobody asked for more.
    """
    if not workers or not _SHARED.is_dir():
        return
    clip_bytes = 2 * frames * 3 * crop**2 * torch.float32.itemsize
    needed, free = (_READ_AHEAD * workers + 1) * batch * clip_bytes, shutil.disk_usage(_SHARED).free
    if needed > free:
        raise TrainingError(
            f"{workers} processes that read clips pass on {gigabytes(needed)} through {_SHARED}, {gigabytes(free)}"
            " are free: give the container more (docker run --shm-size), or take fewer --workers; 0 needs none"
        )
