"""What a network predicts, and the clean latent it stands for: the one place where kinds of prediction are converted.

A level of the shifted process mixes the target y with the noise n = y_hat + eps,
y^s = alpha y + sigma n (:mod:`engines.flow`).
Whatever a network was trained to predict of the pair, y follows; the shift is inside n and changes nothing here.
"""

from collections.abc import Mapping
from typing import Literal

from torch import Tensor

PredictionType = Literal["sample", "epsilon", "v_prediction", "flow_velocity"]


def to_clean(
    predicted: Tensor, y_s: Tensor, alpha: Tensor | float, sigma: Tensor | float, kind: PredictionType
) -> Tensor:
    """The clean latent y that a prediction stands for.

    Dividing by a small alpha magnifies rounding (15 times at SD 1.5's last level), so both are taken to float32.

    Args:
        predicted: What the network gave, (B, C, h, w).
        y_s: The noisy latent it was given, same shape.
        alpha: Signal share of the level, a scalar or (B, 1, 1, 1).
        sigma: Noise share of the level, likewise.
        kind: "sample" is y itself; "epsilon" is n; "v_prediction" is alpha n - sigma y (Salimans and Ho
            2022, App. D), where alpha^2 + sigma^2 = 1; "flow_velocity" is n - y, where alpha = 1 - sigma.

    Returns:
        y, (B, C, h, w), in the prediction's own type.
    """
    if kind == "sample":
        return predicted
    raw, noisy = predicted.float(), y_s.float()
    if kind == "epsilon":
        clean = (noisy - sigma * raw) / alpha
    elif kind == "v_prediction":
        clean = alpha * noisy - sigma * raw
    else:
        clean = noisy - sigma * raw
    return clean.to(predicted.dtype)


def prediction_type(scheduler_config: Mapping[str, object]) -> PredictionType:
    """What a model predicts, read from its scheduler's configuration as diffusers saves it.

    Raises:
        ValueError: The configuration names a kind that is not known here.
    """
    if str(scheduler_config.get("_class_name", "")).startswith("FlowMatch"):
        return "flow_velocity"
    kind = scheduler_config.get("prediction_type", "epsilon")
    if kind == "epsilon":
        return "epsilon"
    if kind == "v_prediction":
        return "v_prediction"
    if kind == "sample":
        return "sample"
    raise ValueError(f"prediction type {kind!r} is not one of epsilon, v_prediction, sample, flow_velocity")
