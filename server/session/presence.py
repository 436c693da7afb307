"""Whether whoever sends a session's picture is still there."""

import asyncio
from collections.abc import Awaitable, Callable

from server.rtc.connection import PeerHealth
from server.session.viewers import Viewers

HEALTH_INTERVAL_S = 1.0


class Presence:
    """Ends a session whose browser never came, or has left without a word.

    Args:
        connect_timeout_s: How long it may take to connect.
        gone_after_s: How long a connected one may be silent.
        viewers: Looked after at the same interval.
        health: What is known of the way to it; None before its offer.
        on_round_trip: Told the newest round trip, in milliseconds.
        on_gone: Told why nobody is taken to be there any more.
        clock: Monotonic seconds.

    Attributes:
        connected: Whether it is, by its connection's own account.
    """

    def __init__(
        self,
        connect_timeout_s: float,
        gone_after_s: float,
        viewers: Viewers,
        health: Callable[[], Awaitable[PeerHealth | None]],
        on_round_trip: Callable[[float], None],
        on_gone: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self.connected = False
        self._connect_timeout_s, self._gone_after_s = connect_timeout_s, gone_after_s
        self._viewers, self._health = viewers, health
        self._on_round_trip, self._on_gone, self._clock = on_round_trip, on_gone, clock

    async def watch(self) -> None:
        """Look every second, until cancelled."""
        began_s = heard_s = self._clock()
        heard = -1
        ever_connected = False
        while True:
            await asyncio.sleep(HEALTH_INTERVAL_S)
            now_s = self._clock()
            ever_connected |= self.connected
            await self._viewers.end_lost(now_s)
            if not ever_connected:
                if now_s - began_s > self._connect_timeout_s:
                    self._on_gone("no browser connected")
                continue
            health = await self._health()
            if health is None:
                continue
            if health.packets_received != heard:
                heard, heard_s = health.packets_received, now_s
            elif now_s - heard_s > self._gone_after_s:
                self._on_gone("nothing heard from the browser")
            if health.round_trip_ms is not None:
                self._on_round_trip(health.round_trip_ms)
