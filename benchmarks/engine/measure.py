"""Times whole editor steps, their three parts, and diffusers' pipeline, in turns where the machine is shared."""

import gc
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from benchmarks.engine.baseline import baseline_step
from benchmarks.engine.floor import operations
from benchmarks.engine.models import META, PAPER_EVALUATIONS, CodecName, Subject, frame_program
from benchmarks.engine.parts import PartTimes, time_parts
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

DIFFUSERS = "diffusers"
_TURN = 5
_WARM_UP = 3


@dataclass(frozen=True)
class Setting:
    """One cell of the table."""

    subject: Subject
    side: int
    batch: int
    evaluations: int
    codec: CodecName

    @property
    def shape(self) -> FrameShape:
        """Square pictures."""
        return FrameShape(self.batch, self.side, self.side)


@dataclass(frozen=True)
class Row:
    """What one compiler, or diffusers, needs for a cell; milliseconds of a whole step, which edits ``batch`` frames.

    Attributes:
        model: Its name.
        resolution: Both sides of the picture, in pixels.
        batch: Frames in a step.
        evaluations: Of the network for a frame.
        codec: Pixels to latents and back.
        compiler: What ran it; "diffusers" is the baseline.
        precision: What it computed in.
        fps: Frames a second at the median step.
        p50_ms: Median of a step.
        p95_ms: 95th percentile.
        cpu_ms: Least processor time of all threads for a step, which a shared machine disturbs least; None on a GPU.
        encode_ms: p50 and p95 of the encoder alone; None where the parts cannot be told apart.
        denoise_ms: Of one prediction, which in the paper's setting is three evaluations.
        decode_ms: Of the decoder alone.
        memory_bytes: Peak of the device; on a CPU what the process grew by.
        build_s: Time to compile.
        gigaflop: Multiplications and additions of a step, 10^9.
        floor_ms: Those over the measured matrix peak.
        ratio_to_diffusers: Median of diffusers' pipeline over this one.
        cpu_ratio_to_diffusers: The same of their processor time.
        failure: Why there is no figure.
    """

    model: str
    resolution: int
    batch: int
    evaluations: int
    codec: str
    compiler: str
    precision: str
    fps: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    cpu_ms: float | None = None
    encode_ms: tuple[float, float] | None = None
    denoise_ms: tuple[float, float] | None = None
    decode_ms: tuple[float, float] | None = None
    memory_bytes: int | None = None
    build_s: float | None = None
    gigaflop: float | None = None
    floor_ms: float | None = None
    ratio_to_diffusers: float | None = None
    cpu_ratio_to_diffusers: float | None = None
    failure: str | None = None


@dataclass(eq=False)
class _Candidate:
    row: Row
    step: Callable[[], object]
    parts: Callable[[], PartTimes | None]


def measure_cell(
    setting: Setting,
    compilers: Sequence[CompilerName],
    device: torch.device,
    frames: int,
    peaks: dict[str, float],
) -> Iterator[list[Row]]:
    """Time every compiler and diffusers' pipeline at one setting.

    On a CPU, which others may share, they take turns of a few frames, so that whatever else it does slows all of them
    alike. On a GPU each has the device to itself, so that its peak memory is its own.

    Args:
        setting: The cell.
        compilers: To time.
        device: Where.
        frames: Steps of each.
        peaks: Operations a second of a matrix product, by precision.

    Yields:
        The rows so far: on a GPU after each compiler, the baseline first, since an engine may take minutes to build.
    """
    makers = [partial(_compiled, setting, name, device) for name in compilers]
    if setting.subject.family != "embedded":
        makers.append(partial(_diffusers, setting, device))
    groups = [makers] if device.type == "cpu" else [[maker] for maker in (*makers[-1:], *makers[:-1])]
    flop = _operations(setting)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for group in groups:
            rows += _measure_group(group, EngineStore(Path(folder)), device, frames)
            baseline = next((row for row in rows if row.compiler == DIFFUSERS), None)
            yield [_finished(row, flop, peaks, baseline) for row in rows]


