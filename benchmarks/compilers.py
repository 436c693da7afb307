"""``python -m benchmarks.compilers``: what each compiler and precision needs for a frame on this machine.

Times whole editor steps, uint8 picture in and out, on the embedded model's network. Its speed does not depend on what
it learned, so the weights are random and no model is needed. The compilers take turns of a few frames each: whatever
else the machine does slows all of them alike, and the ratio to PyTorch in float32 holds where milliseconds do not.
OpenVINO runs only what an edit asks for, parts of the network or a shortcut through it, so its quickest precision is
timed on an edit of each kind that can be asked for, two joined ones among them.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.peak import convolution_peaks
from engines.backbones.tiny import TinyConfig, TinyDenoiser
from engines.codecs import PatchCodec
from engines.colours import COLOURS
from engines.compilers.compile import picture_size
from engines.compilers.cpu import cpu_flags, cpu_name, has_bfloat16, has_int8
from engines.compilers.eager import EagerCompiler
from engines.compilers.interface import Compiler, FrameShape, Precision
from engines.compilers.openvino import OpenVinoCompiler
from engines.compilers.parts import program_inputs
from engines.compilers.quantisation import ActivationRanges, measure_ranges
from engines.compilers.store import EngineStore
from engines.conditioning import NO_COLOUR, Conditioning, instruction_code
from engines.editor import Editor, EditRequest
from engines.families import TAKES_RGB, TAKES_RGB_OF
from engines.flow import flow_levels
from engines.model import SHIPPED_MODELS, ModelParts
from engines.program import Direct, FrameProgram

SIZES = ((256, 256), (256, 336), (272, 480))
"""(height, width) of the pictures."""
EDITS: Mapping[str, tuple[str, ...]] = {
    "plain": ("sepia",),
    "people": ("background_dark",),
    "behind people": ("background_blur",),
    "named colour": ("recolour",),
    "removal": ("remove_balloons",),
    "weather": ("snow",),
    "two joined": ("night", "background_blur"),
}
"""What is asked for -> its families: none of the network's parts is needed, each of them is, and a pair."""
_TURN = 10
_TELLING_FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_bf16", "amx_int8")


@dataclass(frozen=True)
class Timing:
    """One compiler at one size; milliseconds of a whole editor step.

    Attributes:
        compiler: Its name.
        precision: What its convolutions compute in.
        edit: What is asked for, of :data:`EDITS`.
        evaluations: Network evaluations for a frame.
        size: Width x height of the picture.
        p50_ms: Median wall time.
        p95_ms: 95th percentile.
        min_ms: The least, nearest to an idle machine's.
        cpu_ms: Processor time of all threads, the least of any frame.
        gigaflop: Multiplications and additions that it does for one frame, 10^9.
        peak_share: What it does in a second of its least wall time, over the machine's measured convolution peak of
            the type that its convolutions compute in.
        compile_s: Time to compile the size.
        again_s: Time to read the compiled program from the cache.
        times_float32: How many times its minimum processor time PyTorch in float32 takes for as many evaluations;
            there every one takes alike, whatever is asked for.
    """

    compiler: str
    precision: str
    edit: str
    evaluations: int
    size: str
    p50_ms: float
    p95_ms: float
    min_ms: float
    cpu_ms: float
    gigaflop: float
    peak_share: float
    compile_s: float
    again_s: float
    times_float32: float


class _Asked:
    """Takes a name of :data:`EDITS` for an instruction: the instruction encoder is no part of a frame."""

    def encode(self, text: str) -> Conditioning:
        families = EDITS[text]
        rgb = COLOURS["blue"] if not TAKES_RGB.isdisjoint(families) else NO_COLOUR
        rgb_of = COLOURS["red"] if not TAKES_RGB_OF.isdisjoint(families) else NO_COLOUR
        code = instruction_code(dict.fromkeys(families, 1.0), 1.0, rgb, rgb_of)
        edits = tuple((family, 1.0) for family in families)
        return Conditioning(text, code, families[0], 1.0, known=True, nearest=(), edits=edits)


def parts() -> ModelParts:
    """The embedded model's network with random weights."""
    torch.manual_seed(0)
    denoiser = TinyDenoiser(TinyConfig()).eval()
    torch.nn.init.normal_(denoiser.detail.out.weight, std=0.03)
    return ModelParts("rfdm-tiny", "random", 3, denoiser, PatchCodec(2), _Asked())


