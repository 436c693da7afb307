"""Runs TensorRT engines on PyTorch's tensors and streams."""

from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import torch
from torch import Tensor

from engines.compilers.tensorrt_library import TensorRtLibrary

RUNTIME_CACHE = "runtime.cache"
"""Kernels that TensorRT for RTX compiled for this very GPU, beside the engine; not part of it."""


class ExecutionContext(Protocol):
    """What is used of TensorRT's ``IExecutionContext``."""

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        """Of one input."""
        ...

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        """Of an output, once all inputs have theirs."""
        ...

    def set_tensor_address(self, name: str, address: int) -> bool:
        """Of an input or output, on the device."""
        ...

    def execute_async_v3(self, stream_handle: int) -> bool:
        """Enqueue on a CUDA stream."""
        ...


class TensorRtEngine:
    """A deserialised engine on the GPU.

    Args:
        library: What built it.
        path: Of the engine file.

    Attributes:
        file_bytes: Size of that file, which may go while the engine runs.
        weights_bytes: Of the weights inside it.

    Raises:
        ModelError: The library refuses it.
    """

    def __init__(self, library: TensorRtLibrary, path: Path) -> None:
        library.last_error = ""
        self.library = library
        self._runtime = library.trt.Runtime(library.logger)
        content = path.read_bytes()
        engine = self._runtime.deserialize_cuda_engine(content)
        if engine is None:
            raise library.failure("cannot load the engine")
        self.engine: Any = engine
        kinds = getattr(library.trt, "EngineStat", None)
        # Versions before 10.8 do not tell; the file then counts as engine.
        weights = 0 if kinds is None else int(engine.get_engine_stat(kinds.TOTAL_WEIGHTS_SIZE))
        self.file_bytes, self.weights_bytes = len(content), max(0, weights)
        self._cache_path = path.parent / RUNTIME_CACHE
        self._cache: Any = None
        self._config: Any = None
        strategies = getattr(library.trt, "DynamicShapesKernelSpecializationStrategy", None)
        # TensorRT itself has a runtime configuration too, but nothing to set in it: its kernels are in the engine.
        if strategies is not None:
            self._config = engine.create_runtime_config()
            # Kernels for the shape itself at once, not some time after the frame was recorded with general ones.
            self._config.dynamic_shapes_kernel_specialization_strategy = strategies.EAGER
            self._read_cache()

    def workspace_bytes(self, profile: int) -> int:
        """Scratch memory of one profile."""
        return int(self.engine.get_device_memory_size_for_profile_v2(profile))

    def context(self, profile: int, workspace: Tensor) -> "ExecutionContext":
        """An execution context of one profile that works in ``workspace``, uint8 on the GPU."""
        trt = self.library.trt
        strategy = trt.ExecutionContextAllocationStrategy.USER_MANAGED
        if self._config is None:
            context = self.engine.create_execution_context(strategy)
        else:
            self._config.set_execution_context_allocation_strategy(strategy)
            context = self.engine.create_execution_context(self._config)
        if context is None:
            raise self.library.failure("cannot run the engine")
        stream = torch.cuda.current_stream()
        if not context.set_optimization_profile_async(profile, stream.cuda_stream):
            raise self.library.failure("cannot take the profile")
        stream.synchronize()
        # After the profile: another one may want more than this one's scratch memory.
        context.set_device_memory(workspace.data_ptr(), workspace.numel())
        made: ExecutionContext = context
        return made

    def keep_runtime_cache(self) -> None:
        """Store what the library compiled at run time, once the engine has run; else the next start waits."""
        if self._cache is None:
            return
        try:
            self._cache_path.write_bytes(bytes(self._cache.serialize()))
        except OSError as error:
            # The engine itself may lie in a folder that is only read.
            self.library.last_error = str(error)

    def _read_cache(self) -> None:
        self._cache = self._config.create_runtime_cache()
        if self._cache_path.exists():
            self._cache.deserialize(self._cache_path.read_bytes())
        self._config.set_runtime_cache(self._cache)


class TensorRtPart:
    """One part of a frame at one profile: tensors on the GPU in, a tensor on the GPU out.

    Args:
        engine: The part's.
        profile: Index of the shape's profile.
        inputs: Names of the arguments in order.
        workspace: Scratch memory; may be shared with parts that never run at the same time.
    """

    def __init__(
        self, engine: TensorRtEngine, profile: int, inputs: tuple[str, ...], workspace: Tensor
    ) -> None:
        trt = engine.library.trt
        self._library, self._inputs, self._workspace = engine.library, inputs, workspace
        self._context = engine.context(profile, workspace)
        bindings = [engine.engine.get_tensor_name(index) for index in range(engine.engine.num_io_tensors)]
        (self._output,) = (
            name for name in bindings if engine.engine.get_tensor_mode(name) == trt.TensorIOMode.OUTPUT
        )
        self._taken = frozenset(bindings)
        self._output_dtype = _torch_dtype(trt, engine.engine.get_tensor_dtype(self._output))

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Enqueue on the current stream."""
        context = self._context
        # Kept until the call returns: enqueueing only takes addresses.
        values = [value.contiguous() for value in inputs]
        for name, value in zip(self._inputs, values, strict=True):
            # An input the network does not depend on is no input of the engine.
            if name in self._taken:
                context.set_input_shape(name, tuple(value.shape))
                context.set_tensor_address(name, value.data_ptr())
        output = torch.empty(
            tuple(context.get_tensor_shape(self._output)), dtype=self._output_dtype, device=values[0].device
        )
        context.set_tensor_address(self._output, output.data_ptr())
        if not context.execute_async_v3(torch.cuda.current_stream().cuda_stream):
            raise self._library.failure("failed on a frame")
        return output


def _torch_dtype(trt: ModuleType, kind: object) -> torch.dtype:
    return {
        trt.float32: torch.float32,
        trt.float16: torch.float16,
        trt.bfloat16: torch.bfloat16,
        trt.uint8: torch.uint8,
    }[kind]
