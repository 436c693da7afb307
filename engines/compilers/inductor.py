"""PyTorch's own compiler: fused kernels for an NVIDIA GPU by Triton, recorded as a CUDA graph.

Kernels for a CPU are C++ and are made by :mod:`engines.compilers.aot_inductor`.
"""

import errno
import os
import shutil
import sysconfig
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import torch

from engines.compilers.cuda_graph import GraphedProgram
from engines.compilers.eager import placed, weights_bytes
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
from engines.compilers.parts import Partwise, parts_of, program_inputs
from engines.compilers.store import EngineStore
from engines.model import ModelError
from engines.program import FrameProgram

_ARTIFACTS = "inductor.artifacts"
_MOST_SHAPES = 1024
"""torch.compile stops at the eighth shape of a function, counting every model that shares its code."""


class InductorCompiler:
    """Compiles the parts of a frame for one shape at a time; their kernels are kept for the next start.

    Args:
        program: As :func:`engines.compilers.eager.placed` takes it.
        device: An NVIDIA GPU.
        dtype: What it computes in.
        store: Where compiled kernels are kept.

    Raises:
        ModelError: There is no Triton, which makes the kernels.
    """

    name: CompilerName = "inductor"
    batches: tuple[int, ...] = (1, 2, 4, 8, 16)
    patience_s = 0.5

    def __init__(
        self, program: FrameProgram, device: torch.device, dtype: torch.dtype, store: EngineStore
    ) -> None:
        need_toolchain(device)
        self.precision = cast(Precision, str(dtype).removeprefix("torch."))
        self._device, self._dtype, self._store = device, dtype, store
        self._program = placed(program, device, dtype)
        self._digest = program_digest(self._program)
        self._weights_bytes = weights_bytes(self._program)
        self._workspace, self._artifact_bytes = Held(), 0

    def compile(self, shape: FrameShape, report: Report = unreported) -> CompiledProgram:
        """Compile for one shape, or take the kernels an earlier start compiled.

        Raises:
            ModelError: PyTorch cannot; its first line says why.
        """
        compiled: list[CompiledProgram] = []

        def build(folder: Path) -> None:
            compiled.append(self._recorded(shape, report))
            saved = torch.compiler.save_cache_artifacts()
            (folder / _ARTIFACTS).write_bytes(b"" if saved is None else saved[0])

        folder = self._store.obtain(self.manifest(shape), build)
        artifacts = (folder / _ARTIFACTS).read_bytes()
        # What PyTorch saves of one shape holds all that it has compiled before.
        self._artifact_bytes = max(self._artifact_bytes, len(artifacts))
        if not compiled:
            if artifacts:
                torch.compiler.load_cache_artifacts(artifacts)
            compiled.append(self._recorded(shape, report))
        return compiled[0]

    def manifest(self, shape: FrameShape) -> EngineManifest:
        """What the kernels of a shape depend on."""
        library = f"torch {torch.__version__}"
        return program_manifest(self, self._digest, shape, library, torch.cuda.get_device_name())

    def expected_s(self, shape: FrameShape) -> float | None:
        """As long as the last program took."""
        return self._store.expected_s(self.manifest(shape))

    def footprint(self) -> Footprint:
        """Its copy of the weights, its kernels, and what the recorded frames hold."""
        return Footprint(self._weights_bytes, self._artifact_bytes, self._workspace.bytes)

    def frame(self, shape: FrameShape) -> Partwise:
        """The compiled frame before it is recorded, run once.

        Raises:
            ModelError: PyTorch cannot compile it.
        """
        # Recorded as a whole frame later; inductor's own recordings belong to one thread and one part.
        mode = "max-autotune-no-cudagraphs"
        runs = [
            torch.compile(part.module, mode=mode, dynamic=False, fullgraph=True)
            for part in parts_of(self._program, self._dtype)
        ]
        frame = Partwise(self._program, self._dtype, self._device, *runs)
        with compiling(), torch._dynamo.config.patch(recompile_limit=_MOST_SHAPES):
            frame(*self._example(shape))
        return frame

    def _recorded(self, shape: FrameShape, report: Report) -> CompiledProgram:
        report("compiling", 0.0)
        frame = self.frame(shape)
        report("recording", 0.9)
        with compiling():
            graphed = GraphedProgram(frame, self._example(shape))
        self._workspace.by(graphed, graphed.workspace_bytes)
        return graphed

    def _example(self, shape: FrameShape) -> tuple[torch.Tensor, ...]:
        pictures, *others = program_inputs(self._program, shape)
        return (pictures.to(self._device), *(value.to(self._device, self._dtype) for value in others))


@contextmanager
def compiling() -> Iterator[None]:
    """PyTorch's warnings of itself are left out, its errors become one line.

    Raises:
        ModelError: It cannot compile.
    """
    try:
        with warnings.catch_warnings():
            # It tells of its own deprecations while it compiles.
            warnings.simplefilter("ignore")
            yield
    except (OSError, RuntimeError) as error:
        if isinstance(error, ModelError):
            raise
        lines = str(error).splitlines() or [type(error).__name__]
        reason, full = lines[0], os.strerror(errno.ENOSPC)
        # g++ is quoted below a first line that says nothing, and an error of writing names no place.
        if any(full in line for line in lines):
            reason = f"{full}: it works in {os.environ.get('TORCHINDUCTOR_CACHE_DIR', tempfile.gettempdir())}"
        raise ModelError(f"inductor cannot compile the program: {reason}") from error


def need_toolchain(device: torch.device) -> None:
    """See that what makes the kernels is there.

    Raises:
        ModelError: It is not.
    """
    lacking = missing_toolchain(device)
    if lacking is not None:
        raise ModelError(f"compiler inductor needs {lacking}")


def missing_toolchain(device: torch.device) -> str | None:
    """What inductor needs on a device and does not find, None where it has all."""
    if device.type == "cpu":
        return None if any(shutil.which(name) for name in ("g++", "clang++", "c++")) else "a C++ compiler"
    if find_spec("triton") is None:
        return "the package triton"
    # Triton builds a little program in C that launches its kernels, and asks for a compiler as here.
    if not (os.environ.get("CC") or any(shutil.which(name) for name in ("gcc", "clang"))):
        return "a C compiler"
    headers = Path(sysconfig.get_path("include")) / "Python.h"
    return None if headers.is_file() else "Python's headers"
