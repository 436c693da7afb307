"""WHEP (draft-ietf-wish-whep-03)."""

import asyncio
import math
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import numpy as np
import pytest
from aiortc import RTCSessionDescription

from tests.server.conftest import RunningServer, StartServer, eventually, until
from tests.server.rtc.test_peer import directions, offer_of
from tests.server.whip_client import CYAN, SDP, Publisher, Watcher


@pytest.fixture
async def http(server: RunningServer) -> AsyncIterator[httpx.AsyncClient]:
    async with server.http() as client:
        yield client


async def test_viewers_of_a_codec_share_one_encoder(server: RunningServer, http: httpx.AsyncClient) -> None:
    async with AsyncExitStack() as stack:
        publisher = await stack.enter_async_context(Publisher(http))
        await publisher.post("/whip?instruction=invert")
        viewers = [
            await stack.enter_async_context(Watcher(http, codec=codec)) for codec in ("VP8", "VP8", "H264")
        ]
        for viewer in viewers:
            assert (await viewer.post("/whep")).status_code == 201
        await asyncio.gather(*(viewer.sees_colour(CYAN) for viewer in viewers))
        (session,) = server.service.sessions
        stats = session.stats()
        assert [viewer.codec for viewer in stats.viewers] == ["VP8", "VP8", "H264"]
        assert stats.encoders == 2
        assert all(viewer.connected and viewer.pictures_sent for viewer in stats.viewers)
        assert "afterimage_viewers 3.0" in (await http.get("/metrics")).text
        for viewer in viewers:
            assert (await viewer.stop()).status_code == 200
        assert session.stats().viewers == ()
        assert session.stats().encoders == 0


async def test_a_viewer_may_come_before_the_picture_and_late(http: httpx.AsyncClient) -> None:
    session = (await http.post("/v1/sessions", json={"instruction": "invert"})).json()
    token = session["token"]
    async with Watcher(http, token) as early, Watcher(http, token) as late, Publisher(http, token) as source:
        assert (await early.post(session["whep_url"])).status_code == 201
        await source.post(session["whip_url"])
        await early.sees_colour(CYAN)
        await early.sees(30)
        assert (await late.post(session["whep_url"])).status_code == 201
        await late.sees_colour(CYAN)


async def test_a_browsers_session_can_be_watched_too(server: RunningServer) -> None:
    async with server.visitor(audio=True) as visitor:
        await visitor.connect(instruction="invert")
        async with Watcher(visitor.http, visitor.session["token"]) as viewer:
            assert (await viewer.post(visitor.session["whep_url"])).status_code == 201
            await viewer.sees_colour(CYAN)
            await viewer.hears()
            await visitor.sees_colour(CYAN)


async def test_the_sound_is_what_was_sent(http: httpx.AsyncClient) -> None:
    async with Publisher(http, sound=True) as publisher, Watcher(http) as viewer:
        await publisher.post("/whip")
        await viewer.post("/whep")
        await viewer.hears(50)
        frames = viewer.sounds[-20:]
        wave = np.concatenate([frame.to_ndarray().reshape(-1, 2)[:, 0] for frame in frames]).astype(float)
        spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
        pitch_hz = float(np.argmax(spectrum)) * 48_000 / len(wave)
        assert math.isclose(pitch_hz, 440, abs_tol=5)


async def test_a_viewer_that_leaves_is_forgotten(start_server: StartServer) -> None:
    server = await start_server(gone_after_s=1)
    async with server.http() as http, Publisher(http) as publisher:
        await publisher.post("/whip")
        (session,) = server.service.sessions
        async with Watcher(http) as viewer:
            await viewer.post("/whep")
            await viewer.sees()
            assert len(session.stats().viewers) == 1
        await until(lambda: session.stats().viewers == ())
        assert session.stats().encoders == 0
        assert session.state == "live"


async def test_there_is_a_limit_of_viewers(start_server: StartServer) -> None:
    server = await start_server(max_viewers=1)
    async with server.http() as http, Publisher(http) as publisher:
        await publisher.post("/whip")
        async with Watcher(http) as first, Watcher(http) as second:
            assert (await first.post("/whep")).status_code == 201
            refused = await second.post("/whep")
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) > 0
            await first.stop()
            assert (await second.post("/whep")).status_code == 201


