"""PyTorch's own compiler ahead of time: C++ kernels for a CPU, a package for each shape of a frame.

torch.compile would keep no more than the source of its kernels: g++ would be waited for at every start, and again
whenever a tensor is laid out otherwise than the first.
"""

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from engines.compilers.cpu import cpu_identity
from engines.compilers.eager import placed, weights_bytes
from engines.compilers.held import Held
from engines.compilers.inductor import compiling, need_toolchain
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
from engines.compilers.placement import modules_of_its_own
from engines.compilers.store import EngineStore
from engines.program import FrameProgram

_PACKAGE = "package.pt2"
# Compiled once: headers would take longer to compile ahead than with the two files that include them.
_OPTIONS: dict[str, Any] = {"aot_inductor.precompile_headers": False}
_CPU = torch.device("cpu")


class AotInductorCompiler:
    """Compiles the whole frame for one shape at a time: most of the time is g++ reading headers, once for a package.

    Args:
        program: In float32 on the CPU.
        dtype: What it computes in.
        store: Where packages are kept.

    Raises:
        ModelError: There is no C++ compiler.
    """

    name: CompilerName = "inductor"
    # Two cores edit two frames together no faster than one after the other.
    batches: tuple[int, ...] = (1,)
    patience_s = 0.5

    def __init__(self, program: FrameProgram, dtype: torch.dtype, store: EngineStore) -> None:
        need_toolchain(_CPU)
        self.precision = cast(Precision, str(dtype).removeprefix("torch."))
        self._dtype, self._store = dtype, store
        self._program = placed(program, _CPU, dtype)
        self._digest = program_digest(self._program)
        self._weights_bytes, self._held = weights_bytes(self._program), Held()

    def compile(self, shape: FrameShape, report: Report = unreported) -> CompiledProgram:
        """Compile for one shape, or load what an earlier start compiled.

        Raises:
            ModelError: PyTorch cannot; its first line says why.
        """

        def build(folder: Path) -> None:
            report("compiling", 0.0)
            pictures, *others = program_inputs(self._program, shape)
            inputs = (pictures, *(value.to(self._dtype) for value in others))
            with compiling(), torch.no_grad():
                torch._inductor.aoti_compile_and_package(
                    torch.export.export(modules_of_its_own(self._program), inputs),
                    package_path=str(folder / _PACKAGE),
                    inductor_configs=_OPTIONS,
                )

        path = self._store.obtain(self.manifest(shape), build) / _PACKAGE
        package = _Package(path, self._dtype)
        self._held.by(package, path.stat().st_size)
        return package

    def manifest(self, shape: FrameShape) -> EngineManifest:
        """What the package of a shape depends on."""
        library, threads = f"torch {torch.__version__}", f"threads {torch.get_num_threads()}"
        return program_manifest(self, self._digest, shape, library, cpu_identity(), threads)

    def expected_s(self, shape: FrameShape) -> float | None:
        """As long as the last package took."""
        return self._store.expected_s(self.manifest(shape))

    def footprint(self) -> Footprint:
        """The weights that are compiled from, and the packages, which hold them once more."""
        return Footprint(self._weights_bytes, self._held.bytes)


class _Package:
    """A compiled frame of one shape."""

    def __init__(self, path: Path, dtype: torch.dtype) -> None:
        self._dtype = dtype
        with compiling():
            self._run = torch._inductor.aoti_load_package(str(path), run_single_threaded=True)

    @torch.inference_mode()
    def __call__(
        self, pictures: Tensor, memory: Tensor, noise: Tensor, code: Tensor, strength: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Edit one frame of each stream."""
        others = (value.to(self._dtype).contiguous() for value in (memory, noise, code, strength))
        # The code knows the layout it was compiled for, and does not look.
        edited, latent = self._run(pictures.contiguous(), *others)
        return edited, latent
