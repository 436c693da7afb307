"""Connections that carry nothing but an echo: whether packets get through, and by which way.

A check that needed a session would take someone's place, and tell nothing where all are taken.
"""

import asyncio

from aiortc import RTCDataChannel, RTCPeerConnection

from server.rtc.connection import Connection
from server.rtc.ice import Network
from server.rtc.offer import parse_probe_offer

MAX_PROBES = 8
LIFETIME_S = 20.0
MAX_ECHO_BYTES = 1200


class TooManyProbesError(Exception):
    """Others are checking already."""


class Probes:
    """The probes of one server.

    Args:
        network: How peers reach each other.
        lifetime_s: When a probe is ended that has not ended by itself.
    """

    def __init__(self, network: Network, lifetime_s: float = LIFETIME_S) -> None:
        self._network, self._lifetime_s = network, lifetime_s
        self._running: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many are running."""
        return len(self._running)

    async def answer(self, offer_sdp: str) -> str:
        """The SDP answer to an offer of a data channel; what comes by it is sent back.

        Raises:
            TooManyProbesError: Others are checking already.
            MalformedOfferError: The offer is not SDP.
            UnusableOfferError: It has no data channel.
            NoPortError: There is no UDP port left.
        """
        if len(self._running) >= MAX_PROBES:
            raise TooManyProbesError
        parse_probe_offer(offer_sdp)
        ended = asyncio.Event()
        connection = Connection(
            self._network, lambda state: ended.set() if state in ("failed", "closed") else None
        )
        # Counted before the answer is awaited: many at once must not all find a place.
        task = asyncio.create_task(self._last(connection, ended))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            return await connection.answer(offer_sdp, _echo)
        except BaseException:
            ended.set()
            raise

    async def close(self) -> None:
        """End all."""
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _last(self, connection: Connection, ended: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(self._lifetime_s):
                await ended.wait()
        except TimeoutError:
            pass
        finally:
            await connection.close()


def _echo(connection: RTCPeerConnection) -> None:
    for transceiver in connection.getTransceivers():
        transceiver.direction = "inactive"

    def opened(channel: RTCDataChannel) -> None:
        def heard(message: str | bytes) -> None:
            if len(message) <= MAX_ECHO_BYTES:
                channel.send(message)

        channel.on("message", heard)

    connection.on("datachannel", opened)
