"""Edited pictures encoded for sending: aiortc's packets, our encoders and bitrate."""

import logging
import math
import time
from collections.abc import Callable
from typing import Protocol, cast

import av
from aiortc.codecs.base import Encoder
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from av.frame import Frame as AvFrame
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.reformatter import Interpolation, VideoReformatter

from server.rtc.codecs import (
    ANY_CODECS,
    FRAME_RATE,
    SOFTWARE,
    SOFTWARE_CODECS,
    TIME_BASE,
    Codec,
    CodecChoice,
)
from server.rtc.picture_limits import NO_LIMIT, Form, PictureLimit
from server.stats import RunningEncoder
from server.telemetry import DropReason

logger = logging.getLogger(__name__)

KEY_FRAME_INTERVAL_S = 0.3
"""However often a browser asks: key frames of every picture would only make its loss worse."""
BITRATE_CHANGE = 0.25
BITRATE_INTERVAL_S = 2.0
"""A new bitrate may need a new encoder and so a key frame; small and frequent changes are not worth one."""
USUAL_INTERVAL = TIME_BASE.denominator / FRAME_RATE
LONGEST_INTERVAL = 4 * USUAL_INTERVAL
"""As averaged: after a held picture the rate is known again within half a second."""
NEWEST_SHARE = 0.1
"""Of the average of intervals."""


class Rate(Protocol):
    """How much to send: one peer's, or what several share."""

    @property
    def max_bps(self) -> int:
        """Bits per second, at most."""
        ...

    @property
    def target_bps(self) -> int:
        """Bits per second."""
        ...

    def estimated(self, bitrate_bps: int) -> None:
        """Take the receiver's estimate (REMB)."""
        ...


