"""A browser's part played by aiortc: 30 camera frames a second up, the edits down, every frame timed.

It shares the processor with the server it measures, so it is made as light as a browser's video path: the encoder
is set to a browser's speed, a picture is decoded when its last packet is in, and nothing is drawn.
"""

import asyncio
import json
import queue
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import psutil
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from av.video.codeccontext import VideoCodecContext

from benchmarks.live.clip import FRAME_RATE
from benchmarks.live.measurement import Measurement, Receipt, Sample, busy_s, percentile, windows
from benchmarks.live.schedule import Schedule
from server.rtc import hooks
from server.rtc.assembly import EncodedPicture, PictureAssembly
from server.rtc.clocks import VIDEO_CLOCK_HZ
from server.rtc.encoding import LiveEncoder
from server.rtc.rate import RateControl
from server.rtc.retransmission import MissingPackets, Resending

BROWSER_BITRATE_BPS = 1_700_000
"""What Chromium gives 640x480 at most."""

CONNECT_TIMEOUT_S = 30.0
ANSWER_TIMEOUT_S = 10.0
TICK_S = 0.1
TICKS_PER_FRAME = VIDEO_CLOCK_HZ // FRAME_RATE


class RefusedError(RuntimeError):
    """The server does not take part; says why."""


class ClipCamera(MediaStreamTrack):
    """Gives the clip's frames in a loop, each when it is due by an absolute clock; what is missed is skipped.

    Attributes:
        handed: When each frame was handed to the sender, by its time stamp.
        missed: Frames never asked for in time.
    """

    kind = "video"

    def __init__(self, frames: Sequence[av.VideoFrame]) -> None:
        super().__init__()
        self.handed: dict[int, float] = {}
        self.last_pts = 0
        self.missed = 0
        self._frames = frames
        self._began_s: float | None = None
        self._number = -1

    async def recv(self) -> av.VideoFrame:
        """The next frame, when it is due."""
        now_s = time.perf_counter()
        if self._began_s is None:
            self._began_s = now_s
        due = max(self._number + 1, int((now_s - self._began_s) * FRAME_RATE))
        self.missed += due - self._number - 1
        self._number = due
        await asyncio.sleep(max(0.0, self._began_s + due / FRAME_RATE - time.perf_counter()))
        frame = self._frames[due % len(self._frames)]
        self.last_pts = frame.pts = due * TICKS_PER_FRAME
        frame.time_base = Fraction(1, VIDEO_CLOCK_HZ)
        self.handed[frame.pts] = time.perf_counter()
        return frame


@dataclass(frozen=True)
class Arrival:
    """A decoded edit."""

    out_rtp: int
    at_s: float
    digest: int
    """Of some of its pixels: two equal ones in a row are one picture sent twice."""


