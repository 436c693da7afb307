"""The slate: what the virtual camera shows where there is no picture."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from server.session.frame import Picture

BACKGROUND = (16, 17, 21)
INK, QUIET_INK = (244, 242, 236), (150, 150, 158)
MARGIN = 0.08
"""Of the width, kept free on both sides of a slate's words."""

SMALLEST_PX = 4.0
"""FreeType refuses a letter of less than a pixel."""


def slate(frame: tuple[int, int], words: str, details: str = "") -> Picture:
    """What the camera shows in place of a picture: words on a dark ground, (height, width, 3).

    Args:
        frame: The camera's (width, height).
        words: What is going on, in a few words.
        details: Where, or what comes next, in smaller print.
    """
    width, height = frame
    image = Image.new("RGB", frame, BACKGROUND)
    draw = ImageDraw.Draw(image)
    _write(draw, words, (width / 2, height * 0.47), height / 12, INK)
    _write(draw, details, (width / 2, height * 0.58), height / 24, QUIET_INK)
    _write(draw, "Afterimage", (width / 2, height * 0.92), height / 30, QUIET_INK)
    return np.asarray(image)


def _write(
    draw: ImageDraw.ImageDraw,
    words: str,
    middle: tuple[float, float],
    size_px: float,
    ink: tuple[int, int, int],
) -> None:
    """Write one line, smaller where it would not fit into the width."""
    room = draw.im.size[0] * (1 - 2 * MARGIN)
    size_px = max(SMALLEST_PX, size_px)
    asked = draw.textlength(words, ImageFont.load_default(size_px))
    if asked > room:
        size_px = max(SMALLEST_PX, size_px * room / asked)
    draw.text(middle, words, ink, ImageFont.load_default(size_px), anchor="mm")
