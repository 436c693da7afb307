"""Clips with exact targets for benchmarks of the shipped model: unseen media, or unseen photographs filmed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.photographs import unseen_photographs
from engines.conditioning import Conditioning
from engines.editor import Editor
from engines.families import FAMILIES as TAUGHT
from engines.families import NOISE_DRIFT, PEOPLE
from engines.training.filming import camera_path, view
from engines.training.media import evaluation_files, load_media
from engines.training.trials import Take, Trial, target_of

FAMILIES = ("sepia", "night", "pencil_sketch", "cartoon")
"""Two that are a matter of colour and two that are a matter of lines, known to every version of the model."""

NOT_OF_PIXELS = frozenset({*NOISE_DRIFT, "remove_balloons"})
"""Families whose target is no function of the picture alone."""

EXACT = tuple(family for family in TAUGHT if family not in NOT_OF_PIXELS | PEOPLE)
"""Families that a reel has targets of; it has no mattes."""


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
    """The exact edits of (T, 3, H, W) uint8 frames by a family of :data:`EXACT`, in [0, 1]."""
    return target_of(Trial((family,)), Take("", frames, frames, None), noise=torch.empty(0))


def asked(editor: Editor, family: str) -> Conditioning:
    """What asks for just those edits, by its exact code: a wording may mean another colour or degree.

    Raises:
        ValueError: The model was not taught the family.
    """
    taught = editor.description
    if family not in {each.name for each in taught.families}:
        raise ValueError(f"{taught.name} was not taught {family}, so its edit has no exact target")
    return Trial((family,)).conditioning()


def pictures(edited: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Edited frames as (T, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.stack(edited)).permute(0, 3, 1, 2).float() / 255
