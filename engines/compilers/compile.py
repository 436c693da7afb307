"""`afterimage compile`: make a model's engines ahead of time, and compare them with PyTorch."""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import torch

from engines.compilers.choose import choose_compiler
from engines.compilers.interface import Compiler, CompilerName, FrameShape, Precision
from engines.compilers.quantisation import denoiser_folder, load_ranges
from engines.compilers.store import EngineStore, default_folder
from engines.compilers.tensorrt import TensorRtCompiler
from engines.compilers.tensorrt_library import FLAVOURS, present_target
from engines.compilers.verify import LIMIT, Check, verify_networks, verify_program
from engines.editor import choose_device
from engines.model import ModelError, ModelParts, find_model, load_parts
from engines.program import FrameProgram, frame_program

REFUSED, USAGE_ERROR = 1, 2


@dataclass(frozen=True)
class _Plan:
    program: FrameProgram
    compiler: Compiler
    shapes: tuple[FrameShape, ...]


def main(arguments: list[str]) -> int:
    """Run the command; 0 on success, 1 where an engine is too far from PyTorch, 2 where something cannot be used."""
    options = _parser().parse_args(arguments)
    store = EngineStore(options.out or default_folder())
    before = _entries(store)
    try:
        plan = _plan(options, store)
        runs_here = _runs_here(plan.compiler)
        _build(plan, runs_here)
        if options.verify:
            checks = _verify(plan, runs_here)
    except ModelError as error:
        print(f"afterimage compile: {error}", file=sys.stderr)
        return USAGE_ERROR
    if options.verify and not _passed(checks, store, before):
        return REFUSED
    for folder in sorted(_entries(store)):
        print(_line(folder))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "afterimage compile",
        description="Make a model's engines ahead of time. Engines for TensorRT for RTX are made without any GPU.",
    )
    parser.add_argument("model", help="a model's name, or a model folder")
    compilers = [name for name in get_args(CompilerName) if name != "eager"]
    parser.add_argument("--compiler", required=True, choices=compilers, help="what makes the engines")
    parser.add_argument(
        "--target", metavar="smNN", help="GPU to build for, as sm89; the one here if left out"
    )
    precisions = ("auto", *get_args(Precision))
    parser.add_argument("--precision", default="auto", choices=precisions, help="what they compute in")
    parser.add_argument(
        "--sizes",
        nargs="+",
        type=picture_size,
        metavar="HxW",
        help="picture sizes (default: the model's own, square and 4:3)",
    )
    parser.add_argument("--batches", nargs="+", type=int, metavar="N", help="frames edited in one call")
    parser.add_argument("--steps", type=int, help="sampler steps for a frame (default: the model's own)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to (default: the user's cache)")
    parser.add_argument(
        "--verify",
        action="store_true",
        help=f"compare with PyTorch on random inputs and refuse a relative error above {LIMIT:g}",
    )
    return parser


