"""The places where aiortc gives no hook and is reached into; with those of `server.rtc.guards` the only ones.

Each is small, and `tests/server/rtc/test_hooks.py` names the version they were written for, so that an upgrade
that moves them fails there and not in front of a visitor.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from struct import pack_into, unpack_from
from typing import Protocol

import aioice.ice
from aioice import Candidate
from aioice.ice import Connection as IceConnection
from aioice.stun import TransactionError
from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, RTCRtpTransceiver
from aiortc.codecs.base import Encoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcrtpsender import RTCEncodedFrame
from aiortc.rtp import RTCP_SR, AnyRtcpPacket, RtcpRrPacket, RtcpSrPacket, RtpPacket, is_rtcp

from server.rtc.clocks import SenderReport, unix_ms_to_ntp
from server.rtc.retransmission import MissingPackets, Resending

AIORTC_VERSION = "1.16.0"
AIOICE_VERSION = "0.13.0"


class Assembly(Protocol):
    """What can take the jitter buffer's place."""

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Take a packet; whether to ask for a key frame, and a whole frame for aiortc's decoder or None."""
        ...


class FindCandidates(Protocol):
    """What can take the place of aioice's gathering."""

    async def __call__(self, ice: IceConnection, component: int, addresses: Sequence[str]) -> list[Candidate]:
        """All candidates of a component, whose sockets are added to the connection."""
        ...


def gather_with(connection: RTCPeerConnection, find: FindCandidates) -> None:
    """Have a peer's candidates found by ``find``, before its local description is set."""
    transports = connection._RTCPeerConnection__iceTransports  # type: ignore[attr-defined]
    for transport in transports:
        ice: IceConnection = transport._connection
        assert callable(ice.get_component_candidates)
        ice.get_component_candidates = partial(find, ice)  # type: ignore[method-assign]


def ask_for_consent_without_end(connection: RTCPeerConnection) -> None:
    """Go on asking a peer for consent (RFC 7675) where it never answers, as FFmpeg's WHIP muxer does not.

    aioice closes after half a minute of that, in the midst of a stream. A peer that sends nothing any more is ended
    by its session, long before: `server.rtc.guards.count_arrivals` counts what only that peer can have sent.
    """
    for transport in connection._RTCPeerConnection__iceTransports:  # type: ignore[attr-defined]
        transport._connection.query_consent = partial(_query_consent, transport._connection)


async def _query_consent(connection: IceConnection) -> None:
    while True:
        await asyncio.sleep(aioice.ice.CONSENT_INTERVAL * random.uniform(0.8, 1.2))
        for pair in connection._nominated.values():
            with suppress(TransactionError):
                await pair.protocol.request(
                    connection.build_request(pair, nominate=False),
                    pair.remote_addr,
                    integrity_key=str(connection.remote_password).encode(),
                    retransmissions=0,
                )


async def cut_off(connection: RTCPeerConnection) -> None:
    """End the transports of a connection that does not close, and with them its sockets."""
    for transport in tuple(connection._RTCPeerConnection__dtlsTransports):  # type: ignore[attr-defined]
        await transport.stop()
        await transport.transport.stop()


def negotiated_codec(transceiver: RTCRtpTransceiver) -> str:
    """The codec that will be sent: the first both sides know, in the browser's order."""
    return str(transceiver._codecs[0].name)


def send_first(transceiver: RTCRtpTransceiver, payload_type: int) -> None:
    """Have what is sent be of this payload type, before the answer; aiortc sends the first that both sides know."""
    transceiver._codecs = sorted(transceiver._codecs, key=lambda codec: codec.payloadType != payload_type)


def codecs_by_payload_type(transceiver: RTCRtpTransceiver) -> dict[int, str]:
    """What may be received."""
    codecs = transceiver._codecs
    return {codec.payloadType: codec.name for codec in codecs if codec.payloadType is not None}


def assemble_with(receiver: RTCRtpReceiver, assembly: Assembly) -> None:
    """Put ``assembly`` in the jitter buffer's place, before the first packet.

    It never gives a picture back to the receiver, whose decoder thread and unbounded queues stay idle.
    """
    assert hasattr(receiver, "_RTCRtpReceiver__jitter_buffer")
    receiver._RTCRtpReceiver__jitter_buffer = assembly


def encode_with(sender: RTCRtpSender, encoder: Encoder) -> None:
    """Have ``sender`` use this encoder and not one of its own, before the first picture."""
    assert getattr(sender, "_RTCRtpSender__encoder", encoder) is None
    sender._RTCRtpSender__encoder = encoder  # type: ignore[attr-defined]


def watch_failure(sender: RTCRtpSender, on_failed: Callable[[BaseException], None]) -> None:
    """Call ``on_failed`` with what the track or the encoder of a sender raises; aiortc ends the sender silently."""
    proceed = sender._next_encoded_frame

    async def watched(codec: RTCRtpCodecParameters) -> RTCEncodedFrame | None:
        try:
            return await proceed(codec)
        except Exception as error:
            on_failed(error)
            raise

    sender._next_encoded_frame = watched  # type: ignore[method-assign]


