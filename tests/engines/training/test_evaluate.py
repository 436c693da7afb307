import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from rich.progress import Progress

from engines.compilers.eager import EagerCompiler
from engines.editor import Editor
from engines.families import FAMILIES, PEOPLE
from engines.flow import flow_levels
from engines.program import Direct, FrameProgram
from engines.training import evaluate as evaluation
from engines.training.card import BEGIN, END
from engines.training.evaluate import evaluate, main, pick
from engines.training.held_back import Phrasing
from engines.training.media import Scene
from engines.training.trials import JOINED_TRIALS
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


def masked_photo() -> Scene:
    """People in stripes, so that every view has some and not all of them."""
    stripes = (torch.arange(320) // 24 % 2 * 255).to(torch.uint8)
    return Scene("masked", photo().frames, stripes.expand(1, 1, 288, 320).contiguous())


def test_an_evaluation_covers_every_family_and_its_numbers_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "SIZE", 64)
    monkeypatch.setattr(evaluation, "FRAMES", 2)
    phrasings = [Phrasing("sepia", "sepia"), Phrasing("at night", "night")]
    with Progress(disable=True) as progress:
        result = evaluate(
            editor(), [photo(), masked_photo()], phrasings, ["broken.jpg: not a photo"], progress
        )

    assert tuple(result.families) == FAMILIES
    scores = [family.psnr_db for family in result.families.values()]
    assert result.mean_psnr_db == pytest.approx(sum(scores) / len(scores))
    assert result.worst_psnr_db == min(scores)
    assert {name for name, family in result.families.items() if family.iou is not None} == PEOPLE
    assert result.people_iou is not None
    assert 0 <= result.people_iou <= 1
    assert result.families["background_blur"].scenes == 1
    assert result.families["sepia"].scenes == 2
    assert len(result.joined) == len(JOINED_TRIALS)
    assert result.instruction_top1 == 0.5
    assert (result.scenes, result.frames, result.phrasings) == (2, 2, 2)
    assert result.skipped == ["broken.jpg: not a photo"]
    assert result.model["compiler"] == "eager"


def test_without_mattes_the_families_of_people_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "SIZE", 32)
    monkeypatch.setattr(evaluation, "FRAMES", 1)
    with Progress(disable=True) as progress:
        result = evaluate(editor(), [photo()], [], [], progress)

    assert set(result.families) == set(FAMILIES) - PEOPLE
    assert result.people_iou is None


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

    card = tmp_path / "README.md"
    card.write_text(f"# A model\n\n{BEGIN}\nstale\n{END}\n\n## Limits\n")

    assert main(["--media", str(tmp_path), "--json", "--card", str(card)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {"mean_psnr_db", "worst_psnr_db", "drift_db", "people_iou", "families", "joined"} <= set(printed)
    assert printed["phrasings"] == 1
    assert f"| sepia | {printed['families']['sepia']['psnr_db']:.1f} |" in card.read_text()
    assert "stale" not in card.read_text()
    assert card.read_text().startswith("# A model\n")
    assert card.read_text().endswith("\n## Limits\n")


@pytest.mark.parametrize(
    ("name", "says"),
    [("README.md", "has no place for figures"), ("absent.md", "cannot be read: No such file")],
)
def test_a_card_without_a_place_for_figures_is_refused_before_any_is_measured(
    name: str,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_photo(tmp_path / "photo.png")
    (tmp_path / "README.md").write_text("# A model\n")
    monkeypatch.delattr(evaluation, "load_editor")

    assert main(["--media", str(tmp_path), "--card", str(tmp_path / name)]) == 2
    assert says in capsys.readouterr().err


def test_scenes_with_people_are_picked_first_and_the_others_evenly() -> None:
    masked, others = masked_photo(), [photo() for _ in range(9)]
    scenes = [*others[:5], masked, *others[5:]]

    assert pick(scenes, 1) == [masked]
    assert pick(scenes, 4) == [others[0], others[4], masked, others[8]]
    assert pick(scenes, 99) == scenes


def test_a_sheet_of_samples_is_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_photo(tmp_path / "media" / "photo.png")
    monkeypatch.setattr(evaluation, "SIZE", 32)
    monkeypatch.setattr(evaluation, "FRAMES", 2)
    monkeypatch.setattr(evaluation, "_SHEET_FRAME", 1)
    monkeypatch.setattr(evaluation, "load_editor", lambda *_, **__: editor())
    sheet = tmp_path / "sheets" / "families.jpg"

    assert main(["--media", str(tmp_path / "media"), "--sheet", str(sheet)]) == 0
    with Image.open(sheet) as opened:
        assert opened.width > 1000


def test_a_sheet_over_time_is_written_for_each_edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_photo(tmp_path / "media" / "photo.png")
    monkeypatch.setattr(evaluation, "SIZE", 32)
    monkeypatch.setattr(evaluation, "FRAMES", 2)
    monkeypatch.setattr(evaluation, "_SHEET_TIMES", (0, 1))
    monkeypatch.setattr(evaluation, "load_editor", lambda *_, **__: editor())

    assert main(["--media", str(tmp_path / "media"), "--sheets", str(tmp_path / "sheets")]) == 0
    written = {path.stem for path in (tmp_path / "sheets").glob("*.jpg")}
    assert set(FAMILIES) - PEOPLE <= written
    assert "night+snow" in written
    options = ["--media", str(tmp_path / "media"), "--only", "snow", "--sheets", str(tmp_path / "snow")]
    assert main(options) == 0
    assert {path.stem for path in (tmp_path / "snow").glob("*.jpg")} == {
        "snow",
        "night+snow",
        "pencil_sketch+snow",
    }


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
