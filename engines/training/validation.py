"""Scenes with people that training never sees, by which it decides: when it was at its best, and how far to go.

The scenes a model card measures on are for measuring alone; what was chosen on them looks better there than it is.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.codecs import PatchCodec
from engines.training.media import SHORT_SIDE, Scene

SHARE = 0.15
FEWEST = 4
"""People fewer than these would decide little; all scenes are better trained on then."""
_FRAMES = 3


def subject_of(name: str) -> str:
    """Who or what a file shows, as far as its name tells: the first two words of it.

    ``talk_ann_1`` and ``talk_ann_2`` are of one subject, ``photo_017`` and its ``photo_017_crop`` too.
    """
    stem = name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return "_".join(re.split(r"[\W_]+", stem.lower())[:2])


@dataclass(frozen=True)
class Split:
    """Scenes to train on, and scenes with people to decide by; no subject is in both."""

    training: list[Scene]
    validation: list[Scene]


def split(scenes: Sequence[Scene]) -> Split:
    """Hold out :data:`SHARE` of the subjects with mattes, or nobody where that leaves fewer than :data:`FEWEST`.

    A subject's name alone decides, so that what was held out once stays so when scenes join, and training from the
    weights of an earlier run is judged on scenes that run did not see either.
    """
    held = {
        subject_of(scene.name)
        for scene in scenes
        if scene.mattes is not None and _drawn(subject_of(scene.name)) < SHARE
    }
    if len(held) < FEWEST:
        return Split(list(scenes), [])
    return Split(
        [scene for scene in scenes if subject_of(scene.name) not in held],
        [scene for scene in scenes if subject_of(scene.name) in held and scene.mattes is not None],
    )


def _drawn(subject: str) -> float:
    return int.from_bytes(hashlib.sha256(subject.encode()).digest()[:4], "big") / 2**32


class Overlap:
    """How well a figure's mattes fit those of held-out scenes: the intersection over union.

    Three frames of each scene, spread over it, are looked at in the middle, at the size of evaluations. Each subject
    has one mean, so that somebody with many clips counts no more than others.
    """

    def __init__(self, scenes: Sequence[Scene], device: torch.device) -> None:
        self._subjects: dict[str, list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for scene in scenes:
            pictures, people = _looked_at(scene)
            self._subjects[subject_of(scene.name)].append((pictures.to(device), people.to(device)))

    @torch.no_grad()
    def __call__(self, figure: nn.Module) -> Tensor:
        """Of a network that gives the logits of :class:`engines.backbones.parts.Figure`, (subjects,)."""
        means = [
            torch.stack([_overlap(figure, pictures, people) for pictures, people in shots]).mean()
            for shots in self._subjects.values()
        ]
        return torch.stack(means)


def _looked_at(scene: Scene) -> tuple[Tensor, Tensor]:
    """Pictures (T, 3, H, W) uint8 and where the people are, (T, 1, H / 2, W / 2) bool."""
    if scene.mattes is None:
        raise ValueError(f"{scene.name} has no mattes")
    times = torch.linspace(0, len(scene.frames) - 1, min(_FRAMES, len(scene.frames))).round().long()
    top, left = ((side - SHORT_SIDE) // 2 for side in scene.frames.shape[-2:])
    window = (times, slice(None), slice(top, top + SHORT_SIDE), slice(left, left + SHORT_SIDE))
    return scene.frames[window], F.avg_pool2d(scene.mattes[window].float(), 2) > 127.5


def _overlap(figure: nn.Module, pictures: Tensor, people: Tensor) -> Tensor:
    x = PatchCodec(2).encode(pictures.float() / 127.5 - 1).to(memory_format=torch.channels_last)
    with torch.autocast(x.device.type, torch.bfloat16):
        found = F.pixel_shuffle(figure(x), 2) > 0
    both = (found & people).sum((1, 2, 3)).float()
    # Nobody there and nobody found is right.
    either = (found | people).sum((1, 2, 3)).float()
    return torch.where(either > 0, both / either.clamp(min=1), 1.0).mean()
