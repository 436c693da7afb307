"""The WHEP client against answers that are not Afterimage's own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from server.camera.whep import RefusedError, UnreachableError, Viewing, ice_servers, post_offer

Respond = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def answering(respond: Respond) -> Iterator[str]:
    """A web server that answers every POST as told; its address."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            respond(self)

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def answer(status: int, headers: dict[str, str], body: bytes = b"") -> Respond:
    def respond(request: BaseHTTPRequestHandler) -> None:
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
    found = ice_servers(
        [
            '<stun:stun.example.org>; rel="ice-server"',
            '</v1/sessions/s1>; rel="related", <turn:turn.example.org:3478?transport=udp>; rel="ice-server"; '
            'username="17:me, myself"; credential="a;b=,c"; credential-type="password"',
            '<nonsense:turn.example.org>; rel="ice-server"',
        ]
    )
    assert [(server.urls, server.username, server.credential) for server in found] == [
        ("stun:stun.example.org", None, None),
        ("turn:turn.example.org:3478?transport=udp", "17:me, myself", "a;b=,c"),
    ]
