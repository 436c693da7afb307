"""How engines are loaded and run: the calls themselves, since no engine runs without a GPU."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from engines.compilers import tensorrt_library
from engines.compilers.tensorrt_library import TENSORRT, TENSORRT_RTX, TensorRtFlavour, TensorRtLibrary
from engines.compilers.tensorrt_run import RUNTIME_CACHE, TensorRtEngine, TensorRtPart

INPUTS = ("latent", "strength")
WORKSPACE = torch.empty(64, dtype=torch.uint8)


class Context:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.profile: int | None = None
        self.workspace: tuple[int, int] | None = None
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}
        self.executed: list[int] = []

    def set_optimization_profile_async(self, profile: int, stream: int) -> bool:
        self.profile = profile
        return True

    def set_device_memory(self, address: int, size: int) -> None:
        assert self.profile is not None
        self.workspace = (address, size)

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.shapes[name] = shape
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (2, 4)

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        self.executed.append(stream)
        return True


class Engine:
    """Of one output and of the inputs it was given."""

    def __init__(self, inputs: tuple[str, ...], config: object) -> None:
        self._names, self._config = (*inputs, "edited"), config
        self.num_io_tensors = len(self._names)
        self.made_with: list[object] = []
        self.made = Context()

    def create_runtime_config(self) -> object:
        return self._config

    def create_execution_context(self, how: object) -> Context:
        self.made_with.append(how)
        return self.made

    def get_tensor_name(self, index: int) -> str:
        return self._names[index]

    def get_tensor_mode(self, name: str) -> str:
        return "output" if name == "edited" else "input"

    def get_tensor_dtype(self, name: str) -> str:
        return "uint8"


class RtxConfig:
    """What TensorRT for RTX has to set, and TensorRT has not."""

    dynamic_shapes_kernel_specialization_strategy = "lazy"
    allocation = "static"

    def __init__(self) -> None:
        self.cache = SimpleNamespace(serialize=lambda: b"kernels", deserialize=lambda content: True)

    def set_execution_context_allocation_strategy(self, strategy: str) -> None:
        self.allocation = strategy

    def create_runtime_cache(self) -> object:
        return self.cache

    def set_runtime_cache(self, cache: object) -> bool:
        return cache is self.cache


def library(flavour: TensorRtFlavour, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> TensorRtLibrary:
    """A library of TensorRT's own names, as its bindings have them, and of RTX's where it is that."""
    named: dict[str, Any] = {name: name for name in ("float32", "float16", "bfloat16", "uint8")}
    if flavour is TENSORRT_RTX:
        named["DynamicShapesKernelSpecializationStrategy"] = SimpleNamespace(EAGER="eager")
    trt = SimpleNamespace(
        ILogger=type("ILogger", (), {}),
        Runtime=lambda logger: SimpleNamespace(deserialize_cuda_engine=lambda content: engine),
        ExecutionContextAllocationStrategy=SimpleNamespace(USER_MANAGED="user managed"),
        TensorIOMode=SimpleNamespace(OUTPUT="output"),
        **named,
    )
    monkeypatch.setattr(tensorrt_library, "find_spec", lambda name: name == flavour.modules[0])
    monkeypatch.setattr(tensorrt_library, "import_module", lambda name: trt)
    stream = SimpleNamespace(cuda_stream=7, synchronize=lambda: None)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    return TensorRtLibrary(flavour)


def loaded(
    flavour: TensorRtFlavour, engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> TensorRtEngine:
    (folder / "engine.plan").write_bytes(b"engine")
    return TensorRtEngine(library(flavour, engine, monkeypatch), folder / "engine.plan")


def test_tensorrts_own_engines_are_run_without_what_only_rtx_can_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newer versions of TensorRT have a runtime configuration as well, an empty one."""
    engine = Engine(INPUTS, SimpleNamespace())
    own = loaded(TENSORRT, engine, tmp_path, monkeypatch)
    own.context(3, WORKSPACE)
    own.keep_runtime_cache()

    assert engine.made_with == ["user managed"]
    assert (engine.made.profile, engine.made.workspace) == (3, (WORKSPACE.data_ptr(), 64))
    assert not (tmp_path / RUNTIME_CACHE).exists()


def test_rtx_compiles_for_the_shape_itself_and_keeps_what_it_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = RtxConfig()
    engine = Engine(INPUTS, config)
    own = loaded(TENSORRT_RTX, engine, tmp_path, monkeypatch)
    own.context(0, WORKSPACE)
    own.keep_runtime_cache()

    assert engine.made_with == [config]
    assert config.dynamic_shapes_kernel_specialization_strategy == "eager"
    assert config.allocation == "user managed"
    assert (tmp_path / RUNTIME_CACHE).read_bytes() == b"kernels"


def test_an_engine_is_counted_though_its_file_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program may need the room in the cache."""
    own = loaded(TENSORRT, Engine(INPUTS, SimpleNamespace()), tmp_path, monkeypatch)
    (tmp_path / "engine.plan").unlink()

    assert (own.file_bytes, own.weights_bytes) == (len(b"engine"), 0)


def test_a_part_gives_its_engine_the_inputs_that_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An input that the network does not depend on is no input of the engine."""
    engine = Engine(("latent",), SimpleNamespace())
    part = TensorRtPart(loaded(TENSORRT, engine, tmp_path, monkeypatch), 0, INPUTS, WORKSPACE)
    latent, strength = torch.zeros(2, 4), torch.ones(2)
    shown = part(latent, strength)

    assert (shown.shape, shown.dtype) == ((2, 4), torch.uint8)
    assert engine.made.shapes == {"latent": (2, 4)}
    assert engine.made.addresses == {"latent": latent.data_ptr(), "edited": shown.data_ptr()}
    assert engine.made.executed == [7]
