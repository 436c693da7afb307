"""Records one session: takes what leaves it and what came in, and never makes either wait."""

import asyncio
import errno
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import av

from server.recording.movie import SOUND_HZ, VIDEO_HZ, SoundPacket
from server.recording.quota import QuotaExceededError
from server.recording.take import Take
from server.rtc.encoded import EncodedFrame
from server.session.frame import Frame
from server.session.mailbox import Mailbox
from server.session.outlets import Outlets

Result = TypeVar("Result")

logger = logging.getLogger(__name__)

MAX_WAITING_SOUND = 250
"""Five seconds of a browser's packets."""
SOUND_INTERVAL_S = 0.2
"""How long sound waits for the next picture before it is written without."""
MAX_SOUND_ERROR_S = 0.04
"""Sound keeps its own clock until the sender's reports say it is further off than this."""


class SoundClock:
    """Lays sound on the pictures' timeline by when both were captured.

    Args:
        captured_ms: When a frame was captured, by the clock that sound is dated with now.
    """

    def __init__(self, captured_ms: Callable[[Frame], float | None]) -> None:
        self._captured_ms = captured_ms
        self._offset_s: float | None = None
        self._pictured: tuple[float, Frame] | None = None

    def see(self, time_s: float, frame: Frame) -> None:
        """A picture has this time of the take."""
        self._pictured = time_s, frame

    def at(self, packet: EncodedFrame) -> int | None:
        """A packet's 48 kHz ticks since the take began, as it comes; None where it is of before, or nobody knows."""
        if self._pictured is None or packet.capture_ms is None:
            return None
        time_s, frame = self._pictured
        # Only now: that clock becomes the sender's once it is known, which may be hours from the one of arrival.
        capture_ms = self._captured_ms(frame)
        if capture_ms is None:
            return None
        clock_s = packet.timestamp / SOUND_HZ
        measured_s = time_s + (packet.capture_ms - capture_ms) / 1000.0 - clock_s
        if self._offset_s is None or abs(measured_s - self._offset_s) > MAX_SOUND_ERROR_S:
            self._offset_s = measured_s
        ticks = round((clock_s + self._offset_s) * SOUND_HZ)
        return ticks if ticks >= 0 else None


