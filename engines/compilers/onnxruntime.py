"""ONNX Runtime on the CPU: runs anywhere, and verifies the networks of engines whose device is elsewhere."""

from collections.abc import Callable
from pathlib import Path

import onnxruntime as ort
import torch
from torch import Tensor

from engines.compilers.cpu import cpu_identity
from engines.compilers.interface import (
    CompiledProgram,
    CompilerName,
    Footprint,
    FrameShape,
    Precision,
    Report,
    unreported,
)
from engines.compilers.manifest import EngineManifest
from engines.compilers.onnx_export import export_onnx
from engines.compilers.parts import Part, Partwise, part_digest, parts_of
from engines.compilers.placement import program_in
from engines.compilers.store import EngineStore, total_s
from engines.model import ModelError
from engines.program import FrameProgram

_MODEL, _WEIGHTS = "model.onnx", "model.weights"


class OnnxRuntimeCompiler:
    """One session for each part, in float32, for every shape.

    Args:
        program: In float32 on the CPU.
        store: Where optimised models are kept.
    """

    name: CompilerName = "onnxruntime"
    precision: Precision = "float32"
    batches: tuple[int, ...] = (1,)
    patience_s = 60.0

    def __init__(self, program: FrameProgram, store: EngineStore) -> None:
        self._program, self._store = program_in(program, torch.float32), store
        self._parts = parts_of(self._program, torch.float32)
        self._compiled: CompiledProgram | None = None
        self._engine_bytes = 0

    def compile(self, shape: FrameShape, report: Report = unreported) -> CompiledProgram:
        """Export and optimise once; the result runs every shape.

        Raises:
            ModelError: A part cannot be exported or loaded.
        """
        if self._compiled is None:
            done, runs = 0.0, []
            for part in self._parts:
                report(f"building the {part.name}", done)
                runs.append(self._part(part))
                done += part.share
            self._compiled = Partwise(self._program, torch.float32, torch.device("cpu"), *runs)
        return self._compiled

    def manifest(self, part: Part) -> EngineManifest:
        """What a part's optimised model depends on; it has no shape."""
        return EngineManifest(
            model_sha256=part_digest(part, self._program),
            part=part.name,
            compiler=self.name,
            precision=self.precision,
            shapes=(),
            library=f"onnxruntime {ort.__version__}",
            device=cpu_identity(),
        )

    def expected_s(self, shape: FrameShape) -> float | None:
        """As long as the last three parts took."""
        return total_s(self._store.expected_s(self.manifest(part)) for part in self._parts)

    def footprint(self) -> Footprint:
        """The optimised models, weights among them."""
        return Footprint(engine_bytes=self._engine_bytes)

    def _part(self, part: Part) -> Callable[..., Tensor]:
        def build(folder: Path) -> None:
            exported = folder / "exported"
            exported.mkdir()
            export_onnx(part, self._program, torch.float32, exported / _MODEL)
            optimise(exported / _MODEL, folder / _MODEL)
            for file in exported.iterdir():
                file.unlink()
            exported.rmdir()

        folder = self._store.obtain(self.manifest(part), build)
        self._engine_bytes += sum(file.stat().st_size for file in folder.glob("model.*"))
        return OnnxPart(folder / _MODEL, part)


def optimise(source: Path, target: Path) -> None:
    """Write a model as ONNX Runtime would run it here, its weights in a file beside it.

    Raises:
        ModelError: ONNX Runtime cannot read it.
    """
    options = _options()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.optimized_model_filepath = str(target)
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", _WEIGHTS)
    _session(source, options)


class OnnxPart:
    """One part, run by ONNX Runtime.

    Args:
        path: Of its model.
        part: Whose inputs it takes, in that order.

    Raises:
        ModelError: ONNX Runtime cannot load it.
    """

    def __init__(self, path: Path, part: Part) -> None:
        options = _options()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        self._session, self._inputs = _session(path, options), part.inputs

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Run it on tensors of the part's own types."""
        arrays = {name: value.contiguous().numpy() for name, value in zip(self._inputs, inputs, strict=True)}
        (output,) = self._session.run(None, arrays)
        return torch.from_numpy(output)


def _options() -> ort.SessionOptions:
    options = ort.SessionOptions()
    # It warns of each constant it folds; what matters raises.
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    # Rounding is computed as it is written: its own kernels for rounded layers do not know every eight-bit type.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    # Threads that spin between two frames take the codecs' time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _session(path: Path, options: ort.SessionOptions) -> ort.InferenceSession:
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # Its exceptions share no base but Exception.
        raise ModelError(f"ONNX Runtime cannot load {path.name}: {str(error).splitlines()[0]}") from error
