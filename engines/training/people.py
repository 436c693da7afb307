"""Crops of people with their mattes: near and far, alone and together, at home and elsewhere, as webcams show them.

Masked clips are few, so what can be changed without changing who is a person is changed: the room behind, the size
and place of each person, a second one beside the first, light, colours, clothes, focus, motion and compression.
"""

import io
import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from engines.training.filming import develop, draw, film
from engines.training.filters import gaussian_blur, luma, saturate
from engines.training.media import SHORT_SIDE, Scene
from engines.training.regions import foreground, near_hue

UNKNOWN = -1.0
"""Value of a matte where nobody has said whether there is a person."""
_TRACE = 0.02
_NEAREST = 0.55
_SKIN = (0.80, 0.58, 0.46)


def people_crop(
    scene: Scene,
    backdrop: Scene | None,
    frames: int,
    lag: int,
    size: int,
    generator: torch.Generator,
    companion: Scene | None = None,
    varied: bool = False,
) -> tuple[Tensor, Tensor]:
    """Ordered crops of a scene with mattes, its person before another scene and beside another one if so wished.

    Args:
        scene: A scene with mattes.
        backdrop: What to put behind the person; None keeps the scene's own background.
        frames: Ordered frames of the crop.
        lag: Frames between two of them.
        size: Side of the crop.
        generator: Of everything random.
        companion: Another scene with mattes, whose person comes in front.
        varied: Whether clothes and colours differ more than cameras and lamps make them, and more crops are of as
            much of a scene as fits: for who is to be told by shape, in rooms and clothes not among these.

    Returns:
        (frames, 3, size, size) pictures in [0, 1] and (frames, 1, size, size) mattes, float32. Mattes are
        :data:`UNKNOWN` before a backdrop without mattes: nobody is put there, but somebody may have been.

    Raises:
        ValueError: The scene or the companion has no mattes.
    """
    people = [each for each in (scene, companion) if each is not None]
    for each in people:
        if each.mattes is None:
            raise ValueError(f"{each.name} has no mattes")
    shot = _Shot(frames, lag, size, varied)
    if backdrop is None:
        pictures, mattes = _filmed(scene, shot, generator)
        people = people[1:]
    else:
        pictures, mattes = _filmed(backdrop, shot, generator)
        pictures = develop(pictures, generator)
        if draw(0, 1, generator) < 0.3:
            pictures = gaussian_blur(pictures, draw(0.8, 3.0, generator))
    for each in people:
        far = len(people) > 1 or draw(0, 1, generator) < 0.4
        person, theirs = _filmed(each, shot, generator, nearest=0.9 if far else _NEAREST)
        person = foreground(person, theirs)
        if varied and draw(0, 1, generator) < 0.5:
            person = _dressed(person, generator)
        person = _lit(person, generator)
        if far:
            person, theirs = _farther(person, theirs, generator)
        pictures = torch.lerp(pictures, person, theirs)
        mattes = torch.where(theirs > _TRACE, torch.maximum(mattes, theirs), mattes)
    pictures = develop(pictures, generator)
    if varied and draw(0, 1, generator) < 0.6:
        pictures = _toned(pictures, 0.06, (0.3, 1.6), (0.6, 1.35), generator)
    pictures, mattes = _shaken(pictures, mattes, generator)
    return _compressed(pictures, generator), mattes


@dataclass(frozen=True)
class _Shot:
    """What all layers of a crop have in common, as :func:`people_crop` says."""

    frames: int
    lag: int
    size: int
    varied: bool


def _filmed(
    scene: Scene, shot: _Shot, generator: torch.Generator, nearest: float = _NEAREST
) -> tuple[Tensor, Tensor]:
    """Pictures of a scene and the mattes of whoever is in it, :data:`UNKNOWN` where it has none."""
    frames, lag, size = shot.frames, shot.lag, shot.size
    farthest = max(1.0, SHORT_SIDE / size)
    zooms = (nearest, farthest)
    if shot.varied and draw(0, 1, generator) < 0.3:
        zooms = (farthest, farthest)
    if scene.mattes is None:
        pictures = film((scene.frames,), frames, lag, size, zooms, generator)
        return pictures, torch.full_like(pictures[:, :1], UNKNOWN)
    layers = film((scene.frames, scene.mattes), frames, lag, size, zooms, generator)
    return layers[:, :3], ((layers[:, 3:] - 0.012) / 0.976).clamp(0, 1)


