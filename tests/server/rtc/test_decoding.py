import threading
import time
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from server.rtc.assembly import EncodedPicture
from server.rtc.codecs import LIBVPX, LIBX264
from server.rtc.decoding import MAX_WAITING_PICTURES, DecoderThread
from server.session.frame import Frame


class Camera:
    """Encoded pictures, and what a decoder made of them."""

    def __init__(self, codec: str) -> None:
        self.frames: list[Frame] = []
        self.dropped = 0
        self.broken = 0
        self.too_large: list[tuple[int, int]] = []
        self.failures: list[Exception] = []
        self.gate = threading.Event()
        self.gate.set()
        self._codec = codec
        self._index = 0
        self._encoder: av.VideoCodecContext | None = None
        self.decoder = DecoderThread(
            self._size,
            self.frames.append,
            self._drop,
            self._break,
            lambda width, height: self.too_large.append((width, height)),
            self.failures.append,
        )

    def picture(self, width: int = 160, height: int = 120, value: int = 100) -> EncodedPicture:
        if self._encoder is None or self._encoder.width != width:
            self._encoder = (LIBVPX if self._codec == "VP8" else LIBX264).open(width, height, 1_000_000)
        frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), value, np.uint8), format="rgb24")
        frame.pts, frame.time_base = 3000 * self._index, Fraction(1, 90_000)
        payload = b"".join(bytes(packet) for packet in self._encoder.encode(frame))
        self._index += 1
        return EncodedPicture(
            self._codec, payload, 1, 1_000_000 + 3000 * (self._index - 1), time.perf_counter()
        )

    def until(self, count: int) -> None:
        deadline_s = time.monotonic() + 10
        while len(self.frames) + self.dropped < count and time.monotonic() < deadline_s:
            time.sleep(0.002)

    def _size(self, width: int, height: int) -> tuple[int, int]:
        self.gate.wait(10)
        return width // 2, height // 2

    def _drop(self, count: int) -> None:
        self.dropped += count

    def _break(self) -> None:
        self.broken += 1


def test_a_picture_too_large_to_bear_is_told_of_once() -> None:
    camera = Camera("H264")
    for count in (1, 2, 3):
        camera.decoder.put(camera.picture(4160, 2400))
        camera.until(count)
    camera.decoder.put(camera.picture())
    camera.until(4)
    camera.decoder.close()
    assert camera.too_large == [(4160, 2400)]
    assert (camera.dropped, [frame.source_size for frame in camera.frames]) == (3, [(160, 120)])


def test_pictures_far_too_large_are_not_decoded() -> None:
    camera = Camera("VP8")
    small = camera.picture()
    header = bytearray(small.payload)
    header[6:10] = (16_383).to_bytes(2, "little") * 2
    for count, payload in enumerate((bytes(header), camera.picture().payload), 1):
        camera.decoder.put(replace(small, payload=payload))
        camera.until(count)
    assert camera.decoder.running is None
    assert camera.too_large == [(16_383, 16_383)]
    camera.decoder.put(small)
    camera.until(3)
    camera.decoder.close()
    assert (camera.dropped, camera.broken, len(camera.frames)) == (2, 0, 1)


def test_ffmpeg_makes_no_room_for_pictures_far_too_large() -> None:
    camera = Camera("H264")
    for count in (1, 2):
        camera.decoder.put(camera.picture(5120, 2880))
        camera.until(count)
    camera.decoder.put(camera.picture())
    camera.until(3)
    camera.decoder.close()
    assert camera.too_large == [(5120, 2880)]
    assert (camera.dropped, camera.broken, len(camera.frames)) == (2, 0, 1)


async def test_a_decoder_does_not_die_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = Camera("VP8")
    monkeypatch.setattr(camera, "gate", None)
    camera.decoder.put(camera.picture())
    await camera.decoder.ended(10)
    assert [type(error) for error in camera.failures] == [AttributeError]


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_a_picture_is_decoded_at_once_and_scaled(codec: str) -> None:
    camera = Camera(codec)
    for count in (1, 2, 3):
        camera.decoder.put(camera.picture())
        camera.until(count)
    frame = camera.frames[-1]
    assert frame.source.shape == (60, 80, 3)
    assert abs(int(frame.source.mean()) - 100) < 4
    assert frame.source_size == (160, 120)
    assert [each.pts for each in camera.frames] == [0, 3000, 6000]
    assert frame.rtp_timestamp == 1_006_000
    assert frame.decoded_s >= frame.received_s
    camera.decoder.close()
    await camera.decoder.ended(5)
    assert not camera.decoder._thread.is_alive()


@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_a_camera_may_change_its_size(codec: str) -> None:
    camera = Camera(codec)
    camera.decoder.put(camera.picture())
    camera.until(1)
    camera.decoder.put(camera.picture(320, 240))
    camera.until(2)
    assert [frame.source_size for frame in camera.frames] == [(160, 120), (320, 240)]
    camera.decoder.close()


def test_a_broken_picture_asks_for_a_key_frame_and_the_next_one_goes_on() -> None:
    camera = Camera("VP8")
    camera.decoder.put(EncodedPicture("VP8", b"\x10\x00\x00garbage", 1, 0, 0.0))
    camera.until(1)
    assert (camera.dropped, camera.broken) == (1, 1)
    camera.decoder.put(camera.picture())
    camera.until(2)
    assert len(camera.frames) == 1
    camera.decoder.close()


def test_a_decoder_that_falls_behind_drops_and_asks_for_a_key_frame() -> None:
    camera = Camera("VP8")
    camera.gate.clear()
    total = 2 * MAX_WAITING_PICTURES + 4
    for _ in range(total):
        camera.decoder.put(camera.picture())
        time.sleep(0.005)
    assert len(camera.decoder._waiting) <= MAX_WAITING_PICTURES
    assert camera.broken >= 1
    camera.gate.set()
    camera.until(total)
    # All is accounted for, and what is scaled last is the newest.
    assert len(camera.frames) + camera.dropped == total
    assert camera.frames[-1].pts == 3000 * (total - 1)
    camera.decoder.close()