def _measure_group(
    makers: Sequence[Callable[[EngineStore], _Candidate]],
    store: EngineStore,
    device: torch.device,
    frames: int,
) -> list[Row]:
    candidates = []
    for maker in makers:
        memory = _Memory(device)
        candidate = maker(store)
        memory.settle()
        candidate = _tried(candidate, _WARM_UP)
        candidate.row = replace(candidate.row, memory_bytes=memory.grown())
        candidates.append(candidate)
    able = [candidate for candidate in candidates if candidate.row.failure is None]
    times = _take_turns([candidate.step for candidate in able], frames)
    for candidate, (seconds, cpu_seconds) in zip(able, times, strict=True):
        p50_s, p95_s = np.percentile(seconds, [50, 95])
        row, parts = candidate.row, _parts_or_none(candidate)
        candidate.row = replace(
            row,
            fps=row.batch / p50_s,
            p50_ms=1e3 * p50_s,
            p95_ms=1e3 * p95_s,
            cpu_ms=1e3 * min(cpu_seconds) if device.type == "cpu" else None,
            encode_ms=None if parts is None else parts.encode_ms,
            denoise_ms=None if parts is None else parts.denoise_ms,
            decode_ms=None if parts is None else parts.decode_ms,
        )
    rows = [candidate.row for candidate in candidates]
    if device.type == "cuda":
        # Compiled code holds the weights it was compiled with, and the next one's memory is to be its own.
        torch.compiler.reset()
    return rows


def _tried(candidate: _Candidate, steps: int) -> _Candidate:
    """The candidate after a few steps, or why it cannot make them: the others are measured all the same."""
    if candidate.row.failure is not None:
        return candidate
    try:
        for _ in range(steps):
            candidate.step()
    except Exception as error:
        # A machine may be lent for so long only: no library's mistake may cost what the others would have shown.
        return _failed(candidate.row, error)
    return candidate


def _parts_or_none(candidate: _Candidate) -> PartTimes | None:
    """The parts' times, without which the whole step's stand all the same."""
    try:
        return candidate.parts()
    except Exception as error:
        print(f"{candidate.row.compiler}: its parts cannot be timed: {error}", file=sys.stderr)
        return None


def _failed(row: Row, error: Exception) -> _Candidate:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return _Candidate(replace(row, failure=reason), _nothing, _nothing)


