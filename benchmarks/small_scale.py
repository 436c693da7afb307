"""The method at small scale: 64-pixel clips with exact targets and a network that trains in minutes on one core.

The clips are photographs under a known camera motion. Three families have one right answer. Two have many, as real
edits do: their texture is drawn anew for each clip and then stays, on the scene or on the pane in front of it. Only
memory can keep it there; a network without one has to draw another in every frame.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import skimage.data
import torch
import torch.nn.functional as F
from torch import Tensor

from engines.backbones.tiny import NormalisedConv2d, TinyConfig, TinyDenoiser
from engines.backbones.tiny_folder import plain_weights
from engines.codecs import PatchCodec
from engines.training.filming import camera_path, view
from engines.training.filters import gaussian_blur
from engines.training.forcing import RFDM, ConditionDropout, Method, Predictor, frame_losses
from engines.training.media import (
    PHOTO_SUFFIXES,
    evaluation_files,
    load_media,
    training_files,
)
from engines.training.optimisers import Optimisers
from engines.training.targets import edit

SIZE = 64
DETERMINISTIC = ("sepia", "night", "pencil_sketch")
_COATS = {"patina": (0.25, 0.55, 0.5), "frost": (0.92, 0.95, 1.0)}
MANIFOLD = tuple(_COATS)
"""Families of many right answers."""
FAMILIES = (*DETERMINISTIC, *MANIFOLD)
CONFIG = TinyConfig(
    code_length=len(FAMILIES),
    widths=(32, 48, 64),
    blocks=(1, 1, 2),
    context_width=32,
    context_blocks=1,
    condition_width=64,
    detail_width=32,
    figure_families=(),
    hue_families=(),
    defocus_families=(),
    eraser_families=(),
    field_families=(),
)
MAX_LAG = 6
_SHORT_SIDE = 128
BATCH = 16
_RATE, _FILTER_RATE, _DECAY = 2e-3, 0.05, 0.995
_WARM_UP_S = 6.0
_SAMPLES = ("coffee", "chelsea", "rocket", "retina", "hubble_deep_field")
_HELD_OUT_SAMPLES = ("astronaut", "immunohistochemistry")


@dataclass(frozen=True, eq=False)
class Photos:
    """Photographs to train on and others to measure on, each (3, H, W) in [0, 1].

    Attributes:
        train: Those to train on.
        evaluation: Those to measure on.
        names: A digest of all their names, the same only for the same photographs in the same roles.
    """

    train: list[Tensor]
    evaluation: list[Tensor]
    names: str


@dataclass(frozen=True, eq=False)
class Clips:
    """A batch of clips, every family in turn.

    Attributes:
        sources: Latents, (T, B, C, h, w).
        targets: Latents of their exact edits, same shape.
        code: One-hot families, (B, len(FAMILIES)).
    """

    sources: Tensor
    targets: Tensor
    code: Tensor


def load_photos(media: Path | None, limit: int = 400) -> Photos:
    """The photographs of a media folder, or scikit-image's own samples.

    Args:
        media: What is in folders called ``eval`` below it is measured on, the rest is trained on.
        limit: At most so many of each.

    Raises:
        FileNotFoundError: There is no usable photograph of either kind.
        ValueError: No folder called ``eval`` sets photographs apart.
    """
    if media is None:
        samples: Any = skimage.data  # without annotations
        train, held_out = (
            [_scaled(torch.from_numpy(getattr(samples, name)()).permute(2, 0, 1)) for name in names]
            for names in (_SAMPLES, _HELD_OUT_SAMPLES)
        )
        return Photos(train, held_out, _digest(_SAMPLES, _HELD_OUT_SAMPLES))
    train_files, held_out_files = (
        [path for path in choose(media) if path.suffix.lower() in PHOTO_SUFFIXES][:limit]
        for choose in (training_files, evaluation_files)
    )
    if not set(train_files).isdisjoint(held_out_files):
        raise ValueError(
            f"{media} has no folder called eval: what is measured on would be what was trained on"
        )
    names = ([str(path.relative_to(media)) for path in files] for files in (train_files, held_out_files))
    return Photos(_loaded(media, train_files), _loaded(media, held_out_files), _digest(*names))


def _loaded(media: Path, photos: Sequence[Path]) -> list[Tensor]:
    return [_scaled(scene.frames[0]) for scene in load_media(media, photos).scenes]


def _digest(train: Sequence[str], evaluation: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps([train, evaluation]).encode()).hexdigest()[:12]


def _scaled(photo: Tensor) -> Tensor:
    scale = _SHORT_SIDE / min(photo.shape[-2:])
    size = [round(side * scale) for side in photo.shape[-2:]]
    pixels = photo[None].float() / 255
    return F.interpolate(pixels, size, mode="bilinear", antialias=True, align_corners=False)[0].clamp(0, 1)


def film(
    photos: Sequence[Tensor], families: Sequence[int], frames: int, lag: int, generator: torch.Generator
) -> Clips:
    """Film one clip for each family index given, ``lag`` camera frames between two of its frames."""
    sources, targets = [], []
    for family in families:
        photo = photos[int(torch.randint(len(photos), (), generator=generator))]
        path = camera_path((frames - 1) * lag + 1, generator)[::lag]
        name = FAMILIES[family]
        layers = torch.cat([photo, _texture(photo.shape[-2:], generator)]) if name == "patina" else photo
        seen = view(layers, path, (SIZE, SIZE)).clamp(0, 1)
        texture = seen[:, 3:] if name == "patina" else torch.zeros(frames, 1, 1, 1)
        if name == "frost":
            texture = _texture((SIZE, SIZE), generator).expand(frames, -1, -1, -1)
        sources.append(seen[:, :3])
        targets.append(_target(name, seen[:, :3], texture))
    codec = PatchCodec(2)
    x, y = (torch.stack([codec.encode(clip * 2 - 1) for clip in clips], 1) for clips in (sources, targets))
    return Clips(x, y, F.one_hot(torch.tensor(families), len(FAMILIES)).float())


def _texture(size: tuple[int, int] | torch.Size, generator: torch.Generator) -> Tensor:
    """Blots of some five pixels, (1, H, W) in [0, 1]."""
    field = gaussian_blur(torch.randn(1, 1, *size, generator=generator), 1.6)[0]
    return torch.sigmoid(4 * field / field.std())


def _target(family: str, pictures: Tensor, texture: Tensor) -> Tensor:
    """Exact edits of (T, 3, H, W) pictures; the texture is (T, 1, H, W), 0 where the family has none."""
    if family in _COATS:
        return torch.lerp(pictures, pictures.new_tensor(_COATS[family]).view(3, 1, 1), 0.7 * texture)
    count = len(pictures)
    return edit(family, pictures, torch.ones(count, 1, 1, 1), torch.zeros(count, 3, 1, 1))


LOST_MEMORY = ConditionDropout(memory=0.1)
"""A scene cut empties the memory on the live path, so training does at times."""


@dataclass(frozen=True)
class Recipe:
    """What a network is trained with.

    Attributes:
        frames: Ordered frames of a clip: the paper's autoregressive frames and the first.
        max_lag: Most camera frames between two frames of a clip.
        method: How frames depend on one another.
        dropout: Which conditions are left out how often.
        first_level_share: Share of frames at sigma = 1.
    """

    frames: int = 4
    max_lag: int = MAX_LAG
    method: Method = RFDM
    dropout: ConditionDropout = LOST_MEMORY
    first_level_share: float = 0.4


def train(photos: Photos, recipe: Recipe, evaluations: int, seed: int) -> TinyDenoiser:
    """Train a network from nothing; the same for the same arguments.

    Args:
        photos: What to film.
        recipe: What it is trained with.
        evaluations: Frames the network is shown in all: a fair budget whatever else the machine does.
        seed: Of everything random.
    """
    torch.manual_seed(seed)
    denoiser = TinyDenoiser(CONFIG, NormalisedConv2d)
    generator = torch.Generator().manual_seed(seed)

    def losses() -> Iterator[Tensor]:
        clips = batch_of_clips(photos.train, recipe.frames, recipe.max_lag, generator)
        return frame_losses(
            autocast(denoiser),
            clips.sources,
            clips.targets,
            clips.code,
            recipe.method,
            recipe.dropout,
            recipe.first_level_share,
            generator,
        )

    return fit(denoiser, losses, max(1, evaluations // (BATCH * recipe.frames)))


def batch_of_clips(photos: Sequence[Tensor], frames: int, max_lag: int, generator: torch.Generator) -> Clips:
    """A training batch: random families, one random lag."""
    families = torch.randint(len(FAMILIES), (BATCH,), generator=generator).tolist()
    lag = 1 + int(torch.randint(max_lag, (), generator=generator))
    return film(photos, families, frames, lag, generator)


def autocast(denoiser: TinyDenoiser) -> Predictor:
    """The denoiser in bfloat16, as the training command runs it."""

    def predict(noisy: Tensor, source: Tensor, memory: Tensor, sigma: Tensor, code: Tensor) -> Tensor:
        inputs = [value.to(memory_format=torch.channels_last) for value in (noisy, source, memory)]
        with torch.autocast("cpu", torch.bfloat16):
            predicted: Tensor = denoiser(*inputs, sigma, code)
        return predicted

    return predict


def trainable(plain: TinyDenoiser) -> TinyDenoiser:
    """The network of normalised convolutions that does what a plain one does: a student begins as its teacher."""
    denoiser = TinyDenoiser(plain.config, NormalisedConv2d)
    state = dict(plain.state_dict())
    for name, module in denoiser.named_modules():
        if isinstance(module, NormalisedConv2d):
            weight, bias = state.pop(f"{name}.weight"), state.pop(f"{name}.bias")
            # Trained filters have the norm they are normalised to, so nothing is lost.
            state[f"{name}.filters"] = torch.cat([weight.flatten(1), bias[:, None]], 1)
    denoiser.load_state_dict(state)
    for module in denoiser.modules():
        if isinstance(module, NormalisedConv2d):
            module.renormalise()
    return denoiser


def fit(
    denoiser: TinyDenoiser, losses: Callable[[], Iterator[Tensor]], steps: int, rate: float = 1.0
) -> TinyDenoiser:
    """Train in place with the training command's optimisers; returns the averaged plain network.

    Args:
        denoiser: Of normalised convolutions, or :func:`trainable`.
        losses: The losses of one step, each differentiated before the next is asked for.
        steps: Optimiser steps; the rate falls over the last 40 % of them.
        rate: Of learning, as a multiple of the usual one.
    """
    denoiser.train()
    denoiser.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    optimisers = Optimisers(denoiser, rate * _FILTER_RATE, rate * _RATE)
    averaged = {name: value.clone() for name, value in denoiser.state_dict().items()}
    for step in range(steps):
        schedule = min(1.0, (step + 1) / 50) * min(1.0, (1 - step / steps) / 0.4)
        for loss in losses():
            torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(denoiser.parameters(), 1.0)
        optimisers.step(schedule)
        with torch.no_grad():
            decay = min(_DECAY, (1 + step) / (10 + step))
            for name, value in denoiser.state_dict().items():
                averaged[name].lerp_(value, 1 - decay)
    plain = TinyDenoiser(denoiser.config)
    plain.load_state_dict(plain_weights(denoiser, averaged))
    return plain.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload, no-any-return]


def evaluations_in(minutes: float, photos: Photos) -> int:
    """How many frames this machine trains on in so many minutes of one core, rounded to a thousand."""
    counted, began = 0, time.process_time()
    while time.process_time() - began < _WARM_UP_S:
        train(photos, Recipe(), 4 * BATCH * 8, seed=0)
        counted += 4 * BATCH * 8
    rate = counted / (time.process_time() - began)
    return max(1000, round(rate * minutes * 60 / 1000) * 1000)


def decode(latents: Tensor) -> Tensor:
    """(T, B, C, h, w) latents to pictures (B, T, 3, H, W) in [0, 1]."""
    codec = PatchCodec(2)
    return torch.stack([(codec.decode(frames) + 1) / 2 for frames in latents.unbind(1)])
