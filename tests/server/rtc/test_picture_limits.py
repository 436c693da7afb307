"""Levels by ITU-T H.264 table A-1 and profile-level-id by RFC 6184."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.rtc.picture_limits import (
    LEAST_FPS,
    LEVELS,
    MOST_FPS,
    NO_LIMIT,
    PictureLimit,
    block_count,
    h264_limit,
    level_of,
    vp8_limit,
)

BITRATE_BPS = 6_000_000


@pytest.mark.parametrize(
    ("size", "bitrate_bps", "level"),
    [
        ((320, 240), 500_000, 31),
        ((854, 480), 6_000_000, 31),
        ((1280, 720), 6_000_000, 32),
        ((1280, 720), 30_000_000, 41),
        ((1920, 1080), 6_000_000, 42),
        ((3840, 2160), 6_000_000, 52),
    ],
)
def test_the_level_holds_the_picture(size: tuple[int, int], bitrate_bps: int, level: int) -> None:
    assert level_of(*size, bitrate_bps) == level


@pytest.mark.parametrize(
    ("said", "size", "sent", "fps", "level"),
    [
        # Chromium and Safari without hardware: nothing changes at the sizes that are sent by default.
        ("42e01f", (854, 480), (854, 480), math.inf, 31),
        ("42e01f", (1280, 720), (1280, 720), 30.0, 31),
        ("42e01f", (1920, 1080), (1280, 720), 30.0, 31),
        ("42e01f", (1080, 1920), (720, 1280), 30.0, 31),
        # Hardware decoders of phones.
        ("64002a", (1920, 1080), (1920, 1080), math.inf, 42),
        ("42e034", (1920, 1080), (1920, 1080), math.inf, 42),
        ("640c34", (3840, 2160), (3840, 2160), math.inf, 52),
        # Old video phones and set-top boxes.
        ("42001e", (1280, 720), (768, 432), 40_500 / 1296, 30),
        ("42800d", (640, 480), (352, 264), 11_880 / 374, 13),
        ("42000c", (640, 480), (256, 192), 6_000 / 192, 12),
    ],
)
def test_a_picture_keeps_to_what_the_receiver_takes(
    said: str, size: tuple[int, int], sent: tuple[int, int], fps: float, level: int
) -> None:
    form = h264_limit(said).form(*size, BITRATE_BPS)
    assert ((form.width, form.height), form.level) == (sent, level)
    assert form.fps == pytest.approx(fps)


@given(
    st.sampled_from([level for level in LEVELS if level.bitrate_bps >= 200_000]),
    st.integers(2, 4096),
    st.integers(2, 4096),
    st.integers(200_000, 50_000_000),
)
@example(next(level for level in LEVELS if level.number == 12), 2, 3202, 200_000)
def test_no_form_is_more_than_its_level_holds(level: object, width: int, height: int, set_bps: int) -> None:
    row = next(entry for entry in LEVELS if entry is level)
    form = h264_limit(f"42e0{row.number:02x}").form(width, height, set_bps)
    said = next(entry for entry in LEVELS if entry.number == form.level)
    blocks = block_count(form.width, form.height)
    assert form.level <= row.number
    assert blocks <= said.blocks
    assert blocks * min(form.fps, MOST_FPS) <= said.blocks_s * 1.000001
    assert form.bitrate_bps <= min(set_bps, row.bitrate_bps)
    assert form.fps >= LEAST_FPS
    assert form.width % 2 == form.height % 2 == 0
    assert form.width <= max(2, width)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("42000a", "up to level 1.0, 64 kbit/s"),
        ("42100b", "up to level 1b, 128 kbit/s"),
        ("64000b", "up to level 1.1, 192 kbit/s"),
        ("42e000", "of no level"),
        ("2c001f", "profile 2c00"),
        ("7a101f", "profile 7a10"),
    ],
)
def test_what_no_stream_of_ours_fits_is_refused(said: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        h264_limit(said)


def test_level_11_of_the_high_profile_is_no_1b() -> None:
    assert h264_limit("64101f") == h264_limit("42e01f")


def test_vp8_says_blocks_and_pictures() -> None:
    assert vp8_limit({}) == NO_LIMIT
    assert vp8_limit({"max-fs": 0, "max-fr": "many"}) == NO_LIMIT
    # Firefox.
    firefox = vp8_limit({"max-fs": "12288", "max-fr": 60})
    assert firefox == PictureLimit(blocks=12288, fps=60)
    assert firefox.form(1920, 1080, BITRATE_BPS) == NO_LIMIT.form(1920, 1080, BITRATE_BPS)
    small = vp8_limit({"max-fs": 1200, "max-fr": 25}).form(1280, 720, BITRATE_BPS)
    assert (small.width, small.height, small.fps) == (736, 414, 25)
