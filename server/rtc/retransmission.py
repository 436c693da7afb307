"""Lost packets asked for again, and sent again, no oftener than helps.

aiortc asks for everything that is missing each time anything is missing, at once, and sends whatever it is asked for.
On a narrow link, or one that changes the order of packets, that multiplies what has to get through: over 1 Mbit/s
with 40 ms jitter a picture of 1.7 Mbit/s never came through whole.
"""

import time
from collections.abc import Callable

from aiortc.rtp import RtpPacket
from aiortc.utils import uint16_add, uint16_gt

from server.rtc.assembly import GAP_WAIT_S

REORDERED_S = 0.02
"""A packet is not called lost before this: it may only be late."""
AGAIN_S = 0.1
"""Some round trip: what was asked for or sent again may be on its way."""
GIVEN_UP_S = GAP_WAIT_S
"""The picture is given up by then."""
MAX_MISSING = 128
PACKET_BITS = 8 * 1200
SHARE = 0.3
"""Of the bitrate, for packets sent again."""
BURST_PACKETS = 30


class MissingPackets:
    """Which packets to ask for again; takes the place of aiortc's `NackGenerator`.

    Args:
        clock: Monotonic seconds.

    Attributes:
        missing: Those to ask for now, once `add` says that there are any.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.missing: set[int] = set()
        self._clock = clock
        self._newest: int | None = None
        self._since_s: dict[int, float] = {}
        self._asked_s: dict[int, float] = {}

    def add(self, packet: RtpPacket) -> bool:
        """Take a packet; whether any are to be asked for."""
        now_s, number = self._clock(), packet.sequence_number
        if self._newest is None:
            self._newest = number
        elif uint16_gt(number, self._newest):
            gap = uint16_add(self._newest, 1)
            while gap != number and len(self._since_s) < MAX_MISSING:
                self._since_s[gap] = now_s
                gap = uint16_add(gap, 1)
            self._newest = number
        else:
            self._forget(number)
        for old in [old for old, since_s in self._since_s.items() if now_s - since_s > GIVEN_UP_S]:
            self._forget(old)
        self.missing = {
            waited
            for waited, since_s in self._since_s.items()
            if now_s - since_s >= REORDERED_S and now_s - self._asked_s.get(waited, -AGAIN_S) >= AGAIN_S
        }
        self._asked_s.update(dict.fromkeys(self.missing, now_s))
        return bool(self.missing)

    def _forget(self, number: int) -> None:
        self._since_s.pop(number, None)
        self._asked_s.pop(number, None)


class Resending:
    """Whether a packet that is asked for is sent again.

    Args:
        bitrate_bps: What is sent in all.
        clock: Monotonic seconds.
    """

    def __init__(self, bitrate_bps: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._bitrate_bps, self._clock = bitrate_bps, clock
        self._sent_s: dict[int, float] = {}
        self._allowed = float(BURST_PACKETS)
        self._counted_s = clock()

    def allows(self, number: int) -> bool:
        """Whether to send it now; counts it if so."""
        now_s = self._clock()
        earned = (now_s - self._counted_s) * SHARE * self._bitrate_bps() / PACKET_BITS
        self._allowed, self._counted_s = min(float(BURST_PACKETS), self._allowed + earned), now_s
        if self._allowed < 1 or now_s - self._sent_s.get(number, -AGAIN_S) < AGAIN_S:
            return False
        self._allowed -= 1
        self._sent_s[number] = now_s
        if len(self._sent_s) > 2 * MAX_MISSING:
            self._sent_s = {old: at_s for old, at_s in self._sent_s.items() if now_s - at_s < AGAIN_S}
        return True
