"""`afterimage compile`: make a model's engines ahead of time, and compare them with PyTorch."""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import torch

from engines.compilers.choose import ENGINE_COMPILERS, choose_compiler, home_of
from engines.compilers.eager import weights_bytes
from engines.compilers.interface import Compiler, CompilerName, FrameShape, Precision
from engines.compilers.placement import is_in, program_in
from engines.compilers.quantisation import denoiser_folder, load_ranges
from engines.compilers.store import EngineStore, default_folder
from engines.compilers.tensorrt import TensorRtCompiler, engine_target
from engines.compilers.tensorrt_library import FLAVOURS, TensorRtLibrary, present_target
from engines.compilers.verify import (
    BFLOAT16_LIMIT,
    LIMIT,
    Check,
    parts_within,
    verify_networks,
    verify_parts,
    verify_program,
)
from engines.edit_size import USUAL_CAMERAS
from engines.editor import choose_device, served_sizes
from engines.interrupts import ended_as_interrupted
from engines.model import ModelError, find_model, load_networks, load_parts
from engines.pretrained.needs import gigabytes
from engines.program import FrameProgram, frame_program

REFUSED, USAGE_ERROR, INTERRUPTED = 1, 2, 130


@dataclass(frozen=True)
class _Plan:
    model: str
    program: FrameProgram
    compiler: Compiler
    shapes: tuple[FrameShape, ...]
    steps: int | None


def main(arguments: list[str]) -> int:
    """Run the command.

    Returns:
        0 on success, 1 where an engine is too far from PyTorch, 2 where something cannot be used, 130 where it was
        interrupted.
    """
    options = _parser().parse_args(arguments)
    store, began_s = EngineStore(options.out or default_folder()), time.time()
    try:
        with ended_as_interrupted():
            _check(options, store.folder)
            plan = _plan(options, store)
            _check_disk(plan, store.folder)
            runs_here = _runs_here(plan.compiler)
            _build(plan, runs_here)
            checks = _verify(plan, runs_here, store.folder) if options.verify else []
    except ModelError as error:
        print(f"afterimage compile: {error}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        print(
            "\nafterimage compile: interrupted; the same command goes on from the last part built",
            file=sys.stderr,
        )
        return INTERRUPTED
    used = _used(store, began_s)
    if not _passed(checks):
        # Whoever starts a server on this folder would use them.
        for folder in used:
            shutil.rmtree(folder, ignore_errors=True)
        return REFUSED
    for folder in used:
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
        metavar="WxH",
        help="picture sizes (default: those a server edits 4:3 and 16:9 cameras at)",
    )
    parser.add_argument("--batches", nargs="+", type=int, metavar="N", help="frames edited in one call")
    parser.add_argument("--steps", type=int, help="sampler steps for a frame (default: the model's own)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to (default: the user's cache)")
    parser.add_argument(
        "--verify",
        action="store_true",
        help="compare with PyTorch on random inputs and refuse a relative error above"
        f" {LIMIT:g}, in bfloat16 {BFLOAT16_LIMIT:g}",
    )
    return parser


