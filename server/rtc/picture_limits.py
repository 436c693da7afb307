"""What a receiver says it can decode, and the largest picture and rate that keep to it.

Only what limits is read: a receiver may say that it takes more than its level (RFC 6184's max-recv-level, max-fs,
max-mbps, max-br), and sending less than that is always right.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from server.rtc.rate import MIN_BITRATE_BPS

BLOCK_PX = 16
"""A side of a macroblock."""
LEAST_FPS = 30.0
"""A picture is made smaller until a receiver takes as many of them; only then are some left out."""
MOST_FPS = 60.0
"""No camera here is quicker, so a receiver that takes more is not limited."""
COMMON_LEVEL = 31
"""Every browser decodes it; a level that grew with each picture from below would only make new decoders."""
H264_DEFAULT = "42e01f"
"""Constrained Baseline at level 3.1: what libwebrtc, and with it the browsers, take silence for. RFC 6184 would have
it mean level 1, which is less than anything sent here."""

_INTRA_ONLY_BIT = 0x10
_LEVEL_1B = 9


@dataclass(frozen=True)
class Level:
    """A row of ITU-T H.264 table A-1.

    Attributes:
        number: Times ten; 9 is level 1b.
        blocks_s, blocks: Macroblocks a second and a picture.
        bitrate_bps: Bits per second, of the profiles up to Main.
    """

    number: int
    blocks_s: int
    blocks: int
    bitrate_bps: int

    def __str__(self) -> str:
        """As people write it."""
        return "1b" if self.number == _LEVEL_1B else f"{self.number / 10:.1f}"


LEVELS = tuple(
    Level(number, blocks_s, blocks, 1000 * kbps)
    for number, blocks_s, blocks, kbps in (
        (10, 1_485, 99, 64),
        (_LEVEL_1B, 1_485, 99, 128),
        (11, 3_000, 396, 192),
        (12, 6_000, 396, 384),
        (13, 11_880, 396, 768),
        (20, 11_880, 396, 2_000),
        (21, 19_800, 792, 4_000),
        (22, 20_250, 1_620, 4_000),
        (30, 40_500, 1_620, 10_000),
        (31, 108_000, 3_600, 14_000),
        (32, 216_000, 5_120, 20_000),
        (40, 245_760, 8_192, 20_000),
        (41, 245_760, 8_192, 50_000),
        (42, 522_240, 8_704, 50_000),
        (50, 589_824, 22_080, 135_000),
        (51, 983_040, 36_864, 240_000),
        (52, 2_073_600, 36_864, 240_000),
        (60, 4_177_920, 139_264, 240_000),
        (61, 8_355_840, 139_264, 480_000),
        (62, 16_711_680, 139_264, 800_000),
    )
)


@dataclass(frozen=True)
class Form:
    """How pictures of one size are sent; receivers with equal ones can share an encoder.

    Attributes:
        width, height: In pixels, even.
        fps: The most pictures a second; infinite where the receiver sets no bound that matters.
        bitrate_bps: The most bits per second.
        level: H.264's, times ten, that the stream says of itself.
    """

    width: int
    height: int
    fps: float
    bitrate_bps: int
    level: int


@dataclass(frozen=True)
class PictureLimit:
    """What a receiver takes at most.

    Attributes:
        blocks: Macroblocks a picture.
        blocks_s: Macroblocks a second.
        fps: Pictures a second.
        bitrate_bps: Bits per second.
        level: H.264's, times ten.
    """

    blocks: float = math.inf
    blocks_s: float = math.inf
    fps: float = math.inf
    bitrate_bps: float = math.inf
    level: int = LEVELS[-1].number

    def form(self, width: int, height: int, max_bitrate_bps: int) -> Form:
        """How to send pictures of a size: as they are, or as large as the receiver takes them."""
        width, height = self._fitted(max(2, width // 2 * 2), max(2, height // 2 * 2))
        blocks = block_count(width, height)
        fps = min(self.fps, self.blocks_s / blocks)
        bitrate_bps = int(min(max_bitrate_bps, self.bitrate_bps))
        level = min(self.level, level_of(width, height, bitrate_bps))
        return Form(width, height, math.inf if fps >= MOST_FPS else fps, bitrate_bps, level)

    def _fitted(self, width: int, height: int) -> tuple[int, int]:
        """The largest size of nearly the same aspect."""
        fitted = width, height
        columns = -(-width // BLOCK_PX)
        while not self._takes(*fitted) and columns > 1:
            columns -= 1
            fitted = BLOCK_PX * columns, max(2, round(BLOCK_PX * columns * height / width / 2) * 2)
        # A picture one block wide can only lose its height; no camera has such a shape, so its aspect is let go.
        while not self._takes(*fitted) and fitted[1] > BLOCK_PX:
            fitted = fitted[0], fitted[1] - BLOCK_PX
        return fitted

    def _takes(self, width: int, height: int) -> bool:
        blocks = block_count(width, height)
        # ITU-T H.264 section A.3.1: neither side is more than the root of eight pictures' worth of blocks.
        long_side = -(-max(width, height) // BLOCK_PX)
        return blocks <= min(self.blocks, self.blocks_s / LEAST_FPS) and long_side**2 <= 8 * self.blocks


NO_LIMIT = PictureLimit()


def block_count(width: int, height: int) -> int:
    """Macroblocks of a picture."""
    return -(-width // BLOCK_PX) * -(-height // BLOCK_PX)


def level_of(width: int, height: int, bitrate_bps: int) -> int:
    """The lowest H.264 level, times ten, that holds pictures of a size at up to 60 a second; 3.1 at least."""
    blocks = block_count(width, height)
    for level in LEVELS:
        holds = blocks <= level.blocks and blocks * MOST_FPS <= level.blocks_s
        if holds and bitrate_bps <= level.bitrate_bps and level.number >= COMMON_LEVEL:
            return level.number
    return LEVELS[-1].number


def h264_limit(profile_level_id: str) -> PictureLimit:
    """What a receiver takes by its profile-level-id (RFC 6184 section 8.1), six hexadecimal digits.

    Raises:
        ValueError: Nothing that is sent here: we encode Constrained Baseline, from level 1.2 on. Says what it takes.
    """
    profile, constraints, number = bytes.fromhex(profile_level_id)
    intra_only = profile in (110, 122, 244) and bool(constraints & _INTRA_ONLY_BIT)
    # Decoders of Baseline, Main, Extended, High, High 10, High 4:2:2 and High 4:4:4 read Constrained Baseline.
    if intra_only or profile not in (66, 77, 88, 100, 110, 122, 244):
        raise ValueError(f"H.264 of profile {profile_level_id[:4]} and not Constrained Baseline")
    if number == 11 and profile in (66, 77, 88) and constraints & _INTRA_ONLY_BIT:
        number = _LEVEL_1B
    at_most = [level for level in LEVELS if level.number <= number]
    if not at_most:
        raise ValueError(f"H.264 of no level ({profile_level_id})")
    level = max(at_most, key=lambda level: level.number)
    if level.bitrate_bps < MIN_BITRATE_BPS:
        raise ValueError(f"H.264 up to level {level}, {level.bitrate_bps // 1000} kbit/s at most")
    return PictureLimit(level.blocks, level.blocks_s, math.inf, level.bitrate_bps, level.number)


def vp8_limit(parameters: Mapping[str, object]) -> PictureLimit:
    """What a receiver of VP8 takes by its max-fs and max-fr (RFC 7741 section 6.1); nonsense limits nothing."""
    blocks, fps = (_positive(parameters.get(name)) for name in ("max-fs", "max-fr"))
    return PictureLimit(blocks=blocks, fps=fps)


def _positive(value: object) -> float:
    number = int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()) else 0
    return float(number) if number > 0 else math.inf
