"""A video file being written: edited pictures encoded, the source's sound beside them."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from engines.upsampling import guided_luma
from server.files.source import EXACT_COLOURS, FileError, Item, Picture, VideoSource

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
# "fast" takes more than twice the processor time and writes larger files, for a difference that is not seen at this
# quality; the editor needs the processor.
X264 = {"crf": "18", "preset": "veryfast"}

# FFmpeg writes more than these into mp4, but players are not used to finding it there.
SOUND_OF_MP4 = {"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"}
AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)

# Old containers name no layout, only a number of channels.
AAC_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}

# FFmpeg's AV_CODEC_FLAG_FRAME_DURATION: without it the last frame of a variable rate lasts as long as a guess.
FRAME_DURATION = 1 << 8

# Marks of the container they came from.
CONTAINER_METADATA = {"major_brand", "minor_version", "compatible_brands", "encoder"}


class VideoSink:
    """A file that takes a source's edited pictures and its sound, in the source's timing."""

    def __init__(self, path: Path, source: VideoSource) -> None:
        self._source = source
        self._size = (source.width + source.width % 2, source.height + source.height % 2)
        container_format = CONTAINERS[path.suffix.lower()]
        movflags = {"movflags": "+faststart"} if container_format != "matroska" else {}
        # Whole, as in `open_video`.
        name = str(path.absolute())
        self._container: OutputContainer = av.open(name, "w", format=container_format, options=movflags)
        kept = {k: v for k, v in source.container.metadata.items() if k.lower() not in CONTAINER_METADATA}
        self._container.metadata.update(kept)
        self._add_pictures()
        self._sounds = {sound.index: self._add_sound(sound) for sound in source.sounds}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def write(self, item: Item) -> None:
        """Encode one picture, or take one packet of sound."""
        if isinstance(item, Picture):
            self._container.mux(self._video.encode(self._frame(item)))
            return
        sound, is_copied = self._sounds[item.stream_index]
        if is_copied:
            item.stream = sound
            self._container.mux(item)
        else:
            for frame in item.decode():
                self._container.mux(sound.encode(frame))

    def finish(self) -> None:
        """Write what the encoders still hold, and the file's end."""
        self._container.mux(self._video.encode(None))
        for sound, is_copied in self._sounds.values():
            if not is_copied:
                self._container.mux(sound.encode(None))
        self._container.close()

    def _add_pictures(self) -> None:
        source, colours = self._source, self._source.colours
        video = self._container.add_stream("libx264", rate=source.rate, options=X264)
        video.width, video.height = self._size
        video.pix_fmt = "yuv420p"
        video.time_base = source.time_base
        context = video.codec_context
        context.time_base = source.time_base
        context.flags |= FRAME_DURATION
        context.color_range = colours.color_range
        context.colorspace = colours.colorspace
        context.color_primaries = colours.color_primaries
        context.color_trc = colours.color_trc
        context.sample_aspect_ratio = source.video.codec_context.sample_aspect_ratio or Fraction(0, 1)
        if source.quarter_turns:
            video.set_display_rotation(90 * source.quarter_turns)
        video.metadata.update(source.video.metadata)
        self._video = video

    def _add_sound(self, sound: AudioStream) -> tuple[AudioStream, bool]:
        """The stream for one of the source's, and whether its packets are copied: where the container allows."""
        name = sound.codec_context.codec.canonical_name
        fits = name in SOUND_OF_MP4 or self._container.format.name != "mp4"
        is_copied = fits and name in self._container.supported_codecs
        if is_copied:
            added = self._container.add_stream_from_template(sound)
        else:
            rate = next((rate for rate in AAC_RATES if rate <= sound.rate), AAC_RATES[-1])
            added = self._container.add_stream(
                "aac", rate=rate, layout=AAC_LAYOUTS.get(sound.channels, "stereo")
            )
        added.metadata.update(sound.metadata)
        added.disposition = sound.disposition
        return added, is_copied

    def _frame(self, picture: Picture) -> VideoFrame:
        if picture.is_edited:
            frame = self._yuv(picture.pixels, self._size)
            if picture.guided:
                self._take_detail(frame, picture)
        else:
            frame = self._stored(picture)
        frame.pts, frame.duration, frame.time_base = picture.pts, picture.duration, self._source.time_base
        return frame

    def _yuv(self, pixels: NDArray[np.uint8], size: tuple[int, int] | None = None) -> VideoFrame:
        """Upright RGB as the file stores it: turned back, in its colours, at its own size if no other is given."""
        colours = self._source.colours
        stored = VideoFrame.from_ndarray(
            np.ascontiguousarray(np.rot90(pixels, -self._source.quarter_turns)), format="rgb24"
        )
        return stored.reformat(
            *(size or (stored.width, stored.height)),
            format="yuv420p",
            dst_colorspace=colours.matrix,
            dst_color_range=colours.range,
            interpolation=Interpolation.LANCZOS | EXACT_COLOURS,
            threads=1,
        )

    def _stored(self, picture: Picture) -> VideoFrame:
        colours = self._source.colours
        return picture.stored.reformat(
            *self._size,
            format="yuv420p",
            src_colorspace=colours.matrix,
            src_color_range=colours.range,
            dst_colorspace=colours.matrix,
            dst_color_range=colours.range,
            interpolation=Interpolation.LANCZOS | EXACT_COLOURS,
            threads=1,
        )

    def _take_detail(self, frame: VideoFrame, picture: Picture) -> None:
        guide = self._stored(picture)
        small_source, small_edit = (luma(self._yuv(pixels)) for pixels in (picture.small, picture.pixels))
        luma(frame)[:] = guided_luma(luma(guide), small_source, small_edit)


def luma(frame: VideoFrame) -> NDArray[np.uint8]:
    """The luma plane of a yuv420p frame, (H, W), sharing its memory."""
    plane = frame.planes[0]
    rows: NDArray[np.uint8] = np.frombuffer(memoryview(plane), np.uint8).reshape(frame.height, -1)
    return rows[:, : frame.width]


@contextmanager
def whole_or_nothing(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to: it takes that name on success, and is removed on any failure."""
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_file(path: Path, source: VideoSource, items: Iterable[Item]) -> None:
    """Write a whole file of a source's edited pictures and its sound.

    Raises:
        FileError: It cannot be written.
    """
    try:
        with VideoSink(path, source) as sink:
            for item in items:
                sink.write(item)
            sink.finish()
    except (OSError, av.FFmpegError) as error:
        reason = "no space left on the disk" if error.errno == errno.ENOSPC else error.strerror
        raise FileError(f"cannot write into {path.parent}: {reason}") from error
