"""The program of one frame: pixels to latent, the sampler's steps, latent to pixels, as one module to compile.

Everything between the source picture and the edited one is inside, so a compiler sees the whole of it and one call
does a frame. The steps and their levels are constants of the program; what changes from frame to frame is an input.
"""

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from engines import flow, guidance
from engines.codecs import Codec
from engines.prediction import PredictionType, to_clean

if TYPE_CHECKING:
    from engines.model import ModelParts

Predict = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
"""One prediction from the noisy latent, the source, the memory, the timestep and the instruction code."""


@runtime_checkable
class CanBranch(Protocol):
    """A network that can leave out, frame by frame, what a code does not ask for."""

    def branching(self) -> nn.Module:
        """The same network with branches, sharing its weights."""
        ...


@runtime_checkable
class HasShortcuts(Protocol):
    """A network of which some codes need only a small part."""

    def shortcuts(self) -> Mapping[str, nn.Module]:
        """Networks that predict the same for such codes, by name, sharing its weights."""
        ...

    def shortcut(self, code: Tensor) -> str | None:
        """Which of them predicts the same for these codes, (B, D); None where only the whole network does."""
        ...


class Direct(nn.Module):
    """One evaluation for a prediction: guidance, if any, is distilled into the network."""

    evaluations = 1

    def __init__(self, denoiser: nn.Module) -> None:
        super().__init__()
        self.denoiser = denoiser

    def forward(
        self, noisy: Tensor, source: Tensor, memory: Tensor, timestep: Tensor, code: Tensor
    ) -> Tensor:
        """What the network predicts, (B, C, h, w)."""
        predicted: Tensor = self.denoiser(noisy, source, memory, timestep, code)
        return predicted


