import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import upsampling
from benchmarks.upsampling import exact_edit, model_edit
from engines.colours import COLOURS
from engines.conditioning import Conditioning, instruction_code
from engines.editor import EditRequest, EditResult
from tests.engines.test_editor import editor

Picture = NDArray[np.uint8]


def test_a_model_is_asked_for_the_colour_it_is_compared_with(monkeypatch: pytest.MonkeyPatch) -> None:
    subject, seen = editor(), list[Conditioning]()

    def step(requests: list[EditRequest]) -> list[EditResult]:
        seen.append(requests[0].conditioning)
        return [EditResult(requests[0].picture, True, 1)]

    monkeypatch.setattr(subject, "step", step)
    monkeypatch.setattr(upsampling, "load_editor", lambda _: subject)
    picture: Picture = np.full((32, 32, 3), 128, np.uint8)
    nobody = np.zeros((32, 32), np.uint8)
    model_edit("small")("background_replace", picture, nobody)
    wall = exact_edit("background_replace", picture, nobody)[0, 0] / 255

    np.testing.assert_allclose(wall, COLOURS["blue"], atol=1 / 255)
    expected = instruction_code({"background_replace": 1.0}, 1.0, COLOURS["blue"])
    assert np.array_equal(seen[0].code, expected)


def test_a_model_that_is_none_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert upsampling.main(["--model", "absent"]) == 2
    assert "no model 'absent'" in capsys.readouterr().err
