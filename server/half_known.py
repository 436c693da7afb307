"""An instruction of which only a part is done, in the words that people know edits by."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engines.conditioning import Conditioning
    from engines.model import ModelDescription


def done_and_left_out(conditioning: "Conditioning", model: "ModelDescription | None") -> tuple[str, str]:
    """What of an instruction is done, and what cannot be done beside it; empty where there is nothing.

    Args:
        conditioning: The instruction, understood.
        model: Labels its families; without it they are called by their names.
    """
    labels = {} if model is None else {family.name: family.label for family in model.families}

    def listed(families: tuple[str, ...]) -> str:
        return " and ".join(labels.get(family, family) for family in families)

    return listed(conditioning.families), listed(conditioning.left_out)
