"""What an instruction becomes on its way to the network: the instruction code and what is known about it.

The code is one float vector. For every family of :data:`engines.families.FAMILIES` in that order a weight, 1 for each
edit that is asked for; for every family again its amount times its weight; the red, green and blue of the colour to
give ("tint it blue"); and of the colour of the things that are meant ("make the red things blue" means red).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from engines.families import FAMILIES, NOISE_DRIFT, TAKES_RGB, TAKES_RGB_OF, in_order
from engines.noise_drift import Drift

AMOUNT_INDEX = len(FAMILIES)
RGB_INDEX = 2 * len(FAMILIES)
RGB_OF_INDEX = RGB_INDEX + 3
CODE_LENGTH = RGB_OF_INDEX + 3

RGB = tuple[float, float, float]

AMOUNT_RANGE = (0.4, 1.6)
"""0.5 is "slightly", 1 plainly said, 1.5 "very"."""

NO_COLOUR: RGB = (0.0, 0.0, 0.0)

MOST_EDITS = 2
"""Edits that one instruction can join."""


class InstructionError(ValueError):
    """The text cannot be an instruction: nothing in it, or too much."""


@dataclass(frozen=True, eq=False)
class Conditioning:
    """One encoded instruction."""

    text: str
    code: Tensor
    """(CODE_LENGTH,) float32 on the CPU, what the backbone's modulation takes."""
    family: str
    """The nearest taught family, a name of ``FAMILIES``; of joined edits the one named first."""
    confidence: float
    """0 to 1: how likely the text is a taught instruction of this family."""
    known: bool
    """False where the text is unlike anything taught."""
    nearest: tuple[str, ...]
    """Up to three example instructions of the nearest families, best first."""
    edits: tuple[tuple[str, float], ...] = ()
    """Family and amount of each edit, one or two, in the order they are named; empty where nothing is known."""
    left_out: tuple[str, ...] = ()
    """Families that are asked for as well, but cannot be done beside ``edits``: a third one, another colour."""

    @property
    def drift(self) -> Drift | None:
        """How the stream's noise moves under this instruction; None where it stands still."""
        families = [family for family, _ in self.edits] if self.edits else [self.family] * self.known
        return next((NOISE_DRIFT[family] for family in families if family in NOISE_DRIFT), None)

    @property
    def passes(self) -> tuple["Conditioning", ...]:
        """The edits to make one after the other: each of two joined ones alone, in the order they are done.

        A code that is between two instructions, as in a transition, is not taken apart.
        """
        return self._joined or (self,)

    @cached_property
    def _joined(self) -> tuple["Conditioning", ...]:
        """Each of two joined edits; empty for anything else. Made once: every frame asks for it several times."""
        amounts = dict(self.edits)
        if len(amounts) < 2:
            return ()
        rgb, rgb_of = (_colour(self.code, first) for first in (RGB_INDEX, RGB_OF_INDEX))
        if not torch.equal(self.code, instruction_code(dict.fromkeys(amounts, 1.0), amounts, rgb, rgb_of)):
            return ()
        return tuple(
            replace(
                self,
                code=instruction_code(
                    {family: 1.0},
                    amounts[family],
                    rgb if family in TAKES_RGB else NO_COLOUR,
                    rgb_of if family in TAKES_RGB_OF else NO_COLOUR,
                ),
                family=family,
                edits=((family, amounts[family]),),
            )
            for family in in_order(amounts)
        )

    @property
    def families(self) -> tuple[str, ...]:
        """Families of its edits; empty where the model takes free text."""
        return tuple(family for family, _ in self.edits)

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


def _colour(code: Tensor, first: int) -> RGB:
    red, green, blue = code[first : first + 3].tolist()
    return red, green, blue


class InstructionEncoder(Protocol):
    """Anything that turns a typed instruction into a conditioning."""

    def encode(self, text: str) -> Conditioning:
        """Encode one instruction.

        Raises:
            InstructionError: The text is empty or longer than 500 characters.
        """
        ...


def instruction_code(
    weights: Mapping[str, float],
    amounts: Mapping[str, float] | float = 1.0,
    rgb: RGB = NO_COLOUR,
    rgb_of: RGB = NO_COLOUR,
) -> Tensor:
    """The code of family weights, amounts and colours, (CODE_LENGTH,) float32.

    Args:
        weights: Family name -> weight, 1 for each of the edits asked for; where the reading of one edit is unsure,
            its weight of 1 may be shared among several families. Families not named weigh nothing.
        amounts: How much of each edit, within :data:`AMOUNT_RANGE`; 1 where a family is not named. One number is
            for all of them.
        rgb: The colour to give, in [0, 1]; zeros where no family of ``TAKES_RGB`` is asked for.
        rgb_of: The colour of the things meant, in [0, 1]; zeros where no family of ``TAKES_RGB_OF`` is asked for.

    Raises:
        ValueError: A family is not one of ``FAMILIES``.
    """
    named = set(weights) | (set() if isinstance(amounts, float | int) else set(amounts))
    unknown = named - set(FAMILIES)
    if unknown:
        raise ValueError(f"not a family: {', '.join(sorted(unknown))}")
    presence = [weights.get(family, 0.0) for family in FAMILIES]
    if isinstance(amounts, float | int):
        strength = [amounts * weight for weight in presence]
    else:
        strength = [
            amounts.get(family, 1.0) * weight for family, weight in zip(FAMILIES, presence, strict=True)
        ]
    return torch.tensor([*presence, *strength, *rgb, *rgb_of])
