"""Short moving crops of scenes: a clip moves by itself, a photo is filmed by a hand-held camera."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.training.media import Scene


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
    return develop(film((scene.frames,), frames, lag, size, (0.75, 1.2), generator), generator)


def draw(low: float, high: float, generator: torch.Generator) -> float:
    """A number between two, each as likely as any other."""
    return low + (high - low) * float(torch.rand((), generator=generator))


def film(
    layers: Sequence[Tensor],
    frames: int,
    lag: int,
    size: int,
    zooms: tuple[float, float],
    generator: torch.Generator,
) -> Tensor:
    """Ordered crops of layers filmed alike; zoom 2 sees twice as far.

    Args:
        layers: Each (T, C, H, W) uint8. They are joined once they are cropped: a clip whole is some 50 MB.
        frames: Ordered frames of the crop.
        lag: Frames between two of them.
        size: Side of the crop.
        zooms: The least and the most.
        generator: Of everything random.

    Returns:
        (frames, C of all layers, size, size) float32 in [0, 1].
    """
    length, (height, width) = len(layers[0]), layers[0].shape[-2:]
    zoom = min(draw(*zooms, generator), min(height, width) / size)
    if length == 1:
        path = camera_path((frames - 1) * lag + 1, generator)[::lag]
        path[:, 2] *= zoom
        crops = view(torch.cat([layer[0] for layer in layers]).float() / 255, path, (size, size))
    else:
        lag = min(lag, max(1, (length - 1) // max(1, frames - 1)))
        first = int(draw(0, max(1, length - (frames - 1) * lag), generator))
        picked = [min(first + k * lag, length - 1) for k in range(frames)]
        window = min(round(size * zoom), height, width)
        top = int(draw(0, height - window + 1, generator))
        left = int(draw(0, width - window + 1, generator))
        seen = (picked, slice(None), slice(top, top + window), slice(left, left + window))
        crops = torch.cat([layer[seen] for layer in layers], 1).float() / 255
        if window != size:
            crops = F.interpolate(crops, (size, size), mode="bilinear", antialias=True, align_corners=False)
    return crops.flip(-1) if draw(0, 1, generator) < 0.5 else crops


def develop(crops: Tensor, generator: torch.Generator) -> Tensor:
    """Light, colour and grain as cameras differ in them, the same for all frames."""
    if draw(0, 1, generator) < 0.5:
        gain = torch.tensor([draw(0.85, 1.15, generator) for _ in range(3)]).view(3, 1, 1)
        crops = (crops * gain * draw(0.75, 1.2, generator)).clamp(min=0) ** draw(0.75, 1.3, generator)
    if draw(0, 1, generator) < 0.4:
        crops = crops + draw(0.0, 0.025, generator) * torch.randn(crops.shape, generator=generator)
    return crops.clamp(0, 1)
