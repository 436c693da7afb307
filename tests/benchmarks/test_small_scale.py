from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import ablation, distillation
from benchmarks.small_scale import load_photos


def photograph(path: Path, grey: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((80, 80, 3), grey, np.uint8)).save(path)


def test_what_is_measured_on_is_not_trained_on(tmp_path: Path) -> None:
    photograph(tmp_path / "a.png", 50)
    photograph(tmp_path / "b.png", 100)
    photograph(tmp_path / "eval" / "c.png", 200)
    photos = load_photos(tmp_path)

    greys = [
        [round(float(photo.mean()) * 255) for photo in kind] for kind in (photos.train, photos.evaluation)
    ]
    assert greys == [[50, 100], [200]]


@pytest.mark.parametrize("program", [ablation, distillation])
def test_a_folder_that_holds_nothing_back_is_one_clear_line(
    program: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photograph(tmp_path / "a.png", 50)
    photograph(tmp_path / "b.png", 100)
    main: Callable[[list[str]], int] = program.main  # type: ignore[attr-defined]

    assert main(["--media", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "has no folder called eval" in error
    assert error.count("\n") == 1


def test_other_photographs_have_another_digest(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        for name in ("a.png", "eval/b.png"):
            photograph(tmp_path / folder / name, 100)
    one, same = load_photos(tmp_path / "one").names, load_photos(tmp_path / "other").names
    (tmp_path / "other" / "a.png").rename(tmp_path / "other" / "c.png")

    assert one == same
    assert load_photos(tmp_path / "other").names != one
