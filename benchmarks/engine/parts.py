"""Times encoder, prediction and decoder apart."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino as ov
import torch
from torch import Tensor

from engines.compilers.eager import EagerCompiler
from engines.compilers.interface import Compiler, FrameShape
from engines.compilers.onnx_export import export_onnx
from engines.compilers.openvino import OpenVinoCompiler
from engines.compilers.parts import Part, Partwise, part_inputs, parts_of
from engines.program import FrameProgram

_RUNS = 15


@dataclass(frozen=True)
class PartTimes:
    """p50 and p95 of each part, in milliseconds."""

    encode_ms: tuple[float, float]
    denoise_ms: tuple[float, float]
    decode_ms: tuple[float, float]


def time_parts(
    compiler: Compiler, program: FrameProgram, shape: FrameShape, device: torch.device
) -> PartTimes | None:
    """Time the parts of a frame as a compiler runs them; None where they cannot be told apart.

    OpenVINO makes one program of a whole frame, so its parts are compiled apart for this.

    Args:
        compiler: Has compiled the shape.
        program: In float32 on the CPU.
        shape: Of the frame.
        device: Where it runs.
    """
    if isinstance(compiler, OpenVinoCompiler):
        runs, dtype = _openvino_parts(compiler, program, shape), torch.float32
    elif isinstance(compiler, EagerCompiler):
        dtype = compiler.dtype
        runs = [part.module for part in parts_of(compiler.program, dtype)]
    else:
        compiled = compiler.compile(shape)
        frame = getattr(compiled, "frame", compiled)
        if not isinstance(frame, Partwise):
            return None
        runs, dtype = [frame.encoder, frame.denoiser, frame.decoder], frame.dtype
    times = [
        _percentiles(run, _inputs(part, program, shape, dtype, device), device)
        for run, part in zip(runs, parts_of(program, torch.float32), strict=True)
    ]
    return PartTimes(*times)


def _inputs(
    part: Part, program: FrameProgram, shape: FrameShape, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, ...]:
    inputs = part_inputs(part, program, shape, dtype, torch.Generator().manual_seed(0))
    return tuple(value.to(device) for value in inputs)


@torch.inference_mode()
def _percentiles(
    run: Callable[..., Tensor], inputs: tuple[Tensor, ...], device: torch.device
) -> tuple[float, float]:
    replay = _recorded(run, inputs) if device.type == "cuda" else lambda: run(*inputs)
    milliseconds = []
    for turn in range(_RUNS + 3):
        began_s = time.perf_counter()
        replay()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if turn >= 3:
            milliseconds.append(1e3 * (time.perf_counter() - began_s))
    p50, p95 = np.percentile(milliseconds, [50, 95])
    return float(p50), float(p95)


def _recorded(run: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> Callable[[], object]:
    """The part as a CUDA graph, as it runs within a frame."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            run(*inputs)
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        run(*inputs)
    return graph.replay


def _openvino_parts(
    compiler: OpenVinoCompiler, program: FrameProgram, shape: FrameShape
) -> list[Callable[..., Tensor]]:
    core = ov.Core()
    runs: list[Callable[..., Tensor]] = []
    with tempfile.TemporaryDirectory() as folder:
        for part in parts_of(program, torch.float32):
            path = Path(folder) / f"{part.name}.onnx"
            export_onnx(part, program, torch.float32, path)
            model = core.read_model(path)
            inputs = part_inputs(part, program, shape, torch.float32)
            model.reshape({name: list(value.shape) for name, value in zip(part.inputs, inputs, strict=True)})
            runs.append(_OpenVinoPart(core.compile_model(model, "CPU", compiler.settings)))
    return runs


class _OpenVinoPart:
    def __init__(self, compiled: ov.CompiledModel) -> None:
        self._request = compiled.create_infer_request()

    def __call__(self, *inputs: Tensor) -> Tensor:
        arrays = [value.contiguous().numpy() for value in inputs]
        for index, array in enumerate(arrays):
            self._request.set_input_tensor(index, ov.Tensor(array, shared_memory=True))
        self._request.infer()
        return torch.from_numpy(self._request.get_output_tensor(0).data)
