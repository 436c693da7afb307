import pytest
import torch
from torch import Tensor

from engines.codecs import PatchCodec
from engines.families import NOISE_DRIFT
from engines.noise_drift import drifted
from engines.training.targets import edit
from engines.training.weather import Balloons, smooth_noise

GREY = torch.full((1, 3, 128, 128), 0.4)
RED = torch.tensor([0.9, 0.1, 0.1]).view(1, 3, 1, 1)
ONE = torch.ones(1, 1, 1, 1)


def planes(seed: int = 0) -> Tensor:
    return torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(seed))


def weather(family: str, noise: Tensor, amount: float = 1.0) -> Tensor:
    return edit(family, GREY, amount * ONE, RED, noise=noise)


@pytest.mark.parametrize("sigma", [1.4, 4.0])
def test_smoothed_noise_has_unit_variance(sigma: float) -> None:
    field = smooth_noise(planes()[:, :1], sigma)[..., 16:-16, 16:-16]

    assert abs(float(field.std()) - 1) < 0.25


@pytest.mark.parametrize("family", NOISE_DRIFT)
def test_what_falls_or_rises_is_where_it_was_moved_by_the_drift(family: str) -> None:
    """Known answer: with one plane alone, the target of the moved noise is the moved target."""
    codec, (down, right) = PatchCodec(2), NOISE_DRIFT[family][0]
    alone = planes() * torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    step = ((down, right), (0, 0), (0, 0))
    moved = codec.decode(drifted(codec.encode(alone)[0], step, codec, torch.Generator())[None])

    before, after = weather(family, alone), weather(family, moved)

    # Far enough from the edges that the fresh noise there is out of reach.
    inner = slice(40, 88)
    shifted = before.roll((down, right), (2, 3))
    torch.testing.assert_close(after[..., inner, inner], shifted[..., inner, inner], atol=2e-3, rtol=0)


@pytest.mark.parametrize("family", NOISE_DRIFT)
def test_more_is_asked_more_falls(family: str) -> None:
    covered = [
        sum(float((weather(family, planes(seed), amount) - GREY).abs().mean()) for seed in range(6))
        for amount in (0.5, 1.0, 1.5)
    ]

    assert covered[0] < covered[1] < covered[2]


def test_other_noise_is_other_weather() -> None:
    assert not torch.allclose(weather("snow", planes(0)), weather("snow", planes(1)), atol=0.05)


def test_balloons_have_the_colour_that_is_given_and_are_round() -> None:
    changed = torch.zeros(128, 128, dtype=torch.bool)
    for seed in range(10):
        edited = weather("add_balloons", planes(seed))[0]
        balloon = (edited[0] - edited[2]) > 0.25
        changed |= balloon
        assert float(balloon.float().mean()) < 0.2
    assert changed.any()


def test_balloons_cross_a_picture_and_leave_the_rest_alone() -> None:
    balloons = Balloons(
        torch.tensor([[30.0, 60.0]]), torch.tensor([[4.0, 0.0]]), torch.full((1, 2), 8.0), RED.view(1, 3)
    )

    first, later = balloons.over(GREY[0], 0), balloons.over(GREY[0], 10)

    def middle(picture: Tensor) -> list[float]:
        where = ((picture - GREY[0]).abs().sum(0) > 0.1).nonzero().float().mean(0)
        return [float(where[1]), float(where[0])]

    assert middle(first) == pytest.approx([29.5, 59.5], abs=1)
    assert middle(later) == pytest.approx([69.5, 59.5], abs=1)
    assert torch.equal(first[:, :40], GREY[0][:, :40])


def test_a_seed_gives_the_same_balloons() -> None:
    first, again = (Balloons.random(64, 64, torch.Generator().manual_seed(4)) for _ in range(2))

    assert torch.equal(first.over(GREY[0], 2), again.over(GREY[0], 2))
