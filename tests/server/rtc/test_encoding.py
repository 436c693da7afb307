from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.data import astronaut

from server.rtc import codecs
from server.rtc.assembly import is_key_frame
from server.rtc.codecs import LIBX264
from server.rtc.encoding import LiveEncoder
from server.rtc.picture_limits import NO_LIMIT, PictureLimit, h264_limit
from server.rtc.rate import RateControl
from server.stats import RunningEncoder
from server.telemetry import DropReason
from tests.server.frames import payload, said_of_itself


class Counted:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self, *_: object) -> None:
        self.count += 1


def portrait(shift: int = 0, size: tuple[int, int] = (256, 192)) -> av.VideoFrame:
    width, height = size
    photograph: NDArray[np.uint8] = astronaut()  # type: ignore[no-untyped-call]
    picture = np.roll(photograph, 2 * shift, 1)[:height, :width]
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    frame.pts, frame.time_base = 3000 * shift, Fraction(1, 90_000)
    return frame


def encoder(codec: str) -> LiveEncoder:
    return LiveEncoder(codec, RateControl(2_000_000), Counted(), Counted())


@pytest.mark.parametrize(("codec", "decoder"), [("VP8", "vp8"), ("H264", "h264")])
def test_what_is_encoded_decodes_to_nearly_the_same(codec: str, decoder: str) -> None:
    encodes = encoder(codec)
    decodes = av.CodecContext.create(decoder, "r")
    for index in range(10):
        frame = portrait(index)
        packets, timestamp = encodes.encode(frame)
        assert timestamp == 3000 * index
        assert all(len(packet) <= 1300 for packet in packets)
        decoded = decodes.decode(av.Packet(payload(codec, packets)))  # type: ignore[attr-defined]
        assert len(decoded) == 1
        error = decoded[0].to_ndarray(format="rgb24").astype(float) - frame.to_ndarray()
        assert 10 * np.log10(255**2 / (error**2).mean()) > 28


