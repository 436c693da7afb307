"""The residual flow of RFDM (arXiv 2602.06871): forward process, sampler steps and re-noising.

Symbols follow the paper. ``y`` is the target latent, ``y_hat`` the remembered prediction ŷ, ``m = y_hat - y`` the
residual that the flow must undo, ``eps`` unit Gaussian noise. At level s the forward process is

    y^s = alpha_s y + sigma_s (y_hat + eps) = gamma_s y + sigma_s (m + eps),    gamma_s = alpha_s + sigma_s

so noise is centred on the memory, not on zero. Everything here is pure: tensors in, tensors out, randomness passed
in. Latents are (B, C, H, W); ``alpha`` and ``sigma`` are scalars or broadcast against them, e.g. (B, 1, 1, 1).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class NoiseLevels:
    """Noise levels from the most to the least noisy.

    Attributes:
        alpha: Share of the signal at each level, (N,) float32.
        sigma: Share of the noise at each level, (N,) float32, not rising.
        timestep: What the network is told of each level, (N,); sigma itself where it is None.

    Raises:
        ValueError: They differ in length, or sigma rises somewhere.
    """

    alpha: Tensor
    sigma: Tensor
    timestep: Tensor | None = None

    def __post_init__(self) -> None:
        if self.alpha.shape != self.sigma.shape or self.alpha.ndim != 1:
            raise ValueError(
                f"alpha {tuple(self.alpha.shape)} and sigma {tuple(self.sigma.shape)} are not two lists"
            )
        if bool((self.sigma.diff() > 0).any()):
            raise ValueError("sigma must not rise from one level to the next")
        if self.timestep is not None and self.timestep.shape != self.sigma.shape:
            raise ValueError(f"{len(self.timestep)} timesteps for {len(self.sigma)} levels")

    def __len__(self) -> int:
        return len(self.sigma)

    @property
    def gamma(self) -> Tensor:
        """What multiplies the target once the noise is centred on the residual: alpha + sigma, (N,)."""
        return self.alpha + self.sigma


def flow_levels(steps: int) -> NoiseLevels:
    """Rectified-flow levels alpha = 1 - sigma, evenly from 1 to 0; gamma is 1 throughout (SD 3.5, rfdm-tiny).

    Args:
        steps: Number of sampler steps; ``steps + 1`` levels are returned.

    Raises:
        ValueError: ``steps`` is less than 1.
    """
    if steps < 1:
        raise ValueError(f"at least one step is needed, not {steps}")
    sigma = torch.linspace(1.0, 0.0, steps + 1)
    return NoiseLevels(1 - sigma, sigma)


def variance_preserving_levels(alphas_cumprod: Tensor, timesteps: Sequence[int]) -> NoiseLevels:
    """Levels with alpha^2 + sigma^2 = 1 at the given training timesteps, then the clean level (SD 1.5).

    Args:
        alphas_cumprod: The scheduler's cumulative products of 1 - beta, (T,).
        timesteps: Indices into it, most noisy first.

    Raises:
        ValueError: ``timesteps`` is empty.
    """
    if not timesteps:
        raise ValueError("at least one timestep is needed")
    alpha_squared = torch.cat([alphas_cumprod[torch.as_tensor(timesteps)].float(), torch.ones(1)])
    return NoiseLevels(alpha_squared.sqrt(), (1 - alpha_squared).sqrt())


def forward(y: Tensor, y_hat: Tensor, eps: Tensor, alpha: Tensor | float, sigma: Tensor | float) -> Tensor:
    """The shifted forward process y^s = alpha y + sigma (y_hat + eps); RFDM's residual flow.

    Raises:
        ValueError: The three latents differ in shape.
    """
    if not y.shape == y_hat.shape == eps.shape:
        raise ValueError(f"shapes differ: {tuple(y.shape)}, {tuple(y_hat.shape)} and {tuple(eps.shape)}")
    return alpha * y + sigma * (y_hat + eps)


def start(y_hat: Tensor, eps: Tensor, alpha: Tensor | float = 0.0, sigma: Tensor | float = 1.0) -> Tensor:
    """Where sampling begins: the forward process with the memory in the unknown target's place.

    At sigma = 1, alpha = 0 this is y_hat + eps. A schedule that ends lower keeps alpha y_hat + sigma (y_hat + eps).
    A stream's first frame has y_hat = 0.
    """
    return forward(y_hat, y_hat, eps, alpha, sigma)


def shifted_noise(y_s: Tensor, y: Tensor, alpha: Tensor | float, sigma: Tensor | float) -> Tensor:
    """The noise that explains ``y_s`` given the clean ``y``: (y^s - alpha y) / sigma = y_hat + eps.

    It carries the shift y_hat already; sigma must not be 0.
    """
    return (y_s - alpha * y) / sigma


def ddim_step(
    y_s: Tensor,
    y: Tensor,
    alpha: Tensor | float,
    sigma: Tensor | float,
    alpha_next: Tensor | float,
    sigma_next: Tensor | float,
) -> Tensor:
    """One deterministic DDIM step (Song et al. 2021, Eq. 12, eta = 0) on the shifted process.

    Args:
        y_s: Latent at the present level.
        y: The network's clean prediction there.
        alpha: Signal share at the present level.
        sigma: Noise share at the present level, above 0.
        alpha_next: Signal share at the next, less noisy level.
        sigma_next: Noise share at the next level; 0 returns ``y`` itself.
    """
    return alpha_next * y + sigma_next * shifted_noise(y_s, y, alpha, sigma)


def velocity(y_s: Tensor, y: Tensor, sigma: Tensor | float) -> Tensor:
    """The flow schedule's velocity d y^s / d sigma = (y^s - y) / sigma, which is m + eps; sigma must not be 0."""
    return (y_s - y) / sigma


def euler_step(y_s: Tensor, v: Tensor, sigma: Tensor | float, sigma_next: Tensor | float) -> Tensor:
    """One Euler step of the flow's ordinary differential equation, from sigma down to sigma_next."""
    return y_s + (sigma_next - sigma) * v


def renoise(y: Tensor, y_hat: Tensor, z: Tensor, alpha: Tensor | float, sigma: Tensor | float) -> Tensor:
    """Fresh noise after a clean prediction, its mean put back on the memory: alpha y + sigma (y_hat + z).

    Image pipelines re-noise with zero mean; here that would leave the marginal of the forward process.
    """
    return forward(y, y_hat, z, alpha, sigma)


def stochastic_step(
    y_s: Tensor,
    y: Tensor,
    y_hat: Tensor,
    z: Tensor,
    level: tuple[float, float],
    level_next: tuple[float, float],
    churn: float,
) -> Tensor:
    """DDIM with fresh noise of share ``churn`` in [0, 1]: 0 is :func:`ddim_step`, 1 is :func:`renoise`.

    The kept and the fresh noise are mixed around the shift, sqrt(1 - churn^2) eps + churn z, so that the result has
    the forward process's own marginal at the next level whatever the churn.

    Args:
        y_s: Latent at the present level.
        y: The network's clean prediction there.
        y_hat: The memory.
        z: Fresh unit Gaussian noise.
        level: (alpha, sigma) of the present level, sigma above 0.
        level_next: (alpha, sigma) of the next level.
        churn: Share of fresh noise.

    Raises:
        ValueError: ``churn`` is outside [0, 1].
    """
    if not 0 <= churn <= 1:
        raise ValueError(f"churn must be in [0, 1], not {churn}")
    eps = shifted_noise(y_s, y, *level) - y_hat
    mixed = (1 - churn**2) ** 0.5 * eps + churn * z
    return forward(y, y_hat, mixed, *level_next)
