"""Watching by WHEP (draft-ietf-wish-whep-03): an offer over HTTP, then pictures until the connection ends."""

import asyncio
import http.client
import json
import logging
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from urllib.parse import urljoin, urlsplit

from aiortc import (
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError

from server.rtc import hooks
from server.rtc.assembly import PictureAssembly
from server.rtc.decoding import DecoderThread
from server.rtc.gathering import Gathering
from server.rtc.ice import IceServer, Network
from server.session.frame import Frame

logger = logging.getLogger(__name__)

HTTP_TIMEOUT_S = 8.0
MAX_REDIRECTS = 5
FIRST_PICTURE_S = 30.0
"""Who came before the picture waits longer for it than who lost it."""
STILL_S = 5.0
"""A picture is sent at least every half second, also a held one."""
CHECK_S = 0.5
JOIN_TIMEOUT_S = 2.0

_CODECS = ("video/VP8", "video/H264", "video/rtx")
# aiortc takes what it parsed for granted and lets through whatever a foreign answer causes.
_BAD_ANSWER = (
    *(ValueError, AttributeError, KeyError, IndexError, TypeError, AssertionError),
    *(OperationError, InternalError, InvalidAccessError, InvalidStateError),
)
_LINK = re.compile(r'<(?P<url>[^>]*)>(?P<parameters>(?:\s*;\s*[\w-]+\s*(?:=\s*(?:"[^"]*"|[^",;\s]*))?)*)')
_PARAMETER = re.compile(r';\s*(?P<name>[\w-]+)\s*=\s*(?:"(?P<quoted>[^"]*)"|(?P<bare>[^",;\s]*))')


class UnreachableError(Exception):
    """No answer came; says why."""


@dataclass
class RefusedError(Exception):
    """The server answered with something else than 201."""

    status: int
    detail: str
    retry_after_s: float

    def __str__(self) -> str:
        return self.detail


@dataclass(frozen=True)
class Answer:
    """What a WHEP endpoint answers with."""

    sdp: str
    resource: str
    """Absolute; DELETE ends the viewing."""
    ice_servers: tuple[IceServer, ...]


class Viewing:
    """One connection, from its offer to its end.

    Args:
        frame_size: (width, height) of a picture that came -> (width, height) to scale it to.
        on_frame: Called on the event loop with each picture that is the newest, until closed.
    """

    def __init__(
        self, frame_size: Callable[[int, int], tuple[int, int]], on_frame: Callable[[Frame], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_frame = on_frame
        self._peer: RTCPeerConnection | None = None
        self._resource: str | None = None
        self._token: str | None = None
        self._over = asyncio.Event()
        self._shown = 0
        self._moved_s = time.monotonic()
        self._assembly: PictureAssembly | None = None
        self._decoder = DecoderThread(
            frame_size,
            on_frame=lambda frame: self._on_loop(self._take, frame),
            on_dropped=lambda count: None,
            on_broken=self._want_key_frame,
            on_too_large=lambda *size: logger.warning("pictures of %d x %d are too large to show", *size),
            on_failed=lambda error: logger.error("no more pictures can be decoded", exc_info=error),
        )

    async def open(self, endpoint: str, token: str | None) -> None:
        """Connect; returns when the server has answered, pictures follow.

        STUN and TURN servers are named by the answer only (RFC 9725, section 4.6), and aiortc takes them only
        before the offer. So an answer that names some is given back, and asked for again with them in use.

        Raises:
            UnreachableError: Nothing answered, or nothing that makes sense.
            RefusedError: The server refused.
        """
        self._token = token
        answer = await self._offer(endpoint, ())
        if answer.ice_servers and not _is_loopback(endpoint):
            await self._withdraw()
            answer = await self._offer(endpoint, answer.ice_servers)
        peer = self._peer
        assert peer is not None
        try:
            await peer.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
        except _BAD_ANSWER as error:
            raise UnreachableError(f"the answer of {endpoint} cannot be used: {error}") from error
        self._receive(peer.getTransceivers()[0])
        self._moved_s = time.monotonic()

    async def ended(self) -> str:
        """Wait until no more pictures come; says why."""
        while True:
            patience_s = STILL_S if self._shown else FIRST_PICTURE_S
            left_s = self._moved_s + patience_s - time.monotonic()
            if left_s <= 0:
                return f"no picture came for {patience_s:g} s"
            try:
                # The first picture shortens the patience on the way.
                async with asyncio.timeout(min(left_s, CHECK_S)):
                    await self._over.wait()
                return "the connection ended"
            except TimeoutError:
                continue

    async def close(self) -> None:
        """End the connection and tell the server so; never raises."""
        self._decoder.close()
        await self._withdraw()
        await self._decoder.ended(JOIN_TIMEOUT_S)

    async def _offer(self, endpoint: str, servers: tuple[IceServer, ...]) -> Answer:
        # Without a list aiortc would ask a server of its own choice.
        peer = self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        transceiver = peer.addTransceiver("video", "recvonly")
        known = RTCRtpReceiver.getCapabilities("video")
        assert known is not None
        transceiver.setCodecPreferences([codec for codec in known.codecs if codec.mimeType in _CODECS])
        peer.on("connectionstatechange", lambda: self._watch_state(peer))
        # aiortc alone would try one address of one TURN server, and not go on by TCP where UDP does not get out.
        hooks.gather_with(peer, Gathering(Network(ice_servers=servers)))
        await peer.setLocalDescription(await peer.createOffer())
        offer = peer.localDescription.sdp
        answer = await asyncio.to_thread(post_offer, endpoint, self._token, offer)
        self._resource = answer.resource
        return answer

    async def _withdraw(self) -> None:
        peer, self._peer = self._peer, None
        resource, self._resource = self._resource, None
        if peer is not None:
            await peer.close()
        if resource is not None:
            await asyncio.to_thread(delete, resource, self._token)

    def _receive(self, transceiver: RTCRtpTransceiver) -> None:
        self._assembly = PictureAssembly(
            hooks.codecs_by_payload_type(transceiver), self._decoder.put, lambda count: None
        )
        hooks.assemble_with(transceiver.receiver, self._assembly)

    def _take(self, frame: Frame) -> None:
        self._shown += 1
        self._moved_s = time.monotonic()
        if self._peer is not None:
            self._on_frame(frame)

    def _watch_state(self, peer: RTCPeerConnection) -> None:
        if peer is self._peer and peer.connectionState in ("closed", "failed"):
            self._over.set()

    def _want_key_frame(self) -> None:
        if self._assembly is not None:
            self._assembly.want_key_frame()

    def _on_loop(self, tell: Callable[[Frame], None], frame: Frame) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(tell, frame)


def post_offer(endpoint: str, token: str | None, offer: str) -> Answer:
    """POST an offer, following redirects as RFC 9725, section 4.5, has them. Blocks.

    Raises:
        UnreachableError: Nothing answered, or with an address that is none.
        RefusedError: The answer is not 201.
    """
    url = endpoint
    for _ in range(MAX_REDIRECTS):
        status, headers, body = _send("POST", url, token, offer.encode())
        if status not in (307, 308):
            break
        url = urljoin(url, headers.get("Location", ""))
    location = headers.get("Location")
    if status == 201 and location is not None:
        links = headers.get_all("Link", [])
        try:
            resource = urljoin(url, location)
        except ValueError as error:
            raise UnreachableError(f"{url} answered with an address that is none: {location}") from error
        return Answer(body.decode(errors="replace"), resource, ice_servers(links))
    raise RefusedError(status, _detail(url, status, headers, body), _retry_after_s(headers))


def delete(resource: str, token: str | None) -> None:
    """DELETE a WHEP session; where that fails the server notices by itself that nobody watches."""
    try:
        _send("DELETE", resource, token, None)
    except UnreachableError:
        return


def ice_servers(links: Sequence[str]) -> tuple[IceServer, ...]:
    """The STUN and TURN servers in an answer's Link headers (RFC 9725, section 4.6); unusable ones left out.

    Addresses with the same credentials are one server's, to be tried in their order.
    """
    addresses: dict[tuple[bool, str | None, str | None], list[str]] = {}
    for match in _LINK.finditer(", ".join(links)):
        parameters = {
            part["name"].lower(): part["quoted"] if part["quoted"] is not None else part["bare"]
            for part in _PARAMETER.finditer(match["parameters"])
        }
        if parameters.get("rel", "").lower() != "ice-server":
            continue
        username, credential = parameters.get("username"), parameters.get("credential")
        with suppress(ValueError):
            server = _server([match["url"]], username, credential)
            addresses.setdefault((server.relays, username, credential), []).append(match["url"])
    return tuple(_server(urls, username, credential) for (_, username, credential), urls in addresses.items())


def _server(urls: Sequence[str], username: str | None, credential: str | None) -> IceServer:
    return IceServer.model_validate({"urls": urls, "username": username, "credential": credential})


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """urllib's own would turn a POST into a GET."""

    def redirect_request(self, *_: object) -> None:
        """Leave every redirect to the caller."""
        return


_opener = urllib.request.build_opener(_NoRedirects)


def _send(method: str, url: str, token: str | None, body: bytes | None) -> tuple[int, Message, bytes]:
    headers = {} if body is None else {"Content-Type": "application/sdp"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    host = urlsplit(url).netloc
    try:
        request = urllib.request.Request(url, body, headers, method=method)
        with _opener.open(request, timeout=HTTP_TIMEOUT_S) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()
    except urllib.error.URLError as error:
        raise UnreachableError(f"{host} cannot be reached: {_reason(error.reason)}") from error
    except TimeoutError as error:
        raise UnreachableError(f"{host} did not answer within {HTTP_TIMEOUT_S:g} s") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise UnreachableError(f"{host} cannot be reached: {_reason(error)}") from error


def _reason(reason: object) -> str:
    match reason:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted ({reason.verify_message})"
        case ssl.SSLError():
            return "it does not speak TLS: try http:// in place of https://"
        case socket.gaierror():
            return "there is no such host"
        case OSError() if reason.strerror:
            return reason.strerror
    return str(reason)


def _detail(url: str, status: int, headers: Message, body: bytes) -> str:
    try:
        detail = json.loads(body)["detail"]
    except (ValueError, KeyError, TypeError):
        return f"{url} answered with {status}, which is no WHEP endpoint's: is the address right?"
    return str(detail)


def _retry_after_s(headers: Message) -> float:
    asked = headers.get("Retry-After", "")
    return float(asked) if asked.isascii() and asked.isdigit() else 0.0


def _is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
