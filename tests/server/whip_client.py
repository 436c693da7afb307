"""A publisher (WHIP) and a viewer (WHEP), played by aiortc."""

import asyncio
import re
from fractions import Fraction

import av
import httpx
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)

from tests.server.client import Camera
from tests.server.screen import Screen

SDP = {"Content-Type": "application/sdp"}
RED, CYAN = (200, 40, 40), (55, 215, 215)


_TRANSPORT = re.compile(
    r"^a=(ice-\w+|fingerprint|setup|rtcp-mux|candidate|end-of-candidates).*\r\n", re.MULTILINE
)


def bundle_only(offer: str, tag: str) -> str:
    """The offer with every section but the one of this mid as a bundle-only one (RFC 9143)."""
    session, *sections = re.split(r"^(?=m=)", offer, flags=re.MULTILINE)
    mids = re.findall(r"^a=mid:(\S+)", offer, re.MULTILINE)
    group = " ".join((tag, *(mid for mid in mids if mid != tag)))
    for index, mid in enumerate(mids):
        if mid != tag:
            bare = re.sub(
                r"^a=(ice-\w+|fingerprint|setup|rtcp-mux|candidate|end-of-candidates).*\r\n",
                "",
                sections[index],
                flags=re.MULTILINE,
            )
            sections[index] = re.sub(r"^(m=\w+) \d+", r"\1 0", bare) + "a=bundle-only\r\n"
    return re.sub(r"a=group:BUNDLE .*", f"a=group:BUNDLE {group}", session) + "".join(sections)


class Tone(MediaStreamTrack):
    """A sine of 440 Hz in packets of 20 ms."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._samples = 0

    async def recv(self) -> av.AudioFrame:
        await asyncio.sleep(0.02)
        times = (np.arange(960) + self._samples) / 48_000
        wave = (0.5 * np.sin(2 * np.pi * 440 * times) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, self._samples, Fraction(1, 48_000)
        self._samples += 960
        return frame


class Client:
    """What both have in common: an offer, its answer, and an address to end it at."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        token: str | None = None,
        configuration: RTCConfiguration | None = None,
    ) -> None:
        self.http, self.token = http, token
        self.peer = RTCPeerConnection(configuration or RTCConfiguration(iceServers=[]))
        self.response = httpx.Response(0)

    @property
    def authorization(self) -> dict[str, str]:
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}

    @property
    def location(self) -> str:
        return self.response.headers["location"]

    async def offer(self) -> str:
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return str(self.peer.localDescription.sdp)

    async def post(self, url: str, offer: str | None = None) -> httpx.Response:
        """Send the offer; take the answer if there is one."""
        offer = offer or await self.offer()
        self.response = await self.http.post(url, content=offer, headers={**self.authorization, **SDP})
        if self.response.status_code == 201:
            await self.peer.setRemoteDescription(RTCSessionDescription(self.response.text, "answer"))
        return self.response

    async def stop(self) -> httpx.Response:
        return await self.http.delete(self.location, headers=self.authorization)

    async def close(self) -> None:
        await self.peer.close()

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def prefer(self, transceiver_index: int, codec: str) -> None:
        capabilities = RTCRtpSender.getCapabilities("video").codecs
        wanted = [item for item in capabilities if item.mimeType in (f"video/{codec}", "video/rtx")]
        self.peer.getTransceivers()[transceiver_index].setCodecPreferences(wanted)


class Publisher(Client):
    """Sends one colour, and a tone if asked."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        token: str | None = None,
        codec: str = "H264",
        colour: tuple[int, int, int] = RED,
        sound: bool = False,
        configuration: RTCConfiguration | None = None,
    ) -> None:
        super().__init__(http, token, configuration)
        self.camera = Camera(colour)
        self.peer.addTransceiver(self.camera, "sendonly")
        self.prefer(0, codec)
        if sound:
            self.peer.addTransceiver(Tone(), "sendonly")

    async def __aenter__(self) -> "Publisher":
        return self


class Watcher(Client, Screen):
    """Takes picture and sound."""

    def __init__(self, http: httpx.AsyncClient, token: str | None = None, codec: str = "VP8") -> None:
        Client.__init__(self, http, token)
        Screen.__init__(self, self.peer)
        self.peer.addTransceiver("video", "recvonly")
        self.peer.addTransceiver("audio", "recvonly")
        self.prefer(0, codec)

    async def __aenter__(self) -> "Watcher":
        return self

    async def close(self) -> None:
        await self.look_away()
        await super().close()
