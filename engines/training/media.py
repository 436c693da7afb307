"""Folders of photos and clips as scenes in memory.

Whatever a file's size, its short side is brought to ``SHORT_SIDE`` first, so that lengths in the computed targets
mean the same in training and in use.

A folder ``masks`` beside the media may hold mattes of the people in them under the same paths: of a clip a video of
as many frames, of a photo a PNG. 255 is person.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

SHORT_SIDE = 256
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
CLIP_SUFFIXES = frozenset({".mp4", ".mov", ".webm", ".mkv", ".avi"})
_LARGEST_PIXELS = 64_000_000


@dataclass(frozen=True, eq=False)
class Scene:
    """One photo or clip: frames (T, 3, H, W) uint8, T = 1 for a photo, and mattes (T, 1, H, W) of its people."""

    name: str
    frames: Tensor
    mattes: Tensor | None = None

    @property
    def is_photo(self) -> bool:
        """Whether it has a single frame."""
        return len(self.frames) == 1


@dataclass
class Media:
    """What a folder gave: scenes, and a line for each file that could not be used."""

    scenes: list[Scene] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def training_files(folder: Path) -> list[Path]:
    """Photos and clips below ``folder`` that may be trained on: nothing inside a folder called ``eval``."""
    return [path for path in _media_files(folder) if "eval" not in path.relative_to(folder.parent).parts]


def evaluation_files(folder: Path) -> list[Path]:
    """Photos and clips to evaluate on: those inside folders called ``eval`` if there are any, else all."""
    files = _media_files(folder)
    held_out = [path for path in files if "eval" in path.relative_to(folder).parts]
    return held_out or files


def _media_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder")
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in PHOTO_SUFFIXES | CLIP_SUFFIXES
        and "masks" not in path.relative_to(folder).parts
    ]


def load_media(folder: Path, files: Sequence[Path], *, max_frames: int | None = None) -> Media:
    """Read photos and clips, each file that cannot be used in a line of its own.

    Args:
        folder: Names are relative to it.
        files: What to read, in this order.
        max_frames: Keep at most so many frames of a clip.

    Raises:
        FileNotFoundError: There is no usable photo or clip.
    """
    media = Media()
    for path in files:
        name = str(path.relative_to(folder))
        try:
            frames = _photo(path) if path.suffix.lower() in PHOTO_SUFFIXES else _clip(path, max_frames)
        except (OSError, ValueError, UnidentifiedImageError, av.error.FFmpegError) as error:
            media.skipped.append(f"{name}: {error}")
            continue
        mattes = None
        try:
            mattes = _mattes(folder, path, frames)
        except (OSError, ValueError, UnidentifiedImageError, av.error.FFmpegError) as error:
            media.skipped.append(f"masks of {name}: {error}")
        media.scenes.append(Scene(name, frames, mattes))
    if not media.scenes:
        raise FileNotFoundError(
            f"no usable photo or clip in {folder}; skipped: {'; '.join(media.skipped) or 'none'}"
        )
    return media


def _mattes(folder: Path, path: Path, frames: Tensor) -> Tensor | None:
    """(T, 1, H, W) uint8 of the people in a file, None where there is no mask of it."""
    stored = folder / "masks" / path.relative_to(folder)
    height, width = frames.shape[-2:]
    if path.suffix.lower() in PHOTO_SUFFIXES:
        if not (stored := stored.with_suffix(".png")).is_file():
            return None
        with Image.open(stored) as opened:
            matte = opened.convert("L").resize((width, height), Image.Resampling.BICUBIC)
        return torch.from_numpy(np.array(matte))[None, None]
    if not stored.is_file():
        return None
    mattes: list[Tensor] = []
    with av.open(str(stored)) as container:
        for frame in container.decode(video=0):
            if len(mattes) == len(frames):
                break
            scaled = frame.reformat(width, height, "gray", interpolation="AREA")
            mattes.append(torch.from_numpy(scaled.to_ndarray())[None].clone())
    if len(mattes) != len(frames):
        raise ValueError(f"{len(mattes)} mattes for {len(frames)} frames")
    return torch.stack(mattes)


def _scaled_size(width: int, height: int) -> tuple[int, int]:
    if min(width, height) < 64:
        raise ValueError(f"{width}x{height} is too small, the short side must be at least 64")
    if width * height > _LARGEST_PIXELS:
        raise ValueError(f"{width}x{height} is too large")
    scale = SHORT_SIDE / min(width, height)
    return round(width * scale), round(height * scale)


def _photo(path: Path) -> Tensor:
    with Image.open(path) as opened:
        size = _scaled_size(*opened.size)
        picture = opened.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].contiguous()


def _clip(path: Path, max_frames: int | None) -> Tensor:
    frames: list[Tensor] = []
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise ValueError("no video in it")
        for frame in container.decode(video=0):
            width, height = _scaled_size(frame.width, frame.height)
            scaled = frame.reformat(width, height, "rgb24", interpolation="AREA")
            frames.append(torch.from_numpy(scaled.to_ndarray()).permute(2, 0, 1).contiguous())
            if max_frames is not None and len(frames) >= max_frames:
                break
    if not frames:
        raise ValueError("no frame in it")
    return torch.stack(frames)
