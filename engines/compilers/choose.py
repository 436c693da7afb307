"""Which compiler runs a program on a device."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Literal, get_args

import torch

from engines.compilers.blobs import BlobCache, default_folder
from engines.compilers.cpu import cpu_flags, has_bfloat16, has_int8
from engines.compilers.eager import EagerCompiler
from engines.compilers.interface import Compiler, CompilerName, Precision
from engines.compilers.quantisation import ActivationRanges
from engines.model import ModelError
from engines.program import FrameProgram


def choose_compiler(
    name: CompilerName | Literal["auto"],
    program: FrameProgram,
    device: torch.device,
    ranges: Callable[[], ActivationRanges | None],
) -> Compiler:
    """The compiler of a setting, in the fastest precision of the device that keeps the picture.

    "auto" is OpenVINO on a CPU and PyTorch on a GPU (measured; docs/decisions.md).

    Args:
        name: A compiler's name or "auto".
        program: In float32 on the CPU.
        device: Where it is to run.
        ranges: Reads the model's activation ranges, for eight bits; None where it was never calibrated.

    Raises:
        ModelError: There is no such compiler, or not for this device or installation.
    """
    if name == "auto":
        name = "openvino" if device.type == "cpu" else "eager"
    if name == "eager":
        return eager_compiler(program, device)
    if name == "openvino":
        return _openvino_compiler(program, device, ranges)
    raise ModelError(f"no compiler {name!r}: auto, {' or '.join(get_args(CompilerName))}")


def eager_compiler(program: FrameProgram, device: torch.device) -> EagerCompiler:
    """PyTorch in bfloat16 where the device multiplies it, else in float32."""
    native = device.type == "cuda" or has_bfloat16(cpu_flags())
    return EagerCompiler(program, device, torch.bfloat16 if native else torch.float32)


def _openvino_compiler(
    program: FrameProgram, device: torch.device, ranges: Callable[[], ActivationRanges | None]
) -> Compiler:
    if device.type != "cpu":
        raise ModelError(f"compiler openvino runs on the CPU, not on {device.type}")
    if find_spec("openvino") is None:
        raise ModelError("compiler openvino was asked for, but the package openvino is not installed")
    # Imported here: it takes a third of a second, which the other compilers need not wait for.
    from engines.compilers.openvino import OpenVinoCompiler

    flags = cpu_flags()
    rest: Precision = "bfloat16" if has_bfloat16(flags) else "float32"
    measured = ranges() if has_int8(flags) else None
    cache = BlobCache(default_folder())
    if measured is None:
        return OpenVinoCompiler(program, rest, cache)
    return OpenVinoCompiler(program, "int8", cache, rest=rest, ranges=measured)
