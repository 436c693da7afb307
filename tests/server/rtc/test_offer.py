from collections.abc import AsyncIterator

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.codecs import CODECS
from aiortc.rtcpeerconnection import find_common_codecs
from aiortc.sdp import SessionDescription
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.rtc.offer import (
    Chosen,
    MalformedOfferError,
    UnusableOfferError,
    as_baseline,
    choose_codec,
    parse_offer,
    parse_view_offer,
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


@pytest.mark.parametrize(
    ("line", "count", "said"),
    [("a=rtcp-fb:* nack\r\n", 1000, "1000 lines"), ("a=rtpmap:97 VP9/90000\r\n", 128, "128 formats")],
)
async def test_an_offer_that_takes_long_to_read_is_refused_unread(
    offer: str, line: str, count: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = offer.splitlines(keepends=True)
    place = lines.index("a=rtpmap:97 VP8/90000\r\n")
    offer = "".join([*lines[:place], line * count, *lines[place:]])
    monkeypatch.setattr(SessionDescription, "parse", None)

    with pytest.raises(UnusableOfferError, match=said):
        parse_offer(offer)


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


CHROMIUM = """VP8
a=rtpmap:96 VP8/90000
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:103 H264/90000
a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f
a=rtpmap:107 H264/90000
a=fmtp:107 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f
a=rtpmap:109 H264/90000
a=fmtp:109 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=rtpmap:117 H264/90000
a=fmtp:117 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f
"""
SAFARI = """H264
a=rtpmap:96 H264/90000
a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c1f
a=rtpmap:98 H264/90000
a=fmtp:98 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=rtpmap:100 VP8/90000
"""
FIREFOX = """VP8
a=rtpmap:120 VP8/90000
a=fmtp:120 max-fs=12288;max-fr=60
a=rtpmap:126 H264/90000
a=fmtp:126 profile-level-id=42e01f;level-asymmetry-allowed=1;packetization-mode=1
"""
ANDROID = """H264
a=rtpmap:102 H264/90000
a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e02a
"""
SET_TOP_BOX = """H264
a=rtpmap:97 H264/90000
a=fmtp:97 profile-level-id=42801e;packetization-mode=1
"""
SILENT = """H264
a=rtpmap:97 H264/90000
a=fmtp:97 packetization-mode=1
"""


def viewers_offer(codecs: str) -> str:
    """An offer to be shown these codecs, otherwise a browser's."""
    lines = codecs.splitlines()[1:]
    types = dict.fromkeys(line.split(":")[1].split()[0] for line in lines)
    head, _, tail = REAL_OFFER.partition("a=rtpmap:96")
    head = head.replace("SAVPF 96 97", f"SAVPF {' '.join(types)}").replace("sendrecv", "recvonly")
    tail = tail[tail.index("m=application") :]
    return "\r\n".join([*head.splitlines(), *lines, *tail.splitlines()]) + "\r\n"


@pytest.mark.parametrize(
    ("codecs", "chosen", "level"),
    [
        (CHROMIUM, (96, "VP8"), 62),
        (SAFARI, (96, "H264"), 31),
        (FIREFOX, (120, "VP8"), 62),
        (ANDROID, (102, "H264"), 42),
        (SET_TOP_BOX, (97, "H264"), 30),
        (SILENT, (97, "H264"), 31),
        # A level that nothing fits is passed over for what follows it.
        (SAFARI.replace("640c1f", "640c0a"), (98, "H264"), 31),
        (SAFARI.replace("640c1f", "640c0a").replace("42e01f", "42e00a"), (100, "VP8"), 62),
    ],
)
def test_a_receiver_is_sent_what_it_names_first_and_takes(
    codecs: str, chosen: tuple[int, str], level: int
) -> None:
    found = choose(codecs)
    assert ((found.payload_type, found.codec), found.limit.level) == (chosen, level)


def test_firefoxs_bounds_of_vp8_are_read() -> None:
    assert (choose(FIREFOX).limit.blocks, choose(FIREFOX).limit.fps) == (12_288, 60)


def test_a_receiver_that_takes_too_little_is_told_so() -> None:
    with pytest.raises(
        UnusableOfferError, match=r"H.264 up to level 1.0, 64 kbit/s at most.*let it take VP8"
    ):
        choose(ANDROID.replace("42e02a", "42e00a"))


def choose(codecs: str) -> Chosen:
    text, profiles = as_baseline(viewers_offer(codecs))
    offer = parse_view_offer(text)
    common = find_common_codecs(CODECS["video"], offer.media[0].rtp.codecs)
    negotiated = {codec.payloadType: codec.name for codec in common if codec.payloadType is not None}
    return choose_codec(offer, profiles, negotiated)
