"""Which compilers work on this machine, and what the others lack."""

import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec

import torch

from engines.compilers.inductor import missing_toolchain
from engines.compilers.interface import CompilerName
from engines.compilers.tensorrt_library import (
    FLAVOURS,
    TENSORRT,
    TENSORRT_RTX,
    TORCH_TENSORRT,
    TensorRtFlavour,
    TensorRtLibrary,
    missing,
    present_target,
)
from engines.install import install_extra, install_package
from engines.model import ModelError


@dataclass(frozen=True)
class Availability:
    """One compiler on this machine.

    Attributes:
        compiler: Which.
        runs: Whether it can run a model here.
        builds: Compute capabilities of GPUs elsewhere that it can build engines for, as "sm89".
        reason: Why it cannot run here; None where it can.
        install: What to install for it; None where nothing would help.
    """

    compiler: CompilerName
    runs: bool
    builds: tuple[str, ...] = ()
    reason: str | None = None
    install: str | None = None


def compilers_here() -> tuple[Availability, ...]:
    """Every compiler, each tried as far as this machine allows."""
    return (
        Availability("eager", runs=True),
        _inductor(),
        _package("openvino", ("openvino",), install_package("openvino")),
        _package(
            "onnxruntime",
            ("onnxruntime", "onnx"),
            install_extra("backbones"),
        ),
        *(_tensorrt(FLAVOURS[each.name]) for each in (TENSORRT, TORCH_TENSORRT, TENSORRT_RTX)),
    )


_TOOLCHAIN = {
    "a C++ compiler": "sudo apt-get install g++",
    "the package triton": install_package("triton"),
    "a C compiler": "sudo apt-get install gcc libc6-dev",
    "Python's headers": "sudo apt-get install python3-dev",
}
"""What to install for each thing that inductor may lack."""


def version(package: str) -> str | None:
    """Of an installed distribution; None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _inductor() -> Availability:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    lacking = missing_toolchain(device)
    if lacking is None:
        return Availability("inductor", runs=True)
    return Availability("inductor", runs=False, reason=f"needs {lacking}", install=_TOOLCHAIN[lacking])


def _package(name: CompilerName, packages: tuple[str, ...], install: str) -> Availability:
    lacking = [package for package in packages if find_spec(package) is None]
    if lacking:
        reason = f"the package {', '.join(lacking)} is not installed"
        return Availability(name, runs=False, reason=reason, install=install)
    failure = _failure(lambda: __import__(name))
    return Availability(name, runs=failure is None, reason=failure)


def _tensorrt(flavour: TensorRtFlavour) -> Availability:
    name, gpu = flavour.name, present_target()
    lacking = missing(flavour)
    if lacking is not None:
        # Without a GPU only one of the three is of any use.
        useful = gpu is not None or flavour is TENSORRT_RTX
        reason = f"the package {lacking} is not installed" + ("" if gpu else ", and there is no NVIDIA GPU")
        return Availability(name, runs=False, reason=reason, install=flavour.install if useful else None)
    if find_spec("onnx") is None and flavour.front_end is None:
        return Availability(
            name,
            runs=False,
            reason="the package onnx is not installed",
            install=install_extra("backbones"),
        )
    try:
        library = TensorRtLibrary(flavour)
    except ModelError as error:
        return Availability(name, runs=False, reason=str(error), install=flavour.install)
    builds = library.targets()
    if gpu is None:
        return Availability(name, runs=False, builds=builds, reason="there is no NVIDIA GPU")
    if builds and gpu not in builds:
        return Availability(
            name, runs=False, builds=builds, reason=f"it does not run on {gpu}", install=TENSORRT.install
        )
    return Availability(name, runs=True, builds=builds)


def _failure(load: Callable[[], object]) -> str | None:
    try:
        load()
    except (ImportError, OSError) as error:
        return f"it cannot be loaded on {platform.machine()}: {error}"
    return None
