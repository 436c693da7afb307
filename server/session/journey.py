"""Follows every frame of a session from the camera to its last packet out: clocks, telemetry, receipts."""

import time
from collections.abc import Callable

from server.messages import ReceiptMessage
from server.rtc.clocks import CaptureClock
from server.session.frame import Frame
from server.session.receipts import Receipts
from server.stats import FrameMatch
from server.telemetry import Telemetry


class Journey:
    """Notes where frames are; everything is called on the event loop.

    Args:
        telemetry: The session's.
        receipts: Wait for instructions' first frames.
        on_receipt: Told when one has left.
        on_match: Told which camera picture a frame that left was made from.

    Attributes:
        capture_clock: Of whoever sends the picture; None until someone does.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        receipts: Receipts,
        on_receipt: Callable[[ReceiptMessage], None],
        on_match: Callable[[FrameMatch], None],
    ) -> None:
        self.capture_clock: CaptureClock | None = None
        self._telemetry, self._receipts = telemetry, receipts
        self._on_receipt, self._on_match = on_receipt, on_match
        self._clock_offset_ms: float | None = None

    def take_round_trip(self, round_trip_ms: float) -> None:
        """The newest round trip to whoever sends the picture."""
        if self.capture_clock is not None:
            self._clock_offset_ms = self.capture_clock.video.offset_ms(round_trip_ms)
        self._telemetry.add_downlink(round_trip_ms / 2)

    def decoded(self, frame: Frame) -> None:
        """A camera picture is decoded."""
        self._telemetry.add_decoded(frame)
        capture_ms = self._reported_ms(frame)
        if capture_ms is not None and self._clock_offset_ms is not None:
            uplink_ms = unix_ms(frame.received_s) - (capture_ms + self._clock_offset_ms)
            if uplink_ms >= 0:
                self._telemetry.add_uplink(uplink_ms)

    def captured_ms(self, frame: Frame) -> float | None:
        """When a frame was captured, by the clock that sound is dated with; None where nobody sends it."""
        if self.capture_clock is None:
            return None
        return self.capture_clock.video_ms(frame.rtp_timestamp, unix_ms(frame.received_s))

    def sent(self, frame: Frame, out_rtp: int | None) -> None:
        """A frame has left, under this RTP timestamp where there is one for all."""
        index = self._telemetry.sent
        self._telemetry.add_sent(frame)
        for receipt in self._receipts.left(frame, index, out_rtp):
            self._telemetry.instruction_apply_ms = receipt.elapsed_ms
            self._on_receipt(receipt)
        if out_rtp is not None and frame.kind != "repeated" and self.capture_clock is not None:
            self._on_match(
                FrameMatch(out_rtp=out_rtp, in_rtp=frame.rtp_timestamp, capture_ms=self._reported_ms(frame))
            )

    def _reported_ms(self, frame: Frame) -> float | None:
        return (
            None if self.capture_clock is None else self.capture_clock.video.capture_ms(frame.rtp_timestamp)
        )


def unix_ms(stamp_s: float) -> float:
    """A frame's stamp in Unix milliseconds."""
    return time.time() * 1000.0 - 1000.0 * (time.perf_counter() - stamp_s)
