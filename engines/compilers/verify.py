"""Compiled programs against PyTorch in float32 on random inputs."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from engines.compilers.interface import CompiledProgram, FrameShape
from engines.compilers.onnx_export import export_onnx
from engines.compilers.parts import Partwise, part_inputs, parts_of, program_inputs
from engines.compilers.placement import program_in
from engines.compilers.tensorrt import ONNX_FILE, TensorRtCompiler
from engines.program import FrameProgram

LIMIT = 2e-2
"""Largest relative error of an engine that may be used; float16 stays a tenth of it below."""

BFLOAT16_LIMIT = 8 * LIMIT
"""In bfloat16, which rounds eight times as coarsely as float16. Guidance multiplies what is rounded, so that PyTorch
itself is further than :data:`LIMIT` from float32 there."""


@dataclass(frozen=True)
class Check:
    """One comparison.

    Attributes:
        what: The part and shape compared.
        ran_by: What computed it.
        relative_error: Root mean square of the difference over the reference's own.
        limit: What may be used.
    """

    what: str
    ran_by: str
    relative_error: float
    limit: float = LIMIT

    @property
    def passed(self) -> bool:
        """Whether the error is within the limit; NaN is not."""
        return self.relative_error <= self.limit


def limit_in(dtype: torch.dtype) -> float:
    """The largest relative error that may be used of what computes in a type."""
    return BFLOAT16_LIMIT if dtype == torch.bfloat16 else LIMIT


def relative_error(result: Tensor, reference: Tensor) -> float:
    """Root mean square of ``result - reference`` over that of ``reference``.

    Raises:
        ValueError: The shapes differ.
    """
    if result.shape != reference.shape:
        raise ValueError(f"shapes differ: {tuple(result.shape)} and {tuple(reference.shape)}")
    exact = reference.double().cpu()
    difference = (result.double().cpu() - exact).square().mean().sqrt()
    return float(difference / exact.square().mean().sqrt().clamp_min(1e-12))


@torch.inference_mode()
def verify_program(
    compiled: CompiledProgram, program: FrameProgram, shape: FrameShape, ran_by: str
) -> tuple[Check, Check]:
    """Compare whole frames: the latents, and the pictures in levels of grey.

    Args:
        compiled: For ``shape``.
        program: The reference, in float32 on the CPU.
        shape: Of the frames.
        ran_by: Name of the compiler.
    """
    inputs = program_inputs(program, shape, torch.Generator().manual_seed(0))
    edited, latent = program(*inputs)
    shown, remembered = compiled(*inputs)
    where = f"{shape.batch} x {shape.width}x{shape.height}"
    return (
        Check(f"latent {where}", ran_by, relative_error(remembered, latent)),
        Check(f"picture {where}", ran_by, relative_error(shown, edited)),
    )


def parts_within(compiled: CompiledProgram) -> Partwise | None:
    """The parts that a compiled program runs; None where it is one whole."""
    frame = getattr(compiled, "frame", compiled)
    return frame if isinstance(frame, Partwise) else None


def verify_parts(frame: Partwise, program: FrameProgram, shape: FrameShape, ran_by: str) -> list[Check]:
    """Compare each compiled part by itself, so that no error of one step is carried into the next.

    Args:
        frame: Compiled for ``shape``.
        program: The reference, in float32 where the parts run.
        shape: Of the frames.
        ran_by: Name of the compiler.
    """
    pictures, *others = program_inputs(program, shape, torch.Generator().manual_seed(0))
    within = frame.inputs_within(
        pictures.to(frame.device), *(value.to(frame.device, frame.dtype) for value in others)
    )
    checks = []
    with torch.inference_mode():
        for part in parts_of(program, torch.float32):
            given = within[part.name]
            result = getattr(frame, part.name)(*given)
            exact = part.module(*_in(given, part.inputs, torch.float32))
            what = f"{part.name} {shape.batch} x {shape.width}x{shape.height}"
            checks.append(Check(what, ran_by, relative_error(result, exact), limit_in(frame.dtype)))
    return checks


@torch.inference_mode()
def verify_networks(
    compiler: TensorRtCompiler, program: FrameProgram, shape: FrameShape, scratch: Path
) -> list[Check]:
    """Compare the very networks that engines are built from, run by ONNX Runtime where the engines cannot run.

    ONNX Runtime has no bfloat16; such networks are compared in float32, and the rounding by PyTorch.

    Args:
        compiler: Made the engines.
        program: The reference, in float32 on the CPU.
        shape: Of the frames.
        scratch: A folder on a disk for the networks, which are as large as the engines.
    """
    # Imported here: engines that run on this machine are compared without ONNX Runtime.
    from engines.compilers.onnxruntime import OnnxPart

    checks = []
    half = compiler.dtype == torch.bfloat16
    dtype = torch.float32 if half else compiler.dtype
    subject = program_in(program, dtype) if half else compiler.program
    for reference, part, own in zip(
        parts_of(program, torch.float32), parts_of(subject, dtype), compiler.parts, strict=True
    ):
        inputs = part_inputs(reference, program, shape, torch.float32, torch.Generator().manual_seed(0))
        expected = reference.module(*inputs)
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            path = Path(folder) / ONNX_FILE
            if half:
                export_onnx(part, subject, dtype, path)
            else:
                compiler.export(part, path)
            result = OnnxPart(path, part)(*_in(inputs, part.inputs, dtype))
        checks.append(Check(f"{part.name} network", "ONNX Runtime", relative_error(result, expected)))
        if half:
            rounded = own.module(*_in(inputs, own.inputs, compiler.dtype))
            error = relative_error(rounded, expected)
            checks.append(Check(f"{part.name} in bfloat16", "PyTorch", error, limit_in(compiler.dtype)))
    return checks


def _in(inputs: tuple[Tensor, ...], names: tuple[str, ...], dtype: torch.dtype) -> tuple[Tensor, ...]:
    return tuple(
        value.to(dtype) if value.is_floating_point() and name != "timestep" else value
        for name, value in zip(names, inputs, strict=True)
    )
