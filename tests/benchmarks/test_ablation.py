import json
import math
from pathlib import Path

import pytest
import torch

from benchmarks.ablation import as_json, main, read_rows, score, spread, variants
from benchmarks.small_scale import FAMILIES, SIZE, decode, film, load_photos
from engines.codecs import PatchCodec


def test_the_table_has_every_row_of_the_papers_in_a_fresh_clone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows_file, picture = tmp_path / "rows.json", tmp_path / "ablation.png"
    assert main(["--quick", "--evaluations", "1", "--rows", str(rows_file), "--plot", str(picture)]) == 0
    printed = capsys.readouterr().out

    assert picture.stat().st_size > 1000
    conditions, rows = read_rows(rows_file)
    assert conditions["frames shown"] == 1
    names = {(row.group, row.name) for row in rows}
    assert {("autoregressive frames", count) for count in ("0", "1", "3")} <= names
    assert {("key-frame interval", interval) for interval in ("0", "1", "3", "6")} <= names
    assert {("lag of the memory", str(lag)) for lag in range(1, 7)} <= names
    assert {("flow", "full frame"), ("condition", "source only"), ("forcing", "teacher")} <= names
    assert all(group in printed for group, _ in names)

    assert main(["--show", str(rows_file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["seed"] == 0

    last = variants()[-1].uses
    cut = [row for row in rows if (row.group, row.name) not in {(use.group, use.name) for use in last}]
    rows_file.write_text(as_json(conditions, cut))
    # Not timed again, which would give another number of frames.
    assert main(["--quick", "--rows", str(rows_file), "--json"]) == 0
    told = capsys.readouterr()
    assert len(json.loads(told.out)["rows"]) == len(rows)
    assert told.err.count("seed 0") == 1, "what was kept is not trained again"

    for others in (["--quick", "--evaluations", "2"], ["--clips", "1", "--seeds", "1"]):
        assert main([*others, "--rows", str(rows_file)]) == 2
        assert "other conditions" in capsys.readouterr().err


def test_uses_of_one_network_do_not_train_it_again() -> None:
    assert len(variants()) == 7
    assert len(variants()[0].uses) > 10


def test_an_exact_edit_has_no_excess() -> None:
    clips = torch.rand(2, 3, 3, 16, 16)
    scores = score(clips, clips)

    assert scores.tempcon_excess == 0
    assert scores.erraccu_excess == 0
    assert scores.psnr_db == 60
    assert scores.target_distance == pytest.approx(0, abs=1e-6)


def test_the_spread_of_one_seed_is_not_pretended() -> None:
    assert math.isnan(spread([1.0]))
    assert spread([1.0, 3.0]) == pytest.approx(2**0.5)


def test_filmed_textures_stay_on_the_pane_or_on_the_scene() -> None:
    photos = load_photos(None).train
    clips = film(photos, range(len(FAMILIES)), 3, 2, torch.Generator().manual_seed(0))
    pictures, targets = decode(clips.sources), decode(clips.targets)

    assert pictures.shape == (len(FAMILIES), 3, 3, SIZE, SIZE)
    assert torch.equal(clips.code, torch.eye(len(FAMILIES)))
    assert torch.allclose(PatchCodec(2).encode(targets[0] * 2 - 1), clips.targets[:, 0], atol=1e-6)
    frost = FAMILIES.index("frost")
    changed = (targets[frost] - pictures[frost]).abs().mean(1)
    assert torch.corrcoef(torch.stack([changed[0].flatten(), changed[2].flatten()]))[0, 1] > 0.8


def test_a_folder_without_photographs_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--media", str(tmp_path)]) == 2
    assert "no usable photo or clip" in capsys.readouterr().err
