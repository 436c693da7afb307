"""Which compiler runs a program on a device."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Literal, cast, get_args

import torch

from engines.compilers.cpu import cpu_flags, has_bfloat16, has_int8
from engines.compilers.eager import EagerCompiler
from engines.compilers.interface import ENGINE_DTYPES, Compiler, CompilerName, Precision
from engines.compilers.quantisation import ActivationRanges, without_linear
from engines.compilers.store import EngineStore
from engines.install import install_extra, install_package
from engines.model import ModelError
from engines.program import FrameProgram

Ranges = Callable[[], ActivationRanges | None]

ENGINE_COMPILERS: tuple[CompilerName, ...] = ("tensorrt", "torch-tensorrt", "tensorrt-rtx")
"""Those that build engines for an NVIDIA GPU, from weights in main memory."""


def choose_compiler(
    name: CompilerName | Literal["auto"],
    program: FrameProgram,
    device: torch.device,
    ranges: Ranges,
    store: EngineStore,
    *,
    precision: Precision | Literal["auto"] = "auto",
    sizes: tuple[tuple[int, int], ...] = (),
    batches: tuple[int, ...] | None = None,
    target: str | None = None,
) -> Compiler:
    """The compiler of a setting.

    Each computes in the fastest precision of the device that keeps the picture, unless told otherwise.

    Args:
        name: A compiler's name, or "auto" for :func:`usual_compiler`.
        program: With its weights as :func:`home_of` says.
        device: Where it is to run.
        ranges: Reads the model's activation ranges, for eight bits; None where it was never calibrated.
        store: Where compiled engines are kept.
        precision: What to compute in; "auto" is the compiler's usual one for the device.
        sizes: Picture sizes, (height, width), whose TensorRT engines are made together.
        batches: Batch sizes of TensorRT engines, rising; all of them where it is None.
        target: Compute capability of the GPU to build for, as "sm89"; the present one where it is None.

    Raises:
        ModelError: There is no such compiler, or not for this device, precision or installation.
    """
    if name == "auto":
        name = usual_compiler(device)
    if name not in get_args(CompilerName):
        raise ModelError(f"no compiler {name!r}: auto, {', '.join(get_args(CompilerName))}")
    if name == "eager":
        if precision == "auto":
            return eager_compiler(program, device)
        return EagerCompiler(program, device, _floating(name, precision))
    if name == "inductor":
        dtype = _native_dtype(device) if precision == "auto" else _floating(name, precision)
        if device.type == "cpu":
            from engines.compilers.aot_inductor import AotInductorCompiler

            return AotInductorCompiler(program, dtype, store)
        from engines.compilers.inductor import InductorCompiler

        return InductorCompiler(program, device, dtype, store)
    if name == "openvino":
        _need_cpu(name, device)
        _need_package("openvino", install_package("openvino"))
        return _openvino_compiler(program, ranges, store, precision)
    if name == "onnxruntime":
        _need_cpu(name, device)
        _need_package("onnxruntime", install_extra("backbones"))
        _need_package("onnx", install_extra("backbones"))
        if precision not in ("auto", "float32"):
            raise ModelError(f"compiler onnxruntime computes in float32, not in {precision}")
        from engines.compilers.onnxruntime import OnnxRuntimeCompiler

        return OnnxRuntimeCompiler(program, store)
    # Imported here, as above: each of them takes a while, which the others need not wait for.
    from engines.compilers.tensorrt import BATCHES, TensorRtCompiler
    from engines.compilers.tensorrt_library import FLAVOURS

    if FLAVOURS[name].front_end is None:
        _need_package("onnx", install_extra("backbones"))
    chosen: Precision = "float16" if precision == "auto" else precision
    measured = ranges() if chosen in ("int8", "fp8") else None
    return TensorRtCompiler(
        program,
        FLAVOURS[name],
        chosen,
        store,
        sizes=sizes,
        batches=batches or BATCHES,
        target=target,
        ranges=measured,
    )


def home_of(
    name: CompilerName, precision: Precision | Literal["auto"], device: torch.device
) -> tuple[torch.device, torch.dtype]:
    """Where, and in what type, the weights of a large model are loaded for a compiler.

    Engines hold the weights themselves and are made of those in main memory, in the type that they compute in: in
    float32 they would take twice the room, and the copy to make engines of would lie beside them.

    Args:
        name: Of the compiler.
        precision: It is told to compute in.
        device: Where it is to run.
    """
    if name in ENGINE_COMPILERS:
        return torch.device("cpu"), ENGINE_DTYPES["float16" if precision == "auto" else precision]
    if device.type == "cpu":
        return device, torch.float32
    return device, _native_dtype(device) if precision == "auto" else ENGINE_DTYPES[precision]


def usual_compiler(device: torch.device) -> CompilerName:
    """The compiler of a device where none is asked for.

    OpenVINO on a CPU (measured; docs/decisions.md). On a GPU the first that can be had there: TensorRT for its kind,
    PyTorch's own compiler, PyTorch as it is. Whichever it is, frames are edited by PyTorch until it is built.
    """
    if device.type == "cpu":
        return "openvino"
    # Imported here: the CPU's way need not wait for it.
    from engines.compilers.inductor import missing_toolchain
    from engines.compilers.tensorrt_library import (
        TENSORRT,
        TENSORRT_RTX,
        TensorRtLibrary,
        missing,
        present_target,
    )

    if find_spec("onnx") is not None:
        if missing(TENSORRT_RTX) is None and present_target() in TensorRtLibrary(TENSORRT_RTX).targets():
            return "tensorrt-rtx"
        if missing(TENSORRT) is None:
            return "tensorrt"
    return "eager" if missing_toolchain(device) else "inductor"


def eager_compiler(program: FrameProgram, device: torch.device, *, stands_in: bool = False) -> EagerCompiler:
    """PyTorch in float16 on a GPU; on a CPU in bfloat16 where it multiplies that, else in float32."""
    return EagerCompiler(program, device, _native_dtype(device), stands_in=stands_in)


def _native_dtype(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        # As engines of TensorRT, so that the picture does not change when one takes over. bfloat16 rounds eight times
        # as coarsely, which at the first level of a schedule of noise predictions becomes grain.
        return torch.float16
    return torch.bfloat16 if has_bfloat16(cpu_flags()) else torch.float32


def _floating(name: CompilerName, precision: Precision) -> torch.dtype:
    if precision in ("int8", "fp8"):
        raise ModelError(f"compiler {name} does not round to {precision}")
    return cast(torch.dtype, getattr(torch, precision))


def _need_cpu(name: CompilerName, device: torch.device) -> None:
    if device.type != "cpu":
        raise ModelError(f"compiler {name} runs on the CPU, not on {device.type}")


def _need_package(name: str, install: str) -> None:
    if find_spec(name) is None:
        raise ModelError(f"the package {name} is not installed, which this compiler needs: {install}")


def _openvino_compiler(
    program: FrameProgram, ranges: Ranges, store: EngineStore, precision: Precision | Literal["auto"]
) -> Compiler:
    from engines.compilers.openvino import OpenVinoCompiler

    flags = cpu_flags()
    rest: Precision = "bfloat16" if has_bfloat16(flags) else "float32"
    if precision == "fp8":
        raise ModelError("compiler openvino does not round to fp8")
    if precision == "float32" or precision == "bfloat16" or precision == "float16":
        return OpenVinoCompiler(program, precision, store)
    every = ranges() if precision == "int8" or has_int8(flags) else None
    # A large model's linear layers have ranges too, for TensorRT.
    measured = None if every is None else without_linear(every, program) or None
    if measured is None and precision == "auto":
        return OpenVinoCompiler(program, rest, store)
    return OpenVinoCompiler(program, "int8", store, rest=rest, ranges=measured)
