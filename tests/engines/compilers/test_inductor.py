from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensor

from engines.codecs import PatchCodec
from engines.compilers import aot_inductor, inductor, manifest
from engines.compilers.aot_inductor import AotInductorCompiler
from engines.compilers.inductor import InductorCompiler
from engines.compilers.interface import Footprint, FrameShape
from engines.compilers.parts import program_inputs
from engines.compilers.store import EngineStore
from engines.flow import flow_levels
from engines.model import ModelError
from engines.program import Direct, FrameProgram
from tests.engines.compilers.gated import frame_program
from tests.engines.compilers.subjects import subject

CPU = torch.device("cpu")
SHAPE = FrameShape(1, 16, 24)


class OneLayer(nn.Module):
    """The least that is a denoiser: a kernel takes half a second of g++."""

    code_length = 2

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(9 * 4, 3 * 4, 1)

    def forward(
        self, noisy: Tensor, source: Tensor, memory: Tensor, timestep: Tensor, code: Tensor
    ) -> Tensor:
        joined = torch.cat([noisy, source, memory * code[:, :1, None, None]], 1)
        mixed: Tensor = self.mix(joined) * timestep.view(-1, 1, 1, 1)
        return mixed


def one_layer(steps: int = 1) -> FrameProgram:
    torch.manual_seed(0)
    return FrameProgram(Direct(OneLayer()), PatchCodec(1), flow_levels(steps)).eval()


@pytest.fixture
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    # Whoever edits a compiler while this runs makes every engine another.
    monkeypatch.setattr(manifest, "_SOURCES", ())
    # It would compile and load a small library for each kind of vector instruction: 4 s.
    monkeypatch.setattr("torch._inductor.config.cpp.vec_isa_ok", True)


@pytest.mark.usefixtures("_own_cache")
def test_what_it_compiles_is_what_pytorch_computes_and_is_not_compiled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, program = EngineStore(tmp_path / "engines"), one_layer()
    inputs = program_inputs(program, SHAPE, torch.Generator().manual_seed(0))
    told: list[tuple[str, float]] = []
    compiled = AotInductorCompiler(program, torch.float32, store).compile(
        SHAPE, lambda phase, share: told.append((phase, share))
    )
    shown, latent = compiled(*inputs)
    expected, remembered = program(*inputs)

    torch.testing.assert_close(latent, remembered, atol=1e-5, rtol=1e-5)
    assert int((shown.int() - expected.int()).abs().max()) <= 1
    # A memory of another making and layout: the code that was compiled knows of one only.
    following = (inputs[0], latent.to(memory_format=torch.channels_last), *inputs[2:])
    torch.testing.assert_close(compiled(*following)[1], program(*following)[1], atol=1e-5, rtol=1e-5)
    assert told == [("compiling", 0.0)]

    def never(*given: object, **named: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr("torch._inductor.aoti_compile_and_package", never)
    again = AotInductorCompiler(one_layer(), torch.float32, store)
    read = again.compile(SHAPE)
    assert torch.equal(read(*inputs)[1], latent)
    assert again.footprint().engine_bytes > 10_000


def test_a_model_is_compiled_for_any_number_of_shapes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five batches at two sizes are ten, and torch.compile by itself stops at eight."""
    compile_by_pytorch = torch.compile
    monkeypatch.setattr(
        torch,
        "compile",
        lambda module, **options: compile_by_pytorch(module, backend="eager", dynamic=False, fullgraph=True),
    )
    program = one_layer()
    # Its kernels are for a GPU; what is compiled, and how often, is the same here without making any.
    compiler = InductorCompiler(program, CPU, torch.float32, EngineStore(tmp_path))
    for batch in range(1, 11):
        shape = FrameShape(batch, 16, 24)
        inputs = program_inputs(program, shape, torch.Generator().manual_seed(0))
        torch.testing.assert_close(compiler.frame(shape)(*inputs)[1], program(*inputs)[1])


GPP_SAYS = (
    "C++ compile error\n\nOutput:\nfatal error: error writing to /tmp/c.s: No space left on device\nstopped"
)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError(GPP_SAYS)])
def test_a_full_disk_is_one_clear_line_that_names_the_folder(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object, **named: object) -> None:
        raise error

    monkeypatch.setattr("torch._inductor.aoti_compile_and_package", fail)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    compiler = AotInductorCompiler(one_layer(), torch.float32, EngineStore(tmp_path / "engines"))
    with pytest.raises(ModelError) as failed:
        compiler.compile(SHAPE)

    reason = f"No space left on device: it works in {tmp_path}"
    assert str(failed.value) == f"inductor cannot compile the program: {reason}"


def test_triton_needs_more_than_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a slim image with CUDA the package is there, and no kernel can be launched."""
    gpu, headers = torch.device("cuda"), tmp_path / "include"
    headers.mkdir()
    monkeypatch.setattr(inductor, "find_spec", lambda name: object())
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path / name))
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.delenv("CC", raising=False)
    assert inductor.missing_toolchain(gpu) == "a C compiler"
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/clang" if name == "clang" else None)
    assert inductor.missing_toolchain(gpu) == "Python's headers"
    (headers / "Python.h").write_text("")
    assert inductor.missing_toolchain(gpu) is None
    monkeypatch.setattr(inductor, "find_spec", lambda name: None)
    assert inductor.missing_toolchain(gpu) == "the package triton"


