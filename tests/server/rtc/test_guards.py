"""What a connected peer may make aiortc hold, and what is counted of what comes."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSctpTransport, RTCSessionDescription
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcsctptransport import (
    SCTP_DATA_FIRST_FRAG,
    SCTP_DATA_LAST_FRAG,
    SCTP_DATA_UNORDERED,
    DataChunk,
    ForwardTsnChunk,
)
from aiortc.rtp import RtpPacket

from server.rtc import guards
from server.rtc.connection import Connection
from server.rtc.ice import Network

WHOLE = SCTP_DATA_FIRST_FRAG | SCTP_DATA_LAST_FRAG


@dataclass(frozen=True)
class Connected:
    ours: Connection
    theirs: RTCPeerConnection

    @property
    def sending(self) -> RTCDtlsTransport:
        """Theirs."""
        return self.theirs.getSenders()[0].transport

    @property
    def receiving(self) -> RTCDtlsTransport:
        """Ours."""
        assert self.ours._connection is not None
        return self.ours._connection.getReceivers()[0].transport

    async def packets(self) -> int:
        return (await self.ours.health()).packets_received


@pytest.fixture
async def connected() -> AsyncIterator[Connected]:
    """A connection of ours and a peer that offered it a camera."""
    theirs = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    theirs.addTransceiver("video", "sendonly")
    await theirs.setLocalDescription(await theirs.createOffer())
    ours = Connection(Network(), lambda _: None)
    answer = await ours.answer(theirs.localDescription.sdp, lambda _: None)
    await theirs.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    both = Connected(ours, theirs)
    await until(lambda: {both.sending.state, both.receiving.state} == {"connected"})
    yield both
    await theirs.close()
    await ours.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


def datagrams(transport: RTCDtlsTransport) -> int:
    """All that have come."""
    return int(transport._RTCDtlsTransport__rx_packets)  # type: ignore[attr-defined]


def rtp(ssrc: int, payload_type: int) -> bytes:
    return RtpPacket(payload_type=payload_type, ssrc=ssrc, payload=b"\x10" + bytes(20)).serialize()


async def test_only_what_the_peer_itself_sent_counts_as_heard(connected: Connected) -> None:
    payload_type = next(iter(connected.receiving._rtp_router.payload_type_table))
    await connected.sending._send_rtp(rtp(1, payload_type))
    await until(lambda: connected.ours._arrivals.packets > 0)
    heard, came = await connected.packets(), datagrams(connected.receiving)
    for number in range(100):
        # Past ICE, as from whoever takes over the peer's address.
        await connected.sending.transport._send(rtp(2, payload_type) + number.to_bytes(10))
    await until(lambda: datagrams(connected.receiving) >= came + 100)
    assert await connected.packets() <= heard + 5, "its own reports apart, nothing has come"


async def test_a_sender_of_ever_new_sources_is_heard_of_a_few_and_closes_at_once(
    connected: Connected, caplog: pytest.LogCaptureFixture
) -> None:
    payload_type = next(iter(connected.receiving._rtp_router.payload_type_table))
    came = datagrams(connected.receiving)
    for ssrc in range(1, 301):
        await connected.sending._send_rtp(rtp(ssrc, payload_type))
        await asyncio.sleep(0)
    await until(lambda: datagrams(connected.receiving) >= came + 300)
    # By now aiortc has tried to report on all of them.
    await asyncio.sleep(2)
    (receiver,) = connected.receiving._rtp_router.receivers
    assert len(receiver._RTCRtpReceiver__remote_streams) == guards.MAX_SOURCES  # type: ignore[attr-defined]
    with caplog.at_level(logging.WARNING):
        await connected.ours.close()
    assert not caplog.records


def chunk(tsn: int, flags: int, stream: int = 0) -> DataChunk:
    made = DataChunk(flags=flags | SCTP_DATA_UNORDERED)
    made.tsn, made.stream_id, made.protocol, made.user_data = tsn, stream, 51, str(tsn).encode()
    return made


@pytest.fixture
async def data() -> AsyncIterator[tuple[RTCSctpTransport, list[int]]]:
    """A bounded transport of data channels, and the numbers of what came of it."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.createDataChannel("control")
    sctp = connection.sctp
    assert sctp is not None
    sctp._last_received_tsn = 0
    guards.bound(connection)
    messages: list[int] = []

    async def receive(_stream: int, _protocol: int, message: bytes) -> None:
        messages.append(int(message))

    sctp._receive = receive  # type: ignore[method-assign, assignment]
    yield sctp, messages
    await connection.close()


async def test_unfinished_messages_are_held_up_to_a_bound(data: tuple[RTCSctpTransport, list[int]]) -> None:
    sctp, messages = data
    for tsn in range(1, 5000):
        await sctp._receive_data_chunk(chunk(tsn, SCTP_DATA_FIRST_FRAG, stream=tsn % 50))
    assert sum(len(stream.reassembly) for stream in sctp._inbound_streams.values()) < 2 * guards.MAX_CHUNKS
    assert messages == []


async def test_messages_after_a_lost_one_are_held_up_to_a_bound_and_none_is_lost(
    data: tuple[RTCSctpTransport, list[int]],
) -> None:
    sctp, messages = data
    unacknowledged = list(range(2, 2000))
    for tsn in unacknowledged:
        await sctp._receive_data_chunk(chunk(tsn, WHOLE))
    assert len(sctp._sack_misordered) <= guards.MAX_CHUNKS
    # The lost one is sent again, and so is all that was not acknowledged.
    for tsn in (1, *(tsn for tsn in unacknowledged if tsn not in sctp._sack_misordered)):
        await sctp._receive_data_chunk(chunk(tsn, WHOLE))
    assert sorted(messages) == list(range(1, 2000))


async def test_a_stream_beyond_what_browsers_use_is_not_made(
    data: tuple[RTCSctpTransport, list[int]],
) -> None:
    sctp, messages = data
    for stream in range(guards.MAX_STREAMS - 1, guards.MAX_STREAMS + 10):
        await sctp._receive_data_chunk(chunk(1 + sctp._last_received_tsn, WHOLE, stream))  # type: ignore[operator]
    assert messages == [1]
    skipped = ForwardTsnChunk()
    skipped.cumulative_tsn, skipped.streams = 9, [(stream, 0) for stream in range(0, 65536, 64)]
    await sctp._receive_forward_tsn_chunk(skipped)
    assert max(sctp._inbound_streams) < guards.MAX_STREAMS
