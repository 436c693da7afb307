"""Builds TensorRT engines: ONNX, or an exported PyTorch program, to what the runtime loads."""

import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from engines.compilers.interface import FrameShape, Report
from engines.compilers.parts import Part, part_inputs
from engines.compilers.placement import copy_in
from engines.compilers.tensorrt_library import TensorRtLibrary
from engines.interrupts import deferred_interrupts
from engines.program import FrameProgram


def build_from_onnx(
    library: TensorRtLibrary,
    model: Path,
    profiles: Sequence[dict[str, tuple[int, ...]]],
    target: str | None,
    report: Report,
) -> memoryview:
    """Build an engine of an ONNX file. The network is strongly typed: its own types decide every precision.

    Args:
        library: TensorRT or TensorRT for RTX.
        model: The ONNX file.
        profiles: For each profile the shape of every input, by name.
        target: A compute capability such as "sm89" to build for on another machine; None for this one's GPU.
        report: Told how far the build is; whatever it raises ends the build and is raised.

    Raises:
        ModelError: The library refuses the network, the profiles or the target; its first line says why.
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    trt = library.trt
    library.last_error = ""
    builder = trt.Builder(library.logger)
    if builder is None:
        raise library.failure("has no builder here")
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, library.logger)
    if not parser.parse_from_file(str(model)):
        library.last_error = parser.get_error(0).desc() if parser.num_errors else library.last_error
        raise library.failure("cannot read the network")
    config = builder.create_builder_config()
    for shapes in profiles:
        profile = builder.create_optimization_profile()
        for index in range(network.num_inputs):
            name = network.get_input(index).name
            profile.set_shape(name, shapes[name], shapes[name], shapes[name])
        config.add_optimization_profile(profile)
    if target is not None:
        config.num_compute_capabilities = 1
        config.set_compute_capability(getattr(trt.ComputeCapability, target.upper()), 0)
    # An exception within a callback would end the whole process.
    with deferred_interrupts() as interrupted:
        # Kept in a name: the library does not own it.
        monitor = _make_monitor(trt, _Watch(report, interrupted))
        config.progress_monitor = monitor
        built = builder.build_serialized_network(network, config)
    if monitor.watch.failure is not None:
        raise monitor.watch.failure
    if interrupted.is_set():
        raise KeyboardInterrupt
    if built is None:
        raise library.failure("cannot build the engine")
    # A view: a copy of gigabytes would be thrown away once it is written.
    return memoryview(built)


def build_from_torch(
    library: TensorRtLibrary,
    part: Part,
    program: FrameProgram,
    dtype: torch.dtype,
    shape: FrameShape,
    device: torch.device,
) -> memoryview:
    """Build an engine of one shape through torch-tensorrt, without ONNX.

    Args:
        library: TensorRT, with torch-tensorrt beside it.
        part: What to build; its inputs are named as its module's arguments, and it gives no bytes.
        program: For the shapes of its inputs.
        dtype: What the part computes in.
        shape: The engine's only one.
        device: The GPU.

    Raises:
        ModelError: torch-tensorrt cannot convert the part.
    """
    front_end = import_module(str(library.flavour.front_end))
    inputs = tuple(value.to(device) for value in part_inputs(part, program, shape, dtype))
    try:
        # A copy: PyTorch edits with the same weights meanwhile, and exporting puts others in their place.
        exported = torch.export.export(copy_in(part.module, device, dtype), inputs)
        return memoryview(
            front_end.dynamo.convert_exported_program_to_serialized_trt_engine(
                exported,
                arg_inputs=inputs,
                # As the network says, which until version 2.9 had to be asked for.
                use_explicit_typing=True,
            )
        )
    except Exception as error:
        # Converters raise whatever they like.
        library.last_error = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise library.failure(f"cannot convert the {part.name}") from error


class _Watch:
    """Stands between a report and the library, which takes no exception."""

    def __init__(self, report: Report, interrupted: threading.Event) -> None:
        self._report, self._interrupted = report, interrupted
        self.failure: BaseException | None = None

    def goes_on(self, phase: str, share: float) -> bool:
        """Tell the report; False where the build is to end."""
        if self.failure is None:
            try:
                self._report(phase, share)
            except BaseException as error:  # raised again where the library has returned
                self.failure = error
        return self.failure is None and not self._interrupted.is_set()


def _make_monitor(trt: ModuleType, watch: _Watch) -> Any:  # noqa: ANN401  # its class is made here
    # A subclass can only be made once the module is there.
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc,name-defined]
        """Nested phases as one share: each phase is one step of its parent."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.watch = watch
            self._spans: dict[str, tuple[float, float, int]] = {}
            self._furthest = 0.0

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            begin, end = 0.0, 1.0
            if parent in self._spans:
                begin, whole, parts = self._spans[parent]
                end = begin + (whole - begin) / max(parts, 1)
            self._spans[phase] = (begin, end, steps)

        def step_complete(self, phase: str, step: int) -> bool:
            begin, end, steps = self._spans.get(phase, (0.0, 1.0, 1))
            done = begin + (end - begin) * min(1.0, (step + 1) / max(steps, 1))
            # A phase may end early and steps come from several threads; progress never goes back.
            self._furthest = max(self._furthest, done)
            return watch.goes_on(phase, self._furthest)

        def phase_finish(self, phase: str) -> None:
            _, end, _ = self._spans.pop(phase, (0.0, 0.0, 1))
            self._furthest = max(self._furthest, end)

    return Monitor()
