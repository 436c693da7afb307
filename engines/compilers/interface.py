"""What every compiler takes and gives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from engines.compilers.names import CompilerName as CompilerName
from engines.compilers.names import Precision as Precision

ENGINE_DTYPES: dict[Precision, torch.dtype] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "int8": torch.float16,
    "fp8": torch.float16,
}
"""What an engine of a precision takes, and keeps whatever it does not round."""


@dataclass(frozen=True, order=True)
class FrameShape:
    """What a program is compiled for: ``batch`` frames of ``height`` x ``width`` pixels."""

    batch: int
    height: int
    width: int


@dataclass(frozen=True)
class Footprint:
    """Memory of the device that a compiler holds, in bytes.

    Attributes:
        weights_bytes: The model's weights, wherever they lie in it.
        engine_bytes: Compiled code and constants beside the weights.
        workspace_bytes: Activations and scratch space of everything that is ready to run.
    """

    weights_bytes: int = 0
    engine_bytes: int = 0
    workspace_bytes: int = 0


class CompiledProgram(Protocol):
    """A frame program ready for one shape; same inputs and outputs as ``FrameProgram.forward``."""

    def __call__(
        self, pictures: Tensor, memory: Tensor, noise: Tensor, code: Tensor, strength: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Edit one frame of each stream of the batch; from one thread at a time."""
        ...


Report = Callable[[str, float], None]
"""Told by a build what it does now and which share of it, in [0, 1], is done."""


def unreported(phase: str, share: float) -> None:
    """The report of whoever does not ask."""


class Compiler(Protocol):
    """Makes compiled programs; ``name`` and ``precision`` are what telemetry shows.

    Attributes:
        name: What it is chosen by.
        precision: What its convolutions compute in.
        batches: Batch sizes it compiles for, rising; a batch between two of them runs as the larger.
        patience_s: How long the first frame of all may wait for it rather than be edited by a stand-in.
    """

    name: CompilerName
    precision: Precision
    batches: tuple[int, ...]
    patience_s: float

    def compile(self, shape: FrameShape, report: Report = unreported) -> CompiledProgram:
        """Compile for one shape, or read what was compiled before; may take minutes, so never between frames.

        Raises:
            ModelError: The program cannot be compiled here; one line says why.
        """
        ...

    def expected_s(self, shape: FrameShape) -> float | None:
        """How long compiling for a shape took the last time something like it was compiled; None if nothing tells."""
        ...

    def footprint(self) -> Footprint:
        """What it holds now."""
        ...
