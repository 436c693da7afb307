"""OpenVINO: the whole frame program as one graph for the CPU, in eight bits and bfloat16 where the CPU has them.

Beside it its shortcuts, a small graph each, for the instructions that need no more.
"""

import math
import threading
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray
from openvino import opset13 as ops
from torch import Tensor

from engines.compilers.cpu import cpu_identity
from engines.compilers.held import Held
from engines.compilers.interface import (
    CompiledProgram,
    CompilerName,
    Footprint,
    FrameShape,
    Precision,
    Report,
    unreported,
)
from engines.compilers.manifest import EngineManifest, program_digest, program_manifest
from engines.compilers.parts import program_inputs
from engines.compilers.quantisation import ActivationRanges
from engines.compilers.store import EngineStore
from engines.model import ModelError
from engines.program import FrameProgram

_WHOLE = "program"


class OpenVinoCompiler:
    """Compiles for one shape at a time; what it compiled is kept for the next start.

    Args:
        program: In float32 on the CPU.
        precision: "float32", "bfloat16", or "int8", where convolutions that have a range are rounded.
        rest: What "int8" computes everything else in.
        ranges: Measured input ranges, for "int8".
        store: Where compiled programs are kept.

    Raises:
        ModelError: Eight bits were asked for without ranges.
    """

    name: CompilerName = "openvino"
    batches: tuple[int, ...] = (1,)
    patience_s = 60.0

    def __init__(
        self,
        program: FrameProgram,
        precision: Precision,
        store: EngineStore,
        *,
        rest: Precision = "float32",
        ranges: ActivationRanges | None = None,
    ) -> None:
        if precision == "int8" and ranges is None:
            raise ModelError(
                "the model was never calibrated for int8: run python -m engines.compilers.calibrate"
            )
        self.precision: Precision = precision
        self._program, self._store = program, store
        self._ranges: ActivationRanges = ranges or {} if precision == "int8" else {}
        self.settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
            "INFERENCE_PRECISION_HINT": _HINTS[rest if precision == "int8" else precision],
            # Pinned threads wait for whoever shares their core; the codecs always do.
            "ENABLE_CPU_PINNING": "NO",
        }
        self._core = ov.Core()
        self._digest = program_digest(program)
        self._graph_lock = threading.Lock()
        self._graphs: dict[str, ov.Model] = {}
        self._held = Held()

    def compile(self, shape: FrameShape, report: Report = unreported) -> CompiledProgram:
        """Compile for one shape, or read what an earlier start compiled.

        Raises:
            ModelError: OpenVINO cannot; it says why.
        """
        try:
            folder = self._store.obtain(
                self.manifest(shape), lambda folder: self._build(shape, folder, report)
            )
            blobs = {blob.stem: blob.read_bytes() for blob in sorted(folder.glob("*.blob"))}
            runners = {
                name: _Runner(self._core.import_model(blob, "CPU", self.settings))
                for name, blob in blobs.items()
            }
        except RuntimeError as error:
            if isinstance(error, ModelError):
                raise
            # It begins with where in its sources that was found.
            *_, reason = filter(None, map(str.strip, str(error).splitlines()))
            raise ModelError(f"OpenVINO cannot compile the program: {reason}") from error
        program = _Shortest(runners, self._program.shortcut)
        self._held.by(program, sum(map(len, blobs.values())))
        return program

    def manifest(self, shape: FrameShape) -> EngineManifest:
        """What the program of a shape depends on."""
        told = repr((sorted(self.settings.items()), sorted(self._ranges.items())))
        return program_manifest(
            self, self._digest, shape, f"openvino {ov.get_version()}", cpu_identity(), told
        )

    def expected_s(self, shape: FrameShape) -> float | None:
        """As long as the last program took."""
        return self._store.expected_s(self.manifest(shape))

    def footprint(self) -> Footprint:
        """The compiled programs; each holds its own copy of the weights it needs."""
        return Footprint(engine_bytes=self._held.bytes)

    def _build(self, shape: FrameShape, folder: Path, report: Report) -> None:
        report("reading the program", 0.0)
        graphs = self._reshaped(shape)
        report("compiling", 0.5)
        for name, graph in graphs.items():
            compiled = self._core.compile_model(graph, "CPU", self.settings)
            (folder / f"{name}.blob").write_bytes(compiled.export_model().getvalue())

    def _reshaped(self, shape: FrameShape) -> dict[str, ov.Model]:
        """The graphs for one shape."""
        with self._graph_lock:
            if not self._graphs:
                self._graphs = self._traced()
            graphs = {name: graph.clone() for name, graph in self._graphs.items()}
        for graph in graphs.values():
            self._reshape(graph, shape)
        return graphs

    def _traced(self) -> dict[str, ov.Model]:
        whole = trace(self._program)
        quantise(whole, self._ranges)
        graphs = {_WHOLE: whole}
        for name, program in self._program.shortcuts().items():
            graphs[name] = trace(program)
            own = {_convolution_name(node.get_friendly_name()) for node in _convolutions(graphs[name])}
            quantise(graphs[name], {each: self._ranges[each] for each in own & set(self._ranges)})
        return graphs

    def _reshape(self, graph: ov.Model, shape: FrameShape) -> None:
        codec = self._program.codec
        latent = [
            shape.batch,
            codec.channels,
            shape.height // codec.downscale,
            shape.width // codec.downscale,
        ]
        pictures, memory, noise, code, strength = graph.inputs
        graph.reshape(
            {
                pictures: [shape.batch, shape.height, shape.width, 3],
                memory: latent,
                noise: latent,
                code: [shape.batch, self._program.code_length],
                strength: [shape.batch],
            }
        )


_HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}


def trace(program: FrameProgram) -> ov.Model:
    """The program as a graph of any batch and size, with branches where its network can branch."""
    # Large enough for a UNet of four levels behind a codec of eight.
    example = program_inputs(program, FrameShape(1, 64, 64))
    with warnings.catch_warnings(), torch.no_grad():
        # Checks of shapes are traced away, as they should be; tracing itself is announced as old.
        warnings.simplefilter("ignore")
        # Left to OpenVINO, the trace is checked three times over: 3 s of processor time instead of 1.
        traced = torch.jit.trace(program.branching(), example, check_trace=False)  # type: ignore[no-untyped-call]
        graph: ov.Model = ov.convert_model(traced, example_input=example)
    return graph


def quantise(graph: ov.Model, ranges: ActivationRanges) -> None:
    """Round the convolutions that have a range to eight bits, in place.

    Raises:
        ModelError: A range belongs to no convolution of the graph.
    """
    missing = dict(ranges)
    for node in _convolutions(graph):
        name = _convolution_name(node.get_friendly_name())
        activation = missing.pop(name, None)
        if activation is None:
            continue
        limits = [ops.constant(np.float32(limit)) for limit in _grid(activation.low, activation.high)]
        source = ops.fake_quantize(node.input_value(0), *limits, *limits, 256)
        weights = _constant(node.input_value(1))
        largest = np.abs(weights).max((1, 2, 3), keepdims=True) + np.float32(1e-12)
        limits = [ops.constant(-largest), ops.constant(largest)]
        filters = ops.fake_quantize(ops.constant(weights), *limits, *limits, 255)
        node.input(0).replace_source_output(source.output(0))
        node.input(1).replace_source_output(filters.output(0))
    if missing:
        raise ModelError(f"ranges without a convolution: {', '.join(sorted(missing))}")
    graph.validate_nodes_and_infer_types()


def _convolutions(graph: ov.Model) -> list[ov.Node]:
    """All of a graph's, those in its branches included."""
    found: list[ov.Node] = []
    for node in graph.get_ordered_ops():
        if node.get_type_name() == "Convolution":
            found.append(node)
        elif node.get_type_name() == "If":
            found += [each for branch in range(2) for each in _convolutions(node.get_function(branch))]
    return found


def _convolution_name(traced: str) -> str:
    """``__module.predict.denoiser.down0.0.first/aten::_convolution/Convolution`` is ``down0.0.first``.

    A branch is traced by itself, with the denoiser at another place in the name.
    """
    return traced.split("/")[0].rsplit("denoiser.", 1)[-1]


def _constant(weights: ov.Output) -> NDArray[np.float32]:
    node = weights.get_node()
    while node.get_type_name() != "Constant":
        node = node.input_value(0).get_node()
    return np.array(node.get_data(), np.float32)


def _grid(low: float, high: float) -> tuple[float, float]:
    """A range of 256 levels that holds [low, high] and has a level at 0, which padding needs.

    Symmetric where both signs matter; behind a SiLU, which never goes below -0.28, most levels go to the positive.
    """
    if -low > 0.3 * high:
        reach = max(-low, high, 1e-6)
        return -reach * 128 / 127, reach
    step = max(high - low, 1e-6) / 254
    zero = math.ceil(-low / step)
    return -zero * step, (255 - zero) * step


class _Shortest:
    """A program with its shortcuts, of which each frame runs the shortest that edits it alike."""

    def __init__(
        self, runners: Mapping[str, CompiledProgram], shortcut: Callable[[Tensor], str | None]
    ) -> None:
        self._runners, self._shortcut = runners, shortcut

    def __call__(
        self, pictures: Tensor, memory: Tensor, noise: Tensor, code: Tensor, strength: Tensor
    ) -> tuple[Tensor, Tensor]:
        runner = self._runners[self._shortcut(code) or _WHOLE]
        return runner(pictures, memory, noise, code, strength)


class _Runner:
    """One compiled program with its buffers."""

    def __init__(self, compiled: ov.CompiledModel) -> None:
        self._request = compiled.create_infer_request()

    def __call__(
        self, pictures: Tensor, memory: Tensor, noise: Tensor, code: Tensor, strength: Tensor
    ) -> tuple[Tensor, Tensor]:
        inputs = (pictures, *(value.to("cpu", torch.float32) for value in (memory, noise, code, strength)))
        # Kept until the request has run: OpenVINO reads the tensors' own memory.
        arrays = [value.contiguous().numpy() for value in inputs]
        for index, array in enumerate(arrays):
            self._request.set_input_tensor(index, ov.Tensor(array, shared_memory=True))
        self._request.infer()
        edited, latent = (
            torch.from_numpy(self._request.get_output_tensor(index).data.copy()) for index in range(2)
        )
        return edited, latent