class EditDecoder:
    """Decodes every edit in a thread of its own, as soon as its last packet is in.

    Attributes:
        arrivals: What was decoded, oldest first.
        failed: Pictures that could not be.
    """

    def __init__(self, on_broken: Callable[[], None]) -> None:
        self.arrivals: deque[Arrival] = deque()
        self.failed = 0
        self._on_broken = on_broken
        self._waiting: queue.SimpleQueue[EncodedPicture | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="edit-decoder", daemon=True)
        self._thread.start()

    def put(self, picture: EncodedPicture) -> None:
        """Queue a picture."""
        self._waiting.put(picture)

    def close(self) -> None:
        """End the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        codec: VideoCodecContext | None = None
        while (picture := self._waiting.get()) is not None:
            codec = codec or open_decoder(picture.codec)
            try:
                frames = codec.decode(av.Packet(picture.payload))
            except av.FFmpegError:
                self.failed += 1
                self._on_broken()
                continue
            for frame in frames:
                at_s = time.perf_counter()
                luma = memoryview(frame.planes[0])
                self.arrivals.append(Arrival(picture.rtp_timestamp, at_s, hash(bytes(luma[::61]))))


def open_decoder(codec: str) -> VideoCodecContext:
    """A decoder that gives each picture out at once."""
    context = av.CodecContext.create({"VP8": "libvpx", "H264": "h264"}[codec], "r")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1
    context.options = {"flags": "low_delay"}
    return context


@dataclass
class Heard:
    """What the server said."""

    stats: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    receipts: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    in_rtp: dict[int, int] = field(default_factory=dict)
    """Of each edit, by the RTP timestamp it left with, that of the camera frame it was made from."""


class Client:
    """One visit.

    Args:
        url: The server's.
        frames: The clip.
        codec: VP8 or H264.
    """

    def __init__(self, url: str, frames: Sequence[av.VideoFrame], codec: str) -> None:
        self.codec = codec
        self.camera = ClipCamera(frames)
        self.heard = Heard()
        self.lost = 0
        self._url = url
        self._session: dict[str, Any] = {}
        self._origin: int | None = None
        self._requests = 0
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._control = self._peer.createDataChannel("control")
        self._telemetry = self._peer.createDataChannel("telemetry", ordered=False, maxRetransmits=0)
        self._control.on("message", self._hear_control)
        self._telemetry.on("message", self._hear_telemetry)
        self._assembly: PictureAssembly | None = None
        self.decoder = EditDecoder(self._want_key_frame)

    async def connect(self) -> None:
        """Open a session and wait until edits arrive.

        Raises:
            RefusedError: The server refused, or nothing came.
        """
        self._peer.addTrack(self.camera)
        transceiver = self._peer.getTransceivers()[0]
        wanted = (f"video/{self.codec}", "video/rtx")
        known = RTCRtpSender.getCapabilities("video").codecs
        transceiver.setCodecPreferences([codec for codec in known if codec.mimeType in wanted])
        await self._peer.setLocalDescription(await self._peer.createOffer())

        self._session = json.loads(await self._post("/v1/sessions", b"{}", "application/json"))
        offer = self._peer.localDescription.sdp.encode()
        answer = await self._post(self._session["offer_url"], offer, "application/sdp")
        await self._peer.setRemoteDescription(RTCSessionDescription(answer.decode(), "answer"))

        self._assembly = PictureAssembly(
            hooks.codecs_by_payload_type(transceiver), self.decoder.put, self._count_lost
        )
        hooks.assemble_with(transceiver.receiver, self._assembly)
        # As a browser does: slow down at heavy loss, and no storms of packets sent again.
        hooks.ask_again_with(transceiver.receiver, MissingPackets())
        rate = RateControl(BROWSER_BITRATE_BPS, BROWSER_BITRATE_BPS)
        hooks.watch_receiver_reports(transceiver.sender, rate.reported)
        hooks.send_again_with(transceiver.sender, Resending(lambda: rate.target_bps))
        encoder = LiveEncoder(
            hooks.negotiated_codec(transceiver),
            rate,
            on_encoded=lambda: None,
            on_dropped=lambda _: None,
        )
        hooks.encode_with(transceiver.sender, encoder)
        hooks.watch_pictures_leave(transceiver.sender, self._learn_origin)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                while not self.decoder.arrivals or self._control.readyState != "open":
                    await asyncio.sleep(TICK_S)
        except TimeoutError:
            state = self._peer.connectionState
            raise RefusedError(
                f"no edit arrived within {CONNECT_TIMEOUT_S:g} s; the connection is {state}"
            ) from None

    def instruct(self, text: str) -> None:
        """Send an instruction as the page does."""
        self._requests += 1
        message = {"v": 1, "id": f"i{self._requests}", "type": "instruction", "text": text}
        self._control.send(json.dumps(message))

    async def edited(self) -> None:
        """Wait until the server edits.

        Raises:
            RefusedError: It does not.
        """
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                while not (self.heard.receipts and self.heard.stats):
                    await asyncio.sleep(TICK_S)
        except TimeoutError:
            why = "; ".join(self.heard.problems) or "it said nothing"
            raise RefusedError(f"no edit after {CONNECT_TIMEOUT_S:g} s: {why}") from None

    async def close(self) -> None:
        """Leave."""
        self.camera.stop()
        await self._peer.close()
        self.decoder.close()

    def latencies(self, arrivals: Sequence[Arrival], began_s: float) -> list[Sample]:
        """Milliseconds from handing a frame to the sender to its decoded edit, of all whose origin is known."""
        samples = []
        for arrival in arrivals:
            in_rtp = self.heard.in_rtp.get(arrival.out_rtp)
            if in_rtp is None or self._origin is None:
                continue
            handed_s = self.camera.handed.get((in_rtp - self._origin) % (1 << 32))
            if handed_s is not None:
                samples.append(Sample(arrival.at_s - began_s, 1000.0 * (arrival.at_s - handed_s)))
        return samples

    def distinct(self, arrivals: Sequence[Arrival]) -> int:
        """How many camera frames these are edits of; a picture sent again is none."""
        seen: set[int] = set()
        last = 0
        for arrival in arrivals:
            if arrival.digest != last:
                seen.add(self.heard.in_rtp.get(arrival.out_rtp, -1 - arrival.out_rtp))
            last = arrival.digest
        return len(seen)

    async def _post(self, path: str, body: bytes, content_type: str) -> bytes:
        headers = {"Content-Type": content_type}
        if "token" in self._session:
            headers["Authorization"] = f"Bearer {self._session['token']}"
        request = urllib.request.Request(self._url + path, body, headers, method="POST")

        def ask() -> bytes:
            with urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT_S) as response:
                answer: bytes = response.read()
                return answer

        try:
            return await asyncio.to_thread(ask)
        except urllib.error.HTTPError as error:
            with error:
                why = error.read().decode().strip()
                raise RefusedError(f"{path} was answered with {error.code}: {why}") from None

    def _learn_origin(self, rtp_timestamp: int) -> None:
        """The sender adds a random offset to all its timestamps; the first picture that leaves tells it."""
        if self._origin is None:
            self._origin = (rtp_timestamp - self.camera.last_pts) % (1 << 32)

    def _want_key_frame(self) -> None:
        if self._assembly is not None:
            self._assembly.want_key_frame()

    def _count_lost(self, count: int) -> None:
        self.lost += count

    def _hear_control(self, raw: str) -> None:
        said = json.loads(raw)
        if said["type"] == "receipt":
            self.heard.receipts.append(said)
        elif said["type"] in ("error", "warning"):
            self.heard.problems.append(said["detail"])

    def _hear_telemetry(self, raw: str) -> None:
        said = json.loads(raw)
        if said["type"] == "stats":
            self.heard.stats.append((time.perf_counter(), said))
        elif said["type"] == "frames":
            self.heard.in_rtp.update((match["out_rtp"], match["in_rtp"]) for match in said["frames"])


async def measure(
    url: str, server_pid: int, frames: Sequence[av.VideoFrame], schedule: Schedule, codec: str
) -> Measurement:
    """Visit the server for as long as the schedule says.

    Raises:
        RefusedError: The server does not take part.
    """
    client = Client(url, frames, codec)
    try:
        await client.connect()
        client.instruct(schedule.first)
        await client.edited()
        await asyncio.sleep(schedule.warm_up_s)
        return await _measure(client, psutil.Process(server_pid), schedule)
    finally:
        await client.close()


async def _measure(client: Client, server: psutil.Process, schedule: Schedule) -> Measurement:
    me, heard = psutil.Process(), client.heard
    client.decoder.arrivals.clear()
    heard.receipts.clear()
    missed, sent = client.camera.missed, len(client.camera.handed)
    lost = client.lost + client.decoder.failed
    began = heard.stats[-1][1]
    cpu = [me.cpu_times(), server.cpu_times(), psutil.cpu_times()]
    began_s = time.perf_counter()
    server_bytes: list[Sample] = []
    changes = deque(schedule.changes)
    asked = 0
    while (now_s := time.perf_counter() - began_s) < schedule.seconds:
        if changes and now_s >= changes[0].at_s:
            client.instruct(changes.popleft().text)
            asked += 1
        if not server_bytes or now_s - server_bytes[-1].at_s >= 1.0:
            server_bytes.append(Sample(now_s, float(server.memory_info().rss)))
        await asyncio.sleep(min(TICK_S, schedule.seconds - now_s))
    ended_s = time.perf_counter()
    seconds = ended_s - began_s
    me_spent, server_spent, all_spent = (
        busy_s(after) - busy_s(before)
        for before, after in zip(cpu, (me.cpu_times(), server.cpu_times(), psutil.cpu_times()), strict=True)
    )
    missed, sent = client.camera.missed - missed, len(client.camera.handed) - sent
    # What was said of the last frames comes a little after them.
    await asyncio.sleep(0.7)

    arrivals = [arrival for arrival in client.decoder.arrivals if arrival.at_s <= ended_s]
    ended = min(heard.stats, key=lambda entry: abs(entry[0] - ended_s))[1]
    untouched = ended["frames"]["passed"] - began["frames"]["passed"]
    latencies = client.latencies(arrivals, began_s)
    return Measurement(
        seconds=seconds,
        arrived=max(0, client.distinct(arrivals) - untouched),
        sent=sent,
        glass_to_glass=latencies,
        glass_to_glass_p95_ms=percentile([sample.value for sample in latencies], 0.95),
        stats=windows(heard.stats, began_s, seconds),
        began=began,
        ended=ended,
        receipts=[
            Receipt(said["text"], said["frames_waited"], said["elapsed_ms"]) for said in heard.receipts
        ],
        server_bytes=server_bytes,
        client_cpu_s=me_spent,
        server_cpu_s=server_spent,
        machine_cpu_s=all_spent,
        asked=asked,
        details={
            "codec": client.codec,
            "camera_frames_missed": missed,
            "edits_lost": client.lost + client.decoder.failed - lost,
            "frames_timed": len(latencies),
        },
    )