class ThreeBranch(nn.Module):
    """Three evaluations for a prediction, in one batch: nothing, the source, the source and the instruction.

    Args:
        denoiser: The network.
        source_scale: w_x of :func:`engines.guidance.three_branch`.
        instruction_scale: w_p of it.
        silence: The code of no instruction, (D,); zeros where it is None. A text encoder's empty text is not zero.
    """

    evaluations = 3
    silence: Tensor | None

    def __init__(
        self,
        denoiser: nn.Module,
        source_scale: float,
        instruction_scale: float,
        silence: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.source_scale, self.instruction_scale = source_scale, instruction_scale
        self.register_buffer("silence", silence)

    def forward(
        self,
        noisy: Tensor,
        source: Tensor,
        memory: Tensor,
        timestep: Tensor,
        code: Tensor,
        silence: Tensor | None = None,
    ) -> Tensor:
        """What the network predicts, guided, (B, C, h, w); the empty source is zero, ``silence`` its own if None."""
        nothing = torch.zeros_like(source)
        silence = self.silence if silence is None else silence
        silence = torch.zeros_like(code) if silence is None else silence.expand_as(code)
        predicted: Tensor = self.denoiser(
            noisy.repeat(3, 1, 1, 1),
            torch.cat([nothing, source, source]),
            memory.repeat(3, 1, 1, 1),
            timestep.repeat(3),
            torch.cat([silence, silence, code]),
        )
        unconditional, source_only, conditional = predicted.chunk(3)
        return guidance.three_branch(
            unconditional, source_only, conditional, self.source_scale, self.instruction_scale
        )


class FrameProgram(nn.Module):
    """Edits a batch of frames, each of its own stream.

    Args:
        predict: One guided prediction of the network.
        codec: Pixels to latents and back.
        levels: The sampler's noise levels, steps + 1 of them.
        prediction: What the network predicts.
    """

    def __init__(
        self,
        predict: Direct | ThreeBranch,
        codec: Codec,
        levels: flow.NoiseLevels,
        prediction: PredictionType = "sample",
    ) -> None:
        super().__init__()
        self.predict, self.codec, self.prediction = predict, codec, prediction
        self.alphas: list[float] = levels.alpha.tolist()
        self.sigmas: list[float] = levels.sigma.tolist()
        self.timesteps: list[float] = (levels.sigma if levels.timestep is None else levels.timestep).tolist()

    @property
    def code_length(self) -> int:
        """D of the instruction codes it takes."""
        length: int = self.predict.denoiser.code_length  # type: ignore[assignment]  # torch types attributes loosely
        return length

    def branching(self) -> "FrameProgram":
        """For compilers that keep branches: the same program, its network with branches; itself where it has none."""
        denoiser = self.predict.denoiser
        if not isinstance(denoiser, CanBranch):
            return self
        return copy.deepcopy(self, {id(denoiser): denoiser.branching()})

    def shortcuts(self) -> dict[str, "FrameProgram"]:
        """Programs that edit alike where a code needs only a small part of the network, by name."""
        denoiser = self.predict.denoiser
        # Guidance asks for predictions of other codes than the instruction's as well.
        if not isinstance(self.predict, Direct) or not isinstance(denoiser, HasShortcuts):
            return {}
        return {
            name: copy.deepcopy(self, {id(denoiser): small}) for name, small in denoiser.shortcuts().items()
        }

    def shortcut(self, code: Tensor) -> str | None:
        """Which of them edits alike for these codes, (B, D); None where only the whole program does."""
        denoiser = self.predict.denoiser
        if not isinstance(self.predict, Direct) or not isinstance(denoiser, HasShortcuts):
            return None
        return denoiser.shortcut(code)

    @property
    def evaluations(self) -> int:
        """Network evaluations for one frame."""
        return self.predict.evaluations * (len(self.sigmas) - 1)

    def forward(
        self, pictures: Tensor, memory: Tensor, noise: Tensor, code: Tensor, strength: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Edit one frame of each stream.

        Args:
            pictures: Source frames, (B, H, W, 3) uint8.
            memory: ŷ of each stream, (B, C, h, w), zeros where there is none.
            noise: ε of each stream, same shape.
            code: Instruction codes, (B, D).
            strength: 0 shows the source, 1 the edit, (B,). The memory is always the whole edit.

        Returns:
            The edited frames, (B, H, W, 3) uint8, and their latents, (B, C, h, w).
        """
        pixels = to_pixels(pictures, memory.dtype)
        y = self.sample(self.predict, self.codec.encode(pixels), memory, noise, code)
        return blend(pixels, self.codec.decode(y), strength), y

    def sample(self, predict: Predict, x: Tensor, memory: Tensor, noise: Tensor, code: Tensor) -> Tensor:
        """The sampler's steps, in latent space.

        Args:
            predict: One guided prediction: the program's own, or a compiled one in its place.
            x: Latents of the source frames, (B, C, h, w).
            memory: As for :meth:`forward`, and so the others.
            noise: ε of each stream.
            code: Instruction codes.

        Returns:
            The clean latents, (B, C, h, w).
        """
        y_s = flow.start(memory, noise, self.alphas[0], self.sigmas[0])
        y = y_s
        for i in range(len(self.sigmas) - 1):
            # In float32 whatever the program runs in: bfloat16 cannot tell timestep 981 from 980.
            timestep = torch.full_like(code[:, 0], self.timesteps[i], dtype=torch.float32)
            predicted = predict(y_s, x, memory, timestep, code)
            y = self.codec.limit(to_clean(predicted, y_s, self.alphas[i], self.sigmas[i], self.prediction))
            if i + 2 < len(self.sigmas):
                present = (self.alphas[i], self.sigmas[i])
                y_s = flow.ddim_step(y_s, y, *present, self.alphas[i + 1], self.sigmas[i + 1])
        return y


def to_pixels(pictures: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, H, W, 3) uint8 to (B, 3, H, W) in [-1, 1]."""
    # Converted before anything else: TensorRT takes bytes at a network's edge and nowhere else.
    return pictures.to(dtype).permute(0, 3, 1, 2) * (2 / 255) - 1


def blend(pixels: Tensor, edited: Tensor, strength: Tensor) -> Tensor:
    """:func:`blend_levels` as bytes, (B, H, W, 3) uint8."""
    return blend_levels(pixels, edited, strength).to(torch.uint8)


def blend_levels(pixels: Tensor, edited: Tensor, strength: Tensor) -> Tensor:
    """``strength`` of the way from the source to its edit, (B, H, W, 3) in whole levels of 0 to 255.

    Args:
        pixels: Source, (B, 3, H, W) in [-1, 1].
        edited: The whole edit, same shape.
        strength: (B,).
    """
    shown = pixels + strength.view(-1, 1, 1, 1).to(pixels.dtype) * (edited - pixels)
    levels: Tensor = ((shown + 1) * 127.5).round().clamp(0, 255)
    return levels.permute(0, 2, 3, 1)


def frame_program(parts: "ModelParts", steps: int | None = None) -> FrameProgram:
    """The program of a loaded model.

    Args:
        parts: Of the model.
        steps: Sampler steps for a frame; the model's own where it is None.

    Raises:
        ValueError: The schedule cannot be walked in so many steps.
    """
    predict: Direct | ThreeBranch = Direct(parts.denoiser)
    if parts.guidance is not None:
        scales = parts.guidance
        predict = ThreeBranch(parts.denoiser, scales.source, scales.instruction, parts.silence)
    levels = parts.schedule.levels(parts.steps if steps is None else steps)
    return FrameProgram(predict, parts.codec, levels, parts.prediction)
