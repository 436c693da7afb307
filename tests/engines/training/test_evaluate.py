import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from rich.progress import Progress

from engines.compilers.eager import EagerCompiler
from engines.editor import Editor
from engines.families import FAMILIES
from engines.flow import flow_levels
from engines.program import Direct, FrameProgram
from engines.training import evaluate as evaluation
from engines.training.evaluate import evaluate, filmed, is_understood, main, target_of
from engines.training.media import Scene
from engines.training.phrasings import Phrasing
from tests.engines.streams import small_parts
from tests.engines.training.test_media import write_photo


def editor() -> Editor:
    parts = small_parts()
    program = FrameProgram(Direct(parts.denoiser), parts.codec, flow_levels(1))
    return Editor(parts, program, EagerCompiler(program, torch.device("cpu"), torch.float32), "cpu")


def photo() -> Scene:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 16, 16, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (288, 320), mode="bicubic").clamp(0, 1)
    return Scene("photo", (smooth * 255).to(torch.uint8))


def test_a_photo_is_filmed_and_a_clip_is_cropped_to_the_middle() -> None:
    clip = torch.arange(40, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 256, 300)

    assert filmed(photo(), seed=0).shape == (30, 3, 256, 256)
    assert filmed(Scene("clip", clip), seed=0).shape == (30, 3, 256, 256)
    assert int(filmed(Scene("clip", clip), seed=0)[29, 0, 0, 0]) == 29


def test_an_edit_counts_as_understood_only_where_it_is_nearest_to_its_own_target(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frame = filmed(photo(), seed=0)[:1]
    night = Phrasing("make it night", "night")
    monkeypatch.setattr(evaluation, "edit_scene", lambda *_: target_of(night, frame, "night"))

    assert is_understood(editor(), night, frame)
    assert not is_understood(editor(), Phrasing("make it foggy", "fog"), frame)


def test_an_evaluation_covers_every_family_and_its_numbers_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "SIZE", 64)
    monkeypatch.setattr(evaluation, "FRAMES", 4)
    phrasings = [Phrasing("sepia", "sepia"), Phrasing("night", "night")]
    with Progress(disable=True) as progress:
        result = evaluate(editor(), [photo(), photo()], phrasings, ["broken.jpg: not a photo"], progress)

    assert tuple(result.families) == FAMILIES
    scores = [family.psnr_db for family in result.families.values()]
    assert result.mean_psnr_db == pytest.approx(sum(scores) / len(scores))
    assert result.worst_psnr_db == min(scores)
    assert 0 <= result.instruction_top1 <= 1
    assert (result.scenes, result.frames, result.phrasings) == (2, 4, 2)
    assert result.skipped == ["broken.jpg: not a photo"]
    assert result.model["compiler"] == "eager"


def test_a_clip_that_is_too_short_is_named() -> None:
    short = Scene("short.mp4", torch.zeros(5, 3, 256, 256, dtype=torch.uint8))
    with Progress(disable=True) as progress, pytest.raises(ValueError, match=r"short\.mp4 has 5 frames"):
        evaluate(editor(), [short], [], [], progress)


def test_json_alone_goes_to_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_photo(tmp_path / "photo.png")
    monkeypatch.setattr(evaluation, "SIZE", 64)
    monkeypatch.setattr(evaluation, "FRAMES", 2)
    monkeypatch.setattr(evaluation, "load_editor", lambda *_, **__: editor())
    monkeypatch.setattr(
        evaluation, "held_back", lambda: (Phrasing("sepia", "sepia"), Phrasing("hello", None))
    )

    assert main(["--media", str(tmp_path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {"mean_psnr_db", "worst_psnr_db", "drift_db", "instruction_top1", "families"} <= set(printed)
    assert printed["phrasings"] == 1


def test_a_sheet_of_samples_is_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_photo(tmp_path / "media" / "photo.png")
    monkeypatch.setattr(evaluation, "SIZE", 64)
    monkeypatch.setattr(evaluation, "load_editor", lambda *_, **__: editor())
    sheet = tmp_path / "sheets" / "families.jpg"

    assert main(["--media", str(tmp_path / "media"), "--sheet", str(sheet)]) == 0
    with Image.open(sheet) as opened:
        assert opened.width > 1000


def test_a_folder_without_media_is_one_line_and_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluation, "load_editor", lambda *_, **__: editor())

    assert main(["--media", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_model_that_is_not_there_is_one_line_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--media", str(tmp_path), "--model", "absent"]) == 2
    assert "no model 'absent'" in capsys.readouterr().err
