import pytest

from benchmarks.live.measurement import (
    Sample,
    Times,
    growth,
    growth_since_minute_one,
    percentile,
    window_times,
    windows,
)


def test_percentiles_are_by_nearest_rank() -> None:
    assert percentile([3.0, 1.0, 2.0, 4.0], 0.5) == 2.0
    assert percentile(list(map(float, range(1, 101))), 0.95) == 95.0
    assert percentile([], 0.5) is None


def test_growth_of_a_short_run_is_not_measured() -> None:
    samples = [Sample(float(second), 100.0) for second in range(119)]
    assert growth(samples, 119.0) is None
    assert growth_since_minute_one(samples, 119.0) is None


def test_memory_growth_compares_the_end_with_minute_one_not_with_the_start() -> None:
    samples = [Sample(float(second), 100.0 if second < 50 else 200.0) for second in range(290)]
    samples += [Sample(float(second), 210.0) for second in range(290, 300)]
    assert growth_since_minute_one(samples, 300.0) == pytest.approx(0.05)


def test_latency_growth_compares_the_last_minute_with_the_first() -> None:
    samples = [Sample(float(second), 50.0 + second / 10) for second in range(600)]
    assert growth(samples, 600.0) == pytest.approx((57 + 50) / 53 - 1, abs=0.02)


def test_windows_are_ten_seconds_apart_and_a_short_run_has_one() -> None:
    stats = [(100.0 + 0.5 * i, {"number": i}) for i in range(70)]
    assert [window["number"] for window in windows(stats, 100.0, 30.0)] == [20, 40, 60]
    assert [window["number"] for window in windows(stats, 100.0, 3.0)] == [6]


def test_a_window_that_measured_nothing_is_left_out() -> None:
    assert window_times([None, {"p50": 4.0, "p95": 9.0}]) == Times(4.0, 9.0)
    assert window_times([None]) == Times(None, None)
