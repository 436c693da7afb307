import asyncio
import base64
import hashlib
import hmac
import time

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from server.rtc import probe
from tests.server.conftest import RunningServer, StartServer, until

SDP = {"Content-Type": "application/sdp"}
SERVERS = [
    {"urls": ["stun:127.0.0.1:9"]},
    {"urls": ["turn:127.0.0.1:9"], "secret": "north"},
    {"urls": ["turn:127.0.0.1:10?transport=tcp"], "username": "ann", "credential": "c"},
]


def is_granted(username: str, credential: str) -> bool:
    expires, _, user = username.partition(":")
    digest = hmac.new(b"north", username.encode(), hashlib.sha1).digest()
    lasts_s = int(expires) - time.time()
    return user == "afterimage" and 590 < lasts_s <= 600 and credential == base64.b64encode(digest).decode()


async def test_browsers_are_given_servers_with_credentials_of_their_own(start_server: StartServer) -> None:
    server = await start_server(
        ice_servers=SERVERS,
        turn_credential_lifetime_s=600,
        udp_ports="50000-50100",
        public_address="203.0.113.7",
    )
    async with server.http() as http:
        response = await http.get("/v1/network")
        network = response.json()
        opened = (await http.post("/v1/sessions")).json()
    assert response.headers["cache-control"] == "no-store"
    assert (network["udp_ports"], network["public_addresses"]) == ("50000-50100", ["203.0.113.7"])
    for stun, limited, fixed in (network["ice_servers"], opened["ice_servers"]):
        assert stun == {"urls": ["stun:127.0.0.1:9"], "username": None, "credential": None}
        assert is_granted(limited["username"], limited["credential"])
        assert (fixed["username"], fixed["credential"]) == ("ann", "c")


@pytest.mark.parametrize("endpoint", ["/whip", "/whep"])
async def test_options_name_the_servers_to_whoever_may_post(start_server: StartServer, endpoint: str) -> None:
    server = await start_server(ice_servers=SERVERS, token="secret", turn_credential_lifetime_s=600)
    async with server.http() as http:
        unknown = await http.options(endpoint)
        assert (unknown.status_code, unknown.headers["accept-post"]) == (204, "application/sdp")
        assert "link" not in unknown.headers
        assert (await http.options(endpoint, headers={"Authorization": "Bearer no"})).status_code == 401
        known = {"Authorization": "Bearer secret"}
        links = (await http.options(endpoint, headers=known)).headers.get_list("link")
        session = (await http.post("/v1/sessions", headers=known)).json()
        its_own = await http.options(
            f"/v1/sessions/{session['id']}{endpoint}", headers={"Authorization": f"Bearer {session['token']}"}
        )
        stranger = await http.options(
            f"/v1/sessions/{session['id']}{endpoint}", headers={"Authorization": "Bearer no"}
        )
    assert links[0] == '<stun:127.0.0.1:9>; rel="ice-server"'
    assert links[2] == (
        '<turn:127.0.0.1:10?transport=tcp>; rel="ice-server"; username="ann"; credential="c"; '
        'credential-type="password"'
    )
    assert len(its_own.headers.get_list("link")) == 3
    assert its_own.headers["access-control-allow-origin"] == "*"
    assert stranger.status_code == 401


class Prober:
    """A browser's part of a check."""

    def __init__(self) -> None:
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.channel = self.peer.createDataChannel("probe")
        self.heard: list[str | bytes] = []
        self.channel.on("message", self.heard.append)

    async def offer(self) -> str:
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return str(self.peer.localDescription.sdp)

    async def take(self, answer: str) -> None:
        await self.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await until(lambda: self.channel.readyState == "open")


async def test_a_probe_echoes_and_takes_no_place(start_server: StartServer) -> None:
    server = await start_server(max_sessions=1)
    prober = Prober()
    async with server.http() as http:
        assert (await http.post("/v1/sessions")).status_code == 201
        response = await http.post("/v1/network/probe", content=await prober.offer(), headers=SDP)
        assert response.status_code == 200
        await prober.take(response.text)
        prober.channel.send("are you there?")
        await until(lambda: prober.heard)
    assert prober.heard == ["are you there?"]
    assert len(server.service.probes) == 1
    await prober.peer.close()
    await until(lambda: len(server.service.probes) == 0)


async def test_a_probe_ends_by_itself_and_too_many_are_refused(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "MAX_PROBES", 2)
    monkeypatch.setattr(server.service.probes, "_lifetime_s", 1.0)
    probers = [Prober() for _ in range(3)]
    offers = [await prober.offer() for prober in probers]
    async with server.http() as http:
        answers = await asyncio.gather(
            *(http.post("/v1/network/probe", content=offer, headers=SDP) for offer in offers)
        )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 503]
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 503)
    await until(lambda: len(server.service.probes) == 0)
    for prober in probers:
        await prober.peer.close()


async def test_what_is_no_probe_is_refused(server: RunningServer) -> None:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTransceiver("video")
    await peer.setLocalDescription(await peer.createOffer())
    async with server.http() as http:
        path = "/v1/network/probe"
        video = await http.post(path, content=peer.localDescription.sdp, headers=SDP)
        assert (video.status_code, "no data channel" in video.json()["detail"]) == (422, True)
        assert (await http.post(path, content="hello", headers=SDP)).status_code == 400
        assert (await http.post(path, content="v=0")).status_code == 415
    assert len(server.service.probes) == 0
    await peer.close()


async def test_a_server_out_of_ports_says_so(start_server: StartServer) -> None:
    server = await start_server(udp_ports="50111-50111")
    first, second = Prober(), Prober()
    async with server.http() as http:
        path = "/v1/network/probe"
        await first.take((await http.post(path, content=await first.offer(), headers=SDP)).text)
        response = await http.post(path, content=await second.offer(), headers=SDP)
    assert response.status_code == 503
    assert "50111-50111" in response.json()["detail"]
    for prober in (first, second):
        await prober.peer.close()


async def test_a_session_may_ask_for_less_than_the_server_is_set_to(start_server: StartServer) -> None:
    server = await start_server(max_bitrate_bps=2_000_000)
    async with server.http() as http:
        assert (await http.post("/v1/sessions")).json()["max_bitrate_bps"] == 2_000_000
        less = await http.post("/v1/sessions", json={"max_bitrate_bps": 500_000})
        assert less.json()["max_bitrate_bps"] == 500_000
        more = await http.post("/v1/sessions", json={"max_bitrate_bps": 3_000_000})
        assert more.status_code == 422
        assert "at most 2000000" in more.json()["detail"]


async def test_what_runs_is_named_and_keeps_to_the_sessions_bitrate(server: RunningServer) -> None:
    async with server.visitor(codec="H264") as visitor:
        await visitor.connect(max_bitrate_bps=500_000)
        await visitor.sees(5)
        codecs = (await visitor.stats())["codecs"]
    (encoder,) = codecs["encoders"]
    assert encoder["codec"] == "H264"
    assert encoder["name"].startswith(("libx264", "h264_"))
    assert encoder["bitrate_bps"] <= 500_000
    assert codecs["decoder"].startswith("h264")
