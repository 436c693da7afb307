"""Frames as they come from a decoder."""

import numpy as np

from server.session.frame import Frame


def frame(rtp_timestamp: int = 0, size: tuple[int, int] = (32, 16), value: int = 100) -> Frame:
    """A frame of one grey."""
    width, height = size
    return Frame(
        rtp_timestamp=rtp_timestamp,
        pts=rtp_timestamp,
        source=np.full((height, width, 3), value, np.uint8),
        source_size=size,
        received_s=0.0,
        decoded_s=0.001,
    )
