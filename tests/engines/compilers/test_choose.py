from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from engines.compilers import choose
from engines.compilers.choose import choose_compiler, home_of
from engines.compilers.interface import CompilerName, FrameShape
from engines.compilers.parts import program_inputs
from engines.compilers.quantisation import ActivationRange, ActivationRanges, measure_ranges
from engines.compilers.store import EngineStore
from engines.flow import flow_levels
from engines.model import ModelError
from engines.program import Direct, FrameProgram
from tests.engines.compilers.subjects import subject
from tests.engines.streams import small_parts

CPU = torch.device("cpu")
STORE = EngineStore(Path("unused"))


def program() -> FrameProgram:
    parts = small_parts()
    return FrameProgram(Direct(parts.denoiser), parts.codec, flow_levels(1))


def never_calibrated() -> None:
    return None


def calibrated() -> ActivationRanges:
    return {"down0.0.first": ActivationRange(-3.0, 3.0)}


@pytest.mark.parametrize(
    ("flags", "ranges", "precision"),
    [
        ({"avx512_bf16", "avx512_vnni"}, calibrated, "int8"),
        ({"avx512_bf16", "avx512_vnni"}, never_calibrated, "bfloat16"),
        ({"avx_vnni"}, calibrated, "int8"),
        ({"avx2"}, calibrated, "float32"),
        (set(), calibrated, "float32"),
    ],
)
def test_a_cpu_gets_the_fastest_precision_it_has(
    flags: set[str],
    ranges: Callable[[], ActivationRanges | None],
    precision: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choose, "cpu_flags", lambda: frozenset(flags))
    chosen = choose_compiler("auto", program(), CPU, ranges, STORE)

    assert (chosen.name, chosen.precision) == ("openvino", precision)


@pytest.mark.parametrize(("flags", "precision"), [({"avx512_bf16"}, "bfloat16"), ({"avx2"}, "float32")])
def test_eager_never_emulates(flags: set[str], precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "cpu_flags", lambda: frozenset(flags))

    assert choose_compiler("eager", program(), CPU, never_calibrated, STORE).precision == precision


def test_openvino_rounds_the_convolutions_of_a_model_that_has_ranges_of_linear_layers_too(
    tmp_path: Path,
) -> None:
    shape, large = FrameShape(1, 64, 64), subject("sd15")
    shown = program_inputs(large, shape, torch.Generator().manual_seed(0))
    measured = measure_ranges(large, [shown])
    chosen = choose_compiler(
        "openvino", large, CPU, lambda: measured, EngineStore(tmp_path), precision="int8"
    )
    _, latent = chosen.compile(shape)(*shown)

    assert any("attn" in name for name in measured)
    assert chosen.precision == "int8"
    assert torch.isfinite(latent).all()


def test_a_model_of_linear_layers_alone_is_not_rounded_by_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "cpu_flags", lambda: frozenset({"avx512_vnni"}))
    large = subject("sd35")
    measured = {"transformer.transformer_blocks.0.attn.to_q": ActivationRange(-1.0, 1.0)}

    assert choose_compiler("auto", large, CPU, lambda: measured, STORE).precision == "float32"


def test_an_unknown_compiler_is_one_clear_line() -> None:
    unknown: CompilerName = "abacus"  # type: ignore[assignment]
    with pytest.raises(ModelError, match="no compiler 'abacus': auto, eager, "):
        choose_compiler(unknown, program(), CPU, never_calibrated, STORE)


def test_openvino_on_a_gpu_is_one_clear_line() -> None:
    with pytest.raises(ModelError, match="runs on the CPU"):
        choose_compiler("openvino", program(), torch.device("cuda"), never_calibrated, STORE)


@pytest.mark.parametrize(
    ("name", "installs"),
    [
        ("openvino", "openvino"),
        ("onnxruntime", r"-e '\.\[backbones\]'"),
        ("tensorrt", r"-e '\.\[backbones\]'"),
    ],
)
def test_a_compilers_package_that_is_not_installed_is_one_clear_line(
    name: CompilerName, installs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, "find_spec", lambda _: None)
    with pytest.raises(
        ModelError, match=f"not installed.*: .venv/bin/pip install -c requirements.lock {installs}$"
    ):
        choose_compiler(name, program(), CPU, never_calibrated, STORE)


def test_torch_tensorrt_asks_for_no_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match="torch-tensorrt needs the package"):
        choose_compiler("torch-tensorrt", program(), CPU, never_calibrated, STORE)


def test_a_gpu_computes_in_the_same_type_before_an_engine_takes_over_and_after() -> None:
    gpu = torch.device("cuda")
    named: tuple[CompilerName, ...] = ("eager", "inductor", "tensorrt", "tensorrt-rtx", "torch-tensorrt")

    assert {home_of(name, "auto", gpu)[1] for name in named} == {torch.float16}
    assert home_of("inductor", "bfloat16", gpu) == (gpu, torch.bfloat16)


def test_engines_are_made_of_weights_in_main_memory_in_their_own_type() -> None:
    gpu, cpu = torch.device("cuda"), torch.device("cpu")

    assert home_of("tensorrt-rtx", "auto", gpu) == (cpu, torch.float16)
    assert home_of("tensorrt", "bfloat16", gpu) == (cpu, torch.bfloat16)
    assert home_of("tensorrt-rtx", "int8", cpu) == (cpu, torch.float16)
    assert home_of("eager", "float32", gpu) == (gpu, torch.float32)
    assert home_of("openvino", "int8", cpu) == (cpu, torch.float32)
