"""Camera pictures put together from RTP packets as soon as their last packet is in.

aiortc's own jitter buffer gives a picture out when the first packet of the next one arrives, a frame interval
too late for a live edit, and waits for a lost packet until 512 others came. This one goes by the marker bit
(RFC 7741 section 4.1, RFC 6184 section 5.1), gives a gap up after 0.4 s, and then asks for a
key frame: half a picture never reaches the editor.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from aiortc.jitterbuffer import JitterFrame
from aiortc.rtp import RtpPacket

GAP_WAIT_S = 0.4
"""How long a missing packet may take to be sent again; longer would be seen as a freeze anyway."""

KEY_REQUEST_INTERVAL_S = 0.5

MAX_WAITING_PACKETS = 1024
"""Some 1.3 MB: a bound for a sender that never finishes a picture."""


@dataclass(frozen=True)
class EncodedPicture:
    """All of a picture's packets."""

    codec: str
    """``VP8`` or ``H264``."""
    payload: bytes
    ssrc: int
    rtp_timestamp: int
    received_s: float


class PictureAssembly:
    """Takes aiortc's place for a jitter buffer (``add``) and hands whole pictures on by itself.

    Args:
        codecs: Payload type -> codec name.
        on_picture: Called with every whole, decodable picture in order.
        on_lost: Called with the number of pictures given up.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        codecs: dict[int, str],
        on_picture: Callable[[EncodedPicture], None],
        on_lost: Callable[[int], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._codecs, self._on_picture, self._on_lost, self._clock = codecs, on_picture, on_lost, clock
        self._ssrc: int | None = None
        self._waiting: dict[int, tuple[RtpPacket, float]] = {}
        self._next: int | None = None
        # The first that is missing: from `_next` to here lies the beginning of a picture, looked through already.
        self._missing = 0
        self._key_wanted = True
        # Not from the start: a stream begins with a key frame, and asking would only bring a second.
        self._key_to_ask_for = False
        self._key_asked_s = -math.inf

    def want_key_frame(self) -> None:
        """Let nothing through until the next key frame, and have the sender asked for one."""
        self._key_wanted = self._key_to_ask_for = True

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Take a packet; returns whether to ask for a key frame, and never a frame: those go to `on_picture`."""
        now_s = self._clock()
        if packet.ssrc != self._ssrc:
            self._ssrc, self._next, self._key_wanted = packet.ssrc, None, True
            self._waiting.clear()
        if self._next is None:
            if not self._begins_picture(packet):
                self._key_to_ask_for = True
                return self._asks_for_key(now_s), None
            self._next = self._missing = packet.sequence_number

        if (packet.sequence_number - self._next) % 65536 < 32768:
            self._waiting.setdefault(packet.sequence_number, (packet, now_s))
        self._hand_on_whole_pictures()
        while self._next is not None and self._gives_up_gap(now_s):
            pass
        return self._asks_for_key(now_s), None

    def _hand_on_whole_pictures(self) -> None:
        assert self._next is not None
        start, position = self._next, self._missing
        while (entry := self._waiting.get(position)) is not None:
            packet = entry[0]
            first = self._waiting[start][0]
            if position != start and packet.timestamp != first.timestamp:
                # The marker is a hint (RFC 3550 section 5.1): a new timestamp also ends a picture.
                self._hand_on(start, position)
                start = position
            position = (position + 1) % 65536
            if packet.marker:
                self._hand_on(start, position)
                start = position
            elif position == (start + 1) % 65536 and not packet._data:  # type: ignore[attr-defined]
                # Padding to probe the bandwidth: a sequence number and nothing else.
                del self._waiting[start]
                start = position
        self._next, self._missing = start, position

    def _hand_on(self, start: int, end: int) -> None:
        count = (end - start) % 65536
        entries = [self._waiting.pop((start + index) % 65536) for index in range(count)]
        payload = b"".join(packet._data for packet, _ in entries)  # type: ignore[attr-defined]
        first = entries[0][0]
        if not payload:
            return
        codec = self._codecs.get(first.payload_type, "")
        if self._key_wanted and not is_key_frame(codec, payload):
            self._key_to_ask_for = True
            self._on_lost(1)
            return
        self._key_wanted = self._key_to_ask_for = False
        received_s = max(received for _, received in entries)
        self._on_picture(EncodedPicture(codec, payload, first.ssrc, first.timestamp, received_s))

    def _gives_up_gap(self, now_s: float) -> bool:
        """Whether there was a gap to give up; behind it may be the next.

        Each is as old as the first packet behind it. Counted from when the one before was given up, a burst of losses
        would hold the picture back for as long as all its gaps together.
        """
        assert self._next is not None
        contiguous = (self._missing - self._next) % 65536
        if len(self._waiting) < MAX_WAITING_PACKETS:
            # They lie in the order they came in.
            oldest_s = next(iter(self._waiting.values()), (None, now_s))[1]
            if contiguous == len(self._waiting) or now_s - oldest_s < GAP_WAIT_S:
                return False
        numbers = sorted(self._waiting, key=lambda number: (number - self._next) % 65536)  # type: ignore[operator]
        since_s = now_s if contiguous == len(numbers) else self._waiting[numbers[contiguous]][1]
        if now_s - since_s < GAP_WAIT_S and len(numbers) < MAX_WAITING_PACKETS:
            return False

        given_up = {self._waiting[number][0].timestamp for number in numbers[:contiguous]}
        resume = None
        for number in numbers[contiguous:]:
            packet = self._waiting[number][0]
            if self._begins_picture(packet) and packet.timestamp not in given_up:
                resume = number
                break
            given_up.add(packet.timestamp)
        for number in numbers:
            if resume is None or (number - resume) % 65536 >= 32768:
                del self._waiting[number]
        self._on_lost(max(1, len(given_up)))
        self._next = resume
        self.want_key_frame()
        if resume is not None:
            self._missing = resume
            self._hand_on_whole_pictures()
        return True

    def _asks_for_key(self, now_s: float) -> bool:
        if not self._key_to_ask_for or now_s - self._key_asked_s < KEY_REQUEST_INTERVAL_S:
            return False
        self._key_asked_s, self._key_to_ask_for = now_s, False
        return True

    def _begins_picture(self, packet: RtpPacket) -> bool:
        return begins_picture(self._codecs.get(packet.payload_type, ""), packet.payload)


