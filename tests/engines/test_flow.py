from typing import Any

import pytest
import torch
from torch import Tensor

from engines import flow

SHAPE = (2, 4, 8, 8)


def noise(seed: int, shape: tuple[int, ...] = SHAPE) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def alphas_cumprod() -> Tensor:
    """SD 1.5's scaled-linear schedule."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0)


@pytest.mark.parametrize(("alpha", "sigma"), [(0.6, 0.8), (0.3, 0.7), (0.0, 1.0), (1.0, 0.0)])
def test_the_forward_process_is_gamma_y_plus_sigma_residual_and_noise(alpha: float, sigma: float) -> None:
    y, y_hat, eps = noise(0), noise(1), noise(2)
    gamma, m = alpha + sigma, y_hat - y

    torch.testing.assert_close(flow.forward(y, y_hat, eps, alpha, sigma), gamma * y + sigma * (m + eps))


def test_gamma_is_one_all_along_the_flow_schedule() -> None:
    torch.testing.assert_close(flow.flow_levels(8).gamma, torch.ones(9))


def test_gamma_of_a_variance_preserving_schedule_reaches_the_root_of_two() -> None:
    levels = flow.variance_preserving_levels(alphas_cumprod(), range(999, -1, -1))

    torch.testing.assert_close(levels.alpha**2 + levels.sigma**2, torch.ones(1001))
    assert float(levels.gamma.max()) == pytest.approx(2**0.5, abs=1e-4)


def test_the_terminal_mean_is_the_memory() -> None:
    y, y_hat = noise(0), noise(1)
    eps = noise(2, (20_000, *SHAPE[1:]))[:, :, :2, :2]
    terminal = flow.forward(
        y[:1, :, :2, :2].expand_as(eps), y_hat[:1, :, :2, :2].expand_as(eps), eps, alpha=0.0, sigma=1.0
    )

    torch.testing.assert_close(terminal.mean(0), y_hat[0, :, :2, :2], atol=0.04, rtol=0)


def test_the_start_of_a_first_frame_is_plain_noise() -> None:
    eps = noise(0)
    assert torch.equal(flow.start(torch.zeros_like(eps), eps), eps)


def test_the_start_of_a_schedule_that_ends_early_keeps_the_memory_as_signal() -> None:
    y_hat, eps = noise(0), noise(1)
    torch.testing.assert_close(flow.start(y_hat, eps, 0.1, 0.9), 0.1 * y_hat + 0.9 * (y_hat + eps))


@pytest.mark.parametrize("steps", [1, 2, 8])
def test_ddim_with_an_oracle_network_returns_to_the_target(steps: int) -> None:
    y, y_hat, eps = noise(0), noise(1), noise(2)
    levels = flow.flow_levels(steps)
    y_s = flow.start(y_hat, eps)
    for i in range(steps):
        y_s = flow.ddim_step(
            y_s, y, levels.alpha[i], levels.sigma[i], levels.alpha[i + 1], levels.sigma[i + 1]
        )

    torch.testing.assert_close(y_s, y, atol=1e-6, rtol=0)


@pytest.mark.parametrize("steps", [1, 2, 8])
def test_euler_with_an_oracle_velocity_returns_to_the_target(steps: int) -> None:
    y, y_hat, eps = noise(0), noise(1), noise(2)
    sigma = flow.flow_levels(steps).sigma
    y_s = flow.start(y_hat, eps)
    for i in range(steps):
        y_s = flow.euler_step(y_s, y_hat - y + eps, sigma[i], sigma[i + 1])

    torch.testing.assert_close(y_s, y, atol=1e-6, rtol=0)


def test_on_the_flow_schedule_euler_and_ddim_are_the_same_step() -> None:
    y_s, y = noise(0), noise(1)
    euler = flow.euler_step(y_s, flow.velocity(y_s, y, 0.8), 0.8, 0.3)

    torch.testing.assert_close(euler, flow.ddim_step(y_s, y, 0.2, 0.8, 0.7, 0.3))


def test_the_velocity_is_residual_plus_noise() -> None:
    y, y_hat, eps = noise(0), noise(1), noise(2)
    y_s = flow.forward(y, y_hat, eps, 0.3, 0.7)

    torch.testing.assert_close(flow.velocity(y_s, y, 0.7), y_hat - y + eps)


def test_without_memory_a_ddim_step_is_that_of_diffusers() -> None:
    import diffusers

    # Its lazily loaded names are opaque to a type checker.
    scheduler: Any = diffusers.DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=0,
    )
    scheduler.set_timesteps(4)
    timesteps: list[int] = scheduler.timesteps.tolist()
    levels = flow.variance_preserving_levels(scheduler.alphas_cumprod, timesteps)
    ours = theirs = noise(0).float()
    for i, timestep in enumerate(timesteps):
        epsilon = noise(10 + i).float()
        level = (levels.alpha[i], levels.sigma[i])
        clean = (ours - level[1] * epsilon) / level[0]
        ours = flow.ddim_step(ours, clean, *level, levels.alpha[i + 1], levels.sigma[i + 1])
        theirs = scheduler.step(epsilon, timestep, theirs).prev_sample

    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def marginal_after(step: str, churn: float = 1.0) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, over many noises, of one step from sigma .8 to .3 around a memory of 5."""
    count = 200_000
    y, y_hat = torch.full((count,), 2.0).double(), torch.full((count,), 5.0).double()
    eps, z = noise(3, (count,)), noise(4, (count,))
    y_s = flow.forward(y, y_hat, eps, 0.2, 0.8)
    if step == "zero mean":
        result = 0.7 * y + 0.3 * z
    elif step == "renoise":
        result = flow.renoise(y, y_hat, z, 0.7, 0.3)
    else:
        result = flow.stochastic_step(y_s, y, y_hat, z, (0.2, 0.8), (0.7, 0.3), churn)
    return result.mean(), result.std()


