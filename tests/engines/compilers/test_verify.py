from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from engines.compilers.interface import FrameShape
from engines.compilers.parts import Partwise, parts_of, program_inputs
from engines.compilers.placement import copy_in
from engines.compilers.verify import BFLOAT16_LIMIT, LIMIT, verify_parts
from engines.program import FrameProgram
from tests.engines.compilers.subjects import BACKBONES, subject

CPU = torch.device("cpu")
SHAPE = FrameShape(1, 64, 64)


def in_parts(
    program: FrameProgram, dtype: torch.dtype, compiled: Callable[..., Callable[..., Tensor]]
) -> Partwise:
    return Partwise(program, dtype, CPU, *(compiled(part.module) for part in parts_of(program, dtype)))


@pytest.mark.parametrize("backbone", BACKBONES)
def test_what_is_compared_is_what_the_frames_run_and_not_compiled_anew(backbone: str) -> None:
    graphs: list[torch.fx.GraphModule] = []

    def counting(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., object]:
        graphs.append(graph)
        return graph.forward

    def compiled(module: torch.nn.Module) -> Callable[..., Tensor]:
        run: Callable[..., Tensor] = torch.compile(module, backend=counting, dynamic=False, fullgraph=True)
        return run

    # It compiles one code for so many shapes only, and other tests have compiled this one.
    torch.compiler.reset()
    program = subject(backbone, steps=2)
    frame = in_parts(program, torch.float32, compiled)
    frame(*program_inputs(program, SHAPE))
    frames = len(graphs)
    checks = verify_parts(frame, program, SHAPE, "counting")

    assert frames > 0
    assert len(graphs) == frames
    assert [check.what.split()[0] for check in checks] == ["encoder", "denoiser", "decoder"]
    assert all(check.relative_error < 1e-4 for check in checks)


def test_bfloat16_may_be_as_much_further_off_as_it_rounds_more_coarsely() -> None:
    program = subject("sd15")
    rounded = in_parts(copy_in(program, CPU, torch.bfloat16), torch.bfloat16, lambda module: module)
    exact = in_parts(program, torch.float32, lambda module: module)

    assert {check.limit for check in verify_parts(exact, program, SHAPE, "eager")} == {LIMIT}
    checks = verify_parts(rounded, program, SHAPE, "eager")
    assert {check.limit for check in checks} == {BFLOAT16_LIMIT}
    assert all(check.passed for check in checks)
    assert any(check.relative_error > 1e-3 for check in checks)