def _take_turns(steps: Sequence[Callable[[], object]], frames: int) -> list[tuple[list[float], list[float]]]:
    """Wall and processor seconds of every step."""
    seconds: list[tuple[list[float], list[float]]] = [([], []) for _ in steps]
    for _ in range(-(-frames // _TURN)):
        for index, step in enumerate(steps):
            # The one before has left the caches full of its own weights.
            step()
            for _ in range(_TURN):
                began_s, cpu_began_s = time.perf_counter(), time.process_time()
                step()
                seconds[index][0].append(time.perf_counter() - began_s)
                seconds[index][1].append(time.process_time() - cpu_began_s)
    return seconds


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


def _compiled(setting: Setting, name: CompilerName, device: torch.device, store: EngineStore) -> _Candidate:
    """The product's own step: pictures and instruction in, pictures out, memories carried along."""
    shape, blank = setting.shape, _row(setting, name, "")
    try:
        program = _program(setting, name, device)
        compiler = choose_compiler(name, program, device, lambda: None, store, batches=(setting.batch,))
        kept = _Kept(compiler, setting.batch)
        editor = Editor(_parts(setting, program), program, kept, str(device))
        began_s = time.perf_counter()
        editor.prepare(shape.height, shape.width, shape.batch)
        build_s = time.perf_counter() - began_s
    except Exception as error:
        # As in `_tried`.
        return _failed(blank, error)
    conditioning = editor.encode("any")
    requests = [
        EditRequest(picture, conditioning, editor.open(seed))
        for seed, picture in enumerate(_pictures(setting))
    ]
    row = replace(blank, precision=compiler.precision, build_s=build_s)
    return _Candidate(
        row,
        lambda: editor.step(requests),
        lambda: time_parts(compiler, kept.program, program, shape, device),
    )


def _program(setting: Setting, name: CompilerName, device: torch.device) -> FrameProgram:
    """The weights where and as the server has them for this compiler, so that the memory is its own too."""
    home, dtype = home_of(name, "auto", device)
    return frame_program(setting.subject, setting.codec, setting.evaluations, home, dtype)


def _diffusers(setting: Setting, device: torch.device, store: EngineStore) -> _Candidate:
    best: _Candidate | None = None
    best_s = float("inf")
    # Whichever floating-point type is the faster one here.
    for dtype in _dtypes(device):
        row = _row(setting, DIFFUSERS, str(dtype).removeprefix("torch."))
        try:
            step = baseline_step(
                setting.subject, setting.codec, setting.evaluations, _pictures(setting), device, dtype
            )
            taken_s = min(_timed_s(step) for _ in range(_WARM_UP))
        except Exception as error:
            # As in `_tried`.
            return _failed(row, error)
        if taken_s < best_s:
            best, best_s = _Candidate(row, step, _nothing), taken_s
    assert best is not None
    return best


def _dtypes(device: torch.device) -> tuple[torch.dtype, ...]:
    if device.type == "cuda":
        return (torch.bfloat16,)
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


def _row(setting: Setting, compiler: str, precision: str) -> Row:
    return Row(
        model=setting.subject.name,
        resolution=setting.side,
        batch=setting.batch,
        evaluations=setting.evaluations,
        codec=setting.codec,
        compiler=compiler,
        precision=precision,
    )


def _operations(setting: Setting) -> int:
    """Counted on one step of the sampler and one frame, since all are alike."""
    shape = replace(setting, batch=1).shape

    def counted(evaluations: int) -> int:
        return operations(frame_program(setting.subject, setting.codec, evaluations, META), shape)

    if setting.evaluations in (1, PAPER_EVALUATIONS):
        return counted(setting.evaluations) * setting.batch
    one = counted(1)
    return (one + (counted(2) - one) * (setting.evaluations - 1)) * setting.batch


def _finished(row: Row, flop: int, peaks: dict[str, float], baseline: Row | None) -> Row:
    if row.p50_ms is None:
        return row
    # Eight bits have no peak of their own here; the next wider type's is a floor all the same.
    peak = peaks.get(row.precision) or peaks.get("bfloat16") or peaks["float32"]
    row = replace(row, gigaflop=flop / 1e9, floor_ms=1e3 * flop / peak)
    if baseline is None or baseline.p50_ms is None or row.p50_ms is None:
        return row
    cpu_ratio = baseline.cpu_ms / row.cpu_ms if baseline.cpu_ms and row.cpu_ms else None
    return replace(row, ratio_to_diffusers=baseline.p50_ms / row.p50_ms, cpu_ratio_to_diffusers=cpu_ratio)


class _Memory:
    """What happens since it was made takes so many bytes of the device: of a CPU's at its end, of a GPU's at most."""

    def __init__(self, device: torch.device) -> None:
        self._gpu = device.type == "cuda"
        self._process = psutil.Process()
        gc.collect()
        if self._gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        self._before = self._taken()

    def settle(self) -> None:
        """Forget what building took; what running takes is asked for."""
        if self._gpu:
            gc.collect()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def grown(self) -> int:
        return max(0, self._taken() - self._before)

    def _taken(self) -> int:
        if not self._gpu:
            return int(self._process.memory_info().rss)
        # TensorRT and compiled kernels allocate beside PyTorch: what the device has lost tells both.
        free, total = torch.cuda.mem_get_info()
        beside = total - free - torch.cuda.memory_reserved()
        return int(beside + torch.cuda.max_memory_reserved())


def _timed_s(call: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    call()
    return time.perf_counter() - began_s


def _nothing() -> None:
    return None
