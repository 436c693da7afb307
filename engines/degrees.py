"""Words of degree and the amounts they mean: "slightly", "a lot of", "heavy"."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType


def _read() -> Mapping[str, Mapping[str, float]]:
    with Path(__file__).with_name("degrees.toml").open("rb") as file:
        places = tomllib.load(file)
    return MappingProxyType({place: MappingProxyType(words) for place, words in places.items()})


DEGREES = _read()
"""Where the words stand, as ``degrees.toml`` explains -> words -> amount within ``AMOUNT_RANGE``."""
