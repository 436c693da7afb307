"""``python -m benchmarks.engine``: frames a second, latency and memory of every way to run the models here.

Times whole editor steps, uint8 pictures in and out, on random weights, beside diffusers' own image-to-image pipeline
at the same work in the same run. On a CPU it times small models of the same structure, on a GPU the real ones.
"""

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any, get_args

import torch
from rich.console import Console

from benchmarks.engine.floor import matrix_peak
from benchmarks.engine.measure import Row, Setting, measure_cell
from benchmarks.engine.models import SUBJECTS
from benchmarks.engine.report import draw_chart, print_table, ratio_to_diffusers
from engines.compilers.availability import compilers_here, version
from engines.compilers.cpu import cpu_flags, cpu_name, has_bfloat16
from engines.compilers.interface import CompilerName
from engines.editor import choose_device
from engines.model import ModelError

RESOLUTIONS, BATCHES, EVALUATIONS = (256, 512, 768), (1, 2, 4, 8, 16), (1, 2, 4, 8, 24)


def main(arguments: list[str]) -> int:
    """Run the benchmark; 0, or 2 where it cannot be run as asked."""
    options = _parser().parse_args(arguments)
    try:
        device = choose_device(options.device)
    except ModelError as error:
        print(f"benchmarks.engine: {error}", file=sys.stderr)
        return 2
    compilers = options.compilers or _compilers(device)
    peaks = {"float32": matrix_peak(device, torch.float32)}
    if device.type == "cuda" or has_bfloat16(cpu_flags()):
        peaks["bfloat16"] = matrix_peak(device, torch.bfloat16)
    rows: list[Row] = []
    for setting in _settings(options, device):
        print(
            f"{setting.subject.name} {setting.side} x {setting.batch}, {setting.evaluations} evaluations,"
            f" {setting.codec} codec",
            file=sys.stderr,
        )
        rows += measure_cell(setting, compilers, device, options.frames, peaks)
    figures: dict[str, Any] = {
        "conditions": conditions(device),
        "matrix_peak_flops": peaks,
        "rows": [asdict(row) for row in rows],
        "ratio_to_diffusers": ratio_to_diffusers(rows),
    }
    if options.chart:
        draw_chart(rows, str(figures["conditions"]["device"]), options.chart)
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        print_table(figures, rows, Console(width=None if sys.stdout.isatty() else 220))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one resolution, few batches, one evaluation")
    parser.add_argument("--json", action="store_true", help="JSON alone on standard output")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw a PNG")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto")
    parser.add_argument("--models", nargs="+", choices=sorted(SUBJECTS))
    parser.add_argument("--resolutions", nargs="+", type=int, metavar="N")
    parser.add_argument("--batches", nargs="+", type=int, metavar="N")
    parser.add_argument("--evaluations", nargs="+", type=int, choices=EVALUATIONS)
    parser.add_argument("--codecs", nargs="+", choices=("tiny", "kl", "patch"))
    parser.add_argument("--compilers", nargs="+", choices=get_args(CompilerName))
    parser.add_argument("--frames", type=int, default=40, help="steps of each (%(default)s)")
    return parser


def _settings(options: argparse.Namespace, device: torch.device) -> list[Setting]:
    gpu = device.type == "cuda"
    models = options.models or (("rfdm1.5", "rfdm3.5") if gpu else ("small1.5", "small3.5"))
    resolutions = options.resolutions or ((512 if gpu else 256,) if options.quick else RESOLUTIONS)
    batches = options.batches or (((1, 16) if gpu else (1,)) if options.quick else BATCHES)
    evaluations = options.evaluations or ((1,) if options.quick else EVALUATIONS)
    wanted = options.codecs or (("tiny", "patch") if options.quick else ("tiny", "kl", "patch"))
    return [
        Setting(SUBJECTS[name], side, batch, count, codec)
        for name, side, count, batch in product(models, resolutions, evaluations, batches)
        for codec in SUBJECTS[name].codecs
        if codec in wanted
    ]


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
        "cores": len(os.sched_getaffinity(0)),
        "load_average": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        **{
            package: version(package)
            for package in ("diffusers", "openvino", "onnxruntime", "tensorrt", "torch-tensorrt")
            if version(package)
        },
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