def watch_sender_reports(receiver: RTCRtpReceiver, on_report: Callable[[SenderReport], None]) -> None:
    """Call ``on_report`` with every RTCP sender report that reaches ``receiver``."""
    proceed: Callable[[AnyRtcpPacket], Awaitable[None]] = receiver._handle_rtcp_packet

    async def watched(packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpSrPacket):
            times = packet.sender_info
            on_report(
                SenderReport(packet.ssrc, times.ntp_timestamp, times.rtp_timestamp, time.time() * 1000.0)
            )
        await proceed(packet)

    receiver._handle_rtcp_packet = watched  # type: ignore[method-assign]


def watch_pictures_leave(sender: RTCRtpSender, on_left: Callable[[int], None]) -> None:
    """Call ``on_left`` with the RTP timestamp of every picture whose last packet is out.

    The sender adds a random offset to every timestamp and keeps it to itself, so it is read from the packets.
    Packets sent again are not counted: their timestamp is older, or their SSRC another (RFC 4588).
    """
    transport = sender.transport
    proceed: Callable[[bytes], Awaitable[None]] = transport._send_rtp
    last_left: int | None = None

    async def watched(data: bytes) -> None:
        nonlocal last_left
        await proceed(data)
        if is_rtcp(data) or not data[1] & 0x80:
            return
        timestamp, ssrc = unpack_from("!II", data, 4)
        newer = last_left is None or 0 < (timestamp - last_left) % (1 << 32) < 1 << 31
        if ssrc == sender._ssrc and newer:
            last_left = timestamp
            on_left(timestamp)

    transport._send_rtp = watched  # type: ignore[method-assign]


def watch_key_frame_requests(sender: RTCRtpSender, on_wanted: Callable[[], None]) -> None:
    """Call ``on_wanted`` for every PLI and FIR (RFC 4585, RFC 5104) in place of aiortc's own note of it."""
    assert callable(sender._send_keyframe)
    sender._send_keyframe = on_wanted  # type: ignore[method-assign]


def ask_again_with(receiver: RTCRtpReceiver, missing: MissingPackets) -> None:
    """Have a receiver ask for lost packets as ``missing`` says."""
    assert hasattr(receiver, "_RTCRtpReceiver__nack_generator")
    receiver._RTCRtpReceiver__nack_generator = missing


def send_again_with(sender: RTCRtpSender, resending: Resending) -> None:
    """Have a sender send again what is asked for as far as ``resending`` lets it."""
    proceed: Callable[[int], Awaitable[None]] = sender._retransmit

    async def limited(sequence_number: int) -> None:
        if resending.allows(sequence_number):
            await proceed(sequence_number)

    sender._retransmit = limited  # type: ignore[method-assign]


def watch_receiver_reports(sender: RTCRtpSender, on_lost: Callable[[float], None]) -> None:
    """Call ``on_lost`` with the share of packets lost, 0 to 1, of every receiver report on ``sender``'s stream."""
    proceed: Callable[[AnyRtcpPacket], Awaitable[None]] = sender._handle_rtcp_packet

    async def watched(packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpRrPacket | RtcpSrPacket):
            for report in packet.reports:
                if report.ssrc == sender._ssrc:
                    on_lost(report.fraction_lost / 256)
        await proceed(packet)

    sender._handle_rtcp_packet = watched  # type: ignore[method-assign]


def date_reports(sender: RTCRtpSender, capture_ms: Callable[[], float | None]) -> None:
    """Tie a sender's RTP timestamps to the time of capture in its RTCP sender reports.

    aiortc ties them to the time of sending. An edit leaves later than the sound it was captured with, and a
    viewer, who aligns the two by these reports (RFC 3550 section 6.4.1), would show it too late for good.

    Args:
        sender: Of one viewer.
        capture_ms: When what is being sent was captured, in Unix milliseconds; asked for each packet.
    """
    transport = sender.transport
    proceed: Callable[[bytes], Awaitable[None]] = transport._send_rtp
    last: tuple[int, float] | None = None

    async def dated(data: bytes) -> None:
        nonlocal last
        if not is_rtcp(data):
            timestamp, ssrc = unpack_from("!II", data, 4)
            captured_ms = capture_ms() if ssrc == sender._ssrc else None
            newer = last is None or 0 < (timestamp - last[0]) % (1 << 32) < 1 << 31
            if captured_ms is not None and newer:
                last = timestamp, captured_ms
        elif last is not None and data[1] == RTCP_SR and unpack_from("!I", data, 4)[0] == sender._ssrc:
            (timestamp,) = unpack_from("!I", data, 16)
            if timestamp == last[0]:
                report = bytearray(data)
                pack_into("!Q", report, 8, unix_ms_to_ntp(last[1]))
                data = bytes(report)
        await proceed(data)

    transport._send_rtp = dated  # type: ignore[method-assign]


def opus_types(transceiver: RTCRtpTransceiver) -> frozenset[int]:
    """Payload types of Opus among what was negotiated."""
    return frozenset(number for number, name in codecs_by_payload_type(transceiver).items() if name == "opus")


def only_opus(transceiver: RTCRtpTransceiver) -> None:
    """Answer with Opus alone, whatever else both sides know."""
    transceiver._codecs = [codec for codec in transceiver._codecs if codec.name == "opus"]