def compilers(program: FrameProgram, ranges: ActivationRanges, store: EngineStore) -> list[Compiler]:
    """Everything this CPU can run, PyTorch in float32 first."""
    cpu = torch.device("cpu")
    found: list[Compiler] = [
        EagerCompiler(program, cpu, torch.float32),
        OpenVinoCompiler(program, "float32", store),
    ]
    rest: Precision = "float32"
    if has_bfloat16(cpu_flags()):
        rest = "bfloat16"
        found += [EagerCompiler(program, cpu, torch.bfloat16), OpenVinoCompiler(program, rest, store)]
    if has_int8(cpu_flags()):
        found.append(OpenVinoCompiler(program, "int8", store, rest=rest, ranges=ranges))
    return found


def measure_size(height: int, width: int, frames: int, peak: Mapping[str, float]) -> list[Timing]:
    """Time every compiler at one size, in turns; the last of them on every one of :data:`EDITS`.

    Args:
        height: Of the picture, in pixels.
        width: Of the picture, in pixels.
        frames: For each compiler and edit.
        peak: GFLOP/s of the best convolution by type.
    """
    own = parts()
    program = FrameProgram(Direct(own.denoiser), own.codec, flow_levels(1))
    shape = FrameShape(1, height, width)
    ranges = measure_ranges(program, [program_inputs(program, shape)])

    with tempfile.TemporaryDirectory() as folder:
        store = EngineStore(Path(folder))
        candidates = compilers(program, ranges, store)
        compile_s = [_timed_s(partial(each.compile, shape)) for each in candidates]
        anew = compilers(program, ranges, store)
        again_s = [_timed_s(partial(each.compile, shape)) for each in anew]
        first, *others = EDITS
        runs = [(index, first) for index in range(len(anew))]
        runs += [(len(anew) - 1, edit) for edit in others]
        editors = [Editor(own, program, each, "cpu") for each in anew]
        wall_s, cpu_s = _take_turns(
            [_stepper(editors[index], edit, height, width) for index, edit in runs], frames
        )
    float32_s = min(cpu_s[0])
    timings = []
    for run, (index, edit) in enumerate(runs):
        each = candidates[index]
        evaluations = len(_Asked().encode(edit).passes)
        done = gigaflop(_shortest(program) if each.name == "openvino" else lambda _: program, edit, shape)
        timings.append(
            Timing(
                compiler=each.name,
                precision=each.precision,
                edit=edit,
                evaluations=evaluations,
                size=f"{width}x{height}",
                p50_ms=1e3 * float(np.percentile(wall_s[run], 50)),
                p95_ms=1e3 * float(np.percentile(wall_s[run], 95)),
                min_ms=1e3 * min(wall_s[run]),
                cpu_ms=1e3 * min(cpu_s[run]),
                gigaflop=done,
                peak_share=done / min(wall_s[run]) / peak[each.precision],
                compile_s=compile_s[index],
                again_s=again_s[index],
                times_float32=evaluations * float32_s / min(cpu_s[run]),
            )
        )
    return timings


def gigaflop(runs: Callable[[Tensor], FrameProgram], edit: str, shape: FrameShape) -> float:
    """Multiplications and additions of convolutions and products in a frame of an edit of :data:`EDITS`, 10^9.

    Args:
        runs: The program that runs for a code, (1, D).
        edit: What is asked for.
        shape: Of the frame.
    """
    # Scripted branches are counted as they are run; optimised, they hold operations that no counter takes.
    with (
        FlopCounterMode(display=False) as counter,
        torch.inference_mode(),
        torch.jit.optimized_execution(False),  # type: ignore[attr-defined]
    ):
        for each in _Asked().encode(edit).passes:
            program = runs(each.code[None])
            pictures, memory, noise, _, strength = program_inputs(program, shape)
            program(pictures, memory, noise, each.code.expand(shape.batch, -1), strength)
    return float(counter.get_total_flops() / 1e9)


def _shortest(program: FrameProgram) -> Callable[[Tensor], FrameProgram]:
    whole, shortcuts = program.branching(), program.shortcuts()

    def runs(code: Tensor) -> FrameProgram:
        name = program.shortcut(code)
        return whole if name is None else shortcuts[name]

    return runs


def _stepper(editor: Editor, edit: str, height: int, width: int) -> Callable[[], object]:
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    picture = coarse.repeat(16, 0).repeat(16, 1)
    request = EditRequest(picture, editor.encode(edit), editor.open())
    return lambda: editor.step([request])


