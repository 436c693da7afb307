"""``python -m benchmarks.engine``: frames a second, latency and memory of every way to run the models here.

Times whole editor steps, uint8 pictures in and out, on random weights, beside diffusers' own image-to-image pipeline
at the same work in the same run. On a CPU it times small models of the same structure, on a GPU the real ones.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import torch
from rich.console import Console

from engines.compilers.availability import compilers_here, version
from engines.compilers.cpu import cpu_flags, cpu_name, has_bfloat16
from engines.compilers.interface import CompilerName
from engines.edit_size import SIZE_MULTIPLE
from engines.editor import choose_device
from engines.install import install_extra
from engines.model import ModelError

if TYPE_CHECKING:
    from benchmarks.engine.rows import Row, Setting

MODELS = ("rfdm-tiny", "rfdm1.5", "rfdm3.5", "small1.5", "small3.5")
RESOLUTIONS, BATCHES, EVALUATIONS = (256, 512, 768), (1, 2, 4, 8, 16), (1, 2, 4, 8, 24)
CPU_RESOLUTIONS, CPU_BATCHES, CPU_EVALUATIONS = (256, 512), (1, 4), (1, 4)
"""What is timed on a CPU unless more is asked for: one step of the largest cell there is takes it minutes."""

_FRAMES, _CPU_FRAMES = 40, 15


def main(arguments: list[str]) -> int:
    """Run the benchmark; 0, or 2 where it cannot be run as asked."""
    options = _parser().parse_args(arguments)
    try:
        _require(("accelerate", "diffusers", "transformers"), "backbones")
        if options.chart:
            _require(("matplotlib",), "dev")
        device = choose_device(options.device)
        for path in (options.out, options.chart):
            if path is not None and not path.absolute().parent.is_dir():
                raise ModelError(f"{path} cannot be written: there is no folder {path.absolute().parent}")
        settings = _settings(options, device)
        if not settings:
            raise ModelError("nothing to time: none of these models has one of these codecs")
    except ModelError as error:
        print(f"benchmarks.engine: {error}", file=sys.stderr)
        return 2
    from benchmarks.engine.floor import matrix_peak
    from benchmarks.engine.measure import measure_cell
    from benchmarks.engine.report import draw_chart, print_table
    from benchmarks.engine.rows import Row

    began_s = time.monotonic()
    compilers = options.compilers or _compilers(device)
    _say_what_is_missing(device, compilers)
    peaks = {"float32": matrix_peak(device, torch.float32)}
    if device.type == "cuda" or has_bfloat16(cpu_flags()):
        peaks["bfloat16"] = matrix_peak(device, torch.bfloat16)
    frames = options.frames or (_FRAMES if device.type == "cuda" else _CPU_FRAMES)
    rows: list[Row] = []
    figures = _figures(device, peaks, rows)
    for setting in settings:
        if options.minutes is not None and time.monotonic() - began_s > 60 * options.minutes:
            print(f"{options.minutes:g} minutes are over: the rest is left out", file=sys.stderr)
            break
        print(
            f"{time.monotonic() - began_s:.0f} s: {setting.subject.name} {setting.side} x {setting.batch},"
            f" {setting.evaluations} evaluations, {setting.codec} codec",
            file=sys.stderr,
            flush=True,
        )
        before = list(rows)
        try:
            for so_far in measure_cell(setting, compilers, device, frames, peaks):
                rows[:] = [*before, *so_far]
                figures = _figures(device, peaks, rows)
                if options.out:
                    # After every compiler of a cell: whatever ends the run early leaves what was measured.
                    options.out.write_text(json.dumps(figures, indent=2) + "\n")
        except Exception as error:
            # Of a machine that is lent for so long only, no minute is to be lost to one cell.
            print(f"the rest of this cell is left out: {error}", file=sys.stderr)
    if options.chart:
        draw_chart(rows, str(figures["conditions"]["device"]), options.chart)
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        print_table(figures, rows, Console(width=None if sys.stdout.isatty() else 220))
    return 0


def _figures(device: torch.device, peaks: dict[str, float], rows: "Sequence[Row]") -> dict[str, Any]:
    from benchmarks.engine.report import ratio_to_diffusers

    return {
        "conditions": conditions(device),
        "matrix_peak_flops": peaks,
        "rows": [asdict(row) for row in rows],
        "ratio_to_diffusers": ratio_to_diffusers(rows),
    }


def _require(packages: Sequence[str], extra: str) -> None:
    """See that packages are installed.

    Raises:
        ModelError: Some are not.
    """
    lacking = [package for package in packages if find_spec(package) is None]
    if lacking:
        raise ModelError(f"needs the package {', '.join(lacking)}: {install_extra(extra)}")


def _say_what_is_missing(device: torch.device, compilers: Sequence[CompilerName]) -> None:
    """Tell on standard error which compilers of this kind of device are not timed, and why."""
    for each in compilers_here():
        on_cpu = each.compiler in ("openvino", "onnxruntime")
        if not each.runs and (device.type == "cpu") == on_cpu:
            cure = f": {each.install}" if each.install else ""
            print(f"not timed: {each.compiler}, {each.reason}{cure}", file=sys.stderr)
    print(f"timed: {', '.join(compilers)} and diffusers' own pipeline", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one resolution, few batches, one evaluation")
    parser.add_argument("--json", action="store_true", help="JSON alone on standard output")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the JSON here as it is measured")
    parser.add_argument("--minutes", type=float, metavar="N", help="begin no further cell after so long")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw a PNG")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto")
    parser.add_argument("--models", nargs="+", choices=MODELS)
    parser.add_argument("--resolutions", nargs="+", type=_side, metavar="N")
    parser.add_argument("--batches", nargs="+", type=_positive, metavar="N")
    parser.add_argument("--evaluations", nargs="+", type=int, choices=EVALUATIONS)
    parser.add_argument("--codecs", nargs="+", choices=("tiny", "kl", "patch"))
    parser.add_argument("--compilers", nargs="+", choices=get_args(CompilerName))
    parser.add_argument(
        "--frames", type=_positive, metavar="N", help=f"steps of each ({_FRAMES}, on a CPU {_CPU_FRAMES})"
    )
    return parser


def _side(text: str) -> int:
    if not text.isdecimal() or int(text) < 64 or int(text) % SIZE_MULTIPLE:
        raise argparse.ArgumentTypeError(f"{text!r} is not a multiple of {SIZE_MULTIPLE} of at least 64")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _settings(options: argparse.Namespace, device: torch.device) -> "list[Setting]":
    from benchmarks.engine.models import SUBJECTS
    from benchmarks.engine.rows import Setting

    gpu = device.type == "cuda"
    models = options.models or (("rfdm1.5", "rfdm3.5") if gpu else ("small1.5", "small3.5"))
    usual = (RESOLUTIONS, BATCHES, EVALUATIONS) if gpu else (CPU_RESOLUTIONS, CPU_BATCHES, CPU_EVALUATIONS)
    resolutions = options.resolutions or ((512 if gpu else 256,) if options.quick else usual[0])
    batches = options.batches or (((1, 16) if gpu else (1,)) if options.quick else usual[1])
    evaluations = options.evaluations or ((1,) if options.quick else usual[2])
    wanted = options.codecs or (("tiny", "patch") if options.quick else ("tiny", "kl", "patch"))
    every = [
        Setting(SUBJECTS[name], side, batch, count, codec)
        for name, side, count, batch in product(models, resolutions, evaluations, batches)
        for codec in SUBJECTS[name].codecs
        if codec in wanted
    ]
    # A machine may be lent for so long only: what has a bar to reach comes first, then the paper's own setting.
    return sorted(
        every, key=lambda each: (each.side != 512, each.codec == "kl", each.evaluations not in (1, 24))
    )


def _compilers(device: torch.device) -> tuple[CompilerName, ...]:
    """Those that run on the device; on a CPU without ONNX Runtime and inductor, which take long to build."""
    here = [each.compiler for each in compilers_here() if each.runs]
    if device.type == "cpu":
        return tuple(name for name in here if name in ("eager", "openvino"))
    return tuple(name for name in here if name not in ("openvino", "onnxruntime"))


def conditions(device: torch.device) -> dict[str, Any]:
    """What the figures were measured on."""
    gpu = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name() if gpu else cpu_name(),
        **({"cuda": torch.version.cuda} if gpu else {}),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        **{
            package: version(package)
            for package in ("diffusers", "triton", "openvino", "onnxruntime", "tensorrt", "torch-tensorrt")
            if version(package)
        },
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
