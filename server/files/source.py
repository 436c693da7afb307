"""A video file to be edited: what it holds, and its pictures and sound in order."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from av.video.stream import VideoStream
from numpy.typing import NDArray

# FFmpeg also reads text as pictures of a terminal, and playlists that name other files; neither is meant.
VIDEO_FORMATS = "mov,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,gif,h264,hevc,ivf,yuv4mpegpipe"

# How far short of the announced end the last packet may stop: sound and pictures seldom end together, and
# writers round.
END_TOLERANCE_S = 1.0

# FFmpeg's AVColorSpace to the matrix that swscale converts with.
MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
FULL_RANGE = 2

# Without these swscale darkens by two levels on the way to RGB.
EXACT_COLOURS = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP


class FileError(Exception):
    """A file cannot be read, edited or written; the text is one line for a person."""


@dataclass(frozen=True)
class Colours:
    """How a stream's YUV is to be understood, and how it is labelled."""

    matrix: Colorspace
    """Converts to RGB and back; where the label is missing, guessed from the size as players do."""
    range: ColorRange
    color_range: int
    """FFmpeg's labels from here on, the file's own; 0 or 2 where it has none."""
    colorspace: int
    color_primaries: int
    color_trc: int


@dataclass(frozen=True, eq=False)
class Picture:
    """One frame on its way from source to sink."""

    pixels: NDArray[np.uint8]
    """(H, W, 3) RGB, upright."""
    pts: int
    """Presentation time in the source's video time base."""
    duration: int
    """In the same unit; 0 where the source does not say."""
    stored: VideoFrame
    """The frame as it came from the file, at its full size."""
    small: NDArray[np.uint8]
    """The source's ``pixels`` as they are edited."""
    guided: bool = False
    """Whether ``pixels`` take the detail of ``stored`` when they are enlarged."""
    is_edited: bool = True
    """Otherwise ``stored`` is written as it is."""

    def untouched(self) -> "Picture":
        """The same frame, showing no edit."""
        return replace(self, is_edited=False)

    def edited(self, pixels: NDArray[np.uint8], guided: bool = True) -> "Picture":
        """The same frame, showing this edit of it, with the detail of ``stored`` in it or without."""
        return replace(self, pixels=pixels, guided=guided)

    def at(self, other: "Picture") -> "Picture":
        """The same picture, shown at another one's time."""
        return replace(self, pts=other.pts, duration=other.duration)


Item: TypeAlias = "Picture | Packet[AudioStream]"
"""What goes from source to sink: an edit takes the pictures, and the sound passes it by."""


class VideoSource:
    """An open video file.

    Raises:
        FileError: There is no such file, it is no video, or it is cut short.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with open_video(path) as container:
            self.frames = _count_frames(container, path)
        with open_video(path) as container:
            first = _first_frame(container, path)
        self.width, self.height, self.colours = first.width, first.height, colours_of(first)
        self.quarter_turns = round(first.rotation / 90) % 4
        """Turns to the left that put the picture upright."""

        self.container = open_video(path)
        self.video = picture_stream(self.container, path)
        self.video.thread_type = "AUTO"
        self.sounds = self.container.streams.audio
        self.time_base = self.video.time_base or Fraction(1, 90000)
        self.rate = self.video.average_rate or self.video.guessed_rate or Fraction(30)
        # Broadcast recordings start at any time. A start below zero is a sound codec's warm-up, and stays.
        self.start_s = Fraction(max(self.container.start_time or 0, 0), av.time_base)
        """What is taken off the file's own times."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.container.close()

    @property
    def upright_size(self) -> tuple[int, int]:
        """(width, height) as shown."""
        return (self.height, self.width) if self.quarter_turns % 2 else (self.width, self.height)

    def read(self, size: tuple[int, int]) -> Iterator[Item]:
        """Every picture, upright at ``size`` (width, height), and every packet of sound, in the file's order.

        Raises:
            FileError: A picture cannot be decoded, or the file cannot be read on.
        """
        stored = size[::-1] if self.quarter_turns % 2 else size
        decoded = 0
        last_pts = None
        stored_at: deque[int | None] = deque()
        try:
            for packet in self.container.demux(self.video, *self.sounds):
                if packet.stream is not self.video:
                    if packet.size:
                        yield self._from_zero(cast("Packet[AudioStream]", packet))
                    continue
                if packet.size:
                    stored_at.append(packet.dts)
                for frame in self.video.decode(packet):
                    first_stored = stored_at.popleft() if stored_at else None
                    # AVI keeps no presentation times; its frames come in order at the times they are stored.
                    time = first_stored if self.container.format.name == "avi" else frame.pts
                    pts = self._pts(time, frame.duration, last_pts)
                    pixels = self._pixels(frame, stored)
                    yield Picture(pixels, pts, frame.duration, frame, pixels)
                    decoded, last_pts = decoded + 1, pts
        except av.FFmpegError as error:
            raise FileError(f"{self.path} is damaged at frame {decoded + 1}: {error.strerror}") from error

    def _from_zero(self, packet: "Packet[AudioStream]") -> "Packet[AudioStream]":
        offset = round(self.start_s / packet.time_base)
        if packet.pts is not None:
            packet.pts -= offset
        if packet.dts is not None:
            packet.dts -= offset
        return packet

    def _pts(self, time: int | None, duration: int, last_pts: int | None) -> int:
        """A frame's time from the file's start; always after the last one's, as every writer insists."""
        if time is None:
            step = max(1, duration or round(1 / (self.rate * self.time_base)))
            return 0 if last_pts is None else last_pts + step
        pts = time - round(self.start_s / self.time_base)
        return pts if last_pts is None else max(pts, last_pts + 1)

    def _pixels(self, frame: VideoFrame, size: tuple[int, int]) -> NDArray[np.uint8]:
        small = frame.reformat(
            *size,
            format="rgb24",
            src_colorspace=self.colours.matrix,
            src_color_range=self.colours.range,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.AREA | EXACT_COLOURS,
            threads=1,
        )
        return np.ascontiguousarray(np.rot90(small.to_ndarray(), self.quarter_turns))


