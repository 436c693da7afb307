"""Copies of a program on a device and in a type, made a weight at a time."""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from engines.program import FrameProgram

CPU = torch.device("cpu")
_Module = TypeVar("_Module", bound=nn.Module)


def is_in(program: FrameProgram, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether all weights and constants are on the device, and the floating-point ones in the type."""
    return all(
        value.device.type == device.type and (value.dtype == dtype or not value.is_floating_point())
        for value in (*program.parameters(), *program.buffers())
    )


def program_in(program: FrameProgram, dtype: torch.dtype, device: torch.device = CPU) -> FrameProgram:
    """A program with its weights in ``dtype`` on the device; the same one, not a copy, where it is that already."""
    return program.eval() if is_in(program, device, dtype) else copy_in(program, device, dtype)


def copy_in(module: _Module, device: torch.device, dtype: torch.dtype) -> _Module:
    """A copy on the device and in the type, for evaluation.

    Each weight is converted as it is copied: a whole copy in the old type on the way would not fit beside a large
    model.
    """
    converted: dict[int, object] = {}
    for value in (*module.parameters(), *module.buffers()):
        converted[id(value)] = _converted(value, device, dtype)
    return copy.deepcopy(module, converted).eval()


def modules_of_its_own(module: _Module) -> _Module:
    """A copy of the modules with the very same weights.

    PyTorch's exporter puts tensors without content in the place of a module's weights while it traces. Other threads
    meanwhile count the weights, and copy them for the compiler that stands in.
    """
    shared: dict[int, object] = {id(value): value for value in (*module.parameters(), *module.buffers())}
    return copy.deepcopy(module, shared)


def _converted(value: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    kept = value.detach().to(device, dtype if value.is_floating_point() else value.dtype, copy=True)
    return nn.Parameter(kept, value.requires_grad) if isinstance(value, nn.Parameter) else kept
