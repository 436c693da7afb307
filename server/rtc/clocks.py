"""The clocks of a stream: RTP timestamps, which wrap, and the sender's wall clock."""

from collections import deque
from dataclasses import dataclass

VIDEO_CLOCK_HZ = 90_000
"""RFC 6184 and RFC 7741 both fix it."""

SOUND_CLOCK_HZ = 48_000
"""Of Opus, whatever it carries (RFC 7587)."""

REPORTS_COMPARED = 16
"""Some 16 seconds: clocks drift less than a millisecond in that time."""

LATE_SOUND_S = 1.0
"""How far a packet of sound may go back, being late."""
REORDERED_S = 0.25
"""How far a picture may: its packets are in order by then, and B-frames come after what they are shown before."""

_WRAP = 1 << 32
_HALF_WRAP = 1 << 31
_NTP_TO_UNIX_S = 2_208_988_800
"""Seconds between 1900 and 1970, RFC 5905."""


def wrapped_difference(later: int, earlier: int) -> int:
    """How far one 32-bit RTP timestamp is after another, negative if it is before (RFC 1982)."""
    return (later - earlier + _HALF_WRAP) % _WRAP - _HALF_WRAP


def ntp_to_unix_ms(ntp_timestamp: int) -> float:
    """A 64-bit NTP timestamp, 32.32 fixed point, as Unix milliseconds."""
    return (ntp_timestamp / _WRAP - _NTP_TO_UNIX_S) * 1000.0


def unix_ms_to_ntp(unix_ms: float) -> int:
    """Unix milliseconds as a 64-bit NTP timestamp."""
    return int((unix_ms / 1000.0 + _NTP_TO_UNIX_S) * _WRAP) % (1 << 64)


class PictureClock:
    """Unwraps a stream's RTP timestamps into ticks since its first frame, which hardly ever go back.

    A new synchronization source starts a new timestamp series (RFC 3550, section 5.1), and so does one that goes back
    further than it may, as of a short clip that is sent over and over; it is laid behind the old one by the time that
    passed between them.

    Args:
        clock_hz: Ticks a second.
        back_s: How far a timestamp may go back, in seconds.
    """

    def __init__(self, clock_hz: int = VIDEO_CLOCK_HZ, back_s: float = REORDERED_S) -> None:
        self._clock_hz, self._back_s = clock_hz, back_s
        self._ssrc: int | None = None
        self._last_timestamp = 0
        self._last_pts = 0
        self._last_received_s = 0.0

    def pts(self, ssrc: int, timestamp: int, received_s: float) -> int:
        """Ticks from the first frame to this one; the first is 0."""
        ticks = wrapped_difference(timestamp, self._last_timestamp)
        if self._ssrc is None:
            pts = 0
        elif ssrc == self._ssrc and ticks > -self._back_s * self._clock_hz:
            pts = self._last_pts + ticks
        else:
            pts = self._last_pts + max(1, round((received_s - self._last_received_s) * self._clock_hz))
        self._ssrc, self._last_timestamp = ssrc, timestamp
        self._last_pts, self._last_received_s = pts, received_s
        return pts


@dataclass(frozen=True)
class SenderReport:
    """The part of an RTCP sender report that ties the two clocks (RFC 3550, section 6.4.1)."""

    ssrc: int
    ntp_timestamp: int
    rtp_timestamp: int
    received_unix_ms: float
    """By this machine's clock."""


class SenderClock:
    """When, by the sender's own wall clock, a frame was captured.

    Args:
        clock_hz: Of the stream's RTP timestamps.
    """

    def __init__(self, clock_hz: int = VIDEO_CLOCK_HZ) -> None:
        self._clock_hz = clock_hz
        self._report: SenderReport | None = None
        self._ahead_ms: deque[float] = deque(maxlen=REPORTS_COMPARED)

    def add(self, report: SenderReport) -> None:
        """Take the newest report; one sent before the first packet says nothing (NTP time 0)."""
        if report.ntp_timestamp:
            self._report = report
            self._ahead_ms.append(report.received_unix_ms - ntp_to_unix_ms(report.ntp_timestamp))

    @property
    def reported(self) -> bool:
        """Whether a report has come."""
        return self._report is not None

    def capture_ms(self, rtp_timestamp: int) -> float | None:
        """Unix milliseconds on the sender's clock; None before its first report."""
        if self._report is None:
            return None
        ticks = wrapped_difference(rtp_timestamp, self._report.rtp_timestamp)
        return ntp_to_unix_ms(self._report.ntp_timestamp) + ticks * 1000.0 / self._clock_hz

    def offset_ms(self, round_trip_ms: float) -> float | None:
        """What to add to the sender's clock to get ours, taking half a round trip for the report's way.

        The quickest of the last reports counts: some senders date a report with their last packet, not with
        its own departure. Good to the difference between the two directions' delays; None before the first
        report.
        """
        return min(self._ahead_ms) - round_trip_ms / 2 if self._ahead_ms else None


class CaptureClock:
    """Dates picture and sound of one sender by one clock, so that they can be shown together again.

    By the sender's own once both streams have reported it, otherwise by their arrival here.

    Attributes:
        video, sound: The sender's clock as each stream reports it.
    """

    def __init__(self) -> None:
        self.video, self.sound = SenderClock(), SenderClock(SOUND_CLOCK_HZ)

    def video_ms(self, rtp_timestamp: int, received_ms: float) -> float:
        """When a picture was captured, in Unix milliseconds.

        Args:
            rtp_timestamp: As it came.
            received_ms: When it came, by this machine's clock.
        """
        return self._dated(self.video, rtp_timestamp, received_ms)

    def sound_ms(self, rtp_timestamp: int, received_ms: float) -> float:
        """When a packet of sound was captured; as `video_ms`."""
        return self._dated(self.sound, rtp_timestamp, received_ms)

    def _dated(self, stream: SenderClock, rtp_timestamp: int, received_ms: float) -> float:
        capture_ms = stream.capture_ms(rtp_timestamp)
        if capture_ms is None or not (self.video.reported and self.sound.reported):
            return received_ms
        return capture_ms
