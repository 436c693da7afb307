"""Sound that comes with a picture, passed on as it came: nobody here edits it."""

import time
from collections.abc import Callable

from aiortc.jitterbuffer import JitterFrame
from aiortc.rtp import RtpPacket

from server.rtc.clocks import LATE_SOUND_S, SOUND_CLOCK_HZ, PictureClock
from server.rtc.encoded import EncodedFrame


class SoundRelay:
    """Takes aiortc's place for a jitter buffer (``add``) and hands Opus packets on without waiting.

    The viewer's own jitter buffer puts up with what the network did; one that comes late is left out, since
    the sequence numbers it gets on the way out would hide that.

    Args:
        payload_types: Those of Opus.
        capture_ms: When a packet was captured, from its RTP timestamp and arrival in Unix milliseconds.
        on_packet: Called with each.
    """

    def __init__(
        self,
        payload_types: frozenset[int],
        capture_ms: Callable[[int, float], float],
        on_packet: Callable[[EncodedFrame], None],
    ) -> None:
        self._payload_types, self._capture_ms, self._on_packet = payload_types, capture_ms, on_packet
        self._clock = PictureClock(SOUND_CLOCK_HZ, LATE_SOUND_S)
        self._last_ticks = -1

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Take a packet; never asks for anything, and never gives one to aiortc's decoder."""
        if packet.payload_type in self._payload_types and packet.payload:
            now_s = time.time()
            ticks = self._clock.pts(packet.ssrc, packet.timestamp, now_s)
            if ticks > self._last_ticks:
                self._last_ticks = ticks
                captured_ms = self._capture_ms(packet.timestamp, now_s * 1000.0)
                self._on_packet(EncodedFrame((packet.payload,), ticks, True, captured_ms))
        return False, None
