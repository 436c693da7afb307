import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from engines.backbones.tiny_folder import save_denoiser
from engines.compilers.calibrate import main
from engines.compilers.cpu import cpu_flags, has_int8
from engines.compilers.quantisation import RANGES_FILE, denoiser_folder, load_ranges
from engines.editor import load_editor
from engines.model import SHIPPED_MODELS, ModelError, write_index
from tests.engines.stock import save_sd35
from tests.engines.streams import picture, small_denoiser


def saved_model(folder: Path) -> Path:
    """A small model folder with the shipped instruction encoder."""
    denoiser = small_denoiser()
    save_denoiser(denoiser, denoiser.state_dict(), folder / "denoiser")
    write_index(folder, name="small", version="0", key_frame_interval=3, halvings=2)
    shutil.copytree(SHIPPED_MODELS / "rfdm-tiny" / "instruction_encoder", folder / "instruction_encoder")
    return folder


def test_calibration_is_the_same_every_time_and_makes_eight_bits_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model, media = saved_model(tmp_path / "model"), tmp_path / "media"
    media.mkdir()
    Image.fromarray(picture(0, 256, 320)).save(media / "noise.png")
    torch.manual_seed(1)
    assert main(["--model", str(model), "--media", str(media)]) == 0
    first = (model / "denoiser" / RANGES_FILE).read_bytes()
    torch.manual_seed(2)
    assert main(["--model", str(model), "--media", str(media)]) == 0

    assert (model / "denoiser" / RANGES_FILE).read_bytes() == first
    precision = load_editor(model, device="cpu").description.precision
    assert (precision == "int8") == has_int8(cpu_flags())


def test_a_large_model_keeps_the_layers_that_hold_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model, media = save_sd35(tmp_path / "model", with_t5=False), tmp_path / "media"
    media.mkdir()
    Image.fromarray(picture(0, 256, 320)).save(media / "noise.png")
    monkeypatch.setattr("engines.compilers.calibrate.SHORT_SIDE", 64)
    monkeypatch.setattr("engines.compilers.calibrate._INSTRUCTIONS", ("make it snow", "a red hat"))
    assert main(["--model", str(model), "--media", str(media), "--precision", "int8"]) == 0

    ranges = load_ranges(denoiser_folder(model))
    assert ranges
    assert f"transformer/{RANGES_FILE}: {len(ranges)} layers" in capsys.readouterr().out


def test_instructions_too_long_for_a_model_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, media = save_sd35(tmp_path / "model", with_t5=False), tmp_path / "media"
    media.mkdir()
    Image.fromarray(picture(0, 256, 320)).save(media / "noise.png")
    capsys.readouterr()
    assert main(["--model", str(model), "--media", str(media)]) == 2

    line = capsys.readouterr().err
    assert line.startswith("calibrate: an instruction has at most 24 tokens for this model")
    assert line.count("\n") == 1


def test_a_large_model_is_measured_where_it_is_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every layer is tried by itself: on a processor that takes a large model hours."""
    loaded: list[object] = []

    def load(folder: Path, device: torch.device) -> None:
        loaded.append(device)
        raise ModelError("seen")

    monkeypatch.setattr("engines.compilers.calibrate.load_parts", load)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    model, media = saved_model(tmp_path / "model"), tmp_path / "media"
    media.mkdir()
    Image.fromarray(picture(0, 256, 320)).save(media / "noise.png")
    for device in ("auto", "cpu"):
        assert main(["--model", str(model), "--media", str(media), "--device", device]) == 2

    assert loaded == [torch.device("cuda"), torch.device("cpu")]


def test_what_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", str(tmp_path), "--media", str(tmp_path)]) == 2
    assert main(["--model", str(saved_model(tmp_path / "model")), "--media", str(tmp_path / "absent")]) == 2

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("calibrate: ") for line in lines)
