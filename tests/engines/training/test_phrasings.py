import itertools
import random
from collections import Counter

import pytest

from engines.colours import COLOURS, NAMED_COLOURS
from engines.conditioning import AMOUNT_RANGE
from engines.families import FAMILIES, TAKES_NEUTRALS, TAKES_RGB, TAKES_RGB_OF
from engines.training.held_back import held_back
from engines.training.phrasings import Phrasebook, draws
from engines.training.sentences import without_courtesy
from engines.training.wordings import Split, Wordings


def test_the_same_seed_draws_the_same_phrasings() -> None:
    first, second = (list(itertools.islice(draws(Split.TRAINING, 3, 0.25), 200)) for _ in range(2))

    assert first == second


def test_draws_are_varied_and_well_labelled() -> None:
    drawn = list(itertools.islice(draws(Split.EVERYTHING, 0, 0.25), 4000))

    assert len({phrasing.text for phrasing in drawn}) > 3600
    assert set(FAMILIES) == {family for phrasing in drawn for family, _ in phrasing.edits}
    assert 0.2 < sum(phrasing.family is None for phrasing in drawn) / len(drawn) < 0.3
    for phrasing in drawn:
        families = {family for family, _ in phrasing.edits}
        assert phrasing.text.strip()
        assert all(AMOUNT_RANGE[0] <= amount <= AMOUNT_RANGE[1] for _, amount in phrasing.edits)
        assert (phrasing.colour is not None) == bool(families & TAKES_RGB)
        assert (phrasing.colour_of is not None) == bool(families & TAKES_RGB_OF)
        assert phrasing.colour in COLOURS or families & TAKES_RGB <= TAKES_NEUTRALS
        assert phrasing.family is None or not set("{@}") & set(phrasing.text)


def test_joined_edits_are_two_different_ones_and_half_known_ones_say_where_the_stranger_stands() -> None:
    drawn = list(itertools.islice(draws(Split.EVERYTHING, 2, 0.25), 2000))
    joined = [phrasing for phrasing in drawn if phrasing.joined]
    halves = [phrasing for phrasing in drawn if phrasing.half_known]

    assert len(joined) > 300
    assert all(len({family for family, _ in phrasing.edits}) == 2 for phrasing in joined)
    assert all("unchanged" not in dict(phrasing.edits) for phrasing in joined)
    assert len(halves) > 50
    assert {phrasing.stranger_first for phrasing in halves} == {True, False}
    assert not any(phrasing.joined for phrasing in halves)


def test_what_is_called_off_is_left_unchanged() -> None:
    book, rng = Phrasebook(Split.EVERYTHING), random.Random(0)

    drawn = [book.draw(rng, 0.0) for _ in range(3000)]

    refused = [
        phrasing for phrasing in drawn if phrasing.text.lower().startswith(("no more snow", "don't blur"))
    ]
    assert {phrasing.family for phrasing in refused} <= {"unchanged"}


@pytest.mark.parametrize("split", Split)
def test_no_held_back_phrasing_is_ever_drawn(split: Split) -> None:
    kept = {without_courtesy(phrasing.text) for phrasing in held_back()}

    drawn = {without_courtesy(phrasing.text) for phrasing in itertools.islice(draws(split, 1, 0.3), 3000)}

    assert not kept & drawn


def test_a_held_back_phrasing_is_thrown_away_however_it_comes_up(monkeypatch: pytest.MonkeyPatch) -> None:
    book, rng = Phrasebook(Split.EVERYTHING), random.Random(0)
    texts = iter(("Please make it snow!!", "make it snow thanks", "make it snow on the moon"))
    monkeypatch.setattr("engines.training.phrasings.as_typed", lambda text, rng: next(texts))

    assert book.draw(rng, 0.0).text == "make it snow on the moon"


def test_the_splits_share_no_wording() -> None:
    everything, training, validation = (
        Counter(wording for part in Wordings(split).families["fog"].values() for wording in part)
        for split in (Split.EVERYTHING, Split.TRAINING, Split.VALIDATION)
    )

    assert training + validation == everything
    assert not training.keys() & validation.keys()
    assert len(validation) > 5


def test_the_held_back_set_is_large_enough() -> None:
    phrasings = held_back()
    families = Counter(family for phrasing in phrasings for family, _ in phrasing.edits)
    known = [phrasing for phrasing in phrasings if phrasing.family is not None]

    assert all(families[family] >= 10 for family in FAMILIES)
    assert len(known) >= 500
    assert len(phrasings) - len(known) >= 100
    assert sum(phrasing.joined is not None for phrasing in known) >= 80
    assert sum(any(amount != 1.0 for _, amount in phrasing.edits) for phrasing in known) >= 100
    assert {phrasing.colour for phrasing in known} - {None} == set(NAMED_COLOURS)
    assert len({phrasing.colour_of for phrasing in known} - {None}) >= 8
    assert len({phrasing.text for phrasing in phrasings}) == len(phrasings)


def test_held_back_colours_are_named_where_a_family_takes_one() -> None:
    for phrasing in held_back():
        families = {family for family, _ in phrasing.edits}
        assert (phrasing.colour is not None) == bool(families & TAKES_RGB), phrasing
        assert (phrasing.colour_of is not None) == bool(families & TAKES_RGB_OF), phrasing
