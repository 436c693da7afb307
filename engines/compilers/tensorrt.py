"""TensorRT, torch-tensorrt and TensorRT for RTX: engines of encoder, denoiser and decoder for NVIDIA GPUs.

The three share everything but what reads the network. Batch sizes and resolutions are optimisation profiles of one
engine, each with exactly one shape, so that every one of them is tuned for what it will run.
"""

from collections.abc import Callable
from pathlib import Path
from weakref import WeakValueDictionary

import torch

from engines.compilers.cuda_graph import GraphedProgram
from engines.compilers.held import Held
from engines.compilers.interface import (
    ENGINE_DTYPES,
    CompiledProgram,
    CompilerName,
    Footprint,
    FrameShape,
    Precision,
    Report,
    unreported,
)
from engines.compilers.manifest import EngineManifest, EnginePart
from engines.compilers.onnx_export import export_onnx
from engines.compilers.parts import (
    Part,
    Partwise,
    latent_shape,
    part_digest,
    parts_of,
    parts_without_bytes,
    program_inputs,
)
from engines.compilers.placement import program_in
from engines.compilers.quantisation import ActivationRanges
from engines.compilers.store import EngineStore, manifest_of, total_s
from engines.compilers.tensorrt_build import build_from_onnx, build_from_torch
from engines.compilers.tensorrt_library import TensorRtFlavour, TensorRtLibrary, present_target
from engines.compilers.tensorrt_run import TensorRtEngine, TensorRtPart
from engines.model import ModelError
from engines.program import FrameProgram

BATCHES = (1, 2, 4, 8, 16)
ENGINE_FILE, ONNX_FILE = "engine.plan", "model.onnx"