def begins_picture(codec: str, payload: bytes) -> bool:
    """Whether an RTP payload may be a picture's first: never false for one that is."""
    if codec == "VP8":
        # RFC 7741 section 4.2: S set on partition 0.
        return bool(payload) and payload[0] & 0x1F == 0x10
    if codec == "H264":
        # RFC 6184 section 5.8: anything but the later fragments of a unit.
        return len(payload) > 1 and (payload[0] & 0x1F != 28 or bool(payload[1] & 0x80))
    return bool(payload)


def is_key_frame(codec: str, payload: bytes) -> bool:
    """Whether a whole picture can be decoded without the ones before it."""
    if codec == "VP8":
        # RFC 6386 section 9.1: the inverse key frame flag.
        return bool(payload) and not payload[0] & 1
    if codec == "H264":
        # ITU-T H.264 table 7-1: unit type 5 is an IDR slice, 7 the parameters that precede one.
        position = payload.find(b"\x00\x00\x01")
        while position != -1 and position + 3 < len(payload):
            if payload[position + 3] & 0x1F in (5, 7):
                return True
            position = payload.find(b"\x00\x00\x01", position + 3)
        return False
    return True


def vp8_size(payload: bytes) -> tuple[int, int] | None:
    """The (width, height) that a VP8 key frame begins with (RFC 6386 section 9.1); None of any other picture."""
    if len(payload) < 10 or payload[0] & 1 or payload[3:6] != b"\x9d\x01\x2a":
        return None
    # Two bits above each are for a scaling that nobody does.
    return int.from_bytes(payload[6:8], "little") & 0x3FFF, int.from_bytes(payload[8:10], "little") & 0x3FFF
