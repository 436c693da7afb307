import itertools
from collections import Counter

import pytest

from engines.colours import COLOURS
from engines.conditioning import AMOUNT_RANGE
from engines.families import FAMILIES
from engines.training.phrasings import Phrasebook, Split, draws, held_back


def test_the_same_seed_draws_the_same_phrasings() -> None:
    first, second = (list(itertools.islice(draws(Split.TRAINING, 3, 0.25), 200)) for _ in range(2))

    assert first == second


def test_draws_are_varied_and_well_labelled() -> None:
    drawn = list(itertools.islice(draws(Split.EVERYTHING, 0, 0.25), 3000))

    assert len({phrasing.text for phrasing in drawn}) > 2700
    assert set(FAMILIES) == {phrasing.family for phrasing in drawn} - {None}
    assert 0.2 < sum(phrasing.family is None for phrasing in drawn) / len(drawn) < 0.3
    for phrasing in drawn:
        assert phrasing.text.strip()
        assert AMOUNT_RANGE[0] <= phrasing.amount <= AMOUNT_RANGE[1]
        assert (phrasing.colour is not None) == (phrasing.family == "tint")
        assert "{" not in phrasing.text or phrasing.family is None


@pytest.mark.parametrize("split", Split)
def test_no_held_back_phrasing_is_ever_drawn(split: Split) -> None:
    kept = {phrasing.text.lower().strip(" .!?") for phrasing in held_back()}

    drawn = {phrasing.text.lower().strip(" .!?") for phrasing in itertools.islice(draws(split, 1, 0.3), 4000)}

    assert not kept & drawn


def test_the_splits_share_no_wording() -> None:
    everything, training, validation = (
        Counter(wording for part in Phrasebook(split)._wordings["fog"].values() for wording in part)
        for split in (Split.EVERYTHING, Split.TRAINING, Split.VALIDATION)
    )

    assert training + validation == everything
    assert not training.keys() & validation.keys()
    assert len(validation) > 5


def test_the_held_back_set_is_large_enough() -> None:
    phrasings = held_back()
    families = Counter(phrasing.family for phrasing in phrasings)

    assert all(families[family] >= 10 for family in FAMILIES)
    assert families[None] >= 100
    assert len(phrasings) - families[None] >= 300
    assert {phrasing.colour for phrasing in phrasings} - {None} == set(COLOURS)
    assert len({phrasing.text for phrasing in phrasings}) == len(phrasings)
