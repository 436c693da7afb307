"""Pictures of one shape in frames of another: as large as they go, black where they do not reach."""

import numpy as np

from server.session.frame import Picture


def fit(size: tuple[int, int], frame: tuple[int, int]) -> tuple[int, int]:
    """The largest even (width, height) of a picture's shape within a frame.

    Args:
        size: The picture's (width, height).
        frame: (width, height).
    """
    factor = min(frame[0] / size[0], frame[1] / size[1])
    width, height = (
        max(2, min(round(side * factor / 2) * 2, limit // 2 * 2))
        for side, limit in zip(size, frame, strict=True)
    )
    return width, height


def letterbox(picture: Picture, frame: tuple[int, int]) -> Picture:
    """The picture in the middle of a black frame of (width, height); it has to fit in."""
    width, height = frame
    rows, columns = picture.shape[:2]
    if (columns, rows) == frame:
        return picture
    framed = np.zeros((height, width, 3), np.uint8)
    top, left = (height - rows) // 2, (width - columns) // 2
    framed[top : top + rows, left : left + columns] = picture
    return framed