class TensorRtCompiler:
    """Builds and runs the engines of one program for one GPU.

    Args:
        program: On the CPU, best in the type the engines compute in: any other is copied.
        flavour: Which library.
        precision: "float16", "bfloat16" or "float32"; "int8" and "fp8" round the denoiser's convolutions and
            linear layers that have a range, and leave the rest in float16.
        store: Where engines are kept.
        sizes: Picture sizes, (height, width), whose engines are made together; another size gets engines of its own.
        batches: Batch sizes to make profiles for, rising.
        target: A compute capability such as "sm89" to build for on a machine without it; this machine's GPU if None.
        ranges: Measured input ranges, for "int8" and "fp8".

    Raises:
        ModelError: The library is not installed, or there is neither GPU nor a target that it builds for.
    """

    patience_s = 0.5

    def __init__(
        self,
        program: FrameProgram,
        flavour: TensorRtFlavour,
        precision: Precision,
        store: EngineStore,
        *,
        sizes: tuple[tuple[int, int], ...] = (),
        batches: tuple[int, ...] = BATCHES,
        target: str | None = None,
        ranges: ActivationRanges | None = None,
    ) -> None:
        if precision in ("int8", "fp8") and not ranges:
            raise ModelError(
                f"the model was never calibrated for {precision}: see python -m engines.compilers.calibrate --help"
            )
        self.name: CompilerName = flavour.name
        self.precision: Precision = precision
        # torch-tensorrt makes engines of one profile.
        self._sizes, self.batches = (() if flavour.front_end else sizes), batches
        self.library = TensorRtLibrary(flavour)
        self.target = engine_target(self.library, target)
        self._store, self._ranges = store, ranges or {}
        self.dtype = ENGINE_DTYPES[precision]
        self.program = program_in(program, self.dtype)
        # torch-tensorrt has no operator that gives bytes.
        split = parts_without_bytes if flavour.front_end else parts_of
        self.parts = split(self.program, self.dtype)
        self._digests = {part.name: part_digest(part, self.program) for part in self.parts}
        self._found: dict[tuple[EnginePart, FrameShape], tuple[Path, int]] = {}
        self._loaded = WeakValueDictionary[Path, TensorRtEngine]()
        """Of programs that somebody keeps: an engine holds the weights."""
        self._workspace = Held()

    def compile(self, shape: FrameShape, report: Report = unreported) -> CompiledProgram:
        """Build or read the engines of a shape and record its frame as a CUDA graph.

        Raises:
            ModelError: There is no GPU here, or the library refuses something.
        """
        if self.target != present_target():
            raise ModelError(
                f"engines for {self.target} cannot run on {present_target() or 'a machine without GPU'}"
            )
        folders = self.build(shape, report)
        engines = [self._load(folders[part.name] / ENGINE_FILE) for part in self.parts]
        profiles = [self._found[part.name, shape][1] for part in self.parts]
        # The parts of one frame run one after another, so they share one scratch memory.
        size = max(
            1, *(engine.workspace_bytes(profile) for engine, profile in zip(engines, profiles, strict=True))
        )
        workspace = torch.empty(size, dtype=torch.uint8, device="cuda")
        runs = [
            TensorRtPart(engine, profile, part.inputs, workspace)
            for engine, profile, part in zip(engines, profiles, self.parts, strict=True)
        ]
        device = torch.device("cuda")
        pictures, *others = program_inputs(self.program, shape)
        example = (pictures.cuda(), *(value.to(device, self.dtype) for value in others))
        graphed = GraphedProgram(Partwise(self.program, self.dtype, device, *runs), example)
        for engine in engines:
            engine.keep_runtime_cache()
        self._workspace.by(graphed, size + graphed.workspace_bytes)
        return graphed

    def build(self, shape: FrameShape, report: Report = unreported) -> dict[str, Path]:
        """The engines that run a shape, by part: each a folder with ``engine.plan``.

        Raises:
            ModelError: A part cannot be exported or built.
        """
        folders: dict[str, Path] = {}
        done = 0.0
        for part in self.parts:
            begun, share = done, part.share

            def tell(phase: str, inner: float, name: str = part.name) -> None:
                report(f"{name}: {phase}", begun + share * inner)  # noqa: B023  # called before the loop goes on

            if (part.name, shape) not in self._found:
                manifest = self.manifest(part, shape)
                kept = self._store.covering(manifest, shape)
                folder = kept or self._store.obtain(manifest, self._builder(part, shape, tell))
                # Once for all its shapes: to see that a file is whole, all of its gigabytes are read.
                for profile, each in enumerate(manifest_of(folder).shapes):
                    self._found[part.name, each] = folder, profile
            folders[part.name] = self._found[part.name, shape][0]
            done += share
            report(f"{part.name}: ready", done)
        return folders

    def profiles(self, shape: FrameShape) -> tuple[FrameShape, ...]:
        """The shapes of the engine that runs ``shape``, in the order of its profiles."""
        if self.library.flavour.front_end:
            return (shape,)
        size = (shape.height, shape.width)
        sizes = self._sizes if size in self._sizes else (size,)
        batches = self.batches if shape.batch in self.batches else (shape.batch,)
        return tuple(FrameShape(batch, *each) for each in sizes for batch in batches)

    def manifest(self, part: Part, shape: FrameShape) -> EngineManifest:
        """What the engine of a part that runs a shape depends on."""
        quantised = sorted(self._ranges.items()) if part.name == "denoiser" else []
        return EngineManifest(
            model_sha256=self._digests[part.name],
            part=part.name,
            compiler=self.name,
            precision=self.precision,
            shapes=self.profiles(shape),
            library=self.library.version,
            device=_device(self.name, self.target),
            settings=repr(quantised),
        )

    def export(self, part: Part, path: Path) -> None:
        """Write the very network that an engine is built from, eight-bit rounding included.

        Raises:
            ModelError: It cannot be exported.
        """
        export_onnx(part, self.program, self.dtype, path)
        if part.name == "denoiser" and self.precision in ("int8", "fp8"):
            # Imported here: torch-tensorrt needs no onnx.
            from engines.compilers.onnx_quantisation import quantise_onnx

            quantise_onnx(path, self._ranges, self.precision)

    def expected_s(self, shape: FrameShape) -> float | None:
        """As long as the last three engines took."""
        return total_s(self._store.expected_s(self.manifest(part, shape)) for part in self.parts)

    def footprint(self) -> Footprint:
        """The loaded engines' weights and scratch memory."""
        # Taken at once: another thread loads more of them meanwhile.
        loaded = [engine for kept in self._loaded.valuerefs() if (engine := kept()) is not None]
        weights = sum(engine.weights_bytes for engine in loaded)
        files = sum(engine.file_bytes for engine in loaded)
        return Footprint(weights, max(0, files - weights), self._workspace.bytes)

    def _builder(self, part: Part, shape: FrameShape, report: Report) -> Callable[[Path], None]:
        def build(folder: Path) -> None:
            if self.library.flavour.front_end:
                report("building", 0.0)
                device = torch.device("cuda")
                engine = build_from_torch(self.library, part, self.program, self.dtype, shape, device)
            else:
                report("exporting", 0.0)
                # In a folder of its own: large weights become files beside the network.
                exported = folder / "exported"
                exported.mkdir()
                self.export(part, exported / ONNX_FILE)
                profiles = [self._shapes(part, each) for each in self.profiles(shape)]
                engine = build_from_onnx(
                    self.library, exported / ONNX_FILE, profiles, self._cross_target(), report
                )
                for file in exported.iterdir():
                    file.unlink()
                exported.rmdir()
            (folder / ENGINE_FILE).write_bytes(engine)

        return build

    def _shapes(self, part: Part, shape: FrameShape) -> dict[str, tuple[int, ...]]:
        latent = latent_shape(self.program, shape)
        known: dict[str, tuple[int, ...]] = {
            "pictures": (shape.batch, shape.height, shape.width, 3),
            "timestep": (shape.batch,),
            "code": (shape.batch, self.program.code_length),
            "strength": (shape.batch,),
            "silence": (self.program.code_length,),
        }
        return {name: known.get(name, latent) for name in part.inputs}

    def _cross_target(self) -> str | None:
        return self.target if self.library.targets() else None

    def _load(self, path: Path) -> TensorRtEngine:
        engine = self._loaded.get(path)
        if engine is None:
            engine = self._loaded[path] = TensorRtEngine(self.library, path)
        return engine


def engine_target(library: TensorRtLibrary, asked: str | None) -> str:
    """The compute capability to build for: the one asked for, or this machine's GPU's.

    Raises:
        ModelError: The library does not build for it.
    """
    name, known, present = library.flavour.name, library.targets(), present_target()
    target = asked.lower() if asked else present
    if target is None:
        ways = (
            f"; for one elsewhere afterimage compile --target makes engines ({', '.join(known)})"
            if known
            else ", and builds on the GPU it runs on"
        )
        raise ModelError(f"compiler {name} needs an NVIDIA GPU{ways}")
    if known and target not in known:
        raise ModelError(f"compiler {name} does not build for {target}: {', '.join(known)}")
    if not known and target != present:
        raise ModelError(
            f"compiler {name} builds only for the GPU it runs on, {present or 'and here is none'}"
        )
    return target


def _device(name: CompilerName, target: str) -> str:
    # TensorRT for RTX compiles its kernels where the engine runs; TensorRT has chosen them for one kind of GPU.
    return target if name == "tensorrt-rtx" else f"{target} {torch.cuda.get_device_name()}"