MARGINAL = (0.7 * 2.0 + 0.3 * 5.0, 0.3)
"""Of the forward process itself at sigma .3."""


@pytest.mark.parametrize("churn", [0.0, 0.4, 1.0])
def test_a_stochastic_step_keeps_the_marginal_of_the_forward_process(churn: float) -> None:
    mean, std = marginal_after("stochastic", churn)

    assert float(mean) == pytest.approx(MARGINAL[0], abs=0.01)
    assert float(std) == pytest.approx(MARGINAL[1], abs=0.01)


def test_a_full_renoise_keeps_the_marginal_of_the_forward_process() -> None:
    mean, std = marginal_after("renoise")

    assert float(mean) == pytest.approx(MARGINAL[0], abs=0.01)
    assert float(std) == pytest.approx(MARGINAL[1], abs=0.01)


def test_a_zero_mean_renoise_as_image_pipelines_do_it_leaves_the_marginal() -> None:
    mean, _ = marginal_after("zero mean")

    assert abs(float(mean) - MARGINAL[0]) > 1


def test_full_churn_is_a_renoise_and_none_is_ddim() -> None:
    y_s, y, y_hat, z = (noise(seed) for seed in range(4))
    level, level_next = (0.2, 0.8), (0.7, 0.3)

    torch.testing.assert_close(
        flow.stochastic_step(y_s, y, y_hat, z, level, level_next, 1.0), flow.renoise(y, y_hat, z, *level_next)
    )
    torch.testing.assert_close(
        flow.stochastic_step(y_s, y, y_hat, z, level, level_next, 0.0),
        flow.ddim_step(y_s, y, *level, *level_next),
    )


@pytest.mark.parametrize("churn", [-0.1, 1.1])
def test_churn_outside_its_range_is_refused(churn: float) -> None:
    y = noise(0)
    with pytest.raises(ValueError, match="churn"):
        flow.stochastic_step(y, y, y, y, (0.2, 0.8), (0.7, 0.3), churn)


def test_latents_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        flow.forward(noise(0), noise(0), noise(0)[:1], 0.5, 0.5)


def test_no_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        flow.flow_levels(0)
    with pytest.raises(ValueError, match="at least one timestep"):
        flow.variance_preserving_levels(alphas_cumprod(), [])


def test_levels_that_rise_are_refused() -> None:
    with pytest.raises(ValueError, match="must not rise"):
        flow.NoiseLevels(torch.tensor([1.0, 0.5]), torch.tensor([0.0, 0.5]))
    with pytest.raises(ValueError, match="not two lists"):
        flow.NoiseLevels(torch.tensor([1.0, 0.5]), torch.tensor([0.0]))
