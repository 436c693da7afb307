"""Offers as an endpoint of the policy `max-bundle` makes them, as the one that RFC 9725 prints."""

import re

import pytest
from aiortc import RTCPeerConnection
from hypothesis import given
from hypothesis import strategies as st

from server.rtc.bundle import with_bundled
from server.rtc.offer import parse_offer
from tests.server.whip_client import bundle_only

LINES = (
    *("", "v=0", "m=", "m=video", "m=video 0 UDP/TLS/RTP/SAVPF 96", "a=bundle-only"),
    *("a=mid:", "a=mid:0", "a=mid:1", "a=group:BUNDLE", "a=group:BUNDLE  1", "a=group:BUNDLE 0 1"),
)


async def offer() -> str:
    peer = RTCPeerConnection()
    peer.addTransceiver("audio", "sendonly")
    peer.addTransceiver("video", "sendonly")
    made = str((await peer.createOffer()).sdp)
    await peer.close()
    return made


@pytest.mark.parametrize("tag", ["0", "1"])
async def test_a_bundled_section_has_the_transport_of_the_tagged_one(tag: str) -> None:
    usual = await offer()
    bundled = bundle_only(usual, tag)
    assert bundled.count("a=ice-pwd:") == bundled.count("a=bundle-only") == 1
    read, expected = parse_offer(with_bundled(bundled)), parse_offer(usual)
    for section, same in zip(read.media, expected.media, strict=True):
        assert (section.port, section.ice, section.dtls, section.rtcp_mux) == (9, same.ice, same.dtls, True)
        assert (section.direction, section.rtp.codecs) == (same.direction, same.rtp.codecs)


async def test_a_section_outside_of_the_bundle_keeps_its_port() -> None:
    apart = re.sub(r"a=group:BUNDLE.*", "a=group:BUNDLE 0", bundle_only(await offer(), "0"))
    assert with_bundled(apart).split() == apart.split()


async def test_a_section_that_is_not_wanted_stays_so() -> None:
    refused = (await offer()).replace("m=video 9", "m=video 0")
    assert with_bundled(refused).split() == refused.split()


@given(st.lists(st.sampled_from(LINES)))
def test_whatever_comes_is_left_to_who_reads_it(lines: list[str]) -> None:
    with_bundled("\r\n".join(lines))
