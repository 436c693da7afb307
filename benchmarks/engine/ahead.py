"""``python -m benchmarks.engine.ahead``: what it takes to build a model's TensorRT engines, at its real size.

The weights are random: neither the time nor the size of an engine depends on their values. TensorRT for RTX needs no
GPU for it.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import get_args

import torch
from rich import box
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file, save_file

from benchmarks.engine.models import CPU, SUBJECTS, CodecName, Subject, frame_program
from engines.compilers.compile import picture_size
from engines.compilers.interface import ENGINE_DTYPES, FrameShape, Precision
from engines.compilers.manifest import EnginePart
from engines.compilers.store import EngineStore
from engines.compilers.tensorrt import ENGINE_FILE, TensorRtCompiler
from engines.compilers.tensorrt_library import FLAVOURS
from engines.model import ModelError
from engines.program import FrameProgram


@dataclass(frozen=True)
class Built:
    """One engine.

    Attributes:
        part: Of the frame.
        profiles: Shapes that it runs.
        export_s: From PyTorch to ONNX.
        build_s: From ONNX to the engine.
        engine_bytes: Size of its file.
        peak_bytes: Most main memory that this program has held so far.
    """

    part: EnginePart
    profiles: int
    export_s: float
    build_s: float
    engine_bytes: int
    peak_bytes: int


class _Clock:
    """Told of every phase of a build; keeps when each part began and was exported."""

    def __init__(self) -> None:
        self.began_s: dict[str, float] = {}
        self.exported_s: dict[str, float] = {}
        self.ready_s: dict[str, float] = {}

    def __call__(self, phase: str, share: float) -> None:
        part, _, what = phase.partition(": ")
        now_s = time.perf_counter()
        if part not in self.began_s:
            self.began_s[part] = now_s
        elif what == "ready":
            self.ready_s[part] = now_s
        elif part not in self.exported_s:
            self.exported_s[part] = now_s
        else:
            return
        print(f"{part}: {what}, {100 * share:.0f} %", file=sys.stderr, flush=True)


def build(compiler: TensorRtCompiler, shape: FrameShape) -> list[Built]:
    """Build the engines of a program.

    Args:
        compiler: Of the program; whatever its sizes and batches are becomes a profile.
        shape: One of them.

    Raises:
        ModelError: A part cannot be exported or built.
    """
    clock = _Clock()
    folders = compiler.build(shape, clock)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return [
        Built(
            part.name,
            len(compiler.profiles(shape)),
            clock.exported_s[part.name] - clock.began_s[part.name],
            clock.ready_s[part.name] - clock.exported_s[part.name],
            (folders[part.name] / ENGINE_FILE).stat().st_size,
            peak,
        )
        for part in compiler.parts
    ]


def table(built: Sequence[Built]) -> Table:
    """For a person."""
    shown = Table(box=box.MARKDOWN)
    for column in ("part", "profiles", "export s", "build s", "engine MB"):
        shown.add_column(column)
    for each in built:
        shown.add_row(
            each.part,
            str(each.profiles),
            f"{each.export_s:.1f}",
            f"{each.build_s:.1f}",
            f"{each.engine_bytes / 1e6:.1f}",
        )
    return shown


def main(arguments: list[str]) -> int:
    """Run the command; 0, or 2 where the engines cannot be built."""
    options = _parser().parse_args(arguments)
    subject, sizes = _shortened(SUBJECTS[options.model], options.layers), tuple(options.sizes)
    batches = tuple(sorted(set(options.batches)))
    codec: CodecName = options.codec if options.codec in subject.codecs else subject.codecs[0]
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        try:
            program = frame_program(subject, codec, 1, CPU, ENGINE_DTYPES[options.precision])
            _map_weights(program, Path(folder))
            compiler = TensorRtCompiler(
                program,
                FLAVOURS[options.compiler],
                options.precision,
                EngineStore(Path(folder)),
                sizes=sizes,
                batches=batches,
                target=options.target,
            )
            built = build(compiler, FrameShape(batches[0], *sizes[0]))
        except ModelError as error:
            print(f"benchmarks.engine.ahead: {error}", file=sys.stderr)
            return 2
    conditions = {
        "model": subject.name,
        "parameters": sum(value.numel() for value in program.predict.denoiser.parameters()),
        "codec": codec,
        "target": compiler.target,
        "precision": options.precision,
        "library": compiler.library.version,
        "torch": torch.__version__,
        "peak_bytes": built[-1].peak_bytes,
    }
    if options.json:
        print(json.dumps({"conditions": conditions, "engines": [asdict(each) for each in built]}, indent=2))
    else:
        console = Console(width=None if sys.stdout.isatty() else 160)
        console.print("  ".join(f"{name} {value}" for name, value in conditions.items()))
        console.print(table(built))
    return 0


def _map_weights(program: FrameProgram, folder: Path) -> None:
    """Put the weights into a file and map it, as a model's own files are: they take no main memory of the process."""
    path = folder / "weights.safetensors"
    save_file({name: value.contiguous() for name, value in program.state_dict().items()}, path)
    program.load_state_dict(load_file(path), assign=True)


def _shortened(subject: Subject, layers: int | None) -> Subject:
    if layers is None or subject.family != "transformer":
        return subject
    dual = tuple(layer for layer in subject.network["dual_attention_layers"] if layer < layers)
    shorter = subject.network | {"num_layers": layers, "dual_attention_layers": dual}
    return replace(subject, name=f"{subject.name} of {layers} layers", network=shorter)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine.ahead", description=__doc__)
    parser.add_argument("model", choices=sorted(SUBJECTS))
    parser.add_argument("--compiler", default="tensorrt-rtx", choices=("tensorrt", "tensorrt-rtx"))
    parser.add_argument(
        "--target", metavar="smNN", help="GPU to build for, as sm89; the one here if left out"
    )
    parser.add_argument(
        "--precision", default="float16", choices=[name for name in get_args(Precision) if "8" not in name]
    )
    parser.add_argument("--codec", default="tiny", choices=get_args(CodecName))
    parser.add_argument("--sizes", nargs="+", type=picture_size, metavar="WxH", default=[(512, 512)])
    parser.add_argument("--batches", nargs="+", type=int, metavar="N", default=[1])
    parser.add_argument(
        "--layers", type=int, metavar="N", help="of a transformer: so many only, where memory is short"
    )
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="where the engines lie meanwhile")
    parser.add_argument("--json", action="store_true", help="JSON alone on standard output")
    return parser


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    sys.exit(main(sys.argv[1:]))
