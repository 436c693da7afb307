import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.distillation import main
from benchmarks.small_scale import CONFIG, Recipe, fit, load_photos, train, trainable
from engines.backbones.tiny import TinyDenoiser


def test_the_curve_goes_from_24_evaluations_to_1_in_a_fresh_clone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "curve.png"
    assert main(["--quick", "--evaluations", "1", "--json", "--plot", str(picture)]) == 0
    points = json.loads(capsys.readouterr().out)["points"]

    assert picture.stat().st_size > 1000
    assert [p["evaluations"] for p in points if p["name"].startswith("teacher, guided")] == [24, 24]
    assert [p["evaluations"] for p in points if p["name"] == "teacher, not guided"] == [8, 4, 2, 1]
    assert [p["evaluations"] for p in points if p["name"] == "student"] == [4, 2, 1]


def test_a_student_begins_as_its_teacher() -> None:
    teacher = train(load_photos(None), Recipe(frames=1), 1, seed=0)
    student = trainable(teacher).eval()
    x = torch.randn(2, 48, 8, 8)
    code = torch.eye(CONFIG.code_length)[:2]
    with torch.no_grad():
        outputs = [each(x, x, x, torch.ones(2), code) for each in (teacher, student)]

    torch.testing.assert_close(outputs[0], outputs[1], atol=2e-3, rtol=2e-3)


def test_a_student_learns_at_the_rate_it_is_told() -> None:
    def moved(rate: float) -> float:
        torch.manual_seed(0)
        start = TinyDenoiser(CONFIG)
        student = trainable(start)

        def losses() -> Iterator[torch.Tensor]:
            yield student(x, x, x, torch.ones(2), code).square().mean()

        last = fit(student, losses, 1, rate).state_dict()
        return float((last["bypass.bias"] - start.state_dict()["bypass.bias"]).abs().mean())

    x, code = torch.randn(2, 48, 8, 8), torch.eye(CONFIG.code_length)[:2]

    assert moved(0.3) == pytest.approx(0.3 * moved(1.0), rel=1e-3)


def test_a_folder_without_photographs_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--media", str(tmp_path)]) == 2
    assert "no usable photo or clip" in capsys.readouterr().err