class LiveEncoder(Encoder):
    """Encodes one session's edits; called by aiortc's sender in a thread, one picture at a time.

    Args:
        codec: ``VP8`` or ``H264``.
        rate: How much to send; asked for each picture.
        on_encoded: Called in the encoding thread when a picture is ready to be sent.
        on_dropped: Called there when one is not, with why: "encode" where that failed, "frame_rate" where the
            receiver takes no more of them a second.
        codecs: Whether hardware may do it.
        limit: What the receiver takes.

    Attributes:
        codec: ``VP8`` or ``H264``.
        limit: What the receivers take; may be changed between pictures.
        made_key_frame: Whether the newest picture is one.
    """

    def __init__(
        self,
        codec: str,
        rate: Rate,
        on_encoded: Callable[[], None],
        on_dropped: Callable[[DropReason], None],
        codecs: CodecChoice = ANY_CODECS,
        limit: PictureLimit = NO_LIMIT,
    ) -> None:
        self.codec = cast(Codec, codec)
        self.limit = limit
        self._form = Form(0, 0, math.inf, 0, 0)
        self._due_pts = -math.inf
        self._last_pts: int | None = None
        self._interval = USUAL_INTERVAL
        self._choice, self._rate = codecs, rate
        self._kind = SOFTWARE[self.codec]
        # Only for their packets: the codec contexts inside are never made.
        self._packets: Vp8Encoder | H264Encoder = Vp8Encoder() if codec == "VP8" else H264Encoder()
        self._on_encoded, self._on_dropped = on_encoded, on_dropped
        self._codec: VideoCodecContext | None = None
        self._opened_bps = 0
        self._opened_s = self._key_s = -1.0
        self._key_wanted = False
        self.made_key_frame = False
        self._scaler = VideoReformatter()

    @property
    def summary(self) -> RunningEncoder | None:
        """What is at work; None before the first picture."""
        if self._codec is None:
            return None
        return RunningEncoder(
            codec=self.codec,
            name=self._kind.name,
            bitrate_bps=self._rate.target_bps,
            width=self._form.width,
            height=self._form.height,
            level=self._form.level / 10 if self.codec == "H264" else None,
        )

    @property
    def target_bitrate(self) -> int:
        """Bits per second; aiortc sets it to what the browser estimates (REMB)."""
        return self._rate.target_bps

    @target_bitrate.setter
    def target_bitrate(self, bitrate_bps: int) -> None:
        self._rate.estimated(bitrate_bps)

    def encode(self, frame: AvFrame, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        """RTP payloads of a picture and its timestamp; none where it is left out or the encoder failed."""
        assert isinstance(frame, av.VideoFrame)
        assert frame.pts is not None
        self._key_wanted |= force_keyframe
        form = self.limit.form(frame.width, frame.height, self._rate.max_bps)
        if self._is_too_soon(frame.pts, form.fps):
            self._on_dropped("frame_rate")
            return [], frame.pts
        self._time(frame.pts)
        now_s, target_bps = time.monotonic(), self._told_bps
        try:
            codec = self._codec
            if codec is None or self._outdated(codec, form, target_bps, now_s):
                codec = self._reopen(form, target_bps)
                self._opened_s = self._key_s = now_s
                self._key_wanted = False
                key = True
            else:
                key = self._key_wanted and now_s - self._key_s >= KEY_FRAME_INTERVAL_S
                if key:
                    self._key_s, self._key_wanted = now_s, False
            picture = self._scaler.reformat(
                frame,
                form.width,
                form.height,
                self._kind.pixel_format,
                interpolation=Interpolation.BICUBIC,
                threads=1,
            )
            picture.pts, picture.time_base = frame.pts, TIME_BASE
            picture.pict_type = PictureType.I if key else PictureType.NONE
            packets = codec.encode(picture)
        except av.FFmpegError as error:
            # Passing this on would end aiortc's sender for good, and the picture with it.
            logger.warning("an edit could not be encoded by %s: %s", self._kind.name, error)
            self._codec = None
            self._give_up_hardware()
            self._on_dropped("encode")
            return [], frame.pts
        self.made_key_frame = any(packet.is_keyframe for packet in packets)
        payloads: list[bytes] = []
        for packet in packets:
            packet.pts, packet.time_base = frame.pts, TIME_BASE
            payloads += self.pack(packet)[0]
        self._on_encoded()
        return payloads, frame.pts

    def pack(self, packet: "Packet[Stream]") -> tuple[list[bytes], int]:
        """RTP payloads of an encoded picture and its timestamp."""
        return self._packets.pack(packet)

    def _is_too_soon(self, pts: int, fps: float) -> bool:
        """Whether the receiver takes no picture yet; half an interval early, as networks make them, is in time."""
        interval = TIME_BASE.denominator / fps
        if pts < self._due_pts - interval / 2:
            return True
        self._due_pts = max(self._due_pts, pts) + interval
        return False

    def _time(self, pts: int) -> None:
        if self._last_pts is not None:
            interval = min(pts - self._last_pts, LONGEST_INTERVAL)
            self._interval += NEWEST_SHARE * (interval - self._interval)
        self._last_pts = pts

    @property
    def _told_bps(self) -> int:
        """The bitrate as the encoder counts it: of 60 pictures a second it would send twice what it is told."""
        share = min(1.0, self._interval / USUAL_INTERVAL) if self._kind.counts else 1.0
        return int(self._rate.target_bps * share)

    def _outdated(self, codec: VideoCodecContext, form: Form, target_bps: int, now_s: float) -> bool:
        if form != self._form:
            return True
        change = target_bps / self._opened_bps - 1
        if self._kind.adjusts and change <= BITRATE_CHANGE:
            # Not above what it was opened with: its buffer was sized for that.
            codec.bit_rate = min(target_bps, self._opened_bps)
            return False
        return abs(change) > BITRATE_CHANGE and now_s - self._opened_s >= BITRATE_INTERVAL_S

    def _reopen(self, form: Form, bitrate_bps: int) -> VideoCodecContext:
        self._codec, self._form = None, form
        self._kind = self._choice.encoder(self.codec)
        try:
            codec = self._kind.open(form.width, form.height, bitrate_bps, form.level)
        except (av.FFmpegError, ValueError) as error:
            if self._kind is SOFTWARE[self.codec]:
                raise
            logger.warning("%s does not take %dx%d: %s", self._kind.name, form.width, form.height, error)
            self._give_up_hardware()
            codec = self._kind.open(form.width, form.height, bitrate_bps, form.level)
        self._codec, self._opened_bps = codec, bitrate_bps
        return codec

    def _give_up_hardware(self) -> None:
        """Go on in software; hardware that has failed once would fail again in a moment."""
        self._choice = SOFTWARE_CODECS
        self._kind = SOFTWARE[self.codec]
