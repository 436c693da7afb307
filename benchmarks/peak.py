"""The most that this machine's convolutions reach, by type: what a program's speed can be measured against."""

import time
from collections.abc import Callable

import numpy as np
import openvino as ov
import torch
from openvino import opset13 as ops

from engines.compilers.cpu import cpu_flags, has_bfloat16, has_int8

_WIDTH, _SIDE = 256, 64
"""Channels and rows of a convolution that caches like: 4.8 GFLOP."""
_REPEATS = 30
_CHAIN = 4
"""Convolutions of eight bits one after the other, so that converting at both ends weighs little."""


def convolution_peaks() -> dict[str, float]:
    """GFLOP/s of the best convolution by type: float32, and of bfloat16 and int8 those that this CPU multiplies."""
    peaks = {"float32": _floating_peak(torch.float32)}
    if has_bfloat16(cpu_flags()):
        peaks["bfloat16"] = _floating_peak(torch.bfloat16)
    if has_int8(cpu_flags()):
        peaks["int8"] = _int8_peak()
    return peaks


def _floating_peak(dtype: torch.dtype) -> float:
    """By PyTorch, channels last."""
    x = torch.randn(1, _WIDTH, _SIDE, _SIDE).to(dtype).to(memory_format=torch.channels_last)
    convolution = torch.nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1).to(dtype)
    convolution.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.inference_mode():
        return _gigaflops(lambda: convolution(x), 1)


def _int8_peak() -> float:
    """By OpenVINO; PyTorch has no such convolution."""
    picture = ops.parameter([1, _WIDTH, _SIDE, _SIDE], np.float32)
    x = picture.output(0)
    generator = np.random.default_rng(0)
    for _ in range(_CHAIN):
        weights = generator.normal(0, 1 / 48, (_WIDTH, _WIDTH, 3, 3)).astype(np.float32)
        filters = _rounded(ops.constant(weights).output(0), 0.1, 255)
        x = ops.convolution(_rounded(x, 4.0, 256), filters, [1, 1], [1, 1], [1, 1], [1, 1]).output(0)
    compiled = ov.Core().compile_model(
        ov.Model([x], [picture], "chain"), "CPU", {"PERFORMANCE_HINT": "LATENCY"}
    )
    request = compiled.create_infer_request()
    request.set_input_tensor(
        0, ov.Tensor(generator.normal(size=(1, _WIDTH, _SIDE, _SIDE)).astype(np.float32))
    )
    return _gigaflops(request.infer, _CHAIN)


def _rounded(value: ov.Output, reach: float, levels: int) -> ov.Output:
    limits = [ops.constant(np.float32(limit)) for limit in (-reach, reach)]
    return ops.fake_quantize(value, *limits, *limits, levels).output(0)


def _gigaflops(run: Callable[[], object], convolutions: int) -> float:
    run()
    best_s = min(_timed_s(run) for _ in range(_REPEATS))
    return convolutions * 2 * 9 * _WIDTH**2 * _SIDE**2 / best_s / 1e9


def _timed_s(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began
