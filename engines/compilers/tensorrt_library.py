"""The TensorRT libraries: three packages with one interface."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import torch

from engines.compilers.interface import CompilerName
from engines.install import install_extra, install_package
from engines.model import ModelError


@dataclass(frozen=True)
class TensorRtFlavour:
    """A package that builds TensorRT engines.

    Attributes:
        name: What it is chosen by.
        modules: Import names of the library itself, the first that exists is taken.
        front_end: Import name of what reads the network in place of the ONNX parser, if anything does.
        install: What to install for it.
    """

    name: CompilerName
    modules: tuple[str, ...]
    front_end: str | None
    install: str


TENSORRT = TensorRtFlavour("tensorrt", ("tensorrt", "tensorrt_bindings"), None, install_package("tensorrt"))
TORCH_TENSORRT = TensorRtFlavour(
    "torch-tensorrt", ("tensorrt", "tensorrt_bindings"), "torch_tensorrt", install_package("torch-tensorrt")
)
TENSORRT_RTX = TensorRtFlavour(
    "tensorrt-rtx",
    ("tensorrt_rtx", "tensorrt_rtx_bindings"),
    None,
    install_extra("tensorrt-rtx"),
)
FLAVOURS = {flavour.name: flavour for flavour in (TENSORRT, TORCH_TENSORRT, TENSORRT_RTX)}


def missing(flavour: TensorRtFlavour) -> str | None:
    """The package a flavour lacks here, None where it has all."""
    if not any(find_spec(name) for name in flavour.modules):
        return flavour.modules[0]
    if flavour.front_end is not None and find_spec(flavour.front_end) is None:
        return flavour.front_end
    return None


class TensorRtLibrary:
    """A loaded TensorRT package.

    Args:
        flavour: Which.

    Attributes:
        trt: The module; its classes are the public TensorRT Python API.
        last_error: What the library last complained of, "" for nothing.

    Raises:
        ModelError: It is not installed, or cannot be loaded.
    """

    def __init__(self, flavour: TensorRtFlavour) -> None:
        self.flavour = flavour
        lacking = missing(flavour)
        if lacking is not None:
            raise ModelError(f"compiler {flavour.name} needs the package {lacking}: {flavour.install}")
        name = next(name for name in flavour.modules if find_spec(name))
        try:
            self.trt: ModuleType = import_module(name)
        except (ImportError, OSError) as error:
            raise ModelError(f"compiler {flavour.name} cannot load {name}: {error}") from error
        self.last_error = ""
        self.logger = _make_logger(self.trt, self._complain)

    @property
    def version(self) -> str:
        """Name and version, as it stands in manifests."""
        return f"{self.flavour.name} {self.trt.__version__}"

    def targets(self) -> tuple[str, ...]:
        """Compute capabilities it can build for without such a GPU, as "sm89"; empty where it cannot."""
        known = getattr(self.trt, "ComputeCapability", None)
        if known is None:
            return ()
        return tuple(
            sorted((name.lower() for name in known.__members__ if name.startswith("SM")), key=_number)
        )

    def failure(self, what: str) -> ModelError:
        """The error that tells why something failed."""
        return ModelError(f"{self.flavour.name} {what}: {self.last_error or 'it gives no reason'}")

    def _complain(self, message: str) -> None:
        self.last_error = message.splitlines()[0] if message else ""


def present_target() -> str | None:
    """The GPU's compute capability as "sm89"; None without an NVIDIA GPU."""
    if not torch.cuda.is_available():
        return None
    major, minor = torch.cuda.get_device_capability()
    return f"sm{major}{minor}"


def _number(target: str) -> int:
    return int(target.removeprefix("sm"))


def _make_logger(trt: ModuleType, complain: Callable[[str], None]) -> object:
    # A subclass can only be made once the module is there.
    class Logger(trt.ILogger):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: object, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                complain(message)

    return Logger()