@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_key_frames_come_when_asked_for_and_not_more_often(
    codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 100.0
    monkeypatch.setattr("server.rtc.encoding.time.monotonic", lambda: now_s)
    encodes = encoder(codec)
    keys = []
    for index in range(12):
        now_s += 0.0501
        packets, _ = encodes.encode(portrait(index), force_keyframe=True)
        keys.append(is_key_frame(codec, payload(codec, packets)))
    assert keys == [index % 6 == 0 for index in range(12)]


@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_a_new_size_begins_with_a_key_frame(codec: str) -> None:
    encodes = encoder(codec)
    encodes.encode(portrait(0))
    packets, _ = encodes.encode(portrait(1, size=(128, 96)))
    assert is_key_frame(codec, payload(codec, packets))


def test_the_bitrate_stays_within_its_bounds() -> None:
    encodes = encoder("VP8")
    encodes.target_bitrate = 50_000_000
    assert encodes.target_bitrate == 2_000_000
    encodes.target_bitrate = 1
    assert encodes.target_bitrate == 200_000


def sizes(encodes: LiveEncoder, first: int, count: int) -> tuple[int, int]:
    """Bytes and key frames of some pictures."""
    total = keys = 0
    for index in range(first, first + count):
        packets, _ = encodes.encode(portrait(index, size=(448, 320)))
        total += sum(map(len, packets))
        keys += encodes.made_key_frame
    return total, keys


def test_h264_follows_the_network_without_a_key_frame() -> None:
    rate = RateControl(1_500_000, 1_500_000)
    encodes = LiveEncoder("H264", rate, Counted(), Counted())
    before, keys = sizes(encodes, 0, 30)
    assert keys == 1
    rate.estimated(300_000)
    sizes(encodes, 30, 15)
    after, keys = sizes(encodes, 45, 30)
    assert keys == 0
    assert after < before / 2
    assert encodes.summary == RunningEncoder(
        codec="H264", name="libx264", bitrate_bps=300_000, width=448, height=320, level=3.1
    )


@pytest.mark.parametrize("codec", ["VP8", "H264"])
@pytest.mark.parametrize("fps", [30, 60])
def test_a_quicker_camera_is_sent_at_the_same_bitrate(codec: str, fps: int) -> None:
    encodes = LiveEncoder(codec, RateControl(500_000), Counted(), Counted())
    generator = np.random.default_rng(0)
    sent = []
    for index in range(4 * fps):
        noise = generator.integers(100, 156, (192, 256, 3), np.uint8)
        frame = av.VideoFrame.from_ndarray(noise, format="rgb24")
        frame.pts, frame.time_base = 90_000 // fps * index, Fraction(1, 90_000)
        sent.append(sum(map(len, encodes.encode(frame)[0])))
    assert 8 * sum(sent[2 * fps :]) / 2 == pytest.approx(500_000, rel=0.25)


def test_vp8_follows_the_network_by_a_new_encoder_and_not_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr("server.rtc.encoding.time.monotonic", lambda: now_s)
    rate = RateControl(1_500_000, 1_500_000)
    encodes = LiveEncoder("VP8", rate, Counted(), Counted())
    before, _ = sizes(encodes, 0, 30)
    rate.estimated(300_000)
    assert sizes(encodes, 30, 15)[1] == 0
    now_s += 2.1
    assert sizes(encodes, 45, 15)[1] == 1
    after, _ = sizes(encodes, 60, 30)
    assert after < before / 2


def test_hardware_that_does_not_take_a_size_is_replaced_and_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kind = replace(LIBX264, name="h264_none")
    monkeypatch.setattr(codecs, "_first_encoder", lambda _: kind)
    encodes = encoder("H264")
    assert encodes.encode(portrait())[0]
    assert encodes.summary is not None
    assert encodes.summary.name == "libx264"
    assert "h264_none does not take 256x192" in caplog.text


def test_a_low_level_gets_a_smaller_picture_that_says_so() -> None:
    encodes = LiveEncoder("H264", RateControl(700_000), Counted(), Counted(), limit=h264_limit("42e00d"))
    packets, _ = encodes.encode(portrait(size=(512, 384)))
    stream = payload("H264", packets)
    (picture,) = av.CodecContext.create("h264", "r").decode(av.Packet(stream))
    assert (picture.width, picture.height) == (352, 264)
    assert said_of_itself(stream) == (66, True, 13)
    assert encodes.summary is not None
    assert (encodes.summary.width, encodes.summary.height, encodes.summary.level) == (352, 264, 1.3)


@pytest.mark.parametrize(("rate", "shown"), [(60, 30), (45, 30), (30, 30), (20, 20)])
def test_a_receiver_gets_no_more_pictures_a_second_than_it_takes(rate: int, shown: int) -> None:
    dropped: list[DropReason] = []
    encodes = LiveEncoder("VP8", RateControl(500_000), Counted(), dropped.append, limit=PictureLimit(fps=30))
    sent = 0
    for index in range(2 * rate):
        frame = portrait(size=(64, 48))
        # As a network delivers them: a little early, a little late.
        frame.pts = index * 90_000 // rate + (-400, 0, 300)[index % 3]
        sent += bool(encodes.encode(frame)[0])
    assert abs(sent - 2 * shown) <= 1
    assert dropped == ["frame_rate"] * (2 * rate - sent)


class OutOfMemory:
    width, height, bit_rate = 256, 192, 1_500_000

    def encode(self, _: av.VideoFrame) -> list[bytes]:
        raise av.MemoryError(12, "Cannot allocate memory")


def test_a_failing_encoder_gives_nothing_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped: list[DropReason] = []
    encodes = LiveEncoder("VP8", RateControl(2_000_000), Counted(), dropped.append)
    monkeypatch.setattr(encodes, "_codec", OutOfMemory())
    monkeypatch.setattr(encodes, "_opened_bps", 2_000_000)
    monkeypatch.setattr(encodes, "_form", NO_LIMIT.form(256, 192, 2_000_000))
    assert encodes.encode(portrait(5)) == ([], 15_000)
    assert dropped == ["encode"]
    assert encodes.encode(portrait(6))[0]
