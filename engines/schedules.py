"""Noise levels of pretrained models, from the scheduler configuration that lies beside their weights.

Two families: variance preserving with discrete timesteps (SD 1.5, 2.x) and the shifted rectified flow (SD 3.5). Each
gives the sampler's levels and draws levels for training, always with the timestep the network was taught.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from engines.fields import Fields
from engines.flow import NoiseLevels, flow_levels, variance_preserving_levels
from engines.prediction import PredictionType, prediction_type


@dataclass(frozen=True, eq=False)
class DrawnLevels:
    """A noise level for each sample of a batch, (B,) each and in float32."""

    alpha: Tensor
    sigma: Tensor
    timestep: Tensor


class Schedule(Protocol):
    """The levels a model was trained at."""

    def levels(self, steps: int) -> NoiseLevels:
        """The sampler's levels, ``steps + 1`` of them from the noisiest to the clean one."""
        ...

    def draw(self, shares: Tensor) -> DrawnLevels:
        """Training levels at ``shares`` of the schedule, (B,) in [0, 1): 0 is nearly clean, 1 the noisiest."""
        ...


class PlainFlow:
    """sigma evenly from 1 to 0 and told to the network as it is: rfdm-tiny's."""

    def levels(self, steps: int) -> NoiseLevels:
        """See :func:`engines.flow.flow_levels`."""
        return flow_levels(steps)

    def draw(self, shares: Tensor) -> DrawnLevels:
        """The share is sigma."""
        return DrawnLevels(1 - shares, shares, shares)


class VariancePreserving:
    """Levels of a discrete training schedule, alpha^2 + sigma^2 = 1.

    Steps are spaced "trailing", whatever the configuration says: only so does a sampler of a few steps begin at the
    noisiest level (Lin et al. 2023, Sec. 3.3). A single "leading" step would begin at the cleanest.

    Args:
        alphas_cumprod: Cumulative products of 1 - beta, (T,).
    """

    def __init__(self, alphas_cumprod: Tensor) -> None:
        self._alphas_cumprod = alphas_cumprod.float()

    def levels(self, steps: int) -> NoiseLevels:
        """Levels at the trailing timesteps, then the clean one.

        Raises:
            ValueError: ``steps`` is less than 1 or more than the schedule has.
        """
        count = len(self._alphas_cumprod)
        if not 1 <= steps <= count:
            raise ValueError(f"between 1 and {count} steps can be taken, not {steps}")
        timesteps = [round(count - index * count / steps) - 1 for index in range(steps)]
        levels = variance_preserving_levels(self._alphas_cumprod, timesteps)
        return NoiseLevels(levels.alpha, levels.sigma, torch.tensor([*timesteps, 0], dtype=torch.float32))

    def draw(self, shares: Tensor) -> DrawnLevels:
        """The level of the timestep at each share."""
        count = len(self._alphas_cumprod)
        timesteps = (shares * count).long().clamp(0, count - 1)
        alpha_squared = self._alphas_cumprod[timesteps.cpu()].to(shares.device)
        return DrawnLevels(alpha_squared.sqrt(), (1 - alpha_squared).sqrt(), timesteps.float())


class ShiftedFlow:
    """alpha = 1 - sigma, with sigma shifted towards the noise (Esser et al. 2024, Eq. 23).

    Args:
        shift: 1 leaves sigma as it is; SD 3.5 has 3.
        timesteps: What sigma = 1 is called, 1000 for SD 3.5.
    """

    def __init__(self, shift: float, timesteps: int) -> None:
        self._shift, self._timesteps = shift, timesteps

    def levels(self, steps: int) -> NoiseLevels:
        """The very sigmas of diffusers' FlowMatchEulerDiscreteScheduler.

        Raises:
            ValueError: ``steps`` is less than 1.
        """
        if steps < 1:
            raise ValueError(f"at least one step is needed, not {steps}")
        # The scheduler's last sigma is the shifted 1 / T, and it is shifted once more, as all are.
        last = float(self._shifted(torch.tensor(1 / self._timesteps, dtype=torch.float64)))
        even = torch.linspace(1.0, last, steps, dtype=torch.float64)
        sigma = torch.cat([self._shifted(even), torch.zeros(1, dtype=torch.float64)]).float()
        return NoiseLevels(1 - sigma, sigma, sigma * self._timesteps)

    def draw(self, shares: Tensor) -> DrawnLevels:
        """The shifted level of each share, never quite clean: a loss may divide by sigma."""
        sigma = self._shifted(shares.float().clamp_min(1 / self._timesteps))
        return DrawnLevels(1 - sigma, sigma, sigma * self._timesteps)

    def _shifted(self, sigma: Tensor) -> Tensor:
        return self._shift * sigma / (1 + (self._shift - 1) * sigma)


def load_schedule(folder: Path) -> tuple[Schedule, PredictionType]:
    """Read ``scheduler_config.json``: the levels, and what the network predicts.

    Raises:
        OSError: There is none.
        ValueError: It is of a kind that is not known here, or a value in it is wrong.
    """
    path = folder / "scheduler_config.json"
    config: Mapping[str, Any] = json.loads(path.read_text())
    kind = prediction_type(config)
    fields = Fields(path, config)
    steps = fields.whole("num_train_timesteps", least=1) if "num_train_timesteps" in config else 1000
    if kind == "flow_velocity":
        if config.get("use_dynamic_shifting"):
            raise ValueError("a flow schedule that shifts with the picture's size is not supported")
        shift = fields.positive("shift") if "shift" in config else 1.0
        return ShiftedFlow(shift, steps), kind
    alphas_cumprod = _alphas_cumprod(fields, config, path)
    if kind == "epsilon" and float(alphas_cumprod[-1]) <= 0:
        raise ValueError("a network that predicts the noise cannot start at pure noise (zero terminal SNR)")
    return VariancePreserving(alphas_cumprod), kind


def _alphas_cumprod(fields: Fields, config: Mapping[str, Any], path: Path) -> Tensor:
    # Imported here: the embedded model needs nothing of it.
    from diffusers import DDIMScheduler

    for name in ("beta_start", "beta_end"):
        if name in config:
            fields.number(name)
    known = {"num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas"}
    known |= {"rescale_betas_zero_snr"}
    try:
        betas = DDIMScheduler(**{name: value for name, value in config.items() if name in known})
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} describes no noise levels: {error}") from error
    alphas_cumprod: Tensor = betas.alphas_cumprod
    if not bool(((alphas_cumprod >= 0) & (alphas_cumprod <= 1)).all()):
        raise ValueError(f"{path} describes no noise levels: a beta of it is not between 0 and 1")
    return alphas_cumprod