def picture_size(text: str) -> tuple[int, int]:
    """(height, width) of a command line's HxW.

    Raises:
        argparse.ArgumentTypeError: It is something else.
    """
    height, _, width = text.partition("x")
    if not (height.isdigit() and width.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not HEIGHTxWIDTH, as 512x512")
    return int(height), int(width)


def _plan(options: argparse.Namespace, store: EngineStore) -> _Plan:
    compiler: CompilerName = options.compiler
    if options.target and compiler not in FLAVOURS:
        raise ModelError(f"--target names an NVIDIA GPU, which compiler {compiler} does not build for")
    batches = tuple(sorted(set(options.batches))) if options.batches else None
    if batches and batches[0] < 1:
        raise ModelError(f"a batch of {batches[0]} frames cannot be edited")
    parts = load_parts(options.model)
    sizes = tuple(dict.fromkeys(options.sizes or _usual_sizes(parts)))
    for height, width in sizes:
        if min(height, width) < 1 or height % parts.size_multiple or width % parts.size_multiple:
            raise ModelError(f"{height}x{width} is not a multiple of {parts.size_multiple} both ways")
    try:
        program = frame_program(parts, options.steps)
    except ValueError as error:
        raise ModelError(f"{parts.name}: {error}") from error
    cpu_only = compiler in FLAVOURS or compiler in ("openvino", "onnxruntime")
    chosen = choose_compiler(
        compiler,
        program,
        choose_device("cpu" if cpu_only else "auto"),
        lambda: load_ranges(denoiser_folder(find_model(options.model))),
        store,
        precision=options.precision,
        sizes=sizes,
        batches=batches,
        target=options.target,
    )
    shapes = tuple(FrameShape(batch, *size) for size in sizes for batch in (batches or chosen.batches))
    return _Plan(program, chosen, shapes)


def _usual_sizes(parts: ModelParts) -> tuple[tuple[int, int], ...]:
    side, multiple = parts.short_side, parts.size_multiple
    return (side, side), (side, side * 4 // 3 // multiple * multiple)


def _runs_here(compiler: Compiler) -> bool:
    return not isinstance(compiler, TensorRtCompiler) or compiler.target == present_target()


def _build(plan: _Plan, runs_here: bool) -> None:
    for shape in plan.shapes:
        told = _Progress(f"{plan.compiler.name} {shape.batch} x {shape.width}x{shape.height}")
        if isinstance(plan.compiler, TensorRtCompiler) and not runs_here:
            plan.compiler.build(shape, told)
        else:
            plan.compiler.compile(shape, told)
        told.close()


class _Progress:
    """Tells on standard error how far a build is, and how long it will still take."""

    def __init__(self, what: str) -> None:
        self._what, self._began_s, self._told = what, time.monotonic(), ""
        self._live = sys.stderr.isatty()

    def __call__(self, phase: str, share: float) -> None:
        elapsed_s = time.monotonic() - self._began_s
        left = f", about {elapsed_s * (1 - share) / share:.0f} s left" if share > 0.05 else ""
        told = f"{self._what}: {phase}, {100 * share:.0f} %{left}"
        if self._live and told != self._told:
            print(f"\r\x1b[K{told}", end="", file=sys.stderr, flush=True)
        self._told = told

    def close(self) -> None:
        """End the line."""
        if self._told:
            elapsed_s = time.monotonic() - self._began_s
            start = "\r\x1b[K" if self._live else ""
            print(f"{start}{self._what}: ready after {elapsed_s:.1f} s", file=sys.stderr)


def _verify(plan: _Plan, runs_here: bool) -> list[Check]:
    if isinstance(plan.compiler, TensorRtCompiler) and not runs_here:
        print(
            f"The engines for {plan.compiler.target} cannot run on this machine and are not compared. What they were"
            " built from is, run by ONNX Runtime:"
        )
        return verify_networks(plan.compiler, plan.program, plan.shapes[0])
    name = plan.compiler.name
    return [
        check
        for shape in plan.shapes
        for check in verify_program(plan.compiler.compile(shape), plan.program, shape, name)
    ]


def _passed(checks: Sequence[Check], store: EngineStore, before: frozenset[Path]) -> bool:
    for check in checks:
        verdict = "" if check.passed else f"  above {LIMIT:g}: refused"
        print(f"{check.what:32} {check.ran_by:14} relative error {check.relative_error:.2e}{verdict}")
    if all(check.passed for check in checks):
        return True
    # Whoever starts a server on this folder would use them.
    for folder in _entries(store) - before:
        shutil.rmtree(folder, ignore_errors=True)
    return False


def _entries(store: EngineStore) -> frozenset[Path]:
    return frozenset(path.parent for path in store.folder.glob("*/manifest.json"))


def _line(folder: Path) -> str:
    stored = json.loads((folder / "manifest.json").read_text())
    size = sum(file.stat().st_size for file in folder.iterdir())
    manifest = stored["manifest"]
    return (
        f"{folder}  {manifest['precision']} {manifest['device']}  {size / 2**20:.1f} MiB"
        f"  {stored['build_s']:.1f} s"
    )


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    sys.exit(main(sys.argv[1:]))
