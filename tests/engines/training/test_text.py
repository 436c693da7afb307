from dataclasses import replace

import torch

from engines.families import FAMILIES
from engines.instructions import TrainedInstructionEncoder
from engines.reader import NOTHING, STRANGER, ReaderConfig
from engines.training.held_back import Phrasing
from engines.training.text import (
    PieceTable,
    _amounts,
    _labels,
    calibrated,
    fit,
    validation_phrasings,
)
from engines.training.wordings import Split


def test_what_each_edit_is_and_how_much_of_it_is_taught_in_the_order_they_are_named() -> None:
    blur, fog = FAMILIES.index("blur"), FAMILIES.index("fog")
    phrasings = (
        Phrasing("blur it a bit", "blur", 0.5),
        Phrasing("blur it and add lots of fog", "blur", joined=("fog", 1.5)),
        Phrasing("blur it and add a dog", "blur", half_known=True),
        Phrasing("add a dog and blur it", "blur", half_known=True, stranger_first=True),
        Phrasing("what time is it", None),
        Phrasing("no effect", "unchanged"),
    )

    assert _labels(phrasings).tolist() == [
        [blur, NOTHING],
        [blur, fog],
        [blur, STRANGER],
        [STRANGER, blur],
        [STRANGER, NOTHING],
        [0, NOTHING],
    ]
    assert _amounts(phrasings).tolist() == [[0.5, 0], [1, 1.5], [1, 0], [0, 1], [0, 0], [0, 0]]


def small_fit(seed: int) -> TrainedInstructionEncoder:
    rows = torch.randint(-127, 128, (4, 8), generator=torch.Generator().manual_seed(0), dtype=torch.int8)
    table = PieceTable(("blur", "fog", "##gy"), rows, torch.full((4,), 0.01))
    config = ReaderConfig(piece_width=8, group_width=8, group_buckets=256, width=16, layers=1, heads=2)
    return fit(config, table, Split.TRAINING, seed, 4, lambda step, steps, loss: None)


def test_training_is_the_same_for_the_same_seed() -> None:
    texts = ["blur it", "make it foggy", "what time is it"]

    first, again, other = (small_fit(seed).read(texts).edits for seed in (1, 1, 2))

    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_calibration_sets_the_temperature_alone() -> None:
    trial = small_fit(1)

    config = calibrated(trial, validation_phrasings(seed=1, count=60))

    assert 0.5 <= config.temperature <= 3.0
    assert replace(config, temperature=trial.config.temperature) == trial.config
