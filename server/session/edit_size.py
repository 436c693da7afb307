"""At which size a camera's picture is edited."""

from math import log

SIZE_MULTIPLE = 16
"""Both sides of an edited picture are multiples of this; the editor's own `size_multiple` divides it."""

LONGEST_ASPECT = 4
"""A wider or taller picture is squeezed to this aspect: one banner must not cost as much as four pictures."""


def edit_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """The (width, height) to edit a camera's picture at: its aspect, as near as multiples of 16 allow.

    A camera smaller than ``short_side`` is not enlarged beyond the next multiple of 16.

    Args:
        width: The camera's, in pixels.
        height: The camera's, in pixels.
        short_side: Wanted short side, a multiple of 16.

    Raises:
        ValueError: A side is not positive.
    """
    if width < 1 or height < 1:
        raise ValueError(f"not a picture size: {width}x{height}")
    short = min(short_side, -(-min(width, height) // SIZE_MULTIPLE) * SIZE_MULTIPLE)
    aspect = min(max(width, height) / min(width, height), LONGEST_ASPECT)
    below = max(short, int(short * aspect) // SIZE_MULTIPLE * SIZE_MULTIPLE)
    long = min((below, below + SIZE_MULTIPLE), key=lambda side: abs(log(side / short / aspect)))
    return (long, short) if width >= height else (short, long)
