import torch

from engines.instructions import ReaderConfig, TrainedInstructionEncoder, load_instruction_encoder
from engines.model import SHIPPED_MODELS
from engines.training.phrasings import Phrasing, Split
from engines.training.text import PieceTable, calibrated, evaluate_text, fit, measure

SHIPPED = SHIPPED_MODELS / "rfdm-tiny" / "instruction_encoder"


def test_the_shipped_encoder_understands_the_held_back_phrasings() -> None:
    report = evaluate_text(load_instruction_encoder(SHIPPED))

    assert report.top1 >= 0.90, report.mistakes
    assert report.parameters >= 0.85, report.mistakes
    assert report.unknown_detected >= 0.85, report.mistakes
    assert report.false_alarms <= 0.05, report.mistakes


def test_measuring_counts_families_parameters_and_strangers_apart() -> None:
    phrasings = (
        Phrasing("blur it", "blur"),
        Phrasing("blur it very strongly", "blur", 0.5),
        Phrasing("tint it blue", "tint", 1.0, "red"),
        Phrasing("blur it now", "fog"),
        Phrasing("put a hat on the dog", None),
        Phrasing("make it foggy", None),
    )

    report = measure(load_instruction_encoder(SHIPPED), phrasings)

    assert (report.instructions, report.strangers) == (4, 2)
    assert report.top1 == 0.75
    assert report.parameters == 0.25
    assert report.unknown_detected == 0.5
    assert report.false_alarms == 0.0
    assert len(report.mistakes) == 4


def small_fit(seed: int) -> TrainedInstructionEncoder:
    rows = torch.randint(-127, 128, (4, 8), generator=torch.Generator().manual_seed(0), dtype=torch.int8)
    table = PieceTable(("blur", "fog", "##gy"), rows, torch.full((4,), 0.01))
    config = ReaderConfig(piece_width=8, group_width=8, group_buckets=256, width=16, layers=1, heads=2)
    return fit(config, table, Split.TRAINING, seed, 4, lambda step, steps, loss: None)


def test_training_is_the_same_for_the_same_seed() -> None:
    texts = ["blur it", "make it foggy", "what time is it"]

    first, again, other = (small_fit(seed).read(texts).families for seed in (1, 1, 2))

    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_calibration_lets_nearly_every_instruction_through() -> None:
    trial = small_fit(1)

    config = calibrated(trial, seed=1)

    assert 0.5 <= config.temperature <= 3.0
    assert 0.0 < config.known_threshold < 1.0
    assert config.families == trial.config.families
