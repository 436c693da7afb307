import pytest

from server.camera.pace import Pace


def sent_of(arrivals_s: list[float], fps: float) -> list[float]:
    """When each picture that was sent was, where the newest wins while one has to wait."""
    pace, sent, waiting = Pace(fps), [0.0], list(arrivals_s)
    pace.sent(0.0)
    while waiting:
        now_s = max(waiting[0], sent[-1])
        now_s += pace.wait_s(now_s)
        waiting = [arrival for arrival in waiting if arrival > now_s]
        pace.sent(now_s)
        sent.append(now_s)
    return sent


def test_a_source_of_the_cameras_rate_passes_without_delay_although_it_jitters() -> None:
    arrivals_s = [i / 30 + (0.008 if i % 2 else -0.008) for i in range(1, 61)]
    assert sent_of(arrivals_s, 30.0)[1:] == pytest.approx(arrivals_s)


def test_a_faster_source_is_held_to_the_cameras_rate() -> None:
    sent = sent_of([i / 60 for i in range(1, 121)], 24.0)
    assert len(sent) == pytest.approx(2 * 24, abs=2)


def test_a_burst_is_not_passed_on() -> None:
    assert len(sent_of([1.0 + i / 1000 for i in range(30)], 30.0)) <= 4


def test_a_pause_earns_no_burst() -> None:
    pace = Pace(10.0)
    pace.sent(0.0)
    pace.sent(60.0)
    assert pace.wait_s(60.0) == pytest.approx(0.05)
