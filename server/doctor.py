"""`afterimage doctor`: what works on this machine, what does not and why, and what to install."""

import argparse
import ctypes
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import psutil
from rich.console import Console

from engines.compilers.availability import Availability, compilers_here, version
from engines.compilers.cpu import cpu_flags, cpu_name, has_bfloat16, has_int8
from engines.compilers.interface import CompilerName
from server.hardware_codecs import CodecCheck, check_codecs

NOT_USABLE = 1
LIBRARIES = (
    "torch",
    "triton",
    "openvino",
    "onnx",
    "onnxruntime",
    "diffusers",
    "transformers",
    "accelerate",
    "peft",
    "tensorrt",
    "torch-tensorrt",
    "tensorrt_rtx_cu13_libs",
    "av",
    "aiortc",
)
_NEEDED = (("h264", "encode"), ("h264", "decode"), ("vp8", "encode"), ("vp8", "decode"))
"""What browsers and OBS speak."""


@dataclass(frozen=True)
class Device:
    """The machine.

    Attributes:
        processor: Its name.
        cores: That this process may use.
        bfloat16: Whether it multiplies bfloat16.
        int8: Whether it adds up products of bytes without overflow.
        memory_bytes: Of the machine.
        gpus: Names of its NVIDIA GPUs, as the driver gives them, each with its memory.
        gpu_usable: Whether PyTorch can use one.
        driver: Version of the NVIDIA driver, None without one.
        cuda: Newest CUDA version that the driver runs, None without one.
    """

    processor: str
    cores: int
    bfloat16: bool
    int8: bool
    memory_bytes: int
    gpus: tuple[str, ...]
    gpu_usable: bool
    driver: str | None
    cuda: str | None


@dataclass(frozen=True)
class Diagnosis:
    """All that is found.

    Attributes:
        device: The machine.
        libraries: Versions by package, None where it is not installed.
        compilers: Each tried.
        usual_compiler: What runs a model unless another is asked for.
        codecs: Each tried.
        install: What would help, best first.
        usable: Whether Afterimage can edit live video here.
    """

    device: Device
    libraries: dict[str, str | None]
    compilers: tuple[Availability, ...]
    usual_compiler: CompilerName
    codecs: tuple[CodecCheck, ...]
    install: tuple[str, ...]
    usable: bool


def main(arguments: list[str]) -> int:
    """Run the command; 0 where live video can be edited, 1 where it cannot."""
    parser = argparse.ArgumentParser(
        "afterimage doctor",
        description="Say what works on this machine, what does not and why, and what to install.",
    )
    parser.add_argument("--json", action="store_true", help="JSON alone on standard output")
    options = parser.parse_args(arguments)
    found = diagnose()
    if options.json:
        print(json.dumps(asdict(found), indent=2))
    else:
        _print(found)
    return 0 if found.usable else NOT_USABLE


def diagnose() -> Diagnosis:
    """Look at everything; takes some seconds."""
    # Imported here: they take a while, which reading the command line need not wait for.
    from engines.compilers.choose import usual_compiler
    from engines.editor import choose_device

    device, compilers, codecs = _device(), compilers_here(), check_codecs()
    return Diagnosis(
        device=device,
        libraries={package: version(package) for package in LIBRARIES},
        compilers=compilers,
        usual_compiler=usual_compiler(choose_device("auto")),
        codecs=codecs,
        install=advice(device, compilers, codecs),
        usable=is_usable(compilers, codecs),
    )


def is_usable(compilers: tuple[Availability, ...], codecs: tuple[CodecCheck, ...]) -> bool:
    """Whether some compiler runs, and every codec of the live path has one that works."""
    working = {(codec.format, codec.kind) for codec in codecs if codec.works}
    return any(compiler.runs for compiler in compilers) and working.issuperset(_NEEDED)


def advice(
    device: Device, compilers: tuple[Availability, ...], codecs: tuple[CodecCheck, ...]
) -> tuple[str, ...]:
    """What to install, most useful first."""
    wanted: list[str] = []
    if device.gpus and not device.gpu_usable:
        wanted.append(
            "a PyTorch build with CUDA, and a driver it accepts: the GPU is there but cannot be used"
            f" (driver {device.driver or 'unknown'} runs CUDA {device.cuda or 'unknown'}, PyTorch is"
            f" {version('torch')}; without .venv, make setup takes the build for it)"
        )
    working = {(codec.format, codec.kind) for codec in codecs if codec.works}
    wanted += [
        f"a PyAV build that can {kind} {format_}"
        for format_, kind in _NEEDED
        if (format_, kind) not in working
    ]
    wanted += [
        f"{compiler.install}  (compiler {compiler.compiler}: {compiler.reason})"
        for compiler in compilers
        if compiler.install is not None
    ]
    return tuple(dict.fromkeys(wanted))


