"""Phrasings no training or tuning may see: what the text encoder is judged by.

Written before the training wordings and kept apart from them: :class:`engines.training.phrasings.Phrasebook` throws
away whatever it draws that stands here.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from engines.conditioning import MOST_EDITS, Conditioning
from engines.families import FAMILIES

HELD_BACK_PATH = Path(__file__).with_name("held_back_phrasings.tsv")
"""Columns: text; edits, as in "night, background_blur 0.5", or "unknown"; the colour to give; the colour meant."""

Edit = tuple[str, float]
"""A name of ``FAMILIES`` and the amount, within ``AMOUNT_RANGE``."""


@dataclass(frozen=True)
class Phrasing:
    """One text and what it asks for."""

    text: str
    family: str | None
    """A name of ``FAMILIES``, of two joined edits the one named first; None for a text the model does not know."""
    amount: float = 1.0
    colour: str | None = None
    """A name of ``NAMED_COLOURS``: the colour to give, with the families of ``TAKES_RGB`` only."""
    colour_of: str | None = None
    """A name of ``COLOURS``: the colour of the things meant, with the families of ``TAKES_RGB_OF`` only."""
    joined: Edit | None = None
    """The edit named second, of two joined in one sentence."""
    half_known: bool = False
    """Beside the edit of ``family`` stands something the model does not know."""
    stranger_first: bool = False
    """And that stands first."""

    @property
    def edits(self) -> tuple[Edit, ...]:
        """Family and amount of each edit, in the order they are named; none of a stranger."""
        if self.family is None:
            return ()
        first = (self.family, self.amount)
        return (first,) if self.joined is None else (first, self.joined)


def is_read_right(phrasing: Phrasing, read: Conditioning) -> bool:
    """Whether a phrasing is understood as the families it asks for, no more and no less.

    One that is called unknown, as a whole or in part, is not.
    """
    return read.known and dict(read.edits).keys() == dict(phrasing.edits).keys()


def held_back(path: Path = HELD_BACK_PATH) -> tuple[Phrasing, ...]:
    """The phrasings kept for the test, strangers among them with family None.

    Raises:
        ValueError: A line names no edit, too many, or one that is not taught.
    """
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(
            _phrasing(row["text"], row["edits"], row["colour"] or None, row["colour_of"] or None)
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        )


def _phrasing(text: str, edits: str, colour: str | None, colour_of: str | None) -> Phrasing:
    if edits == "unknown":
        return Phrasing(text, None)
    read: list[Edit] = []
    for edit in edits.split(", "):
        family, _, amount = edit.partition(" ")
        if family not in FAMILIES:
            raise ValueError(f"{text!r} asks for {family!r}, which is not a family")
        read.append((family, float(amount or 1.0)))
    if len(read) > MOST_EDITS:
        raise ValueError(f"{text!r} asks for {len(read)} edits, at most {MOST_EDITS} can be joined")
    (first, first_amount), *more = read
    return Phrasing(text, first, first_amount, colour, colour_of, more[0] if more else None)
