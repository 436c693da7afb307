from pathlib import Path

import pytest
import torch
from torch import nn

from engines.backbones.tiny import TinyDenoiser
from engines.backbones.tiny_folder import save_denoiser
from engines.compilers.interface import FrameShape
from engines.compilers.parts import program_inputs
from engines.compilers.quantisation import (
    KEPT_EXACT,
    RANGES_FILE,
    ActivationRange,
    is_rounded,
    load_ranges,
    measure_ranges,
    save_ranges,
)
from engines.flow import flow_levels
from engines.model import ModelError
from engines.program import Direct, FrameProgram
from tests.engines.streams import small_denoiser, small_parts

RANGES = {"down0.0.first": ActivationRange(-1.5, 2.0)}


def saved_model(folder: Path) -> TinyDenoiser:
    denoiser = small_denoiser()
    save_denoiser(denoiser, denoiser.state_dict(), folder)
    return denoiser


def test_every_convolution_away_from_the_pixels_gets_a_range() -> None:
    parts = small_parts()
    program = FrameProgram(Direct(parts.denoiser), parts.codec, flow_levels(1))
    ranges = measure_ranges(program, [program_inputs(program, FrameShape(1, 64, 96))])

    names = {name for name, module in parts.denoiser.named_modules() if isinstance(module, nn.Conv2d)}
    assert set(ranges) == {name for name in names if is_rounded(name)}
    assert not any(name.startswith("figure") or name in KEPT_EXACT for name in ranges)
    assert all(value.low <= 0 <= value.high for value in ranges.values())


def test_behind_a_silu_a_range_ends_where_silu_does() -> None:
    parts = small_parts()
    program = FrameProgram(Direct(parts.denoiser), parts.codec, flow_levels(1))
    ranges = measure_ranges(program, [program_inputs(program, FrameShape(1, 64, 96))])

    assert -0.2785 < ranges["middle.0.second"].low <= 0


def test_no_frames_give_no_ranges() -> None:
    parts = small_parts()
    with pytest.raises(ValueError, match="no frame"):
        measure_ranges(FrameProgram(Direct(parts.denoiser), parts.codec, flow_levels(1)), [])


def test_stored_ranges_come_back(tmp_path: Path) -> None:
    saved_model(tmp_path)
    assert load_ranges(tmp_path) is None
    save_ranges(RANGES, tmp_path)

    assert load_ranges(tmp_path) == RANGES


def test_ranges_of_other_weights_stop_the_start(tmp_path: Path) -> None:
    denoiser = saved_model(tmp_path)
    save_ranges(RANGES, tmp_path)
    torch.nn.init.normal_(denoiser.get_parameter("stem.weight"))
    save_denoiser(denoiser, denoiser.state_dict(), tmp_path)

    with pytest.raises(ModelError, match="other weights"):
        load_ranges(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"weights_sha256": "", "ranges": {"a": 1}}'])
def test_damaged_ranges_are_one_clear_line(content: str, tmp_path: Path) -> None:
    saved_model(tmp_path)
    (tmp_path / RANGES_FILE).write_text(content)

    with pytest.raises(ModelError, match="cannot be read"):
        load_ranges(tmp_path)