def open_video(path: Path) -> InputContainer:
    """Open a file that FFmpeg reads as video; raises FileError."""
    try:
        # Whole, as FFmpeg takes what stands before a colon in a name for a protocol: 10:30.mp4.
        return av.open(str(path.absolute()), options={"format_whitelist": VIDEO_FORMATS})
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise FileError(f"cannot open {path}: {error.strerror}") from error
    except av.FFmpegError as error:
        raise FileError(f"{path} is no video that can be read, or is cut short") from error


def picture_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first stream of moving pictures; a cover picture is none. Raises FileError."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    raise FileError(
        f"{path} holds sound but no pictures" if container.streams.audio else f"{path} holds no pictures"
    )


def colours_of(frame: VideoFrame) -> Colours:
    """How to understand a frame's pixels."""
    guess = Colorspace.ITU709 if frame.height > 576 or frame.width >= 1280 else Colorspace.ITU601
    full = frame.color_range == FULL_RANGE or frame.format.name.startswith("yuvj")
    return Colours(
        matrix=MATRICES.get(frame.colorspace, guess),
        range=ColorRange.JPEG if full else ColorRange.MPEG,
        color_range=FULL_RANGE if full else frame.color_range,
        # 0 is RGB, which the sink does not write.
        colorspace=frame.colorspace or 2,
        color_primaries=frame.color_primaries,
        color_trc=frame.color_trc,
    )


def _first_frame(container: InputContainer, path: Path) -> VideoFrame:
    try:
        frame = next(container.decode(picture_stream(container, path)), None)
    except av.FFmpegError as error:
        raise FileError(f"{path} is damaged at frame 1: {error.strerror}") from error
    if frame is None:
        raise FileError(f"{path} holds no pictures")
    return frame


def _count_frames(container: InputContainer, path: Path) -> int:
    """Read a whole file without decoding it: how many frames it holds, or FileError if its end is missing.

    Better to know before an hour of editing than after.
    """
    video = picture_stream(container, path)
    frames = 0
    end_s = Fraction(0)
    last_is_whole = True
    try:
        for packet in container.demux(video, *container.streams.audio):
            if not packet.size:
                continue
            if packet.pts is not None:
                end_s = max(end_s, (packet.pts + (packet.duration or 0)) * packet.time_base)
            if packet.stream is video:
                frames += 1
            last_is_whole = not packet.is_corrupt
    except av.FFmpegError as error:
        raise FileError(f"{path} is cut short or damaged after frame {frames}: {error.strerror}") from error

    announced_s = Fraction((container.duration or 0) + (container.start_time or 0), av.time_base)
    if not last_is_whole or end_s < announced_s - Fraction(END_TOLERANCE_S):
        whole = frames if last_is_whole else frames - 1
        of = f" of {video.frames}" if video.frames > frames else ""
        raise FileError(f"{path} is cut short: it ends after frame {whole}{of}")
    if not frames:
        raise FileError(f"{path} holds no pictures")
    return frames