def _device() -> Device:
    import torch

    flags = cpu_flags()
    gpus, driver = _nvidia()
    return Device(
        processor=cpu_name(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        bfloat16=has_bfloat16(flags),
        int8=has_int8(flags),
        memory_bytes=psutil.virtual_memory().total,
        gpus=gpus,
        gpu_usable=torch.cuda.is_available(),
        driver=driver,
        cuda=_driver_cuda(),
    )


def _nvidia() -> tuple[tuple[str, ...], str | None]:
    """Names of the GPUs and the driver's version; empty and None where there is no driver."""
    if shutil.which("nvidia-smi") is None:
        return (), None
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return (), None
    rows = [line.rpartition(", ") for line in answer.splitlines() if ", " in line]
    return tuple(name for name, _, _ in rows), rows[0][2] if rows else None


def _driver_cuda() -> str | None:
    """The CUDA version of the driver itself, asked without PyTorch, which may be a build without CUDA."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if platform.system() == "Windows" else "libcuda.so.1")
    except OSError:
        return None
    number = ctypes.c_int()
    if driver.cuDriverGetVersion(ctypes.byref(number)) != 0:
        return None
    return f"{number.value // 1000}.{number.value % 1000 // 10}"


def _print(found: Diagnosis) -> None:
    console = Console(highlight=False, soft_wrap=True)
    device = found.device
    natively = [name for name, has in (("bfloat16", device.bfloat16), ("int8", device.int8)) if has]
    console.print("[bold]Device[/bold]")
    console.print(
        f"  {device.processor}, {device.cores} core{'s' * (device.cores != 1)},"
        f" {device.memory_bytes / 2**30:.0f} GiB, computes {' and '.join(natively) or 'float32 only'} natively"
    )
    console.print(f"  GPU: {', '.join(device.gpus) or 'no NVIDIA GPU'}")
    console.print(f"  driver: {device.driver or 'none'}, CUDA of the driver: {device.cuda or 'none'}")
    console.print("[bold]Libraries[/bold]")
    for package, installed in found.libraries.items():
        console.print(f"  {package:24}{installed or 'not installed'}")
    console.print("[bold]Compilers[/bold]")
    for compiler in found.compilers:
        state = "runs here" if compiler.runs else f"does not run here: {compiler.reason}"
        builds = f"; builds engines for {', '.join(compiler.builds)}" if compiler.builds else ""
        console.print(f"  {compiler.compiler:16}{state}{builds}", markup=False)
    console.print(f"  unless another is asked for: {found.usual_compiler}", markup=False)
    console.print("[bold]Codecs[/bold], each tried on pictures")
    for line in codec_lines(found.codecs, device):
        console.print(f"  {line}", markup=False)
    if found.install:
        console.print("[bold]To install[/bold]")
        for line in found.install:
            console.print(f"  {line}", markup=False)
    console.print(
        "Afterimage can edit live video here."
        if found.usable
        else "Afterimage cannot edit live video here: see what to install."
    )


def codec_lines(codecs: Sequence[CodecCheck], device: Device) -> list[str]:
    """What works by name; of hardware that is not here one line and no list, since a driver's reasons say little."""
    lines = [
        f"{codec.name:16}{codec.kind:8}{codec.hardware or 'software':18}"
        + ("works" if codec.works else f"does not work: {codec.reason}")
        for codec in codecs
        if codec.works or codec.hardware is None
    ]
    for maker in dict.fromkeys(codec.hardware for codec in codecs if codec.hardware is not None):
        lacking = [codec for codec in codecs if codec.hardware == maker and not codec.works]
        if not lacking:
            continue
        every = all(not codec.works for codec in codecs if codec.hardware == maker)
        reasons = ", ".join(dict.fromkeys(str(codec.reason) for codec in lacking))
        why = "there is no NVIDIA driver" if maker == "NVIDIA" and device.driver is None else reasons
        what = "nothing of it works" if every else f"{', '.join(codec.name for codec in lacking)} do not work"
        lines.append(f"{maker}: {what} ({why})")
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
