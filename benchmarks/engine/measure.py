"""Times whole editor steps, their three parts, and diffusers' pipeline, in turns where the machine is shared."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.engine.candidates import Candidate, compiled, diffusers, parts_or_none, tried
from benchmarks.engine.memory import GrownMemory
from benchmarks.engine.rows import DIFFUSERS, Row, Setting, finished, operations_of
from engines.compilers.interface import CompilerName
from engines.compilers.store import EngineStore

_TURN = 5


def measure_cell(
    setting: Setting,
    compilers: Sequence[CompilerName],
    device: torch.device,
    frames: int,
    peaks: dict[str, float],
) -> Iterator[list[Row]]:
    """Time every compiler and diffusers' pipeline at one setting.

    On a CPU, which others may share, they take turns of a few frames, so that whatever else it does slows all of them
    alike. On a GPU each has the device to itself, so that its peak memory is its own.

    Args:
        setting: The cell.
        compilers: To time.
        device: Where.
        frames: Steps of each.
        peaks: Operations a second of a matrix product, by precision.

    Yields:
        The rows so far: on a GPU after each compiler, the baseline first, since an engine may take minutes to build.
    """
    makers = [partial(compiled, setting, name, device) for name in compilers]
    if setting.subject.family != "embedded":
        makers.append(partial(diffusers, setting, device))
    groups = [makers] if device.type == "cpu" else [[maker] for maker in (*makers[-1:], *makers[:-1])]
    flop = operations_of(setting)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for group in groups:
            rows += _measure_group(group, EngineStore(Path(folder)), device, frames)
            baseline = next((row for row in rows if row.compiler == DIFFUSERS), None)
            yield [finished(row, flop, peaks, baseline) for row in rows]


def _measure_group(
    makers: Sequence[Callable[[EngineStore], Candidate]],
    store: EngineStore,
    device: torch.device,
    frames: int,
) -> list[Row]:
    candidates = []
    for maker in makers:
        memory = GrownMemory(device)
        candidate = maker(store)
        memory.settle()
        candidate = tried(candidate)
        candidate.row = replace(candidate.row, memory_bytes=memory.grown())
        candidates.append(candidate)
    able = [candidate for candidate in candidates if candidate.row.failure is None]
    times = _take_turns([candidate.step for candidate in able], frames)
    for candidate, (seconds, cpu_seconds) in zip(able, times, strict=True):
        p50_s, p95_s = np.percentile(seconds, [50, 95])
        row, parts = candidate.row, parts_or_none(candidate)
        candidate.row = replace(
            row,
            fps=row.batch / p50_s,
            p50_ms=1e3 * p50_s,
            p95_ms=1e3 * p95_s,
            cpu_ms=1e3 * min(cpu_seconds) if device.type == "cpu" else None,
            encode_ms=None if parts is None else parts.encode_ms,
            denoise_ms=None if parts is None else parts.denoise_ms,
            decode_ms=None if parts is None else parts.decode_ms,
        )
    rows = [candidate.row for candidate in candidates]
    if device.type == "cuda":
        # Compiled code holds the weights it was compiled with, and the next one's memory is to be its own.
        torch.compiler.reset()
    return rows


def _take_turns(steps: Sequence[Callable[[], object]], frames: int) -> list[tuple[list[float], list[float]]]:
    """Wall and processor seconds of every step."""
    seconds: list[tuple[list[float], list[float]]] = [([], []) for _ in steps]
    for _ in range(-(-frames // _TURN)):
        for index, step in enumerate(steps):
            # The one before has left the caches full of its own weights.
            step()
            for _ in range(_TURN):
                began_s, cpu_began_s = time.perf_counter(), time.process_time()
                step()
                seconds[index][0].append(time.perf_counter() - began_s)
                seconds[index][1].append(time.process_time() - cpu_began_s)
    return seconds
