"""PyTorch as it is: the reference that every other compiler is compared with."""

import copy
from typing import cast

import torch
from torch import Tensor

from engines.compilers.interface import CompiledProgram, CompilerName, FrameShape, Precision
from engines.program import FrameProgram


class EagerCompiler:
    """Runs the program by PyTorch, in one floating-point type throughout."""

    name: CompilerName = "eager"

    def __init__(self, program: FrameProgram, device: torch.device, dtype: torch.dtype) -> None:
        self.precision = cast(Precision, str(dtype).removeprefix("torch."))
        # Two cores edit two frames together no faster than one after the other.
        self.largest_batch = 1 if device.type == "cpu" else 8
        self._dtype, self._device = dtype, device
        self._program = copy.deepcopy(program).to(device, dtype).eval()
        self._program.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def compile(self, shape: FrameShape) -> CompiledProgram:
        """Nothing to do: one program runs every shape."""
        return self._run

    @torch.inference_mode()
    def _run(
        self, pictures: Tensor, memory: Tensor, noise: Tensor, code: Tensor, strength: Tensor
    ) -> tuple[Tensor, Tensor]:
        def here(value: Tensor) -> Tensor:
            return value.to(self._device, self._dtype)

        edited, latent = self._program(
            pictures.to(self._device), here(memory), here(noise), here(code), here(strength)
        )
        return edited.cpu(), latent
