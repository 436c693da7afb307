"""One way to read an instruction, as the network answers: from its answers, from two clauses, or from names."""

from collections.abc import Collection, Sequence
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
        torch.cat((reading.amounts[row], torch.ones(READ_EDITS)))[:READ_EDITS],
        reading.colour[row],
        reading.colour_of[row],
        float(edits.amax(-1).prod()),
    )


def named_opinion(named: Sequence[NamedEdit]) -> Opinion:
    """Edits that were asked for by name, in that order: certain.

    The code holds one colour of each kind: the first that is said, or else the usual one of the first that takes any.
    """
    colour = _one_colour([(edit.colour, USUAL_COLOUR.get(edit.family)) for edit in named])
    colour_of = _one_colour([(edit.colour_of, USUAL_COLOUR_OF.get(edit.family)) for edit in named])
    amounts: dict[str, float] = {}
    for edit in named:
        if edit.colour in (None, colour) and edit.colour_of in (None, colour_of):
            # "Slightly sketched, pencil" says how much once.
            amounts[edit.family] = edit.amount if edit.amount != 1 else amounts.get(edit.family, 1.0)
    rows = torch.eye(NOTHING + 1)[[FAMILIES.index(family) for family in amounts]]
    return Opinion(
        _padded(rows),
        torch.tensor([*amounts.values(), *[1.0] * READ_EDITS])[:READ_EDITS],
        torch.tensor([float(name == colour) for name in NAMED_COLOURS]),
        torch.tensor([float(name == colour_of) for name in COLOURS]),
        1.0,
        (*(edit.family for edit in named if edit.family not in amounts), *tuple(amounts)[READ_EDITS:]),
    )


def _one_colour(named: Sequence[tuple[str | None, str | None]]) -> str | None:
    said, usual = ([colour for colour in colours if colour] for colours in zip(*named, strict=True))
    return next(iter((*said, *usual)), None)


def _padded(edits: Tensor) -> Tensor:
    """As many rows as are told apart; what the network has no place for is no edit."""
    nothing = torch.eye(NOTHING + 1)[NOTHING].expand(READ_EDITS, -1)
    return torch.cat((edits, nothing))[:READ_EDITS]


def joined_opinion(left: Opinion, right: Opinion) -> Opinion | None:
    """Two clauses that ask for edits, as one text; None where they do not, or for the same.

    The code holds one colour, so where they name different ones the second is none the model can do beside the first.
    """
    one, two = _asked(left), _asked(right)
    if not one or not two or not set(one).isdisjoint(two):
        return None
    beyond = torch.eye(NOTHING + 1)[STRANGER]
    clash = (TAKES_RGB if _clash(TAKES_RGB, one, two, left.colour, right.colour) else frozenset()) | (
        TAKES_RGB_OF if _clash(TAKES_RGB_OF, one, two, left.colour_of, right.colour_of) else frozenset()
    )
    rows = [
        *left.edits[: len(one)],
        *(beyond if family in clash else row for family, row in zip(two, right.edits, strict=False)),
    ]
    amounts = torch.cat((left.amounts[: len(one)], right.amounts[: len(two)], torch.ones(READ_EDITS)))
    return Opinion(
        _padded(torch.stack(rows)),
        amounts[:READ_EDITS],
        left.colour if TAKES_RGB.intersection(one) else right.colour,
        left.colour_of if TAKES_RGB_OF.intersection(one) else right.colour_of,
        left.sureness * right.sureness,
        tuple(family for family in two if family in clash) + (*one, *two)[READ_EDITS:],
    )


def _asked(opinion: Opinion) -> tuple[str, ...]:
    """Families of the edits a clause asks for; none where one of them is strange."""
    answers = [answer for answer in opinion.edits.argmax(-1).tolist() if answer != NOTHING]
    return () if STRANGER in answers else tuple(dict.fromkeys(FAMILIES[answer] for answer in answers))


def _clash(
    takers: Collection[str], one: Collection[str], two: Collection[str], first: Tensor, second: Tensor
) -> bool:
    """Whether both clauses name a colour, and not the same."""
    named = all(any(family in takers for family in families) for families in (one, two))
    return named and bool(first.argmax() != second.argmax())
