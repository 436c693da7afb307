"""Which video codecs work on this machine: each is made to code a few pictures, since most of them open anywhere."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import av
import av.logging
import numpy as np
from av.codec.codec import Codec, UnknownCodecError
from av.video.codeccontext import VideoCodecContext

CodecKind = Literal["encode", "decode"]

FORMATS = ("h264", "hevc", "av1", "vp8", "vp9")
SOFTWARE_ENCODERS = {
    "h264": ("libx264", "libopenh264"),
    "hevc": ("libx265",),
    "av1": ("libsvtav1", "libaom-av1"),
    "vp8": ("libvpx",),
    "vp9": ("libvpx-vp9",),
}
SOFTWARE_DECODERS = {"av1": ("libdav1d",)}
_QUIET = {"libx265": {"x265-params": "log-level=none"}}
HARDWARE = {
    "nvenc": "NVIDIA",
    "cuvid": "NVIDIA",
    "vaapi": "VA-API",
    "qsv": "Intel Quick Sync",
    "amf": "AMD",
    "v4l2m2m": "Video4Linux",
    "videotoolbox": "Apple",
    "mediacodec": "Android",
    "vulkan": "Vulkan",
}
# No smaller side is taken by every hardware encoder.
_WIDTH, _HEIGHT, _PICTURES = 320, 256, 4


@dataclass(frozen=True)
class CodecCheck:
    """One codec, tried.

    Attributes:
        name: FFmpeg's own.
        format: What it codes.
        kind: Which way.
        hardware: Whose hardware it runs on, None for software.
        works: Whether pictures came out.
        reason: Why not, None where they did.
    """

    name: str
    format: str
    kind: CodecKind
    hardware: str | None
    works: bool
    reason: str | None = None


def check_codecs() -> tuple[CodecCheck, ...]:
    """Try every codec of the live path's and of video files' formats that PyAV was built with."""
    level = av.logging.get_level()
    # Drivers that are not there are complained of at length.
    av.logging.set_level(av.logging.PANIC)
    # SVT-AV1 asks the environment alone.
    os.environ.setdefault("SVT_LOG", "0")
    try:
        # For root, SVT-AV1 gives the thread that opens it the highest real-time priority, and leaves it there.
        with ThreadPoolExecutor(1) as apart:
            return apart.submit(
                lambda: tuple(check for format_ in FORMATS for check in _check_format(format_))
            ).result()
    finally:
        av.logging.set_level(level)


def _check_format(format_: str) -> Iterator[CodecCheck]:
    sample: list[av.Packet[av.VideoStream]] | None = None
    for name in (*SOFTWARE_ENCODERS[format_], *_hardware(format_, "w")):
        if not _exists(name, "w"):
            continue
        try:
            made = _encode(name)
            sample = sample or made
            yield CodecCheck(name, format_, "encode", _maker(name), works=True)
        except (av.FFmpegError, ValueError, RuntimeError) as error:
            yield CodecCheck(name, format_, "encode", _maker(name), works=False, reason=_reason(error))
    for name in (*SOFTWARE_DECODERS.get(format_, (format_,)), *_hardware(format_, "r")):
        if not _exists(name, "r"):
            continue
        if sample is None:
            reason = "nothing here encodes a stream to try it on"
            yield CodecCheck(name, format_, "decode", _maker(name), works=False, reason=reason)
            continue
        try:
            _decode(name, sample)
            yield CodecCheck(name, format_, "decode", _maker(name), works=True)
        except (av.FFmpegError, ValueError, RuntimeError) as error:
            yield CodecCheck(name, format_, "decode", _maker(name), works=False, reason=_reason(error))


def _hardware(format_: str, mode: Literal["r", "w"]) -> list[str]:
    return [name for suffix in HARDWARE if _exists(name := f"{format_}_{suffix}", mode)]


def _exists(name: str, mode: Literal["r", "w"]) -> bool:
    try:
        Codec(name, mode)
    except UnknownCodecError:
        return False
    return True


def _maker(name: str) -> str | None:
    return HARDWARE.get(name.rpartition("_")[2])


def _encode(name: str) -> "list[av.Packet[av.VideoStream]]":
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, VideoCodecContext)
    context.options = _QUIET.get(name, {})
    context.width, context.height = _WIDTH, _HEIGHT
    context.time_base, context.framerate = Fraction(1, 30), Fraction(30)
    formats = [known.name for known in context.codec.video_formats or ()]
    context.pix_fmt = next((each for each in ("yuv420p", "nv12") if each in formats), "yuv420p")
    grey = np.full((_HEIGHT, _WIDTH, 3), 128, np.uint8)
    packets: list[av.Packet[av.VideoStream]] = []
    for number in range(_PICTURES):
        frame = av.VideoFrame.from_ndarray(grey, format="rgb24").reformat(format=context.pix_fmt)
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    if not packets:
        raise RuntimeError("it takes pictures and gives nothing")
    return packets


def _decode(name: str, sample: "list[av.Packet[av.VideoStream]]") -> None:
    context = av.CodecContext.create(name, "r")
    assert isinstance(context, VideoCodecContext)
    frames = [frame for packet in sample for frame in context.decode(packet)]
    frames += context.decode(None)
    if not frames:
        raise RuntimeError("it takes a stream and gives no picture")


def _reason(error: Exception) -> str:
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(said).splitlines()[0]
