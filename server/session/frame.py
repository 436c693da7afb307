"""The one object that carries a picture from the camera's last packet in to its edit's last packet out."""

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import av
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from server.session.layer import Edits

Picture = NDArray[np.uint8]
"""(H, W, 3) RGB."""

Picture420 = NDArray[np.uint8]
"""(3 H / 2, W): the luma plane, then both colour planes at half the size, as I420 video has them; H, W even."""

TIME_BASE = Fraction(1, 90_000)
"""Of ``Frame.pts``."""

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

    camera: av.VideoFrame | None = None
    """The camera's picture as decoded, at its own size."""
    picture: Picture | None = None
    """What leaves, at the size it was edited at."""
    guided: bool = True
    """Whether the edit takes the camera's detail when it is enlarged."""
    shown: Picture420 | None = None
    """What leaves where that is larger than ``picture``."""
    kind: FrameKind = "passed"
    instruction_ids: tuple[str, ...] = ()
    """The instructions this edit carries, in the order they were applied."""
    edits: "Edits | None" = None
    """What was asked of the picture when this one's turn came."""
    evaluations: int | None = None
    """Of the network."""
    drift: float | None = None
    compiler: str | None = None
    """What ran the network."""
    edit_started_s: float | None = None
    edited_s: float | None = None
    detailed_s: float | None = None
    """Enlarged; None where it leaves at the size it was edited at."""
    encoded_s: float | None = None
    sent_s: float | None = None
    """Last packet out."""

    @property
    def edit_size(self) -> tuple[int, int]:
        """(width, height) of the source as it is edited."""
        return self.source.shape[1], self.source.shape[0]

    @property
    def shown_size(self) -> tuple[int, int]:
        """(width, height) it leaves at."""
        return self.edit_size if self.shown is None else (self.shown.shape[1], self.shown.shape[0] * 2 // 3)

    def video(self) -> av.VideoFrame:
        """What leaves, as encoders take it; a frame of its own for each, since they write on it."""
        if self.shown is not None:
            video = av.VideoFrame.from_ndarray(self.shown, format="yuv420p")
        else:
            assert self.picture is not None
            video = av.VideoFrame.from_ndarray(self.picture, format="rgb24")
        video.pts, video.time_base = self.pts, TIME_BASE
        return video

    def let_through(self) -> "Frame":
        """The same frame, leaving untouched."""
        self.picture, self.kind = self.source, "passed"
        return self
