import asyncio
import re
import threading

import pytest

from server.routes.described_sdp import video_offer
from server.rtc import connection
from server.rtc.codecs import SOFTWARE_CODECS
from server.rtc.ice import Network
from server.rtc.peer import Downlink, Peer, PeerEvents
from server.session.frame import Frame
from server.session.mailbox import Mailbox

EVENTS = PeerEvents(
    received=lambda: None,
    frame=lambda _: None,
    sound=lambda _: None,
    dropped=lambda *_: None,
    too_large=lambda *_: None,
    sent=lambda *_: None,
    channel=lambda _: None,
    state=lambda _: None,
    failed=lambda _: None,
)


TRANSPORT = """c=IN IP4 0.0.0.0
a=ice-ufrag:F7gI
a=ice-pwd:x9cml6RyK4XVFzA2vNMGYJZE
a=fingerprint:sha-256 \
4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF
a=setup:actpass
a=rtcp-mux
"""


def offer_of(*sections: tuple[str, str]) -> str:
    """An offer of these kinds and directions, in this order."""
    lines = ["v=0", "o=- 3980 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    lines.append(f"a=group:BUNDLE {' '.join(map(str, range(len(sections))))}")
    for mid, (kind, direction) in enumerate(sections):
        codec = "VP8/90000" if kind == "video" else "opus/48000/2"
        lines += [f"m={kind} 9 UDP/TLS/RTP/SAVPF {96 + mid}", *TRANSPORT.splitlines()]
        lines += [f"a=mid:{mid}", f"a={direction}", f"a=rtpmap:{96 + mid} {codec}"]
    return "\r\n".join(lines) + "\r\n"


def directions(answer: str) -> list[str]:
    return re.findall(r"^a=(sendrecv|sendonly|recvonly|inactive)\r?$", answer, re.MULTILINE)


def decoding() -> int:
    """Threads that decode a camera's pictures."""
    return sum(thread.name == "video-decoder" for thread in threading.enumerate())


async def test_a_peer_that_is_closed_while_it_answers_leaves_no_thread_behind() -> None:
    for ticks in range(1, 9):
        outbox = Mailbox[Frame]()
        peer = Peer(Downlink(outbox, 1_000_000), EVENTS, lambda *size: size, Network(), SOFTWARE_CODECS)
        answering = asyncio.create_task(peer.answer(video_offer("sendrecv")))
        for _ in range(ticks):
            await asyncio.sleep(0)
        await peer.close()
        await asyncio.gather(answering, return_exceptions=True)
        # As whoever gets no answer does.
        await peer.close()
        assert decoding() == 0, f"closed after {ticks} turns of the loop"


async def test_the_picture_and_the_sound_are_those_of_the_first_sections_that_send_any() -> None:
    offer = offer_of(
        ("video", "inactive"), ("audio", "recvonly"), ("video", "sendonly"), ("audio", "sendonly")
    )
    peer = Peer(None, EVENTS, lambda *size: size, Network(), SOFTWARE_CODECS)
    try:
        assert directions(await peer.answer(offer)) == ["inactive", "inactive", "recvonly", "recvonly"]
        assert peer.hears
    finally:
        await peer.close()


async def test_what_only_takes_sound_is_not_heard() -> None:
    peer = Peer(Downlink(Mailbox[Frame](), 1_000_000), EVENTS, lambda *size: size, Network(), SOFTWARE_CODECS)
    try:
        await peer.answer(offer_of(("video", "inactive"), ("video", "sendrecv"), ("audio", "recvonly")))
        assert (peer.hears, peer.encoder is None) == (False, False)
    finally:
        await peer.close()


async def test_a_connection_that_does_not_close_gives_its_ports_back(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer(None, EVENTS, lambda *size: size, Network(), SOFTWARE_CODECS)
    await peer.answer(offer_of(("video", "sendonly")))
    inner = peer.connection._connection
    assert inner is not None
    transports = [dtls.transport for dtls in inner._RTCPeerConnection__dtlsTransports]  # type: ignore[attr-defined]
    assert {transport.state for transport in transports} == {"new"}

    async def never() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(inner, "close", never)
    monkeypatch.setattr(connection, "CLOSE_TIMEOUT_S", 0.01)
    await peer.close()
    assert {transport.state for transport in transports} == {"closed"}
