"""Camera pictures decoded and scaled in a thread of their own, the newest first in importance.

Every picture has to be decoded, the next one depends on it; only the newest is worth scaling. When the decoder
falls behind, what waits is dropped and the camera is asked for a key frame, so the queue never grows.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import av
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import Interpolation, VideoReformatter

from server.rtc.assembly import EncodedPicture, vp8_size
from server.rtc.clocks import PictureClock
from server.rtc.codecs import ANY_CODECS, SOFTWARE_CODECS, Codec, CodecChoice
from server.session.frame import Frame, Picture

logger = logging.getLogger(__name__)

MAX_WAITING_PICTURES = 8
"""A quarter of a second at 30 fps: more than any hiccup that can be caught up with."""

MAX_PIXELS = 4096 * 2304
"""A larger picture costs more to decode than a live session may take from the others, so it is not decoded."""

PADDED_PIXELS = MAX_PIXELS * 5 // 4
"""That many in whole macroblocks, whatever the picture's shape."""

HARDWARE_FAILURES = 3
"""In a row; one alone may be the picture's fault."""

ENDED_INTERVAL_S = 0.01

EDITED_FROM = Interpolation.AREA | Interpolation.FULL_CHR_H_INT
"""How a camera's picture becomes the RGB that is edited. Left to itself swscale gives two columns one colour: 0.6 ms
less at 640x480 to 336x256, and an edit shown at full size up to 8 dB further from its target."""


class DecoderThread:
    """Decodes one camera's pictures.

    Args:
        edit_size: (width, height) of a camera picture -> (width, height) to scale it to.
        on_frame: Called in the thread with each frame worth editing.
        on_dropped: Called with the number of pictures that were not.
        on_broken: Called when a key frame is needed to go on.
        on_too_large: Called with the (width, height) of pictures above :data:`MAX_PIXELS`, once for each size.
        on_failed: Called with what ends the thread, which is a bug of ours.
        codecs: Whether hardware may do it.

    Attributes:
        running: The decoder at work, by FFmpeg's name; None before the first picture.
    """

    def __init__(
        self,
        edit_size: Callable[[int, int], tuple[int, int]],
        on_frame: Callable[[Frame], None],
        on_dropped: Callable[[int], None],
        on_broken: Callable[[], None],
        on_too_large: Callable[[int, int], None],
        on_failed: Callable[[Exception], None],
        codecs: CodecChoice = ANY_CODECS,
    ) -> None:
        self._edit_size, self._on_frame = edit_size, on_frame
        self._on_dropped, self._on_broken, self._on_too_large = on_dropped, on_broken, on_too_large
        self._on_failed = on_failed
        self._refused: tuple[int, int] | None = None
        self._waiting: deque[EncodedPicture] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._clock = PictureClock()
        self._codec: VideoCodecContext | None = None
        self._codec_name = ""
        self._choice = codecs
        self._failures = 0
        self.running: str | None = None
        self._scaler = VideoReformatter()
        self._thread = threading.Thread(target=self._run, name="video-decoder", daemon=True)
        self._thread.start()

    def put(self, picture: EncodedPicture) -> None:
        """Queue a picture; returns at once."""
        with self._changed:
            overrun = len(self._waiting) >= MAX_WAITING_PICTURES
            if overrun:
                dropped = len(self._waiting) + 1
                self._waiting.clear()
            else:
                self._waiting.append(picture)
                self._changed.notify()
        if overrun:
            self._on_dropped(dropped)
            self._on_broken()

    def close(self) -> None:
        """End the thread after the picture it is at; returns at once."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify()

    async def ended(self, timeout_s: float) -> None:
        """Wait for the thread's end, for this time at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                # Not in one of asyncio's threads: a decoder that hangs would keep it from who encodes.
                while self._thread.is_alive():
                    await asyncio.sleep(ENDED_INTERVAL_S)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                picture = self._waiting.popleft()
            try:
                self._decode(picture)
            except Exception as error:
                self._on_failed(error)
                return

    def _decode(self, picture: EncodedPicture) -> None:
        pts = self._clock.pts(picture.ssrc, picture.rtp_timestamp, picture.received_s)
        if picture.codec == "VP8" and not self._is_bearable_vp8(picture.payload):
            self._on_dropped(1)
            return
        try:
            decoded = self._decoder(picture.codec).decode(av.Packet(picture.payload))
            self._failures = 0
            scaled = self._scale(decoded[-1]) if decoded else None
        except (av.FFmpegError, ValueError) as error:
            if self._codec is not None and not self._is_bearable(self._codec.width, self._codec.height):
                self._on_dropped(1)
                return
            logger.info("a camera picture could not be decoded: %s", error)
            self._codec = None
            self._failures += 1
            if self._failures >= HARDWARE_FAILURES and self._choice.hardware:
                self._choice = SOFTWARE_CODECS
            self._on_dropped(1)
            self._on_broken()
            return
        if scaled is None:
            self._on_dropped(1)
            return
        self._on_frame(
            Frame(
                rtp_timestamp=picture.rtp_timestamp,
                pts=pts,
                source=cast(Picture, scaled.to_ndarray()),
                source_size=(decoded[-1].width, decoded[-1].height),
                received_s=picture.received_s,
                decoded_s=time.perf_counter(),
                camera=decoded[-1],
            )
        )

    def _scale(self, video: av.VideoFrame) -> av.VideoFrame | None:
        """The picture at the size it is edited at; None if a newer one waits, or it is too large to bear."""
        if not self._is_bearable(video.width, video.height) or self._waiting:
            return None
        width, height = self._edit_size(video.width, video.height)
        # More than one thread costs twice the time at these sizes.
        return self._scaler.reformat(video, width, height, "rgb24", interpolation=EDITED_FROM, threads=1)

    def _is_bearable_vp8(self, payload: bytes) -> bool:
        size = vp8_size(payload)
        # What builds on a key frame is as large.
        return self._refused is None if size is None else self._is_bearable(*size)

    def _is_bearable(self, width: int, height: int) -> bool:
        """Whether pictures of this size are small enough; says so once where they are not."""
        if width * height <= MAX_PIXELS:
            self._refused = None
            return True
        if self._refused != (width, height):
            self._refused = width, height
            self._on_too_large(width, height)
        return False

    def _decoder(self, codec: str) -> VideoCodecContext:
        if self._codec is None or codec != self._codec_name:
            kind = self._choice.decoder(cast(Codec, codec))
            self._codec, self._codec_name, self.running = kind.open(PADDED_PIXELS), codec, kind.name
        return self._codec
