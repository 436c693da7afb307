"""WHIP (RFC 9725), with a publisher that this project did not make in `test_whip_ffmpeg.py`."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from aiortc import RTCPeerConnection

from server.rtc.offer import MAX_CANDIDATES
from tests.server.conftest import RunningServer, StartServer, until
from tests.server.screen import is_colour
from tests.server.whip_client import CYAN, RED, SDP, Publisher, Watcher, bundle_only

FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
CANDIDATE = "a=candidate:1 1 udp 2130706431 127.0.0.1 50000 typ host\r\n"


@pytest.fixture
async def http(server: RunningServer) -> AsyncIterator[httpx.AsyncClient]:
    async with server.http() as client:
        yield client


async def opened(http: httpx.AsyncClient, **asked: object) -> dict[str, str]:
    response = await http.post("/v1/sessions", json=asked)
    assert response.status_code == 201, response.text
    session: dict[str, str] = response.json()
    return session


@pytest.mark.parametrize("codec", ["H264", "VP8"])
async def test_a_publishers_edit_reaches_a_viewer(http: httpx.AsyncClient, codec: str) -> None:
    session = await opened(http, instruction="invert")
    async with (
        Publisher(http, session["token"], codec) as publisher,
        Watcher(http, session["token"]) as viewer,
    ):
        assert (await publisher.post(session["whip_url"])).status_code == 201
        assert (await viewer.post(session["whep_url"])).status_code == 201
        await viewer.sees_colour(CYAN)


@pytest.mark.parametrize("tag", ["0", "1"])
async def test_sections_may_be_bundle_only(http: httpx.AsyncClient, tag: str) -> None:
    session = await opened(http, instruction="invert")
    async with (
        Publisher(http, session["token"], sound=True) as publisher,
        Watcher(http, session["token"]) as viewer,
    ):
        offers = [bundle_only(await client.offer(), tag) for client in (publisher, viewer)]
        assert (await publisher.post(session["whip_url"], offers[0])).status_code == 201
        assert (await viewer.post(session["whep_url"], offers[1])).status_code == 201
        await viewer.sees_colour(CYAN)


async def test_the_answer_is_whole(http: httpx.AsyncClient) -> None:
    session = await opened(http)
    async with Publisher(http, session["token"]) as publisher:
        response = await publisher.post(session["whip_url"])
        assert response.headers["content-type"] == "application/sdp"
        assert re.fullmatch(r'"[\w-]{12,}"', response.headers["etag"])
        assert re.fullmatch(re.escape(session["whip_url"]) + r"/[\w-]{20,}", publisher.location)
        assert "a=candidate:" in response.text
        assert "a=end-of-candidates" in response.text
        assert "a=recvonly" in response.text
        assert response.headers.get_list("link") == [f'</v1/sessions/{session["id"]}>; rel="related"']


async def test_ice_servers_are_named(start_server: StartServer) -> None:
    servers = [{"urls": ("stun:127.0.0.1:9", "stun:127.0.0.1:10")}]
    server = await start_server(ice_servers=servers)
    async with server.http() as http:
        session = await opened(http)
        async with Publisher(http, session["token"]) as publisher:
            response = await publisher.post(session["whip_url"])
            assert response.headers.get_list("link") == [
                '<stun:127.0.0.1:9>; rel="ice-server"',
                '<stun:127.0.0.1:10>; rel="ice-server"',
                f'</v1/sessions/{session["id"]}>; rel="related"',
            ]


async def test_a_second_publisher_finds_the_place_taken(http: httpx.AsyncClient) -> None:
    session = await opened(http)
    async with Publisher(http, session["token"]) as first, Publisher(http, session["token"]) as second:
        await first.post(session["whip_url"])
        assert (await second.post(session["whip_url"])).status_code == 409


async def test_what_cannot_be_answered_is_refused(http: httpx.AsyncClient) -> None:
    session = await opened(http)
    headers = {"Authorization": f"Bearer {session['token']}"}
    async with Publisher(http, session["token"], sound=True) as publisher:
        offer = await publisher.offer()

        async def status(body: str, kind: str = "application/sdp") -> tuple[int, str]:
            response = await http.post(
                session["whip_url"], content=body, headers={**headers, "Content-Type": kind}
            )
            assert response.headers["content-type"] == "application/problem+json"
            assert response.headers["access-control-allow-origin"] == "*"
            return response.status_code, response.json()["detail"]

        assert (await status(offer, "text/plain"))[0] == 415
        assert (await status("hello"))[0] == 400
        assert (await status(offer.replace("m=video", "m=text")))[0] == 422
        for foreign, spoken in (("H265", "H.265 (HEVC)"), ("AV1", "AV1")):
            code, detail = await status(offer.replace("H264/90000", f"{foreign}/90000"))
            assert code == 422
            assert spoken in detail
            assert "In OBS choose an H.264 encoder" in detail
        code, detail = await status(offer.replace("opus/48000/2", "MP4A-LATM/48000/2"))
        assert code == 422
        assert "Opus" in detail
        # Nothing of it has taken the place.
        assert (await publisher.post(session["whip_url"], offer)).status_code == 201


async def test_any_profile_of_h264_is_taken(http: httpx.AsyncClient) -> None:
    session = await opened(http)
    async with Publisher(http, session["token"]) as publisher:
        offer = re.sub(r"profile-level-id=\w{6}", "profile-level-id=640032", await publisher.offer())
        response = await http.post(
            session["whip_url"], content=offer, headers={**publisher.authorization, **SDP}
        )
        assert response.status_code == 201
        assert "profile-level-id=640032" in response.text
        assert "profile-level-id=42" not in response.text


async def test_the_call_needs_the_sessions_token(http: httpx.AsyncClient) -> None:
    session = await opened(http)
    async with Publisher(http) as publisher:
        assert (await publisher.post(session["whip_url"])).status_code == 401
        assert (await publisher.post("/v1/sessions/none/whip")).status_code == 404


async def test_candidates_may_trickle_in(http: httpx.AsyncClient) -> None:
    session = await opened(http)
    async with Publisher(http, session["token"]) as publisher:
        offer = await publisher.offer()
        await publisher.post(session["whip_url"], offer)
        tag = publisher.response.headers["etag"]
        user = re.findall(r"a=ice-ufrag:(\S+)", offer)[0]
        password = re.findall(r"a=ice-pwd:(\S+)", offer)[0]
        named = f"a=ice-ufrag:{user}\r\na=ice-pwd:{password}\r\n"
        other = "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n"
        section = "m=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"

        async def patch(body: str, match: str | None, kind: dict[str, str] = FRAGMENT) -> int:
            headers = {**publisher.authorization, **kind, **({} if match is None else {"If-Match": match})}
            response = await http.patch(publisher.location, content=body, headers=headers)
            assert "etag" not in response.headers, "ICE was not restarted"
            return response.status_code

        assert await patch(named + section + CANDIDATE, None) == 428
        assert await patch(named + section + CANDIDATE, '"stale"') == 412
        assert await patch(named + section + CANDIDATE, tag, SDP) == 415
        assert await patch("hello", tag) == 400
        assert await patch(named + section + "a=candidate:nonsense\r\n", tag) == 400
        assert await patch(named + section.replace("mid:0", "mid:7") + CANDIDATE, tag) == 400
        assert await patch(other + section + CANDIDATE, "*") == 422
        assert await patch(other + section + CANDIDATE, tag) == 422
        assert await patch(named + section + CANDIDATE, tag) == 204


async def test_a_connection_tries_a_bounded_number_of_candidates(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[object] = []

    async def add(_connection: RTCPeerConnection, candidate: object) -> None:
        tried.append(candidate)

    monkeypatch.setattr(RTCPeerConnection, "addIceCandidate", add)
    session = await opened(http)
    async with Publisher(http, session["token"]) as publisher:
        await publisher.post(session["whip_url"])
        headers = {**publisher.authorization, **FRAGMENT, "If-Match": "*"}
        for port in range(50_000, 50_000 + 3 * MAX_CANDIDATES):
            body = "a=mid:0\r\n" + CANDIDATE.replace("50000", str(port))
            assert (await http.patch(publisher.location, content=body, headers=headers)).status_code == 204
    assert len(tried) == MAX_CANDIDATES


async def test_stopping_ends_the_session(server: RunningServer, http: httpx.AsyncClient) -> None:
    session = await opened(http)
    async with Publisher(http, session["token"]) as publisher:
        await publisher.post(session["whip_url"])
        assert (await http.delete(publisher.location)).status_code == 401
        assert (await publisher.stop()).status_code == 200
        assert (await publisher.stop()).status_code == 404
        assert len(server.service.sessions) == 0


async def test_one_address_and_one_bearer_are_enough(server: RunningServer, http: httpx.AsyncClient) -> None:
    async with Publisher(http, "chosen by me") as publisher, Watcher(http, "chosen by me") as viewer:
        response = await publisher.post("/whip?instruction=invert")
        assert response.status_code == 201
        assert publisher.location.startswith("/whip/")
        assert (await viewer.post("/whep")).status_code == 201
        await viewer.sees_colour(CYAN)
        (listed,) = (await http.get("/v1/sessions")).json()
        stats = await http.get(f"/v1/sessions/{listed['id']}/stats", headers=publisher.authorization)
        assert [entry["codec"] for entry in stats.json()["viewers"]] == ["VP8"]
        assert stats.json()["frames"]["edited"] > 0
        async with Watcher(http, "guessed") as stranger:
            assert (await stranger.post("/whep")).status_code == 404
        assert (await viewer.stop()).status_code == 200
        assert (await publisher.stop()).status_code == 200
        assert len(server.service.sessions) == 0


async def test_other_methods_are_refused(http: httpx.AsyncClient) -> None:
    session = await opened(http)
    async with Publisher(http, session["token"]) as publisher:
        await publisher.post(session["whip_url"])
        for path in ("/whip", "/whep", session["whip_url"], session["whep_url"], publisher.location):
            for method in ("GET", "HEAD", "PUT"):
                response = await http.request(method, path, headers=publisher.authorization)
                assert response.status_code == 405, (method, path)


async def test_a_refused_publisher_leaves_no_session(server: RunningServer, http: httpx.AsyncClient) -> None:
    for body, expected in (("hello", 400), ("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", 422)):
        assert (await http.post("/whip", content=body, headers=SDP)).status_code == expected
    assert (await http.post("/whip", content="v=0", headers={"Content-Type": "x/y"})).status_code == 415
    assert len(server.service.sessions) == 0


async def test_a_full_server_says_when_to_come_back(start_server: StartServer) -> None:
    server = await start_server(max_sessions=1)
    async with server.http() as http, Publisher(http) as first, Publisher(http) as second:
        assert (await first.post("/whip")).status_code == 201
        response = await second.post("/whip")
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0


async def test_with_a_token_the_one_address_asks_for_it(start_server: StartServer) -> None:
    server = await start_server(token="sesame")
    origin = {"Origin": "https://player.example"}
    async with server.http() as http, Publisher(http) as publisher:
        for path in ("/whip", "/whep"):
            refused = await http.post(path, content="v=0", headers={**SDP, **origin})
            assert refused.status_code == 401
            assert refused.headers["access-control-allow-origin"] == "*"
        publisher.token = "sesame"
        assert (await publisher.post("/whip")).status_code == 201
        assert (await http.delete(publisher.location)).status_code == 401
        assert (await publisher.stop()).status_code == 200


@pytest.mark.parametrize("path", ["/whip", "/whep", "/v1/sessions/x/whip", "/v1/sessions/x/whep"])
async def test_preflight_needs_no_token(start_server: StartServer, path: str) -> None:
    server = await start_server(token="sesame")
    async with server.http() as http:
        asking = {"Origin": "https://player.example", "Access-Control-Request-Method": "POST"}
        response = await http.options(path, headers=asking)
        assert response.status_code == 204
        assert response.headers["accept-post"] == "application/sdp"
        assert response.headers["access-control-allow-origin"] == "*"
        assert "Authorization" in response.headers["access-control-allow-headers"]
        assert "PATCH" in response.headers["access-control-allow-methods"]
        begun = await http.options(path + "/y", headers=asking)
        assert begun.headers["accept-patch"] == "application/trickle-ice-sdpfrag"


async def test_a_foreign_page_may_not_open_sessions_where_no_token_is_asked_for(
    server: RunningServer, http: httpx.AsyncClient
) -> None:
    response = await http.post("/whip", content="v=0", headers={**SDP, "Origin": "https://evil.example"})
    assert response.status_code == 403
    assert len(server.service.sessions) == 0


async def test_without_an_instruction_the_picture_is_as_it_came(http: httpx.AsyncClient) -> None:
    async with Publisher(http) as publisher, Watcher(http, codec="H264") as viewer:
        await publisher.post("/whip")
        await viewer.post("/whep")
        assert is_colour(await viewer.sees(5), RED)


async def test_a_vanished_publisher_ends_its_session(start_server: StartServer) -> None:
    server = await start_server(gone_after_s=1)
    async with server.http() as http, Publisher(http) as publisher, Watcher(http) as viewer:
        await publisher.post("/whip")
        await viewer.post("/whep")
        await viewer.sees()
        await publisher.close()
        await until(lambda: len(server.service.sessions) == 0)
