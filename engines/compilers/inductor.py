"""PyTorch's own compiler: fused kernels for a GPU or a CPU, recorded as a CUDA graph on a GPU."""

import shutil
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import torch

from engines.compilers.cpu import cpu_identity
from engines.compilers.cuda_graph import GraphedProgram
from engines.compilers.eager import placed, weights_bytes
from engines.compilers.interface import (
    CompiledProgram,
    CompilerName,
    Footprint,
    FrameShape,
    Precision,
    Report,
    unreported,
)
from engines.compilers.manifest import EngineManifest, program_digest
from engines.compilers.parts import Partwise, parts_of, program_inputs
from engines.compilers.store import EngineStore
from engines.model import ModelError
from engines.program import FrameProgram

_ARTIFACTS = "inductor.artifacts"


class InductorCompiler:
    """Compiles the parts of a frame for one shape at a time; their kernels are kept for the next start.

    Args:
        program: In float32 on the CPU.
        device: Where it is to run.
        dtype: What it computes in.
        store: Where compiled kernels are kept.

    Raises:
        ModelError: There is no C++ compiler, which kernels for a CPU need.
    """

    name: CompilerName = "inductor"
    patience_s = 0.5

    def __init__(
        self, program: FrameProgram, device: torch.device, dtype: torch.dtype, store: EngineStore
    ) -> None:
        lacking = missing_toolchain(device)
        if lacking is not None:
            raise ModelError(f"compiler inductor needs {lacking}")
        self.precision = cast(Precision, str(dtype).removeprefix("torch."))
        self.batches: tuple[int, ...] = (1,) if device.type == "cpu" else (1, 2, 4, 8, 16)
        self._device, self._dtype, self._store = device, dtype, store
        self._program = placed(program, device, dtype)
        self._digest = program_digest(self._program)
        self._workspace_bytes = self._artifact_bytes = 0

    def compile(self, shape: FrameShape, report: Report = unreported) -> CompiledProgram:
        """Compile for one shape, or take the kernels an earlier start compiled.

        Raises:
            ModelError: PyTorch cannot; its first line says why.
        """
        compiled: list[CompiledProgram] = []

        def build(folder: Path) -> None:
            compiled.append(self._compile(shape, report))
            saved = torch.compiler.save_cache_artifacts()
            (folder / _ARTIFACTS).write_bytes(b"" if saved is None else saved[0])

        folder = self._store.obtain(self.manifest(shape), build)
        artifacts = (folder / _ARTIFACTS).read_bytes()
        self._artifact_bytes += len(artifacts)
        if not compiled:
            if artifacts:
                torch.compiler.load_cache_artifacts(artifacts)
            compiled.append(self._compile(shape, report))
        return compiled[0]

    def manifest(self, shape: FrameShape) -> EngineManifest:
        """What the kernels of a shape depend on."""
        gpu = self._device.type == "cuda"
        return EngineManifest(
            model_sha256=self._digest,
            part="program",
            compiler=self.name,
            precision=self.precision,
            shapes=(shape,),
            library=f"torch {torch.__version__}",
            device=torch.cuda.get_device_name() if gpu else cpu_identity(),
            settings=f"threads {torch.get_num_threads()}",
        )

    def expected_s(self, shape: FrameShape) -> float | None:
        """As long as the last program took."""
        return self._store.expected_s(self.manifest(shape))

    def footprint(self) -> Footprint:
        """Its copy of the weights, its kernels, and what the recorded frames hold."""
        return Footprint(weights_bytes(self._program), self._artifact_bytes, self._workspace_bytes)

    def _compile(self, shape: FrameShape, report: Report) -> CompiledProgram:
        gpu = self._device.type == "cuda"
        # Recorded as a whole frame below; inductor's own recordings belong to one thread and one part.
        mode = "max-autotune-no-cudagraphs" if gpu else "default"
        runs = [
            torch.compile(part.module, mode=mode, dynamic=False, fullgraph=True)
            for part in parts_of(self._program, self._dtype)
        ]
        frame = Partwise(self._program, self._dtype, self._device, *runs)
        pictures, *others = program_inputs(self._program, shape)
        example = (pictures.to(self._device), *(value.to(self._device, self._dtype) for value in others))
        try:
            report("compiling", 0.0)
            with warnings.catch_warnings():
                # PyTorch tells of its own deprecations while it compiles.
                warnings.simplefilter("ignore")
                frame(*example)
            if not gpu:
                return frame
            report("recording", 0.9)
            graphed = GraphedProgram(frame, example)
        except RuntimeError as error:
            if isinstance(error, ModelError):
                raise
            raise ModelError(f"inductor cannot compile the program: {str(error).splitlines()[0]}") from error
        self._workspace_bytes += graphed.workspace_bytes
        return graphed


def missing_toolchain(device: torch.device) -> str | None:
    """What inductor needs on a device and does not find, None where it has all."""
    if device.type == "cpu":
        return None if any(shutil.which(name) for name in ("g++", "clang++", "c++")) else "a C++ compiler"
    return None if find_spec("triton") else "the package triton"
