"""aiortc has no hooks for these; what is reached into must be where it was."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from importlib.metadata import version

import aiortc
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtp import RTCP_PSFB_PLI, RtcpPsfbPacket, RtcpSenderInfo, RtcpSrPacket, RtpPacket

from server.rtc import hooks
from server.rtc.assembly import PictureAssembly
from server.rtc.clocks import SenderReport, unix_ms_to_ntp
from server.rtc.encoding import LiveEncoder
from server.rtc.rate import RateControl


def test_the_hooks_are_for_this_version() -> None:
    assert version("aiortc") == hooks.AIORTC_VERSION, (
        "aiortc has changed: read hooks.py and guards.py against its new sources, then move the version on"
    )
    assert aiortc.__version__ == hooks.AIORTC_VERSION
    assert version("aioice") == hooks.AIOICE_VERSION


async def test_what_is_reached_into_is_there() -> None:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = peer.addTransceiver("video")
    receiver, sender = transceiver.receiver, transceiver.sender
    assert isinstance(receiver._RTCRtpReceiver__jitter_buffer, JitterBuffer)  # type: ignore[attr-defined]
    assert sender._RTCRtpSender__encoder is None  # type: ignore[attr-defined]
    assert isinstance(sender._ssrc, int)
    assert callable(RTCDtlsTransport._send_rtp)
    assert transceiver._codecs == []
    await peer.close()


async def test_the_assembly_and_the_encoder_are_put_in_place() -> None:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = peer.addTransceiver("video")
    assembly = PictureAssembly({}, lambda _: None, lambda _: None)
    hooks.assemble_with(transceiver.receiver, assembly)
    assert transceiver.receiver._RTCRtpReceiver__jitter_buffer is assembly  # type: ignore[attr-defined]
    encoder = LiveEncoder("VP8", RateControl(1_000_000), lambda: None, lambda _: None)
    hooks.encode_with(transceiver.sender, encoder)
    assert transceiver.sender._RTCRtpSender__encoder is encoder  # type: ignore[attr-defined]
    await peer.close()


async def test_sender_reports_are_seen_and_passed_on() -> None:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    receiver = peer.addTransceiver("video").receiver
    reports: list[SenderReport] = []
    hooks.watch_sender_reports(receiver, reports.append)
    times = RtcpSenderInfo(ntp_timestamp=1 << 40, rtp_timestamp=90_000, packet_count=1, octet_count=1)
    await receiver._handle_rtcp_packet(RtcpSrPacket(ssrc=7, sender_info=times))
    await receiver._handle_rtcp_packet(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=1, media_ssrc=2))
    assert [(report.ssrc, report.ntp_timestamp, report.rtp_timestamp) for report in reports] == [
        (7, 1 << 40, 90_000)
    ]
    assert receiver._RTCRtpReceiver__lsr == {7: (1 << 24) & 0xFFFFFFFF}  # type: ignore[attr-defined]
    await peer.close()


@pytest.fixture
async def wire() -> AsyncIterator[tuple[RTCRtpSender, list[bytes]]]:
    """A sender, and what it puts on the wire."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    sender = peer.addTransceiver("video").sender
    sent: list[bytes] = []

    async def send(data: bytes) -> None:
        sent.append(data)

    sender.transport._send_rtp = send  # type: ignore[method-assign]
    yield sender, sent
    await peer.close()


async def test_only_the_last_packet_of_a_new_picture_counts(wire: tuple[RTCRtpSender, list[bytes]]) -> None:
    sender, sent = wire
    left: list[int] = []
    hooks.watch_pictures_leave(sender, left.append)

    def packet(timestamp: int, marker: bool, ssrc: int = sender._ssrc) -> bytes:
        return RtpPacket(
            payload_type=96, marker=int(marker), timestamp=timestamp, ssrc=ssrc, payload=b"x"
        ).serialize()

    newest = (1 << 32) - 1000
    for data in (
        packet(newest, False),
        packet(newest, True),
        packet(newest, True),
        packet(newest, True, ssrc=1),
        packet(2000, True),
        packet(newest, True),
        bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=1, media_ssrc=2)),
    ):
        await sender.transport._send_rtp(data)
    assert left == [newest, 2000]
    assert len(sent) == 7


async def test_reports_are_dated_by_capture(wire: tuple[RTCRtpSender, list[bytes]]) -> None:
    sender, sent = wire
    captured: list[float | None] = [1_000_000.0]
    hooks.date_reports(sender, lambda: captured[0])

    def report(ssrc: int, timestamp: int) -> bytes:
        times = RtcpSenderInfo(ntp_timestamp=1 << 40, rtp_timestamp=timestamp, packet_count=1, octet_count=1)
        return bytes(RtcpSrPacket(ssrc=ssrc, sender_info=times))

    picture = RtpPacket(payload_type=96, timestamp=3000, ssrc=sender._ssrc, payload=b"x").serialize()
    for data in (report(sender._ssrc, 3000), picture, report(sender._ssrc, 3000), report(1, 3000)):
        await sender.transport._send_rtp(data)
    dates = [int.from_bytes(data[8:16]) for data in sent if data != picture]
    assert dates == [1 << 40, unix_ms_to_ntp(1_000_000.0), 1 << 40]


async def test_key_frame_requests_are_heard() -> None:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    sender = peer.addTransceiver("video").sender
    wishes: list[bool] = []
    hooks.watch_key_frame_requests(sender, lambda: wishes.append(True))
    await sender._handle_rtcp_packet(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=1, media_ssrc=sender._ssrc))
    assert wishes == [True]
    await peer.close()


async def test_the_codec_to_send_comes_first_and_the_others_stay() -> None:
    async with AsyncExitStack() as stack:
        browser, server = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
        for peer in (browser, server):
            stack.push_async_callback(peer.close)
        browser.addTransceiver("video")
        await server.setRemoteDescription(await browser.createOffer())
        (transceiver,) = server.getTransceivers()
        known = hooks.codecs_by_payload_type(transceiver)
        wanted = next(number for number, name in known.items() if name == "H264")
        assert hooks.negotiated_codec(transceiver) == "VP8"
        hooks.send_first(transceiver, wanted)
        assert hooks.negotiated_codec(transceiver) == "H264"
        assert hooks.codecs_by_payload_type(transceiver) == known
