"""What takes part in a cell: the product's own step through a compiler, and diffusers' pipeline."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.engine.baseline import baseline_step
from benchmarks.engine.models import frame_program
from benchmarks.engine.parts import PartTimes, time_parts
from benchmarks.engine.rows import DIFFUSERS, Row, Setting, empty_row
from engines.compilers.choose import choose_compiler, home_of
from engines.compilers.cpu import cpu_flags, has_bfloat16
from engines.compilers.interface import (
    CompiledProgram,
    Compiler,
    CompilerName,
    FrameShape,
    Precision,
    Report,
    unreported,
)
from engines.compilers.store import EngineStore
from engines.conditioning import Conditioning
from engines.editor import Editor, EditRequest
from engines.model import ModelParts
from engines.program import FrameProgram

WARM_UP = 3
"""Steps before any that is timed."""


@dataclass(eq=False)
class Candidate:
    """One of them.

    Attributes:
        row: What is known of it so far.
        step: Edits the frames of a whole step.
        parts: Times encoder, prediction and decoder apart; None where they cannot be told apart.
    """

    row: Row
    step: Callable[[], object]
    parts: Callable[[], PartTimes | None]


def compiled(setting: Setting, name: CompilerName, device: torch.device, store: EngineStore) -> Candidate:
    """The product's own step: pictures and instruction in, pictures out, memories carried along."""
    shape, blank = setting.shape, empty_row(setting, name, "")
    try:
        program = _program(setting, name, device)
        compiler = choose_compiler(name, program, device, lambda: None, store, batches=(setting.batch,))
        kept = _Kept(compiler, setting.batch)
        editor = Editor(_parts(setting, program), program, kept, str(device))
        began_s = time.perf_counter()
        editor.prepare(shape.height, shape.width, shape.batch)
        build_s = time.perf_counter() - began_s
    except Exception as error:
        # As in `tried`.
        return _failed(blank, error)
    conditioning = editor.encode("any")
    requests = [
        EditRequest(picture, conditioning, editor.open(seed))
        for seed, picture in enumerate(_pictures(setting))
    ]
    row = replace(blank, precision=compiler.precision, build_s=build_s)
    return Candidate(
        row,
        lambda: editor.step(requests),
        lambda: time_parts(compiler, kept.program, program, shape, device),
    )


def diffusers(setting: Setting, device: torch.device, store: EngineStore) -> Candidate:
    """The pipeline of diffusers at the same work, which keeps nothing in the store."""
    best: Candidate | None = None
    best_s = float("inf")
    # Whichever floating-point type is the faster one here.
    for dtype in _dtypes(device):
        row = empty_row(setting, DIFFUSERS, str(dtype).removeprefix("torch."))
        try:
            step = baseline_step(
                setting.subject, setting.codec, setting.evaluations, _pictures(setting), device, dtype
            )
            taken_s = min(_timed_s(step) for _ in range(WARM_UP))
        except Exception as error:
            # As in `tried`.
            return _failed(row, error)
        if taken_s < best_s:
            best, best_s = Candidate(row, step, _nothing), taken_s
    assert best is not None
    return best


def tried(candidate: Candidate) -> Candidate:
    """The candidate after a few steps, or why it cannot make them: the others are measured all the same."""
    if candidate.row.failure is not None:
        return candidate
    try:
        for _ in range(WARM_UP):
            candidate.step()
    except Exception as error:
        # A machine may be lent for so long only: no library's mistake may cost what the others would have shown.
        return _failed(candidate.row, error)
    return candidate


def parts_or_none(candidate: Candidate) -> PartTimes | None:
    """The parts' times, without which the whole step's stand all the same."""
    try:
        return candidate.parts()
    except Exception as error:
        print(f"{candidate.row.compiler}: its parts cannot be timed: {error}", file=sys.stderr)
        return None


def _failed(row: Row, error: Exception) -> Candidate:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return Candidate(replace(row, failure=reason), _nothing, _nothing)


class _Kept:
    """A compiler that keeps the program it made last, for timing its parts."""

    def __init__(self, compiler: Compiler, batch: int) -> None:
        self.name: CompilerName = compiler.name
        self.precision: Precision = compiler.precision
        # Streams of one step, however many the compiler would take by itself.
        self.batches: tuple[int, ...] = (batch,)
        self.patience_s = compiler.patience_s
        self.expected_s, self.footprint = compiler.expected_s, compiler.footprint
        self.compiler = compiler
        self.program: CompiledProgram | None = None

    def compile(self, shape: FrameShape, report: Report = unreported) -> CompiledProgram:
        self.program = self.compiler.compile(shape, report)
        return self.program


def _program(setting: Setting, name: CompilerName, device: torch.device) -> FrameProgram:
    """The weights where and as the server has them for this compiler, so that the memory is its own too."""
    home, dtype = home_of(name, "auto", device)
    return frame_program(setting.subject, setting.codec, setting.evaluations, home, dtype)


def _dtypes(device: torch.device) -> tuple[torch.dtype, ...]:
    if device.type == "cuda":
        return (torch.float16, torch.bfloat16)
    return (torch.float32, torch.bfloat16) if has_bfloat16(cpu_flags()) else (torch.float32,)


def _parts(setting: Setting, program: FrameProgram) -> ModelParts:
    torch.manual_seed(0)
    code = torch.randn(program.code_length)
    return ModelParts(
        name=setting.subject.name,
        version="random",
        key_frame_interval=3,
        denoiser=program.predict.denoiser,
        codec=program.codec,
        instruction_encoder=_OneInstruction(code),
        families=(),
    )


class _OneInstruction:
    """Encodes every text alike: the instruction is encoded once, not for a frame."""

    def __init__(self, code: torch.Tensor) -> None:
        self._code = code

    def encode(self, text: str) -> Conditioning:
        return Conditioning(text, self._code, "any", 1.0, known=True, nearest=())


def _pictures(setting: Setting) -> NDArray[np.uint8]:
    generator = np.random.default_rng(0)
    cells = setting.side // 16
    coarse = generator.integers(0, 256, (setting.batch, cells, cells, 3), dtype=np.uint8)
    return coarse.repeat(16, 1).repeat(16, 2)


def _timed_s(call: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    call()
    return time.perf_counter() - began_s


def _nothing() -> None:
    return None
