"""scikit-image's photographs that the shipped model has not seen, for benchmarks where no media is given."""

from typing import Any, cast

import numpy as np
import skimage.data
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

UNSEEN = ("astronaut", "chelsea", "stereo_motorcycle")
"""Colour photographs whose files come with the package, so that nothing is downloaded.

Coffee, rocket and brick come with it too, but the model is trained on them (its card lists the sources); the other
pictures are grey, drawn, or of a microscope or a telescope.
"""


def unseen_photographs() -> dict[str, Picture]:
    """The photographs by their names, each (H, W, 3)."""
    return {name: _drawn(name) for name in UNSEEN}


def _drawn(name: str) -> Picture:
    samples: Any = skimage.data  # without annotations
    photograph = getattr(samples, name)()
    # A stereo pair is its left view, its right one and their disparity.
    return cast(Picture, photograph[0] if isinstance(photograph, tuple) else photograph)
