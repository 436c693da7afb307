import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.rtc.clocks import (
    CaptureClock,
    PictureClock,
    SenderClock,
    SenderReport,
    ntp_to_unix_ms,
    unix_ms_to_ntp,
    wrapped_difference,
)

WRAP = 1 << 32


@given(st.integers(0, WRAP - 1), st.integers(-(1 << 31), (1 << 31) - 1))
def test_differences_survive_the_wrap(earlier: int, ticks: int) -> None:
    assert wrapped_difference((earlier + ticks) % WRAP, earlier) == ticks


def test_ticks_go_on_across_the_wrap() -> None:
    clock = PictureClock()
    begun = WRAP - 3000
    assert [clock.pts(1, (begun + index * 3000) % WRAP, index / 30) for index in range(4)] == [
        0,
        3000,
        6000,
        9000,
    ]


def test_a_new_source_is_laid_behind_the_old_one() -> None:
    clock = PictureClock()
    clock.pts(1, 50_000, 0.0)
    clock.pts(1, 53_000, 1 / 30)
    assert clock.pts(2, 7, 1 / 30 + 0.1) == 3000 + 9000
    assert clock.pts(2, 3007, 0.2) == 15_000


def test_a_source_that_begins_anew_is_laid_behind_itself() -> None:
    clock = PictureClock()
    clock.pts(1, 9_000_000, 0.0)
    assert clock.pts(1, 7, 0.1) == 9000
    assert clock.pts(1, 3007, 0.2) == 12_000


def test_a_clip_of_a_second_may_be_sent_over_and_over() -> None:
    clock = PictureClock()
    ticks = [clock.pts(1, 3750 * (index % 24), index / 24) for index in range(72)]
    assert ticks == [3750 * index for index in range(72)]


def test_a_late_packet_keeps_its_own_time() -> None:
    clock = PictureClock()
    assert [clock.pts(1, timestamp, 0.0) for timestamp in (1000, 7000, 4000, 10_000)] == [0, 6000, 3000, 9000]


def test_ntp_time_is_unix_time_and_seventy_years() -> None:
    assert ntp_to_unix_ms((2_208_988_800 + 1_700_000_000) << 32 | 1 << 31) == 1_700_000_000_500.0


def test_the_capture_time_is_by_the_senders_clock() -> None:
    clock = SenderClock()
    assert clock.capture_ms(9000) is None
    clock.add(SenderReport(1, 0, 0, 0.0))
    assert clock.capture_ms(9000) is None
    sent_ms = 1_700_000_000_000.0
    ntp = (2_208_988_800 + 1_700_000_000) << 32
    clock.add(SenderReport(1, ntp, 90_000, received_unix_ms=sent_ms + 250.0))
    assert clock.capture_ms(90_000 + 9000) == pytest.approx(sent_ms + 100)
    assert clock.capture_ms(90_000 - 9000) == pytest.approx(sent_ms - 100)
    # 250 ms after it was sent by its own clock, 20 of which it was on its way: our clock is 230 ahead.
    assert clock.offset_ms(round_trip_ms=40.0) == pytest.approx(230.0)
    # A report that lay around before it was sent does not make the way longer.
    clock.add(SenderReport(1, ntp, 90_000, received_unix_ms=sent_ms + 280.0))
    assert clock.offset_ms(round_trip_ms=40.0) == pytest.approx(230.0)


@given(st.floats(0, 4e12))
def test_a_time_survives_being_an_ntp_timestamp(unix_ms: float) -> None:
    # Until NTP's 32 bits of seconds wrap in 2036.
    if unix_ms < 2_085_978_496_000:
        assert ntp_to_unix_ms(unix_ms_to_ntp(unix_ms)) == pytest.approx(unix_ms, abs=0.01)


def test_picture_and_sound_are_dated_by_one_clock() -> None:
    clock = CaptureClock()
    ntp = unix_ms_to_ntp(1_000_000.0)
    assert clock.video_ms(90_000, 5.0) == 5.0
    clock.video.add(SenderReport(1, ntp, 90_000, 1_000_100.0))
    # The picture alone could be dated by the sender's clock, but then not with the sound.
    assert clock.video_ms(180_000, 5.0) == 5.0
    clock.sound.add(SenderReport(2, ntp, 48_000, 1_000_100.0))
    assert clock.video_ms(180_000, 5.0) == pytest.approx(1_001_000.0)
    assert clock.sound_ms(96_000, 5.0) == pytest.approx(1_001_000.0)
