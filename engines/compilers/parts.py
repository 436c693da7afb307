"""A frame program in three parts, for compilers that make one engine of each: encoder, denoiser, decoder.

The sampler's steps stay outside: an engine of the denoiser serves any number of them, and a program of 24 evaluations
does not hold its network 24 times.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from engines.compilers.interface import FrameShape
from engines.compilers.manifest import EnginePart, codec_constants, module_digest
from engines.program import FrameProgram, ThreeBranch, blend, blend_levels, to_pixels


class Encoder(nn.Module):
    """Source pictures to latents."""

    def __init__(self, program: FrameProgram, dtype: torch.dtype) -> None:
        super().__init__()
        self.codec, self._dtype = program.codec, dtype

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, H, W, 3) uint8 to (B, C, h, w)."""
        return self.codec.encode(to_pixels(pictures, self._dtype))


class Decoder(nn.Module):
    """Latents to edited pictures."""

    def __init__(self, program: FrameProgram) -> None:
        super().__init__()
        self.codec = program.codec

    def forward(self, latent: Tensor, pictures: Tensor, strength: Tensor) -> Tensor:
        """(B, C, h, w), the sources (B, H, W, 3) uint8 and their strengths (B,) to (B, H, W, 3) uint8."""
        return blend(to_pixels(pictures, latent.dtype), self.codec.decode(latent), strength)


class LevelsDecoder(nn.Module):
    """As :class:`Decoder`, with the picture in the latent's own type."""

    def __init__(self, program: FrameProgram) -> None:
        super().__init__()
        self.codec = program.codec

    def forward(self, latent: Tensor, pictures: Tensor, strength: Tensor) -> Tensor:
        """To (B, H, W, 3) in whole levels of 0 to 255, which half precision holds as well."""
        return blend_levels(to_pixels(pictures, latent.dtype), self.codec.decode(latent), strength)


@dataclass(frozen=True, eq=False)
class Part:
    """One part of a frame.

    Attributes:
        name: Which.
        module: What computes it.
        inputs: Names of its arguments.
        output: Name of its result.
        share: Roughly its share of the work of building an engine.
    """

    name: EnginePart
    module: nn.Module
    inputs: tuple[str, ...]
    output: str
    share: float


def parts_of(program: FrameProgram, dtype: torch.dtype) -> tuple[Part, Part, Part]:
    """Encoder, denoiser and decoder of a program that computes in ``dtype``; they share its weights.

    The silence of guidance is an input: it is computed by the text encoders, which two kinds of processor round
    differently, and as a constant it would make an engine of every one of them.
    """
    predict: nn.Module = program.predict
    inputs: tuple[str, ...] = ("noisy", "source", "memory", "timestep", "code")
    if isinstance(predict, ThreeBranch):
        predict = ThreeBranch(predict.denoiser, predict.source_scale, predict.instruction_scale)
        inputs = (*inputs, "silence")
    return (
        Part("encoder", Encoder(program, dtype).eval(), ("pictures",), "latent", 0.1),
        Part("denoiser", predict.eval(), inputs, "predicted", 0.8),
        Part("decoder", Decoder(program).eval(), ("latent", "pictures", "strength"), "edited", 0.1),
    )


def parts_without_bytes(program: FrameProgram, dtype: torch.dtype) -> tuple[Part, Part, Part]:
    """As :func:`parts_of`, for a library that takes bytes but gives none: :class:`Partwise` makes them."""
    encoder, denoiser, decoder = parts_of(program, dtype)
    return encoder, denoiser, replace(decoder, module=LevelsDecoder(program).eval())


def silence_of(program: FrameProgram) -> Tensor:
    """The code of no instruction, (code_length,); zeros where the program has none."""
    silence: Tensor | None = getattr(program.predict, "silence", None)
    return torch.zeros(program.code_length) if silence is None else silence


def part_digest(part: Part, program: FrameProgram) -> str:
    """SHA-256 of what an engine of the part depends on; the sampler's steps are no part of it."""
    return module_digest(part.module, (part.name, codec_constants(program)))


