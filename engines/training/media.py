"""Folders of photos and clips as scenes in memory, and short moving crops of them.

A clip moves by itself; a photo is given the motion of a hand-held camera. Whatever a file's size, its short side is
brought to ``SHORT_SIDE`` first, so that lengths in the computed targets mean the same in training and in use.

A folder ``masks`` beside the media may hold mattes of the people in them under the same paths: of a clip a video of
as many frames, of a photo a PNG. 255 is person.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import av
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from engines.training.filters import gaussian_blur
from engines.training.regions import foreground

SHORT_SIDE = 256
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
CLIP_SUFFIXES = frozenset({".mp4", ".mov", ".webm", ".mkv", ".avi"})
_LARGEST_PIXELS = 64_000_000

UNKNOWN = -1.0
"""Value of a matte where nobody has said whether there is a person."""
_TRACE = 0.02


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
    layers = _film(scene.frames, frames, lag, size, (0.75, 1.2), generator)
    return _develop(layers, generator)


def people_crop(
    scene: Scene, backdrop: Scene | None, frames: int, lag: int, size: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Like :func:`moving_crop`, of a scene with mattes, the person near or far and maybe before another scene.

    Args:
        scene: A scene with mattes.
        backdrop: What to put behind the person; None keeps the scene's own background.
        frames: Ordered frames of the crop.
        lag: Frames between two of them.
        size: Side of the crop.
        generator: Of everything random.

    Returns:
        (frames, 3, size, size) pictures in [0, 1] and (frames, 1, size, size) mattes, float32. Mattes are
        :data:`UNKNOWN` before a backdrop without mattes: nobody is put there, but somebody may have been.

    Raises:
        ValueError: The scene has no mattes.
    """
    if scene.mattes is None:
        raise ValueError(f"{scene.name} has no mattes")
    zooms = (0.55, SHORT_SIDE / size)
    layers = _film(torch.cat([scene.frames, scene.mattes], 1), frames, lag, size, zooms, generator)
    pictures, mattes = layers[:, :3], _matte(layers[:, 3:])
    if backdrop is not None:
        behind, others = _backdrop(backdrop, frames, lag, size, zooms, generator)
        person = _develop(foreground(pictures, mattes), generator)
        if _draw(0, 1, generator) < 0.35:
            person, mattes = _farther(person, mattes, generator)
        pictures = torch.lerp(behind, person, mattes)
        mattes = torch.where(mattes > _TRACE, torch.maximum(mattes, others), others)
    return _develop(pictures, generator), mattes


def _matte(levels: Tensor) -> Tensor:
    return ((levels - 0.012) / 0.976).clamp(0, 1)


