"""PyTorch as it is: the reference that every other compiler is compared with."""

from typing import cast

import torch
from torch import Tensor

from engines.compilers.interface import (
    CompiledProgram,
    CompilerName,
    Footprint,
    FrameShape,
    Precision,
    Report,
    unreported,
)
from engines.compilers.placement import copy_in, is_in
from engines.program import FrameProgram


class EagerCompiler:
    """Runs the program by PyTorch, in one floating-point type throughout.

    Args:
        program: As :func:`placed` takes it.
        device: Where it runs.
        dtype: The type.
        stands_in: Whether it only stands in for another compiler, which counts the weights that both use.
    """

    name: CompilerName = "eager"
    patience_s = 60.0

    def __init__(
        self, program: FrameProgram, device: torch.device, dtype: torch.dtype, *, stands_in: bool = False
    ) -> None:
        self.precision = cast(Precision, str(dtype).removeprefix("torch."))
        # Two cores edit two frames together no faster than one after the other.
        self.batches: tuple[int, ...] = (1,) if device.type == "cpu" else (1, 2, 4, 8, 16)
        self.dtype, self._device = dtype, device
        self.program = placed(program, device, dtype)
        shared = stands_in and self.program is program
        self._weights_bytes = 0 if shared else weights_bytes(self.program)

    def compile(self, shape: FrameShape, report: Report = unreported) -> CompiledProgram:
        """Nothing to do: one program runs every shape."""
        return self._run

    def expected_s(self, shape: FrameShape) -> float | None:
        """No time at all."""
        return 0.0

    def footprint(self) -> Footprint:
        """Its own weights; activations come and go."""
        return Footprint(weights_bytes=self._weights_bytes)

    @torch.inference_mode()
    def _run(
        self, pictures: Tensor, memory: Tensor, noise: Tensor, code: Tensor, strength: Tensor
    ) -> tuple[Tensor, Tensor]:
        def here(value: Tensor) -> Tensor:
            return value.to(self._device, self.dtype)

        edited, latent = self.program(
            pictures.to(self._device), here(memory), here(noise), here(code), here(strength)
        )
        return edited.cpu(), latent


def placed(program: FrameProgram, device: torch.device, dtype: torch.dtype) -> FrameProgram:
    """The program on a device and in a type, channels last; a copy, unless a GPU holds it like that already."""
    # A large model is loaded on its GPU as it runs; a second copy might not fit beside it.
    if device.type != "cuda" or not is_in(program, device, dtype):
        program = copy_in(program, device, dtype)
    program.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return program.eval()


def weights_bytes(program: FrameProgram) -> int:
    """Bytes of a program's weights and constants."""
    return sum(value.nbytes for value in program.state_dict().values())
