"""Folders of photos and clips as scenes in memory, and short moving crops of them.

A clip moves by itself; a photo is given the motion of a hand-held camera. Whatever a file's size, its short side is
brought to ``SHORT_SIDE`` first, so that lengths in the computed targets mean the same in training and in use.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, UnidentifiedImageError
from torch import Tensor

SHORT_SIDE = 256
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
CLIP_SUFFIXES = frozenset({".mp4", ".mov", ".webm", ".mkv", ".avi"})
_LARGEST_PIXELS = 64_000_000


@dataclass(frozen=True, eq=False)
class Scene:
    """One photo or clip: ``frames`` is (T, 3, H, W) uint8, T = 1 for a photo."""

    name: str
    frames: Tensor

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
        else:
            media.scenes.append(Scene(name, frames))
    if not media.scenes:
        raise FileNotFoundError(
            f"no usable photo or clip in {folder}; skipped: {'; '.join(media.skipped) or 'none'}"
        )
    return media


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


def camera_path(frames: int, generator: torch.Generator) -> Tensor:
    """A hand-held camera's motion over a photo: (frames, 4) of x, y in [-1, 1], zoom and roll (radians).

    A slow drift of random direction plus a smooth shake; zoom is 1 at the start within a few per cent.
    """
    time = torch.arange(frames, dtype=torch.float32)[:, None]
    drift = (torch.rand(1, 4, generator=generator) - 0.5) * torch.tensor([0.06, 0.06, 0.012, 0.008])
    phase = torch.rand(2, 4, generator=generator) * 2 * math.pi
    rate = 0.1 + 0.5 * torch.rand(2, 4, generator=generator)
    shake = torch.sin(time[:, None] * rate + phase).sum(1) * torch.tensor([0.012, 0.012, 0.004, 0.003])
    origin = (torch.rand(1, 4, generator=generator) - 0.5) * torch.tensor([1.4, 1.4, 0.0, 0.0])
    path = origin + drift * time + shake
    path[:, 2] += 1
    return path


def view(photo: Tensor, path: Tensor, size: tuple[int, int]) -> Tensor:
    """Film a photo along a camera path.

    Args:
        photo: (3, H, W) in [0, 1].
        path: (T, 4) as :func:`camera_path` gives; positions run over what the window leaves free.
        size: Height and width of the result, no larger than the photo.

    Returns:
        (T, 3, *size) in [0, 1], at the photo's own scale for zoom 1.
    """
    height, width = photo.shape[-2:]
    share_y, share_x = size[0] / height, size[1] / width
    zoom, roll = path[:, 2], path[:, 3]
    reach_x, reach_y = (1 - share_x * zoom).clamp(min=0), (1 - share_y * zoom).clamp(min=0)
    aspect = height / width
    theta = torch.zeros(len(path), 2, 3)
    theta[:, 0, 0] = share_x * zoom * roll.cos()
    theta[:, 0, 1] = -share_y * zoom * roll.sin() * aspect
    theta[:, 1, 0] = share_x * zoom * roll.sin() / aspect
    theta[:, 1, 1] = share_y * zoom * roll.cos()
    theta[:, 0, 2] = path[:, 0].clamp(-1, 1) * reach_x
    theta[:, 1, 2] = path[:, 1].clamp(-1, 1) * reach_y
    grid = F.affine_grid(theta, [len(path), 3, *size], align_corners=False)
    batch = photo.expand(len(path), -1, -1, -1)
    return F.grid_sample(batch, grid, padding_mode="reflection", align_corners=False)


def moving_crop(scene: Scene, frames: int, lag: int, size: int, generator: torch.Generator) -> Tensor:
    """``frames`` ordered crops of one scene, ``lag`` frames apart, with light changes a camera would make.

    Returns:
        (frames, 3, size, size) float32 in [0, 1].
    """

    def draw(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    zoom = draw(0.75, 1.2)
    if scene.is_photo:
        path = camera_path((frames - 1) * lag + 1, generator)[::lag]
        path[:, 2] *= zoom
        crops = view(scene.frames[0].float() / 255, path, (size, size))
    else:
        lag = min(lag, max(1, (len(scene.frames) - 1) // max(1, frames - 1)))
        first = int(draw(0, max(1, len(scene.frames) - (frames - 1) * lag)))
        picked = [min(first + k * lag, len(scene.frames) - 1) for k in range(frames)]
        window = min(round(size * zoom), *scene.frames.shape[-2:])
        top = int(draw(0, scene.frames.shape[-2] - window + 1))
        left = int(draw(0, scene.frames.shape[-1] - window + 1))
        crops = scene.frames[picked, :, top : top + window, left : left + window].float() / 255
        if window != size:
            crops = F.interpolate(crops, (size, size), mode="bilinear", antialias=True, align_corners=False)
    if draw(0, 1) < 0.5:
        crops = crops.flip(-1)
    if draw(0, 1) < 0.5:
        gain = torch.tensor([draw(0.85, 1.15) for _ in range(3)]).view(3, 1, 1)
        crops = (crops * gain * draw(0.75, 1.2)) ** draw(0.75, 1.3)
    if draw(0, 1) < 0.4:
        crops = crops + draw(0.0, 0.025) * torch.randn(crops.shape, generator=generator)
    return crops.clamp(0, 1)


@dataclass(frozen=True)
class CropSampler:
    """Endless batches of moving crops; clips and photos in fixed shares so that faces at webcams are well met.

    Attributes:
        scenes: What to crop from.
        batch: Clips in a batch.
        frames: Ordered frames of a clip in every second batch; the others have one, since a stream's first frame,
            made without a memory, has to be learned as well as the rest.
        size: Side of a crop.
        clip_share: Share of crops that come from clips, the rest from photos.
        max_lag: Most frames between two frames of a crop.
    """

    scenes: Sequence[Scene]
    batch: int
    frames: int
    size: int
    clip_share: float = 0.5
    max_lag: int = 6

    def batches(self, seed: int) -> Iterator[Tensor]:
        """Yield (1 or frames, batch, 3, size, size) float32 in [0, 1] without end."""
        generator = torch.Generator().manual_seed(seed)
        while True:
            for frames in (self.frames, 1):
                yield torch.stack([self._crop(frames, generator) for _ in range(self.batch)], 1)

    def _crop(self, frames: int, generator: torch.Generator) -> Tensor:
        photos = [scene for scene in self.scenes if scene.is_photo]
        clips = [scene for scene in self.scenes if not scene.is_photo]
        from_clip = bool(clips) and (
            not photos or float(torch.rand((), generator=generator)) < self.clip_share
        )
        pool = clips if from_clip else photos
        scene = pool[int(torch.randint(len(pool), (), generator=generator))]
        lag = 1 + int(torch.randint(self.max_lag, (), generator=generator))
        return moving_crop(scene, frames, lag, self.size, generator)
