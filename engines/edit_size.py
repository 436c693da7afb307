"""At which size a camera's picture is edited."""

from math import log

SIZE_MULTIPLE = 16
"""Both sides of an edited picture are multiples of this, or of the model's own `size_multiple` where it is more."""

SHORT_SIDE = 256
"""Of a picture that is edited, in pixels, until the model says otherwise."""

LONGEST_ASPECT = 4
"""A wider or taller picture is squeezed to this aspect: one banner must not cost as much as four pictures."""


USUAL_CAMERAS = ((640, 480), (1280, 720))
"""(width, height) of what visitors most often bring: made ready before the first of them."""


def edit_size(width: int, height: int, short_side: int, multiple: int = SIZE_MULTIPLE) -> tuple[int, int]:
    """The (width, height) to edit a camera's picture at: its aspect, as near as whole multiples allow.

    A camera smaller than ``short_side`` is not enlarged beyond the next multiple.

    Args:
        width: The camera's, in pixels.
        height: The camera's, in pixels.
        short_side: Wanted short side; the nearest multiple is taken.
        multiple: What both sides are multiples of.

    Raises:
        ValueError: A side is not positive.
    """
    if width < 1 or height < 1:
        raise ValueError(f"not a picture size: {width}x{height}")
    wanted = max(1, round(short_side / multiple)) * multiple
    short = min(wanted, -(-min(width, height) // multiple) * multiple)
    aspect = min(max(width, height) / min(width, height), LONGEST_ASPECT)
    below = max(short, int(short * aspect) // multiple * multiple)
    long = min((below, below + multiple), key=lambda side: abs(log(side / short / aspect)))
    return (long, short) if width >= height else (short, long)


def nearest_size(width: int, height: int, multiple: int = SIZE_MULTIPLE) -> tuple[int, int]:
    """The nearest (width, height) of whole multiples, for one that was asked for."""
    wide, high = (max(1, round(side / multiple)) * multiple for side in (width, height))
    return wide, high
