import pytest

from server.rtc.rate import BestRate, RateControl


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def without_loss(rate: RateControl, clock: Clock, seconds: int) -> None:
    """A report of nothing lost for each second."""
    for _ in range(seconds):
        clock.now_s += 1
        rate.reported(0.0)


def test_the_receivers_estimate_counts_within_what_is_set() -> None:
    rate = RateControl(3_000_000, 2_000_000)
    assert rate.target_bps == 2_000_000
    for estimate, target in ((1_000_000, 1_000_000), (10_000_000, 3_000_000), (1, 200_000)):
        rate.estimated(estimate)
        assert rate.target_bps == target


def test_what_is_set_counts_also_below_the_least() -> None:
    assert RateControl(100_000).target_bps == 100_000


def test_heavy_loss_lowers_it_light_loss_lets_it_grow_again() -> None:
    clock = Clock()
    rate = RateControl(3_000_000, 2_000_000, clock)
    rate.estimated(3_000_000)
    rate.reported(0.5)
    assert rate.target_bps == 2_250_000
    rate.reported(0.05)
    assert rate.target_bps == 2_250_000
    without_loss(rate, clock, 20)
    assert rate.target_bps == 3_000_000


def test_without_an_estimate_it_grows_from_the_start_to_what_is_set() -> None:
    clock = Clock()
    rate = RateControl(3_000_000, 2_000_000, clock)
    without_loss(rate, clock, 1)
    assert rate.target_bps == 2_160_000
    without_loss(rate, clock, 10)
    assert rate.target_bps == 3_000_000


def test_a_long_silence_is_no_licence_to_jump() -> None:
    clock = Clock()
    rate = RateControl(30_000_000, 2_000_000, clock)
    clock.now_s += 600
    rate.reported(0.0)
    assert rate.target_bps == int(2_000_000 * 1.08**2)


def test_a_shared_picture_follows_the_best_network() -> None:
    shared = BestRate(3_000_000)
    near, far = RateControl(3_000_000), RateControl(3_000_000)
    shared.join(near)
    shared.join(far)
    near.estimated(2_500_000)
    far.estimated(300_000)
    assert shared.target_bps == 2_500_000
    shared.leave(near)
    shared.leave(near)
    assert shared.target_bps == 300_000
    shared.leave(far)
    assert shared.target_bps == 2_000_000
    with pytest.raises(NotImplementedError):
        shared.estimated(1)
