"""The track that carries a session's edits to its browser."""

import time
from collections.abc import Callable

import av
from aiortc import MediaStreamTrack

from server.session.frame import Frame
from server.session.mailbox import Mailbox


class EditTrack(MediaStreamTrack):
    """Gives aiortc's sender the newest edit; it asks for the next only when one is sent.

    Attributes:
        leaving: The frame being encoded or sent; its stamps are set here and by `server.rtc.hooks`.
    """

    kind = "video"

    def __init__(self, outbox: Mailbox[Frame]) -> None:
        super().__init__()
        self.leaving: Frame | None = None
        self._outbox = outbox
        self._last_pts = -1

    async def recv(self) -> av.VideoFrame:
        """The newest edit, with its camera picture's timing."""
        frame = await self._outbox.take()
        while frame.pts <= self._last_pts:
            # Encoders refuse time that stands still or goes back.
            frame = await self._outbox.take()
        self.leaving, self._last_pts = frame, frame.pts
        return frame.video()

    def encoded(self) -> None:
        """Stamp the leaving frame: encoded. Called in the encoding thread."""
        if self.leaving is not None:
            self.leaving.encoded_s = time.perf_counter()

    def sent(self, out_rtp: int, report: Callable[[Frame, int], None]) -> None:
        """Stamp the leaving frame: its last packet is out."""
        frame, self.leaving = self.leaving, None
        if frame is not None:
            frame.sent_s = time.perf_counter()
            report(frame, out_rtp)