def _take_turns(
    steps: Sequence[Callable[[], object]], frames: int
) -> tuple[list[list[float]], list[list[float]]]:
    wall_s: list[list[float]] = [[] for _ in steps]
    cpu_s: list[list[float]] = [[] for _ in steps]
    for step in steps:
        for _ in range(3):
            step()
    for _ in range(-(-frames // _TURN)):
        for index, step in enumerate(steps):
            # The one before has left the caches full of its own weights; a live editor has them to itself.
            step()
            for _ in range(_TURN):
                cpu_began, began = time.process_time(), time.perf_counter()
                step()
                wall_s[index].append(time.perf_counter() - began)
                cpu_s[index].append(time.process_time() - cpu_began)
    return wall_s, cpu_s


def _timed_s(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


_START_UP = """
import numpy as np
from engines.editor import EditRequest, load_editor
editor = load_editor()
request = EditRequest(np.zeros((256, 336, 3), np.uint8), editor.encode("make it sepia"), editor.open())
editor.step([request])
"""


def start_up_s() -> list[float] | None:
    """Seconds from a new process to the first frame of the shipped model, first and second start; None without it."""
    if not (SHIPPED_MODELS / "rfdm-tiny" / "model_index.json").exists():
        return None
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"XDG_CACHE_HOME": cache}
        command = [sys.executable, "-c", _START_UP]
        return [_timed_s(lambda: subprocess.run(command, env=environment, check=True)) for _ in range(2)]


@dataclass(frozen=True)
class Memory:
    """What is held at 336x256, MiB.

    Attributes:
        editor_mib: What an editor compiled in the fastest precision, and a frame of it, added to the resident memory
            of this process; scratch that was freed and not given back is in it.
        stream_mib: Memory and noise of one stream of two joined edits, so of both its passes.
    """

    editor_mib: float
    stream_mib: float


def memory_held() -> Memory:
    """Measure what an editor and a stream hold."""
    own = parts()
    program = FrameProgram(Direct(own.denoiser), own.codec, flow_levels(1))
    shape = FrameShape(1, 256, 336)
    with tempfile.TemporaryDirectory() as folder:
        fastest = compilers(
            program, measure_ranges(program, [program_inputs(program, shape)]), EngineStore(Path(folder))
        )[-1]
        before = _resident_mib()
        editor = Editor(own, program, fastest, "cpu")
        editor.prepare(shape.height, shape.width)
    picture = np.zeros((shape.height, shape.width, 3), np.uint8)
    state = editor.open()
    editor.step([EditRequest(picture, editor.encode("two joined"), state)])
    kept = [tensor for each in (state, state.of_pass(1)) for tensor in (each.memory, each.noise)]
    stream_bytes = sum(tensor.nbytes for tensor in kept if tensor is not None)
    return Memory(_resident_mib() - before, stream_bytes / 2**20)


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def conditions() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "flags": [flag for flag in _TELLING_FLAGS if flag in cpu_flags()],
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "openvino": openvino.__version__,
    }


def main(arguments: list[str]) -> int:
    """Run the benchmark and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compilers", description=__doc__)
    parser.add_argument(
        "--sizes", nargs="+", type=picture_size, default=SIZES, metavar="WxH", help="picture sizes"
    )
    parser.add_argument("--frames", type=int, default=60, help="frames for each compiler and size")
    parser.add_argument("--json", action="store_true", help="JSON alone on standard output")
    options = parser.parse_args(arguments)

    peak = convolution_peaks()
    memory = memory_held()
    timings = [
        timing
        for height, width in options.sizes
        for timing in measure_size(height, width, options.frames, peak)
    ]
    figures = {
        "conditions": conditions(),
        "convolution_peak_gflops": peak,
        "timings": [asdict(timing) for timing in timings],
        "start_up_s": start_up_s(),
        "memory": asdict(memory),
    }
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        _print_table(figures, timings)
    return 0


def _print_table(figures: dict[str, Any], timings: Sequence[Timing]) -> None:
    console = Console(width=160)
    console.print("  ".join(f"{name} {value}" for name, value in figures["conditions"].items()))
    console.print(
        "convolution peak "
        + ", ".join(
            f"{name} {value:.0f} GFLOP/s" for name, value in figures["convolution_peak_gflops"].items()
        )
    )
    columns = ("size", "compiler", "precision", "edit", "eval.", "p50 ms", "p95 ms", "min ms", "CPU ms")
    table = Table(*columns, "GFLOP", "of peak", "compile s", "again s", "x float32")
    for row in timings:
        milliseconds = (f"{value:.1f}" for value in (row.p50_ms, row.p95_ms, row.min_ms, row.cpu_ms))
        rest = (f"{value:.2f}" for value in (row.compile_s, row.again_s, row.times_float32))
        work = (f"{row.gigaflop:.2f}", f"{row.peak_share:.0%}")
        what = (row.size, row.compiler, row.precision, row.edit, str(row.evaluations))
        table.add_row(*what, *milliseconds, *work, *rest)
    console.print(table)
    held = figures["memory"]
    console.print(f"memory: editor {held['editor_mib']:.0f} MiB, each stream {held['stream_mib']:.1f} MiB")
    if figures["start_up_s"] is not None:
        first, second = figures["start_up_s"]
        console.print(f"new process to first frame: {first:.1f} s, second start {second:.1f} s")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
