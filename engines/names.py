"""What people call each family, as ``names.toml`` lists it: words that mean one edit and nothing else.

In a name "{c}" stands for the colour to give and "{o}" for the colour of the things meant.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from engines.families import FAMILIES, LABELS


def _read() -> Mapping[str, tuple[str, ...]]:
    with Path(__file__).with_name("names.toml").open("rb") as file:
        further = tomllib.load(file)
    return MappingProxyType(
        {family: (LABELS[family], family.replace("_", " "), *further[family]) for family in FAMILIES}
    )


NAMES = _read()
"""Family name -> its label, itself, and what else it is called."""

USUAL_COLOUR = MappingProxyType(
    {
        "tint": "blue",
        "recolour": "blue",
        "background_tint": "blue",
        "background_replace": "white",
        "add_balloons": "red",
    }
)
"""Family of ``TAKES_RGB`` -> what it gives where no colour is said: the page's first suggestion, or a white wall."""

USUAL_COLOUR_OF = MappingProxyType({"recolour": "red", "colour_pop": "red"})
"""Family of ``TAKES_RGB_OF`` -> the colour of the things meant where none is said."""
