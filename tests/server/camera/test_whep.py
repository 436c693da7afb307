"""The WHEP client against answers that are not Afterimage's own."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import SecretStr

from server.camera.whep import RefusedError, UnreachableError, Viewing, ice_servers, post_offer
from server.rtc.ice import IceServer, limited_credential
from tests.server.turn import SECRET, Coturn, free_port

Respond = Callable[[BaseHTTPRequestHandler, bytes], None]


@contextmanager
def answering(respond: Respond) -> Iterator[str]:
    """A web server that answers every POST and DELETE as told; its address."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            respond(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))

        do_DELETE = do_POST  # noqa: N815 - as http.server looks for it

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def answer(status: int, headers: dict[str, str], body: bytes = b"") -> Respond:
    def respond(request: BaseHTTPRequestHandler, _: bytes) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return respond


@pytest.fixture
def elsewhere() -> Iterator[str]:
    with answering(answer(201, {"Location": "/viewing/1"}, b"v=0")) as url:
        yield url


def test_a_redirect_is_followed_with_the_offer_and_the_bearer(elsewhere: str) -> None:
    with answering(answer(307, {"Location": f"{elsewhere}/whep"})) as url:
        answered = post_offer(f"{url}/whep", "token", "v=0")
    assert (answered.sdp, answered.resource) == ("v=0", f"{elsewhere}/viewing/1")


def test_a_circle_of_redirects_ends() -> None:
    with answering(answer(307, {"Location": "/whep"})) as url, pytest.raises(RefusedError) as refused:
        post_offer(f"{url}/whep", None, "v=0")
    assert refused.value.status == 307


@pytest.mark.parametrize("status", [201, 307])
def test_an_answer_with_an_address_that_is_none_cannot_be_used(status: int) -> None:
    with answering(answer(status, {"Location": "http://["})) as url, pytest.raises(UnreachableError):
        post_offer(url, None, "v=0")


def test_an_answer_in_other_words_than_problem_json_asks_whether_the_address_is_right() -> None:
    with (
        answering(answer(404, {"Content-Type": "text/html"}, b"<h1>Not found</h1>")) as url,
        pytest.raises(RefusedError, match=r"/live answered with 404, .*is the address right\?"),
    ):
        post_offer(f"{url}/live", None, "v=0")


def test_a_problems_words_and_its_patience_are_passed_on() -> None:
    body = b'{"detail": "all places are taken"}'
    with answering(answer(503, {"Retry-After": "7"}, body)) as url, pytest.raises(RefusedError) as refused:
        post_offer(url, None, "v=0")
    assert (str(refused.value), refused.value.retry_after_s) == ("all places are taken", 7.0)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:9/whep", "127.0.0.1:9 cannot be reached: Connection refused"),
        ("http://no-such-host.invalid/whep", "there is no such host"),
    ],
)
def test_who_does_not_answer_is_named(url: str, why: str) -> None:
    with pytest.raises(UnreachableError, match=why):
        post_offer(url, None, "v=0")


def test_http_where_tls_is_expected_is_said(elsewhere: str) -> None:
    with pytest.raises(UnreachableError, match="try http://"):
        post_offer(elsewhere.replace("http://", "https://"), None, "v=0")


async def test_an_answer_that_is_no_sdp_is_said_to_be_none(elsewhere: str) -> None:
    viewing = Viewing(lambda width, height: (width, height), lambda frame: None)
    try:
        with pytest.raises(UnreachableError, match="cannot be used"):
            await viewing.open(f"{elsewhere}/whep", None)
    finally:
        await viewing.close()


def test_ice_servers_are_read_from_link_headers() -> None:
    given = 'rel="ice-server"; username="17:me, myself"; credential="a;b=,c"; credential-type="password"'
    found = ice_servers(
        [
            '<stun:stun.example.org>; rel="ice-server"',
            f'</v1/sessions/s1>; rel="related", <turn:turn.example.org:3478?transport=udp>; {given}',
            '<nonsense:turn.example.org>; rel="ice-server"',
            '<turn:nothing.example.org>; rel="ice-server"',
            f"<turns:turn.example.org?transport=tcp>; {given}",
        ]
    )
    assert found == (
        IceServer(urls=("stun:stun.example.org",)),
        IceServer(
            urls=("turn:turn.example.org:3478?transport=udp", "turns:turn.example.org?transport=tcp"),
            username="17:me, myself",
            credential=SecretStr("a;b=,c"),
        ),
    )


async def test_an_answer_that_names_relays_is_given_back_and_asked_for_again_through_one(
    tmp_path: Path,
) -> None:
    asked: list[tuple[str, str]] = []

    def respond(request: BaseHTTPRequestHandler, body: bytes) -> None:
        asked.append((request.command, body.decode()))
        request.send_response(201 if request.command == "POST" else 200)
        request.send_header("Location", f"/viewing/{len(asked)}")
        username, credential = limited_credential(SECRET, "viewer", int(time.time()) + 60)
        # By UDP nothing answers there; the next address of the same server does.
        for url in (f"turn:127.0.0.1:{free_port()}", f"turn:127.0.0.1:{coturn.port}?transport=tcp"):
            account = f'username="{username}"; credential="{credential}"; credential-type="password"'
            request.send_header("Link", f'<{url}>; rel="ice-server"; {account}')
        request.send_header("Content-Length", "3")
        request.end_headers()
        request.wfile.write(b"v=0")

    viewing = Viewing(lambda width, height: (width, height), lambda frame: None)
    with Coturn(tmp_path) as coturn, answering(respond) as url:
        try:
            # By an address of this machine that does not look like it: for the usual one no relay is needed.
            with pytest.raises(UnreachableError, match="cannot be used"):
                await viewing.open(f"{url.replace('127.0.0.1', '127.0.0.2')}/whep", None)
        finally:
            await viewing.close()
    assert [method for method, _ in asked] == ["POST", "DELETE", "POST", "DELETE"]
    assert " typ relay " not in asked[0][1]
    assert " typ relay " in asked[2][1]
