from dataclasses import replace
from pathlib import Path

import pytest

from engines.training.held_back import Phrasing, held_back, is_read_right
from tests.engines.streams import WordEncoder

HEADER = "text\tedits\tcolour\tcolour_of\n"


def test_a_line_names_edits_amounts_and_both_colours(tmp_path: Path) -> None:
    path = tmp_path / "phrasings.tsv"
    path.write_text(
        HEADER
        + 'make red blue and "blur" a bit\trecolour, blur 0.5\tblue\tred\n'
        + "what time is it\tunknown\t\t\n"
    )

    joined, stranger = held_back(path)

    assert joined.text == 'make red blue and "blur" a bit'
    assert joined.edits == (("recolour", 1.0), ("blur", 0.5))
    assert (joined.family, joined.joined, joined.colour, joined.colour_of) == (
        "recolour",
        ("blur", 0.5),
        "blue",
        "red",
    )
    assert stranger == Phrasing("what time is it", None)
    assert stranger.edits == ()


@pytest.mark.parametrize(
    ("edits", "complaint"), [("holiday", "'holiday', which is not a family"), ("blur, fog, snow", "3 edits")]
)
def test_a_line_that_cannot_be_asked_for_is_refused(tmp_path: Path, edits: str, complaint: str) -> None:
    path = tmp_path / "phrasings.tsv"
    path.write_text(f"{HEADER}do it\t{edits}\t\t\n")

    with pytest.raises(ValueError, match=complaint):
        held_back(path)


def test_a_phrasing_is_read_right_where_it_is_read_as_just_its_families() -> None:
    def read(text: str, family: str, joined: tuple[str, float] | None = None) -> bool:
        return is_read_right(Phrasing(text, family, joined=joined), WordEncoder().encode(text))

    assert read("sepia", "sepia")
    assert not read("sepia", "night")
    assert not read("sepia", "sepia", ("blur", 1.0))
    assert not read("make it old", "unchanged")


def test_a_phrasing_that_is_called_unknown_is_not_read_right() -> None:
    doubted = replace(WordEncoder().encode("sepia"), known=False)

    assert not is_read_right(Phrasing("sepia", "sepia"), doubted)
