"""Eight bits in the large backbones: which layers they cover, and for which they are good enough."""

from pathlib import Path

import pytest
import torch

from engines.compilers.interface import FrameShape
from engines.compilers.onnx_export import export_onnx
from engines.compilers.onnx_quantisation import quantise_onnx
from engines.compilers.onnxruntime import OnnxPart
from engines.compilers.parts import part_inputs, parts_of, program_inputs
from engines.compilers.quantisation import KEPT_EXACT, ActivationRanges, measure_ranges
from engines.compilers.sensitivity import EightBits, ranges_within
from engines.compilers.verify import LIMIT, relative_error
from engines.program import FrameProgram
from tests.engines.compilers.subjects import subject

SHAPE = FrameShape(1, 64, 64)
LARGE = ("sd15", "sd35")


def ranges_of(program: FrameProgram) -> ActivationRanges:
    return measure_ranges(program, [program_inputs(program, SHAPE, torch.Generator().manual_seed(0))])


def error_in_onnx(program: FrameProgram, ranges: ActivationRanges, precision: EightBits, path: Path) -> float:
    part = parts_of(program, torch.float32)[1]
    export_onnx(part, program, torch.float32, path)
    quantise_onnx(path, ranges, precision)
    inputs = part_inputs(part, program, SHAPE, torch.float32, torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return relative_error(OnnxPart(path, part)(*inputs), part.module(*inputs))


@pytest.mark.parametrize("backbone", LARGE)
def test_attention_and_feed_forward_layers_have_a_range_and_those_of_the_timestep_have_none(
    backbone: str,
) -> None:
    names = set(ranges_of(subject(backbone)))

    assert any(name.endswith("attn1.to_q" if backbone == "sd15" else "attn.to_q") for name in names)
    assert any(".ff.net." in name for name in names)
    assert not any("time_" in name or ".norm" in name for name in names)
    assert names.isdisjoint(KEPT_EXACT)


@pytest.mark.parametrize("precision", ["int8", "fp8"])
@pytest.mark.parametrize("backbone", LARGE)
def test_all_layers_with_a_range_can_be_rounded_and_the_chosen_ones_hold_the_error(
    backbone: str, precision: EightBits, tmp_path: Path
) -> None:
    program = subject(backbone)
    ranges = ranges_of(program)
    samples = [program_inputs(program, SHAPE, torch.Generator().manual_seed(2))]
    held = ranges_within(LIMIT / 2, program, ranges, samples, precision)

    assert 0 < len(held) <= len(ranges)
    assert error_in_onnx(program, held, precision, tmp_path / "held.onnx") < LIMIT
    rounded = error_in_onnx(program, ranges, precision, tmp_path / "all.onnx")
    assert rounded >= error_in_onnx(program, {}, precision, tmp_path / "none.onnx")


def test_a_stricter_bound_rounds_fewer_layers_and_leaves_the_weights_as_they_were() -> None:
    program = subject("sd35")
    before = {name: value.clone() for name, value in program.state_dict().items()}
    ranges = ranges_of(program)
    samples = [program_inputs(program, SHAPE, torch.Generator().manual_seed(2))]
    strict, loose = (set(ranges_within(limit, program, ranges, samples, "int8")) for limit in (1e-3, 1.0))

    assert strict < loose
    assert all(torch.equal(value, before[name]) for name, value in program.state_dict().items())
