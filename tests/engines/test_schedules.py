"""Levels and timesteps against the schedulers of diffusers."""

from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler

from engines.schedules import ShiftedFlow, VariancePreserving, load_schedule
from tests.engines.stock import vp_scheduler


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_discrete_levels_are_those_of_diffusers(tmp_path: Path, steps: int) -> None:
    scheduler = vp_scheduler()
    scheduler.save_pretrained(tmp_path)
    schedule, kind = load_schedule(tmp_path)
    levels = schedule.levels(steps)
    scheduler.set_timesteps(steps)

    assert kind == "epsilon"
    assert levels.timestep is not None
    assert levels.timestep[:-1].tolist() == scheduler.timesteps.tolist()
    torch.testing.assert_close(levels.alpha[:-1] ** 2, scheduler.alphas_cumprod[scheduler.timesteps])
    torch.testing.assert_close(levels.alpha**2 + levels.sigma**2, torch.ones(steps + 1))
    assert float(levels.sigma[-1]) == 0


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_flow_levels_are_those_of_diffusers(tmp_path: Path, steps: int) -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.save_pretrained(tmp_path)
    schedule, kind = load_schedule(tmp_path)
    levels = schedule.levels(steps)
    scheduler.set_timesteps(steps)

    assert kind == "flow_velocity"
    assert levels.timestep is not None
    torch.testing.assert_close(levels.sigma, scheduler.sigmas)
    torch.testing.assert_close(levels.timestep[:-1], scheduler.timesteps)


def test_a_single_step_begins_at_the_noisiest_level_whatever_the_configuration_says(tmp_path: Path) -> None:
    DDIMScheduler(timestep_spacing="leading", steps_offset=1).save_pretrained(tmp_path)
    levels = load_schedule(tmp_path)[0].levels(1)

    assert levels.timestep is not None
    assert levels.timestep.tolist() == [999, 0]


def test_drawn_levels_lie_on_the_schedule() -> None:
    shares = torch.tensor([0.0, 0.5, 0.9999])
    discrete = VariancePreserving(vp_scheduler().alphas_cumprod).draw(shares)
    assert discrete.timestep.tolist() == [0, 500, 999]
    torch.testing.assert_close(discrete.alpha**2 + discrete.sigma**2, torch.ones(3))

    flow = ShiftedFlow(3.0, 1000).draw(shares)
    torch.testing.assert_close(flow.sigma[1], torch.tensor(0.75))
    torch.testing.assert_close(flow.timestep, 1000 * flow.sigma)
    torch.testing.assert_close(flow.alpha, 1 - flow.sigma)
    # The share 0 is drawn now and then, and a loss may divide by sigma squared.
    torch.testing.assert_close(flow.sigma[0], torch.tensor(0.003 / 1.002))


@pytest.mark.parametrize("steps", [0, 1001])
def test_steps_that_a_schedule_does_not_have_are_refused(steps: int) -> None:
    with pytest.raises(ValueError, match=f"not {steps}"):
        VariancePreserving(vp_scheduler().alphas_cumprod).levels(steps)


def test_a_noise_prediction_at_pure_noise_is_refused(tmp_path: Path) -> None:
    DDIMScheduler(rescale_betas_zero_snr=True).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="zero terminal SNR"):
        load_schedule(tmp_path)


def test_a_flow_that_depends_on_the_size_is_refused(tmp_path: Path) -> None:
    FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="shifts with the picture's size"):
        load_schedule(tmp_path)
