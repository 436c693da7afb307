"""One way to read an instruction, as the network answers: from its answers, from two clauses, or from names."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engines.colours import COLOURS, NAMED_COLOURS
from engines.families import FAMILIES, TAKES_RGB, TAKES_RGB_OF
from engines.named_edits import NamedEdit
from engines.names import USUAL_COLOUR, USUAL_COLOUR_OF
from engines.reader import NOTHING, READ_EDITS, STRANGER, Reading


@dataclass(frozen=True, eq=False)
class Opinion:
    """One way to read a text."""

    edits: Tensor
    """(READ_EDITS, families + 2) probabilities, as :class:`engines.reader.Reading` orders them."""
    amounts: Tensor
    """(READ_EDITS,)"""
    colour: Tensor
    """(NAMED_COLOURS,) logits."""
    colour_of: Tensor
    """(COLOURS,) logits."""
    sureness: float
    """Probability of the likeliest answer: of two ways to read a text the surer one is taken."""
    left_out: tuple[str, ...] = ()
    """Families read that there is no place for in ``edits``."""

    @property
    def known_probability(self) -> float:
        """0 to 1: all that is asked for is known, the first edit and whatever others there are."""
        return float(self.edits[0, :STRANGER].sum() * (1 - self.edits[1:, STRANGER]).prod())


def read_opinion(reading: Reading, row: int, temperature: float) -> Opinion:
    """What the network answered to one text of a batch."""
    edits = (reading.edits[row] / temperature).softmax(-1)
    return Opinion(
        _padded(edits),
        _padded_amounts(reading.amounts[row]),
        reading.colour[row],
        reading.colour_of[row],
        float(edits.amax(-1).prod()),
    )


def named_opinion(named: Sequence[NamedEdit]) -> Opinion:
    """Edits that were asked for by name, in that order: certain.

    The code holds one colour of each kind: the first that is said, or else the usual one of the first that takes any.
    """
    colour = _first(*(edit.colour for edit in named), *(USUAL_COLOUR.get(edit.family) for edit in named))
    colour_of = _first(
        *(edit.colour_of for edit in named), *(USUAL_COLOUR_OF.get(edit.family) for edit in named)
    )
    amounts: dict[str, float] = {}
    for edit in named:
        if edit.colour in (None, colour) and edit.colour_of in (None, colour_of):
            # "Slightly sketched, pencil" says how much once.
            amounts[edit.family] = edit.amount if edit.amount != 1 else amounts.get(edit.family, 1.0)
    return Opinion(
        _padded(_certain(*(FAMILIES.index(family) for family in amounts))),
        _padded_amounts(torch.tensor([*amounts.values()])),
        torch.tensor([float(name == colour) for name in NAMED_COLOURS]),
        torch.tensor([float(name == colour_of) for name in COLOURS]),
        1.0,
        (*(edit.family for edit in named if edit.family not in amounts), *tuple(amounts)[READ_EDITS:]),
    )


def joined_opinion(left: Opinion, right: Opinion) -> Opinion | None:
    """Two clauses that ask for edits, as one text; None where they do not, or for the same.

    The code holds one colour, so where they name different ones the second is none the model can do beside the first.
    """
    one, two = _asked(left), _asked(right)
    if not one or not two or not set(one).isdisjoint(two):
        return None
    clashing = _clashing(TAKES_RGB, one, two, left.colour, right.colour) | _clashing(
        TAKES_RGB_OF, one, two, left.colour_of, right.colour_of
    )
    (strange,) = _certain(STRANGER)
    rows = [
        *left.edits[: len(one)],
        *(strange if family in clashing else row for family, row in zip(two, right.edits, strict=False)),
    ]
    return Opinion(
        _padded(torch.stack(rows)),
        _padded_amounts(left.amounts[: len(one)], right.amounts[: len(two)]),
        left.colour if TAKES_RGB.intersection(one) else right.colour,
        left.colour_of if TAKES_RGB_OF.intersection(one) else right.colour_of,
        left.sureness * right.sureness,
        tuple(family for family in two if family in clashing) + (*one, *two)[READ_EDITS:],
    )


def _asked(opinion: Opinion) -> tuple[str, ...]:
    """Families of the edits a clause asks for; none where one of them is strange."""
    answers = [answer for answer in opinion.edits.argmax(-1).tolist() if answer != NOTHING]
    return () if STRANGER in answers else tuple(dict.fromkeys(FAMILIES[answer] for answer in answers))


def _clashing(
    takers: frozenset[str], one: Sequence[str], two: Sequence[str], first: Tensor, second: Tensor
) -> frozenset[str]:
    """Those of ``two`` whose colour is another than the one that ``one`` has named already."""
    if takers.isdisjoint(one) or bool(first.argmax() == second.argmax()):
        return frozenset()
    return takers.intersection(two)


def _first(*colours: str | None) -> str | None:
    return next(filter(None, colours), None)


def _certain(*answers: int) -> Tensor:
    """(answers, families + 2) probabilities."""
    return torch.eye(NOTHING + 1)[list(answers)]


def _padded(edits: Tensor) -> Tensor:
    """As many rows as are told apart; what the network has no place for is no edit."""
    return torch.cat((edits, _certain(*[NOTHING] * READ_EDITS)))[:READ_EDITS]


def _padded_amounts(*amounts: Tensor) -> Tensor:
    return torch.cat((*amounts, torch.ones(READ_EDITS)))[:READ_EDITS]