def latent_shape(program: FrameProgram, shape: FrameShape) -> tuple[int, int, int, int]:
    """(B, C, h, w) of a frame shape's latents."""
    codec = program.codec
    return (shape.batch, codec.channels, shape.height // codec.downscale, shape.width // codec.downscale)


def program_inputs(
    program: FrameProgram, shape: FrameShape, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Inputs of ``FrameProgram.forward`` in float32 on the CPU: zeros, or random ones of a generator."""
    latent = latent_shape(program, shape)
    picture = (shape.batch, shape.height, shape.width, 3)
    if generator is None:
        return (
            torch.zeros(picture, dtype=torch.uint8),
            torch.zeros(latent),
            torch.zeros(latent),
            torch.zeros(shape.batch, program.code_length),
            torch.ones(shape.batch),
        )
    return (
        torch.randint(0, 256, picture, dtype=torch.uint8, generator=generator),
        torch.randn(latent, generator=generator),
        torch.randn(latent, generator=generator),
        torch.randn(shape.batch, program.code_length, generator=generator),
        torch.rand(shape.batch, generator=generator),
    )


def part_inputs(
    part: Part,
    program: FrameProgram,
    shape: FrameShape,
    dtype: torch.dtype,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, ...]:
    """Inputs of one part, in the type it computes in; the timestep is always float32."""
    pictures, memory, noise, code, strength = program_inputs(program, shape, generator)
    level = torch.full((shape.batch,), program.timesteps[0])
    known = {
        "pictures": pictures,
        "noisy": (memory + noise).to(dtype),
        "source": memory.flip(0, -1).to(dtype),
        "memory": memory.to(dtype),
        "latent": memory.to(dtype),
        "timestep": level,
        "code": code.to(dtype),
        "strength": strength.to(dtype),
        "silence": code[0].flip(0).to(dtype),
    }
    return tuple(known[name] for name in part.inputs)


_PARTS: tuple[EnginePart, ...] = ("encoder", "denoiser", "decoder")


class Partwise:
    """A frame program whose three parts are compiled, with the sampler between them.

    Args:
        program: Its levels and what its network predicts; its weights are not used.
        dtype: What the parts take.
        device: Where they run.
        encoder: Compiled, as are the other two.
        denoiser: The guided prediction.
        decoder: Latent, picture and strength to the picture shown, in bytes or in whole levels.
    """

    def __init__(
        self,
        program: FrameProgram,
        dtype: torch.dtype,
        device: torch.device,
        encoder: Callable[..., Tensor],
        denoiser: Callable[..., Tensor],
        decoder: Callable[..., Tensor],
    ) -> None:
        self._program, self.dtype, self.device = program, dtype, device
        self.encoder, self.denoiser, self.decoder = encoder, denoiser, decoder
        guided = isinstance(program.predict, ThreeBranch)
        # Put there once: a recorded frame goes on reading it.
        self._silence = (silence_of(program).to(device, dtype),) if guided else ()

    @torch.inference_mode()
    def __call__(
        self, pictures: Tensor, memory: Tensor, noise: Tensor, code: Tensor, strength: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Edit one frame of each stream; as ``FrameProgram.forward``."""
        shown = pictures.to(self.device)
        memory, noise, code, strength = (
            value.to(self.device, self.dtype) for value in (memory, noise, code, strength)
        )
        x = self.encoder(shown)
        y = self._program.sample(self._predict, x, memory, noise, code)
        return self.decoder(y, shown, strength).to(torch.uint8), y

    def inputs_within(self, *inputs: Tensor) -> dict[str, tuple[Tensor, ...]]:
        """What each of its parts is given, by the part's name, at the first of a frame's evaluations.

        Tensors as the frame itself makes them: torch.compile compiles anew for tensors of another making.

        Args:
            *inputs: Of the whole frame, on its device and in its type.
        """
        seen: dict[str, tuple[Tensor, ...]] = {}

        def watched(name: str) -> Callable[..., Tensor]:
            run: Callable[..., Tensor] = getattr(self, name)

            def called(*given: Tensor) -> Tensor:
                seen.setdefault(name, given)
                return run(*given)

            return called

        watching = copy.copy(self)
        for name in _PARTS:
            setattr(watching, name, watched(name))
        watching(*inputs)
        return seen

    def _predict(
        self, noisy: Tensor, source: Tensor, memory: Tensor, timestep: Tensor, code: Tensor
    ) -> Tensor:
        return self.denoiser(noisy, source, memory, timestep, code, *self._silence)