def _dressed(person: Tensor, generator: torch.Generator) -> Tensor:
    """What is not of a skin's colour in another one, darker or lighter."""
    skin = near_hue(person, person.new_tensor(_SKIN).view(1, 3, 1, 1))
    dyed = _toned(person, 0.5, (0.2, 2.0), (0.7, 1.3), generator)
    tint = torch.tensor([draw(-0.25, 0.25, generator) for _ in range(3)]) + draw(-0.25, 0.25, generator)
    return torch.lerp((dyed + tint.view(3, 1, 1)).clamp(0, 1), person, skin)


def _toned(
    pictures: Tensor,
    turn: float,
    saturations: tuple[float, float],
    contrasts: tuple[float, float],
    generator: torch.Generator,
) -> Tensor:
    """Hues turned by at most ``turn`` of a full circle, saturation and contrast between the least and the most."""
    angle = 2 * math.pi * draw(-turn, turn, generator)
    across = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    # Rodrigues' rotation of colours about the axis of greys.
    rotation = torch.eye(3) * math.cos(angle) + across * math.sin(angle) + (1 - math.cos(angle)) / 3
    turned = saturate(torch.einsum("ij,tjhw->tihw", rotation, pictures), draw(*saturations, generator))
    mean = turned.mean()
    return (mean + (turned - mean) * draw(*contrasts, generator)).clamp(0, 1)


def _lit(person: Tensor, generator: torch.Generator) -> Tensor:
    """Light and colours of their own: in the dark, in coloured light, nearly grey, as well as usual ones."""
    kind = draw(0, 1, generator)
    if kind < 0.2:
        person = person * draw(0.25, 0.8, generator)
    elif kind < 0.3:
        gain = torch.tensor([draw(0.45, 1.3, generator) for _ in range(3)])
        person = person * gain.view(3, 1, 1)
    elif kind < 0.4:
        person = torch.lerp(luma(person).expand_as(person), person, draw(0, 0.6, generator))
    return develop(person, generator)


def _farther(person: Tensor, mattes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A smaller person, at the edges where their picture cuts them off and anywhere if it shows them whole."""
    top, left, right, bottom = (
        bool((edge > 0.5).any())
        for edge in (mattes[..., :2, :], mattes[..., :2], mattes[..., -2:], mattes[..., -2:, :])
    )
    if top or (left and right):
        return person, mattes
    side = mattes.shape[-1]
    small = round(side * draw(0.3, 0.85, generator))
    layers = F.interpolate(
        torch.cat([person, mattes], 1), (small, small), mode="bilinear", antialias=True, align_corners=False
    )
    free = side - small
    below = 0 if bottom else round(draw(0, free, generator))
    beside = 0 if left else free if right else round(draw(-0.2 * small, free + 0.2 * small, generator))
    placed = F.pad(layers, (beside, free - beside, free - below, below))
    return placed[:, :3], placed[:, 3:]


def _shaken(pictures: Tensor, mattes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Out of focus, or blurred along one direction by motion, as frames of dim rooms often are."""
    kind = draw(0, 1, generator)
    if kind < 0.15:
        return gaussian_blur(pictures, draw(0.5, 1.5, generator)), mattes
    if kind < 0.27:
        length = 3 + 2 * int(draw(0, 4, generator))
        along = (1, length) if draw(0, 1, generator) < 0.7 else (length, 1)
        layers = F.pad(
            torch.cat([pictures, mattes], 1), (along[1] // 2,) * 2 + (along[0] // 2,) * 2, mode="replicate"
        )
        blurred = F.avg_pool2d(layers, along, stride=1)
        # An unknown neighbour makes a known pixel no less known.
        return blurred[:, :3], torch.where(mattes < 0, mattes, blurred[:, 3:].clamp(min=0))
    return pictures, mattes


def _compressed(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """As a webcam's JPEG frames come, many of them from fewer pixels than they have."""
    if draw(0, 1, generator) > 0.4:
        return pictures
    side, quality = pictures.shape[-1], int(draw(20, 85, generator))
    if draw(0, 1, generator) < 0.5:
        fewer = round(side * draw(0.4, 0.9, generator))
        few = F.interpolate(pictures, (fewer, fewer), mode="bilinear", antialias=True, align_corners=False)
        pictures = F.interpolate(few, (side, side), mode="bilinear", align_corners=False)
    return torch.stack([_jpeg(picture, quality) for picture in pictures])


def _jpeg(picture: Tensor, quality: int) -> Tensor:
    levels = (picture.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    stored = io.BytesIO()
    Image.fromarray(levels).save(stored, "JPEG", quality=quality)
    with Image.open(stored) as opened:
        return torch.from_numpy(np.array(opened)).permute(2, 0, 1).float() / 255
