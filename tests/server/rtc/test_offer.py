from collections.abc import AsyncIterator

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.rtc.offer import (
    MalformedOfferError,
    UnusableOfferError,
    as_baseline,
    parse_offer,
    with_bitrate,
    with_profiles,
    without_mdns,
)


@pytest.fixture
async def offer() -> AsyncIterator[str]:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTransceiver("audio")
    peer.addTransceiver("video")
    peer.createDataChannel("control")
    await peer.setLocalDescription(await peer.createOffer())
    yield peer.localDescription.sdp
    await peer.close()


async def test_a_browsers_offer_is_usable(offer: str) -> None:
    assert [media.kind for media in parse_offer(offer).media] == ["audio", "video", "application"]


@pytest.mark.parametrize(
    ("there", "instead", "said"),
    [
        ("a=ice-ufrag:", "a=nothing:", "ICE credentials"),
        ("a=fingerprint:", "a=nothing:", "fingerprint"),
        ("a=setup:", "a=nothing:", "setup"),
        ("a=rtcp-mux", "a=nothing", "multiplex"),
        ("a=sendrecv", "a=inactive", "no video"),
        ("a=sendrecv", "a=nothing", "direction"),
        ("a=mid:1", "a=mid:0", "distinct"),
        ("BUNDLE 0 1 2", "BUNDLE 0 1 9", "bundles"),
        ("a=sctp-port:5000", "a=nothing", "sctp-port"),
        ("UDP/DTLS/SCTP", "UDP/SOMETHING", "not a data channel"),
        ("m=application", "m=text", "unknown kind"),
        ("opus/48000", "x/48000", ""),
    ],
)
async def test_what_is_missing_is_named(offer: str, there: str, instead: str, said: str) -> None:
    assert there in offer
    changed = offer.replace(there, instead)
    if said:
        with pytest.raises(UnusableOfferError, match=said):
            parse_offer(changed)
    else:
        parse_offer(changed)


@pytest.mark.parametrize(
    "text", ["", "hello", "{}", "v=0\r\nm=video", "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF x\r\n"]
)
def test_what_is_not_sdp_is_said_to_be_none(text: str) -> None:
    with pytest.raises(MalformedOfferError, match="not SDP"):
        parse_offer(text)


def test_sdp_without_media_is_unusable() -> None:
    with pytest.raises(UnusableOfferError, match="no media"):
        parse_offer("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(choices=st.data())
def test_damaged_sdp_is_refused_and_nothing_else(choices: st.DataObject) -> None:
    lines = REAL_OFFER.splitlines()
    for _ in range(choices.draw(st.integers(1, 4))):
        index = choices.draw(st.integers(0, len(lines) - 1))
        damage = choices.draw(st.sampled_from(("drop", "cut", "junk", "swap")))
        if damage == "drop" and len(lines) > 1:
            del lines[index]
        elif damage == "cut":
            lines[index] = lines[index][: choices.draw(st.integers(0, len(lines[index])))]
        elif damage == "junk":
            lines[index] += choices.draw(st.text(max_size=8))
        else:
            lines[index], lines[0] = lines[0], lines[index]
    try:
        parse_offer("\r\n".join(lines) + "\r\n")
    except (MalformedOfferError, UnusableOfferError):
        return


def test_candidates_by_name_are_left_out() -> None:
    named = "a=candidate:1 1 udp 2113937151 6e0b8dd0-53c5-4a60-b5d0-f45f8f6a0bb8.local 54321 typ host"
    numbered = "a=candidate:2 1 udp 1677729535 192.0.2.7 54321 typ host"
    assert without_mdns(f"{named}\r\n{numbered}\r\na=end-of-candidates\r\n").split("\r\n") == [
        numbered,
        "a=end-of-candidates",
        "",
    ]
    # With none left, more are still to be found: by the browser's own checks.
    assert without_mdns(f"{named}\r\na=end-of-candidates\r\na=x\r\n").split("\r\n") == ["a=x", ""]


REAL_OFFER = """v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=msid-semantic: WMS
m=video 9 UDP/TLS/RTP/SAVPF 96 97
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:1 1 udp 2113937151 192.0.2.7 54321 typ host generation 0
a=ice-ufrag:aB3d
a=ice-pwd:aB3daB3daB3daB3daB3daB3d
a=ice-options:trickle
a=fingerprint:sha-256 AA:BB
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid
a=sendrecv
a=msid:- 0b0a6d7e
a=rtcp-mux
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=ssrc-group:FID 1 2
a=ssrc:1 cname:x
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=ice-ufrag:aB3d
a=ice-pwd:aB3daB3daB3daB3daB3daB3d
a=fingerprint:sha-256 AA:BB
a=setup:actpass
a=mid:1
a=sctp-port:5000
a=max-message-size:262144
"""


HIGH = "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c1f\r\n"


def test_every_profile_is_taken_and_named_again_in_the_answer() -> None:
    text, profiles = as_baseline(HIGH)
    assert "profile-level-id=42e01f" in text
    assert profiles == {102: "640c1f"}
    assert with_profiles(text, profiles) == HIGH


def test_a_browser_is_told_where_to_begin_and_where_to_end() -> None:
    answer = (
        "a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:102 H264/90000\r\n"
    )
    hint = "x-google-start-bitrate=2000;x-google-max-bitrate=6000"
    lines = with_bitrate(answer + HIGH, 2_000_000, 6_000_000).splitlines()
    assert f"a=fmtp:96 {hint}" in lines
    assert f"{HIGH.strip()};{hint}" in lines
    assert "a=fmtp:97 apt=96" in lines
    assert sum(hint in line for line in lines) == 2
