import av
import pytest
from av.codec.hwaccel import hwdevices_available

from server.rtc import codecs
from server.rtc.codecs import (
    ANY_CODECS,
    HARDWARE_DECODERS,
    HARDWARE_H264,
    LIBVPX,
    LIBX264,
    SOFTWARE_CODECS,
    DecoderKind,
    EncoderKind,
    decodes,
    encodes,
    software_decoder,
)
from tests.server.frames import said_of_itself


@pytest.mark.parametrize(("size", "level"), [((176, 144), 12), ((640, 480), 31), ((1920, 1080), 40)])
def test_the_stream_says_its_profile_and_level(size: tuple[int, int], level: int) -> None:
    picture = av.VideoFrame(*size, "yuv420p")
    picture.pts, picture.time_base = 0, codecs.TIME_BASE
    packet = bytes(LIBX264.open(*size, 300_000, level).encode(picture)[0])
    assert said_of_itself(packet) == (66, True, level)


def test_software_works_everywhere() -> None:
    assert SOFTWARE_CODECS.encoder("H264") is LIBX264
    assert SOFTWARE_CODECS.encoder("VP8") is ANY_CODECS.encoder("VP8") is LIBVPX
    assert SOFTWARE_CODECS.decoder("VP8") == software_decoder("VP8")
    assert encodes(LIBX264)
    assert encodes(LIBVPX)
    assert decodes(software_decoder("H264"), "H264")
    assert decodes(software_decoder("VP8"), "VP8")


def test_hardware_is_taken_only_where_it_opens() -> None:
    working = next((kind for kind in HARDWARE_H264 if encodes(kind)), None)
    assert ANY_CODECS.encoder("H264") is (working or LIBX264)
    reading = next((kind for kind in HARDWARE_DECODERS["H264"] if decodes(kind, "H264")), None)
    assert ANY_CODECS.decoder("H264") == (reading or software_decoder("H264"))


def test_what_cannot_be_opened_is_no_way() -> None:
    assert not encodes(EncoderKind("h264_none", False, lambda *_: {}))
    assert not encodes(EncoderKind("libx264", True, lambda *_: {"preset": "none"}))
    assert not decodes(DecoderKind("none", "h264_none"), "H264")
    assert not decodes(DecoderKind("h264 (none)", "h264", "none"), "H264")
    for absent in {"videotoolbox", "vaapi"} - set(hwdevices_available()):
        assert not decodes(DecoderKind(f"h264 ({absent})", "h264", absent), "H264")
    assert not decodes(software_decoder("VP8"), "H264")
