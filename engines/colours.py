"""The named colours, with the exact sRGB value each one means and what people call it."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

COLOURS = MappingProxyType(
    {
        "red": (0.90, 0.10, 0.10),
        "orange": (1.00, 0.50, 0.00),
        "gold": (1.00, 0.75, 0.15),
        "yellow": (1.00, 0.95, 0.10),
        "lime": (0.65, 1.00, 0.10),
        "green": (0.10, 0.70, 0.20),
        "teal": (0.00, 0.50, 0.50),
        "cyan": (0.10, 0.90, 0.95),
        "blue": (0.10, 0.25, 0.95),
        "navy": (0.05, 0.10, 0.40),
        "purple": (0.50, 0.15, 0.80),
        "magenta": (1.00, 0.10, 0.85),
        "pink": (1.00, 0.55, 0.75),
        "maroon": (0.50, 0.05, 0.15),
        "brown": (0.50, 0.30, 0.12),
    }
)
"""Colour name -> (red, green, blue), each in [0, 1], gamma-encoded sRGB."""

NEUTRALS = MappingProxyType(
    {"white": (0.96, 0.96, 0.96), "grey": (0.50, 0.50, 0.50), "black": (0.04, 0.04, 0.04)}
)
"""Colours without a hue: a wall, a balloon or a thing can have them, a tint cannot."""

NAMED_COLOURS = MappingProxyType({**COLOURS, **NEUTRALS})
"""Every colour that can be given, hues first."""


def _read_names() -> Mapping[str, tuple[str, ...]]:
    with Path(__file__).with_name("colour_names.toml").open("rb") as file:
        names = tomllib.load(file)
    return MappingProxyType({colour: tuple(names[colour]) for colour in NAMED_COLOURS})


COLOUR_NAMES = _read_names()
"""Colour of ``NAMED_COLOURS`` -> what people call it, the name they use most first."""