async def test_what_cannot_be_answered_is_refused(http: httpx.AsyncClient) -> None:
    session = (await http.post("/v1/sessions")).json()
    headers = {"Authorization": f"Bearer {session['token']}"}
    async with Watcher(http, session["token"]) as viewer:
        offer = await viewer.offer()
        for body, kind, expected in (
            (offer, "text/plain", 415),
            ("hello", "application/sdp", 400),
            (offer.replace("a=recvonly", "a=sendonly"), "application/sdp", 422),
            (offer.replace("VP8/90000", "VP9/90000"), "application/sdp", 422),
        ):
            response = await http.post(
                session["whep_url"], content=body, headers={**headers, "Content-Type": kind}
            )
            assert response.status_code == expected
        assert (await http.post(session["whep_url"], content=offer, headers=SDP)).status_code == 401
        assert (await viewer.post("/whep", offer)).status_code == 404
        gone = await http.patch(session["whep_url"] + "/none", headers=headers)
        assert gone.status_code == 404


async def test_a_section_with_port_0_is_shown_nothing(http: httpx.AsyncClient) -> None:
    session = (await http.post("/v1/sessions")).json()
    headers = {"Authorization": f"Bearer {session['token']}", **SDP}
    offer = offer_of(("video", "recvonly"), ("video", "recvonly")).replace("m=video 9", "m=video 0", 1)
    answered = await http.post(session["whep_url"], content=offer, headers=headers)
    assert answered.status_code == 201
    assert directions(answered.text) == ["inactive", "sendonly"]


async def test_a_viewers_level_of_h264_is_kept_to(server: RunningServer, http: httpx.AsyncClient) -> None:
    async with AsyncExitStack() as stack:
        publisher = await stack.enter_async_context(Publisher(http))
        await publisher.post("/whip?instruction=invert")
        low, high, other = [await stack.enter_async_context(Watcher(http, codec="H264")) for _ in range(3)]
        for viewer, said in ((low, "42e00c"), (high, "42e01f"), (other, "42e02a")):
            response = await viewer.post("/whep", of_level(await viewer.offer(), said))
            assert response.status_code == 201
            assert f"profile-level-id={said}" in response.text
        await asyncio.gather(*(viewer.sees_colour(CYAN) for viewer in (low, high, other)))
        (session,) = server.service.sessions
        await until(lambda: session.stats().encoders == 2)
        sizes = [(await viewer.sees(10)).shape[:2] for viewer in (low, high, other)]
        assert sizes == [(192, 256), (240, 320), (240, 320)]
        encoders = session.stats().codecs.encoders
        assert {(encoder.width, encoder.height, encoder.level) for encoder in encoders} == {
            (256, 192, 1.2),
            (320, 240, 3.1),
        }


async def test_a_browsers_level_of_h264_is_kept_to(server: RunningServer) -> None:
    async with server.visitor(codec="H264") as visitor:
        await visitor.open(instruction="invert")
        response = await visitor.send_offer(of_level(await visitor.offer(), "42e00c"))
        await visitor.peer.setRemoteDescription(RTCSessionDescription(response.text, "answer"))
        assert (await visitor.sees_colour(CYAN)).shape == (192, 256, 3)


async def test_a_level_below_all_that_is_sent_is_refused_in_words(http: httpx.AsyncClient) -> None:
    async with Publisher(http) as publisher, Watcher(http, codec="H264") as viewer:
        await publisher.post("/whip")
        offer = of_level(await viewer.offer(), "42e00a")
        refused = await viewer.post("/whep", offer)
        assert refused.status_code == 422
        assert refused.json()["detail"].startswith("the offer takes H.264 up to level 1.0, 64 kbit/s at most")


def of_level(offer: str, profile_level_id: str) -> str:
    """The offer of a receiver that takes this profile and level."""
    return re.sub(r"profile-level-id=\w{6}", f"profile-level-id={profile_level_id}", offer)


async def test_a_viewers_ice_cannot_be_restarted(http: httpx.AsyncClient) -> None:
    async with Publisher(http) as publisher, Watcher(http) as viewer:
        await publisher.post("/whip")
        await viewer.post("/whep")
        other = "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n"
        fragment = f"{other}m=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
        kind = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*"}
        refused = await http.patch(viewer.location, content=fragment, headers=kind)
        assert refused.status_code == 422
        assert "end this connection and open another" in refused.json()["detail"]
        await viewer.sees()


async def test_a_session_that_ends_ends_its_viewers(server: RunningServer, http: httpx.AsyncClient) -> None:
    async with Publisher(http) as publisher, Watcher(http) as viewer:
        await publisher.post("/whip")
        await viewer.post("/whep")
        await viewer.sees()
        await publisher.stop()

        async def ended() -> bool:
            return viewer.peer.connectionState == "closed" or len(server.service.sessions) == 0

        await eventually(ended)
