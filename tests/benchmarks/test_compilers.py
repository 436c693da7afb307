from collections.abc import Callable, Sequence

import pytest
import torch

from benchmarks import compilers
from engines.compilers.eager import EagerCompiler
from engines.program import FrameProgram


def test_two_joined_edits_are_compared_with_two_evaluations_of_pytorch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def eager(program: FrameProgram, *_: object) -> list[EagerCompiler]:
        return [EagerCompiler(program, torch.device("cpu"), torch.float32)]

    def in_a_second(steps: Sequence[Callable[[], object]], frames: int) -> tuple[list[list[float]], ...]:
        return [[1.0] * frames for _ in steps], [[1.0] * frames for _ in steps]

    monkeypatch.setattr(compilers, "compilers", eager)
    monkeypatch.setattr(compilers, "_take_turns", in_a_second)
    timings = compilers.measure_size(32, 32, 1, {"float32": 1.0})

    assert {row.edit: row.times_float32 for row in timings if row.evaluations == 1}.keys() == {
        edit for edit, families in compilers.EDITS.items() if len(families) == 1
    }
    assert {row.evaluations: row.times_float32 for row in timings} == {1: 1.0, 2: 2.0}
