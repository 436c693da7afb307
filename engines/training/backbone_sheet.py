"""What a backbone in training makes of one clip, to look at while it learns."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engines.guidance import GuidanceScales
from engines.training.distillation import Teacher
from engines.training.pairs import PairedCrop
from engines.training.sheets import time_sheet

if TYPE_CHECKING:
    from engines.training.backbone import BackboneTrainer

UNGUIDED = GuidanceScales(source=1.0, instruction=1.0)


@torch.no_grad()
def write_sheet(
    trainer: "BackboneTrainer", crop: PairedCrop, steps: int, scales: GuidanceScales, path: Path
) -> None:
    """Write source, target and output of a clip's frames, edited as the model that is written would edit them.

    Args:
        trainer: Its averaged weights are looked at, and those in training left as they are.
        crop: The clip.
        steps: Sampler steps for a frame.
        scales: Guidance; :data:`UNGUIDED` where one evaluation is a prediction.
        path: Where to write, .png or .jpg.
    """
    frozen, device = trainer.frozen, trainer.accelerator.device
    clips = trainer.encode([crop])
    with _averaged(trainer), trainer.accelerator.autocast():
        denoiser = trainer.accelerator.unwrap_model(trainer.denoiser).eval()
        sample = Teacher(denoiser, frozen.schedule, frozen.prediction, steps, scales, clips.silence)
        noise = torch.randn(clips.sources[0].shape, generator=torch.Generator().manual_seed(0)).to(device)
        memory, outputs = torch.zeros_like(noise), list[Tensor]()
        for source in clips.sources:
            memory = sample(source, source, memory, noise, clips.code)
            outputs.append(frozen.codec.decode(memory.to(next(frozen.codec.parameters()).dtype)))
    edited = (torch.cat(outputs).float().cpu() + 1) / 2
    time_sheet(torch.stack([crop.source, crop.target, edited]), path)


@contextmanager
def _averaged(trainer: "BackboneTrainer") -> Iterator[None]:
    trainer.average.store(trainer.trainable)
    trainer.average.copy_to(trainer.trainable)
    try:
        yield
    finally:
        trainer.average.restore(trainer.trainable)
