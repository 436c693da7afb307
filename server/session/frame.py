"""The one object that carries a picture from the camera's last packet in to its edit's last packet out."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""(H, W, 3) RGB."""

FrameKind = Literal["edited", "passed", "repeated"]


@dataclass(slots=True, eq=False)
class Frame:
    """A camera picture, the picture that leaves in its place, and when each stop was done with it.

    Times are seconds of one monotonic clock (``time.perf_counter``), None until the stop is reached.
    """

    rtp_timestamp: int
    """As the camera sent it, 32 bits."""
    pts: int
    """90 kHz ticks since the camera's first frame, unwrapped; the edit leaves with it."""
    source: Picture
    """At the size it is edited at."""
    source_size: tuple[int, int]
    """The camera's (width, height)."""
    received_s: float
    """Last packet in."""
    decoded_s: float
    """Decoded and scaled."""

    picture: Picture | None = None
    """What leaves."""
    kind: FrameKind = "passed"
    instruction_id: str | None = None
    """The instruction this edit carries."""
    drift: float | None = None
    edit_started_s: float | None = None
    edited_s: float | None = None
    encoded_s: float | None = None
    sent_s: float | None = None
    """Last packet out."""

    @property
    def edit_size(self) -> tuple[int, int]:
        """(width, height) of the source as it is edited."""
        return self.source.shape[1], self.source.shape[0]

    def let_through(self) -> "Frame":
        """The same frame, leaving untouched."""
        self.picture, self.kind = self.source, "passed"
        return self
