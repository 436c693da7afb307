"""``python -m benchmarks.compilers``: what each compiler and precision needs for a frame on this machine.

Times whole editor steps, uint8 picture in and out, on the embedded model's network. Its speed does not depend on what
it learned, so the weights are random and no model is needed. The compilers take turns of a few frames each: whatever
else the machine does slows all of them alike, and the ratio to PyTorch in float32 holds where milliseconds do not.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import torch
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from engines.backbones.tiny import TinyConfig, TinyDenoiser
from engines.codecs import PatchCodec
from engines.compilers.cpu import cpu_flags, cpu_name, has_bfloat16, has_int8
from engines.compilers.eager import EagerCompiler
from engines.compilers.interface import Compiler, FrameShape, Precision
from engines.compilers.openvino import OpenVinoCompiler
from engines.compilers.parts import program_inputs
from engines.compilers.quantisation import ActivationRanges, measure_ranges
from engines.compilers.store import EngineStore
from engines.conditioning import Conditioning, instruction_code
from engines.editor import Editor, EditRequest
from engines.families import FAMILIES
from engines.flow import flow_levels
from engines.model import SHIPPED_MODELS, ModelParts
from engines.program import Direct, FrameProgram

SIZES = ("256x256", "256x336", "272x480")
_TURN = 10
_TELLING_FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_bf16", "amx_int8")


@dataclass(frozen=True)
class Timing:
    """One compiler at one size; milliseconds of a whole editor step.

    Attributes:
        compiler: Its name.
        precision: What its convolutions compute in.
        size: Height x width of the picture.
        p50_ms: Median wall time.
        p95_ms: 95th percentile.
        min_ms: The least, nearest to an idle machine's.
        cpu_ms: Processor time of all threads, the least of any frame.
        gigaflop: Multiplications and additions of one frame, 10^9.
        compile_s: Time to compile the size.
        again_s: Time to read the compiled program from the cache.
        times_float32: How many times PyTorch in float32 takes its minimum processor time.
    """

    compiler: str
    precision: str
    size: str
    p50_ms: float
    p95_ms: float
    min_ms: float
    cpu_ms: float
    gigaflop: float
    compile_s: float
    again_s: float
    times_float32: float


class _OneInstruction:
    """Encodes every text alike: the instruction encoder is no part of a frame."""

    def encode(self, text: str) -> Conditioning:
        return Conditioning(text, instruction_code({"sepia": 1.0}), "sepia", 1.0, known=True, nearest=())


def parts() -> ModelParts:
    """The embedded model's network with random weights."""
    torch.manual_seed(0)
    denoiser = TinyDenoiser(TinyConfig()).eval()
    torch.nn.init.normal_(denoiser.detail.out.weight, std=0.03)
    return ModelParts("rfdm-tiny", "random", 3, denoiser, PatchCodec(2), _OneInstruction())


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


def measure_size(size: str, frames: int) -> list[Timing]:
    """Time every compiler at one size, in turns."""
    height, width = (int(side) for side in size.split("x"))
    own = parts()
    program = FrameProgram(Direct(own.denoiser), own.codec, flow_levels(1))
    shape = FrameShape(1, height, width)
    ranges = measure_ranges(program, [program_inputs(program, shape)])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        program(*program_inputs(program, shape))
    gigaflop = counter.get_total_flops() / 1e9

    with tempfile.TemporaryDirectory() as folder:
        store = EngineStore(Path(folder))
        candidates = compilers(program, ranges, store)
        compile_s = [_timed_s(partial(each.compile, shape)) for each in candidates]
        anew = compilers(program, ranges, store)
        again_s = [_timed_s(partial(each.compile, shape)) for each in anew]
        steps = [_stepper(Editor(own, program, each, "cpu"), height, width) for each in anew]
        wall_s, cpu_s = _take_turns(steps, frames)
    reference = min(cpu_s[0])
    return [
        Timing(
            compiler=each.name,
            precision=each.precision,
            size=size,
            p50_ms=1e3 * float(np.percentile(wall_s[index], 50)),
            p95_ms=1e3 * float(np.percentile(wall_s[index], 95)),
            min_ms=1e3 * min(wall_s[index]),
            cpu_ms=1e3 * min(cpu_s[index]),
            gigaflop=gigaflop,
            compile_s=compile_s[index],
            again_s=again_s[index],
            times_float32=reference / min(cpu_s[index]),
        )
        for index, each in enumerate(candidates)
    ]


def _stepper(editor: Editor, height: int, width: int) -> Callable[[], object]:
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    picture = coarse.repeat(16, 0).repeat(16, 1)
    request = EditRequest(picture, editor.encode(FAMILIES[0]), editor.open())
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


def convolution_peak(dtype: torch.dtype) -> float:
    """The best GFLOP/s PyTorch reaches here with a convolution as wide as caches like it."""
    width, side = 256, 64
    x = torch.randn(1, width, side, side).to(dtype).to(memory_format=torch.channels_last)
    convolution = torch.nn.Conv2d(width, width, 3, padding=1).to(dtype)
    convolution.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.inference_mode():
        best_s = min(_timed_s(lambda: convolution(x)) for _ in range(30))
    return float(2 * 9 * width * width * side * side / best_s / 1e9)


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
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="HxW", help="picture sizes")
    parser.add_argument("--frames", type=int, default=60, help="frames for each compiler and size")
    parser.add_argument("--json", action="store_true", help="JSON alone on standard output")
    options = parser.parse_args(arguments)

    peak = {"float32": convolution_peak(torch.float32)}
    if has_bfloat16(cpu_flags()):
        peak["bfloat16"] = convolution_peak(torch.bfloat16)
    timings = [timing for size in options.sizes for timing in measure_size(size, options.frames)]
    figures = {
        "conditions": conditions(),
        "convolution_peak_gflops": peak,
        "timings": [asdict(timing) for timing in timings],
        "start_up_s": start_up_s(),
    }
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        _print_table(figures, timings)
    return 0


def _print_table(figures: dict[str, Any], timings: Sequence[Timing]) -> None:
    console = Console()
    console.print("  ".join(f"{name} {value}" for name, value in figures["conditions"].items()))
    console.print(
        "convolution peak "
        + ", ".join(
            f"{name} {value:.0f} GFLOP/s" for name, value in figures["convolution_peak_gflops"].items()
        )
    )
    columns = ("size", "compiler", "precision", "p50 ms", "p95 ms", "min ms", "CPU ms", "GFLOP")
    table = Table(*columns, "compile s", "again s", "x float32")
    for row in timings:
        milliseconds = (f"{value:.1f}" for value in (row.p50_ms, row.p95_ms, row.min_ms, row.cpu_ms))
        rest = (f"{value:.2f}" for value in (row.gigaflop, row.compile_s, row.again_s, row.times_float32))
        table.add_row(row.size, row.compiler, row.precision, *milliseconds, *rest)
    console.print(table)
    if figures["start_up_s"] is not None:
        first, second = figures["start_up_s"]
        console.print(f"new process to first frame: {first:.1f} s, second start {second:.1f} s")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
