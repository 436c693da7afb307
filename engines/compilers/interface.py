"""What every compiler takes and gives."""

from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

CompilerName = Literal["eager", "openvino"]
Precision = Literal["float32", "bfloat16", "float16", "int8"]


@dataclass(frozen=True)
class FrameShape:
    """What a program is compiled for: ``batch`` frames of ``height`` x ``width`` pixels."""

    batch: int
    height: int
    width: int


class CompiledProgram(Protocol):
    """A frame program ready for one shape; same inputs and outputs as ``FrameProgram.forward``."""

    def __call__(
        self, pictures: Tensor, memory: Tensor, noise: Tensor, code: Tensor, strength: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Edit one frame of each stream of the batch; from one thread at a time."""
        ...


class Compiler(Protocol):
    """Makes compiled programs; ``name`` and ``precision`` are what telemetry shows.

    Attributes:
        name: What it is chosen by.
        precision: What its convolutions compute in.
        largest_batch: Frames that pay to be edited in one call; more are edited one call after another.
    """

    name: CompilerName
    precision: Precision
    largest_batch: int

    def compile(self, shape: FrameShape) -> CompiledProgram:
        """Compile for one shape; may take seconds, so never between two frames.

        Raises:
            ModelError: The program cannot be compiled here; one line says why.
        """
        ...
