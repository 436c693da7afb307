"""Picture and sound that were captured together are shown together, however late the picture's edit is ready."""

import asyncio
import time
from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCRtpReceiver

from server.rtc import hooks
from server.rtc.clocks import SOUND_CLOCK_HZ, VIDEO_CLOCK_HZ, SenderClock, SenderReport
from tests.server.conftest import StartServer, until
from tests.server.fakes import InvertingEditor
from tests.server.whip_client import Publisher, Watcher

EDIT_S = 0.5
CYCLE_MS, LEVEL_MS, DARKEST = 2000, 10, 28
BEEP_MS = 200
FRAME_MS = 1000 / 30
MOST_FRAMES_APART = 3


class Clapperboard:
    """A camera whose grey says how far the cycle is, and a microphone that beeps where it begins, by one clock."""

    def __init__(self) -> None:
        self._began_s, self.began_unix_ms = time.monotonic(), 1000 * time.time()
        self.camera, self.microphone = Grey(self), Beeps(self)

    async def wait(self, media_ms: float) -> None:
        await asyncio.sleep(max(0.0, self._began_s + media_ms / 1000 - time.monotonic()))


class Recorded(MediaStreamTrack):
    """A track that knows when what it gave last was captured."""

    def __init__(self, board: Clapperboard, clock_hz: int) -> None:
        super().__init__()
        self._board, self._clock_hz = board, clock_hz
        self._pts = 0

    async def next_ms(self, ticks: int) -> float:
        """The cycle's milliseconds at the next frame, once its time has come."""
        self._pts += ticks
        media_ms = 1000 * self._pts / self._clock_hz
        await self._board.wait(media_ms)
        return media_ms % CYCLE_MS

    def captured_ms(self) -> float:
        return self._board.began_unix_ms + 1000 * self._pts / self._clock_hz


class Grey(Recorded):
    kind = "video"

    def __init__(self, board: Clapperboard) -> None:
        super().__init__(board, VIDEO_CLOCK_HZ)

    async def recv(self) -> av.VideoFrame:
        level = DARKEST + int(await self.next_ms(3000) / LEVEL_MS)
        frame = av.VideoFrame.from_ndarray(np.full((240, 320, 3), level, np.uint8), format="rgb24")
        frame.pts, frame.time_base = self._pts, Fraction(1, VIDEO_CLOCK_HZ)
        return frame


class Beeps(Recorded):
    kind = "audio"

    def __init__(self, board: Clapperboard) -> None:
        super().__init__(board, SOUND_CLOCK_HZ)

    async def recv(self) -> av.AudioFrame:
        loudness = 16_000 if await self.next_ms(960) < BEEP_MS else 0
        wave = loudness * np.sin(2 * np.pi * 1000 * np.arange(960) / SOUND_CLOCK_HZ)
        frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SOUND_CLOCK_HZ, self._pts, Fraction(1, SOUND_CLOCK_HZ)
        return frame


class FarClock(SenderClock):
    """What a player learns of a stream's clock by its sender reports, to show it together with another."""

    def __init__(self, receiver: RTCRtpReceiver, clock_hz: int) -> None:
        super().__init__(clock_hz)
        self.reports = 0
        self._receiver = receiver
        hooks.watch_sender_reports(receiver, self._take)

    def captured_ms(self, pts: int) -> float:
        # aiortc counts from the first frame it received.
        origin = self._receiver._RTCRtpReceiver__timestamp_mapper._origin  # type: ignore[attr-defined]
        captured_ms = self.capture_ms((pts + origin) % (1 << 32))
        assert captured_ms is not None
        return captured_ms

    def _take(self, report: SenderReport) -> None:
        self.reports += 1
        self.add(report)


async def test_a_beep_is_heard_with_the_picture_it_was_recorded_with(start_server: StartServer) -> None:
    server = await start_server(InvertingEditor(step_s=EDIT_S))
    async with server.http() as http, Publisher(http, sound=True) as publisher, Watcher(http) as viewer:
        board = Clapperboard()
        tracks: tuple[Recorded, ...] = (board.camera, board.microphone)
        for transceiver, track in zip(publisher.peer.getTransceivers(), tracks, strict=True):
            transceiver.sender.replaceTrack(track)
            # As browsers and OBS do: reports are of the time of capture, not of encoding.
            hooks.date_reports(transceiver.sender, track.captured_ms)
        screen, speaker = (transceiver.receiver for transceiver in viewer.peer.getTransceivers())
        shown, heard = FarClock(screen, VIDEO_CLOCK_HZ), FarClock(speaker, SOUND_CLOCK_HZ)
        await publisher.post("/whip?instruction=invert")
        await viewer.post("/whep")

        (session,) = server.service.sessions
        peer = session._intake.peer
        assert peer is not None
        clock = peer.capture_clock
        await until(lambda: clock.video.reported and clock.sound.reported)
        # What left before was dated by its arrival.
        reports = shown.reports, heard.reports
        await until(lambda: shown.reports > reports[0] + 1 and heard.reports > reports[1] + 1)
        viewer.sounds.clear()
        await until(lambda: beginning(viewer.sounds) is not None)

        level = 255 - (await viewer.sees()).mean()
        begun_by_picture_ms = shown.captured_ms(viewer.timestamps[-1]) - LEVEL_MS * (level - DARKEST)
        beep_pts = beginning(viewer.sounds)
        assert beep_pts is not None
        apart_ms = (begun_by_picture_ms - heard.captured_ms(beep_pts)) % CYCLE_MS
        apart_frames = min(apart_ms, CYCLE_MS - apart_ms) / FRAME_MS
        # By their departures they would be fifteen frames apart or more: the edit alone takes as long.
        assert apart_frames < MOST_FRAMES_APART


def beginning(sounds: Sequence[av.AudioFrame]) -> int | None:
    """The RTP ticks at which a beep begins after silence."""
    quiet = False
    for sound in tuple(sounds):
        wave = np.abs(sound.to_ndarray().reshape(-1, 2)[:, 0].astype(float))
        loud = np.flatnonzero(wave > 4000)
        if quiet and len(loud):
            assert sound.pts is not None
            return sound.pts + int(loud[0])
        quiet = not len(loud)
    return None