def _backdrop(
    scene: Scene, frames: int, lag: int, size: int, zooms: tuple[float, float], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Pictures of a scene and the mattes of whoever is in it, :data:`UNKNOWN` where it has none."""
    if scene.mattes is None:
        pictures = _film(scene.frames, frames, lag, size, zooms, generator)
        mattes = torch.full_like(pictures[:, :1], UNKNOWN)
    else:
        layers = _film(torch.cat([scene.frames, scene.mattes], 1), frames, lag, size, zooms, generator)
        pictures, mattes = layers[:, :3], _matte(layers[:, 3:])
    pictures = _develop(pictures, generator)
    if _draw(0, 1, generator) < 0.3:
        pictures = gaussian_blur(pictures, _draw(0.8, 3.0, generator))
    return pictures, mattes


def _farther(pictures: Tensor, mattes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The person smaller, somewhere along the lower edge, where one stands or is cut off."""
    side = mattes.shape[-1]
    small = round(side * _draw(0.3, 0.8, generator))
    left = int(_draw(0, side - small + 1, generator))
    layers = F.interpolate(
        torch.cat([pictures, mattes], 1), (small, small), mode="bilinear", antialias=True, align_corners=False
    )
    placed = F.pad(layers, (left, side - small - left, side - small, 0))
    return placed[:, :3], placed[:, 3:]


def _draw(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _film(
    layers: Tensor,
    frames: int,
    lag: int,
    size: int,
    zooms: tuple[float, float],
    generator: torch.Generator,
) -> Tensor:
    """Ordered crops (frames, C, size, size) in [0, 1] of (T, C, H, W) uint8; zoom 2 sees twice as far."""
    zoom = min(_draw(*zooms, generator), min(layers.shape[-2:]) / size)
    if len(layers) == 1:
        path = camera_path((frames - 1) * lag + 1, generator)[::lag]
        path[:, 2] *= zoom
        crops = view(layers[0].float() / 255, path, (size, size))
    else:
        lag = min(lag, max(1, (len(layers) - 1) // max(1, frames - 1)))
        first = int(_draw(0, max(1, len(layers) - (frames - 1) * lag), generator))
        picked = [min(first + k * lag, len(layers) - 1) for k in range(frames)]
        window = min(round(size * zoom), *layers.shape[-2:])
        top = int(_draw(0, layers.shape[-2] - window + 1, generator))
        left = int(_draw(0, layers.shape[-1] - window + 1, generator))
        crops = layers[picked, :, top : top + window, left : left + window].float() / 255
        if window != size:
            crops = F.interpolate(crops, (size, size), mode="bilinear", antialias=True, align_corners=False)
    return crops.flip(-1) if _draw(0, 1, generator) < 0.5 else crops


def _develop(crops: Tensor, generator: torch.Generator) -> Tensor:
    """Light, colour and grain as cameras differ in them, the same for all frames."""
    if _draw(0, 1, generator) < 0.5:
        gain = torch.tensor([_draw(0.85, 1.15, generator) for _ in range(3)]).view(3, 1, 1)
        crops = (crops * gain * _draw(0.75, 1.2, generator)).clamp(min=0) ** _draw(0.75, 1.3, generator)
    if _draw(0, 1, generator) < 0.4:
        crops = crops + _draw(0.0, 0.025, generator) * torch.randn(crops.shape, generator=generator)
    return crops.clamp(0, 1)


@dataclass(frozen=True, eq=False)
class Footage:
    """A batch of moving crops.

    Attributes:
        pictures: (K, B, 3, H, W) in [0, 1], K ordered frames.
        mattes: (K, B, 1, H, W), zeros where there is none, :data:`UNKNOWN` where an unmasked picture is behind.
        has_matte: (B,) bool.
        lag: Frames of the scene between two of the crop.
    """

    pictures: Tensor
    mattes: Tensor
    has_matte: Tensor
    lag: int = 1

    @classmethod
    def without_mattes(cls, pictures: Tensor, lag: int = 1) -> "Footage":
        """Of (K, B, 3, H, W) pictures nothing more is known of."""
        return cls(
            pictures,
            torch.zeros_like(pictures[:, :, :1]),
            torch.zeros(pictures.shape[1], dtype=torch.bool),
            lag,
        )


@dataclass(frozen=True)
class CropSampler:
    """Endless batches of moving crops; clips and photos in fixed shares so that faces at webcams are well met.

    Every fifth batch is of people, and larger, because a person is told from the background by what is around. About
    half of all batches have ``frames`` ordered frames, the others one, since a stream's first frame, made without a
    memory, has to be learned as well as the rest.

    Attributes:
        scenes: What to crop from.
        batch: Clips in a batch.
        frames: Ordered frames of a clip in the batches that have more than one.
        size: Side of a crop; of one with people it is half as much again.
        clip_share: Share of crops that come from clips, the rest from photos.
        max_lag: Most frames between two frames of a crop.
        backdrop_share: Share of people put before another scene.
    """

    scenes: Sequence[Scene]
    batch: int
    frames: int
    size: int
    clip_share: float = 0.5
    max_lag: int = 6
    backdrop_share: float = 0.5

    def batches(self, seed: int) -> Iterator[Footage]:
        """Yield batches without end; those of people are left out where no scene has mattes."""
        generator = torch.Generator().manual_seed(seed)
        people = any(scene.mattes is not None for scene in self.scenes)
        for turn in count():
            yield self._anything(self.frames, generator)
            yield self._anything(1, generator)
            if people:
                yield self._people((1, self.frames)[turn % 2], generator)
            yield self._anything(self.frames, generator)
            yield self._anything(1, generator)

    def people_batches(self, seed: int) -> Iterator[Footage]:
        """Yield batches of people alone, of one frame each.

        Raises:
            ValueError: No scene has mattes.
        """
        if all(scene.mattes is None for scene in self.scenes):
            raise ValueError("no scene has mattes")
        generator = torch.Generator().manual_seed(seed)
        while True:
            yield self._people(1, generator)

    def plain_batches(self, seed: int) -> Iterator[Footage]:
        """Yield batches of anything, of one frame each."""
        generator = torch.Generator().manual_seed(seed)
        while True:
            yield self._anything(1, generator)

    def _anything(self, frames: int, generator: torch.Generator) -> Footage:
        lag = self._lag(generator)
        crops = [
            moving_crop(self._pick(self.scenes, generator), frames, lag, self.size, generator)
            for _ in range(self.batch)
        ]
        return Footage.without_mattes(torch.stack(crops, 1), lag)

    def _people(self, frames: int, generator: torch.Generator) -> Footage:
        masked = [scene for scene in self.scenes if scene.mattes is not None]
        photos = [scene for scene in self.scenes if scene.mattes is None and scene.is_photo]
        lag, size = self._lag(generator), self.size * 3 // 2 // 32 * 32
        pictures, mattes = [], []
        for _ in range(max(1, self.batch if frames == 1 else self.batch // 2)):
            backdrop = None
            if _draw(0, 1, generator) < self.backdrop_share:
                unmasked = bool(photos) and _draw(0, 1, generator) < 0.6
                backdrop = self._pick(photos if unmasked else masked, generator)
            scene = self._pick(masked, generator)
            crop, matte = people_crop(scene, backdrop, frames, lag, size, generator)
            pictures.append(crop)
            mattes.append(matte)
        return Footage(
            torch.stack(pictures, 1), torch.stack(mattes, 1), torch.ones(len(pictures), dtype=torch.bool), lag
        )

    def _lag(self, generator: torch.Generator) -> int:
        return 1 + int(torch.randint(self.max_lag, (), generator=generator))

    def _pick(self, scenes: Sequence[Scene], generator: torch.Generator) -> Scene:
        photos = [scene for scene in scenes if scene.is_photo]
        clips = [scene for scene in scenes if not scene.is_photo]
        from_clip = bool(clips) and (not photos or _draw(0, 1, generator) < self.clip_share)
        pool = clips if from_clip else photos
        return pool[int(torch.randint(len(pool), (), generator=generator))]
