import json
from pathlib import Path

import pytest
import torch

from engines.conditioning import Conditioning, instruction_code
from engines.instructions import TrainedInstructionEncoder, load_instruction_encoder
from engines.model import SHIPPED_MODELS
from engines.reader import Reader, ReaderConfig
from engines.tokenizer import Vocabulary
from engines.training.card import END, TEXT_BEGIN
from engines.training.evaluate import main
from engines.training.held_back import Phrasing, held_back
from engines.training.text_report import (
    NOTHING_READ,
    FamilyReading,
    Misread,
    TextReport,
    evaluate_text,
    measure,
)


class Parrot:
    """Reads what it is told to, with a confidence."""

    def __init__(self, answers: dict[str, tuple[dict[str, float], float]]) -> None:
        self._answers = answers

    def encode(self, text: str) -> Conditioning:
        edits, confidence = self._answers[text]
        code = instruction_code(dict.fromkeys(edits or ("unchanged",), 1.0), edits)
        family = next(iter(edits), "unchanged")
        return Conditioning(text, code, family, confidence, bool(edits), (), tuple(edits.items()))


def report() -> TextReport:
    return measure(
        Parrot(
            {
                "blur it": ({"blur": 1.0}, 0.9),
                "blur it very strongly": ({"blur": 1.6}, 0.8),
                "mist": ({"fog": 1.0}, 0.7),
                "mist and blur": ({"blur": 1.0, "snow": 1.0}, 0.95),
                "haze everywhere": ({}, 0.2),
                "tint it blue": ({"tint": 1.0}, 0.6),
                "put a hat on the dog": ({}, 0.1),
                "make it foggy": ({"fog": 1.0}, 0.5),
            }
        ),
        (
            Phrasing("blur it", "blur"),
            Phrasing("blur it very strongly", "blur", 0.5),
            Phrasing("mist", "fog"),
            Phrasing("mist and blur", "fog", joined=("blur", 1.0)),
            Phrasing("haze everywhere", "fog"),
            Phrasing("tint it blue", "tint", 1.0, "blue"),
            Phrasing("put a hat on the dog", None),
            Phrasing("make it foggy", None),
        ),
    )


def test_measuring_counts_families_parameters_and_strangers_apart() -> None:
    measured = report()

    assert (measured.instructions, measured.joined, measured.strangers) == (6, 1, 2)
    assert measured.named == 4
    assert measured.top1 == pytest.approx(4 / 6)
    assert measured.joined_top1 == 0.0
    assert measured.parameters == pytest.approx(2 / 6)
    assert measured.unknown_detected == 0.5
    assert measured.false_alarms == pytest.approx(1 / 6)


def test_of_each_family_it_is_told_what_it_is_taken_for_and_what_is_taken_for_it() -> None:
    assert report().families == {
        "blur": FamilyReading(3, 1.0, {}, {}),
        "tint": FamilyReading(1, 1.0, {}, {}),
        "fog": FamilyReading(3, 1 / 3, {"snow": 1, NOTHING_READ: 1}, {"stranger": 1}),
    }


def test_what_is_misread_is_listed_the_surest_first() -> None:
    assert report().misread == (
        Misread("mist and blur", "fog + blur", "blur + snow", 0.95),
        Misread("blur it very strongly", "blur 0.5", "blur 1.6", 0.8),
        Misread("tint it blue", "tint, blue", "tint", 0.6),
        Misread("make it foggy", "stranger", "fog", 0.5),
        Misread("haze everywhere", "fog", NOTHING_READ, 0.2),
    )


def test_the_shipped_encoder_understands_the_held_back_phrasings() -> None:
    measured = evaluate_text(load_instruction_encoder(SHIPPED_MODELS / "rfdm-tiny" / "instruction_encoder"))

    assert measured.top1 >= 0.95, measured.misread
    assert measured.joined_top1 >= 0.85, measured.misread
    assert measured.parameters >= 0.85, measured.misread
    assert measured.unknown_detected >= 0.85, measured.misread
    assert measured.false_alarms <= 0.05, measured.misread


@pytest.fixture
def small_model(tmp_path: Path) -> Path:
    """A model folder with an encoder that has learned nothing."""
    torch.manual_seed(0)
    config = ReaderConfig(piece_width=8, group_width=8, group_buckets=64, width=16, layers=1, heads=2)
    encoder = TrainedInstructionEncoder(config, Reader(config, 1), Vocabulary(("blur",), ("blur",)))
    encoder.save(tmp_path / "small" / "instruction_encoder")
    (tmp_path / "small" / "model_index.json").write_text("{}")
    return tmp_path / "small"


def test_the_command_prints_json_and_writes_the_card(
    small_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    phrasings = held_back()[::4]
    monkeypatch.setattr("engines.training.text_report.held_back", lambda path: phrasings)
    card = tmp_path / "README.md"
    card.write_text(f"# A model\n\n{TEXT_BEGIN}\nstale\n{END}\n\n## Limits\n")

    assert main(["--text", "--model", str(small_model), "--json", "--card", str(card)]) == 0

    printed = json.loads(capsys.readouterr().out)
    assert printed["instructions"] + printed["strangers"] == len(phrasings)
    assert printed["named"] / printed["instructions"] < printed["top1"] + 0.02 < 0.5
    assert printed["families"]["night"]["taken_for"]
    written = card.read_text()
    assert f"the edits asked for: **{printed['top1']:.1%}**" in written
    assert "| night |" in written
    assert "stale" not in written
    assert written.startswith("# A model\n")
    assert written.endswith("\n## Limits\n")


def test_the_command_shows_families_the_worst_twenty_and_the_shares(
    small_model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engines.training.text_report.held_back", lambda path: held_back()[:40])

    assert main(["--text", "--model", str(small_model)]) == 0

    printed = capsys.readouterr().out
    assert "20 of " in printed
    assert printed.count(", read as ") == 20
    assert "edits right" in printed


@pytest.mark.parametrize("arguments", [[], ["--text", "--media", "."]])
def test_either_media_or_text_is_measured(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)

    assert "give either --media DIR or --text" in capsys.readouterr().err


def test_a_model_that_takes_free_text_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model_index.json").write_text("{}")

    assert main(["--text", "--model", str(tmp_path)]) == 2

    assert capsys.readouterr().err == (
        f"afterimage evaluate: {tmp_path} takes free text: it has no instruction encoder to measure\n"
    )


def test_a_card_without_a_place_for_text_figures_is_refused(
    small_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engines.training.text_report.held_back", lambda path: held_back()[:2])
    (tmp_path / "README.md").write_text("# A model\n")

    assert main(["--text", "--model", str(small_model), "--card", str(tmp_path / "README.md")]) == 2

    assert "has no place for figures" in capsys.readouterr().err
