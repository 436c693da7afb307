from pathlib import Path

import pytest
from PIL import Image

from benchmarks.engine.report import draw_chart
from benchmarks.engine.rows import DIFFUSERS, Row


def row(compiler: str, batch: int, fps: float | None) -> Row:
    return Row("small1.5", 256, batch, 1, "tiny", compiler, "bfloat16", fps=fps)


@pytest.mark.parametrize("batches", [(1,), (1, 4)], ids=["bars", "lines"])
def test_a_chart_is_drawn_of_one_batch_and_of_several(batches: tuple[int, ...], tmp_path: Path) -> None:
    rows = [row(compiler, batch, 10.0 * batch) for compiler in ("eager", DIFFUSERS) for batch in batches]
    path = tmp_path / "chart.png"

    draw_chart([*rows, row("tensorrt", 1, None)], "a machine", path)

    with Image.open(path) as picture:
        assert picture.size[0] > 300
        colours = picture.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    assert len(colours) > 10


def test_a_chart_of_nothing_is_an_empty_one(tmp_path: Path) -> None:
    draw_chart([], "a machine", tmp_path / "chart.png")

    assert (tmp_path / "chart.png").exists()