class Recorder:
    """Records from `start` to `stop`; used on the event loop, writes in a thread of its own.

    Args:
        recording_id: Names the recording.
        open_take: Makes the files; blocks.
        outlets: Where frames leave.
        original: Whether the camera's own pictures are recorded as well.
        captured_ms: When a frame was captured, by the clock that sound is dated with.
        on_ended: Called once, with the recorder, when it has ended for whatever reason; `stop` waits for it.

    Attributes:
        dropped: Frames that came before the last one was written.
        reason: Why it ended; None while it goes on.
    """

    def __init__(
        self,
        recording_id: str,
        open_take: Callable[[], Take],
        outlets: Outlets,
        original: bool,
        captured_ms: Callable[[Frame], float | None],
        on_ended: Callable[["Recorder"], Awaitable[None]],
    ) -> None:
        self.id = recording_id
        self.dropped = 0
        self.reason: str | None = None
        self._open_take, self._outlets = open_take, outlets
        self._on_ended = on_ended
        self._thread = ThreadPoolExecutor(1, "recorder")
        self._take: Take | None = None
        self._leaving: Mailbox[Frame] | None = None
        self._coming: Mailbox[Frame] | None = Mailbox(self._count_dropped) if original else None
        self._tracks: list[_Track] = []
        self._sound_clock = SoundClock(captured_ms)
        self._began_pts: int | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ending: asyncio.Task[None] | None = None

    @property
    def take(self) -> Take | None:
        """What is being written; None before it has begun."""
        return self._take

    async def start(self) -> None:
        """Make the files and begin with the next frame.

        Raises:
            OSError: They cannot be made.
            QuotaExceededError: There is no room left for recordings.
        """
        try:
            take = self._take = await self._in_thread(self._open_take)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        self._leaving = self._outlets.tap(self._count_dropped)
        self._tracks = [_Track(self._leaving, take.write_edited, take.write_edited_sound)]
        if self._coming is not None:
            self._tracks.append(_Track(self._coming, take.write_original, take.write_original_sound))
        self._tasks = [asyncio.ensure_future(self._guarded(self._write(track))) for track in self._tracks]

    def put_camera(self, frame: Frame) -> None:
        """A camera picture has come."""
        if self._coming is not None and self._tracks:
            if self._began_pts is None:
                # Both movies begin with a picture that is in the original one.
                self._began_pts = frame.pts
            self._coming.put(frame)

    def put_sound(self, packet: EncodedFrame) -> None:
        """A packet of sound has come."""
        at = self._sound_clock.at(packet)
        if at is not None:
            for track in self._tracks:
                track.sound.append(SoundPacket(packet.payloads[0], at))

    async def stop(self, reason: str) -> None:
        """Write what has been taken and end; further calls wait for the same end."""
        self._end(reason, writable=True)
        assert self._ending is not None
        await asyncio.shield(self._ending)

    def _end(self, reason: str, *, writable: bool = False) -> None:
        if self._ending is None:
            self._ending = asyncio.ensure_future(self._close(reason, writable))

    async def _close(self, reason: str, writable: bool) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._leaving is not None:
            self._outlets.close(self._leaving)
        take = self._take
        try:
            if take is not None:
                try:
                    if writable:
                        await self._write_the_rest()
                finally:
                    await self._in_thread(lambda: take.close(reason, self.dropped))
        except (OSError, av.FFmpegError, QuotaExceededError) as error:
            logger.info("recording %s could not be ended in full: %s", self.id, error)
        except Exception:
            # A bug of ours: it has to be told that the recording is over all the same.
            logger.exception("recording %s could not be ended in full", self.id)
        self._thread.shutdown(wait=False)
        self.reason = reason
        await self._on_ended(self)

    async def _guarded(self, loop: Awaitable[None]) -> None:
        try:
            await loop
        except QuotaExceededError:
            self._end("recordings take all the room they may")
        except (OSError, av.FFmpegError) as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            self._end("the disk is full" if full else f"it could not be written: {error.strerror}")
        except Exception:
            # A bug of ours: a take that nothing is written to any more must not look as if it went on.
            logger.exception("recording %s failed", self.id)
            self._end("an error of the server's")

    async def _write(self, track: "_Track") -> None:
        while True:
            await self._write_once(track, await self._next(track.mailbox))

    async def _write_the_rest(self) -> None:
        for track in self._tracks:
            await self._write_once(track, track.mailbox.take_nowait())

    async def _write_once(self, track: "_Track", frame: Frame | None) -> None:
        """Write a frame and the sound that came since the last one."""
        pts = None if frame is None else self._pts(frame)
        sound = tuple(track.sound)
        track.sound.clear()
        if frame is not None and pts is not None:
            await self._in_thread(partial(track.write, frame, pts, sound))
        elif sound:
            await self._in_thread(partial(track.write_sound, sound))

    async def _next(self, mailbox: Mailbox[Frame]) -> Frame | None:
        try:
            async with asyncio.timeout(SOUND_INTERVAL_S):
                return await mailbox.take()
        except TimeoutError:
            return None

    def _pts(self, frame: Frame) -> int | None:
        """A frame's 90 kHz ticks since the take began; None for one of before."""
        if self._began_pts is None:
            if self._coming is not None:
                return None
            self._began_pts = frame.pts
        pts = frame.pts - self._began_pts
        self._sound_clock.see(pts / VIDEO_HZ, frame)
        return pts if pts >= 0 else None

    def _count_dropped(self) -> None:
        self.dropped += 1

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        # Shielded: what waits for the thread as the recording is stopped is written before the end.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work))


@dataclass(frozen=True, eq=False)
class _Track:
    """One of the take's movies, and what waits for it."""

    mailbox: Mailbox[Frame]
    write: Callable[[Frame, int, Sequence[SoundPacket]], None]
    write_sound: Callable[[Sequence[SoundPacket]], None]
    sound: deque[SoundPacket] = field(default_factory=lambda: deque(maxlen=MAX_WAITING_SOUND))