def picture_size(text: str) -> tuple[int, int]:
    """(height, width) of a command line's WIDTHxHEIGHT.

    Raises:
        argparse.ArgumentTypeError: It is something else.
    """
    width, _, height = text.partition("x")
    if not (height.isdigit() and width.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT, as 640x512")
    return int(height), int(width)


def _check(options: argparse.Namespace, folder: Path) -> None:
    """Whatever can be told before a weight is read.

    Raises:
        ModelError: The command cannot be done.
    """
    compiler: CompilerName = options.compiler
    if options.batches and min(options.batches) < 1:
        raise ModelError(f"a batch of {min(options.batches)} frames cannot be edited")
    if compiler in FLAVOURS:
        engine_target(TensorRtLibrary(FLAVOURS[compiler]), options.target)
    elif options.target:
        raise ModelError(f"--target names an NVIDIA GPU, which compiler {compiler} does not build for")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ModelError(f"{folder} cannot be written: {error.strerror}") from error


def _plan(options: argparse.Namespace, store: EngineStore) -> _Plan:
    compiler: CompilerName = options.compiler
    batches = tuple(sorted(set(options.batches))) if options.batches else None
    device = choose_device("cpu" if compiler in ("openvino", "onnxruntime") else "auto")
    home, dtype = home_of(compiler, options.precision, device)
    if compiler in ENGINE_COMPILERS:
        parts = load_networks(options.model, dtype)
    else:
        parts = load_parts(options.model, home, dtype, runs_on=device)
    sizes = tuple(dict.fromkeys(options.sizes or served_sizes(parts, USUAL_CAMERAS)))
    for height, width in sizes:
        if min(height, width) < 1 or height % parts.size_multiple or width % parts.size_multiple:
            raise ModelError(f"{width}x{height} is not a multiple of {parts.size_multiple} both ways")
    try:
        program = frame_program(parts, options.steps)
    except ValueError as error:
        raise ModelError(f"{parts.name}: {error}") from error
    chosen = choose_compiler(
        compiler,
        program,
        device,
        lambda: load_ranges(denoiser_folder(find_model(options.model))),
        store,
        precision=options.precision,
        sizes=sizes,
        batches=batches,
        target=options.target,
    )
    shapes = tuple(FrameShape(batch, *size) for size in sizes for batch in (batches or chosen.batches))
    return _Plan(options.model, program, chosen, shapes, options.steps)


def _check_disk(plan: _Plan, folder: Path) -> None:
    """An engine is as large as the weights, and so is the network it is built from, meanwhile.

    Raises:
        ModelError: The disk is too full.
    """
    needed, free = 2 * weights_bytes(plan.program), shutil.disk_usage(folder).free
    if needed > free:
        raise ModelError(
            f"engines take about {gigabytes(needed)} on the disk, {gigabytes(free)} are free in {folder}"
        )


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


def _verify(plan: _Plan, runs_here: bool, scratch: Path) -> list[Check]:
    compiler = plan.compiler
    if isinstance(compiler, TensorRtCompiler) and not runs_here:
        print(
            f"The engines for {compiler.target} cannot run on this machine and are not compared. What they were"
            " built from is, run by ONNX Runtime:"
        )
        return verify_networks(compiler, _reference(plan), plan.shapes[0], scratch)
    reference, checks = _reference(plan), list[Check]()
    for shape in plan.shapes:
        compiled = compiler.compile(shape)
        frame = parts_within(compiled)
        if frame is None:
            checks += verify_program(compiled, reference, shape, compiler.name)
        else:
            if frame.device.type != "cpu":
                reference = program_in(reference, torch.float32, frame.device)
            checks += verify_parts(frame, reference, shape, compiler.name)
    return checks


def _reference(plan: _Plan) -> FrameProgram:
    """The model in float32: its stored weights, not those that were rounded for engines."""
    if is_in(plan.program, torch.device("cpu"), torch.float32):
        return plan.program
    return frame_program(load_networks(plan.model, torch.float32), plan.steps).eval()


def _passed(checks: Sequence[Check]) -> bool:
    for check in checks:
        verdict = "" if check.passed else f"  above {check.limit:g}: refused"
        print(f"{check.what:32} {check.ran_by:14} relative error {check.relative_error:.2e}{verdict}")
    return all(check.passed for check in checks)


def _used(store: EngineStore, since_s: float) -> list[Path]:
    """Engines made or found since, which the store dates anew."""
    folders = (path.parent for path in store.folder.glob("*/manifest.json"))
    # File systems keep time more coarsely than the clock.
    return sorted(folder for folder in folders if folder.stat().st_mtime >= since_s - 0.1)


def _line(folder: Path) -> str:
    stored = json.loads((folder / "manifest.json").read_text())
    size = sum(file.stat().st_size for file in folder.iterdir())
    manifest = stored["manifest"]
    built_for = manifest["device"] if manifest["device"].startswith("sm") else "this machine"
    return f"{folder}  {manifest['precision']} for {built_for}, {gigabytes(size)}, built in {stored['build_s']:.1f} s"


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    sys.exit(main(sys.argv[1:]))
