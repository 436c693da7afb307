"""Clips with exact targets for benchmarks of the shipped model: unseen media, or unseen photographs filmed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.photographs import unseen_photographs
from engines.training.filming import camera_path, view
from engines.training.media import evaluation_files, load_media
from engines.training.targets import edit

FAMILIES = ("sepia", "night", "pencil_sketch", "cartoon")
"""Two that are a matter of colour and two that are a matter of lines, known to every version of the model."""


@dataclass(frozen=True, eq=False)
class Reel:
    """One clip: its name and frames, (T, 3, S, S) uint8."""

    name: str
    frames: Tensor

    def picture(self, index: int) -> NDArray[np.uint8]:
        """A frame as the editor takes it, (S, S, 3)."""
        return np.ascontiguousarray(self.frames[index].permute(1, 2, 0).numpy())


def load_reels(media: Path | None, size: int, frames: int) -> list[Reel]:
    """Centred squares of clips, or of photographs under camera motion where there are no clips.

    Args:
        media: A folder of media, of which only what is held out is used; None takes
            :func:`benchmarks.photographs.unseen_photographs`.
        size: Side of the square, a multiple of 16 up to 256.
        frames: At most so many of each.

    Raises:
        FileNotFoundError: The folder has nothing usable.
        ValueError: The size does not suit.
    """
    if size % 16 or not 16 <= size <= 256:
        raise ValueError(f"a size must be a multiple of 16 up to 256, not {size}")
    if media is None:
        return [
            _filmed(name, photo, size, frames, seed)
            for seed, (name, photo) in enumerate(unseen_photographs().items())
        ]
    scenes = load_media(media, evaluation_files(media), max_frames=frames).scenes
    clips = [scene for scene in scenes if not scene.is_photo]
    if not clips:
        photos = [scene.frames[0].permute(1, 2, 0).numpy() for scene in scenes]
        return [
            _filmed(scene.name, photo, size, frames, 0) for scene, photo in zip(scenes, photos, strict=True)
        ]
    return [Reel(Path(clip.name).stem, _centre(clip.frames, size)) for clip in clips]


def _filmed(name: str, photo: NDArray[np.uint8], size: int, frames: int, seed: int) -> Reel:
    pixels = torch.from_numpy(photo).permute(2, 0, 1).float() / 255
    path = camera_path(frames, torch.Generator().manual_seed(seed))
    return Reel(name, (view(pixels, path, (size, size)).clamp(0, 1) * 255).round().to(torch.uint8))


def _centre(frames: Tensor, size: int) -> Tensor:
    top, left = ((side - size) // 2 for side in frames.shape[-2:])
    return frames[..., top : top + size, left : left + size].contiguous()


def targets(family: str, frames: Tensor) -> Tensor:
    """The exact edits of (T, 3, H, W) uint8 frames, in [0, 1]."""
    count = len(frames)
    return edit(family, frames.float() / 255, torch.ones(count, 1, 1, 1), torch.zeros(count, 3, 1, 1))


def pictures(edited: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Edited frames as (T, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.stack(edited)).permute(0, 3, 1, 2).float() / 255
