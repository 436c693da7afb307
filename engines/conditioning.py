"""What an instruction becomes on its way to the network: the instruction code and what is known about it.

The code is one float vector: a weight for every family of :data:`engines.families.FAMILIES` in that order,
then the amount, then the red, green and blue of the named colour.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from engines.families import FAMILIES

AMOUNT_INDEX = len(FAMILIES)
RGB_INDEX = AMOUNT_INDEX + 1
CODE_LENGTH = RGB_INDEX + 3

AMOUNT_RANGE = (0.4, 1.6)
"""0.5 is "slightly", 1 plainly said, 1.5 "very"."""

NO_COLOUR = (0.0, 0.0, 0.0)


class InstructionError(ValueError):
    """The text cannot be an instruction: nothing in it, or too much."""


@dataclass(frozen=True, eq=False)
class Conditioning:
    """One encoded instruction."""

    text: str
    code: Tensor
    """(CODE_LENGTH,) float32 on the CPU, what the backbone's modulation takes."""
    family: str
    """The nearest taught family, a name of ``FAMILIES``."""
    confidence: float
    """0 to 1: how likely the text is a taught instruction of this family."""
    known: bool
    """False where the text is unlike anything taught."""
    nearest: tuple[str, ...]
    """Up to three example instructions of the nearest families, best first."""

    def towards(self, other: "Conditioning", share: float) -> "Conditioning":
        """The conditioning ``share`` of the way to ``other``, for timed transitions.

        Everything but the code is ``other``'s: a transition is named after where it leads.

        Args:
            other: Where the transition ends.
            share: 0 keeps this code, 1 gives the other's.

        Raises:
            ValueError: ``share`` is outside [0, 1] or the codes differ in length.
        """
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"share must be within [0, 1], not {share}")
        if self.code.shape != other.code.shape:
            raise ValueError(f"codes differ in shape: {tuple(self.code.shape)} and {tuple(other.code.shape)}")
        return replace(other, code=torch.lerp(self.code, other.code, share))


class InstructionEncoder(Protocol):
    """Anything that turns a typed instruction into a conditioning."""

    def encode(self, text: str) -> Conditioning:
        """Encode one instruction.

        Raises:
            InstructionError: The text is empty or longer than 500 characters.
        """
        ...


def instruction_code(
    weights: Mapping[str, float], amount: float = 1.0, rgb: tuple[float, float, float] = NO_COLOUR
) -> Tensor:
    """The code of family weights, amount and colour, (CODE_LENGTH,) float32.

    Args:
        weights: Family name -> weight; families not named weigh nothing.
        amount: How much of the edit, within :data:`AMOUNT_RANGE`.
        rgb: The named colour in [0, 1], zeros where the family takes none.

    Raises:
        ValueError: A family is not one of ``FAMILIES``.
    """
    unknown = set(weights) - set(FAMILIES)
    if unknown:
        raise ValueError(f"not a family: {', '.join(sorted(unknown))}")
    return torch.tensor([*(weights.get(family, 0.0) for family in FAMILIES), amount, *rgb])
