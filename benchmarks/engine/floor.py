"""The least time the arithmetic alone would take: operations counted, over the matrix peak measured here."""

import time

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from engines.compilers.interface import FrameShape
from engines.compilers.parts import program_inputs
from engines.program import FrameProgram


@torch.inference_mode()
def operations(program: FrameProgram, shape: FrameShape) -> int:
    """Multiplications and additions of one call, 2 to a product.

    Args:
        program: On the "meta" device: it is counted on shapes, without computing anything.
        shape: Of the frames.
    """
    inputs = [value.to("meta") for value in program_inputs(program, shape)]
    with FlopCounterMode(display=False) as counter:
        program(*inputs)
    return int(counter.get_total_flops())


@torch.inference_mode()
def matrix_peak(device: torch.device, dtype: torch.dtype) -> float:
    """The best operations a second of a large matrix product; on a GPU 8192 wide, on a CPU 1536.

    On a CPU by processor time, all threads at work: whoever shares the machine would make it look slow.
    """
    side = 8192 if device.type == "cuda" else 1536
    left, right = torch.randn(2, side, side, device=device).to(dtype)
    measure = _gpu_s if device.type == "cuda" else _cpu_s
    return 2 * side**3 / min(measure(left, right) for _ in range(20))


def _gpu_s(left: Tensor, right: Tensor) -> float:
    torch.cuda.synchronize()
    began_s = time.perf_counter()
    left @ right
    torch.cuda.synchronize()
    return time.perf_counter() - began_s


def _cpu_s(left: Tensor, right: Tensor) -> float:
    began_s = time.process_time()
    left @ right
    return (time.process_time() - began_s) / torch.get_num_threads()
