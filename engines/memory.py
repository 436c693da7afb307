"""What the editor remembers of one stream, and when that changes.

The memory is a key frame: an earlier output in latent space, never decoded and encoded again. It is replaced every
``interval`` frames, so frames between two key frames do not depend on one another and errors do not feed back at
frame rate (RFDM, error accumulation .16 for an interval of 1, .07 for 3).
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engines.codecs import PatchCodec
from engines.drift import DriftMeter
from engines.noise_drift import Drift, drifted

SCENE_CUT_THRESHOLD = 0.20
"""Mean absolute change of the sampled pixels, in [0, 1], above which two frames are of two scenes."""

RUNAWAY = 1000.0
"""A memory beyond this is of no picture, whose latents have unit size, and a few frames from no number in float16."""

_SAMPLE_EVERY = 16


def is_key_frame(frames_since_anchor: int, interval: int | None) -> bool:
    """Whether the output of this frame becomes the memory.

    Args:
        frames_since_anchor: 0 for the first frame after the memory was emptied.
        interval: The paper's Δ: 1 remembers every output, 0 only the first, None none at all.

    Raises:
        ValueError: The interval is negative.
    """
    if interval is None:
        return False
    if interval < 0:
        raise ValueError(f"a key-frame interval cannot be {interval}")
    if interval == 0:
        return frames_since_anchor == 0
    return frames_since_anchor % interval == 0


def sample(picture: NDArray[np.uint8]) -> NDArray[np.int16]:
    """A coarse sample of an (H, W, 3) picture, all that scene-cut detection keeps of it."""
    half = _SAMPLE_EVERY // 2
    return picture[half::_SAMPLE_EVERY, half::_SAMPLE_EVERY].astype(np.int16)


def is_scene_cut(before: NDArray[np.int16], now: NDArray[np.int16]) -> bool:
    """Whether two samples of the same size are of two scenes."""
    return float(np.abs(now - before).mean()) > SCENE_CUT_THRESHOLD * 255


@dataclass(eq=False)
class EditState:
    """The memory of one stream; lives and dies with its session.

    Attributes:
        seed: Of the stream's noise.
        memory: ŷ, (C, h, w), or None before the first output and after a re-anchoring.
        noise: ε, (C, h, w). Drawn once for each size and kept: with the same noise in every frame the sampler's
            randomness cannot flicker. It moves, as :mod:`engines.noise_drift` says, while an edit needs it to.
        moves: How often it has moved; with the seed, all that the fresh noise at its edges comes from.
        asked: The instructions that the memory belongs to: those its source has been through, and its own.
        frames_since_anchor: Frames edited since the memory was last emptied.
        previous: Sample of the last frame, for scene cuts.
        drift: How far the edit has wandered since the memory was last emptied.
        second: Memory of the second of two joined edits, whose source is what the first made.
    """

    seed: int
    memory: Tensor | None = None
    noise: Tensor | None = None
    moves: int = 0
    asked: tuple[str, ...] = ()
    frames_since_anchor: int = 0
    previous: NDArray[np.int16] | None = None
    drift: DriftMeter = field(default_factory=DriftMeter)
    second: "EditState | None" = None

    @property
    def held_bytes(self) -> int:
        """Of latents and samples, wherever they lie, those of a joined edit's memory included."""
        own = sum(0 if value is None else value.nbytes for value in (self.memory, self.noise, self.previous))
        return own + (0 if self.second is None else self.second.held_bytes)

    def of_pass(self, index: int) -> "EditState":
        """The memory of the first edit (0) or of one joined to it (1)."""
        if index == 0:
            return self
        if self.second is None:
            self.second = EditState(self.seed + 1)
        return self.second

    def anchor(self) -> None:
        """Forget the last output: a new instruction or a new scene must not start from the old edit."""
        self.memory = None
        self.frames_since_anchor = 0
        self.drift.reset()

    def arrive(
        self, camera: NDArray[np.uint8], asked: tuple[str, ...], latent_shape: tuple[int, int, int]
    ) -> None:
        """Prepare for a source frame: re-anchor where instructions, size or scene changed.

        Args:
            camera: The camera's frame, (H, W, 3), by which a cut is told: after an edit, two scenes may look alike.
            asked: The instructions that its source has been through, and the one it is edited by.
            latent_shape: (C, h, w) of its latent.
        """
        now = sample(camera)
        resized = self.noise is None or tuple(self.noise.shape) != latent_shape
        if resized:
            generator = torch.Generator().manual_seed(self.seed)
            self.noise = torch.randn(latent_shape, generator=generator)
        cut = not resized and self.previous is not None and is_scene_cut(self.previous, now)
        if resized or cut or asked != self.asked:
            self.anchor()
        self.previous, self.asked = now, asked

    def move_noise(self, drift: Drift, codec: PatchCodec) -> None:
        """Move the noise on by one frame."""
        if self.noise is not None:
            self.moves += 1
            generator = torch.Generator().manual_seed(((self.seed << 32) + self.moves) % (1 << 64))
            self.noise = drifted(self.noise, drift, codec, generator)

    def remember(self, latent: Tensor, interval: int | None, magnitude: float | None = None) -> bool:
        """Take in the frame's output latent (C, h, w); returns whether it became the memory.

        What has run away would spoil every later frame, so the edit begins anew.

        Args:
            latent: The output.
            interval: See :func:`is_key_frame`.
            magnitude: Of the latent, as :func:`magnitudes` has it, where it is known already.
        """
        key_frame = is_key_frame(self.frames_since_anchor, interval)
        if not key_frame:
            self.frames_since_anchor += 1
            return False
        if magnitude is None:
            (magnitude,) = magnitudes(latent[None])
        # Written so that what is no number fails as well.
        if not magnitude <= RUNAWAY:
            self.anchor()
            return False
        self.memory = latent
        self.frames_since_anchor += 1
        return True


def magnitudes(latents: Tensor) -> list[float]:
    """The largest absolute value of each latent of a batch (B, C, h, w); NaN where one holds a NaN."""
    if latents.device.type != "cpu":
        # One small download for all: each makes the processor wait for the device.
        found: list[float] = latents.abs().flatten(1).amax(1).tolist()
        return found
    # In NumPy: PyTorch's threads would wait for the cores that a compiled program's own still hold.
    values = latents.to(torch.float32).numpy().reshape(len(latents), -1)
    return [max(-float(low), float(high)) for low, high in zip(values.min(1), values.max(1), strict=True)]
