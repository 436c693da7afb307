"""Pictures and sound of a take, encoded and written as a fragmented MP4 as they come."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from server.letterbox import fit, letterbox
from server.recording.fragments import FragmentFile
from server.session.frame import Picture

VIDEO_HZ, SOUND_HZ = 90_000, 48_000

FRAGMENT_US = 300_000
INTERLEAVE_US = 300_000
"""How long a picture waits for sound that does not come; with a fragment's length well under a second."""
SAME_SHAPE = 0.85
"""Of both sides: what fits so nearly is stretched, for an edit made small has not quite its camera's shape."""
KEY_FRAME_INTERVAL = 60
"""Pictures between two places to seek to."""

# Both run beside the editor: presets that look for longer are out.
X264 = {"crf": "19", "preset": "superfast", "tune": "zerolatency"}
FRAGMENTED = {
    "movflags": "+frag_keyframe+empty_moov+default_base_moof",
    "frag_duration": str(FRAGMENT_US),
    "max_interleave_delta": str(INTERLEAVE_US),
    "flush_packets": "1",
}
BT601, UNSPECIFIED, LIMITED_RANGE = 6, 2, 1
"""FFmpeg's labels."""


@dataclass(frozen=True)
class SoundPacket:
    """An Opus packet (RFC 6716) as it came."""

    payload: bytes
    at: int
    """In 48 kHz ticks since the take began."""


class Movie:
    """One file being written; every call may block, so none is made on the event loop.

    Args:
        path: A new file.
        first: A picture of the size that all are written at, in even numbers; others are fitted into it, those of
            another shape between black bars.
        hears: Whether there is sound.
        spend: Told how many bytes are about to be written; raises where they are too many.

    Raises:
        OSError: The file cannot be made.
    """

    def __init__(self, path: Path, first: VideoFrame, hears: bool, spend: Callable[[int], None]) -> None:
        self.frames = 0
        self.duration_s = 0.0
        self._size = first.width // 2 * 2, first.height // 2 * 2
        self._scaler = VideoReformatter()
        self._file = FragmentFile(path, spend)
        self._container: OutputContainer = av.open(self._file, "w", format="mp4", options=FRAGMENTED)
        self._video = self._add_video()
        # Its encoder is never used: it only knows how an Opus track is announced.
        self._sound: AudioStream | None = (
            self._container.add_stream("libopus", rate=SOUND_HZ, layout="stereo") if hears else None
        )
        self._last_pts = self._last_sound = -1
        self._closed = False

    @property
    def bytes(self) -> int:
        """Written so far."""
        return self._file.bytes

    def write(self, picture: VideoFrame, pts: int) -> bool:
        """Encode a picture at 90 kHz ticks since the take began; whether its time was later than the last one's.

        Raises:
            OSError: The disk is full, or worse.
            QuotaExceededError: There is no room left for recordings.
        """
        if pts <= self._last_pts:
            return False
        fitted = self._fit(picture)
        fitted.pts, fitted.time_base = pts, Fraction(1, VIDEO_HZ)
        self._container.mux(self._video.encode(fitted))
        self._last_pts = pts
        self.frames += 1
        self.duration_s = pts / VIDEO_HZ
        return True

    def write_sound(self, packets: Iterable[SoundPacket]) -> None:
        """Take packets of sound.

        Raises:
            As `write`.
        """
        if self._sound is None:
            return
        for each in packets:
            if each.at <= self._last_sound:
                continue
            packet = av.Packet(each.payload)
            packet.stream, packet.time_base = self._sound, Fraction(1, SOUND_HZ)
            packet.pts = packet.dts = each.at
            packet.duration = opus_samples(each.payload)
            self._container.mux(packet)
            self._last_sound = each.at

    def close(self) -> None:
        """Write what the encoder still holds, and close the file.

        Raises:
            As `write`; it is closed all the same.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self._container.mux(self._video.encode(None))
            self._container.close()
        finally:
            self._file.close()

    def _add_video(self) -> VideoStream:
        video = self._container.add_stream("libx264", rate=30, options=X264)
        video.width, video.height = self._size
        video.pix_fmt = "yuv420p"
        video.time_base = Fraction(1, VIDEO_HZ)
        context = video.codec_context
        context.time_base = Fraction(1, VIDEO_HZ)
        context.gop_size = KEY_FRAME_INTERVAL
        context.thread_count = 1
        context.colorspace, context.color_range = BT601, LIMITED_RANGE
        return video

    def _fit(self, picture: VideoFrame) -> VideoFrame:
        fitted = fit((picture.width, picture.height), self._size)
        if all(side >= SAME_SHAPE * room for side, room in zip(fitted, self._size, strict=True)):
            return self._scaled(picture, *self._size, "yuv420p")
        # A phone was turned.
        pixels = cast(Picture, self._scaled(picture, *fitted, "rgb24").to_ndarray())
        framed = VideoFrame.from_ndarray(letterbox(pixels, self._size), format="rgb24")
        return self._scaled(framed, *self._size, "yuv420p")

    def _scaled(self, picture: VideoFrame, width: int, height: int, pixel_format: str) -> VideoFrame:
        # Without a label live video is taken for BT.601, as the live path does.
        matrix = Colorspace.ITU709 if picture.colorspace == Colorspace.ITU709 else Colorspace.ITU601
        to_rgb = pixel_format == "rgb24"
        return self._scaler.reformat(
            picture,
            width,
            height,
            pixel_format,
            src_colorspace=None if picture.format.is_rgb else matrix,
            dst_colorspace=None if to_rgb else Colorspace.ITU601,
            dst_color_range=ColorRange.JPEG if to_rgb else ColorRange.MPEG,
            interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT,
            threads=1,
        )


def opus_samples(packet: bytes) -> int:
    """How many 48 kHz samples an Opus packet holds (RFC 6716, section 3.1)."""
    if not packet:
        return 0
    configuration, code = packet[0] >> 3, packet[0] & 3
    if configuration < 12:
        frame = (480, 960, 1920, 2880)[configuration % 4]
    elif configuration < 16:
        frame = (480, 960)[configuration % 2]
    else:
        frame = (120, 240, 480, 960)[configuration % 4]
    count = {0: 1, 1: 2, 2: 2}.get(code) or (packet[1] & 0x3F if len(packet) > 1 else 1)
    return frame * count
