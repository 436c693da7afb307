"""What encodes and decodes pictures here: the machine's own hardware where it opens, software otherwise.

Whether a piece of hardware is there, its driver loads and it takes our pictures is only known by opening it, so that
is how it is found out, once. What runs is named in telemetry, by FFmpeg's names.

Two generations of 640x480 at 2.5 Mbit/s with these settings, 30 frames a second, PSNR over RGB: a webcam clip 39.8 dB
in VP8 (2.7 ms of processor a frame) and 40.1 dB in H.264 (2.0 ms), a photograph under a moving window 37.6 and 37.9
dB. libvpx at cpu-used -4 adds 0.1 dB for twice the time, x264's "veryfast" 0.1 dB for half as much again, "ultrafast"
loses 1.8 dB to save 0.7 ms. `python -m benchmarks.roundtrip` measures the whole way.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Literal

import av
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.video.codeccontext import VideoCodecContext

from server.rtc.clocks import VIDEO_CLOCK_HZ
from server.rtc.picture_limits import COMMON_LEVEL

logger = logging.getLogger(__name__)

Codec = Literal["VP8", "H264"]

TIME_BASE = Fraction(1, VIDEO_CLOCK_HZ)
FRAME_RATE = 30
GOP_PICTURES = 3000
"""Key frames come when they are asked for."""
TRIAL_SIZE = 640, 480


@dataclass(frozen=True)
class EncoderKind:
    """A way to encode.

    Attributes:
        name: FFmpeg's.
        adjusts: Whether an open encoder takes a new bitrate without a key frame.
        counts: Whether it takes every picture for a thirtieth of a second, whatever their times say.
    """

    name: str
    adjusts: bool
    _options: Callable[[int, int], dict[str, str]]
    """Of a bitrate in bits per second and an H.264 level times ten."""
    _pixel_format: str = "yuv420p"
    _profile: str | None = None
    _device: str | None = None
    """Whose memory the pictures are in."""
    counts: bool = True

    @property
    def pixel_format(self) -> str:
        """What a picture is given as."""
        return "nv12" if self._device is not None else self._pixel_format

    def open(self, width: int, height: int, bitrate_bps: int, level: int = COMMON_LEVEL) -> VideoCodecContext:
        """An encoder that never looks ahead.

        Args:
            width: Of its pictures, even.
            height: As well.
            bitrate_bps: To keep to.
            level: What an H.264 stream says of itself, times ten.

        Raises:
            av.FFmpegError, ValueError: It cannot be opened here.
        """
        hwaccel = None if self._device is None else _device(self._device)
        codec = av.CodecContext.create(self.name, "w", hwaccel)
        assert isinstance(codec, VideoCodecContext)
        codec.width, codec.height = width, height
        codec.bit_rate = bitrate_bps
        codec.pix_fmt = self._pixel_format
        codec.time_base, codec.framerate = TIME_BASE, Fraction(FRAME_RATE, 1)
        codec.gop_size, codec.max_b_frames = GOP_PICTURES, 0
        codec.thread_count = 1
        if self._profile is not None:
            codec.profile = self._profile
        if self.name == "libvpx":
            codec.qmin, codec.qmax = 2, 56
        codec.options = self._options(bitrate_bps, level)
        codec.open()
        return codec


def _libvpx(bitrate_bps: int, _level: int) -> dict[str, str]:
    return {
        "bufsize": str(bitrate_bps),
        "cpu-used": "-8",
        "deadline": "realtime",
        "lag-in-frames": "0",
        "maxrate": str(bitrate_bps),
        # In percent of a picture's share: a key frame must not fill a slow network for seconds.
        "max-intra-rate": "500",
        "minrate": str(bitrate_bps),
        "noise-sensitivity": "0",
        "overshoot-pct": "15",
        "static-thresh": "1",
        "undershoot-pct": "100",
    }


def _libx264(bitrate_bps: int, level: int) -> dict[str, str]:
    return {
        "level": str(level),
        "preset": "superfast",
        "tune": "zerolatency",
        "maxrate": str(bitrate_bps),
        "bufsize": str(bitrate_bps // 2),
    }


def _nvenc(bitrate_bps: int, level: int) -> dict[str, str]:
    return {
        "level": str(level),
        "preset": "p4",
        "tune": "ull",
        "rc": "cbr",
        "zerolatency": "1",
        "delay": "0",
        "forced-idr": "1",
        "bufsize": str(bitrate_bps // 2),
    }


def _qsv(bitrate_bps: int, level: int) -> dict[str, str]:
    return {
        "level": str(level),
        "preset": "veryfast",
        "async_depth": "1",
        "look_ahead": "0",
        "forced_idr": "1",
        "maxrate": str(bitrate_bps),
        "bufsize": str(bitrate_bps // 2),
    }


def _vaapi(bitrate_bps: int, level: int) -> dict[str, str]:
    return {
        "level": str(level),
        "rc_mode": "CBR",
        "async_depth": "1",
        "idr_interval": "0",
        "maxrate": str(bitrate_bps),
    }


def _videotoolbox(_bitrate_bps: int, _level: int) -> dict[str, str]:
    # It takes no level beside Constrained Baseline and says the lowest that holds the picture.
    return {"realtime": "1", "allow_sw": "0", "prio_speed": "1"}


LIBVPX = EncoderKind("libvpx", False, _libvpx, counts=False)
LIBX264 = EncoderKind("libx264", True, _libx264, _profile="Baseline")
SOFTWARE: dict[Codec, EncoderKind] = {"VP8": LIBVPX, "H264": LIBX264}
HARDWARE_H264 = (
    EncoderKind("h264_nvenc", False, _nvenc, _profile="Baseline"),
    EncoderKind("h264_videotoolbox", False, _videotoolbox, _profile="Constrained Baseline", counts=False),
    EncoderKind("h264_qsv", False, _qsv, "nv12", "Baseline"),
    EncoderKind("h264_vaapi", False, _vaapi, "vaapi", "Constrained Baseline", "vaapi"),
)
"""Of these the first that opens is taken."""

DECODERS: dict[Codec, str] = {"VP8": "libvpx", "H264": "h264"}


@dataclass(frozen=True)
class DecoderKind:
    """A way to decode.

    Attributes:
        name: FFmpeg's, with the device where the decoder is only sped up by one.
    """

    name: str
    _codec: str
    _device: str | None = None

    def open(self, max_pixels: int | None = None) -> VideoCodecContext:
        """A decoder that gives each picture out at once.

        Args:
            max_pixels: Of the largest picture it makes room for, as FFmpeg counts it: whole macroblocks. libvpx has
                decoded a picture before it tells FFmpeg how large it is.

        Raises:
            av.FFmpegError, ValueError: It cannot be opened here.
        """
        hwaccel = None if self._device is None else _device(self._device)
        context = av.CodecContext.create(self._codec, "r", hwaccel)
        assert isinstance(context, VideoCodecContext)
        context.thread_count = 1
        # Without this H.264 may hold pictures back to put them in order; a live camera sends them in order.
        context.options = {"flags": "low_delay"}
        if max_pixels is not None:
            context.options = {**context.options, "max_pixels": str(max_pixels)}
        return context


def _device(name: str) -> HWAccel:
    """A device; FFmpeg quietly goes on in software with one that it was built without."""
    if name not in hwdevices_available():
        raise ValueError(f"this FFmpeg was built without {name}")
    return HWAccel(name, allow_software_fallback=False)


HARDWARE_DECODERS: dict[Codec, tuple[DecoderKind, ...]] = {
    "VP8": (DecoderKind("vp8_cuvid", "vp8_cuvid"),),
    "H264": (
        DecoderKind("h264_cuvid", "h264_cuvid"),
        DecoderKind("h264 (videotoolbox)", "h264", "videotoolbox"),
        DecoderKind("h264 (vaapi)", "h264", "vaapi"),
    ),
}


@dataclass(frozen=True)
class CodecChoice:
    """Which of the ways to encode and decode a server takes.

    Attributes:
        hardware: Whether the machine's own may be used.
    """

    hardware: bool = True

    def encoder(self, codec: Codec) -> EncoderKind:
        """The way to encode a codec."""
        return (self.hardware and codec == "H264" and _first_encoder(HARDWARE_H264)) or SOFTWARE[codec]

    def decoder(self, codec: Codec) -> DecoderKind:
        """The way to decode it."""
        return (self.hardware and _first_decoder(codec)) or software_decoder(codec)


ANY_CODECS, SOFTWARE_CODECS = CodecChoice(), CodecChoice(hardware=False)


def software_decoder(codec: Codec) -> DecoderKind:
    """The way that works everywhere."""
    return DecoderKind(DECODERS[codec], DECODERS[codec])


@cache
def _first_encoder(kinds: Sequence[EncoderKind]) -> EncoderKind | None:
    """The first that encodes a picture here; the machine does not change while we run."""
    return next((kind for kind in kinds if encodes(kind)), None)


@cache
def _first_decoder(codec: Codec) -> DecoderKind | None:
    return next((kind for kind in HARDWARE_DECODERS[codec] if decodes(kind, codec)), None)


def encodes(kind: EncoderKind) -> bool:
    """Whether a way to encode works here: it makes a key frame of the first picture, at once."""
    try:
        packets = kind.open(*TRIAL_SIZE, 1_000_000).encode(_trial_picture(kind.pixel_format))
    except (av.FFmpegError, ValueError, NotImplementedError, RuntimeError) as error:
        logger.debug("%s does not work here: %s", kind.name, error)
        return False
    return bool(packets) and packets[0].is_keyframe


def decodes(kind: DecoderKind, codec: Codec) -> bool:
    """Whether a way to decode works here: it gives the first picture back at once."""
    packets = SOFTWARE[codec].open(*TRIAL_SIZE, 1_000_000).encode(_trial_picture("yuv420p"))
    try:
        context = kind.open()
        pictures = [picture for packet in packets for picture in context.decode(av.Packet(bytes(packet)))]
    except (av.FFmpegError, ValueError, NotImplementedError, RuntimeError) as error:
        logger.debug("%s does not work here: %s", kind.name, error)
        return False
    return [(picture.width, picture.height) for picture in pictures] == [TRIAL_SIZE]


def _trial_picture(pixel_format: str) -> av.VideoFrame:
    picture = av.VideoFrame(*TRIAL_SIZE, pixel_format)
    for plane in picture.planes:
        plane.update(bytes(plane.buffer_size))
    picture.pts, picture.time_base = 0, TIME_BASE
    return picture
