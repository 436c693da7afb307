import pytest
import torch
from diffusers import DDIMScheduler
from torch import Tensor

from engines import flow
from engines.prediction import PredictionType, prediction_type, to_clean

VARIANCE_PRESERVING = (0.6, 0.8)
FLOW = (0.3, 0.7)


def encoded(kind: PredictionType, y: Tensor, n: Tensor, alpha: float, sigma: float) -> Tensor:
    """What a perfect network of each kind answers."""
    kinds = {"sample": y, "epsilon": n, "v_prediction": alpha * n - sigma * y, "flow_velocity": n - y}
    return kinds[kind]


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        ("sample", FLOW),
        ("sample", VARIANCE_PRESERVING),
        ("epsilon", FLOW),
        ("epsilon", VARIANCE_PRESERVING),
        ("v_prediction", VARIANCE_PRESERVING),
        ("flow_velocity", FLOW),
    ],
)
def test_a_perfect_prediction_of_any_kind_is_the_target_whatever_the_memory(
    kind: PredictionType, level: tuple[float, float]
) -> None:
    y, y_hat, eps = torch.randn(3, 2, 4, 3, 5, generator=torch.Generator().manual_seed(0))
    y_s = flow.forward(y, y_hat, eps, *level)

    clean = to_clean(encoded(kind, y, y_hat + eps, *level), y_s, *level, kind)
    torch.testing.assert_close(clean, y, atol=1e-5, rtol=1e-5)


def test_levels_may_differ_within_a_batch() -> None:
    y, n = torch.randn(2, 2, 4, 3, 5, generator=torch.Generator().manual_seed(0))
    sigma = torch.tensor([0.2, 0.9]).view(2, 1, 1, 1)
    y_s = (1 - sigma) * y + sigma * n

    torch.testing.assert_close(to_clean(n - y, y_s, 1 - sigma, sigma, "flow_velocity"), y)


def test_half_precision_stays_but_the_conversion_is_not_done_in_it() -> None:
    y, n = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    alpha, sigma = 0.068, 0.9977
    clean = to_clean(n, y, alpha, sigma, "epsilon")
    expected = (y.float() - sigma * n.float()) / alpha

    assert clean.dtype == torch.bfloat16
    torch.testing.assert_close(clean, expected.bfloat16(), atol=0, rtol=0)


def test_the_kind_is_read_from_the_schedulers_own_configuration() -> None:
    for kind in ("epsilon", "v_prediction", "sample"):
        assert prediction_type(DDIMScheduler(prediction_type=kind).config) == kind
    assert prediction_type({"_class_name": "PNDMScheduler"}) == "epsilon"
    assert prediction_type({"_class_name": "FlowMatchEulerDiscreteScheduler"}) == "flow_velocity"


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="prediction type 'score' is not one of"):
        prediction_type({"_class_name": "DDIMScheduler", "prediction_type": "score"})
