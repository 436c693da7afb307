"""Times encoder, prediction and decoder apart."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engines.compilers.cuda_graph import GraphedProgram
from engines.compilers.eager import EagerCompiler
from engines.compilers.interface import CompiledProgram, Compiler, FrameShape
from engines.compilers.onnx_export import export_onnx
from engines.compilers.parts import Part, Partwise, part_inputs, parts_of, program_inputs
from engines.program import FrameProgram

_RUNS = 15


@dataclass(frozen=True)
class PartTimes:
    """p50 and p95 of each part, in milliseconds."""

    encode_ms: tuple[float, float]
    denoise_ms: tuple[float, float]
    decode_ms: tuple[float, float]


def time_parts(
    compiler: Compiler,
    compiled: CompiledProgram | None,
    program: FrameProgram,
    shape: FrameShape,
    device: torch.device,
) -> PartTimes | None:
    """Time the parts of a frame as a compiler runs them; None where they cannot be told apart.

    OpenVINO makes one program of a whole frame, so its parts are compiled apart for this.

    Args:
        compiler: Has compiled the shape.
        compiled: What it made.
        program: What it was made of.
        shape: Of the frame.
        device: Where it runs.
    """
    parts = parts_of(program, torch.float32)
    if compiler.name == "openvino":
        runs = _openvino_parts(compiler, program, shape)
        inputs = [_inputs(part, program, shape, torch.float32, device) for part in parts]
    elif isinstance(compiler, EagerCompiler):
        runs = [part.module for part in parts_of(compiler.program, compiler.dtype)]
        inputs = [_inputs(part, program, shape, compiler.dtype, device) for part in parts]
    else:
        frame = getattr(compiled, "frame", compiled)
        if not isinstance(frame, Partwise):
            return None
        runs = [frame.encoder, frame.denoiser, frame.decoder]
        inputs = _inputs_within(frame, program, shape, device)
    calls: list[Callable[[], object]] = [
        partial(run, *given) for run, given in zip(runs, inputs, strict=True)
    ]
    if isinstance(compiled, GraphedProgram):
        # Launched kernel by kernel, a part would take longer than the whole recorded frame.
        calls = [_recorded(call) for call in calls]
    return PartTimes(*(_percentiles(call, device) for call in calls))


def _inputs(
    part: Part, program: FrameProgram, shape: FrameShape, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, ...]:
    inputs = part_inputs(part, program, shape, dtype, torch.Generator().manual_seed(0))
    return tuple(value.to(device) for value in inputs)


def _inputs_within(
    frame: Partwise, program: FrameProgram, shape: FrameShape, device: torch.device
) -> list[tuple[Tensor, ...]]:
    pictures, *others = program_inputs(program, shape, torch.Generator().manual_seed(0))
    seen = frame.inputs_within(pictures.to(device), *(value.to(device, frame.dtype) for value in others))
    return [seen[part.name] for part in parts_of(program, torch.float32)]


@torch.inference_mode()
def _percentiles(call: Callable[[], object], device: torch.device) -> tuple[float, float]:
    milliseconds = []
    for turn in range(_RUNS + 3):
        began_s = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if turn >= 3:
            milliseconds.append(1e3 * (time.perf_counter() - began_s))
    p50, p95 = np.percentile(milliseconds, [50, 95])
    return float(p50), float(p95)


@torch.inference_mode()
def _recorded(call: Callable[[], object]) -> Callable[[], object]:
    """A part as a CUDA graph; what the call takes has to outlive it."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        call()
    return graph.replay


def _openvino_parts(
    compiler: Compiler, program: FrameProgram, shape: FrameShape
) -> list[Callable[..., Tensor]]:
    # Imported here: a machine with a GPU need not have it.
    import openvino as ov

    from engines.compilers.openvino import OpenVinoCompiler

    assert isinstance(compiler, OpenVinoCompiler)
    core = ov.Core()
    runs: list[Callable[..., Tensor]] = []
    with tempfile.TemporaryDirectory() as folder:
        for part in parts_of(program, torch.float32):
            path = Path(folder) / f"{part.name}.onnx"
            export_onnx(part, program, torch.float32, path)
            model = core.read_model(path)
            inputs = part_inputs(part, program, shape, torch.float32)
            model.reshape({name: list(value.shape) for name, value in zip(part.inputs, inputs, strict=True)})
            request = core.compile_model(model, "CPU", compiler.settings).create_infer_request()

            def run(*inputs: Tensor, request: ov.InferRequest = request) -> Tensor:
                arrays = [value.contiguous().numpy() for value in inputs]
                for index, array in enumerate(arrays):
                    request.set_input_tensor(index, ov.Tensor(array, shared_memory=True))
                request.infer()
                return torch.from_numpy(request.get_output_tensor(0).data)

            runs.append(run)
    return runs
