"""A browser's part, played by aiortc: a camera up, the edit down, two data channels."""

import asyncio
import json
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
import httpx
import numpy as np
from aiortc import (
    AudioStreamTrack,
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from tests.server.screen import Screen, fall_silent


class Camera(MediaStreamTrack):
    """A picture of one colour with a counter's bar in it, at 30 fps."""

    kind = "video"

    def __init__(
        self, colour: tuple[int, int, int], size: tuple[int, int] = (320, 240), fps: float = 30.0
    ) -> None:
        super().__init__()
        self.colour, self.size, self.fps = colour, size, fps
        self.covered = False
        self._began_s: float | None = None
        self._pts = 0

    async def recv(self) -> av.VideoFrame:
        if self.readyState != "live":
            raise MediaStreamError
        while self.covered:
            await asyncio.sleep(0.02)
        if self._began_s is None:
            self._began_s = time.monotonic()
        self._pts = max(
            self._pts + round(90_000 / self.fps), round((time.monotonic() - self._began_s) * 90_000)
        )
        await asyncio.sleep(max(0.0, self._began_s + self._pts / 90_000 - time.monotonic()))
        width, height = self.size
        picture = np.full((height, width, 3), self.colour, np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = self._pts, Fraction(1, 90_000)
        return frame


class Visitor(Screen):
    """Opens a session and connects to it.

    Attributes:
        said: Everything the server said on `control`, and on `telemetry` in `measured`.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        colour: tuple[int, int, int] = (200, 40, 40),
        codec: str = "VP8",
        size: tuple[int, int] = (320, 240),
        audio: bool = False,
        fps: float = 30.0,
        configuration: RTCConfiguration | None = None,
        camera: Camera | None = None,
    ) -> None:
        self.http, self.codec = http, codec
        self.camera = camera or Camera(colour, size, fps)
        self.peer = RTCPeerConnection(configuration or RTCConfiguration(iceServers=[]))
        self.control = self.peer.createDataChannel("control")
        self.telemetry = self.peer.createDataChannel("telemetry", ordered=False, maxRetransmits=0)
        super().__init__(self.peer)
        self.said: list[dict[str, Any]] = []
        self.measured: list[dict[str, Any]] = []
        self.session: dict[str, Any] = {}
        self.sender = self.peer.addTrack(self.camera)
        if audio:
            self.peer.addTrack(AudioStreamTrack())
        capabilities = RTCRtpSender.getCapabilities("video").codecs
        wanted = [item for item in capabilities if item.mimeType in (f"video/{codec}", "video/rtx")]
        self.peer.getTransceivers()[0].setCodecPreferences(wanted)
        self.control.on("message", lambda raw: self.said.append(json.loads(raw)))
        self.telemetry.on("message", lambda raw: self.measured.append(json.loads(raw)))

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.session['token']}"}

    @property
    def matches(self) -> list[dict[str, Any]]:
        """Which camera picture each frame that came back was made from."""
        return [match for said in self.measured if said["type"] == "frames" for match in said["frames"]]

    @property
    def url(self) -> str:
        return f"/v1/sessions/{self.session['id']}"

    async def open(self, **asked: object) -> None:
        response = await self.http.post("/v1/sessions", json=asked)
        assert response.status_code == 201, response.text
        self.session = response.json()

    async def offer(self) -> str:
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return str(self.peer.localDescription.sdp)

    async def connect(self, **asked: object) -> "Visitor":
        if not self.session:
            await self.open(**asked)
        response = await self.send_offer(await self.offer())
        assert response.status_code == 200, response.text
        await self.peer.setRemoteDescription(RTCSessionDescription(response.text, "answer"))
        return self

    async def send_offer(self, sdp: str) -> httpx.Response:
        headers = {**self.authorization, "Content-Type": "application/sdp"}
        return await self.http.post(self.session["offer_url"], content=sdp, headers=headers)

    async def say(self, **message: object) -> dict[str, Any]:
        """Send a control message and wait for its answer."""
        await self._opened(self.control)
        request_id = f"r{time.perf_counter_ns()}"
        self.control.send(json.dumps({"v": 1, "id": request_id, **message}))
        return await self.heard(lambda said: said.get("id") == request_id)

    async def send_raw(self, raw: str | bytes) -> None:
        await self._opened(self.control)
        self.control.send(raw)

    async def heard(
        self, wanted: Callable[[dict[str, Any]], object], timeout_s: float = 10.0
    ) -> dict[str, Any]:
        """The first thing said on `control` that is wanted."""
        async with asyncio.timeout(timeout_s):
            while True:
                for said in self.said:
                    if wanted(said):
                        return said
                await asyncio.sleep(0.01)

    async def stats(self) -> dict[str, Any]:
        response = await self.http.get(f"{self.url}/stats", headers=self.authorization)
        assert response.status_code == 200, response.text
        stats: dict[str, Any] = response.json()
        return stats

    async def vanish(self) -> None:
        """Fall silent without a goodbye."""
        fall_silent(self.peer)
        await self.look_away()

    async def leave(self) -> None:
        await self.look_away()
        self.camera.stop()
        await self.peer.close()

    async def _opened(self, channel: RTCDataChannel) -> None:
        async with asyncio.timeout(10):
            while channel.readyState != "open":
                await asyncio.sleep(0.01)
