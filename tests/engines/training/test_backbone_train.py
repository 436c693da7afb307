"""The command, from paired clips to a folder that edits."""

import json
from pathlib import Path

import pytest
import torch

from engines.model import load_parts
from engines.pretrained.checkpoint import read_checkpoint
from engines.pretrained.index import index_of
from engines.training.train import main
from tests.engines.stock import save_instruct_pix2pix, save_sd35
from tests.engines.training.test_pairs import clip


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_instruct_pix2pix(tmp_path_factory.mktemp("stock") / "pix2pix")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    clip(folder / "a.mp4", 20), clip(folder / "b.mp4", 60)
    record = {"source": "a.mp4", "target": "b.mp4", "instruction": "brighter"}
    (folder / "pairs.jsonl").write_text(json.dumps(record))
    return folder


def command(init: Path, pairs: Path, out: Path, *more: str) -> list[str]:
    places = ["--init", str(init), "--pairs", str(pairs), "--run", str(out.parent / "run"), "--out", str(out)]
    return ["--backbone", "sd15", *places, "--steps", "1", "--batch", "1", "--crop", "32", *more]


def test_a_checkpoint_becomes_an_rfdm_and_then_teaches_a_live_one(
    tmp_path: Path, stock: Path, pairs: Path
) -> None:
    trained, live = tmp_path / "one" / "trained", tmp_path / "two" / "live"
    assert main(command(stock, pairs, trained, "--lora", "2")) == 0
    index = index_of(read_checkpoint(trained), "")
    assert index.trained_inputs == ("noisy", "source", "memory")
    assert (index.steps, index.key_frame_interval) == (8, 3)

    assert main(command(trained, pairs, live, "--distil", "2")) == 0
    parts = load_parts(live)
    assert (parts.steps, parts.guidance, parts.key_frame_interval) == (1, None, 3)
    assert bool(torch.stack([weight.isfinite().all() for weight in parts.denoiser.parameters()]).all())


def test_what_cannot_be_trained_is_one_line(
    tmp_path: Path, stock: Path, pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    other = save_sd35(tmp_path / "sd35", with_t5=False)
    out = tmp_path / "out"
    for arguments, line in (
        (command(stock, tmp_path / "absent", out), "is not a folder"),
        (command(stock, tmp_path / "empty", out), "no pairs in"),
        (command(tmp_path / "nobody", pairs, out), "no model"),
        (command(other, pairs, out), "is a sd35 checkpoint, asked for is sd15"),
        (command(stock, pairs, stock), "exists already"),
        (command(stock, pairs, out, "--crop", "40"), "--crop must be a multiple of 16"),
        (command(stock, pairs, out, "--distil", "4"), "cannot teach: it was never trained to use the memory"),
    ):
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert line in error
        assert error.startswith("afterimage train: ")
        assert error.count("\n") == 1
    assert not out.exists()