@pytest.mark.parametrize("backbone", ["sd15", "sd35"])
def test_each_part_of_a_large_model_is_one_graph(
    backbone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_by_pytorch, asked = torch.compile, list[dict[str, object]]()

    def without_kernels(module: nn.Module, **options: object) -> object:
        asked.append(options)
        return compile_by_pytorch(module, backend="eager", dynamic=False, fullgraph=True)

    monkeypatch.setattr(torch, "compile", without_kernels)
    program = subject(backbone, guided=True)
    inputs = program_inputs(program, FrameShape(1, 64, 64), torch.Generator().manual_seed(0))
    frame = InductorCompiler(program, CPU, torch.float32, EngineStore(tmp_path)).frame(FrameShape(1, 64, 64))
    with torch.inference_mode():
        expected = program(*inputs)[1]

    torch.testing.assert_close(frame(*inputs)[1], expected, atol=1e-4, rtol=1e-4)
    # Frames are recorded whole: inductor's own recordings would overwrite what a part has given.
    assert [options["fullgraph"] for options in asked] == [True] * 3
    assert {options["mode"] for options in asked} == {"max-autotune-no-cudagraphs"}


@pytest.mark.parametrize("compiler", [AotInductorCompiler, InductorCompiler])
def test_without_a_toolchain_it_is_one_clear_line(
    compiler: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    device = () if compiler is AotInductorCompiler else (CPU,)
    with pytest.raises(ModelError, match=r"inductor needs a C\+\+ compiler"):
        compiler(frame_program(), *device, torch.float32, EngineStore(tmp_path))


def test_while_it_compiles_others_meet_the_weights_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch's exporter replaces the weights of the modules it is given for as long as it traces."""
    program, traced = one_layer(), list[bool]()
    compiler = AotInductorCompiler(program, torch.float32, EngineStore(tmp_path / "engines"))
    before, seen, counted = compiler.footprint(), list[Tensor](), list[Footprint]()

    class Traced(nn.Conv2d):
        """Looks at the compiler as another thread would, in the middle of the export."""

        def forward(self, joined: Tensor) -> Tensor:
            traced.append(isinstance(self.weight, FakeTensor))
            seen.extend(compiler._program.parameters())
            counted.append(compiler.footprint())
            return super().forward(joined)

    layer = next(module for module in compiler._program.modules() if isinstance(module, nn.Conv2d))
    layer.__class__ = Traced

    def no_time(*_: object, package_path: str, **__: object) -> None:
        Path(package_path).write_bytes(b"package")

    monkeypatch.setattr("torch._inductor.aoti_compile_and_package", no_time)
    monkeypatch.setattr(aot_inductor, "_Package", lambda *_: lambda *_: None)
    compiler.compile(SHAPE)

    assert any(traced)
    assert set(counted) == {before}
    assert not any(isinstance(weight, FakeTensor) for weight in seen)
