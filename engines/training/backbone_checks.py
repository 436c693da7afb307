"""Whatever would end a backbone's training late, told before it begins."""

import shutil
import tempfile
from pathlib import Path

import torch

from engines.pretrained.checkpoint import Checkpoint
from engines.pretrained.loading import size_multiple
from engines.pretrained.needs import gigabytes, room_on
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
    checkpoint: Checkpoint, device: torch.device, half: torch.dtype, *, adapters: bool, teacher: bool
) -> None:
    """See that the weights fit; what a batch takes beside them, nobody knows before it is run.

    Args:
        checkpoint: What is trained.
        device: Where.
        half: Of the parts that are not.
        adapters: Only those are trained.
        teacher: A frozen copy of the network is kept beside it.

    Raises:
        TrainingError: They do not fit.
    """
    still = checkpoint.text_parameters + checkpoint.components["vae"].parameters
    each = (half.itemsize if adapters else _TRAINED_BYTES) + (half.itemsize if teacher else 0)
    needed = still * half.itemsize + checkpoint.denoiser.parameters * each
    room = room_on(device)
    free, where = (room.host, "of main memory") if device.type == "cpu" else (room.device, "on the GPU")
    if needed > free:
        instead = "" if adapters else "; --lora RANK trains less"
        raise TrainingError(
            f"training {checkpoint.folder} takes {gigabytes(needed)} {where} before any picture,"
            f" {gigabytes(free)} are free{instead}"
        )


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
