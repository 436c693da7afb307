"""A compiler that finishes when it is let."""

import threading

import torch

from engines.compilers.eager import EagerCompiler
from engines.compilers.interface import (
    CompiledProgram,
    CompilerName,
    Footprint,
    FrameShape,
    Precision,
    Report,
    unreported,
)
from engines.flow import flow_levels
from engines.program import Direct, FrameProgram
from tests.engines.streams import small_parts

FIRST, SECOND = FrameShape(1, 64, 96), FrameShape(1, 96, 64)


def frame_program() -> FrameProgram:
    parts = small_parts()
    return FrameProgram(Direct(parts.denoiser), parts.codec, flow_levels(1))


def eager() -> EagerCompiler:
    return EagerCompiler(frame_program(), torch.device("cpu"), torch.float32)


class GatedCompiler:
    """Compiles when it is let."""

    name: CompilerName = "openvino"
    precision: Precision = "float32"
    batches: tuple[int, ...] = (1, 4)
    patience_s = 20.0

    def __init__(self) -> None:
        self.gate, self.compiled = threading.Event(), list[FrameShape]()
        self.reported = threading.Event()
        self.expected: float | None = None
        self.failure: Exception | None = None
        self._program = eager().compile(FIRST)

    def compile(self, shape: FrameShape, report: Report = unreported) -> CompiledProgram:
        report("tuning", 0.25)
        self.reported.set()
        assert self.gate.wait(20)
        self.compiled.append(shape)
        if self.failure is not None:
            raise self.failure
        return self._program

    def expected_s(self, shape: FrameShape) -> float | None:
        return self.expected

    def footprint(self) -> Footprint:
        return Footprint(weights_bytes=1000)
