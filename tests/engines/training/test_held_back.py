from pathlib import Path

import pytest

from engines.training.held_back import Phrasing, held_back

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
