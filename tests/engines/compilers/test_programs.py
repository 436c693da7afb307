import threading
from typing import cast

import pytest
import torch

from engines.compilers.eager import EagerCompiler
from engines.compilers.interface import CompiledProgram, Compiler, CompilerName, FrameShape, Precision
from engines.compilers.programs import Programs
from engines.flow import flow_levels
from engines.model import ModelError
from engines.program import Direct, FrameProgram
from tests.engines.streams import small_parts

FIRST, SECOND = FrameShape(1, 64, 96), FrameShape(1, 96, 64)


def eager() -> EagerCompiler:
    parts = small_parts()
    program = FrameProgram(Direct(parts.denoiser), parts.codec, flow_levels(1))
    return EagerCompiler(program, torch.device("cpu"), torch.float32)


class GatedCompiler:
    """Compiles when it is let."""

    name: CompilerName = "openvino"
    precision: Precision = "float32"
    largest_batch = 1

    def __init__(self) -> None:
        self.gate, self.compiled = threading.Event(), list[FrameShape]()
        self.failure: ModelError | None = None
        self._program = eager().compile(FIRST)

    def compile(self, shape: FrameShape) -> CompiledProgram:
        assert self.gate.wait(20)
        self.compiled.append(shape)
        if self.failure is not None:
            raise self.failure
        return self._program


def test_the_first_shape_is_waited_for() -> None:
    compiler = GatedCompiler()
    threading.Timer(0.3, compiler.gate.set).start()
    programs = Programs(compiler, eager)

    assert programs.now(FIRST)[1] is compiler


def test_a_later_shape_is_compiled_behind_the_frames() -> None:
    compiler = GatedCompiler()
    compiler.gate.set()
    programs = Programs(compiler, eager)
    programs.prepare(FIRST)
    compiler.gate.clear()

    assert [programs.now(SECOND)[1].name for _ in range(3)] == ["eager"] * 3
    assert programs.now(FIRST)[1] is compiler
    compiler.gate.set()
    programs.prepare(SECOND)
    assert programs.now(SECOND)[1] is compiler
    assert compiler.compiled == [FIRST, SECOND]


def test_a_shape_that_cannot_be_compiled_says_so() -> None:
    compiler = GatedCompiler()
    compiler.gate.set()
    compiler.failure = ModelError("no room")
    programs = Programs(cast(Compiler, compiler), eager)

    for _ in range(2):
        with pytest.raises(ModelError, match="no room"):
            programs.now(FIRST)
