"""PyTorch's own compiler on the CPU; a GPU's CUDA graphs need a GPU."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from engines.codecs import PatchCodec
from engines.compilers.inductor import InductorCompiler, missing_toolchain
from engines.compilers.interface import FrameShape
from engines.compilers.parts import program_inputs
from engines.compilers.store import EngineStore
from engines.compilers.verify import verify_program
from engines.flow import flow_levels
from engines.model import ModelError
from engines.program import Direct, FrameProgram

CPU, SHAPE = torch.device("cpu"), FrameShape(1, 32, 32)
needs_toolchain = pytest.mark.skipif(missing_toolchain(CPU) is not None, reason="no C++ compiler")


class Mixer(nn.Module):
    """As little as a denoiser can be: each kernel costs a run of the C++ compiler."""

    code_length = 4

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1, 48, 1, 1), 0.5))

    def forward(self, noisy: Tensor, source: Tensor, memory: Tensor, sigma: Tensor, code: Tensor) -> Tensor:
        level = (sigma * code.sum(1)).view(-1, 1, 1, 1)
        return torch.tanh(noisy * self.weight + source * level - memory)


def program() -> FrameProgram:
    return FrameProgram(Direct(Mixer()), PatchCodec(2), flow_levels(2)).eval()


@needs_toolchain
def test_it_edits_as_pytorch_does_and_keeps_its_kernels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "kernels"))
    store = EngineStore(tmp_path / "engines")
    compiler = InductorCompiler(program(), CPU, torch.float32, store)
    told: list[str] = []
    compiled = compiler.compile(SHAPE, lambda phase, share: told.append(phase))
    checks = verify_program(compiled, program(), SHAPE, compiler.name)

    assert all(check.relative_error < 1e-3 for check in checks), checks
    assert told == ["compiling"]
    folder = store.find(compiler.manifest(SHAPE))
    assert folder is not None
    assert (folder / "inductor.artifacts").stat().st_size > 0

    again = InductorCompiler(program(), CPU, torch.float32, store).compile(SHAPE)
    inputs = program_inputs(program(), SHAPE, torch.Generator().manual_seed(1))
    assert torch.equal(again(*inputs)[1], compiled(*inputs)[1])


def test_without_a_toolchain_it_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(ModelError, match=r"inductor needs a C\+\+ compiler"):
        InductorCompiler(program(), CPU, torch.float32, EngineStore(tmp_path))
