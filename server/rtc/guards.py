"""Bounds on what a connected peer can make aiortc hold, and a count of what has proved to be its own.

Reaches into aiortc as `server.rtc.hooks` does, and is for the same version.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from aiortc import RTCPeerConnection, RTCSctpTransport
from aiortc.rtcdtlstransport import RtpReceiver, RtpRouter
from aiortc.rtcsctptransport import DataChunk, ForwardTsnChunk, tsn_plus_one
from aiortc.rtp import RtpPacket

MAX_SOURCES = 16
"""SSRCs on a transport: camera and microphone, with what repairs them, in three layers of simulcast. A receiver
report names 31 at most (RFC 3550 section 6.4.2), and aiortc's receiver ends for good at 128."""
MAX_STREAMS = 1024
"""Of SCTP: Chromium's own bound."""
MAX_CHUNKS = 256
"""Held because one before them is lost, or their message is not whole; half as many again where each is the next in
turn. A message of 64 KiB, the longest we announce, takes 56. aiortc goes through all it holds for each that comes,
on the event loop."""


class Arrivals:
    """How many packets have come from a peer itself.

    Attributes:
        packets: SRTP and SRTCP packets, and datagrams of data channels, that passed their authentication. In
            aiortc's own count is whatever anybody sends to the port.
    """

    def __init__(self) -> None:
        self.packets = 0


def count_arrivals(connection: RTCPeerConnection) -> Arrivals:
    """Count what comes from now on; once the offer is set, which makes the transports."""
    arrivals = Arrivals()

    def counted(proceed: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def count(*arguments: Any, **named: Any) -> None:  # noqa: ANN401 - passed on as they are
            arrivals.packets += 1
            await proceed(*arguments, **named)

        return count

    for transport in connection._RTCPeerConnection__dtlsTransports:  # type: ignore[attr-defined]
        transport._handle_rtp_data = counted(transport._handle_rtp_data)
        transport._handle_rtcp_data = counted(transport._handle_rtcp_data)
    if connection.sctp is not None:
        connection.sctp._handle_data = counted(connection.sctp._handle_data)  # type: ignore[method-assign, assignment]
    return arrivals


def bound(connection: RTCPeerConnection) -> None:
    """Hold a peer within `MAX_SOURCES`, `MAX_STREAMS` and `MAX_CHUNKS`; what is beyond is as if it had been lost."""
    for transport in connection._RTCPeerConnection__dtlsTransports:  # type: ignore[attr-defined]
        _bound_sources(transport._rtp_router)
    if connection.sctp is not None:
        _bound_data(connection.sctp)


def _bound_sources(router: RtpRouter) -> None:
    proceed = router.route_rtp
    heard: set[int] = set()

    def bounded(packet: RtpPacket) -> RtpReceiver | None:
        if packet.ssrc not in heard:
            if len(heard) >= MAX_SOURCES:
                return None
            heard.add(packet.ssrc)
        return proceed(packet)

    router.route_rtp = bounded  # type: ignore[method-assign]


def _bound_data(sctp: RTCSctpTransport) -> None:
    take_chunk, skip = sctp._receive_data_chunk, sctp._receive_forward_tsn_chunk

    async def bounded(chunk: DataChunk) -> None:
        unfinished = sum(len(stream.reassembly) for stream in sctp._inbound_streams.values())
        held = max(unfinished, len(sctp._sack_misordered))
        # Were the next in turn refused as well, those that wait for it would wait for ever.
        in_turn = chunk.tsn == tsn_plus_one(sctp._last_received_tsn or 0)
        if chunk.stream_id < MAX_STREAMS and held < (MAX_CHUNKS + MAX_CHUNKS // 2 if in_turn else MAX_CHUNKS):
            await take_chunk(chunk)
        else:
            # Not acknowledged, it is sent again, by when there may be room (RFC 9260 section 6.2).
            sctp._sack_needed = True

    async def known(chunk: ForwardTsnChunk) -> None:
        chunk.streams = [(stream, number) for stream, number in chunk.streams if stream < MAX_STREAMS]
        await skip(chunk)

    sctp._receive_data_chunk = bounded  # type: ignore[method-assign]
    sctp._receive_forward_tsn_chunk = known  # type: ignore[method-assign]
