"""One trial of an evaluation: an instruction with exact parameters, a filmed scene, the edit of it and its target."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engines.codecs import PatchCodec
from engines.colours import COLOURS
from engines.conditioning import NO_COLOUR, RGB, Conditioning, instruction_code
from engines.editor import Editor, EditRequest
from engines.families import FAMILIES, LABELS, NOISE_DRIFT, PEOPLE, TAKES_RGB, TAKES_RGB_OF, in_order
from engines.training.filming import camera_path, view
from engines.training.media import Scene
from engines.training.regions import blurred_behind
from engines.training.targets import edit
from engines.training.weather import Balloons

_SHOWN = 0.06
"""Least distance in RGB at which a pixel tells whether it was taken for the person or the background."""


@dataclass(frozen=True)
class Trial:
    """What is asked for: one or two edits at a given amount; blue is given, red is meant."""

    families: tuple[str, ...]
    amount: float = 1.0

    @property
    def label(self) -> str:
        """The labels of the edits."""
        return " + ".join(LABELS[family] for family in self.families)

    @property
    def rgb(self) -> RGB:
        """The colour to give."""
        return COLOURS["blue"] if TAKES_RGB & set(self.families) else NO_COLOUR

    @property
    def rgb_of(self) -> RGB:
        """The colour of the things meant."""
        return COLOURS["red"] if TAKES_RGB_OF & set(self.families) else NO_COLOUR

    @property
    def needs_people(self) -> bool:
        """Whether only a scene with mattes has a target."""
        return bool(PEOPLE & set(self.families))

    def conditioning(self) -> Conditioning:
        """The exact conditioning, as a text encoder that makes no mistake would give it."""
        code = instruction_code(dict.fromkeys(self.families, 1.0), self.amount, self.rgb, self.rgb_of)
        edits = tuple((family, self.amount) for family in self.families)
        return Conditioning(self.label, code, self.families[0], 1.0, True, (), edits)


TRIALS = tuple(Trial((family,)) for family in FAMILIES)
JOINED_TRIALS = tuple(
    Trial(families)
    for families in (
        ("night", "background_blur"),
        ("background_replace", "cartoon"),
        ("background_grey", "warmer"),
        ("background_dark", "glow"),
        ("pencil_sketch", "snow"),
        ("black_and_white", "rain"),
        ("night", "snow"),
        ("sunset", "add_balloons"),
        ("recolour", "more_contrast"),
        ("colour_pop", "brighter"),
        ("watercolour", "tint"),
        ("halftone", "crt"),
        ("more_saturated", "vhs"),
        ("remove_balloons", "fog"),
    )
)


@dataclass(frozen=True, eq=False)
class Take:
    """A scene as it is filmed for a trial.

    Attributes:
        name: Of the scene.
        sources: (T, 3, H, W) uint8 frames to edit.
        scene: The same without what a trial put in front.
        mattes: (T, 1, H, W) in [0, 1], or None.
    """

    name: str
    sources: Tensor
    scene: Tensor
    mattes: Tensor | None


def filmed(scene: Scene, seed: int, frames: int, size: int) -> Take:
    """The first frames of a clip, or a photo filmed by a moving camera, (T, 3, size, size) from the middle."""
    layers = scene.frames if scene.mattes is None else torch.cat([scene.frames, scene.mattes], 1)
    if scene.is_photo:
        path = camera_path(frames, torch.Generator().manual_seed(seed))
        shots = (view(layers[0].float() / 255, path, (size, size)) * 255).round().to(torch.uint8)
    else:
        top, left = ((side - size) // 2 for side in layers.shape[-2:])
        shots = layers[:frames, :, top : top + size, left : left + size]
    mattes = None if scene.mattes is None else shots[:, 3:].float() / 255
    return Take(scene.name, shots[:, :3], shots[:, :3], mattes)


def staged(take: Take, trial: Trial, seed: int) -> Take:
    """The take of a trial: balloons fly through it where they are to be removed."""
    if "remove_balloons" not in trial.families:
        return take
    balloons = Balloons.random(
        take.scene.shape[-2], take.scene.shape[-1], torch.Generator().manual_seed(seed)
    )
    flown = [balloons.over(frame.float() / 255, time) for time, frame in enumerate(take.scene)]
    return Take(take.name, (torch.stack(flown) * 255).round().to(torch.uint8), take.scene, take.mattes)


@dataclass(frozen=True, eq=False)
class Edit:
    """What an editor made of a take: (T, 3, H, W) in [0, 1], and the noise planes of each frame, same shape."""

    pictures: Tensor
    noise: Tensor


def edit_take(editor: Editor, take: Take, conditioning: Conditioning) -> Edit:
    """Edit the frames of a take in order, memory and all."""
    state, codec = editor.open(seed=0), PatchCodec(2)
    falling = [index for index, each in enumerate(conditioning.passes) if each.drift is not None]
    pictures, noise = [], []
    for frame in take.sources:
        picture = np.ascontiguousarray(frame.permute(1, 2, 0).numpy())
        result = editor.step([EditRequest(picture, conditioning, state)])[0]
        pictures.append(torch.from_numpy(result.picture))
        for eps in (state.of_pass(index).noise for index in falling):
            if eps is not None:
                noise.append(codec.decode(eps[None].cpu())[0])
    edited = torch.stack(pictures).permute(0, 3, 1, 2).float() / 255
    return Edit(edited, torch.stack(noise) if noise else torch.zeros_like(edited))


def target_of(trial: Trial, take: Take, noise: Tensor, mattes: Tensor | None = None) -> Tensor:
    """The exact edits (T, 3, H, W) of a take.

    Args:
        trial: What is asked for.
        take: Its frames.
        noise: Noise planes of each frame, which weather is drawn from.
        mattes: Instead of the take's own.

    Raises:
        ValueError: People are meant, but the take has no mattes.
    """
    pictures = (take.scene if "remove_balloons" in trial.families else take.sources).float() / 255
    count = len(pictures)
    rgb, rgb_of = (
        torch.tensor(colour).view(1, 3, 1, 1).expand(count, 3, 1, 1) for colour in (trial.rgb, trial.rgb_of)
    )
    for family in in_order(trial.families):
        pictures = edit(
            family,
            pictures,
            torch.full((count, 1, 1, 1), trial.amount),
            rgb,
            rgb_of=rgb_of,
            matte=take.mattes if mattes is None else mattes,
            noise=noise if family in NOISE_DRIFT else None,
        )
    return pictures


def implied_iou(trial: Trial, take: Take, pictures: Tensor) -> float:
    """Intersection over union of the person that an edit implies with the person there is.

    The edit of each pixel lies somewhere between what it would be on the person and what it would be on the
    background, both computed: its place on that line is the share of person it implies. Shares and mattes above a
    half are person; pixels whose two colours are nearer than 0.06 tell nothing and are left out. Pooled over the
    frames.

    Args:
        trial: One edit of ``PEOPLE``.
        take: A take with mattes.
        pictures: The edit, (T, 3, H, W) in [0, 1].

    Raises:
        ValueError: The take has no mattes.
    """
    if take.mattes is None:
        raise ValueError(f"{take.name} has no mattes")
    person = take.sources.float() / 255
    if trial.families == ("background_blur",):
        # Nobody's colours: with the person blurred in, what is beside them would look like them.
        background = blurred_behind(person, torch.full((1, 1, 1, 1), trial.amount), take.mattes)
    else:
        background = target_of(trial, take, torch.zeros_like(person), torch.zeros_like(take.mattes))
    line = person - background
    length = line.square().sum(1)
    share = ((pictures - background) * line).sum(1) / length.clamp(min=1e-6)
    told = length > _SHOWN**2
    implied, true = (share > 0.5) & told, (take.mattes[:, 0] > 0.5) & told
    union = int((implied | true).sum())
    return int((implied & true).sum()) / union if union else 1.0


def takes_for(trial: Trial, takes: Sequence[Take]) -> list[Take]:
    """The takes that a trial has a target on, staged for it."""
    fitting = [take for take in takes if take.mattes is not None or not trial.needs_people]
    return [staged(take, trial, seed) for seed, take in enumerate(fitting)]
