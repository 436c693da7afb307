"""How much to send to one peer: up to what is set, as far as its network carries.

Two estimates cap the bitrate, as in Google's congestion control (draft-ietf-rmcat-gcc-02 sections 5 and 6): the
receiver's own, from how packets are delayed (REMB), and ours, from the loss it reports.
"""

import time
from collections.abc import Callable

MIN_BITRATE_BPS = 200_000
START_BITRATE_BPS = 2_000_000
HEAVY_LOSS, LIGHT_LOSS = 0.10, 0.02
GROWTH_PER_S = 1.08
MAX_REPORT_INTERVAL_S = 2.0


class RateControl:
    """The bitrate for one peer.

    Args:
        max_bps: What is set.
        start_bps: Until something is known.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        max_bps: int,
        start_bps: int = START_BITRATE_BPS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_bps, self._clock = max_bps, clock
        self._by_loss_bps = float(min(start_bps, max_bps))
        self._by_delay_bps: int | None = None
        self._lost = False
        self._reported_s = clock()

    @property
    def max_bps(self) -> int:
        """Bits per second, as set."""
        return self._max_bps

    @property
    def target_bps(self) -> int:
        """Bits per second to send."""
        target = self._by_loss_bps
        if self._by_delay_bps is not None:
            # Until packets are lost the receiver knows better than a guess that grows by the second.
            target = min(self._by_delay_bps, self._by_loss_bps if self._lost else self._max_bps)
        return int(max(min(MIN_BITRATE_BPS, self._max_bps), min(target, self._max_bps)))

    def estimated(self, bitrate_bps: int) -> None:
        """The receiver's estimate (REMB)."""
        self._by_delay_bps = bitrate_bps

    def reported(self, fraction_lost: float) -> None:
        """A receiver's report of how much was lost since its last (RFC 3550 section 6.4.1)."""
        now_s = self._clock()
        elapsed_s = min(MAX_REPORT_INTERVAL_S, now_s - self._reported_s)
        self._reported_s = now_s
        if fraction_lost > HEAVY_LOSS:
            self._by_loss_bps, self._lost = self.target_bps * (1 - 0.5 * fraction_lost), True
        elif fraction_lost < LIGHT_LOSS:
            self._by_loss_bps *= GROWTH_PER_S**elapsed_s
            if self._by_loss_bps >= self._max_bps:
                self._by_loss_bps, self._lost = float(self._max_bps), False
        self._by_loss_bps = max(self._by_loss_bps, float(MIN_BITRATE_BPS))


class BestRate:
    """One bitrate for several peers that are sent the same: the best network's, so that a bad one costs no other.

    Args:
        max_bps: What is set.
    """

    def __init__(self, max_bps: int) -> None:
        self._alone = RateControl(max_bps)
        self._max_bps = max_bps
        self._peers: list[RateControl] = []

    @property
    def max_bps(self) -> int:
        """Bits per second, as set."""
        return self._max_bps

    def join(self, peer: RateControl) -> None:
        """Count a peer's own estimate."""
        self._peers.append(peer)

    def leave(self, peer: RateControl) -> None:
        """Count a peer no more."""
        if peer in self._peers:
            self._peers.remove(peer)

    @property
    def target_bps(self) -> int:
        """Bits per second to send to all."""
        return max((peer.target_bps for peer in tuple(self._peers)), default=self._alone.target_bps)

    def estimated(self, bitrate_bps: int) -> None:
        """Never called: each peer estimates for itself."""
        raise NotImplementedError
